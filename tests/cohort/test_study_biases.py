"""Each bias of a diagnostic study moves its figures as theory says, by a draw of its own, and by nothing else.

Counts are held to their binomial distribution given the truth, two-sided with 5.2 standard errors: a right program fails
one such comparison in five million, and so this file once in a hundred thousand seeds; the seeds are fixed besides.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from manikin.clinic import ClinicalModel
from manikin.cohort.accuracy import (
    EVERYBODY,
    PERFECT,
    Bias,
    Design,
    DifferentialVerification,
    Fallible,
    Group,
    Incorporation,
    IndexTest,
    Judged,
    PartialVerification,
    Progression,
    Review,
    Spectrum,
    Studied,
)
from manikin.cohort.defects import Dose, LabelNoise, Missing, imperfect
from manikin.errors import RequestError
from manikin.generators import KnowledgeSampler
from manikin.study.conditions import ModelCondition

PATIENTS = 60_000
EVERY_BIAS = ("spectrum", "partial-verification", "progression", "differential-verification", "incorporation", "review")


@dataclass(frozen=True)
class Cells:
    """A table of two by two."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def sensitivity(self) -> float:
        return self.tp / (self.tp + self.fn)

    @property
    def specificity(self) -> float:
        return self.tn / (self.tn + self.fp)


@pytest.fixture(scope="module")
def condition(model: ClinicalModel) -> Callable[[str], ModelCondition]:
    return lambda text: ModelCondition(text, model)


@pytest.fixture(scope="module")
def design(condition: Callable[[str], ModelCondition]) -> Design:
    return Design(IndexTest(condition("age >= 50")), condition("ill"))


@pytest.fixture(scope="module")
def biases(condition: Callable[[str], ModelCondition]) -> dict[str, Bias]:
    negative = Group("negative")
    found = (
        Spectrum(Group("", condition("age in 40..59")), 0.3),
        PartialVerification(negative, 0.2),
        Progression(0.05, cured=0.1),
        DifferentialVerification(negative, Fallible(0.6, 0.98)),
        Incorporation(0.3),
        Review("reference", 0.25),
    )
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def conduct(sampler: Callable[..., KnowledgeSampler]) -> Callable[..., dict[str, Any]]:
    """Return a way to conduct a study on the same patients again and again."""
    patients = sampler()
    ordinals = np.arange(PATIENTS)
    drawn = patients.draw(ordinals)

    @dataclass(frozen=True)
    class Drawn:
        layout: Any = patients.layout
        seed: Any = patients.seed

        def draw(self, _: Any) -> Any:
            return drawn

    return lambda design: dict(Studied(Drawn(), design).draw(ordinals))


def truth_in(columns: dict[str, Any], who: Any = None) -> Cells:
    who = np.ones(PATIENTS, bool) if who is None else who
    return _cells(columns["accuracy_index_blind"] == 1, columns["accuracy_target"], who)


def naive_in(columns: dict[str, Any]) -> Cells:
    return _cells(columns["accuracy_index"] == 1, columns["accuracy_reference"] == 1, columns["accuracy_verified"])


def _cells(test: Any, disease: Any, who: Any) -> Cells:
    return Cells(
        *(int((who & one).sum()) for one in (test & disease, test & ~disease, ~test & disease, ~test & ~disease))
    )


def assert_binomial(found: int, *draws: tuple[int, float]) -> None:
    """Hold a count to the sum of independent binomial draws (n, p)."""
    mean = sum(n * p for n, p in draws)
    sd = math.sqrt(sum(n * p * (1 - p) for n, p in draws))
    assert abs(found - mean) <= 5.2 * sd + 1e-9, (found, mean, sd)


def test_without_bias_and_with_a_perfect_reference_the_study_finds_the_truth(design: Design, conduct: Any) -> None:
    columns = conduct(design)
    assert naive_in(columns) == truth_in(columns)
    assert columns["accuracy_enrolled"].all()
    assert columns["accuracy_verified"].all()


def test_an_imperfect_reference_misplaces_as_many_as_its_errors_say(design: Design, conduct: Any) -> None:
    columns = conduct(replace(design, reference=Fallible(0.9, 0.97)))
    true, naive = truth_in(columns), naive_in(columns)
    assert_binomial(naive.tp, (true.tp, 0.9), (true.fp, 0.03))
    assert_binomial(naive.fn, (true.fn, 0.9), (true.tn, 0.03))
    # Errors independent of the index test's make it look worse (Staquet et al. 1981).
    assert naive.sensitivity < true.sensitivity
    assert naive.specificity < true.specificity


def test_spectrum_bias_keeps_its_share_and_the_clear_cut_cases_flatter_the_test(
    design: Design, conduct: Any, condition: Any
) -> None:
    # Of those near the threshold, who are told apart worst, one in five is enrolled.
    columns = conduct(replace(design, biases=(Spectrum(Group("", condition("age in 40..59")), 0.2),)))
    grey = (columns["age"] >= 40) & (columns["age"] <= 59)
    enrolled = columns["accuracy_enrolled"]
    assert_binomial(int((grey & enrolled).sum()), (int(grey.sum()), 0.2))
    assert enrolled[~grey].all()
    assert np.array_equal(columns["accuracy_by_spectrum"], ~enrolled)
    naive, true = naive_in(columns), truth_in(columns)
    assert naive == truth_in(columns, enrolled)
    assert naive.sensitivity > true.sensitivity
    assert naive.specificity > true.specificity
    assert (columns["accuracy_index"][~enrolled] == -1).all()


def test_partial_verification_of_negatives_raises_sensitivity_and_lowers_specificity_by_begg_and_greenes(
    design: Design, conduct: Any
) -> None:
    columns = conduct(replace(design, biases=(PartialVerification(Group("negative"), 0.2),)))
    true, naive = truth_in(columns), naive_in(columns)
    assert (naive.tp, naive.fp) == (true.tp, true.fp)
    assert_binomial(naive.fn, (true.fn, 0.2))
    assert_binomial(naive.tn, (true.tn, 0.2))
    # Begg and Greenes 1983, with a share v of negatives verified: the odds of a positive test rise by 1 / v in both groups.
    for found, was in ((naive.sensitivity, true.sensitivity), (1 - naive.specificity, 1 - true.specificity)):
        odds = was / (1 - was) / 0.2
        assert abs(found - odds / (1 + odds)) < 0.02
    assert naive.sensitivity > true.sensitivity + 0.1
    assert naive.specificity < true.specificity - 0.1
    out = columns["accuracy_by_partial_verification"]
    assert np.array_equal(out, ~columns["accuracy_verified"])
    assert (columns["accuracy_reference"][out] == -1).all()


def test_a_worse_reference_for_negatives_hides_what_the_test_misses(design: Design, conduct: Any) -> None:
    other = Fallible(0.5, 1.0)
    columns = conduct(replace(design, biases=(DifferentialVerification(Group("negative"), other),)))
    true, naive = truth_in(columns), naive_in(columns)
    assert (naive.tp, naive.fp) == (true.tp, true.fp)
    assert_binomial(naive.fn, (true.fn, 0.5))
    assert naive.fn + naive.tn == true.fn + true.tn
    assert naive.sensitivity > true.sensitivity
    assert np.array_equal(columns["accuracy_standard"] == 1, columns["accuracy_index"] == 0)


def test_incorporation_turns_false_alarms_into_hits(design: Design, conduct: Any) -> None:
    columns = conduct(replace(design, biases=(Incorporation(0.3),)))
    true, naive = truth_in(columns), naive_in(columns)
    assert_binomial(naive.fp, (true.fp, 0.7))
    assert naive.tp + naive.fp == true.tp + true.fp
    assert (naive.fn, naive.tn) == (true.fn, true.tn)
    assert naive.sensitivity > true.sensitivity
    assert naive.specificity > true.specificity
    assert_binomial(int(columns["accuracy_by_incorporation"].sum()), (PATIENTS, 0.3))


@pytest.mark.parametrize("reader", ["index", "reference"])
def test_review_bias_pulls_its_share_of_disagreements(design: Design, conduct: Any, reader: str) -> None:
    columns = conduct(replace(design, biases=(Review(reader, 0.25),)))
    true, naive = truth_in(columns), naive_in(columns)
    assert_binomial(naive.fp, (true.fp, 0.75))
    assert_binomial(naive.fn, (true.fn, 0.75))
    came = {"index": (true.fn - naive.fn, true.fp - naive.fp), "reference": (true.fp - naive.fp, true.fn - naive.fn)}
    assert (naive.tp - true.tp, naive.tn - true.tn) == came[reader]
    assert int(columns["accuracy_by_review"].sum()) == true.fp + true.fn - naive.fp - naive.fn
    assert naive.sensitivity > true.sensitivity
    assert naive.specificity > true.specificity


def test_progression_and_cure_move_patients_between_the_tests(design: Design, conduct: Any) -> None:
    columns = conduct(replace(design, biases=(Progression(0.05, cured=0.1),)))
    true, naive = truth_in(columns), naive_in(columns)
    assert_binomial(naive.tp, (true.tp, 0.9), (true.fp, 0.05))
    assert_binomial(naive.fn, (true.fn, 0.9), (true.tn, 0.05))
    assert naive.sensitivity < true.sensitivity
    assert naive.specificity < true.specificity
    moved = columns["accuracy_target"] != columns["accuracy_target_later"]
    assert np.array_equal(moved, columns["accuracy_by_progression"])


def test_every_reference_standard_judges_the_state_in_which_it_finds_the_patient(design: Design, conduct: Any) -> None:
    other = DifferentialVerification(Group("negative"), PERFECT)
    columns = conduct(replace(design, biases=(Progression(0.05), other)))
    assert np.array_equal(columns["accuracy_reference"] == 1, columns["accuracy_target_later"])


def test_with_a_wait_the_share_is_that_of_a_year(design: Design, conduct: Any) -> None:
    columns = conduct(replace(design, biases=(Progression(0.2, mean_days=180.0),)))
    days, well = columns["accuracy_days"], ~columns["accuracy_target"]
    # The floor of an exponential variate with mean m has mean 1 / (exp(1 / m) - 1).
    assert abs(days.mean() - 1 / math.expm1(1 / 180)) < 5.2 * 180 / math.sqrt(PATIENTS)
    # Of 1 - (1 - p)^(days/365.25), averaged over whole days of that distribution.
    stay, daily = math.exp(-1 / 180), 0.8 ** (1 / 365.25)
    chance = 1 - (1 - stay) / (1 - stay * daily)
    assert_binomial(int((columns["accuracy_target_later"] & well).sum()), (int(well.sum()), chance))


def test_a_group_can_be_narrowed(design: Design, conduct: Any, condition: Any) -> None:
    group = Group("negative", condition("sex == female"))
    columns = conduct(replace(design, biases=(PartialVerification(group, 0.0), Incorporation(1.0, Group("", condition("sex == male"))))))  # fmt: skip
    women = columns["sex"] == 0
    assert np.array_equal(columns["accuracy_verified"], ~(women & (columns["accuracy_index"] == 0)))
    assert np.array_equal(columns["accuracy_by_incorporation"], ~women)


def test_inconclusive_results_are_told_apart(design: Design, conduct: Any, condition: Any) -> None:
    test = IndexTest(condition("age >= 50"), condition("age in 48..52"))
    columns = conduct(replace(design, index_test=test, biases=(PartialVerification(Group("inconclusive"), 0.0),)))
    doubtful = (columns["age"] >= 48) & (columns["age"] <= 52)
    assert np.array_equal(columns["accuracy_index"] == 2, doubtful)
    assert np.array_equal(columns["accuracy_verified"], ~doubtful)


@pytest.mark.parametrize("kind", EVERY_BIAS)
def test_whom_a_bias_does_not_touch_it_leaves_as_they_were(
    design: Design, biases: dict[str, Bias], conduct: Any, kind: str
) -> None:
    everything = replace(design, reference=Fallible(0.95, 0.99), biases=tuple(biases.values()))
    now = conduct(everything)
    without = conduct(replace(everything, biases=tuple(one for one in everything.biases if one.name != kind)))
    flag = f"accuracy_by_{kind.replace('-', '_')}"
    untouched = ~now[flag]
    assert flag not in without
    assert 0 < untouched.sum() < PATIENTS
    for name, before in without.items():
        assert np.array_equal(before[untouched], now[name][untouched], equal_nan=before.dtype.kind == "f"), name
    assert any(not np.array_equal(without[name], now[name]) for name in without if name.startswith("accuracy"))


def test_a_bias_leaves_the_draws_of_all_others_as_they_were(
    design: Design, biases: dict[str, Bias], conduct: Any
) -> None:
    alone = conduct(replace(design, biases=(biases["partial-verification"],)))
    fewer = conduct(replace(design, biases=(biases["spectrum"], biases["partial-verification"])))
    enrolled = fewer["accuracy_enrolled"]
    assert not enrolled.all()
    assert np.array_equal(fewer["accuracy_verified"][enrolled], alone["accuracy_verified"][enrolled])
    noisy = replace(design, reference=Fallible(0.8, 0.9))
    judged, chosen = conduct(noisy), conduct(replace(noisy, biases=(biases["partial-verification"],)))
    both = chosen["accuracy_verified"]
    assert np.array_equal(chosen["accuracy_reference"][both], judged["accuracy_reference"][both])


def test_the_order_in_which_biases_are_written_changes_nothing(
    design: Design, biases: dict[str, Bias], conduct: Any
) -> None:
    one, other = (conduct(replace(design, biases=order)) for order in (tuple(biases.values())[:5], tuple(biases.values())[4::-1]))  # fmt: skip
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one)


def test_the_same_bias_twice_draws_anew(design: Design, conduct: Any) -> None:
    columns = conduct(replace(design, biases=(PartialVerification(Group("negative"), 0.5),) * 2))
    negative = columns["accuracy_index"] == 0
    assert_binomial(int((negative & columns["accuracy_verified"]).sum()), (int(negative.sum()), 0.25))


def test_patients_are_those_of_the_sampler_and_any_stretch_can_be_made_by_itself(
    design: Design, biases: dict[str, Bias], sampler: Callable[..., KnowledgeSampler]
) -> None:
    inner = sampler(seed=3)
    study = Studied(inner, replace(design, biases=tuple(biases.values())))
    whole, plain = study.draw(np.arange(900)), inner.draw(np.arange(900))
    assert all(whole[name] is plain[name] or np.array_equal(whole[name], plain[name], equal_nan=True) for name in plain if name != "sex")  # fmt: skip
    again = pickle.loads(pickle.dumps(study))
    for first, last in ((0, 1), (1, 500), (500, 900)):
        part = again.draw(np.arange(first, last))
        for name in study.layout.names:
            kind = whole[name].dtype.kind
            assert np.array_equal(part[name], whole[name][first:last], equal_nan=kind == "f"), name


def test_the_tests_see_the_record_and_the_truth_is_clean(
    sampler: Callable[..., KnowledgeSampler], condition: Any
) -> None:
    wrong = imperfect(sampler(), (Missing(("age",), Dose(0.1)), LabelNoise("statin", 0.5, 1.0)))
    study = Studied(wrong, Design(IndexTest(condition("age >= 50")), condition("statin"), Judged(condition("statin"))))
    columns = study.draw(np.arange(20_000))
    lost = ~columns["age?"]
    assert lost.any()
    assert np.array_equal(columns["accuracy_index"] == -1, lost)
    assert np.array_equal(columns["accuracy_target"], columns["statin"])
    seen = ~lost
    assert np.array_equal(columns["accuracy_reference"][seen] == 1, columns["statin!"][seen])
    assert (columns["statin!"] != columns["statin"]).any()


def test_a_reference_that_is_not_on_record_leaves_its_patient_unverified(
    sampler: Callable[..., KnowledgeSampler], condition: Any
) -> None:
    study = Studied(
        sampler(), Design(IndexTest(condition("age >= 50")), condition("ill"), Judged(condition("hba1c >= 6")))
    )
    columns = study.draw(np.arange(5_000))
    assert np.array_equal(columns["accuracy_verified"], columns["hba1c?"])


def test_a_number_behind_the_index_test_is_turned_to_speak_for_it(condition: Any) -> None:
    ages = {"age": np.array([30.0, 60.0])}
    for text, more in (("age >= 50", 1), ("age < 50", 0), ("50 > age", 0), ("50 <= age", 1)):
        number = condition(text).number
        assert number is not None
        assert int(np.argmax(number(ages))) == more
    for text in ("age in 50..60", "age >= 50 and ill", "sbp > dbp", "ill", "sex == male"):
        assert condition(text).number is None


@pytest.mark.parametrize(
    "make",
    [lambda: Fallible(1.2, 0.9), lambda: Fallible(0.4, 0.6), lambda: Group("doubtful"), lambda: Review("both", 0.5)],
)
def test_what_can_not_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(RequestError):
        make()


def test_a_design_that_never_errs_is_said_to_be_perfect(design: Design) -> None:
    assert design.perfect
    assert design.reference == PERFECT
    assert Group() == EVERYBODY
    assert "without error" in " ".join(design.in_words())
