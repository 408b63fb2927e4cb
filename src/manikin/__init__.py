"""Manikin makes synthetic diagnostic datasets that behave like the clinic and contain nobody.

>>> import manikin
>>> made = manikin.make("diabetes-screening", patients=1_000, seed=1)
>>> made.table("analysis").num_rows
1000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manikin.study import Compared, Made

__version__ = "0.1.0"
__all__ = ["compare", "make"]


def make(
    what: str,
    *,
    patients: int | None = None,
    seed: int | None = None,
    given: str | None = None,
    oversample: str | None = None,
    world: int | None = None,
    defects: Sequence[Any] | None = None,
    accuracy: Mapping[str, Any] | None = None,
    scenario: str | None = None,
    aggregates: str | Path | None = None,
    out: str | Path | None = None,
    formats: Sequence[str] | None = None,
    jobs: int | None = None,
) -> Made:
    """Make a cohort, in memory or, with ``out``, as a release on disk.

    Args:
        what: A built-in clinical model, a model file or a study file.
        patients: How many patients.
        seed: The number from which all chance follows.
        given: What is to hold for every patient: ``"stage=diagnosed"`` or ``"sex=female,age=60..70"``.
        oversample: Of whom there are to be more: ``"stage=undiagnosed:10"``.
        world: 0 for the model as published; any other draws its uncertain numbers anew.
        defects: What is made imperfect on purpose, as in a study file: ``[{"missing": ["hba1c"], "share": 0.05}]``.
        accuracy: A study of diagnostic accuracy, as in a study file: ``{"index-test": "hba1c >= 6.5", "target": ...}``.
        scenario: In which scenario of a study file the patients live; in the model as published, where left out.
        aggregates: A file of what institutions told about their patients, to which the model is bent.
        out: Where the release will stand.
        formats: In which formats a release is written.
        jobs: Processes for a release; all cores by default.

    Returns:
        The cohort; ``.table("analysis")`` is an Arrow table.

    Raises:
        ManikinError: The request can't be met; the error says what was possible and what to do.
    """
    from manikin import study

    wanted, model = study.study_of(what)
    wanted = study.changed(
        wanted,
        patients=patients,
        seed=seed,
        given=given,
        oversample=oversample,
        world=world,
        formats=None if formats is None else tuple(formats),
        defects=None if defects is None else study.defects_of(defects, model),
        accuracy=None if accuracy is None else study.accuracy_of(accuracy, model),
        scenario=scenario,
        aggregates=None if aggregates is None else str(aggregates),
    )
    return study.make(wanted, model) if out is None else study.run(wanted, model, Path(out), jobs=jobs)


def compare(
    what: str,
    scenarios: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    patients: int | None = None,
    seed: int | None = None,
    given: str | None = None,
    world: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
) -> Compared:
    """Make the same patients in two scenarios and say what differs: in memory or, with ``out``, as a folder on disk.

    Args:
        what: A study file, a model file or a built-in clinical model.
        scenarios: Two names of the study's scenarios, or two scenarios as a study file has them:
            ``{"today": {}, "sooner": {"pathway.tests.troponin_0h.resulted": "15 min"}}``. The second is compared with
            the first.
        patients: How many patients.
        seed: The number from which all chance follows.
        given: What is to hold for every patient.
        world: 0 for the model as published; any other draws its uncertain numbers anew.
        out: Where the comparison will stand.
        jobs: Processes for a comparison on disk; all cores by default.

    Returns:
        The comparison; ``.effects`` is an Arrow table with a row for each patient.

    Raises:
        ManikinError: The request can't be met; the error says what was possible and what to do.
    """
    from manikin import study

    wanted, model = study.study_of(what)
    wanted = study.changed(
        wanted,
        patients=patients,
        seed=seed,
        given=given,
        world=world,
        scenarios=study.scenarios_of(scenarios, model) if isinstance(scenarios, Mapping) else None,
    )
    return study.compare(wanted, model, tuple(scenarios), None if out is None else Path(out), jobs=jobs)
