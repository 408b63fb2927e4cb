"""The generator that needs no data: samples a calibrated clinical model, patient by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from manikin.clinic.expressions import Columns
from manikin.clinic.library import travelled
from manikin.clinic.model import ClinicalModel, Role
from manikin.clinic.pathway import PATHWAY, Pathway
from manikin.clinic.program import Program, compile_model
from manikin.cohort import INDEX_DATE, TIMELINE, WEIGHT, Field, Layout, Timeline, observed
from manikin.errors import RequestError
from manikin.generators.recorded import timeline_of, vocabulary_of
from manikin.generators.selection import Selection, select
from manikin.generators.tilt import Bent, Clamped, hidden, read_by
from manikin.streams import Draws, Floats, Ordinals, Seed

# A candidate of a round never shares an address with one of another round.
_ATTEMPTS_PER_ROUND = 1 << 16
_ROUNDS = 64
# Which candidate a patient is, where candidates are chosen.
_ATTEMPT = "~attempt"
# Of whom fewer fit, the candidates of a round might not hold one for every patient: tried on a pilot.
_RAREST = 1 / 4096
_PILOT = 1 << 18


@dataclass(frozen=True)
class KnowledgeSampler:
    """Draws patients from a calibrated clinical model.

    ``parameters`` and ``latent`` are the calibration's outcome; ``given``, ``oversample`` and ``thinned`` are as in
    ``select``. Without ``follow_up`` patients are seen at their index encounter only, as they would be there with it.
    ``bent`` is how a fit to aggregates bends the model.
    """

    model: ClinicalModel
    parameters: Mapping[str, float]
    latent: Mapping[str, Floats]
    seed: Seed
    given: str = ""
    oversample: str = ""
    thinned: tuple[tuple[str, float], ...] = ()
    follow_up: bool = True
    bent: Bent | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as text and numbers."""
        latent = {name: matrix.tolist() for name, matrix in self.latent.items()}
        wanted = (self.given, self.oversample, self.thinned, self.follow_up, self.bent)
        return _rebuilt, (self.model.text, dict(self.parameters), latent, self.seed, *wanted)

    @cached_property
    def program(self) -> Program:
        """The compiled model."""
        return compile_model(self.model, self.parameters, self.latent)

    @cached_property
    def selection(self) -> Selection:
        """Which patients are wanted."""
        selection = select(self.model, self.given, self.oversample, self.thinned)
        if not self.follow_up and selection.reads & self.model.later:
            later = min(selection.reads & self.model.later)
            raise RequestError(f"'{later}' is known only at the end of the follow-up, which was not asked for.")
        return selection

    @cached_property
    def _bent(self) -> Bent | None:
        """The bend of those of whom what is given about roots of the model holds."""
        return None if self.bent is None else self.bent.within(self.program, self.selection.clamps)

    @cached_property
    def _reads(self) -> frozenset[str]:
        """The variables that decide whether a candidate is accepted."""
        bent = read_by(self.program, self.bent.domain) if self.bent else frozenset[str]()
        return self.selection.reads | bent

    @property
    def _hidden(self) -> frozenset[str]:
        """The variables of which the bend decides whose value is on record."""
        axes = self.bent.domain.axes if isinstance(self.bent, Clamped) else ()
        return frozenset(axis.name for axis in axes if axis.missing)

    def _acceptance(self, columns: Columns) -> Any:
        """Return the probability with which each candidate is accepted."""
        wanted = self.selection.acceptance(columns)
        return wanted if self._bent is None else wanted * self._bent.acceptance(self.program, columns)

    @property
    def pathway(self) -> Pathway | None:
        """What patients go through, if they are followed."""
        return self.model.pathway if self.follow_up else None

    @cached_property
    def layout(self) -> Layout:
        """The shape of the cohort: all variables but helpers."""
        fields = tuple(
            Field(
                one.meaning,
                one.role is Role.DATA,
                one.static,
                one.observed is not None or name in self._hidden,
                one.group,
                later=name in self.model.later,
            )
            for name, one in self.model.variables.items()
            if one.role is not Role.HELPER and (self.follow_up or name not in self.model.later)
        )
        pathway, weighted = self.pathway, bool(self.selection.strata)
        if pathway is None:
            return Layout(fields, self.model.index_dates, weighted)
        return Layout(
            fields,
            self.model.index_dates,
            weighted,
            vocabulary=vocabulary_of(self.model, pathway),
            writes_index=pathway.writes_index,
        )

    def draw(self, ordinals: Ordinals) -> Columns:
        """Return the columns of the patients with these ordinals: accepted, and within every limit and constraint."""
        together = self._with_neighbours(ordinals)
        drawn = self._settled(together)
        drawn |= self._followed(drawn, together)
        if together.size > ordinals.size:
            drawn = _of(drawn, np.searchsorted(together, ordinals))
        return drawn | self._afterwards(drawn)

    def _draws(self, drawn: Columns, ordinals: Ordinals) -> Draws:
        """Return the draws of patients who have been chosen among candidates."""
        return Draws(self.seed, ordinals, drawn.get(_ATTEMPT, np.zeros(len(ordinals), np.int64)))

    def _with_neighbours(self, ordinals: Ordinals) -> Ordinals:
        """Return these patients and all who share the resources of their sites, and so stand in the same queues."""
        pathway = self.pathway
        if pathway is None or not pathway.resources:
            return ordinals
        sites = np.unique(ordinals // pathway.site_patients)
        return np.asarray((sites[:, None] * pathway.site_patients + np.arange(pathway.site_patients)).ravel(), np.int64)

    def _settled(self, ordinals: Ordinals) -> dict[str, Any]:
        """Return columns, as they are at the index, of patients who break no rule."""
        drawn = self._round(ordinals, 0)
        broken = np.flatnonzero(self._broken(drawn))
        for number in range(1, _ROUNDS):
            if not broken.size:
                return drawn
            redrawn = self._round(ordinals[broken], number)
            for name, column in redrawn.items():
                drawn[name][broken] = column
            broken = broken[self._broken(redrawn)]
        raise RequestError(
            f"Constraints of the model can't be met together: {self._culprits(redrawn)}. Question the model, or what was given."
        )

    def _round(self, ordinals: Ordinals, number: int) -> dict[str, Any]:
        """Return columns of accepted patients, without parameters."""
        first = number * _ATTEMPTS_PER_ROUND
        known = self._accepted(ordinals, first)
        columns = self.program.sample(
            self.program.beforehand, Draws(self.seed, ordinals, first), known, self.selection.clamps
        )
        return {name: column for name, column in columns.items() if np.ndim(column)}

    def _followed(self, drawn: Columns, ordinals: Ordinals) -> dict[str, Any]:
        """Return index dates and, where patients are followed, what is asked of their course, and their timeline."""
        draws = self._draws(drawn, ordinals)
        if self.pathway is None:
            return {INDEX_DATE: self.model.index_dates.at(draws.once("index_date"))}
        columns = self.program.sample(self.program.order, draws, drawn, self.selection.clamps, record=True)
        course = columns.pop(PATHWAY)
        found = {name: column for name, column in columns.items() if np.ndim(column) and name not in drawn}
        return {**found, INDEX_DATE: course.days, TIMELINE: timeline_of(course)}

    def _accepted(self, ordinals: Ordinals, first: int) -> dict[str, Any]:
        """Return which candidate each patient is, and the columns that decided on it, none where everyone is accepted."""
        needed = self.program.needed_for(self._reads)
        if not needed:
            return {_ATTEMPT: np.full(len(ordinals), first)}
        accepted: dict[str, Any] = {}
        pending = np.arange(len(ordinals))
        for attempt in range(_ATTEMPTS_PER_ROUND):
            columns = self._candidates(needed, ordinals[pending], first + attempt)
            taken = self._taken(columns, ordinals[pending], first + attempt)
            columns[_ATTEMPT] = np.full(len(pending), first + attempt)
            drawn = {name: column for name, column in columns.items() if np.ndim(column)}
            if not attempt and taken.all():
                return drawn
            for name, column in drawn.items():
                accepted.setdefault(name, np.zeros(len(ordinals), column.dtype))[pending[taken]] = column[taken]
            pending = pending[~taken]
            if not pending.size:
                return accepted
            if self._fitting < _RAREST:
                raise RequestError(self._too_rare(f"{self._fitting * _PILOT:.0f} of {_PILOT:,} candidates"))
        raise RequestError(self._too_rare(f"none of a patient's {_ATTEMPTS_PER_ROUND:,} candidates"))

    def _taken(self, columns: Columns, ordinals: Ordinals, attempt: int) -> Any:
        """Return which candidates are accepted."""
        likely = np.asarray(self._acceptance(columns))
        if np.all(likely >= 1):
            return np.ones(len(ordinals), np.bool_)
        return self.seed.stream("acceptance").uniform_at(ordinals, attempt) < likely

    @cached_property
    def _fitting(self) -> float:
        """The share of a pilot's candidates who would be accepted."""
        needed = self.program.needed_for(self._reads)
        columns = self._candidates(needed, np.arange(_PILOT), 0)
        return float(np.mean(np.broadcast_to(self._acceptance(columns), (_PILOT,))))

    def _too_rare(self, found: str) -> str:
        fewer = (f"{100 * share:g}% of {text}" for text, share in self.thinned)
        wish = "; ".join(filter(None, (self.given, self.oversample, *fewer)))
        if self._fitting == 0:
            return (
                f"Nobody fits what is asked for ({wish}): {found}. Its parts may contradict each other. Ask for less."
            )
        return f"Hardly anybody fits what is asked for ({wish}): {found}. Ask for less."

    def _candidates(self, needed: tuple[str, ...], ordinals: Ordinals, attempt: int) -> dict[str, Any]:
        draws = Draws(self.seed, ordinals, attempt)
        if self._bent is None:
            return self.program.sample(needed, draws, clamps=self.selection.clamps)
        clamps, decided = self._bent.begun(self.program, self.seed, ordinals, attempt)
        return self.program.sample(needed, draws, decided, {**self.selection.clamps, **clamps})

    def _broken(self, columns: Columns) -> Any:
        """Return which patients break a constraint or lie beyond what is possible."""
        broken = np.zeros(len(next(iter(columns.values()))), np.bool_)
        scope = {**self.program.parameters, **columns}
        for constraint in self.model.constraints:
            broken |= ~np.asarray(constraint.expression.compute(scope))
        for name in self.program.beforehand:
            one = self.model.variables[name]
            if one.meaning.numeric and np.isfinite([one.meaning.possible.low, one.meaning.possible.high]).any():
                broken |= (columns[name] < one.meaning.possible.low) | (columns[name] > one.meaning.possible.high)
        return broken

    def _culprits(self, columns: Columns) -> str:
        scope = {**self.program.parameters, **columns}
        rules = [one.text for one in self.model.constraints if not np.asarray(one.expression.compute(scope)).all()]
        return "; ".join(rules) or "limits of the variables"

    def _afterwards(self, columns: Columns) -> dict[str, Any]:
        """Return who is on record for each variable that is not always, and the weights of over-sampled patients."""
        scope = {**self.program.parameters, **columns}
        found = {
            observed(name): np.asarray(one.observed.compute(scope))
            for name, one in self.model.variables.items()
            if one.observed and (self.follow_up or name not in self.model.later)
        }
        for name in self._hidden:
            # The fit decides on all who are not on record, those of whom the model would say so among them.
            found[observed(name)] = ~columns[hidden(name)]
        if self.selection.strata:
            size = len(next(iter(columns.values())))
            found[WEIGHT] = np.broadcast_to(1.0 / self.selection.multiplicity(scope), (size,)).astype(np.float64)
        return found


def _of(columns: Columns, rows: Ordinals) -> dict[str, Any]:
    """Return the columns of some of the patients."""
    return {name: one.some(rows) if isinstance(one, Timeline) else one[rows] for name, one in columns.items()}


def _rebuilt(
    text: str,
    parameters: dict[str, float],
    latent: dict[str, Any],
    seed: Seed,
    given: str,
    oversample: str,
    thinned: tuple[tuple[str, float], ...],
    follow_up: bool,
    bent: Bent | None,
) -> KnowledgeSampler:
    matrices = {name: np.array(matrix) for name, matrix in latent.items()}
    return KnowledgeSampler(travelled(text), parameters, matrices, seed, given, oversample, thinned, follow_up, bent)
