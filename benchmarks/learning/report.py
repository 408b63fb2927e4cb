"""The table: each figure as its mean over seeds with a 95% interval, CPU seconds beside how many times our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.learning.results import Key, Results

OURS = "manikin"
# What is shown of the measures, and as what.
_SHOWN = {
    "tv_1": "1-way",
    "tv_2": "2-way",
    "tv_3": "3-way",
    "unmeasured_2": "2-way new",
    "unmeasured_3": "3-way new",
    "distinct_ratio": "distinct",
    "auc_logistic": "AUC logit",
    "auc_boosting": "AUC trees",
    "auc_two_sample": "told apart",
}
_COSTS = {"fit_cpu_s": "fit CPU s", "sampling_cpu_s": "draw CPU s", "peak_rss_mib": "MiB"}
_NAME, _FIGURE, _COST = 13, 15, 11


def table(results: Results, data: Sequence[str]) -> str:
    """Return the runs of some tables as text: distances to held-out people, AUCs on them, costs."""
    lines = [
        "Mean over seeds ± half of its 95% interval (Student's t; none for one seed). 1-, 2-, 3-way: total variation to",
        "held-out people; new: over marginals that were not measured; distinct: share of distinct rows over the site's",
        "own; AUC: trained on the rows, tested on held-out people; told apart: two-sample AUC of values.",
    ]
    for name in data:
        groups = _groups(results, name)
        if groups:
            lines += ["", f"{name}", _heading(), *(_row(group, lines_of, groups) for group, lines_of in groups.items())]
    return "\n".join(lines)


def interval(values: Iterable[float | None]) -> tuple[float, float | None] | None:
    """Return mean and half width of its 95% interval; no width for one value, nothing for none."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not known.size:
        return None
    if known.size == 1:
        return float(known[0]), None
    return float(known.mean()), float(student.ppf(0.975, known.size - 1) * known.std(ddof=1) / np.sqrt(known.size))


Group = tuple[float | None, str]


def _groups(results: Results, data: str) -> dict[Group, list[dict[str, Any]]]:
    """Return the lines of each budget and fitter, in that order, references first."""
    found: dict[Group, list[dict[str, Any]]] = {}
    for key, line in sorted(results, key=lambda one: _place(one[0])):
        if key.data == data:
            found.setdefault((key.epsilon, key.fitter), []).append(line)
    return found


def _place(key: Key) -> tuple[float, bool, str, int]:
    return key.epsilon or 0.0, key.fitter != OURS, key.fitter, key.seed


def _heading() -> str:
    cells = [f"{'ε':>4} {'fitter':<{_NAME}}{'seeds':>5}", *(f"{name:>{_FIGURE}}" for name in _SHOWN.values())]
    return "".join([*cells, *(f"{name:>{_COST}}" for name in _COSTS.values()), f"{'× ours':>9}"])


def _row(group: Group, lines: list[dict[str, Any]], groups: dict[Group, list[dict[str, Any]]]) -> str:
    epsilon, fitter = group
    done = [line for line in lines if "failed" not in line]
    start = f"{epsilon if epsilon is not None else '':>4} {fitter:<{_NAME}}{len(done):>5}"
    if not done:
        return f"{start}  failed: {lines[0]['failed']}"
    figures = [_figure(interval(line["measures"][name] for line in done)) for name in _SHOWN]
    costs = [_cost(interval(line.get(name) for line in done)) for name in _COSTS]
    failures = f"  ({len(lines) - len(done)} failed)" if len(done) < len(lines) else ""
    return "".join([start, *figures, *costs, _ratio(done, groups.get((epsilon, OURS), [])), failures])


def _figure(found: tuple[float, float | None] | None) -> str:
    if found is None:
        return f"{'–':>{_FIGURE}}"
    mean, half = found
    return f"{f'{mean:.4f}' + (f' ±{half:.4f}' if half is not None else ''):>{_FIGURE}}"


def _cost(found: tuple[float, float | None] | None) -> str:
    return f"{'–' if found is None else f'{found[0]:,.3g}' if found[0] < 1000 else f'{found[0]:,.0f}':>{_COST}}"


def _ratio(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> str:
    """Return how many times our CPU seconds of fitting theirs are."""
    one, other = (interval(line.get("fit_cpu_s") for line in lines) for lines in (theirs, ours))
    return f"{'–' if one is None or other is None else f'{one[0] / other[0]:,.0f}':>9}"
