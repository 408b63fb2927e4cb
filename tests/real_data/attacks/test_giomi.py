"""Singling out, linkability and inference find what Anonymeter finds on the same people.

Figures of Anonymeter 1.1.0 (https://pypi.org/project/anonymeter, NumPy 1.26.4) on 400 people used, 400 others and a release
of which a fifth is copied: ``LinkabilityEvaluator`` with all 400 attacked and 1 neighbour, ``InferenceEvaluator`` with all
attacked, the queries of ``univariate_singling_out_queries`` evaluated on both sides, ``SinglingOutEvaluator`` with
500 attacks of three columns, and ``EvaluationResults`` at 95%.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacked import MAPPING, VARIABLES, examined, people, sample

from manikin.real_data.attacks import Inference, Linkability, SinglingOut
from manikin.real_data.attacks.guessing import guesses, within
from manikin.real_data.attacks.linkability import linked
from manikin.real_data.attacks.residual import Contest
from manikin.real_data.attacks.singling_out import Queries, combinations, contest, rare_values
from manikin.real_data.examining import Examined, gates_of
from manikin.streams import Floats, Seed


@pytest.fixture(scope="module")
def sides() -> tuple[Floats, Floats, Floats]:
    used, control, fresh = people(1, 400), people(2, 400), people(3, 320)
    return np.concatenate([used[:80], fresh]), used, control


@pytest.mark.parametrize(
    ("counts", "value", "low", "high"),
    [
        ((1000, 200, 50), 0.15757614617019133, 0.12879846399436434, 0.18635382834601832),
        ((500, 480, 470), 0.31327604928596975, 0.0, 0.6708390663951825),
        ((100, 5, 9), 0.0, 0.0, 0.04043735454193059),
    ],
)
def test_the_risk_is_that_of_anonymeter(counts: tuple[int, int, int], value: float, low: float, high: float) -> None:
    risk, interval = Contest(*counts, naive=0).risk()
    assert (risk, *interval) == pytest.approx((value, low, high), abs=1e-12)


def test_as_many_records_are_linked_as_by_anonymeter(sides: tuple[Floats, Floats, Floats]) -> None:
    synthetic, used, control = sides
    halves = (np.array([0, 2, 4]), np.array([1, 3]))
    assert [linked(VARIABLES, halves, rows, synthetic).sum() for rows in (used, control)] == [81, 2]


@pytest.mark.parametrize(("secret", "right"), [(3, (242, 210)), (1, (173, 116)), (4, (180, 150))])
def test_as_many_values_are_inferred_as_by_anonymeter(
    sides: tuple[Floats, Floats, Floats], secret: int, right: tuple[int, int]
) -> None:
    synthetic, *both = sides
    found = [
        within(VARIABLES[secret], guesses(VARIABLES, secret, rows, synthetic).values, rows[:, secret]) for rows in both
    ]
    assert tuple(one.sum() for one in found) == right


def test_rare_values_single_out_as_many_as_those_of_anonymeter(sides: tuple[Floats, Floats, Floats]) -> None:
    synthetic, used, control = sides
    queries = rare_values(VARIABLES, synthetic, 10_000, Seed(1))
    assert len(queries) == 1206
    assert [(queries.counts(rows) == 1).sum() for rows in (used, control)] == [244, 4]


def test_combinations_single_out_about_as_often_as_those_of_anonymeter(sides: tuple[Floats, Floats, Floats]) -> None:
    synthetic, used, control = sides
    queries = combinations(VARIABLES, synthetic, 3, 400, Seed(1))
    shares = [(queries.counts(rows) == 1).mean() for rows in (used, control)]
    # Of 410 random queries each, 0.32 and 0.26 there; 3.5 standard errors of the difference are 0.11.
    assert shares == pytest.approx([131 / 410, 106 / 410], abs=0.11)


def test_every_description_fits_one_synthetic_row_and_is_made_once(sides: tuple[Floats, Floats, Floats]) -> None:
    for queries in (rare_values(VARIABLES, sides[0], 300, Seed(2)), combinations(VARIABLES, sides[0], 3, 300, Seed(2))):
        assert (queries.counts(sides[0]) == 1).all()
        assert len(queries.unique()) == len(queries) == 300


def test_a_condition_on_a_missing_value_fits_whoever_has_none() -> None:
    rows = np.array([[np.nan], [1.0], [2.0]])
    place, none, one = np.array([[0]]), np.array([[np.nan]]), np.array([[1.0]])
    yes, no = np.array([[False]]), np.array([[True]])
    assert Queries(place, none, none, yes).fits(rows)[:, 0].tolist() == [True, False, False]
    assert Queries(place, none, none, no).fits(rows)[:, 0].tolist() == [False, True, True]
    assert Queries(place, one, one, no).fits(rows)[:, 0].tolist() == [False, False, True]


def test_what_finds_one_person_often_counts_as_less_sure() -> None:
    # One person whom a hundred descriptions fit, on the one side or the other by chance.
    rows = np.vstack([np.zeros((50, 1)), np.ones((50, 1))])
    rows[0] = 9.0
    thresholds = np.linspace(2, 8, 100)[:, None]
    queries = Queries(np.zeros((100, 1), int), thresholds, np.full((100, 1), np.inf), np.zeros((100, 1), bool))
    found = contest(queries, queries, rows[:50], rows[50:], Seed(1))
    assert (found.used, found.control) == (100, 0)
    assert found.spread == pytest.approx(100)
    assert found.risk()[1][0] == 0.0
    assert replace(found, spread=0.0).risk()[1][0] > 0.9


@pytest.mark.parametrize("check", [SinglingOut(), Linkability(), Inference(named=("sbp", "sex"))])
def test_a_memoriser_fails_and_fresh_people_pass(check: SinglingOut | Linkability | Inference) -> None:
    whole = check(examined(1.0))
    assert whole.passed is False
    assert all(one.interval is not None and one.interval[0] > 0 for one in whole.measures)
    honest = check(examined(0.0))
    assert honest.passed is True
    assert all(gate.passed for gate in gates_of(honest))


def test_one_variable_alone_can_neither_be_linked_nor_inferred() -> None:
    one = replace(MAPPING, columns=MAPPING.columns[:1])
    alone = replace(examined(1.0), mapping=one)
    assert Linkability()(alone).passed is None
    assert Inference()(alone).passed is None


def test_without_people_never_used_nothing_is_said() -> None:
    bare = Examined(sample(people(1, 100)), sample(people(1, 100)), None, MAPPING, Seed(1))
    for check in (SinglingOut(), Linkability(), Inference()):
        finding = check(bare)
        assert finding.passed is None
        assert "--holdout" in finding.answer
