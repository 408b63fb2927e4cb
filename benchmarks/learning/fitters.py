"""Who is measured: peers in environments of their own, our fit, and the two rows that tell how good is good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning.data import Rows, Table

_SCRIPTS = Path(__file__).parent / "peers"
# One thread, also for those that bring thread pools of their own.
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "PYTHONWARNINGS": "ignore",
    # Some mechanisms walk sets: with the same seed they would otherwise choose differently each time.
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class Environment:
    """An interpreter with what a peer needs.

    ``requirements`` is a file of pins in ``peers/``; ``checkouts`` are folders, within a folder of repositories that
    you have checked out at the commits named there, which the interpreter finds modules in.
    """

    name: str
    python: str
    requirements: str
    checkouts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fitter:
    """A script that fits and samples, with its arguments; without an environment it runs in this one."""

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: Environment | None = None


@dataclass(frozen=True)
class Fit:
    """What a fitter gave back; ``measured`` are the columns of each marginal that it measured, if it says."""

    synthetic: Rows
    version: str
    fit_cpu_s: float
    sampling_cpu_s: float
    peak_rss_mib: float
    measured: list[list[int]] | None


class FitFailedError(Exception):
    """A fitter that didn't come back with rows; the message is the end of what it said."""


MBI = Environment("mbi", "python3.12", "mbi.txt", ("mbi/src", "mbi/mechanisms"))
DPSYNTH = Environment("dpsynth", "python3.12", "dpsynth.txt", ("dpsynth",))
DPMM = Environment("dpmm", "python3.11", "dpmm.txt")
ENVIRONMENTS = (MBI, DPSYNTH, DPMM)

FITTERS: Mapping[str, Fitter] = {
    one.name: one
    for one in (
        # Ours enters by the same door.
        Fitter("manikin", "manikin_fit.py", ("flat",)),
        Fitter("manikin-tree", "manikin_fit.py", ("tree",)),
        Fitter("manikin-clinical", "manikin_fit.py", ("clinical",)),
        # Asked about all pairs, as its script is by default, and about all triples, as in its paper.
        Fitter("mbi-aim", "mbi_fit.py", ("aim", "2"), MBI),
        Fitter("mbi-aim-3", "mbi_fit.py", ("aim", "3"), MBI),
        Fitter("swift", "dpsynth_fit.py", ("swift",), DPSYNTH),
        Fitter("mbi-mst", "mbi_fit.py", ("mst",), MBI),
        Fitter("dpmm-aim", "dpmm_fit.py", ("aim",), DPMM),
        Fitter("dpmm-mst", "dpmm_fit.py", ("mst",), DPMM),
        Fitter("dpsynth-aim", "dpsynth_fit.py", ("aim",), DPSYNTH),
    )
}


def fit(
    fitter: Fitter,
    table: Table,
    train: Rows,
    *,
    epsilon: float,
    delta: float,
    seed: int,
    rows: int,
    environments: Path,
    limit_s: float,
) -> Fit:
    """Return what a fitter makes of training rows, run on one thread within ``limit_s`` seconds.

    Raises:
        FitFailedError: It ended badly, took too long, or isn't there.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, answer = Path(folder) / "task.npz", Path(folder) / "answer.npz"
        np.savez(
            task,
            codes=train.codes,
            shape=table.shape,
            names=table.names,
            data=table.name,
            epsilon=epsilon,
            delta=delta,
            seed=seed,
            rows=rows,
            ordered=[not column.levels for column in table.columns],
            missing=[column.missing for column in table.columns],
        )
        said = _run(fitter, task, answer, environments, limit_s)
        with np.load(answer) as read:
            codes, values = read["codes"], read.get("values")
    # Rows that come in order would make a poor sample of their first thousand.
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    codes = codes[order]
    values = filled(table, codes, rng) if values is None else values[order]
    return Fit(Rows(codes, values), **said)


def filled(table: Table, codes: Any, rng: np.random.Generator) -> Any:
    """Return values spread evenly over their bins."""
    return np.column_stack([column.filled(codes[:, place], rng) for place, column in enumerate(table.columns)])


def interpreter(fitter: Fitter, environments: Path) -> Path:
    """Return the interpreter that runs a fitter."""
    if fitter.environment is None:
        return Path(sys.executable)
    return environments / fitter.environment.name / "bin" / "python"


def available(fitter: Fitter, environments: Path) -> bool:
    """Whether a fitter's script and interpreter are there."""
    return (_SCRIPTS / fitter.script).exists() and interpreter(fitter, environments).exists()


def _run(fitter: Fitter, task: Path, answer: Path, environments: Path, limit_s: float) -> dict[str, Any]:
    command = [interpreter(fitter, environments), _SCRIPTS / fitter.script, task, answer, *fitter.arguments]
    try:
        ended = subprocess.run(
            [str(one) for one in command],
            env={**os.environ, **_ONE_THREAD},
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FitFailedError(f"took more than {limit_s:.0f} s") from None
    if ended.returncode:
        raise FitFailedError("; ".join(ended.stderr.strip().splitlines()[-1:]) or f"ended with {ended.returncode}")
    return dict(json.loads(ended.stdout.strip().splitlines()[-1]))
