"""AIM and MST as their author's repository has them, on the version of mbi beside them.

``mbi_fit.py TASK ANSWER mst``, or ``aim 2`` for AIM asked about all pairs, ``aim 3`` about all triples.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import mbi
import numpy as np
from door import Meter, Task, answer, task

# Megabytes: the size that the authors recommend for trying out, and the one of the figures we compare with.
_MODEL_SIZE = 1.0
# The script's own defaults.
_MAX_CELLS, _ITERATIONS = 10_000, 1000


def main() -> None:
    """Fit and sample."""
    wanted, meter = task(), Meter()
    np.random.seed(wanted.seed)  # noqa: NPY002 - the mechanisms draw from NumPy's global generator
    models = _tap_sampler(wanted, meter)
    domain = mbi.Domain(wanted.names, wanted.shape)
    data = mbi.Dataset({name: wanted.codes[:, place] for place, name in enumerate(wanted.names)}, domain)
    synthetic = meter.timed("all", _aim if sys.argv[3] == "aim" else _mst, data, wanted)
    columns = synthetic.to_dict()
    codes = np.column_stack([np.asarray(columns[name]) for name in wanted.names])
    sampling = meter.spent["sampling"]
    answer(
        codes,
        "mbi 1.3.0, mechanisms at 361705d",
        meter.spent["all"] - sampling,
        sampling,
        [[wanted.names.index(name) for name in clique] for clique in models[-1].cliques],
    )


def _aim(data: Any, wanted: Task) -> Any:
    from aim import AIM  # noqa: PLC0415 - one of two, and importing either runs code

    workload = [
        (clique, 1.0)
        for clique in itertools.combinations(data.domain, int(sys.argv[4]))
        if data.domain.size(clique) <= _MAX_CELLS
    ]
    mechanism = AIM(wanted.epsilon, wanted.delta, max_model_size=_MODEL_SIZE, max_iters=_ITERATIONS)
    return mechanism.run(data, workload)[1]


def _mst(data: Any, wanted: Task) -> Any:
    from mst import MST  # noqa: PLC0415

    return MST(data, wanted.epsilon, wanted.delta)


def _tap_sampler(wanted: Task, meter: Meter) -> list[Any]:
    """Have every model sample the wanted number of rows, time it apart, and return the list that collects the models."""
    models: list[Any] = []
    sample = mbi.MarkovRandomField.synthetic_data

    def tapped(self: Any, rows: int | None = None, **named: Any) -> Any:  # noqa: ARG001 - as many as were asked for
        models.append(self)
        return meter.timed("sampling", sample, self, rows=wanted.rows, **named)

    mbi.MarkovRandomField.synthetic_data = tapped
    return models


if __name__ == "__main__":
    main()
