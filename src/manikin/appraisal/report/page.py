"""The page: an appraisal becomes one HTML file that holds everything it shows."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from manikin.appraisal.appraisal import Appraisal
from manikin.appraisal.finding import Finding, Gate, Measure
from manikin.appraisal.report import accuracy, agreement, graph, pictures
from manikin.appraisal.report.forest import forest, glance, tolerances
from manikin.appraisal.report.over_time import over_time
from manikin.appraisal.report.privacy import attacks
from manikin.appraisal.report.svg import decimals_for, figure, identity, span, tag, verdict
from manikin.codebook import unit_label

_BASES = ("verified", "secondary", "recalled", "derived", "assumption")
_LINK = re.compile(r"(?P<url>https?://[^\s<>\"']+)|\b(?:doi:\s*)?(?P<doi>10\.\d{4,9}/[^\s<>\"']+)", re.IGNORECASE)
_NAMES = {"time": "Over time", "agreement": "Aggregates"}
_SOFT = {"assumption": "rest on assumption", "recalled": "were recalled and not looked up"}


@dataclass(frozen=True)
class Section:
    """One finding as the page shows it: ``kind`` picks the layout, ``shown`` holds the pictures it needs."""

    anchor: str
    finding: Finding
    kind: str = "plain"
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The finding's name in the list of contents."""
        return _NAMES.get(self.finding.check) or _sentence(self.finding.check.replace("_", " ").replace("-", " "))

    @property
    def verdict(self) -> str:
        """The outcome as style and marks name it."""
        return verdict(self.finding.passed)


@dataclass(frozen=True)
class Judgement:
    """Whether the cohort serves its purpose, in a few words and with the reason."""

    verdict: str
    headline: str
    reason: str


def render(appraisal: Appraisal) -> str:
    """Return the report as one self-contained HTML page, the same text for the same appraisal."""
    return _template().render(
        appraisal=appraisal,
        study=appraisal.study,
        model=appraisal.model,
        judgement=_judge(appraisal.gates, appraisal.findings),
        weakest=_weakest(appraisal),
        privacy=_privacy(appraisal),
        counts=_counts(appraisal),
        sections=_sections(appraisal.findings),
        grounding=_grounding(appraisal.weak_numbers),
        graph=appraisal.graph,
        graph_picture=Markup(graph.draw(appraisal.graph)) if appraisal.graph.get("nodes") else None,
        graph_groups=graph.groups_of(appraisal.graph) if appraisal.graph.get("nodes") else {},
        graph_parents=graph.parents_of(appraisal.graph) if appraisal.graph.get("nodes") else {},
    )


def _template() -> Template:
    return environment().get_template("page.html.j2")


@cache
def environment() -> Environment:
    """Return what all pages are made with: their style and their filters."""
    environment = Environment(
        loader=FunctionLoader(_packaged),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cite": _cite,
        "figure": figure,
        "span": span,
        "decimals": decimals_for,
        "unit": unit_label,
        "verdict": verdict,
    }
    environment.filters |= {"sentence": _sentence, "digest": _digest}
    environment.globals |= {"style": Markup(_packaged("style.css")), "bar": pictures.bar}
    return environment


def _packaged(name: str) -> str:
    """Return the text of a file that ships beside this module."""
    return files("manikin.appraisal.report").joinpath(name).read_text(encoding="utf-8")


def _judge(gates: Sequence[Gate], findings: Sequence[Finding]) -> Judgement:
    """Return whether the cohort is fit: the gates decide; findings that no gate stops are told beside."""
    failed = [gate for gate in gates if not gate.passed]
    doubtful = sum(finding.passed is False for finding in findings)
    aside = (
        f" {_count(doubtful, 'question')} below came out unfavourably, and no gate stops on that." if doubtful else ""
    )
    if not gates:
        return Judgement("open", "Not judged", f"No gate was set, so nothing decides.{aside}")
    if failed:
        which = "; ".join(f"{gate.name} (required {gate.threshold}, reached {gate.reached})" for gate in failed)
        return Judgement(
            "missed", "Not fit for its purpose", f"{len(failed)} of {_count(len(gates), 'gate')} failed: {which}."
        )
    told = next((one.drawings["site"] for one in findings if one.check == "agreement" and one.passed), "")
    if told:
        reason = f"{_all(len(gates), 'gate')} passed: it has what the fit to the aggregates of {told} expects.{aside}"
        return Judgement(
            "met", "True to its aggregates", f"{reason} Published values are about others, and were not judged."
        )
    if not any(measure.basis == "verified" for finding in findings for measure in finding.measures if measure.passed):
        return Judgement("open", "Possible, not judged", f"No verified published value was asked of it.{aside}")
    return Judgement("met", "Fit for its purpose", f"{_all(len(gates), 'gate')} passed.{aside}")


def _weakest(appraisal: Appraisal) -> list[str]:
    """Return what a careful reader should doubt first, in at most two sentences."""
    judged = [measure for finding in appraisal.findings for measure in finding.measures if measure.passed is not None]
    missed = [measure for measure in judged if not measure.passed]
    placed = [(abs(away), measure) for measure in missed or judged if (away := tolerances(measure)) is not None]
    said = []
    if missed:
        worst = max(placed, key=lambda item: item[0])[1] if placed else missed[0]
        said.append(f"{len(missed)} of {len(judged)} judged figures missed; furthest off: {_compared(worst)}.")
    elif placed:
        said.append(f"Closest to its limit: {_compared(max(placed, key=lambda item: item[0])[1])}.")
    counts, total = appraisal.weak_numbers, sum(appraisal.weak_numbers.values())
    soft = [f"{counts[basis]} {word}" for basis, word in _SOFT.items() if counts.get(basis)]
    if soft:
        said.append(f"Of the model’s {total:,} numbers, {' and '.join(soft)}.")
    return said


def _compared(measure: Measure) -> str:
    """Return a measure beside what was expected of it, in words."""
    name = f"{measure.group}, {measure.name}" if measure.group else measure.name
    unit = unit_label(measure.unit)
    got = f"{figure(measure.value, measure.unit)} {unit}".strip()
    if measure.expected is None:
        return f"{name} ({got})"
    bounds = f" ({span(measure.expected_interval, measure.unit)})" if measure.expected_interval else ""
    return f"{name}, {got} against {figure(measure.expected, measure.unit)}{bounds}"


def _privacy(appraisal: Appraisal) -> str:
    """Return the privacy objective, what was read, and the recipient as sentences."""
    privacy = appraisal.study["privacy"]
    told = next((one.drawings for one in appraisal.findings if one.check == "agreement"), None)
    read = (
        " Records were read to compare with, not to make it; their binned distributions and correlations are below."
        if any(finding.check == "comparison" for finding in appraisal.findings)
        else ""
    )
    objective = _sentence(str(privacy["objective"])).rstrip(".")
    if told:
        signed = "" if told["signed"] else "; not signed"
        made = f"Made from published knowledge and from tables that {told['site']} told: {told['promise']}{signed}. No record left it."
        objective = f"{made} The study’s stated objective: {objective}"
    return f"{objective}.{read} Intended recipient: {privacy['recipient']}."


def _counts(appraisal: Appraisal) -> list[tuple[str, str]]:
    """Return the key numbers with their captions."""
    judged = [measure for finding in appraisal.findings for measure in finding.measures if measure.passed is not None]
    met = sum(measure.passed is True for measure in judged)
    return [
        (f"{appraisal.study['patients']:,}", "synthetic patients"),
        (f"{appraisal.model['n_variables']:,}", "variables"),
        (f"{appraisal.model['n_sources']:,}", "published sources"),
        (f"{met:,} of {len(judged):,}", "judged figures met"),
    ]


def _sections(findings: Iterable[Finding]) -> list[Section]:
    """Return the findings with their pictures and with anchors that are unique on the page."""
    sections: list[Section] = []
    findings = tuple(findings)
    for finding in findings:
        slug = re.sub(r"[^a-z0-9]+", "-", finding.check.lower()).strip("-")
        taken = {section.anchor for section in sections}
        anchor = f"finding-{slug}" if slug and f"finding-{slug}" not in taken else identity(finding.check, len(taken))
        layout = _LAYOUTS.get(finding.check)
        shown = layout(finding) if layout else _time(finding, findings) if finding.check == "time" else {}
        sections.append(Section(anchor, finding, finding.check if shown else "plain", shown))
    return sections


def _agreement(finding: Finding) -> dict[str, Any]:
    """Return what aggregates changed: a picture a variable, and the pairs that moved most."""
    drawings = finding.drawings
    if not drawings.get("tables"):
        return {}
    shown, axis = agreement.pairs(drawings["pairs"])
    return {
        "who": "the sites" if drawings["several"] else "the site",
        "counted": any(one["cohort"] for one in drawings["variables"]),
        "panels": agreement.variables(drawings["variables"]),
        "pairs": shown,
        "axis": axis,
        "cells": [(one["title"], agreement.cells(one)) for one in drawings["variables"]],
    }


def _plausibility(finding: Finding) -> dict[str, Any]:
    """Return how many rules of each kind were kept, and the broken ones, most broken first."""
    if not finding.measures:
        return {}
    groups = dict.fromkeys(rule.group or "Rules" for rule in finding.measures)
    tally = [
        (group, len(rules), sum(rule.value > 0 for rule in rules))
        for group in groups
        for rules in ([rule for rule in finding.measures if (rule.group or "Rules") == group],)
    ]
    broken = sorted((rule for rule in finding.measures if rule.value > 0), key=lambda rule: -rule.value)
    return {"tally": tally, "rules": broken}


def _targets(finding: Finding) -> dict[str, Any]:
    """Return the forest plot and, above it, all targets at a glance."""
    if not finding.measures:
        return {}
    judged = any(one.passed is not None for one in finding.measures)
    return {"glance": glance(finding.measures) if judged else None, "blocks": forest(finding.measures)}


def _correlations(finding: Finding) -> dict[str, Any]:
    """Return the heat map and, where pairs were asked for, the scatter of asked and obtained."""
    drawings = finding.drawings
    if not drawings.get("matrix"):
        return {}
    titles, matrix, asked = drawings["variables"], drawings["matrix"], drawings.get("asked", [])
    pairs = [(m.name, m.expected, m.value, m.passed) for m in finding.measures if m.expected is not None] or [
        (f"{titles[int(i)]} and {titles[int(j)]}", r, matrix[int(i)][int(j)], None) for i, j, r in asked
    ]
    scatter = pictures.agreement(pairs, "asked of the model", "found in the cohort") if pairs else None
    return {"heat": pictures.heat(titles, matrix, asked), "scatter": scatter}


def _distributions(finding: Finding) -> dict[str, Any]:
    """Return a small picture a variable; those of quantities come first."""
    variables = finding.drawings.get("variables", [])
    colours = pictures.groups_of(variables)
    panels = [pictures.distribution(variable, colours) for variable in variables]
    return {"panels": sorted(panels, key=lambda panel: panel.wide), "legend": colours} if panels else {}


def _time(finding: Finding, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return what happens over time, and the published figures about it, which stand among all targets as well."""
    if not finding.drawings.get("states"):
        return {}
    about, drawn = (
        set(finding.drawings["targets"]),
        {name for one in finding.drawings["waits"] for name in one["targets"]},
    )
    published = [one for other in findings if other.check == "targets" for one in other.measures if one.group in about]
    # On one axis, each by its full name: the same figures stand among all targets under headings of their own.
    lines = [(one.group in drawn, replace(one, name=_full_name(one), group="")) for one in published]
    return {
        **over_time(finding.drawings),
        "timed": forest([line for timed, line in lines if timed]),
        "others": forest([line for timed, line in lines if not timed]),
        "n_others": sum(not timed for timed, _ in lines),
    }


def _full_name(measure: Measure) -> str:
    """Return a figure's heading with its name, which may be that it is about all."""
    return _sentence(measure.group if measure.name == "all" else f"{measure.group}, {measure.name}")


def _missingness(finding: Finding) -> dict[str, Any]:
    """Return the variables that have gaps, most first, and how many have none."""
    variables = finding.drawings.get("variables", [])
    gaps = sorted((one for one in variables if one["share"] > 0), key=lambda one: -one["share"])
    return {"gaps": gaps, "complete": len(variables) - len(gaps)} if variables else {}


def _comparison(finding: Finding) -> dict[str, Any]:
    """Return synthetic beside real: distributions, correlations and the distances between them."""
    drawings = finding.drawings
    pairs = [(f"{a} and {b}", real, synthetic, None) for a, b, synthetic, real in drawings.get("correlation_pairs", [])]
    return {
        "panels": sorted(map(pictures.marginal, drawings.get("marginals", [])), key=lambda panel: panel.wide),
        "legend": {"synthetic": 0, "real": 1},
        "scatter": pictures.agreement(pairs, "real records", "this cohort") if pairs else None,
        # Pairs are too many for a line each: the scatter shows them, and the table names them.
        "blocks": forest([one for one in finding.measures if "orrelation" not in one.group], by_tolerance=False),
    }


def _defects(finding: Finding) -> dict[str, Any]:
    """Return each share that was asked for beside the realised one."""
    shares = [measure for measure in finding.measures if measure.expected is not None and measure.unit == "share"]
    return {"blocks": forest(shares, by_tolerance=False)} if shares else {}


def _accuracy(finding: Finding) -> dict[str, Any]:
    """Return the flow of patients, the study's figures beside the true ones, and the steps between them."""
    drawings = finding.drawings
    if not drawings.get("flow"):
        return {}
    figures = drawings["figures"]
    truth = {one["name"]: one["population"] for one in figures}
    compared, axis = accuracy.compared(figures)
    ladder, axes = accuracy.ladder(drawings["ladder"], truth, drawings["weighted"])
    return {
        "drawings": drawings,
        "flow": accuracy.flow(drawings),
        "figures": compared,
        "axis": axis,
        "tables": accuracy.tables(drawings),
        "ladder": ladder,
        "axes": axes,
        "corrected": [(name.lower(), value, (low, high)) for name, (value, low, high) in drawings["corrected"].items()],
        "roc": accuracy.roc(drawings["curves"], figures),
    }


def _membership(finding: Finding) -> dict[str, Any]:
    """Return the curves of attacks, and the figures of the best one beside what is claimed of people not used."""
    if not finding.drawings.get("curves"):
        return {}
    judged = [one for one in finding.measures if one.unit == "share"]
    return {"attacks": attacks(finding.drawings), "blocks": forest(judged, by_tolerance=False)}


_LAYOUTS: Mapping[str, Callable[[Finding], dict[str, Any]]] = {
    "agreement": _agreement,
    "plausibility": _plausibility,
    "targets": _targets,
    "correlations": _correlations,
    "distributions": _distributions,
    "missingness": _missingness,
    "defects": _defects,
    "comparison": _comparison,
    "accuracy": _accuracy,
    "membership": _membership,
}


def _grounding(weak_numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return the divided bar of numbers by basis, best grounded first, with its counts."""
    order = [*_BASES, *sorted(set(weak_numbers) - set(_BASES))]
    counts = {basis: weak_numbers[basis] for basis in order if weak_numbers.get(basis)}
    return {"picture": pictures.grounding(counts), "counts": counts, "total": sum(counts.values())} if counts else {}


def _cite(source: str) -> Markup:
    """Return a source with its DOI or address as a link; nothing is loaded until a reader follows it."""
    parts, end = [], 0
    for found in _LINK.finditer(source):
        shown = found.group().rstrip(".,;)")
        doi = found["doi"]
        address = f"https://doi.org/{doi.rstrip('.,;)')}" if doi else shown
        parts += [Markup.escape(source[end : found.start()]), tag("a", shown, href=address, rel="noreferrer")]
        end = found.start() + len(shown)
    return Markup("").join([*parts, Markup.escape(source[end:])])


def _digest(script: str) -> str:
    """Return the digest by which the page's policy admits its own script and no other."""
    return "sha256-" + b64encode(sha256(script.encode()).digest()).decode()


def _sentence(text: str) -> str:
    """Return ``text`` with its first letter large."""
    return text[:1].upper() + text[1:]


def _count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _all(number: int, noun: str) -> str:
    """Return ``All 5 gates``, or ``The one gate``."""
    return f"The one {noun}" if number == 1 else f"All {number} {noun}s"
