"""A release has the same bytes on any number of processes, however often and at whatever moment it was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manikin.cohort import Columns, Layout, Plan, write
from manikin.errors import ManikinError, RequestError
from manikin.generators import KnowledgeSampler
from manikin.streams import Ordinals, Seed
from manikin.study import Made
from toy import SHARD, TOY, bytes_of

# What `manikin make` runs, with shards so small that a run has many.
_DRIVER = f"""
import sys
from functools import partial
from manikin.cohort import Plan
from manikin.study import run
run.__globals__.update(fitting=lambda _sampler: {SHARD})
from manikin.cli import main
sys.exit(main(sys.argv[1:]))
"""


def driven(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _DRIVER, *map(str, arguments)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, start_new_session=True, **(pipes | options))


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, said = process.communicate(timeout=120)
    return process.returncode, said.decode()


@pytest.mark.parametrize("jobs", [2, 7])
def test_any_number_of_processes_gives_the_same_bytes(
    made: Made, make_release: Callable[..., Made], tmp_path: Path, jobs: int
) -> None:
    make_release(tmp_path / "again", jobs=jobs)
    assert made.folder is not None
    assert bytes_of(tmp_path / "again") == bytes_of(made.folder)


def test_no_stray_memory_gets_into_a_release(tmp_path: Path) -> None:
    found = []
    for filling in ("1", "85"):
        out = tmp_path / filling
        # The C library fills what it hands out, and what it takes back, with other bytes.
        environment = {**os.environ, "MALLOC_PERTURB_": filling, "ARROW_DEFAULT_MEMORY_POOL": "system"}
        assert ended(driven(*_command(tmp_path, out), "--patients", "700", env=environment))[0] == 0
        found.append(bytes_of(out))
    assert found[0] == found[1]


def test_another_size_of_shards_holds_the_same_patients(sampler: Callable[..., KnowledgeSampler]) -> None:
    whole = Plan(sampler(), 1_000, ("analysis",), {}).tables_of(0)["analysis"]
    plan = Plan(sampler(), 1_000, ("analysis",), {}, shard_patients=170)
    assert len(plan.shards) == 6
    pieces = [row for shard in plan.shards for row in plan.tables_of(shard)["analysis"].to_pylist()]
    assert pieces == whole.to_pylist()


def _command(tmp_path: Path, out: Path) -> list[str | Path]:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY, encoding="utf-8")
    return ["make", path, "--patients", "6000", "--formats", "parquet,csv", "--jobs", "2", "--out", out]


@pytest.mark.slow
def test_a_run_killed_at_any_moment_leaves_no_release_and_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert ended(driven(*_command(tmp_path, tmp_path / "whole")))[0] == 0
    takes = time.monotonic() - begun
    out, killed, amid_shards, chance = tmp_path / "out", 0, 0, np.random.default_rng(7)
    for number in range(30):
        if killed >= 16:
            break
        process = driven(*_command(tmp_path, out), stderr=subprocess.DEVNULL)
        # By the clock, and, since most shards are made within a blink, by what has been written.
        shards = int(chance.integers(20)) if number % 2 else 99
        _wait(process, tmp_path / ".out.unfinished", shards, takes * chance.uniform(0.3, 1))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        if out.exists():
            # It was quick enough to be done: what stands there is whole, and the next one begins anew.
            assert bytes_of(out) == bytes_of(tmp_path / "whole")
            out.rename(tmp_path / f"done-{number}")
        for left in tmp_path.glob(".out*"):
            assert not (left / "manifest.json").exists() or _sealed_whole(left, tmp_path / "whole")
            amid_shards += 0 < len(list(left.glob("truth/truth/*.parquet"))) < 20
            if number % 4 == 1:
                shutil.rmtree(left)
    assert killed >= 15
    assert amid_shards >= 3
    assert ended(driven(*_command(tmp_path, out)))[0] == 0
    assert bytes_of(out) == bytes_of(tmp_path / "whole")
    assert not list(tmp_path.glob(".out*"))


def _wait(process: subprocess.Popen[bytes], folder: Path, shards: int, seconds: float) -> None:
    """Wait until so many shards were written, or for so long, or for the end."""
    end = time.monotonic() + seconds
    while (
        process.poll() is None and time.monotonic() < end and len(list(folder.glob("truth/truth/*.parquet"))) < shards
    ):
        time.sleep(0.002)


def _sealed_whole(left: Path, whole: Path) -> bool:
    """Return whether a folder was killed between its seal, the last thing written, and its renaming."""
    return bytes_of(left).keys() == bytes_of(whole).keys()


def test_what_a_killed_run_had_written_is_not_written_again(
    sampler: Callable[..., KnowledgeSampler], tmp_path: Path
) -> None:
    plan = Plan(sampler(), 900, ("analysis",), {"analysis": tmp_path}, SHARD)
    plan.write(1)
    (tmp_path / "part-00002.parquet.77-1.tmp").write_bytes(b"half")
    before, heard = plan.file("analysis", 1).stat().st_mtime_ns, list[int]()
    write(plan, 1, lambda done, _total: heard.append(done))
    assert heard == [300, 600, 900]
    assert plan.file("analysis", 1).stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"part-{shard:05d}.parquet" for shard in range(3)]


def _children(of: int) -> list[int]:
    command = ["ps", "-o", "pid=,comm=", "--ppid", str(of)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    # The listing's own process is a child as well, and gone by now.
    return [int(pid) for pid, name in (line.split(None, 1) for line in lines) if name != "ps"]


def test_a_worker_that_is_killed_is_told_of_and_a_rerun_finishes(
    sampler: Callable[..., KnowledgeSampler], tmp_path: Path
) -> None:
    plan = Plan(sampler(), 30_000, ("analysis",), {"analysis": tmp_path}, SHARD)
    before = set(_children(os.getpid()))

    def kill_one(done: int, _total: int) -> None:
        if done == SHARD:
            workers = _until(lambda: [pid for pid in _children(os.getpid()) if pid not in before])
            os.kill(workers[0], signal.SIGKILL)

    with pytest.raises(ManikinError, match=r"was ended\. Run the same command again: it resumes"):
        write(plan, 2, kill_one)
    assert not plan.done(plan.shards[-1])
    write(plan, 2)
    assert all(plan.done(shard) for shard in plan.shards)
    assert not list(tmp_path.glob("*.tmp"))


def test_workers_end_with_their_parent_even_when_it_is_killed_alone(tmp_path: Path) -> None:
    process = driven(*_command(tmp_path, tmp_path / "out"), "--patients", "600000", stderr=subprocess.DEVNULL)
    workers = _until(lambda: _children(process.pid))
    process.kill()
    process.wait()
    _until(lambda: not [pid for pid in workers if _alive(pid)])


def _alive(pid: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def _until(wish: Callable[[], Any], patience_seconds: float = 30) -> Any:
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        if found := wish():
            return found
        time.sleep(0.02)
    raise AssertionError("It did not come about.")


def test_ctrl_c_leaves_nothing_that_looks_like_a_release_and_says_so_quietly(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = driven(*_command(tmp_path, out), "--patients", "600000")
    _until(lambda: list(tmp_path.glob(".out.unfinished/data/analysis/*.parquet")))
    os.killpg(process.pid, signal.SIGINT)
    code, said = ended(process)
    assert code == 130
    assert said.strip().startswith("Interrupted.")
    assert "Traceback" not in said
    assert not out.exists()
    assert not list(tmp_path.rglob("manifest.json"))


def test_workers_import_from_where_their_parent_does_and_not_from_the_current_folder(tmp_path: Path) -> None:
    for name in ("pickle", "random", "numpy", "manikin"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('from the wrong place')", encoding="utf-8")
    code = _DRIVER.replace("import sys\n", "import sys\nsys.path.remove('')\n", 1)
    command = [sys.executable, "-c", code, *map(str, _command(tmp_path, tmp_path / "out"))]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, timeout=120).returncode == 0


@dataclass(frozen=True)
class _Failing:
    """A sampler that can't make its second shard."""

    inner: KnowledgeSampler

    @property
    def layout(self) -> Layout:
        return self.inner.layout

    @property
    def seed(self) -> Seed:
        return self.inner.seed

    def draw(self, ordinals: Ordinals) -> Columns:
        if ordinals[0] >= SHARD:
            raise RequestError("Nobody fits.")
        found: Mapping[str, Any] = self.inner.draw(ordinals)
        return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_goes_wrong_in_a_worker_is_raised_in_its_parent(
    sampler: Callable[..., KnowledgeSampler], tmp_path: Path, jobs: int
) -> None:
    plan = Plan(_Failing(sampler()), 3_000, ("analysis",), {"analysis": tmp_path}, SHARD)
    threads = threading.active_count()
    with pytest.raises(RequestError, match="Nobody fits"):
        write(plan, jobs)
    assert threading.active_count() == threads
