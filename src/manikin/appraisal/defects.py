"""What was made imperfect on purpose: how much was asked for, how much there is, and whether the log tells all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import binom

from manikin.appraisal.check import Subject
from manikin.appraisal.finding import Finding, Measure
from manikin.appraisal.intervals import wilson
from manikin.cohort import DEFECTS, Asked, Cohort
from manikin.cohort.defects import tally_of

# A realised share may differ from the asked one by this much, and beyond it by what chance explains in all but one of
# a thousand million cohorts: enough shares are judged in a year of runs that a laxer bar would be missed by luck.
_TOLERANCE, _LUCK = 0.01, 1e-9


def defects(subject: Subject) -> Finding:
    """Set the asked share of each defect beside the realised one, and the log beside the tables as written."""
    cohort = subject.cohort
    asked = cohort.layout.defects
    counts = np.zeros((len(asked), 2), np.int64)
    for part in cohort.batches(DEFECTS):
        counts += np.array(tally_of(part), np.int64).reshape(counts.shape)
    shares = [
        _share(cohort, one, int(at_risk), int(struck)) for one, (at_risk, struck) in zip(asked, counts, strict=True)
    ]
    logged, wrong = _compared(subject)
    exact = Measure(
        "Differences from the clean twin and rows of the log that don't match",
        float(wrong),
        expected=0.0,
        passed=wrong == 0,
        unit="rows",
        group="Log",
        note=f"{logged:,} rows in the log",
    )
    measures = (*shares, exact)
    missed = sum(one.passed is False for one in shares)
    answer = (
        f"{len(asked)} shares were asked for, {len(asked) - missed} are met; {logged:,} values on record are not the clean ones. "
        "All other evidence is about the clean twin, except for what is missing."
    )
    return Finding("defects", "What is imperfect on purpose?", answer, missed == wrong == 0, measures, {"rows": logged})


def _share(cohort: Cohort, asked: Asked, at_risk: int, struck: int) -> Measure:
    titles = [cohort.layout.field(name).variable.title for name in asked.variables]
    what = ", ".join(filter(None, (*titles, asked.outcome)))
    often = f"odds ratio {asked.odds_ratio:g} where {asked.when}" if asked.odds_ratio else asked.when
    name = ", ".join(filter(None, (what, often)))
    return Measure(
        name,
        struck / max(at_risk, 1),
        wilson(struck, at_risk),
        asked.share,
        (max(asked.share - _TOLERANCE, 0.0), min(asked.share + _TOLERANCE, 1.0)),
        _met(asked.share, struck, at_risk) if at_risk else None,
        "share",
        asked.defect,
        note=f"{struck:,} of {at_risk:,} at risk",
    )


def _met(share: float, struck: int, at_risk: int) -> bool:
    low, high = max(share - _TOLERANCE, 0.0), min(share + _TOLERANCE, 1.0)
    return bool(binom.cdf(struck, at_risk, low) > _LUCK and binom.sf(struck - 1, at_risk, high) > _LUCK)


def _compared(subject: Subject) -> tuple[int, int]:
    """Return how many rows the log has, and how many values of the tables it does not tell of or tells wrongly."""
    cohort, logged, wrong = subject.cohort, 0, 0
    touched = [field.variable.name for field in cohort.layout.fields if field.defects]
    for number, (log, truth) in enumerate(zip(cohort.batches(DEFECTS), cohort.batches("truth"), strict=True)):
        data = cohort.recorded(number)
        patients = data.column("patient_id").combine_chunks()
        variables = log.column("variable").cast(pa.string())
        for name in touched:
            mine = log.filter(pc.equal(variables, name))
            told = np.zeros(data.num_rows, np.bool_)
            told[pc.index_in(mine.column("patient_id"), value_set=patients).to_numpy()] = True
            other, gone = _differing(data.column(name), truth.column(name))
            # Where the model itself leaves values off the record, an absent one need not be a defect.
            by_design = subject.program.model.variables[name].observed is not None
            untold = ((other | gone) if not by_design else other) & ~told
            wrong += int(untold.sum()) + int((told & ~(other | gone)).sum()) + mine.num_rows - int(told.sum())
        logged += log.num_rows
    return logged, wrong


def _differing(recorded: pa.ChunkedArray, clean: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return where a recorded value is another than the clean one, and where there is none though there was one."""
    now, then = (
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in (recorded, clean)
    )
    other = pc.fill_null(pc.not_equal(now, then), False).to_numpy()
    gone = pc.and_(pc.is_null(now), pc.is_valid(then)).to_numpy()
    return other, gone
