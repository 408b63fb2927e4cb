"""The door by which every fitter enters: a task read from one file, synthetic rows written to another, costs printed.

A fitter is a script beside this one, run by its own interpreter as ``python NAME.py TASK.npz ANSWER.npz``. It needs
nothing but NumPy to pass through here, so that each may live in an environment of its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Task:
    """What is asked of a fitter.

    ``codes`` are bins, int64, training rows by columns; ``shape`` the number of bins of each column; ``rows`` how many
    synthetic rows are wanted; ``data`` and ``names`` say which table it is and what its columns are called; ``ordered``
    whether a column's bins follow each other, ``missing`` whether its last bin holds who has no value; ``declared`` is
    what a codebook says of each column: levels, or cuts, limits and step.
    """

    codes: Any
    shape: tuple[int, ...]
    names: tuple[str, ...]
    data: str
    epsilon: float
    delta: float
    seed: int
    rows: int
    ordered: Any
    missing: Any
    declared: list[dict[str, Any]]


@dataclass
class Meter:
    """CPU seconds by what they were spent on: user and system, of all threads and of children that have ended."""

    spent: dict[str, float] = field(default_factory=dict)

    def timed(self, purpose: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return what ``work`` returns; its CPU seconds count for ``purpose``."""
        begin = _cpu_seconds()
        try:
            return work(*arguments, **named)
        finally:
            self.spent[purpose] = self.spent.get(purpose, 0.0) + _cpu_seconds() - begin


def task() -> Task:
    """Return the task in the file that the command line names first."""
    with np.load(sys.argv[1], allow_pickle=False) as read:
        return Task(
            codes=read["codes"].astype(np.int64),
            shape=tuple(int(bins) for bins in read["shape"]),
            names=tuple(str(name) for name in read["names"]),
            data=str(read["data"]),
            epsilon=float(read["epsilon"]),
            delta=float(read["delta"]),
            seed=int(read["seed"]),
            rows=int(read["rows"]),
            ordered=read["ordered"],
            missing=read["missing"],
            declared=json.loads(str(read["declared"])),
        )


def answer(
    codes: Any,
    version: str,
    fit_cpu_s: float,
    sampling_cpu_s: float,
    measured: Iterable[Sequence[int]] | None = None,
    values: Any = None,
) -> None:
    """Write synthetic rows to the file that the command line names second, and print what they cost.

    Args:
        codes: Bins, rows by columns.
        version: What was run, as it should stand beside its figures.
        fit_cpu_s: CPU seconds from the codes to the fitted model.
        sampling_cpu_s: CPU seconds from the fitted model to the rows.
        measured: Columns, by their place, of each marginal that was measured, where the fitter says which.
        values: Values behind the bins, rows by columns, of a fitter that draws them.
    """
    arrays = {"codes": np.asarray(codes, np.int16)}
    if values is not None:
        arrays["values"] = np.asarray(values, np.float64)
    np.savez(sys.argv[2], **arrays)
    cost = {
        "version": version,
        "fit_cpu_s": round(fit_cpu_s, 4),
        "sampling_cpu_s": round(sampling_cpu_s, 4),
        "peak_rss_mib": round(_peak_rss_mib(), 1),
        "measured": None if measured is None else sorted(sorted(int(place) for place in one) for one in measured),
    }
    # Fitters talk while they work; the last line is the answer.
    sys.stdout.write("\n" + json.dumps(cost) + "\n")
    sys.stdout.flush()


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_rss_mib() -> float:
    """Return the largest resident size of this process or of a child, in MiB (Linux counts in KiB)."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
