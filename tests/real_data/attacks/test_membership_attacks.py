"""Whoever memorises is found, whoever knows nobody is not, and no value of anybody leaves."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from attacked import MAPPING, VARIABLES, examined, memorising, people, sample

from manikin.errors import RequestError
from manikin.privacy import Budget
from manikin.real_data.attacks import ATTACKS, Attack, Attributes, CopiedPeople, Membership, Whose, attacks
from manikin.real_data.attacks.membership import scores_of
from manikin.real_data.attacks.roc import auc
from manikin.real_data.attacks.scene import scene_of
from manikin.real_data.attacks.sides import sides_of
from manikin.real_data.examining import Examined, gates_of
from manikin.real_data.records import Sample
from manikin.streams import Floats, Seed


def _area(attack: Attack, share: float) -> float:
    sides = sides_of(examined(share))
    assert sides is not None
    scored = scores_of(scene_of(sides), sides, (attack,))[attack.name]
    return auc(scored.members, scored.others).value


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.name)
def test_each_attack_tells_who_was_copied(attack: Attack) -> None:
    # Those that look at single rows find nearly everybody, those that look at densities are above chance by 5 standard errors.
    assert _area(attack, 1.0) > (0.9 if "nearest" in attack.name or "copies" in attack.name else 0.55)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: one.name)
def test_each_attack_is_blind_to_a_release_that_knows_nobody(attack: Attack) -> None:
    # 600 and 300 people: a standard error of 0.02; a false alarm in less than one of 10,000 attacks.
    assert _area(attack, 0.0) == pytest.approx(0.5, abs=0.08)


def test_a_tenth_that_is_memorised_is_found() -> None:
    """Of those used at least 5 times as many are found as claimed falsely, at 1% false claims."""
    finding = Membership()(examined(0.1, size=1_000))
    found = next(one for one in finding.measures if one.name == "Found at 1.0% false claims")
    assert finding.passed is False
    assert found.value >= 5 * 0.01
    assert found.expected is not None
    assert found.value >= 5 * found.expected
    assert found.expected <= 0.01
    sure = next(one for one in finding.measures if one.name == "People surely found")
    assert sure.value == pytest.approx(0.1, abs=0.02)


@pytest.mark.slow
def test_honest_releases_pass_every_gate() -> None:
    """Ten honest worlds; all gates together fail in one of a hundred at most, so that two failures are a chance of 0.4%."""
    failed = [
        [
            gate.name
            for check in attacks()
            for gate in gates_of(check(examined(0.0, world=world, size=400)))
            if not gate.passed
        ]
        for world in range(1, 11)
    ]
    assert sum(bool(one) for one in failed) <= 1, failed


def test_the_order_of_rows_does_not_matter_to_attacks() -> None:
    whole = examined(0.3)
    mixed = replace(whole, synthetic=whole.synthetic.taken(np.random.default_rng(1).permutation(whole.synthetic.size)))
    one, other = (Membership(attacks=ATTACKS[:6])(each) for each in (whole, mixed))
    assert [each.value for each in one.measures] == pytest.approx([each.value for each in other.measures], abs=1e-9)


def test_a_finding_holds_nobodys_values() -> None:
    secret = people(1, 600)
    secret[:, 0] += 123456.789
    told = examined(0.5, synthetic=memorising(secret, people(3, 600), 0.5))
    told = replace(told, real=sample(secret))
    written = json.dumps([asdict(check(told)) for check in attacks()], allow_nan=False)
    assert "12345" not in written and "12350" not in written


def test_equal_seeds_give_equal_findings() -> None:
    assert [check(examined(0.1, size=200)) for check in attacks()] == [
        check(examined(0.1, size=200)) for check in attacks()
    ]


def test_patients_are_judged_as_wholes() -> None:
    """Each patient has three rows; one of them is copied of a fifth of the patients."""
    used, unused, fresh = (people(seed, 900) for seed in (1, 2, 3))
    whose = np.repeat(np.arange(300), 3)
    copied = used[np.arange(0, 180, 3)]
    release = Examined(sample(np.concatenate([copied, fresh[:600]])), sample(used), sample(unused), MAPPING, Seed(1))
    finding = Membership(Whose(whose, whose))(release)
    found = next(one for one in finding.measures if one.name.startswith("Found at 1.0%"))
    assert found.value == pytest.approx(0.2, abs=0.03)
    assert any(one.name.endswith("mean of rows") for one in finding.measures)
    copies = CopiedPeople(Whose(whose, whose))(release)
    assert copies.measures[0].value == pytest.approx(0.2)
    assert copies.measures[0].expected == 0.0


def test_a_promise_is_held_against_what_it_allows() -> None:
    broken = Membership(promised=Budget(1.0, 1e-6))(examined(1.0))
    assert broken.passed is False
    assert {gate.set_by for gate in gates_of(broken)} == {"the promise of differential privacy"}
    assert len(broken.drawings["bound"]) == len(broken.drawings["false_shares"])
    # What would fail without a promise is within a large one.
    assert Membership(promised=Budget(8.0, 1e-6))(examined(0.1)).passed is True


def test_an_attacker_who_can_make_releases_learns_from_them() -> None:
    def maker(known: Sample, seed: Seed) -> Sample:
        rows = np.column_stack([known.columns[one.name] for one in VARIABLES])
        return sample(memorising(rows, people(seed.value % 1000 + 100, len(rows)), 0.5))

    finding = Membership(maker=maker, attacks=ATTACKS[:6])(examined(0.5))
    shadow = next(one for one in finding.measures if one.name == "shadow releases")
    # Half of those used are copied: an attack that knows it exactly has an area of 0.75.
    assert shadow.value > 0.7


def test_missing_values_are_no_obstacle() -> None:
    holes = [rows.copy() for rows in (people(1, 400), people(2, 400), people(3, 400))]
    for rows, chance in zip(holes, np.random.default_rng(1).random((3, 400, 5)), strict=True):
        rows[chance < 0.2] = np.nan
    used, unused, fresh = holes
    whole = Examined(sample(used), sample(used), sample(unused), MAPPING, Seed(1))
    honest = replace(whole, synthetic=sample(fresh))
    for check in attacks():
        assert check(whole).passed is False
        assert check(honest).passed is True


def test_copies_are_counted_on_the_grid_of_the_codebook() -> None:
    step = replace(VARIABLES[0], precision=0.5)
    column = replace(MAPPING.columns[0], variable=step)
    grid = replace(MAPPING, columns=(column, *MAPPING.columns[1:]))
    used = people(1, 200)
    used[:, 0] = np.rint(used[:, 0] * 2) / 2
    nearly = used + np.array([0.2, 0, 0, 0, 0])
    release = Examined(sample(nearly), sample(used), sample(people(2, 200)), grid, Seed(1))
    assert CopiedPeople()(release).measures[0].value == 1.0
    assert CopiedPeople()(replace(release, mapping=MAPPING)).measures[0].value == 0.0
    # But for one value all are there, whatever the grid.
    assert CopiedPeople()(replace(release, mapping=MAPPING)).measures[1].value == 1.0


def test_what_all_people_share_is_no_copy() -> None:
    def coarse(rows: Floats) -> Floats:
        return np.floor(rows / 60)

    used, unused, fresh = (coarse(people(seed, 500)) for seed in (1, 2, 3))
    finding = CopiedPeople()(Examined(sample(fresh), sample(used), sample(unused), MAPPING, Seed(1)))
    assert finding.measures[0].value > 0.5
    assert finding.passed is True


def test_distance_to_the_closest_record_is_never_judged() -> None:
    smoke = [one for one in CopiedPeople()(examined(1.0)).measures if "smoke test" in one.group]
    assert len(smoke) == 2
    assert all(one.passed is None and "no evidence of privacy" in one.note for one in smoke)


def test_guesses_about_those_copied_are_right_more_often() -> None:
    whole = Attributes(named=("sex", "sbp"))(examined(1.0))
    assert whole.passed is False
    assert all(one.value > 0.09 for one in whole.measures)
    assert "1" not in Attributes()(examined(0.0)).question


def test_what_holds_of_everybody_is_no_leak() -> None:
    # The secret follows from another value, of those used and of all others alike.
    worlds = [people(seed, 400) for seed in (1, 2, 3)]
    for rows in worlds:
        rows[:, 3] = rows[:, 0] > 50
    used, unused, fresh = worlds
    finding = Attributes()(Examined(sample(fresh), sample(used), sample(unused), MAPPING, Seed(1)))
    assert finding.passed is True
    assert "used and" in finding.measures[0].note


def test_too_few_people_are_refused() -> None:
    few = replace(examined(0.0), holdout=sample(people(2, 20)))
    with pytest.raises(RequestError, match="needs 40 people"):
        Membership()(few)


def test_without_people_never_used_no_attack_is_made() -> None:
    bare = replace(examined(0.0), holdout=None)
    for check in attacks():
        finding = check(bare)
        assert finding.passed is None
        assert not gates_of(finding)
