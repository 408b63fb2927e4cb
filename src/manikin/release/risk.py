"""What could go wrong with a release, judged by rule from what it is made of, before any row is made."""

from __future__ import annotations

from dataclasses import dataclass

from manikin.aggregates import Aggregates, Tier
from manikin.appraisal.agreement import promise


@dataclass(frozen=True)
class Risk:
    """A class of risk with its reasons, what remains, and the tier that follows by default."""

    level: str
    tier: str
    lineage: str
    reasons: tuple[str, ...]
    remaining: tuple[str, ...]


def assess(
    *,
    n_sources: int,
    weakest: int,
    recipient: str,
    objective: str,
    compared: bool,
    aggregates: Aggregates | None = None,
) -> Risk:
    """Return the risk of a cohort made from published knowledge, and from aggregates where there are any.

    Args:
        aggregates: What institutions told about their patients, to which the model was bent.
        compared: Whether records were read to compare the cohort with; their aggregates then travel in the report.
        n_sources: How many published sources the model rests on.
        weakest: How many of its numbers rest on assumption or on memory.
        recipient: Who is to receive the release.
        objective: What the study says is protected.
    """
    reasons = (
        f"No record was read to make it: every row follows from {n_sources} sources, the model file and the seed.",
        "Nobody can be singled out, linked or inferred about from a row, because no record went into one; a row that resembles "
        "somebody does so by chance.",
        f"The study's own objective: {objective}.",
    )
    remaining = (
        "Misuse: figures that the model assumes could be taken for findings. See what the data is not for.",
        f"{weakest} numbers rest on memory or assumption and may mislead where they matter.",
        "Groups that the sources describe poorly are described poorly here, and harm could follow from trusting it.",
        f"Recipient: {recipient}. Passing the data on does not raise the risk to any person.",
    )
    if aggregates is not None:
        passed_on = (
            f"Recipient: {recipient}. Passing the data on tells of the people behind the tables no more than these do."
        )
        return _bent(aggregates, (*remaining[:-1], passed_on), compared=compared)
    if compared:
        return Risk("moderate", "controlled", COMPARED, (*reasons, _AGGREGATES), remaining)
    return Risk("low", "open", UNREAD, reasons, remaining)


def _bent(aggregates: Aggregates, remaining: tuple[str, ...], *, compared: bool) -> Risk:
    """Return the risk of a cohort that was bent to aggregates: it is that of the aggregates, since nothing else was read."""
    protection = aggregates.protection
    lineage = (
        f"No record of any person entered it. Records were read inside {aggregates.site}, which told "
        f"{len(aggregates.aggregates)} tables: {promise(protection, aggregates.privacy_unit)}."
    )
    reasons: tuple[str, ...] = (
        f"The clinical model was bent until it agreed with tables of {aggregates.source}; whatever is computed from them "
        "tells no more about anybody than they do.",
        f"The tables: {promise(protection, aggregates.privacy_unit)}. The privacy unit is the {aggregates.privacy_unit}: {aggregates.neighbours}.",
    )
    # Open needs more than a promise: attacks that failed, and two people who say so.
    strict = compared or not protection.private or aggregates.tier is Tier.CONTROLLED
    tier = Tier.CONTROLLED if strict else Tier.REGISTERED
    if compared:
        lineage, reasons = f"{lineage} {_ALSO_COMPARED}", (*reasons, _AGGREGATES)
    return Risk("moderate", tier.value, lineage, reasons, remaining)


UNREAD = "No record of any person was read."
COMPARED = "No record of any person was read to make it; records were read to compare with, and aggregates of them are included."
_ALSO_COMPARED = "Records were also read to compare with, and aggregates of them are included."
_AGGREGATES = (
    "Records were read to compare with. Their binned distributions, bins of fewer than 10 people left out, and their "
    "correlations stand in the report and in inputs/comparison.json; they are exact, not differentially private."
)
