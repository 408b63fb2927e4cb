"""The page on learning from aggregates can be followed from top to bottom, and what it promises comes about."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from manikin.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
_FILE = re.compile(r"```yaml\n# (\w+\.yaml)\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"^manikin (.*)$", re.MULTILINE)


@pytest.mark.slow
def test_the_page_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in _FILE.findall(PAGE):
        (tmp_path / name).write_text(content, encoding="utf-8")
    commands = [shlex.split(line) for line in _COMMAND.findall(PAGE)]
    assert [words[0] for words in commands] == ["make", "measure", "make"]
    for words in commands:
        capsys.readouterr()
        assert main(words) == 0
    # Noise is not the same twice: what was told of so many is, by and large.
    assert re.search(
        r"Moved most +Age is higher at the site: 5\d% have 60 years or more; the model says 29%",
        capsys.readouterr().out,
    )
    assert "What did the aggregates change?" in (tmp_path / "ours/report.html").read_text()
