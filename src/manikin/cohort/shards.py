"""Writes a cohort shard by shard, on as many processes as asked, so that a killed run resumes where it was.

A shard is a fixed stretch of patients, whatever the number of processes, and each of its files is written under
another name and renamed when it is whole. Workers are processes of their own, fed over a pipe: nothing is inherited,
so that a script without a main guard, a notebook and the terminal behave alike, and a worker ends with its parent.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manikin.cohort.layout import TIMELINE, Sampler
from manikin.cohort.tables import assemble
from manikin.errors import ManikinError

SHARD_PATIENTS = 50_000
# A shard's events stand in memory together: of patients to whom much happens there are fewer.
_MOST_EVENTS = 5_000_000
_PILOT_PATIENTS = 500
_LARGEST_DICTIONARY = 1 << 28

Progress = Callable[[int, int], None]


def shard_patients(sampler: Sampler) -> int:
    """Return how many patients of a sampler a shard should hold, so that memory stays within bounds."""
    if sampler.layout.vocabulary is None:
        return SHARD_PATIENTS
    events = sampler.draw(np.arange(_PILOT_PATIENTS))[TIMELINE].events
    each = max(len(events.patient) / _PILOT_PATIENTS, 1.0)
    return next((size for size in (50_000, 20_000, 10_000, 5_000, 2_000) if size * each <= _MOST_EVENTS), 1_000)


@dataclass(frozen=True)
class Plan:
    """What to write: how many patients into which tables, where each table's folder stands, and how large a shard is."""

    sampler: Sampler
    patients: int
    tables: tuple[str, ...]
    folders: dict[str, Path]
    shard_patients: int = SHARD_PATIENTS

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(-(-self.patients // self.shard_patients))

    def ordinals(self, shard: int) -> range:
        """Return the patients of a shard."""
        return range(shard * self.shard_patients, min((shard + 1) * self.shard_patients, self.patients))

    def file(self, table: str, shard: int) -> Path:
        """Return where a table's part of a shard stands."""
        return self.folders[table] / f"part-{shard:05d}.parquet"

    def done(self, shard: int) -> bool:
        """Return whether a shard is written already."""
        return all(self.file(table, shard).exists() for table in self.tables)

    def tables_of(self, shard: int) -> dict[str, pa.Table]:
        """Return the tables of a shard, in memory."""
        ordinals = np.array(self.ordinals(shard), np.int64)
        return assemble(self.tables, self.sampler.draw(ordinals), self.sampler.layout, self.sampler.seed, ordinals)

    def write(self, shard: int) -> None:
        """Write a shard."""
        for name, table in self.tables_of(shard).items():
            write_whole(table, self.file(name, shard))


def write(plan: Plan, jobs: int, progress: Progress = lambda _done, _total: None) -> None:
    """Write all shards that are not there yet; ``progress`` hears of patients done and in all."""
    for folder in plan.folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):
            leftover.unlink()
    missing = [shard for shard in plan.shards if not plan.done(shard)]
    done = sum(len(plan.ordinals(shard)) for shard in plan.shards if shard not in set(missing))
    progress(done, plan.patients)
    for shard in _finished(plan, missing, min(jobs, len(missing))):
        done += len(plan.ordinals(shard))
        progress(done, plan.patients)


def _finished(plan: Plan, missing: list[int], jobs: int) -> Iterator[int]:
    if jobs <= 1:
        for shard in missing:
            plan.write(shard)
            yield shard
        return
    waiting: SimpleQueue[int] = SimpleQueue()
    for shard in missing:
        waiting.put(shard)
    ready: SimpleQueue[int | BaseException] = SimpleQueue()
    with ThreadPoolExecutor(jobs) as threads, _ending(waiting) as running:
        # This process takes part, so that one core is at work while the others' processes start.
        threads.submit(_take_part, plan, waiting, ready)
        for _ in range(jobs - 1):
            threads.submit(_employ, plan, waiting, ready, running)
        for _ in missing:
            outcome = ready.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome


@contextmanager
def _ending(waiting: SimpleQueue[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Hold the workers, and end those that still run when the body is left, by an error or by Ctrl-C."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield running
    finally:
        while not waiting.empty():
            waiting.get()
        for worker in running:
            worker.kill()


def _take_part(plan: Plan, waiting: SimpleQueue[int], ready: SimpleQueue[int | BaseException]) -> None:
    """Write shards in this process until none waits."""
    try:
        while True:
            shard = waiting.get_nowait()
            plan.write(shard)
            ready.put(shard)
    except Empty:
        return
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
        ready.put(error)


def _employ(
    plan: Plan,
    waiting: SimpleQueue[int],
    ready: SimpleQueue[int | BaseException],
    running: list[subprocess.Popen[bytes]],
) -> None:
    """Feed one worker with shards until none waits."""
    try:
        with subprocess.Popen(_worker(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
            running.append(worker)
            assert worker.stdin is not None
            assert worker.stdout is not None
            pickle.dump(plan, worker.stdin)
            while True:
                shard = waiting.get_nowait()
                worker.stdin.write(f"{shard}\n".encode())
                worker.stdin.flush()
                error = pickle.load(worker.stdout)
                ready.put(error or shard)
    except Empty:
        return
    except (BrokenPipeError, EOFError, pickle.UnpicklingError):
        ready.put(ManikinError("A process that makes shards was ended. Run the same command again: it resumes."))
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
        ready.put(error)


def _worker() -> list[str]:
    # Imports from where this process does, and not from whatever lies in the current folder. Ctrl-C reaches the whole
    # group and is the parent's to answer: not even the imports may be interrupted by it.
    return [
        sys.executable,
        "-c",
        f"import sys; sys.path[:] = {sys.path}; import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "from manikin.cohort.shards import work; work()",
    ]


def work() -> None:
    """Write the shards whose numbers arrive on standard input; what a worker process runs."""
    plan: Plan = pickle.load(sys.stdin.buffer)
    # Whatever a library prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    waiting: SimpleQueue[int] = SimpleQueue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()
    while True:
        try:
            plan.write(waiting.get())
            answer: BaseException | None = None
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


def _listen(waiting: SimpleQueue[int]) -> None:
    """Hear of shards, and end this process the moment its parent is done or gone, even in the midst of a shard."""
    for line in sys.stdin.buffer:
        waiting.put(int(line))
    os._exit(0)


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a table under another name, and rename it when it is whole."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    plain = [column for column in table.column_names if pa.types.is_string(table.schema.field(column).type)]
    delta = [column for column in table.column_names if pa.types.is_temporal(table.schema.field(column).type)]
    dictionary = [column for column in table.column_names if column not in {*plain, *delta}]
    # Through a file of ours: Arrow takes some names for addresses, and can't write others.
    with unfinished.open("wb") as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary,
            # Identifiers stand in a dictionary of the whole shard, which must not be given up for being large.
            dictionary_pagesize_limit=_LARGEST_DICTIONARY,
            row_group_size=max(table.num_rows, 1),
            column_encoding=dict.fromkeys(delta, "DELTA_BINARY_PACKED"),
            write_statistics=True,
        )
    os.replace(unfinished, path)
