"""What coordinator and sites write to each other: the stages of a round, and the facts that stand in a letter of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

Letter = dict[str, Any]
"""Texts, numbers, bytes and lists of one of them, by name, of which one is the stage."""


class Stage(StrEnum):
    """The stages of an attempt at a sum, in order.

    A site announces keys; deals shares of its secrets to the others; sends its vector, hidden; gives what opens the
    sum of those that arrived; and is told how it ended.
    """

    ANNOUNCE = "announce"
    DEAL = "deal"
    HIDE = "hide"
    GIVE = "give"
    CLOSE = "close"


LETTER = "letter"
"""Under which name a letter stands in a message."""

REFUSED = "refused"
"""Under which name a site tells of what kind of error it refused a letter: no more, since it may be about records."""


class Link(Protocol):
    """How a coordinator reaches the sites of a federation."""

    def present(self, many: int, seconds: float) -> frozenset[str]:
        """Wait until ``many`` sites are there, or for so many ``seconds``, and return who is."""
        ...

    def ask(self, letters: Mapping[str, Letter], seconds: float) -> dict[str, Letter]:
        """Send each site its letter, and return what those answered who did so in time."""
        ...
