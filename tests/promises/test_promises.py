"""What Manikin promises across all its parts, told once and kept by each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import manikin
from manikin import errors
from manikin.errors import ManikinError
from manikin.study import Made, remake
from toy import TOY, bytes_of

Maker = Callable[..., Made]


def test_equal_requests_give_equal_bytes_and_other_seeds_other_people(make_release: Maker, tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        make_release(tmp_path / name, patients=400, seed=seed)
    one, same, other = (bytes_of(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one["data/analysis.csv"] != other["data/analysis.csv"]


def test_a_cohort_in_memory_is_the_cohort_of_the_release(toy_file: Path, tmp_path: Path) -> None:
    here = manikin.make(str(toy_file), patients=500, seed=3)
    there = manikin.make(str(toy_file), patients=500, seed=3, out=tmp_path / "out", jobs=1)
    for name in ("patients", "encounters", "events", "analysis", "truth"):
        assert here.table(name).to_pylist() == there.table(name).to_pylist()


@pytest.mark.usefixtures("small_shards")
def test_a_release_holds_all_that_is_needed_to_make_it_again(make_release: Maker, tmp_path: Path) -> None:
    made = make_release(tmp_path / "one", patients=400, given="age=40..60", oversample="ill=yes:3", world=1, seed=9)
    moved = tmp_path / "elsewhere"
    (tmp_path / "one").rename(moved)
    assert remake(moved, tmp_path / "again", jobs=1) == ([], [])
    assert made.study.seed == 9


def test_nothing_tells_where_or_when_a_release_was_made(made: Made) -> None:
    assert made.folder is not None
    place = str(made.folder.parent).encode()
    assert not [name for name, content in bytes_of(made.folder).items() if place in content]


def test_the_same_however_python_hashes(tmp_path: Path, toy_file: Path) -> None:
    found = []
    for seed in ("0", "42"):
        out = tmp_path / seed
        command = [
            sys.executable,
            "-m",
            "manikin",
            "make",
            str(toy_file),
            "--patients",
            "300",
            "--out",
            str(out),
            "--jobs",
            "1",
        ]
        subprocess.run(command, check=True, capture_output=True, env={"PYTHONHASHSEED": seed, "PATH": ""})
        found.append(bytes_of(out))
    assert found[0] == found[1]


def test_importing_does_nothing() -> None:
    code = "import sys; before = set(sys.modules); import manikin; print(sorted(set(sys.modules) - before))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "numpy" not in said.stdout
    assert said.stderr == ""


def test_every_error_is_ours_and_answers_1_or_2() -> None:
    ours = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert len(ours) > 8
    assert all(issubclass(one, ManikinError) and one.exit_code in (1, 2) for one in ours)


def test_a_scenario_shares_every_draw_that_it_has_in_common(toy_file: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(TOY.replace("normal(100, 12)", "normal(110, 12)"), encoding="utf-8")
    base, other = (manikin.make(str(path), patients=500).table("analysis").to_pydict() for path in (toy_file, scenario))
    assert [name for name in base if base[name] != other[name]] == ["glucose"]
    assert {round(b - a) for a, b in zip(base["glucose"], other["glucose"], strict=True)} == {10}
