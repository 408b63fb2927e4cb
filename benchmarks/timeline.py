"""Patients over years into all tables as Parquet, beside what pyarrow needs to write the same rows of events.

    python -m benchmarks.timeline [--patients 1000000] [--model diabetes-screening] [--jobs 2]

The first side runs in a process of its own; wall time includes everything from the start of that process to its end.
Prints events a second over all jobs, the other side's per core, and the peak memory of the largest process at the full
and at half the size.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.throughput import timed, told
from manikin.cohort.shards import write_whole

MANIKIN = """
import sys
from pathlib import Path
from manikin.clinic import calibrate, find_model
from manikin.cohort import Plan, shard_patients, write
from manikin.generators import KnowledgeSampler
from manikin.streams import Seed
if __name__ == "__main__":
    what, patients, jobs, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    program = calibrate(find_model(what)).program
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, Seed(1))
    tables = sampler.layout.tables
    folders = {name: folder / name for name in tables}
    write(Plan(sampler, patients, tables, folders, shard_patients(sampler)), jobs)
"""


def measure(model: str, patients: int, jobs: int) -> dict[str, float]:
    """Return events, wall times, rates and the peak memory."""
    with tempfile.TemporaryDirectory() as place:
        half, whole = Path(place) / "half", Path(place) / "whole"
        _, memory_half = timed(MANIKIN, model, str(patients // 2), str(jobs), str(half))
        wall, memory = timed(MANIKIN, model, str(patients), str(jobs), str(whole))
        parts = sorted((whole / "events").glob("*.parquet"))
        events = sum(pq.ParquetFile(part).metadata.num_rows for part in parts)
        rows, seconds = _rewritten(parts[:4], Path(place) / "again.parquet")
    return {
        "patients": patients,
        "jobs": jobs,
        "events": events,
        "seconds": round(wall, 1),
        "events_per_second": round(events / wall),
        "pyarrow_per_core": round(rows / seconds),
        "ratio_per_core": round(rows / seconds / (events / wall / jobs), 1),
        "peak_mib_at_half": round(memory_half),
        "peak_mib": round(memory),
    }


def _rewritten(parts: list[Path], out: Path) -> tuple[int, float]:
    """Return how many rows were written again, by the same writer, and the seconds of one core that took."""
    rows, seconds = 0, 0.0
    for part in parts:
        table = pq.read_table(part)
        start = time.process_time()
        write_whole(table, out)
        seconds += time.process_time() - start
        rows += table.num_rows
    return rows, seconds


def main() -> None:
    """Print the figures."""
    told(__doc__, measure)


if __name__ == "__main__":
    main()
