"""The figures of a diagnostic study are those that the literature gives, and what is true stands beside them.

Statistical comparisons use fixed seeds, and 5 standard errors: a right program fails one of them in two million seeds.
"""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from manikin.appraisal import Finding
from manikin.appraisal.accuracy.two_by_two import TwoByTwo, area, corrected, curve
from manikin.appraisal.intervals import wilson
from manikin.appraisal.report import accuracy as pictures
from manikin.appraisal.report import render
from manikin.clinic import ClinicalModel
from manikin.study import Made, Study, accuracy_of, changed, defects_of, make

ASKED = {
    "index-test": {"positive": "sbp >= 130", "inconclusive": "sbp in 126..129"},
    "target": "ill",
    "reference": {"sensitivity": 0.95, "specificity": 0.99},
    "biases": [
        {"spectrum": "age in 40..59", "keep": 0.3},
        {"partial-verification": "index negative", "verified": 0.2},
        {"differential-verification": "index negative", "reference": {"sensitivity": 0.6, "specificity": 0.98}},
        {"progression": 0.04, "mean-days": 90},
        {"incorporation": 0.3},
        {"review": "reference", "share": 0.25},
    ],
}
POPULATION, ENROLLED = "The study beside the truth in the population", "The study beside the truth in those enrolled"


def table(tp: float, fp: float, fn: float, tn: float) -> TwoByTwo:
    cells = np.array([[tn, fn], [fp, tp]], np.float64)
    return TwoByTwo(cells, cells)


def found_in(made: Made) -> Finding:
    return next(one for one in made.appraise().findings if one.check == "accuracy")


@pytest.fixture(scope="module")
def asked(study: Study, model: ClinicalModel) -> Study:
    return changed(study, patients=4_000, accuracy=accuracy_of(ASKED, model))


@pytest.fixture(scope="module")
def studied(asked: Study, model: ClinicalModel) -> Made:
    return make(asked, model)


@pytest.fixture(scope="module")
def finding(studied: Made) -> Finding:
    return found_in(studied)


def test_wilson_gives_the_intervals_of_the_literature() -> None:
    # Newcombe, Stat Med 1998;17:857, Table I, method 3.
    for count, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        found = wilson(count, total)
        assert found is not None
        assert np.allclose(found, (low, high), atol=5e-5)
    assert wilson(0, 0) is None


def test_the_figures_of_a_table_are_those_of_a_textbook() -> None:
    # Hepatic scintigraphy, verified patients only: Drum and Christacopoulos, J Nucl Med 1972;13:908.
    verified = table(231, 32, 27, 54)
    assert round(verified.sensitivity.value, 3) == 0.895
    assert round(verified.specificity.value, 3) == 0.628
    assert round(verified.positive_predictive_value.value, 3) == 0.878
    assert round(verified.negative_predictive_value.value, 3) == 0.667
    ratio = verified.positive_likelihood_ratio
    assert abs(ratio.value - 0.8953 / (1 - 0.6279)) < 1e-3
    assert ratio.interval is not None
    # Simel et al. 1991: exp(ln LR ± 1.96 sqrt((1 - Se) / TP + Sp / FP)).
    half = 1.96 * np.sqrt((1 - 231 / 258) / 231 + (54 / 86) / 32)
    assert np.allclose(ratio.interval, ratio.value * np.exp([-half, half]), rtol=1e-4)


def test_begg_and_greenes_correct_the_published_example() -> None:
    # The same study with its unverified: of 429 positive and 221 negative scans, 166 and 140 were not verified.
    sensitivity, specificity = corrected(table(231, 32, 27, 54), np.array([221.0, 429.0]))
    assert round(sensitivity.value, 3) == 0.836
    assert round(specificity.value, 3) == 0.738
    for one in (sensitivity, specificity):
        assert one.interval is not None
        assert one.interval[0] < one.value < one.interval[1]


def test_the_corrected_figures_scatter_as_their_intervals_say() -> None:
    # 4,000 studies of 2,000 patients: the spread is known to 1.1%, and 5% is more than 4 of these standard errors.
    chance = np.random.default_rng(4)
    tested = np.stack([2_000 - (positive := chance.binomial(2_000, 0.3, 4_000)), positive], 1)
    verified = chance.binomial(tested, [0.6, 0.9])
    ill = chance.binomial(verified, [0.05, 0.4])
    studies = [
        corrected(table(ill[i, 1], verified[i, 1] - ill[i, 1], ill[i, 0], verified[i, 0] - ill[i, 0]), tested[i] * 1.0)
        for i in range(len(tested))
    ]
    for which in (0, 1):
        values = np.array([[study[which].value, *study[which].interval] for study in studies])
        logits = np.log(values / (1 - values))
        assert abs(np.mean(logits[:, 2] - logits[:, 1]) / (2 * 1.96) / logits[:, 0].std() - 1) < 0.05


@given(st.lists(st.integers(1, 500), min_size=4, max_size=4))
def test_where_everybody_is_verified_nothing_is_corrected(cells: list[int]) -> None:
    whole = table(*cells)
    sensitivity, specificity = corrected(whole, whole.cells.sum(1))
    assert abs(sensitivity.value - whole.sensitivity.value) < 1e-9
    assert abs(specificity.value - whole.specificity.value) < 1e-9


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_a_table_with_empty_cells_says_what_nobody_can_tell(cells: list[int]) -> None:
    one = table(*cells)
    for found in (one.sensitivity, one.specificity, one.positive_likelihood_ratio, one.negative_likelihood_ratio, *corrected(one, one.cells.sum(1))):  # fmt: skip
        assert found.known or (np.isnan(found.value) and found.interval is None)
        assert found.interval is None or found.interval[0] <= found.value <= found.interval[1]


def test_the_area_is_that_of_mann_and_whitney_and_its_interval_that_of_delong() -> None:
    chance = np.random.default_rng(1)
    ill = chance.random(400) < 0.4
    scores = np.round(chance.normal(ill * 1.0), 1)
    x, y = scores[ill], scores[~ill]
    found = area(scores, ill)
    assert abs(found.value - mannwhitneyu(x, y).statistic / (len(x) * len(y))) < 1e-12
    psi = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    variance = psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / len(y)
    assert found.interval is not None
    assert np.allclose(found.interval, found.value + 1.959964 * np.sqrt(variance) * np.array([-1, 1]), atol=1e-6)


def test_weights_count_as_so_many_patients() -> None:
    chance = np.random.default_rng(2)
    ill, times = chance.random(300) < 0.4, chance.integers(1, 5, 300)
    scores = np.round(chance.normal(ill * 1.0), 1)
    weighted = area(scores, ill, times.astype(np.float64))
    assert abs(weighted.value - area(np.repeat(scores, times), np.repeat(ill, times)).value) < 1e-12
    one = TwoByTwo.of(scores > 0, ill, np.ones(300, bool), times.astype(np.float64))
    many = TwoByTwo.of(np.repeat(scores > 0, times), np.repeat(ill, times), np.ones(times.sum(), bool))
    assert np.array_equal(one.cells, many.cells)
    assert one.sensitivity.interval is not None
    assert many.sensitivity.interval is not None
    # They tell less than as many patients would, each drawn by himself.
    assert np.diff(one.sensitivity.interval) > np.diff(many.sensitivity.interval)


def test_the_curve_runs_from_nobody_to_everybody_and_has_the_area() -> None:
    chance = np.random.default_rng(3)
    ill = chance.random(5_000) < 0.3
    scores = chance.normal(ill * 1.5)
    points = np.array(curve(scores, ill, points=1_000))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    assert (np.diff(points, axis=0) >= 0).all()
    assert abs(np.trapezoid(points[:, 1], points[:, 0]) - area(scores, ill).value) < 2e-3


def test_without_bias_the_study_finds_the_truth(study: Study, model: ClinicalModel) -> None:
    plain = accuracy_of({"index-test": "sbp >= 130", "target": "ill"}, model)
    found = found_in(make(changed(study, patients=4_000, accuracy=plain), model))
    paired = [one for one in found.measures if one.group in (POPULATION, ENROLLED)]
    assert len(paired) == 16
    assert all(one.value == one.expected and one.interval == one.expected_interval for one in paired)
    assert found.drawings["tables"]["study"] == found.drawings["tables"]["population"]
    assert [one["label"] for one in found.drawings["ladder"]] == ["No bias, and a reference standard without error"]


def test_begg_and_greenes_find_the_truth_behind_partial_verification(study: Study, model: ClinicalModel) -> None:
    one = accuracy_of({"index-test": "sbp >= 130", "target": "ill", "biases": [{"partial-verification": "index negative", "verified": 0.25}]}, model)  # fmt: skip
    found = found_in(make(changed(study, patients=40_000, accuracy=one), model))
    naive = {m.name: m for m in found.measures if m.group == ENROLLED}
    right = {m.name: m for m in found.measures if m.group.startswith("Corrected")}
    for name, sign in (("Sensitivity", 1), ("Specificity", -1)):
        fixed, biased = right[name], naive[name]
        assert fixed.expected is not None and fixed.interval is not None
        se = (fixed.interval[1] - fixed.interval[0]) / 3.92
        assert abs(fixed.value - fixed.expected) < 5 * se
        assert sign * (biased.value - fixed.expected) > 10 * se


def test_the_figures_are_those_of_the_tables_as_written(studied: Made, finding: Finding) -> None:
    data, truth = studied.table("analysis"), studied.table("truth")
    verified = data.filter(data.column("accuracy_verified"))
    index, reference = (verified.column(f"accuracy_{name}").cast(pa.string()).to_pylist() for name in ("index", "reference"))  # fmt: skip
    pairs = list(zip(index, reference, strict=True))
    cells = finding.drawings["tables"]["study"]
    pair_of = {"tp": ("positive", "positive"), "fp": ("positive", "negative"), "fn": ("negative", "positive"), "tn": ("negative", "negative")}  # fmt: skip
    assert cells == {name: pairs.count(pair) for name, pair in pair_of.items()}
    sensitivity = next(one for one in finding.measures if one.name == "Sensitivity")
    assert sensitivity.value == cells["tp"] / (cells["tp"] + cells["fn"])
    positive = pc.equal(truth.column("accuracy_index_blind").cast(pa.string()), "positive")
    told = pc.not_equal(truth.column("accuracy_index_blind").cast(pa.string()), "inconclusive")
    ill = pc.and_(truth.column("accuracy_target"), told)
    assert abs(sensitivity.expected - pc.sum(pc.and_(positive, ill)).as_py() / pc.sum(ill).as_py()) < 1e-12
    specificity = next(one for one in finding.measures if one.name == "Specificity" and one.group == ENROLLED)
    well = pc.and_(pc.and_(pc.invert(truth.column("accuracy_target")), told), data.column("accuracy_enrolled"))
    assert abs(1 - specificity.expected - pc.sum(pc.and_(positive, well)).as_py() / pc.sum(well).as_py()) < 1e-12


def test_the_flow_loses_nobody(finding: Finding) -> None:
    flow = finding.drawings["flow"]
    assert flow["eligible"] == 4_000
    assert flow["eligible"] > flow["enrolled"] >= flow["tested"]
    assert sum(arm["tested"] for arm in flow["arms"].values()) == flow["tested"]
    for arm in flow["arms"].values():
        assert arm["tested"] == arm["not_chosen"] + arm["not_on_record"] + arm["verified"]
        assert arm["verified"] == arm["present"] + arm["absent"]
        assert arm["present_truly"] <= arm["present"]
        assert arm["absent_truly"] <= arm["absent"]
    assert flow["arms"]["negative"]["unverified_truly_present"] > 0
    assert flow["arms"]["positive"]["not_chosen"] == 0


def test_the_steps_lead_from_the_truth_to_the_study(finding: Finding) -> None:
    ladder = finding.drawings["ladder"]
    figures = {one["name"]: one for one in finding.drawings["figures"]}
    names = ["Reference", "Spectrum", "Partial", "Progression", "Differential", "Incorporation", "Review"]
    assert [re.split(r"\W", one["label"])[0] for one in ladder[1:]] == names
    for name in ("Sensitivity", "Specificity"):
        assert ladder[0][name] == figures[name]["population"]
        assert ladder[-1][name] == figures[name]["study"]
    assert all(one["touched"] for one in ladder[2:])


def test_of_over_sampled_patients_the_population_has_the_weights_and_the_study_has_not(
    study: Study, model: ClinicalModel
) -> None:
    plain = accuracy_of({"index-test": "sbp >= 130", "target": "ill"}, model)
    found, usual = (
        found_in(make(changed(study, patients=40_000, oversample=oversample, accuracy=plain), model))
        for oversample in ("ill=yes:8", "")
    )
    prevalence, everywhere = (
        next(one for one in each.measures if one.name == "Prevalence" and one.group == POPULATION)
        for each in (found, usual)
    )
    assert prevalence.expected is not None and everywhere.expected is not None
    assert abs(prevalence.expected - everywhere.expected) < 5 * np.sqrt(0.16 * 0.84 * 2 / 10_000)
    assert prevalence.value > 0.5
    assert found.drawings["ladder"][0]["label"] == "Over-sampling"


def test_what_defects_have_done_to_a_record_they_have_done_to_the_test(asked: Study, model: ClinicalModel) -> None:
    wrong = defects_of([{"missing": ["sbp"], "share": 0.2}, {"heaping": ["sbp"], "to": 10, "share": 0.5}], model)
    made = make(changed(asked, defects=wrong), model)
    found = found_in(made)
    assert found.passed
    flow = found.drawings["flow"]
    assert abs(1 - flow["tested"] / flow["enrolled"] - 0.2) < 5 * np.sqrt(0.16 / flow["enrolled"])


def test_a_column_that_does_not_follow_is_found_out(asked: Study, model: ClinicalModel) -> None:
    made = make(asked, model)
    part = made.cohort.parts["truth"][0]
    place = part.column_names.index("accuracy_target")
    flipped = pa.array([not part.column(place)[0].as_py(), *part.column(place)[1:].to_pylist()])
    spoilt = {**made.cohort.parts, "truth": (part.set_column(place, "accuracy_target", flipped),)}
    object.__setattr__(made.cohort, "parts", spoilt)
    found = found_in(made)
    assert found.passed is False
    assert found.measures[-1].value == 1


@pytest.mark.parametrize("index", ["sbp >= 130", "sbp >= 130 and age > 30", "age >= 109", "sbp < 1000"])
@pytest.mark.parametrize("target", ["ill", "age > 200"])
def test_a_report_stands_whatever_nobody_can_tell(study: Study, model: ClinicalModel, index: str, target: str) -> None:
    made = make(
        changed(study, patients=300, accuracy=accuracy_of({"index-test": index, "target": target}, model)), model
    )
    page = render(made.appraise())
    assert "nan" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL).lower().split()
    assert made.appraise().to_json()


def test_the_diagram_shows_and_says_every_count(finding: Finding) -> None:
    image = pictures.flow(finding.drawings)
    tree = ElementTree.fromstring(f'<x xmlns:x="x">{image}</x>')
    svg = tree[0]
    texts = " ".join(element.text or "" for element in svg.iter("text"))
    spoken = svg.attrib["aria-label"]
    flow = finding.drawings["flow"]
    counts = [flow["eligible"], flow["enrolled"], flow["tested"]]
    counts += [arm[key] for arm in flow["arms"].values() for key in ("tested", "verified", "present", "absent", "present_truly", "absent_truly")]  # fmt: skip
    for count in counts:
        assert f"{count:,}" in texts
        assert f"{count:,}" in spoken
    assert svg.attrib["role"] == "img"


def test_the_diagram_keeps_its_texts_inside_their_boxes(finding: Finding) -> None:
    svg = ElementTree.fromstring(f"<x>{pictures.flow(finding.drawings)}</x>")[0]
    _, _, width, height = (float(one) for one in svg.attrib["viewBox"].split())
    for group in svg.iter("g"):
        box, *texts = group
        left, top, across, down = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= left <= left + across <= width
        assert 0 <= top <= top + down <= height
        for text in texts:
            assert top < float(text.attrib["y"]) < top + down
            # A letter of the face at 12.5 units is at most 7.2 wide on average.
            assert float(text.attrib["x"]) + 7.2 * len(text.text or "") * 0.9 < left + across + 12
    boxes = [tuple(float(group[0].attrib[key]) for key in ("x", "y", "width", "height")) for group in svg.iter("g")]
    for place, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[place + 1 :]:
            apart = x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y
            assert apart


def test_an_arm_that_was_not_declared_is_not_drawn(finding: Finding) -> None:
    drawings = {**finding.drawings, "inconclusive": ""}
    arms = {**drawings["flow"]["arms"], "inconclusive": dict.fromkeys(drawings["flow"]["arms"]["inconclusive"], 0)}
    image = pictures.flow({**drawings, "flow": {**drawings["flow"], "arms": arms}})
    assert "inconclusive" not in image
    assert "inconclusive" in pictures.flow(finding.drawings)


def test_what_a_study_file_says_is_text_on_the_page(asked: Study, model: ClinicalModel) -> None:
    found = found_in(make(changed(asked, patients=200), model))
    hostile = replace(found, drawings={**found.drawings, "index_test": "<script>alert(1)</script>"})
    appraisal = make(changed(asked, patients=200), model).appraise()
    page = render(replace(appraisal, findings=(*appraisal.findings[:-1], hostile)))
    assert "<script>alert" not in page
