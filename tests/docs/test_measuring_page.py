"""The page for data offices can be followed from top to bottom, and leaves out no setting."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from manikin.aggregates import load
from manikin.cli import main
from manikin.study import read_study

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")
_FILE = re.compile(r"```yaml\n# (\w+\.yaml)\n(.*?)```", re.DOTALL)
_PRACTICE = re.compile(r"^manikin (.*practice.*)$", re.MULTILINE)


@pytest.mark.slow
def test_the_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = dict(_FILE.findall(PAGE))
    assert set(files) == {"map.yaml", "study.yaml"}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    commands = [shlex.split(line) for line in _PRACTICE.findall(PAGE)]
    assert [words[0] for words in commands] == ["make", "measure", "measure"]
    for words in commands:
        assert main(words) == 0
    found = load(tmp_path / "aggregates.json")
    assert abs(found.patients.number - 3_000) < 6 * found.patients.noise
    missing = next(one for one in found.aggregates if one.attributes == ("diabetes_diagnosed",)).values[-1]
    assert abs(missing) < 6 * found.aggregates[0].noise


def test_the_events_that_the_page_asks_about_are_understood(tmp_path: Path) -> None:
    study = dict(_FILE.findall(PAGE))["study.yaml"]
    block = re.search(r"# measure:\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    path = tmp_path / "study.yaml"
    path.write_text(study + textwrap.indent(block[1], "  "), encoding="utf-8")
    found, _ = read_study(path)
    assert found.measure is not None
    assert found.measure.events is not None
    assert all(found.measure.events.written().values())
    assert len(found.measure.events.written()) == 9


def test_every_setting_of_a_plan_is_on_the_page() -> None:
    source = (ROOT / "src/manikin/study/measuring.py").read_text(encoding="utf-8")
    asked = set(re.findall(r'"([a-z]+)"', source)) - {"measure"}
    assert {"pairs", "dwells", "missingness", "weights"} <= asked
    assert not {word for word in asked if f"{word}:" not in PAGE and f"`{word}`" not in PAGE and word not in ("last",)}


def test_every_option_of_the_command_is_on_the_page() -> None:
    source = (ROOT / "src/manikin/cli/__init__.py").read_text(encoding="utf-8")
    body = source[source.index("def _add_measure") : source.index("def _version")]
    assert not {option for option in re.findall(r'"(--[a-z-]+)"', body) if option not in PAGE}
