"""Patients into the analysis table as Parquet, beside what pyarrow needs to write as many random values of the same types.

    python -m benchmarks.throughput [--patients 1000000] [--model diabetes-screening] [--jobs N]

Each side runs in a process of its own; wall time includes everything from the start of that process to its end.
Prints both wall times, their ratio, and the peak memory of the largest process at the full and at half the size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MANIKIN = """
import sys
from pathlib import Path
from manikin import study
from manikin.cohort import Plan, write
from manikin.generators import KnowledgeSampler
from manikin.clinic import calibrate, find_model
from manikin.streams import Seed
if __name__ == "__main__":
    what, patients, jobs, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    program = calibrate(find_model(what)).program
    # At the index encounter; what happens to patients afterwards is benchmarks.timeline's to measure.
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, Seed(1), follow_up=False)
    write(Plan(sampler, patients, ("analysis",), {"analysis": folder}), jobs)
"""

RANDOM = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
if __name__ == "__main__":
    like, patients, out = pq.read_schema(next(Path(sys.argv[1]).glob("*.parquet"))), int(sys.argv[2]), sys.argv[3]
    random = np.random.default_rng(1)
    def column(kind):
        if pa.types.is_dictionary(kind):
            return pa.DictionaryArray.from_arrays(pa.array(random.integers(0, 4, patients, np.int8)), ["a", "b", "c", "d"])
        if pa.types.is_boolean(kind):
            return pa.array(random.random(patients) < 0.5)
        if pa.types.is_integer(kind):
            return pa.array(random.integers(0, 100, patients, np.int32))
        if pa.types.is_date(kind):
            return pa.array(random.integers(0, 20000, patients, np.int32), pa.date32())
        if pa.types.is_string(kind):
            return pa.array(random.integers(0, 1 << 62, patients).astype("S20").astype(str))
        return pa.array(random.random(patients))
    pq.write_table(pa.table({name: column(like.field(name).type) for name in like.names}), out)
"""


def timed(code: str, *arguments: str) -> tuple[float, float]:
    """Run Python code in a process of its own; return its wall time in seconds and its peak memory in MiB."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        start = time.perf_counter()
        subprocess.run([sys.executable, script.name, *arguments], check=True)
        wall = time.perf_counter() - start
    return wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def measure(model: str, patients: int, jobs: int) -> dict[str, float]:
    """Return both wall times, their ratio and the peak memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "analysis"
        half, memory_half = timed(MANIKIN, model, str(patients // 2), str(jobs), str(Path(place) / "half"))
        ours, memory = timed(MANIKIN, model, str(patients), str(jobs), str(folder))
        theirs, _ = timed(RANDOM, str(folder), str(patients), str(Path(place) / "random.parquet"))
    return {
        "patients": patients,
        "jobs": jobs,
        "manikin_seconds": round(ours, 2),
        "half_seconds": round(half, 2),
        "pyarrow_seconds": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
        "peak_mib_at_half": round(memory_half),
        "peak_mib": round(memory),
    }


def told(doc: str | None, measure: Callable[[str, int, int], dict[str, float]]) -> None:
    """Ask the command line for a model, patients and jobs, and print the figures of a measurement."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="diabetes-screening")
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for name, value in measure(options.model, options.patients, options.jobs).items():
        print(f"{name:<20} {value:,}")


def main() -> None:
    """Print the figures."""
    told(__doc__, measure)


if __name__ == "__main__":
    main()
