"""Every error that Manikin raises on purpose, as one tree.

Each says what happened, where, what was possible and what to do, and carries its facts as attributes, so that a
terminal, a page and a notebook tell the same story. ``exit_code`` is what the command line answers with: 1 when a
gate failed, 2 when the request was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches


class ManikinError(Exception):
    """The root of all errors raised on purpose."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake in a file: where it stands, what is wrong and what would be right.

    Lines and columns count from 1, as editors do.
    """

    line: int
    column: int
    what: str = field(compare=False)
    suggestion: str = field(default="", compare=False)

    def under(self, path: str) -> str:
        """Return the mistake as ``file:line:column  what`` with the suggestion beneath it."""
        place = f"{path}:{self.line}:{self.column}"
        return f"{place}  {self.what}" + (f"\n{' ' * (len(place) + 2)}{self.suggestion}" if self.suggestion else "")


class FileError(ManikinError):
    """A file that a person wrote holds mistakes; all of them are told at once."""

    def __init__(self, path: str, mistakes: Iterable[Mistake]) -> None:
        """Gather the ``mistakes`` found in the file at ``path``."""
        self.path = path
        self.mistakes = tuple(sorted(mistakes))
        count = len(self.mistakes)
        super().__init__(
            "\n".join(mistake.under(path) for mistake in self.mistakes)
            + f"\n{count} mistake{'' if count == 1 else 's'}; nothing was made."
        )


class ModelError(FileError):
    """A clinical model file that can't be used as it stands."""


class StudyError(FileError):
    """A study file that can't be used as it stands."""


class MappingError(FileError):
    """A file that maps real columns to the codebook and can't be used as it stands."""


class RequestError(ManikinError):
    """A request that can't be met: an unknown model, an option out of range, an occupied folder."""


class UnitError(ManikinError):
    """A unit that is no UCUM unit, or a conversion that would have to guess."""


class CalibrationError(ManikinError):
    """Targets that the free parameters of a model can't reach."""


class GateError(ManikinError):
    """A cohort that did not pass its gates, and was set aside instead of released."""

    exit_code = 1

    def __init__(self, failed: Iterable[str], folder: str) -> None:
        """Name the gates that ``failed`` and the ``folder`` in which the evidence stands."""
        self.failed = tuple(failed)
        self.folder = folder
        lines = "\n".join(f"  {one}" for one in self.failed)
        super().__init__(
            f"The cohort failed {len(self.failed)} gate(s):\n{lines}\nIt was set aside, not released. Read why: {folder}/report.html"
        )


class ReleaseError(ManikinError):
    """A folder that is no release, or is one no longer."""


class RealDataError(ManikinError):
    """Records that can't be read as mapped; names columns and rules, never a value."""


class BudgetError(ManikinError):
    """A budget that is none, or a purchase over what is left of it; nothing was spent."""

    def __init__(self, what: str, left: float | None = None) -> None:
        """Say ``what`` is wrong, and how much is ``left``, in zero-concentrated differential privacy, where that is known."""
        self.left = left
        super().__init__(what)


class LedgerError(ManikinError):
    """A ledger of privacy budgets that can't be trusted or reached; nothing is sold from it."""


class AggregatesError(ManikinError):
    """Aggregates that can't be used: what is wrong, in which file, and at which place in it, a JSON path or a line."""

    def __init__(self, what: str, file: str = "", at: str = "") -> None:
        """Say ``what`` is wrong in which ``file``, and ``at`` which place."""
        self.what, self.file, self.at = what, file, at
        super().__init__(": ".join(part for part in (file, at, what) if part))


class SignatureError(AggregatesError):
    """Aggregates of which nobody knows whose they are: tampered with, foreign or unsigned."""

    def __init__(self, state: str, what: str, file: str = "") -> None:
        """Name the ``state``: tampered, foreign or unsigned."""
        self.state = state
        super().__init__(what, file)


class PlanError(FileError):
    """A file that says what a federation measures and can't be used as it stands."""


class FederationError(ManikinError):
    """A sum over sites that could not be had, or a request that a site refuses; no site's table was seen."""


class MissingExtraError(ManikinError):
    """A capability whose library was not installed."""

    def __init__(self, capability: str, extra: str) -> None:
        """Name the ``capability`` and the ``extra`` that brings it."""
        self.extra = extra
        super().__init__(f"{capability} needs an extra that is not installed. Run: pip install 'manikin[{extra}]'")


def closest(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a misspelt ``word``: the nearest known one, and all of them when they are few."""
    known = list(known)
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    if len(known) <= 12:
        return f"{hint}Possible: {', '.join(known)}." if known else hint.strip()
    return hint.strip() or f"There are {len(known)} possible: {', '.join(known[:6])}, …"
