"""What could go wrong with a release, judged by rule from what it is made of, before any row is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Risk:
    """A class of risk with its reasons, what remains, and the tier that follows by default."""

    level: str
    tier: str
    reasons: tuple[str, ...]
    remaining: tuple[str, ...]


def assess(*, n_sources: int, weakest: int, recipient: str, objective: str) -> Risk:
    """Return the risk of a cohort made from published knowledge alone.

    Args:
        n_sources: How many published sources the model rests on.
        weakest: How many of its numbers rest on assumption or on memory.
        recipient: Who is to receive the release.
        objective: What the study says is protected.
    """
    reasons = (
        f"No record of any person was read: everything follows from {n_sources} sources, the model file and the seed.",
        "Nobody can be singled out, linked or inferred about from records, because there were none; a row that resembles "
        "somebody does so by chance.",
        f"The study's own objective: {objective}.",
    )
    remaining = (
        "Misuse: figures that the model assumes could be taken for findings. See what the data is not for.",
        f"{weakest} numbers rest on memory or assumption and may mislead where they matter.",
        "Groups that the sources describe poorly are described poorly here, and harm could follow from trusting it.",
        f"Recipient: {recipient}. Passing the data on does not raise the risk to any person.",
    )
    return Risk("low", "open", reasons, remaining)
