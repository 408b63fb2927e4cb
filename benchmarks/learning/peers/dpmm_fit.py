"""AIM and MST of dpmm, on a declared domain and without its own binning: ``dpmm_fit.py TASK ANSWER aim``."""

from __future__ import annotations

import importlib.metadata
import sys

import pandas as pd
from door import Meter, answer, task
from dpmm.pipelines import AIMPipeline, MSTPipeline

_SETTINGS = {"aim": (AIMPipeline, {"max_model_size": 1}), "mst": (MSTPipeline, {})}


def main() -> None:
    """Fit and sample."""
    wanted, meter = task(), Meter()
    pipeline, settings = _SETTINGS[sys.argv[3]]
    # One job: several would only spread the same seconds. The domain is declared, or it would be read off the data.
    fitter = pipeline(epsilon=wanted.epsilon, delta=wanted.delta, disable_processing=True, n_jobs=1, **settings)
    table = pd.DataFrame(wanted.codes, columns=list(wanted.names))
    domain = dict(zip(wanted.names, wanted.shape, strict=True))
    meter.timed("fit", fitter.fit, table, domain, random_state=wanted.seed)
    synthetic = meter.timed("sampling", fitter.generate, n_records=wanted.rows, random_state=wanted.seed)
    cliques = fitter.gen.generator.model.cliques
    answer(
        synthetic[list(wanted.names)].to_numpy(),
        f"dpmm {importlib.metadata.version('dpmm')}",
        meter.spent["fit"],
        meter.spent["sampling"],
        [[wanted.names.index(name) for name in clique] for clique in cliques],
    )


if __name__ == "__main__":
    main()
