"""Counts a site's patients for a federation, as a plan asks that came from outside: exact tables, for the site alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from manikin.aggregates import MeasurePlan
from manikin.codebook import Variable
from manikin.federation import Plan
from manikin.real_data.mapping import read_mapping
from manikin.real_data.measure import survey
from manikin.real_data.questions import PAIRS, Counts, Question


def counting(
    records: Path, mapping: Path, variables: dict[str, Variable]
) -> tuple[str, Callable[[Plan], list[Counts]]]:
    """Return what a source is called, and a function that counts its patients in the tables of a plan.

    A patient counts in one cell of each table, by their first row; who has no value where the plan has no bin for that
    is in no table.

    Raises:
        MappingError: The mapping holds mistakes.
    """

    def count(plan: Plan) -> list[Counts]:
        axes = plan.variables
        complete = tuple(name for name, axis in axes.items() if not axis.missing)
        people = survey(mapping, variables, MeasurePlan(variables=tuple(axes), complete=complete)).read(records)
        return [people.answer(Question(PAIRS, table.axes)) for table in plan.tables]

    return read_mapping(mapping, variables).title, count
