"""The report: whole, safe, the same twice, and complete."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.typing import NDArray

from manikin.appraisal.appraisal import Appraisal
from manikin.appraisal.finding import Finding, Gate, Measure
from manikin.appraisal.report import as_text, draw, render

_VOID = {"meta", "br", "col", "link", "img", "input", "hr"}
_HOSTILE = "<script>alert('x')</script>\"'&<b>"
_QUANTITIES = (
    ("age", "Age", "a", 18, 95, 52, 17, (), None),
    ("bmi", "Body mass index", "kg/m2", 15, 55, 29, 6, (18.5, 25, 30, 35, 40), (18.5, 25)),
    ("waist", "Waist circumference", "cm", 55, 160, 99, 16, (88, 102), None),
    ("sbp", "Systolic blood pressure", "mm[Hg]", 80, 210, 126, 18, (130, 140), (90, 130)),
    ("dbp", "Diastolic blood pressure", "mm[Hg]", 40, 130, 74, 11, (80, 90), (60, 80)),
    ("hba1c", "HbA1c", "%", 4, 13, 5.8, 0.9, (5.7, 6.5, 7, 8, 9), (4, 5.6)),
    ("fpg", "Fasting glucose", "mg/dL", 60, 300, 106, 26, (100, 126), (70, 99)),
    ("ogtt", "Two-hour glucose", "mg/dL", 50, 400, 128, 45, (140, 200), (70, 139)),
    ("ldl", "LDL cholesterol", "mg/dL", 30, 260, 113, 35, (70, 100, 130, 160, 190), None),
    ("hdl", "HDL cholesterol", "mg/dL", 20, 110, 53, 15, (40, 50), None),
    ("tg", "Triglycerides", "mg/dL", 30, 600, 120, 70, (150, 200, 500), (0, 150)),
    ("crea", "Creatinine", "mg/dL", 0.3, 4, 0.9, 0.3, (1.2,), (0.6, 1.2)),
    ("egfr", "Estimated glomerular filtration rate", "mL/min/{1.73_m2}", 5, 140, 92, 21, (15, 30, 45, 60, 90), None),
    ("uacr", "Urine albumin-to-creatinine ratio", "mg/g", 0, 400, 14, 30, (30, 300), (0, 30)),
    ("alt", "Alanine aminotransferase", "U/L", 5, 150, 25, 14, (40,), (7, 40)),
    ("hb", "Haemoglobin", "g/dL", 7, 19, 14.1, 1.5, (12, 13), (12, 17.5)),
    ("wbc", "White cell count", "10*3/uL", 2, 20, 7.2, 2.1, (), (4, 11)),
    ("potassium", "Potassium", "mmol/L", 2.5, 6.5, 4.1, 0.35, (3.5, 5, 5.5), (3.5, 5)),
    ("findrisc", "FINDRISC score", "{score}", 0, 26, 10, 5, (7, 12, 15, 20), None),
)
_CATEGORIES = (
    ("ethnicity", "Ethnicity", ("Non-Hispanic White", "Hispanic", "Non-Hispanic Black", "Asian", "Other")),
    ("smoking", "Smoking", ("never", "former", "current")),
    ("stage", "Glycaemic stage", ("normal", "prediabetes", "undiagnosed diabetes", "diagnosed diabetes")),
    ("statin", "Statin", ("no", "yes")),
    ("family", "Family history of diabetes", ("none", "second degree", "first degree")),
)

_MODEL = """
age|Age|data|person:
sex|Sex|data|person:
ethnicity|Ethnicity|data|person:age
income|Income|data|person:age ethnicity
education|Education|data|person:age ethnicity
insurance|Insurance|data|person:income age
family|Family history|data|person:ethnicity
frailty|Metabolic frailty|truth|disease:family ethnicity
smoking|Smoking|data|lifestyle:age sex education
activity|Physical activity|data|lifestyle:age income
diet|Diet quality|helper|lifestyle:income education
alcohol|Alcohol|data|lifestyle:sex age
bmi|Body mass index|data|body:age sex diet activity ethnicity
height|Height|data|body:sex ethnicity
weight|Weight|data|body:bmi height
waist|Waist circumference|data|body:bmi sex
visceral|Visceral fat|truth|body:bmi waist
insulin|Insulin resistance|truth|disease:visceral frailty activity
beta|Beta-cell function|truth|disease:age frailty
stage|Glycaemic stage|truth|disease:insulin beta age
onset|Age at onset|truth|disease:stage age
diagnosed|Known diagnosis|data|disease:stage onset insurance
glucose|Mean glucose, true|truth|glucose:stage insulin beta
e1|Within-person variation, HbA1c|noise|glucose:
hba1c|HbA1c|data|glucose:glucose e1 haemoglobin
e2|Within-person variation, glucose|noise|glucose:
fpg|Fasting plasma glucose|data|glucose:glucose e2
ogtt|Two-hour glucose|data|glucose:glucose beta
random|Random glucose|data|glucose:glucose
treatment|Glucose-lowering treatment|data|care:diagnosed insurance hba1c_before
hba1c_before|HbA1c before treatment|helper|glucose:glucose
sbp_true|Usual systolic pressure|truth|vessels:age bmi sex insulin
e3|Visit variation, pressure|noise|vessels:
sbp|Systolic blood pressure|data|vessels:sbp_true e3 antihypertensive
dbp|Diastolic blood pressure|data|vessels:sbp age
hypertension|Hypertension|data|vessels:sbp_true
antihypertensive|Antihypertensive|data|care:hypertension insurance
ldl_true|LDL, untreated|truth|lipids:age diet
statin|Statin|data|care:ldl_true diagnosed age
ldl|LDL cholesterol|data|lipids:ldl_true statin
hdl|HDL cholesterol|data|lipids:sex visceral alcohol
tg|Triglycerides|data|lipids:insulin visceral alcohol
chol|Total cholesterol|data|lipids:ldl hdl tg
gfr|Kidney function, true|truth|kidney:age stage sbp_true onset
crea|Creatinine|data|kidney:gfr sex
egfr|Estimated glomerular filtration rate|data|kidney:crea age sex
albuminuria|Albuminuria|truth|kidney:stage sbp_true gfr
uacr|Urine albumin-to-creatinine ratio|data|kidney:albuminuria e4
e4|Day-to-day variation, albumin|noise|kidney:
ckd|Chronic kidney disease|data|kidney:egfr uacr
haemoglobin|Haemoglobin|data|blood:sex gfr
wbc|White cell count|data|blood:smoking
potassium|Potassium|data|blood:gfr antihypertensive
alt|Alanine aminotransferase|data|blood:visceral alcohol
findrisc|FINDRISC score|data|scores:age bmi waist activity diet family antihypertensive
ascvd|Ten-year cardiovascular risk|data|scores:age sex sbp chol hdl smoking diagnosed antihypertensive
retina|Retinopathy|data|outcome:onset glucose sbp_true
event|Cardiovascular event|data|outcome:ascvd albuminuria
visit|Reason for visit|data|care:age bmi diagnosed
screened|Screened today|data|care:visit findrisc insurance
"""


def _density(edges: NDArray[np.float64], mean: float, spread: float) -> list[float]:
    """Return a skewed bell over the bins."""
    middle = (edges[1:] + edges[:-1]) / 2
    return [
        round(float(x), 6) for x in np.exp(-0.5 * ((middle - mean) / spread) ** 2 * np.where(middle > mean, 0.6, 1.4))
    ]


def _distributions() -> Finding:
    """Return 24 distributions by sex."""
    variables: list[dict[str, object]] = []
    for name, title, unit, low, high, mean, spread, thresholds, reference in _QUANTITIES:
        edges = np.linspace(low, high, 33)
        groups = [
            {"name": "female", "density": _density(edges, mean - 0.15 * spread, spread)},
            {"name": "male", "density": _density(edges, mean + 0.2 * spread, spread * 0.92)},
        ]
        variables.append(
            {
                "name": name,
                "title": title,
                "unit": unit,
                "kind": "quantity",
                "edges": edges.tolist(),
                "groups": groups,
                "thresholds": list(thresholds),
                "reference_interval": list(reference) if reference else None,
            }
        )
    for name, title, levels in _CATEGORIES:
        weights = np.array([1 / (index + 1.3) for index in range(len(levels))])
        groups = [
            {"name": sex, "shares": (w / w.sum()).tolist()} for sex, w in (("female", weights), ("male", weights**1.3))
        ]
        variables.append({"name": name, "title": title, "kind": "category", "levels": list(levels), "groups": groups})
    return Finding(
        "distributions",
        "What do the values look like?",
        "24 variables, by sex; each lies where clinicians expect it, with the skew of the published quartiles.",
        None,
        drawings={"variables": variables},
    )


def _targets() -> Finding:
    """Return 40 targets: shares in five groups and quantities in unlike units; one is missed."""
    rng = np.random.default_rng(7)
    shares = {
        "diagnosed diabetes": {
            "all adults": 0.113,
            "men": 0.129,
            "women": 0.097,
            "20 to 39 years": 0.022,
            "40 to 59 years": 0.121,
            "60 years and over": 0.205,
        },
        "undiagnosed diabetes": {
            "all adults": 0.045,
            "men": 0.051,
            "women": 0.040,
            "20 to 39 years": 0.013,
            "40 to 59 years": 0.056,
            "60 years and over": 0.068,
        },
        "prediabetes": {"all adults": 0.380, "65 years and over": 0.488, "men": 0.41, "women": 0.32},
        "total diabetes by body mass index": {"below 25": 0.068, "25 to 29.9": 0.123, "30 and over": 0.242},
        "total diabetes by ethnicity": {
            "Non-Hispanic White": 0.112,
            "Non-Hispanic Black": 0.168,
            "Asian": 0.164,
            "Hispanic": 0.176,
        },
        "hypertension": {"all adults": 0.477, "men": 0.505, "women": 0.443, "18 to 39 years": 0.235},
    }
    measures = []
    for group, by in shares.items():
        for name, share in by.items():
            half = 0.012 + 0.09 * share
            value = share + half * float(rng.normal(0, 0.3))
            if (group, name) == ("undiagnosed diabetes", "60 years and over"):
                value = share + 1.4 * half
            measures.append(
                Measure(
                    name,
                    value,
                    (value - 0.004 - 0.02 * share, value + 0.004 + 0.02 * share),
                    share,
                    (share - half, share + half),
                    abs(value - share) <= half,
                    "share",
                    group,
                    "Gwira et al., NCHS Data Brief 516, 2024, doi:10.15620/cdc/165794.",
                    "secondary",
                )
            )
    for name, _, unit, _, _, mean, spread, _, _ in _QUANTITIES[:13]:
        value, half = mean + spread * float(rng.normal(0, 0.03)), spread * 0.1
        measures.append(
            Measure(
                f"mean {name}",
                value,
                (value - spread * 0.02, value + spread * 0.02),
                float(mean),
                (mean - half, mean + half),
                True,
                unit,
                "means in adults",
                "Plantinga et al., CJASN 2010;5:673, Table 1",
                "verified",
            )
        )
    missed = sum(measure.passed is False for measure in measures)
    return Finding(
        "targets",
        "Does the cohort reproduce published epidemiology?",
        f"{len(measures) - missed} of {len(measures)} targets lie in their published interval; "
        "undiagnosed diabetes from 60 years is too high.",
        missed == 0,
        tuple(measures),
    )


def _correlations() -> Finding:
    """Return a 14 by 14 matrix with nine pairs asked for."""
    rng = np.random.default_rng(3)
    loadings = rng.normal(0, 1, (14, 4))
    loadings[:, 0] += 0.6
    values = loadings @ rng.normal(0, 1, (4, 400)) + rng.normal(0, 1.2, (14, 400))
    matrix: list[list[float]] = np.round(np.corrcoef(values), 3).tolist()
    titles = [title if name != "egfr" else "eGFR" for name, title, *_ in _QUANTITIES[:14]]
    titles[13] = "Urine ACR"
    pairs = [(2, 1), (4, 3), (6, 5), (7, 6), (10, 9), (12, 11), (12, 0), (3, 0), (10, 2)]
    asked = [(i, j, round(matrix[i][j] + float(rng.normal(0, 0.03)), 2)) for i, j in pairs]
    measures = tuple(
        Measure(
            f"{titles[i]} and {titles[j]}",
            matrix[i][j],
            expected=r,
            passed=True,
            source="CEBP 2009;18:1134, Table 5",
            basis="verified",
        )
        for i, j, r in asked
    )
    drawings = {"variables": titles, "matrix": matrix, "asked": [list(pair) for pair in asked]}
    return Finding(
        "correlations",
        "Do values move together as they should?",
        "All nine pairs asked for agree within 0.08.",
        True,
        measures,
        drawings,
    )


def _comparison() -> Finding:
    """Return a comparison with real records."""
    marginals = []
    for name, title, unit, low, high, mean, spread, *_ in _QUANTITIES[:4]:
        edges = np.linspace(low, high, 25)
        marginals.append(
            {
                "name": name,
                "title": title,
                "unit": unit,
                "edges": edges.tolist(),
                "synthetic": _density(edges, mean, spread),
                "real": _density(edges, mean * 1.03, spread * 1.1),
            }
        )
    pairs = [
        ["bmi", "waist", 0.84, 0.88],
        ["sbp", "dbp", 0.55, 0.61],
        ["hba1c", "fpg", 0.71, 0.79],
        ["egfr", "age", -0.52, -0.58],
    ]
    measures = (
        Measure("age", 0.031, (0.02, 0.04), unit="", group="KS distance"),
        Measure("body mass index", 0.055, (0.04, 0.07), unit="", group="KS distance"),
        Measure("real against synthetic", 0.61, (0.59, 0.63), 0.5, (0.49, 0.52), None, group="AUC"),
    )
    drawings = {"marginals": marginals, "correlation_pairs": pairs}
    return Finding(
        "comparison",
        "How does it compare with real records?",
        "Close in the margins; a classifier tells them apart at 0.61.",
        None,
        measures,
        drawings,
    )


def _graph() -> dict[str, list[object]]:
    """Return a model of 60 variables in twelve groups."""
    nodes: list[object] = []
    edges: list[object] = []
    for item in _MODEL.strip().splitlines():
        head, causes = item.split(":")
        name, title, role, group = head.split("|")
        nodes.append({"name": name, "title": title, "kind": "lognormal", "role": role, "group": group})
        edges += [[cause, name] for cause in causes.split()]
    return {"nodes": nodes, "edges": edges}


@pytest.fixture(scope="module")
def appraisal() -> Appraisal:
    """Return a realistic appraisal that fails one target and no gate."""
    return realistic()


def realistic() -> Appraisal:
    """Return the appraisal of a diabetes screening cohort, as a study would make it."""
    rules = (
        "HbA1c of 6.5% or more implies diabetes",
        "diastolic below systolic pressure",
        "weight agrees with height and body mass index",
        "diagnosis no earlier than onset",
        "every value within its hard limits",
        "eGFR recomputes from creatinine, age and sex",
        "no statin before 18 years",
        "dates run forward",
        "total cholesterol above LDL plus HDL",
        "identifiers are unique",
    )
    missing = [
        ("ogtt", "Two-hour glucose", 0.83),
        ("uacr", "Urine albumin-to-creatinine ratio", 0.41),
        ("alt", "Alanine aminotransferase", 0.22),
        ("hdl", "HDL cholesterol", 0.12),
        ("waist", "Waist circumference", 0.094),
        ("family", "Family history of diabetes", 0.061),
        ("hb", "Haemoglobin", 0.013),
    ]
    shares = [{"name": name, "title": title, "share": share} for name, title, share in missing]
    shares += [{"name": f"v{index}", "title": f"Variable {index}", "share": 0.0} for index in range(17)]
    findings = (
        Finding(
            "plausibility",
            "Is every patient possible?",
            "No impossible value among 2,300,000 in ten rules.",
            True,
            tuple(Measure(rule, 0, expected=0, passed=True, unit="violations") for rule in rules),
        ),
        _targets(),
        _correlations(),
        _distributions(),
        Finding(
            "missingness",
            "How much is missing, and where?",
            "Seven of 24 variables have gaps, as in routine records.",
            None,
            drawings={"variables": shares},
        ),
        _comparison(),
        Finding(
            "worst-subgroup",
            "Is anybody represented too badly?",
            "The smallest subgroup is Asian women over 75, with 312 patients.",
            True,
            (
                Measure(
                    "coverage of the worst subgroup",
                    0.86,
                    (0.83, 0.89),
                    0.8,
                    None,
                    True,
                    "share",
                    note="by age band, sex and ethnicity",
                ),
            ),
        ),
    )
    return Appraisal(
        study={
            "name": "screening-thresholds",
            "purpose": "develop and stress-test a diabetes risk model before access to real data is granted",
            "users": ["data scientists of the project", "the ethics board"],
            "privacy": {"objective": "no record of any person is used", "recipient": "public"},
            "patients": 50_000,
            "seed": 20261123,
            "given": None,
            "oversample": {"stage == undiagnosed": 4},
        },
        model={
            "name": "diabetes-screening",
            "version": 1,
            "title": "Type 2 diabetes screening in US adults",
            "index": "a primary-care visit at which screening is considered",
            "population": "adults of the United States, 18 to 100 years, 2023",
            "not_for": ["estimating prevalence", "children and pregnancy", "populations outside the United States"],
            "n_variables": 46,
            "n_sources": 61,
        },
        gates=(
            Gate("every verified target", "within its interval", "13 of 13", True, "study file", "no release"),
            Gate("impossible values", "0", "0 of 2,300,000", True, "house rule", "no release"),
            Gate(
                "worst subgroup coverage",
                "at least 0.8",
                "0.86",
                True,
                "study file",
                "release to the controlled tier only",
            ),
        ),
        findings=findings,
        not_assessed=(
            "whether a model trained here performs as well on real patients",
            "rare diseases that the model does not name",
            "image quality as radiologists see it",
            "behaviour over more than ten years of follow-up",
        ),
        weak_numbers={"verified": 118, "secondary": 41, "recalled": 36, "derived": 22, "assumption": 17},
        graph=_graph(),
    )


class _Nesting(HTMLParser):
    """Reads a page and notes what does not nest."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.headings: list[int] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and what it would load."""
        settings = dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.loads += [value or "" for key, value in attrs if key in {"src", "srcset", "data", "poster", "xlink:href"}]
        self.loads += [settings.get("href") or ""] if tag in {"link", "base", "use", "image"} else []
        self.links += [settings.get("href") or ""] if tag == "a" else []
        self.ids += [settings["id"] or ""] if "id" in settings else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Note an end that does not meet its beginning."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def _read(page: str) -> _Nesting:
    """Return what a parser saw of the page."""
    reader = _Nesting()
    reader.feed(page)
    reader.close()
    return reader


def test_the_page_nests_and_its_headings_descend(appraisal: Appraisal) -> None:
    seen = _read(render(appraisal))
    assert seen.faults == []
    assert seen.open == []
    assert seen.headings[0] == 1
    assert all(deeper - level <= 1 for level, deeper in zip(seen.headings, seen.headings[1:], strict=False))


def test_the_page_loads_nothing(appraisal: Appraisal) -> None:
    page = render(appraisal)
    seen = _read(page)
    assert seen.loads == []
    assert "url(" not in page
    assert "@import" not in page
    assert {link for link in seen.links if not link.startswith("#")} == {"https://doi.org/10.15620/cdc/165794"}


def test_every_link_within_the_page_arrives(appraisal: Appraisal) -> None:
    seen = _read(render(appraisal))
    assert len(seen.ids) == len(set(seen.ids))
    assert {link[1:] for link in seen.links if link.startswith("#")} <= set(seen.ids)


def test_every_question_and_answer_is_shown(appraisal: Appraisal) -> None:
    page = render(appraisal)
    for finding in appraisal.findings:
        assert f"<span>{finding.question}</span></h2>" in page
        assert finding.answer in page


def test_an_unknown_finding_shows_its_figures(appraisal: Appraisal) -> None:
    unknown = Finding(
        "köln/phase",
        "Is the phase right?",
        "It is.",
        None,
        (Measure("phase of the moon", 0.25, note="waxing"),),
        {"any": 1},
    )
    page = render(replace(appraisal, findings=(unknown,)))
    assert page.count("Is the phase right?") == 1
    assert "phase of the moon" in page
    assert "waxing" in page
    assert _read(page).faults == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, 1e-12, -1e9])
def test_awkward_numbers_are_shown_and_do_not_stop_the_page(appraisal: Appraisal, value: float) -> None:
    measures = tuple(
        Measure(f"figure {unit}", value, (value, value), 0.9, expected, None, unit)
        for unit in ("share", "kg")
        for expected in (None, (0.8, math.inf), (0.9, 0.9))
    )
    matrix = [[1.0, math.nan], [math.nan, 1.0]]
    drawings = {"variables": ["one", "other"], "matrix": matrix, "asked": [[0, 1, 0.5]]}
    findings = (
        Finding("targets", "Are they met?", "Perhaps.", None, measures),
        Finding("correlations", "Are they close?", "Unknown.", None, (), drawings),
        Finding("plausibility", "Are they possible?", "Perhaps.", None, measures),
    )
    assert _read(render(replace(appraisal, findings=findings))).faults == []


def test_hostile_titles_stay_text(appraisal: Appraisal) -> None:
    measure = Measure(
        _HOSTILE,
        0.1,
        (0.0, 0.2),
        0.1,
        (0.05, 0.15),
        True,
        "share",
        _HOSTILE,
        f"{_HOSTILE} https://x.org/{_HOSTILE}",
        _HOSTILE,
        _HOSTILE,
    )
    variables = [
        {
            "name": "a",
            "title": _HOSTILE,
            "unit": _HOSTILE,
            "kind": "quantity",
            "edges": [0, 1, 2],
            "groups": [{"name": _HOSTILE, "density": [1, 2]}],
        },
        {
            "name": "b",
            "title": _HOSTILE,
            "kind": "category",
            "levels": [_HOSTILE],
            "groups": [{"name": _HOSTILE, "shares": [1.0]}],
        },
    ]
    drawings = {"variables": [_HOSTILE, _HOSTILE], "matrix": [[1, 0.5], [0.5, 1]], "asked": [[0, 1, 0.5]]}
    hostile = replace(
        appraisal,
        study={**appraisal.study, "name": _HOSTILE, "purpose": _HOSTILE, "given": _HOSTILE},
        model={**appraisal.model, "title": _HOSTILE, "not_for": [_HOSTILE]},
        gates=(Gate(_HOSTILE, _HOSTILE, _HOSTILE, False, _HOSTILE, _HOSTILE),),
        findings=(
            Finding("targets", _HOSTILE, _HOSTILE, None, (measure,) * 8),
            Finding("correlations", _HOSTILE, _HOSTILE, None, (), drawings),
            Finding("distributions", _HOSTILE, _HOSTILE, None, (), {"variables": variables}),
            Finding(_HOSTILE, _HOSTILE, _HOSTILE, None, (measure,)),
        ),
        not_assessed=(_HOSTILE,),
        weak_numbers={_HOSTILE: 1},
        graph={
            "nodes": [{"name": _HOSTILE, "title": _HOSTILE, "kind": _HOSTILE, "role": "data", "group": _HOSTILE}],
            "edges": [],
        },
    )
    page = render(hostile)
    seen = _read(page)
    assert page.count("<script") == 1
    assert "<b>'" not in page
    assert seen.faults == []
    assert all(link.startswith(("#", "https://x.org/")) for link in seen.links)


def test_equal_appraisals_give_equal_pages(appraisal: Appraisal) -> None:
    assert render(appraisal) == render(realistic())


def test_an_appraisal_survives_json(appraisal: Appraisal) -> None:
    again = Appraisal.from_json(appraisal.to_json())
    assert again == appraisal
    assert render(again) == render(appraisal)


def test_a_failed_gate_says_no_with_its_reason(appraisal: Appraisal) -> None:
    gate = Gate("impossible values", "0", "3 of 10", False, "house rule", "no release")
    page = render(replace(appraisal, gates=(*appraisal.gates, gate)))
    assert "Not fit for its purpose" in page
    assert "1 of 4 gates failed: impossible values (required 0, reached 3 of 10)." in page


def test_without_gates_nothing_is_claimed(appraisal: Appraisal) -> None:
    page = render(replace(appraisal, gates=()))
    assert "Not judged" in page
    assert "Fit for its purpose" not in page


def test_a_bare_appraisal_still_makes_a_page(appraisal: Appraisal) -> None:
    bare = replace(appraisal, gates=(), findings=(), not_assessed=(), weak_numbers={}, graph={"nodes": [], "edges": []})
    assert _read(render(bare)).faults == []


def test_the_graph_runs_downwards(appraisal: Appraisal) -> None:
    starts_and_ends = re.findall(r'd="M[\d.]+ ([\d.]+)V.*?V([\d.]+)"', draw(appraisal.graph))
    assert len(starts_and_ends) > len(appraisal.graph["nodes"])
    assert all(float(start) < float(end) for start, end in starts_and_ends)


def test_the_boxes_of_the_graph_do_not_overlap(appraisal: Appraisal) -> None:
    found = re.findall(
        r'class="box" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', draw(appraisal.graph)
    )
    boxes = [tuple(map(float, box)) for box in found]
    assert len(boxes) == len(appraisal.graph["nodes"])
    for index, (x, y, width, height) in enumerate(boxes):
        for left, top, across, down in boxes[index + 1 :]:
            assert x + width <= left or left + across <= x or y + height <= top or top + down <= y


def test_the_terminal_lists_every_variable_within_its_width(appraisal: Appraisal) -> None:
    width = 90
    text = as_text(appraisal.graph, width)
    assert all(node["title"] in text for node in appraisal.graph["nodes"])
    assert max(map(len, text.splitlines())) <= width
