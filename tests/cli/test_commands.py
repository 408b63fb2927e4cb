"""What a person types is done or answered with a sentence; exit codes are 0 done, 1 a check failed, 2 a wrong request."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.cli import main
from manikin.study import Made
from toy import TOY, bytes_of

Captured = pytest.CaptureFixture[str]


def run(*arguments: str | Path) -> int:
    try:
        return main([str(one) for one in arguments])
    except SystemExit as error:
        assert isinstance(error.code, int)
        return error.code


def manikin(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "manikin", *map(str, arguments)]
    settled = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run(command, check=False, **settled)  # type: ignore[call-overload, no-any-return]


# --- what works -------------------------------------------------------------------------------------------------------


def test_models_lists_the_library(capsys: Captured) -> None:
    assert run("models") == 0
    assert re.search(r"^diabetes-screening +\w", capsys.readouterr().out, re.MULTILINE)


def test_show_says_what_a_model_says(toy_file: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("show", toy_file, "--picture", tmp_path / "graph.svg") == 0
    said = capsys.readouterr().out
    for part in (
        "A toy",
        "Not for   telling anything about the world",
        "sbp",
        "Book of the toy",
        "assumption",
        "Graph",
    ):
        assert part in said
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_study_is_written_checked_made_verified_and_made_again(
    toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("new", "my-study", "--model", toy_file) == 0
    assert run("check", "my-study.yaml") == 0
    assert "No mistakes" in capsys.readouterr().out
    assert run("make", "my-study.yaml", "--patients", "300", "--seed", "5", "--jobs", "1") == 0
    said = capsys.readouterr().out
    assert "300 patients · seed 5" in said
    assert "releases/my-study" in said
    assert "passed" in said
    assert run("verify", "releases/my-study") == 0
    assert run("remake", "releases/my-study", "--out", "again", "--jobs", "1") == 0
    assert "the same, to the byte" in capsys.readouterr().out
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "releases" / "my-study")


def test_check_reads_a_model_as_well(toy_file: Path, capsys: Captured) -> None:
    assert run("check", toy_file) == 0
    assert "No mistakes" in capsys.readouterr().out


def test_options_on_the_command_line_reach_the_release(toy_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = (
        "--given",
        "sex=female",
        "--oversample",
        "ill=yes:3",
        "--formats",
        "csv",
        "--world",
        "2",
        "--patients",
        "1_00",
    )
    assert run("make", toy_file, "--out", out, "--jobs", "1", *options) == 0
    study = (out / "inputs" / "study.yaml").read_text(encoding="utf-8")
    for line in ("patients: 100", "given: sex=female", "oversample: ill=yes:3", "world: 2"):
        assert line in study
    lines = (out / "data" / "analysis.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 101
    assert all(',"female",' in line for line in lines[1:])


def test_records_are_compared_on_request(toy_file: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "mapping.yaml").write_text(
        "reference: some\ncolumns: {age: {column: AGE}, sbp: {column: SYS}}\n", encoding="utf-8"
    )
    rows = "\n".join(f"{20 + place % 60},{100 + place % 50}" for place in range(200))
    (tmp_path / "records.csv").write_text(f"AGE,SYS\n{rows}\n", encoding="utf-8")
    options = ("--reference", tmp_path / "records.csv", "--mapping", tmp_path / "mapping.yaml")
    assert run("make", toy_file, "--patients", "200", "--jobs", "1", "--out", tmp_path / "out", *options) == 0
    assert "real records" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "AGE" not in capsys.readouterr().out


def test_verify_names_what_differs_and_answers_1(release: Path, capsys: Captured) -> None:
    (release / "README.md").write_text("Trust me.", encoding="utf-8")
    assert run("verify", release) == 1
    assert "README.md: was changed" in capsys.readouterr().out


def test_a_failed_gate_answers_1_and_says_where_the_evidence_is(tmp_path: Path, capsys: Captured) -> None:
    text = TOY.replace(
        "  ill adults:", "  too high: {mean: ferritin, value: 200 (190 to 210), source: book verified}\n  ill adults:"
    )
    (tmp_path / "toy.yaml").write_text(text, encoding="utf-8")
    assert run("make", tmp_path / "toy.yaml", "--patients", "500", "--jobs", "1", "--out", tmp_path / "out") == 1
    assert f"{tmp_path / 'out.rejected'}/report.html" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weird_places_are_as_good_as_any(toy_file: Path, tmp_path: Path) -> None:
    for name in (
        "two words",
        "naïve 日本",
        "-dash",
        "a%20b",
        "s3:",
        "x" * 200,
        "quote'\"",
        os.fsdecode(b"no\xfftext"),
        "new\nline",
    ):
        out = tmp_path / name
        assert (
            run("make", toy_file, "--patients", "20", "--formats", "parquet,csv", "--jobs", "1", "--out", out) == 0
        ), name
        assert run("verify", out) == 0


# --- what does not ----------------------------------------------------------------------------------------------------


WRONG: list[tuple[list[str], str]] = [
    ([], "required: COMMAND"),
    (["frobnicate"], r"There is no command 'frobnicate'. There are \d+ possible: models"),
    (["mak", "x"], r"Did you mean 'make'\?"),
    (["make"], "required: what"),
    (["make", "diabetes-screaning"], r"Did you mean 'diabetes-screening'\?"),
    (["make", "nowhere.yaml"], "can't be read: No such file"),
    (["make", "/"], "can't be read"),
    (["make", "TOY", "--patients", "0"], "lies from 1 to 2,000,000,000; got 0"),
    (["make", "TOY", "--patients", "-5"], "patients"),
    (["make", "TOY", "--patients", "abc"], "'abc' is no whole number"),
    (["make", "TOY", "--patients", "1e5"], "'1e5' is no whole number"),
    (["make", "TOY", "--patients", "1__0"], "'1__0' is no whole number"),
    (["make", "TOY", "--patients", "٣"], "no whole number"),
    (["make", "TOY", "--patients", "9" * 5000], "no whole number"),
    (["make", "TOY", "--patients", "3000000000"], "lies from 1 to"),
    (["make", "TOY", "--seed", "9223372036854775808"], "lies from 0 to 9,223,372,036,854,775,807"),
    (["make", "TOY", "--world", "1000001"], "lies from 0 to 1,000,000"),
    (["make", "TOY", "--jobs", "0"], "from 1 to 1024"),
    (["make", "TOY", "--formats", "parquett"], r"Did you mean 'parquet'\?"),
    (["make", "TOY", "--formats", ","], "at least one format"),
    (["make", "TOY", "--tables", "analysys"], r"Did you mean 'analysis'\?"),
    (["make", "TOY", "--given", "sx=female"], r"Did you mean 'sex'\?"),
    (["make", "TOY", "--given", "sex=female,sex=male"], "Ask for less"),
    (["make", "TOY", "--oversample", "ill=yes"], "how many times more"),
    (["make", "TOY", "--reference", "x.csv"], "belong together"),
    (["make", "TOY", "--reference", "x.csv", "--mapping", "y.yaml"], "x.csv is not there"),
    (["make", "TOY", "--out", "TOY"], "is there already"),
    (["make", "TOY", "--out", "TOY/out"], "can't be written to"),
    (["make", "TOY", "--out", "/proc/out"], "can't be written to"),
    (["make", "TOY", "--out", "y" * 300], "too long"),
    (["make", "TOY", "--nonsense"], "unrecognized"),
    (["verify", "nowhere"], "is no release"),
    (["verify", "TOY"], "manifest"),
    (["remake", "nowhere", "--out", "x"], "is no release"),
    (["remake", "nowhere"], "required: --out"),
    (["check", "nowhere.yaml"], "can't be read"),
    (["check", "/dev/null"], "1:1"),
    (["show", "nonsense"], "There is no clinical model"),
    (["show", "TOY", "--picture", "TOY"], "is there already"),
    (["show", "TOY", "--picture", "no/such/folder.svg"], "can't be written"),
    (["new", "x"], "required: --model"),
    (["new", "x", "--model", "nonsense"], "There is no clinical model"),
    (["new", "no/such/study", "--model", "TOY"], "can't be written"),
]


@pytest.mark.parametrize(
    ("arguments", "why"), WRONG, ids=[" ".join(arguments)[:60] or "nothing" for arguments, _ in WRONG]
)
def test_a_wrong_request_answers_2_with_what_to_do_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY, encoding="utf-8")
    small = ["--patients", "30"] if arguments[:2] == ["make", "TOY"] and "--patients" not in arguments else []
    assert run(*(one.replace("TOY", "toy.yaml") for one in arguments), *small) == 2
    said = capsys.readouterr().err
    assert re.search(why, said), said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.rglob("*") if path.name != "releases"] == ["toy.yaml"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
        | st.sampled_from(["make", "check", "verify", "show", "--out", "--given", "--patients", "toy.yaml"]),
        max_size=5,
    )
)
def test_no_arguments_end_in_a_traceback(tmp_path: Path, arguments: list[str]) -> None:
    if {"new", "remake"} & set(arguments) or any(one.startswith(("--pi", "--p")) for one in arguments):
        return
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert run(*arguments) in (0, 1, 2)
    finally:
        os.chdir(here)


# --- manners ----------------------------------------------------------------------------------------------------------


def test_help_comes_at_once_because_nothing_heavy_is_imported() -> None:
    heavy = ["numpy", "scipy", "pyarrow", "sklearn", "matplotlib", "pandas", "jinja2", "yaml", "pint"]
    code = """
import sys, manikin, manikin.cli
try:
    manikin.cli.main(['make', '--help'])
except SystemExit:
    print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--patients" in found.stdout
    assert not [name for name in heavy if f"'{name}'" in found.stderr]


@pytest.mark.parametrize("command", ["", "models", "show", "new", "check", "make", "verify", "remake"])
def test_every_command_has_help(command: str, capsys: Captured) -> None:
    assert run(*filter(None, [command]), "--help") == 0
    assert "usage: manikin" in capsys.readouterr().out


def test_the_version_is_told(capsys: Captured) -> None:
    assert run("--version") == 0
    assert re.fullmatch(r"manikin \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_it_is_quiet_where_nobody_watches(toy_file: Path, tmp_path: Path) -> None:
    found = manikin("make", toy_file, "--patients", "2000", "--out", tmp_path / "out")
    assert (found.returncode, found.stderr) == (0, "")
    assert "\r" not in found.stdout
    assert "\x1b" not in found.stdout


def test_a_terminal_is_left_clean(toy_file: Path, tmp_path: Path) -> None:
    parent, child = pty.openpty()
    found = manikin(
        "make",
        toy_file,
        "--patients",
        "500",
        "--out",
        tmp_path / "out",
        capture_output=False,
        stdout=subprocess.PIPE,
        stderr=child,
    )
    os.close(child)
    assert found.returncode == 0
    try:
        written = os.read(parent, 100_000).decode()
    except OSError:
        written = ""
    os.close(parent)
    assert written.rpartition("\r")[2].strip() == ""


def test_a_reader_that_has_seen_enough_is_no_error(toy_file: Path) -> None:
    found = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m manikin show '{toy_file}' | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == "A toy\n"
    assert found.stderr == ""


def test_a_terminal_without_our_letters_is_no_error(toy_file: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    found = manikin("make", toy_file, "--patients", "20", "--out", tmp_path / "süd", env=environment)
    assert found.returncode == 0
    assert "toy 1.0.0" in found.stdout


def test_a_full_disk_is_told_in_a_sentence(
    toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    assert run("make", toy_file, "--patients", "20", "--jobs", "1", "--out", tmp_path / "out") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run("make", toy_file, "--patients", "20", "--jobs", "1", "--out", tmp_path / "out") == 0


def test_the_call_from_python_makes_the_same_release(made: Made, toy_file: Path, tmp_path: Path) -> None:
    import manikin as package

    assert run("make", toy_file, "--patients", "300", "--seed", "3", "--jobs", "1", "--out", tmp_path / "one") == 0
    package.make(str(toy_file), patients=300, seed=3, out=tmp_path / "other", jobs=1)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")
    in_memory = package.make(str(toy_file), patients=300, seed=3)
    assert in_memory.table("analysis").num_rows == 300
    assert made.table("analysis").num_rows == 1_000
