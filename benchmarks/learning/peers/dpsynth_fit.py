"""Google's dpsynth, which builds on mbi: ``dpsynth_fit.py TASK ANSWER swift`` (or ``aim``, ``mst``)."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any

import dpsynth
import mbi
import numpy as np
from door import Meter, Task, answer, task
from dpsynth.discrete_mechanisms import accounting, aim, discrete, mst, swift

_MECHANISMS = {
    "swift": swift.SWIFTConfig(),
    # Megabytes, as for mbi's AIM.
    "aim": aim.AIMConfig(max_model_size=1),
    "mst": mst.MSTConfig(),
}


def main() -> None:
    """Fit and sample."""
    wanted, meter = task(), Meter()
    domain = mbi.Domain(wanted.names, wanted.shape)
    data = mbi.Dataset({name: wanted.codes[:, place] for place, name in enumerate(wanted.names)}, domain)
    mechanism = _calibrated(wanted)
    # It samples as many rows as it was given, and that cost stays in the fit's.
    result = meter.timed("fit", mechanism, np.random.default_rng(wanted.seed), data)
    synthetic = meter.timed("sampling", mbi.extensions.synthetic_data, result.model, wanted.rows, wanted.seed)
    columns = synthetic.to_dict()
    answer(
        np.column_stack([np.asarray(columns[name]) for name in wanted.names]),
        f"dpsynth {dpsynth.__version__} at cf8075f, mbi {importlib.metadata.version('mbi')}",
        meter.spent["fit"],
        meter.spent["sampling"],
        [[wanted.names.index(name) for name in one.clique] for one in result.measurements],
    )


def _calibrated(wanted: Task) -> Any:
    """Return the mechanism at the largest budget that (epsilon, delta) allows; this reads no data and isn't timed."""
    sigma = accounting.gdp_gaussian_sigma
    # The search of the released dp-accounting begins at no budget at all, where this would divide by zero.
    accounting.gdp_gaussian_sigma = lambda budget: sigma(max(budget, 1e-9))
    config = discrete.DiscreteConfig(mechanism=_MECHANISMS[sys.argv[3]])
    return config.calibrate(epsilon=wanted.epsilon, delta=wanted.delta)


if __name__ == "__main__":
    main()
