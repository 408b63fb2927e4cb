"""What is given holds for everyone and leaves the rest of the model's distribution as it is."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from manikin.clinic import ClinicalModel, calibrate, parse_model
from manikin.cohort import WEIGHT
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler, select
from manikin.streams import Seed
from toy import TOY

Samplers = Callable[..., KnowledgeSampler]
N = 4_000
FEMALE, MALE = 0, 1


def drawn(sampler: KnowledgeSampler, n: int = N, first: int = 0) -> Mapping[str, Any]:
    return sampler.draw(np.arange(first, first + n))


# --- what is given ----------------------------------------------------------------------------------------------------

GIVEN: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "sex=female": lambda c: c["sex"] == FEMALE,
    "age=60..70": lambda c: (c["age"] >= 60) & (c["age"] <= 70),
    "age=60..": lambda c: c["age"] >= 60,
    "age=..30": lambda c: c["age"] <= 30,
    "age=44..44": lambda c: c["age"] == 44,
    "age=44": lambda c: c["age"] == 44,
    "age=[44,46..47]": lambda c: np.isin(c["age"], [44, 46, 47]),
    "ferritin=50.5..70": lambda c: (c["ferritin"] >= 50.5) & (c["ferritin"] <= 70),
    "smoking=current": lambda c: c["smoking"] == 2,
    "ill=yes": lambda c: c["ill"],
    "ill=no": lambda c: ~c["ill"],
    "sex=male,age=20..25,ill=yes": lambda c: (c["sex"] == MALE) & (c["age"] >= 20) & (c["age"] <= 25) & c["ill"],
    "sbp > 150 and not ill": lambda c: (c["sbp"] > 150) & ~c["ill"],
    "sbp=140..": lambda c: c["sbp"] >= 140,
    "frailty=2..": lambda c: c["frailty"] >= 2,
    "menopause=yes": lambda c: c["menopause"] & (c["sex"] == FEMALE),
}


@pytest.mark.parametrize("fact", GIVEN)
def test_what_is_given_holds_for_everyone_and_nobody_is_lost(sampler: Samplers, fact: str) -> None:
    columns = drawn(sampler(given=fact), 500)
    assert {len(column) for column in columns.values()} == {500}
    assert GIVEN[fact](columns).all()


@pytest.mark.parametrize("fact", ["sex=female", "age=60..70", "ferritin=50.5..70", "smoking=current"])
def test_facts_about_roots_are_clamped_and_cost_no_candidates(model: ClinicalModel, fact: str) -> None:
    assert list(select(model, fact).clamps) == [fact.partition("=")[0]]


def test_facts_about_other_variables_are_met_by_choice(model: ClinicalModel) -> None:
    assert not select(model, "ill=yes,sbp=140..150").clamps


def test_one_variable_given_twice_means_both(sampler: Samplers) -> None:
    columns = drawn(sampler(given="age=40..60,age=50..70"), 300)
    assert columns["age"].min() >= 50
    assert columns["age"].max() <= 60


@pytest.mark.parametrize("fact", ["sex=male", "age=30..50", "ferritin=40..90", "ill=yes", "sbp=130..150"])
def test_the_rest_is_distributed_as_among_those_of_the_whole_cohort_who_fit(sampler: Samplers, fact: str) -> None:
    whole = drawn(sampler(seed=2), 30_000)
    name, _, value = fact.partition("=")
    low, high = (value.split("..") * 2)[:2] if ".." in value else ("", "")
    fits = (
        (whole[name] >= float(low)) & (whole[name] <= float(high))
        if ".." in value
        else whole[name] == {"male": MALE, "yes": True}[value]
    )
    wanted = drawn(sampler(seed=3, given=fact))
    # False-alarm rate below 1e-5 each; ties make the test conservative. Seeds are fixed.
    for other in ("age", "sex", "ferritin", "sbp", "dbp", "ill", "statin", "frailty"):
        one, two = (np.asarray(column, float) for column in (wanted[other], whole[other][fits]))
        assert stats.ks_2samp(one, two).pvalue > 1e-5, other
    joint = [
        np.corrcoef(one["sbp"], one["dbp"])[0, 1]
        for one in (wanted, {key: column[fits] for key, column in whole.items()})
    ]
    assert abs(joint[0] - joint[1]) < 5 * np.sqrt(1 / N + 1 / fits.sum())


def test_the_lowest_and_the_highest_reported_value_in_range_are_as_frequent_as_in_the_whole_cohort(
    sampler: Samplers,
) -> None:
    whole, wanted = (
        drawn(sampler(seed=2), 60_000)["ferritin"],
        drawn(sampler(seed=3, given="ferritin=58..60"))["ferritin"],
    )
    counts = [[(values == value).sum() for value in (58, 59, 60)] for values in (whole, wanted)]
    # False-alarm rate 1e-5; the seeds are fixed.
    assert stats.chi2_contingency(counts).pvalue > 1e-5


def test_another_distribution_would_be_noticed(sampler: Samplers) -> None:
    women, everyone = drawn(sampler(given="age=60..")), drawn(sampler(seed=2))
    assert stats.ks_2samp(women["sbp"], everyone["sbp"]).pvalue < 1e-5


@pytest.mark.parametrize(
    "fact", ["sex=female,sex=male", "age=200..300", "sbp > 100000", "ferritin=10.2..10.4", "sbp < dbp"]
)
@pytest.mark.parametrize("n", [1, 5_000])
def test_what_nobody_is_is_refused_at_once(sampler: Samplers, fact: str, n: int) -> None:
    begun = time.monotonic()
    with pytest.raises(RequestError, match=r"fits what is asked for|can't be met together") as error:
        drawn(sampler(given=fact), n)
    assert time.monotonic() - begun < 20
    assert "Ask for less" in str(error.value) or "what was given" in str(error.value)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ("nonsense", "'nonsense' is not known"),
        ("sx=female", r"Did you mean 'sex'\?"),
        ("sex=purple", r"Possible: female, male"),
        ("sex=", "character"),
        ("age=70..60", "backwards"),
        ("age=old", "age"),
        ("ill=maybe", "maybe"),
        ("sbp", "is no condition"),
        ("(((", "character 4"),
        ("sex=female,", None),
        ("age=60..70;sex=female", "character"),
        ("__import__('os')", "character"),
        ("tested?=yes", "character"),
        ("base=1", "not known"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(model: ClinicalModel, fact: str, why: str | None) -> None:
    if why is None:
        assert select(model, fact).clamps
        return
    with pytest.raises(RequestError, match=why):
        select(model, fact)


@settings(max_examples=200)
@given(st.text(max_size=30) | st.text("abcdefgillsex=<>.,;:()[]0123456789 ", max_size=30))
def test_no_text_ends_in_anything_but_a_selection_or_a_sentence(text: str) -> None:
    model = _MODEL
    for option in ("given", "oversample"):
        try:
            select(model, **{option: text})
        except RequestError as error:
            assert str(error)


_MODEL = parse_model(TOY)


# --- over-sampling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", ["ill=yes:8", "ill=yes:0.2", "sbp > 150:4; sex=female:3", "smoking=current:20"])
def test_weights_give_back_the_shares_of_the_population(sampler: Samplers, wish: str) -> None:
    whole, more = drawn(sampler(seed=2), 30_000), drawn(sampler(seed=3, oversample=wish), 10_000)
    weights = more[WEIGHT]
    n = weights.sum() ** 2 / (weights**2).sum()
    for name in ("ill", "sex", "statin"):
        population = whole[name].mean()
        # 5 standard errors: false-alarm rate 6e-7 each.
        error = 5 * np.sqrt(population * (1 - population) * (1 / n + 1 / 30_000))
        assert abs(np.average(more[name], weights=weights) - population) < error, name
    for name in ("age", "sbp"):
        error = 5 * whole[name].std() * np.sqrt(1 / n + 1 / 30_000)
        assert abs(np.average(more[name], weights=weights) - whole[name].mean()) < error, name


def test_there_are_as_many_times_more_of_them_as_was_asked(sampler: Samplers) -> None:
    share = drawn(sampler(seed=2), 30_000)["ill"].mean()
    more = drawn(sampler(seed=3, oversample="ill=yes:8"), 10_000)
    expected = 8 * share / (8 * share + 1 - share)
    assert abs(more["ill"].mean() - expected) < 5 * np.sqrt(0.25 / 10_000) + 0.02
    assert set(more[WEIGHT][more["ill"]]) == {1 / 8}
    assert set(more[WEIGHT][~more["ill"]]) == {1.0}
    assert sampler(oversample="ill=yes:8").layout.weighted


def test_a_cohort_in_which_all_count_alike_has_no_weights(sampler: Samplers) -> None:
    assert WEIGHT not in drawn(sampler(given="ill=yes"), 10)
    assert not sampler(given="ill=yes").layout.weighted


@pytest.mark.parametrize(
    "wish",
    [
        "ill=yes",
        "ill=yes:",
        "ill=yes:0",
        "ill=yes:-1",
        "ill=yes:nan",
        "ill=yes:inf",
        "ill=yes:1e9",
        ":3",
        "ill=yes:3:4",
    ],
)
def test_a_stratum_that_makes_no_sense_is_refused(model: ClinicalModel, wish: str) -> None:
    with pytest.raises(RequestError, match="--oversample"):
        select(model, oversample=wish)


def test_what_cannot_be_over_sampled_is_refused_at_once(sampler: Samplers) -> None:
    with pytest.raises(RequestError, match="Ask for less"):
        drawn(sampler(oversample="frailty > 3:10000; ill=yes:10000"), 100)


# --- what always holds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"given": "sex=female,age=80.."}, {"given": "sbp=..90"}, {"oversample": "ill=yes:5"}]
)
def test_constraints_and_limits_hold_for_everyone(sampler: Samplers, options: dict[str, str]) -> None:
    columns = drawn(sampler(seed=5, **options), 10_000)
    assert (columns["dbp"] + 15 < columns["sbp"]).all()
    assert columns["sbp"].min() >= 30
    assert columns["sbp"].max() <= 300
    assert columns["age"].min() >= 18


def test_without_the_constraint_somebody_would_break_it() -> None:
    model = calibrate(parse_model(TOY.replace("rule: dbp + 15 < sbp", "rule: age >= 18")))
    sampler = KnowledgeSampler(model.program.model, model.program.parameters, model.program.latent, Seed(5))
    columns = drawn(sampler, 100_000)
    assert not (columns["dbp"] + 15 < columns["sbp"]).all()


def test_constraints_that_cannot_be_met_are_named() -> None:
    model = calibrate(parse_model(TOY.replace("rule: dbp + 15 < sbp", "rule: dbp > sbp + 100")))
    sampler = KnowledgeSampler(model.program.model, model.program.parameters, model.program.latent, Seed(5))
    with pytest.raises(RequestError, match=r"can't be met together: dbp > sbp \+ 100"):
        drawn(sampler, 100)


@pytest.mark.parametrize("options", [{}, {"given": "ill=yes"}, {"given": "age=60.."}, {"oversample": "ill=yes:5"}])
def test_a_patient_is_the_same_in_whatever_company(sampler: Samplers, options: dict[str, str]) -> None:
    one = sampler(**options)
    whole = drawn(one, 600)
    ordinals = np.array([0, 1, 7, 100, 101, 599])
    few, late = one.draw(ordinals), drawn(one, 100, first=500)
    for name, column in whole.items():
        assert np.array_equal(few[name], column[ordinals], equal_nan=column.dtype.kind == "f")
        assert np.array_equal(late[name], column[500:], equal_nan=column.dtype.kind == "f")


@pytest.mark.parametrize("options", [{}, {"given": "ill=yes"}, {"given": "sex=female,age=60.."}])
def test_a_variable_that_others_do_not_read_leaves_them_as_they_were(
    sampler: Samplers, options: dict[str, str]
) -> None:
    extra = '  shoe: {unit: cm, precision: 0.5, draw: "normal(26 + 0.1 * frailty, 2)", source: house assumption}\n'
    with_extra = calibrate(parse_model(TOY.replace("  glucose:", extra + "  glucose:")))
    program = with_extra.program
    more = drawn(KnowledgeSampler(program.model, program.parameters, program.latent, Seed(1), **options), 2_000)
    fewer = drawn(sampler(**options), 2_000)
    assert set(more) - set(fewer) == {"shoe"}
    for name, column in fewer.items():
        assert np.array_equal(more[name], column, equal_nan=column.dtype.kind == "f"), name


def test_different_seeds_are_different_people(sampler: Samplers) -> None:
    one, other = drawn(sampler(seed=1), 2_000), drawn(sampler(seed=2), 2_000)
    assert abs(np.corrcoef(one["frailty"], other["frailty"])[0, 1]) < 5 / np.sqrt(2_000)


@pytest.mark.parametrize("options", [{}, {"given": "ill=yes"}, {"oversample": "ill=yes:5"}])
def test_a_sampler_that_travelled_to_another_process_makes_the_same_patients(
    sampler: Samplers, options: dict[str, str]
) -> None:
    here = sampler(seed=9, **options)
    there = pickle.loads(pickle.dumps(here))
    assert there.layout == here.layout
    for name, column in drawn(here, 300).items():
        assert np.array_equal(drawn(there, 300)[name], column, equal_nan=column.dtype.kind == "f")


def test_a_world_travels_as_well(model: ClinicalModel) -> None:
    program = calibrate(model.world(3, Seed(1))).program
    here = KnowledgeSampler(program.model, program.parameters, program.latent, Seed(1))
    there = pickle.loads(pickle.dumps(here))
    assert np.array_equal(drawn(here, 300)["ill"], drawn(there, 300)["ill"])
    assert dict(there.program.parameters) == dict(program.parameters)
