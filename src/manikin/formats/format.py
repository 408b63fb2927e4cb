"""The door for formats."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from manikin.cohort import Cohort


class Format(Protocol):
    """A way to write a cohort."""

    @property
    def title(self) -> str:
        """What readers of a release are told about it."""
        ...

    def write(self, cohort: Cohort, data: Path, truth: Path) -> None:
        """Write the cohort's tables under ``data``, and its truth under ``truth``."""
        ...
