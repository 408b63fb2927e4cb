"""Who told what, under which promise, how much the clinical model was worth beside it, and how patients were made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from manikin.aggregates import Aggregates, Protection, Told
from manikin.generators.agreement import Agreement, told

_OF = {1: "how often each thing is", 2: "how two variables hang together", 3: "how three or more hang together"}
_KEY = 12


def promise(protection: Protection, unit: str = "patient") -> str:
    """Return how the patients behind numbers are protected, in a clause."""
    if protection.epsilon is not None:
        return f"differentially private, epsilon {protection.epsilon:g} at delta {protection.delta:g} for each {unit}"
    if protection.min_cell is not None:
        return f"exact, with counts below {protection.min_cell} suppressed; not differentially private"
    return f"{protection.kind.value}; not differentially private"


def described(agreement: Agreement) -> list[tuple[str, str]]:
    """Return what a reader has to know of the aggregates and of the fit, each with its heading."""
    return [
        ("Who told", _who(agreement.aggregates)),
        ("What is promised to the patients behind it", _promised(agreement.aggregates)),
        *((("Do the sites differ?", _sites(agreement.aggregates)),) if agreement.aggregates.parts else ()),
        ("What the clinical model was worth beside it", _worth(agreement)),
        ("How patients were made", _made(agreement)),
    ]


def worth(agreement: Agreement) -> dict[int, float]:
    """Return of how many patients a sample the model was worth: about one variable, two, and three or more.

    A contrast that is followed as far as f, and told with the variance u, was set against a model worth
    (1 - f) / (f u) patients; that of the contrast in the middle is returned.
    """
    sizes: dict[int, list[float]] = {}
    for pull in agreement.fit.pulls.values():
        departure, followed = pull.departure, np.clip(pull.followed, 1e-9, 1 - 1e-9)
        implied = (1 - followed) / (followed * departure.uncertainty)
        for number, (of, _) in enumerate(departure.contrasts.classes):
            sizes.setdefault(min(of, 3), []).append(float(implied[number]))
    return {of: float(np.median(each)) for of, each in sorted(sizes.items())}


def _who(aggregates: Aggregates) -> str:
    patients = aggregates.patients
    said = {Told.NOISY: " (a number with noise)", Told.PUBLIC: " (a public number)", Told.EXACT: ""}[patients.told]
    number = f"{len(aggregates.aggregates)} table{'s' if len(aggregates.aggregates) > 1 else ''}"
    source = "" if aggregates.source == aggregates.site else f" (source: {aggregates.source})"
    return (
        f"{aggregates.site}{source} told {number} about {max(patients.number, 0):,.0f} patients{said}, "
        f"made on {aggregates.made.isoformat()}. Who they are: {aggregates.population}."
    )


def _promised(aggregates: Aggregates) -> str:
    said = promise(aggregates.protection, aggregates.privacy_unit)
    lines = [
        f"{said[:1].upper()}{said[1:]}. Two sets of records that differ so are hardly told apart: {aggregates.neighbours}."
    ]
    if not aggregates.protection.private:
        lines = [f"{said[:1].upper()}{said[1:]}."]
    if aggregates.protection.total_epsilon is not None:
        lines.append(f"The source may spend epsilon {aggregates.protection.total_epsilon:.3g} in all.")
    lines.append(f"Tier of the tables: {aggregates.tier.value}. {_signature(aggregates)}")
    return " ".join(lines)


def _signature(aggregates: Aggregates) -> str:
    if aggregates.signature is not None:
        return f"Signed, and the signature fits; the key begins with {aggregates.signature.key[:_KEY]}."
    signed = sum(bool(part.key) for part in aggregates.parts)
    if aggregates.parts:
        return f"Not signed as a whole; {signed} of {len(aggregates.parts)} parts were."
    return "Not signed: nobody vouches that these are the site's numbers."


def _sites(aggregates: Aggregates) -> str:
    parts = "; ".join(f"{part.site}: {promise(part.protection)}" for part in aggregates.parts)
    differing = [one for one in aggregates.differences if one.adjusted < 0.05]
    if not aggregates.differences:
        return f"{parts}. It could not be compared: no table was told by several of them."
    if not differing:
        return f"{parts}. No table differs beyond chance and noise, of {len(aggregates.differences)} compared."
    worst = sorted(differing, key=lambda one: -one.i_squared)[:5]
    named = "; ".join(
        f"{' and '.join(one.attributes)} ({100 * one.i_squared:.0f}% of the variation is between sites, a share differs by about {100 * one.tau:.1f} points)"
        for one in worst
    )
    return f"{parts}. They differ beyond chance and noise in {len(differing)} of {len(aggregates.differences)} tables compared: {named}."


def _worth(agreement: Agreement) -> str:
    parts = [f"as much as {rounded(patients)} patients on {_OF[of]}" for of, patients in worth(agreement).items()]
    return (
        f"About {', '.join(parts)}. This was learnt from how far the tables depart from the model; where noise drowns what "
        "was told the model stands, and where they contradict it beyond noise it gives way."
    )


def _made(agreement: Agreement) -> str:
    if not agreement.by_particles:
        return (
            "The model's measured variables know nothing of each other, so that the bins of each patient were drawn first, from "
            "the fit, and values within them from the model."
        )
    return (
        f"Candidates of the model were drawn until one was accepted by its weight, one in {agreement.ceiling:.2g}; nothing "
        f"changes within a bin. Of {agreement.sample / agreement.effective:,.0f} candidates that stood for the model in the fit, the weighted ones tell as "
        f"much as {100 * agreement.effective:.0f}%: the nearer to 100, the less the model had to bend."
    )


def left_out(agreement: Agreement) -> Iterator[str]:
    """Yield what was told and says nothing of the model's variables."""
    used = {
        frozenset(agreement.domain.axes[place].name for place in one.places)
        for one in told(agreement.program.model, agreement.aggregates)[1]
    }
    for table in agreement.aggregates.aggregates:
        if frozenset(table.attributes) not in used:
            yield " and ".join(table.attributes)


def rounded(patients: float) -> str:
    """Return a number of patients as sure as it is: two figures."""
    if patients >= 1e6:
        return "a million"
    digits = max(len(f"{patients:.0f}") - 2, 0)
    return f"{round(patients, -digits):,.0f}"
