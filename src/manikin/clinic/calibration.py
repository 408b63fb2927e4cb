"""Solves a model's free parameters so that its targets hold, and says what it moved and what it could not reach.

Deterministic: every candidate is judged on the same addressed patients (common random numbers), so that a difference
between two candidates is never a difference of luck. Correlations among normal scores are corrected until those of
the cohort come out as published; other parameters by damped Gauss-Newton steps within their bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from manikin.clinic.estimates import correlation, estimate
from manikin.clinic.expressions import Columns
from manikin.clinic.model import Calibration, ClinicalModel, Dependence, Published, Target, is_question
from manikin.clinic.pathway import PATHWAY
from manikin.clinic.program import LATENT_STEP, Program, compile_model, nearest_correlation
from manikin.codebook import snap
from manikin.errors import CalibrationError
from manikin.streams import Draws, Floats, Seed

N_PATIENTS = 60_000
SEED = Seed(20_230_701)

# A parameter is snapped to this step, so that a lock says it in full and other processors read the same.
PARAMETER_STEP = 1e-6
_SWEEPS, _STEPS = 4, 8
# Parts of a target's half-width: met, so that what was solved before is left alone; and good enough to stop solving.
_MET, _CLOSE = 0.75, 0.25
_CORRELATION_CLOSE = 0.01

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Miss:
    """A value that the free parameters can't reach."""

    target: str
    cell: str
    wanted: Published
    reached: float

    def __str__(self) -> str:
        """Return what was wanted beside what was reached."""
        about = f"{self.target}, {self.cell}" if self.cell else self.target
        wanted = f"{self.wanted.value:.4g} ({self.wanted.low:.4g} to {self.wanted.high:.4g})"
        return f"{about}: wanted {wanted}, reached {self.reached:.4g}"


@dataclass(frozen=True)
class Calibrated:
    """The outcome: the program, what was moved and from where, and how far dependence matrices had to be repaired."""

    program: Program
    moved: Mapping[str, tuple[float, float]]
    repaired: Mapping[str, float]


def calibrate(model: ClinicalModel, progress: Progress = lambda _step, _done, _total: None) -> Calibrated:
    """Return the compiled model with its free parameters solved.

    Raises:
        CalibrationError: A target lies beyond what its free parameters can do; the error names it, what was reached,
            and which parameter stopped at its bound.
    """
    solver = _Solver(model)
    steps = [partial(solver.correct, group) for group in model.dependences]
    steps += [partial(solver.solve, calibration) for calibration in model.calibrations]
    settled = 0
    for number in range(_SWEEPS * len(steps)):
        progress("calibrating", number, _SWEEPS * len(steps))
        # A step that moved something has settled itself and unsettled all others.
        settled = 1 if steps[number % len(steps)]() else settled + 1
        if settled == len(steps):
            break
    misses = solver.misses()
    if misses:
        raise CalibrationError(_explained(misses, solver))
    return solver.outcome()


class _Solver:
    """The state of a calibration: the parameters and matrices so far, and the patients on whom they are judged."""

    def __init__(self, model: ClinicalModel) -> None:
        self.model = model
        self.parameters = {name: one.value for name, one in model.parameters.items()}
        self.latent = {group.name: nearest_correlation(group.asked()) for group in model.dependences}
        self.draws = Draws(SEED, np.arange(N_PATIENTS), keep=True)
        self.columns: dict[str, Any] = {}

    def program(self, parameters: Mapping[str, float] | None = None) -> Program:
        return compile_model(self.model, parameters or self.parameters, self.latent)

    # --- dependence -----------------------------------------------------------------------------------------------

    def correct(self, group: Dependence) -> bool:
        """Move the normal scores' correlations until those of the cohort are as asked; return whether any moved."""
        wanted = np.array([correlation.values for correlation in group.correlations]).T
        rows, columns = ([group.members.index(one.pair[side]) for one in group.correlations] for side in (0, 1))
        slope, before = np.ones_like(wanted), None
        for step in range(_STEPS):
            realised, scores = self.realised(group), self.latent[group.name][:, rows, columns]
            gap = np.nan_to_num(wanted - realised)
            if np.abs(gap).max(initial=0.0) < _CORRELATION_CLOSE:
                return step > 0
            if before is not None:
                slope = _secant(slope, realised - before[0], scores - before[1])
            before = realised, scores
            matrix = self.latent[group.name].copy()
            matrix[:, rows, columns] = matrix[:, columns, rows] = np.clip(scores + gap / slope, -0.98, 0.98)
            self.latent[group.name] = nearest_correlation(matrix)
            self.forget(self.affected(frozenset(group.members)) | set(group.members))
        return True

    def realised(self, group: Dependence) -> Floats:
        """Return the cohort's correlations, shape (levels, correlations)."""
        return realised_correlations(group, self.sampled([*group.members, *(group.among.reads if group.among else ())]))

    # --- parameters -----------------------------------------------------------------------------------------------

    def solve(self, calibration: Calibration) -> bool:
        """Take Gauss-Newton steps until every target is close; return whether any parameter moved."""
        targets = [self.model.targets[name] for name in calibration.to]
        judge = self.judge(calibration, targets)
        current = np.array([self.parameters[name] for name in calibration.free])
        bounds = np.array([self.model.parameters[name].bounds for name in calibration.free]).T
        residual = judge(current)
        if np.abs(residual).max(initial=0.0) < _MET:
            return False
        damping, moved = 1e-3, False
        for _ in range(_STEPS):
            if np.abs(residual).max(initial=0.0) < _CLOSE:
                break
            better = self.better(judge, current, residual, bounds, damping)
            if better is None:
                break
            current, residual, damping = better
            moved = True
        if moved:
            self.parameters.update(zip(calibration.free, current.tolist(), strict=True))
            self.forget(self.affected(frozenset(calibration.free)))
        return moved

    def better(
        self, judge: Callable[[Floats], Floats], current: Floats, residual: Floats, bounds: Floats, damping: float
    ) -> tuple[Floats, Floats, float] | None:
        """Return parameters with smaller residuals, those residuals and the next damping; None where no step helps.

        Source: Marquardt, J SIAM 1963;11:431, doi:10.1137/0111030.
        """
        slope = self.slope(judge, current, residual, bounds)
        curvature = slope.T @ slope
        for _ in range(4):
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature) + 1e-9), -slope.T @ residual)
            candidate = snap(np.clip(current + step, *bounds), PARAMETER_STEP)
            found = judge(candidate)
            if found @ found < residual @ residual * (1 - 1e-4):
                return candidate, found, max(damping / 5, 1e-6)
            damping *= 8
        return None

    @staticmethod
    def slope(judge: Callable[[Floats], Floats], current: Floats, residual: Floats, bounds: Floats) -> Floats:
        """Return the derivative of the residuals by each parameter, over steps wide enough to rise above chance."""
        columns = []
        for place in range(len(current)):
            width = 0.02 * (bounds[1, place] - bounds[0, place])
            if current[place] + width > bounds[1, place]:
                width = -width
            moved = current.copy()
            moved[place] += width
            columns.append((judge(moved) - residual) / width)
        return np.array(columns).T

    def judge(self, calibration: Calibration, targets: list[Target]) -> Callable[[Floats], Floats]:
        """Return a function from parameters to residuals, in half-widths of the targets' intervals."""
        wanted = sorted(frozenset[str]().union(*(target.reads for target in targets)))
        columns_now = self.sampled(wanted)
        moving = self.affected(frozenset(calibration.free))
        needed = [name for name in self.program().needed_for(wanted) if name in moving]
        still = {name: column for name, column in self.columns.items() if self.base(name) not in moving}
        start = np.array([self.parameters[name] for name in calibration.free])

        def residuals(values: Floats) -> Floats:
            columns = columns_now
            if not np.array_equal(values, start):
                free = dict(zip(calibration.free, values.tolist(), strict=True))
                columns = self.program({**self.parameters, **free}).sample(needed, self.draws, still)
            return np.array([gap for target in targets for gap in gaps(target, columns)])

        return residuals

    def affected(self, changed: frozenset[str]) -> set[str]:
        """Return the variables that change when parameters or variables do, those themselves left out."""
        moving: set[str] = set()
        program = self.program()
        for name in program.order:
            if (self.reads(name) | program.parents[name]) & (changed | moving):
                moving.add(name)
        return moving

    def reads(self, name: str) -> frozenset[str]:
        """Return what a variable, or the pathway, reads: parameters too."""
        if name == PATHWAY:
            assert self.model.pathway is not None
            return self.model.pathway.reads
        return self.model.variables[name].reads

    def sampled(self, names: list[str]) -> dict[str, Any]:
        """Return columns under the parameters so far; what was computed once is kept until it changes."""
        program = self.program()
        columns = program.sample(program.needed_for(names), self.draws, self.columns)
        self.columns = {name: column for name, column in columns.items() if name not in program.parameters}
        return columns

    def forget(self, names: set[str]) -> None:
        """Drop columns that are no longer what the parameters say."""
        self.columns = {name: column for name, column in self.columns.items() if self.base(name) not in names}

    @staticmethod
    def base(column: str) -> str:
        """Return what a column belongs to: a variable, to which its innovation and tables do too, or the pathway."""
        return PATHWAY if is_question(column) else column.partition(".")[0].removesuffix("~")

    # --- outcome --------------------------------------------------------------------------------------------------

    def misses(self) -> list[Miss]:
        """Return the values of calibrated targets that lie outside their intervals."""
        names = sorted({name for calibration in self.model.calibrations for name in calibration.to})
        targets = [self.model.targets[name] for name in names]
        columns = self.sampled(sorted(frozenset[str]().union(*(target.reads for target in targets))))
        found = []
        for target in targets:
            for label, published, reached in zip(target.labels, target.values, estimate(target, columns), strict=True):
                if published is None:
                    continue
                # Four standard errors of the judging sample: what chance alone could do.
                allowed = 4 * reached.se
                if not published.low - allowed <= reached.value <= published.high + allowed:
                    found.append(Miss(target.name, label, published, reached.value))
        return found

    def outcome(self) -> Calibrated:
        moved = {
            name: (self.model.parameters[name].value, value)
            for name, value in self.parameters.items()
            if value != self.model.parameters[name].value
        }
        return Calibrated(self.program(), moved, repairs(self.model))


def _secant(slope: Floats, rise: Floats, run: Floats) -> Floats:
    """Return by how much a cohort's correlation follows that of the normal scores, where the last step tells it."""
    told = np.abs(run) > 10 * LATENT_STEP
    return np.where(told, np.clip(np.divide(rise, run, out=np.ones_like(run), where=told), 0.3, 1.5), slope)


def repairs(model: ClinicalModel) -> dict[str, float]:
    """Return by how much the correlations asked of each group had to change at most to be consistent."""
    return {
        group.name: float(np.abs(nearest_correlation(group.asked()) - group.asked()).max())
        for group in model.dependences
    }


def realised_correlations(group: Dependence, columns: Columns, weights: Floats | None = None) -> Floats:
    """Return the correlations of a cohort for the pairs that a group asks for, shape (levels, correlations)."""
    size = np.shape(columns[group.members[0]])
    inside = np.asarray(group.among.compute(columns)) if group.among else np.ones(size, np.bool_)
    weights = np.ones(size) if weights is None else weights
    # What is reported as 0 has no logarithm, and is left out.
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = {
            name: np.log(columns[name]) if name in group.logarithmic else np.asarray(columns[name])
            for name in group.members
        }
    rows = []
    for level in range(len(group.levels)):
        mine = inside & (np.asarray(columns[group.by]) == level) if group.by else inside
        theirs = {name: column[mine] for name, column in scaled.items()}
        rows.append([_correlated(theirs, pair.pair, weights[mine]) for pair in group.correlations])
    return np.array(rows)


def gaps(target: Target, columns: Columns) -> list[float]:
    """Return how far a cohort lies from each value of a target, in half-widths of its interval."""
    found = []
    for published, reached in zip(target.values, estimate(target, columns), strict=True):
        if published is not None:
            half = max(0.5 * (published.high - published.low), 1e-9)
            found.append(0.0 if np.isnan(reached.value) else (reached.value - published.value) / half)
    return found


def _correlated(scaled: Mapping[str, Any], pair: tuple[str, str], weights: Floats) -> float:
    one, other = (scaled[name] for name in pair)
    both = np.isfinite(one) & np.isfinite(other)
    if not both.all():
        one, other, weights = one[both], other[both], weights[both]
    return correlation(one, other, weights) if one.size > 2 else float("nan")


def _explained(misses: list[Miss], solver: _Solver) -> str:
    stuck = [
        f"{name} (at {value:g})"
        for name, value in solver.parameters.items()
        if (bounds := solver.model.parameters[name].bounds) and value in bounds
    ]
    lines = [f"  {miss}" for miss in misses]
    why = (
        f"At a bound: {', '.join(stuck)}. Widen it, or question the target."
        if stuck
        else "No parameter is at a bound: the targets contradict each other, or too few parameters are free."
    )
    return "\n".join([f"{len(misses)} value(s) can't be reached by the free parameters:", *lines, why])
