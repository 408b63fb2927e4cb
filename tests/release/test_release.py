"""A release explains itself, is never changed, and can be checked and made again by anyone."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manikin.appraisal import Appraisal
from manikin.clinic import ClinicalModel, parse_model
from manikin.errors import GateError, ManikinError, ReleaseError, RequestError
from manikin.release import LOCK, MANIFEST, Lock, differences, read_manifest, refuse_occupied, seal, workshop
from manikin.study import Made, Study, changed, remake, run, verify
from toy import TOY, bytes_of

Maker = Callable[..., Made]


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_release_as_it_was_made_has_no_differences(release: Path) -> None:
    assert verify(release) == []


def test_the_manifest_names_every_file_but_itself(release: Path) -> None:
    assert read_manifest(release).keys() == bytes_of(release).keys() - {MANIFEST}


def test_a_single_bit_that_flipped_in_any_file_is_found_and_named(release: Path) -> None:
    chance = np.random.default_rng(1)
    for name, content in bytes_of(release).items():
        for place in {0, len(content) - 1, int(chance.integers(len(content)))}:
            flipped = bytearray(content)
            flipped[place] ^= 1 << int(chance.integers(8))
            (release / name).write_bytes(flipped)
            if name == MANIFEST:
                assert _found_wanting(release), place
            else:
                assert verify(release) == [f"{name}: was changed"]
        (release / name).write_bytes(content)
    assert verify(release) == []


def test_a_single_bit_that_flipped_anywhere_in_the_manifest_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a.txt", "data/b.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    seal(tmp_path)
    content = (tmp_path / MANIFEST).read_bytes()
    for bit in range(8 * (len(content) - 1)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / MANIFEST).write_bytes(flipped)
        assert _found_wanting(tmp_path), bytes(flipped[max(bit // 8 - 20, 0) : bit // 8 + 20])


def _found_wanting(folder: Path) -> bool:
    try:
        return bool(differences(folder))
    except ReleaseError:
        return True


def test_missing_added_and_replaced_files_are_named(release: Path, tmp_path: Path) -> None:
    (release / "README.md").unlink()
    (release / "data" / "extra.csv").write_text("id\n", encoding="utf-8")
    (release / "docs" / "sources.md").unlink()
    (release / "docs" / "sources.md").mkdir()
    outside = tmp_path / "outside.html"
    shutil.move(release / "report.html", outside)
    (release / "report.html").symlink_to(outside)
    shutil.move(release / "truth", tmp_path / "truth")
    (release / "truth").symlink_to(tmp_path / "truth")
    os.mkfifo(release / "pipe")
    found = verify(release)
    assert [line for line in found if "truth/" not in line] == [
        "README.md: is missing",
        "docs/sources.md: is missing",
        "report.html: is a link, not a file",
        "data/extra.csv: was added",
        "pipe: was added",
        "truth: was added",
    ]
    assert {line.partition(": ")[2] for line in found if "truth/" in line} == {"is a link, not a file"}


def test_a_manifest_that_is_a_link_is_named(release: Path, tmp_path: Path) -> None:
    shutil.move(release / MANIFEST, tmp_path / MANIFEST)
    (release / MANIFEST).symlink_to(tmp_path / MANIFEST)
    assert verify(release) == [f"{MANIFEST}: was added"]


def test_a_link_to_a_release_is_the_release(release: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(release)
    assert verify(tmp_path / "link") == []


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "data/../../secret.txt", "a\0b", "", "."])
def test_a_manifest_that_points_elsewhere_is_not_followed(release: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    stored = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    stored["files"][name] = {"sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", "bytes": 6}
    (release / MANIFEST).write_text(json.dumps(stored), encoding="utf-8")
    (found,) = verify(release)
    assert found.endswith(("lies outside the release", "is missing"))


def test_a_file_whose_name_is_no_text_is_named_in_one_readable_line(release: Path) -> None:
    for name in (b"\xff", b"x\nREADME.md: as it was", b"\x1b[2J"):
        (Path(os.fsdecode(os.fsencode(release) + b"/" + name))).write_bytes(b"")
    found = verify(release)
    assert len(found) == 3
    assert all(line.isprintable() for line in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"schema": 1, "files": {}}',
        '{"schema": "manikin/manifest/1"}',
        "[" * 100_000,
        '{"schema": "manikin/manifest/1", "files": {"a": 1}}',
        '{"schema": "manikin/manifest/1", "files": {"a": {"sha256": "b"}}}',
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError):
        verify(tmp_path)


def test_what_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"is no release: it does not exist"):
        verify(tmp_path / "nowhere")
    with pytest.raises(ReleaseError, match="is no release"):
        remake(tmp_path, tmp_path / "again")


# --- remake -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_shards")
def test_a_release_made_again_is_the_same_to_the_byte(release: Path, tmp_path: Path) -> None:
    assert remake(release, tmp_path / "again", jobs=1) == ([], [])
    assert bytes_of(tmp_path / "again") == bytes_of(release)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    "options", [{"given": "ill=yes"}, {"oversample": "ill=yes:5"}, {"world": 2}, {"formats": ("csv",)}]
)
def test_every_kind_of_release_can_be_made_again(make_release: Maker, tmp_path: Path, options: dict[str, Any]) -> None:
    make_release(tmp_path / "one", patients=400, **options)
    assert remake(tmp_path / "one", tmp_path / "again", jobs=1) == ([], [])


def test_another_seed_is_another_release(make_release: Maker, release: Path, tmp_path: Path) -> None:
    make_release(tmp_path / "other", seed=2)
    one, other = bytes_of(release), bytes_of(tmp_path / "other")
    assert {name for name in one if one[name] != other[name]} >= {
        "data/analysis.csv",
        "truth/truth/part-00000.parquet",
        "lock.json",
        MANIFEST,
    }


@pytest.mark.parametrize("name", ["inputs/model.yaml", "inputs/study.yaml"])
@pytest.mark.parametrize(
    "how",
    [
        lambda text: text + "\n# a comment\n",
        lambda text: text.replace("toy", "toi"),
        lambda _: "",
        lambda text: text.replace("\n", "\r\n"),
    ],
)
def test_inputs_that_were_changed_are_refused(
    release: Path, tmp_path: Path, name: str, how: Callable[[str], str]
) -> None:
    text = (release / name).read_text(encoding="utf-8")
    (release / name).write_text(how(text), encoding="utf-8", newline="")
    with pytest.raises(ReleaseError, match=f"can't be made again: {name}: was changed"):
        remake(release, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("damage", [('"seed": "', '"seed": "x'), ('"world": 0', '"world": null'), ("{", "")])
def test_a_damaged_lock_is_refused(release: Path, tmp_path: Path, damage: tuple[str, str]) -> None:
    text = (release / LOCK).read_text(encoding="utf-8")
    assert damage[0] in text
    (release / LOCK).write_text(text.replace(*damage, 1), encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"lock\.json: was changed"):
        remake(release, tmp_path / "again")


def test_inputs_that_are_gone_are_refused(release: Path, tmp_path: Path) -> None:
    (release / "inputs" / "model.yaml").unlink()
    with pytest.raises(ReleaseError, match=r"inputs/model\.yaml: is missing"):
        remake(release, tmp_path / "again")


def test_a_lock_reads_back_as_it_was_written(release: Path) -> None:
    lock = Lock.from_json((release / LOCK).read_text())
    assert Lock.from_json(lock.to_json()) == lock
    assert lock.seed == "1"
    assert lock.to_json() == (release / "lock.json").read_text(encoding="utf-8")


@given(
    st.text(max_size=40)
    | st.sampled_from(["{}", "[]", "null", '{"schema": "manikin/lock/2"}', '{"schema": "manikin/lock/1"}'])
)
def test_what_is_no_lock_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match="lock"):
        Lock.from_json(text)


# --- the workshop -----------------------------------------------------------------------------------------------------


def _lock(seed: int = 1) -> Lock:
    return Lock({}, {}, str(seed), 1, 0, {}, {}, 1, {})


def _interrupted(out: Path, lock: Lock, error: type[BaseException] = KeyboardInterrupt) -> None:
    with pytest.raises(error), workshop(out, lock) as folder:
        (folder / "shard").write_text("made", encoding="utf-8")
        raise error


def test_a_workshop_resumes_the_same_request(tmp_path: Path) -> None:
    _interrupted(tmp_path / "out", _lock())
    assert not (tmp_path / "out").exists()
    with workshop(tmp_path / "out", _lock()) as folder:
        assert (folder / "shard").read_text(encoding="utf-8") == "made"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_workshop_resumes_no_other_request(tmp_path: Path) -> None:
    _interrupted(tmp_path / "out", _lock())
    with workshop(tmp_path / "out", _lock(seed=2)) as folder:
        assert not (folder / "shard").exists()


def test_a_request_that_can_not_be_met_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RequestError), workshop(tmp_path / "out", _lock()):
        raise RequestError("Nobody fits.")
    assert not list(tmp_path.iterdir())


def test_two_runs_never_work_at_the_same_place(tmp_path: Path) -> None:
    with workshop(tmp_path / "out", _lock()) as folder:
        (folder / "shard").write_text("made", encoding="utf-8")
        for lock in (_lock(), _lock(seed=2)):
            with pytest.raises(RequestError, match="Another run is at work"), workshop(tmp_path / "out", lock):
                raise AssertionError("It got in.")
        assert (folder / "shard").exists()
    assert (tmp_path / "out" / "shard").exists()


def test_a_run_whose_workshop_was_renamed_while_it_waited_does_not_work_in_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = fcntl.flock

    def renamed_first(place: int, how: int) -> None:
        (tmp_path / ".out.unfinished").rename(tmp_path / "out")
        inner(place, how)

    monkeypatch.setattr(fcntl, "flock", renamed_first)
    with pytest.raises(RequestError, match="Another run is at work"), workshop(tmp_path / "out", _lock()):
        raise AssertionError("It got in.")


def test_a_workshop_that_is_a_link_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years", encoding="utf-8")
    (tmp_path / ".out.unfinished").symlink_to(tmp_path / "mine")
    with pytest.raises(RequestError, match="can't be written to"), workshop(tmp_path / "out", _lock()):
        raise AssertionError("It got in.")
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link", "release"])
def test_an_occupied_place_is_refused_and_left_as_it_is(
    make_release: Maker, release: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine", encoding="utf-8")
    elif kind == "folder":
        out.mkdir()
        (out / "mine").write_text("mine", encoding="utf-8")
    elif "link" in kind:
        out.symlink_to(tmp_path / "nowhere" if kind == "dangling link" else release)
    else:
        shutil.copytree(release, out)
    before = sorted(tmp_path.rglob("*")), bytes_of(tmp_path)
    with pytest.raises(RequestError, match="is there already"):
        make_release(out, patients=10)
    assert (sorted(tmp_path.rglob("*")), bytes_of(tmp_path)) == before


def test_an_empty_folder_is_taken(make_release: Maker, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    make_release(tmp_path / "out", patients=10)
    assert verify(tmp_path / "out") == []


def test_the_current_folder_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(RequestError, match="Choose a folder in it"):
        refuse_occupied(Path())


def test_a_place_that_can_not_be_written_to_is_refused(make_release: Maker, toy_file: Path) -> None:
    with pytest.raises(RequestError, match="can't be written to"):
        make_release(toy_file / "out", patients=10)


# --- gates ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wrong_model() -> ClinicalModel:
    """A model whose verified target nothing calibrates, so that its cohort misses it."""
    text = TOY.replace(
        "  ill adults:", "  too high: {mean: ferritin, value: 200 (190 to 210), source: book verified}\n  ill adults:"
    )
    return parse_model(text)


def test_a_cohort_that_fails_a_gate_is_set_aside_with_its_evidence(
    wrong_model: ClinicalModel, study: Study, tmp_path: Path
) -> None:
    with pytest.raises(GateError) as error:
        run(study, wrong_model, tmp_path / "out", jobs=1)
    assert error.value.exit_code == 1
    assert len(error.value.failed) == 1
    assert "Verified published values" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.rejected"]
    rejected = tmp_path / "out.rejected"
    assert error.value.folder == str(rejected)
    assert "too high" in (rejected / "report.html").read_text(encoding="utf-8")
    assert not (rejected / MANIFEST).exists()
    with pytest.raises(ReleaseError):
        verify(rejected)


def test_what_was_rejected_gives_way_to_what_is_rejected_next_and_nothing_else_does(
    wrong_model: ClinicalModel, study: Study, tmp_path: Path
) -> None:
    small = changed(study, patients=300)
    for _ in range(2):
        with pytest.raises(GateError):
            run(small, wrong_model, tmp_path / "out", jobs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["out.rejected"]
    shutil.rmtree(tmp_path / "out.rejected")
    (tmp_path / "out.rejected").mkdir()
    (tmp_path / "out.rejected" / "letters.txt").write_text("rejections", encoding="utf-8")
    with pytest.raises(GateError) as error:
        run(small, wrong_model, tmp_path / "out", jobs=1)
    assert error.value.folder.endswith("out.rejected-2")
    assert (tmp_path / "out.rejected" / "letters.txt").exists()


# --- documents --------------------------------------------------------------------------------------------------------


def test_the_dictionary_has_an_entry_for_every_column_of_every_table_and_no_other(made: Made) -> None:
    assert made.folder is not None
    entries = json.loads((made.folder / "docs" / "dictionary.json").read_text(encoding="utf-8"))
    assert isinstance(entries, list)
    found = [(entry["table"], entry["name"]) for entry in entries]
    expected = {(name, column) for name in made.cohort.parts for column in made.table(name).column_names}
    assert set(found) == expected
    assert len(found) == len(expected)
    for entry in entries:
        assert entry.keys() >= {"name", "table", "kind", "unit", "codes", "limits", "source", "title", "values"}
        assert entry["source"]
        assert entry["title"]
    sbp = next(entry for entry in entries if (entry["table"], entry["name"]) == ("analysis", "sbp"))
    assert (sbp["kind"], sbp["unit"], sbp["codes"]) == ("quantity", "mm[Hg]", {"loinc": "8480-6"})
    assert sbp["limits"] == {"possible": [30, 300], "usual": [70, 220]}
    assert "Book of the toy" in sbp["source"]


def test_the_dictionary_has_the_weights_of_a_weighted_cohort(make_release: Maker, tmp_path: Path) -> None:
    made = make_release(tmp_path / "out", patients=300, oversample="ill=yes:5")
    entries = json.loads((tmp_path / "out" / "docs" / "dictionary.json").read_text(encoding="utf-8"))
    names = {entry["name"] for entry in entries if entry["table"] == "analysis"}
    assert "sampling_weight" in names
    assert names == set(made.table("analysis").column_names)


def test_documents_say_what_it_is_for_what_it_is_not_for_and_where_every_number_is_from(
    made: Made, model: ClinicalModel
) -> None:
    assert made.folder is not None
    texts = {path.name: path.read_text(encoding="utf-8") for path in made.folder.rglob("*.md")}
    assert texts.keys() == {
        "README.md",
        "model-card.md",
        "datasheet.md",
        "sources.md",
        "dictionary.md",
        "risk-assessment.md",
    }
    for name in ("README.md", "datasheet.md"):
        assert "est the house" in texts[name]
    for name in ("README.md", "model-card.md"):
        assert "telling anything about the world" in texts[name].lower()
    for source in model.sources.values():
        assert source.cite in texts["sources.md"]
    for name in model.variables:
        if name != "tested":
            assert name in texts["dictionary.md"]
    assert "StrictUndefined" not in "".join(texts.values())
    assert "{{" not in "".join(texts.values())


def test_a_hostile_title_can_not_break_the_documents(study: Study, tmp_path: Path) -> None:
    text = TOY.replace("title: A toy", "title: 'A | <script>alert(1)</script>'").replace(
        "  glucose: {", "  glucose: {title: 'a | b <img src=x>', "
    )
    run(changed(study, patients=100), parse_model(text), tmp_path / "out", jobs=1)
    for name in ("report.html", "docs/dictionary.md"):
        found = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "<script>alert" not in found
        assert "<img src=x>" not in found


def test_the_appraisal_beside_a_release_reads_back(made: Made) -> None:
    assert made.folder is not None
    text = (made.folder / "appraisal.json").read_text(encoding="utf-8")
    assert Appraisal.from_json(text).to_json() == text


def test_every_refusal_here_is_one_of_ours() -> None:
    assert all(issubclass(one, ManikinError) for one in (ReleaseError, RequestError, GateError))
