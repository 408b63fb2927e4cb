"""One mistake made in a good study on purpose, and the promise that its author is told of it, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from manikin.cli import main

# Marks, in a passage with a mistake, the character at which the mistake is to be told.
HERE = "¦"


@dataclass(frozen=True)
class Case:
    """One edit of a study; the mistake is told at the mark, and names ``word``."""

    kind: str
    old: str
    new: str
    word: str

    def text(self, study: str) -> str:
        """Return the study with the mistake, marked."""
        assert study.count(self.old) == 1, self.kind
        return study.replace(self.old, self.new)

    def assert_told(self, study: str, folder: Path, capsys: pytest.CaptureFixture[str], command: str = "make") -> None:
        """Write the study with the mistake where the good one stands, and see that it is told and nothing is made."""
        before = sorted(path.name for path in folder.iterdir())
        marked = self.text(study)
        (folder / "study.yaml").write_text(marked.replace(HERE, ""), encoding="utf-8")
        ahead = marked[: marked.index(HERE)]
        line, column = ahead.count("\n") + 1, len(ahead) - ahead.rfind("\n")
        assert main([command, "study.yaml"]) == 2
        told = capsys.readouterr().err
        assert f"study.yaml:{line}:{column}  " in told, told
        assert self.word in told, told
        assert "1 mistake;" in told, told
        assert sorted(path.name for path in folder.iterdir()) == before
