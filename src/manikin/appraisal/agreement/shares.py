"""The shares of a table's cells as four sides have them: the clinical model, whoever told, the fit, and the cohort."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from manikin.appraisal.check import MOST_PATIENTS, Subject
from manikin.codebook import Bins, Codes, Domain
from manikin.cohort import Cohort
from manikin.generators.agreement import Agreement, told
from manikin.generators.graphical import Fit, Measured, Places, possible
from manikin.generators.graphical.marginals import cells_of
from manikin.streams import Floats

SURE = 1.959964
# How likely it is that chance alone fails a cohort that was made as the fit asks, all its shares together.
FALSE_ALARM = 0.001


@dataclass(frozen=True)
class Shares:
    """A table, flat over its cells.

    ``told`` is as the fit sees it: patients without a value that all have in the model are shared out, and their cells are
    NaN, as are suppressed ones; ``raw`` is as it was told. ``noise`` is the variance of what was added to each of its shares, and
    ``patients`` of how many they are. ``followed`` is how much of the departure from the model the fit follows.
    ``cohort`` is None where it can't be counted, and ``size`` of how many patients it is.
    """

    axes: tuple[Bins, ...]
    model: Floats
    told: Floats
    raw: Floats
    noise: float
    patients: float
    followed: float
    fit: Floats
    cohort: Floats | None
    size: float

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def error(self) -> Floats:
        """The standard error with which each told share tells the population's: noise, and the chance of a sample."""
        # As if the fit were true: a share that noise brought below 0 has a chance of its own.
        return np.sqrt(_variance(self.fit) / self.patients + self.noise)

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """The 95% interval of each told share."""
        return np.maximum(self.told - SURE * self.error, 0.0), np.minimum(self.told + SURE * self.error, 1.0)

    @property
    def among_possible(self) -> Floats:
        """What was told, with nobody in cells where the model has nobody; NaN where suppressed."""
        return np.asarray(np.where((self.model <= 0) & np.isfinite(self.raw), 0.0, self.told))

    @property
    def outside(self) -> float:
        """The share of the site's patients who are in cells where the model has nobody."""
        return max(float(np.nansum(self.raw[self.model <= 0])), 0.0)

    @property
    def moved(self) -> float:
        """The share of patients that the fit moved to other cells: the total variation from the model."""
        return float(np.abs(self.fit - self.model).sum() / 2)

    @property
    def away(self) -> float:
        """How far what was told lies from the model: the root of the mean square, in standard errors."""
        known = np.isfinite(self.told)
        apart = (self.told - self.model)[known] / np.sqrt(_variance(self.model)[known] / self.patients + self.noise)
        return float(np.sqrt(np.mean(apart[np.isfinite(apart)] ** 2))) if known.any() else 0.0

    def allowed(self, cells: int, sample: float, cut_off: float) -> Floats:
        """Return how far each share of the cohort may lie from the fit by chance.

        Args:
            cells: How many shares are judged together.
            sample: How many patients the fit's shares were counted in.
            cut_off: How much of the fit's distribution is lost where weights are cut off.

        Source: Bernstein's inequality, which holds for any share and size; see Boucheron, Lugosi and Massart,
        Concentration Inequalities, 2013, section 2.8.
        """
        doubt = np.log(2 * cells / FALSE_ALARM)
        chance = np.sqrt(2 * doubt * _variance(self.fit) * (1 / self.size + 1 / sample))
        return np.asarray(cut_off + chance + 2 * doubt / (3 * self.size))


@dataclass(frozen=True)
class Counted:
    """The bins of a cohort's patients in those variables that can be counted, and the patients' weights."""

    names: tuple[str, ...]
    codes: Codes
    weights: Floats

    @property
    def size(self) -> float:
        """How many equal patients tell as much."""
        return float(self.weights.sum() ** 2 / max((self.weights**2).sum(), 1e-300))

    def over(self, axes: Sequence[Bins]) -> Floats | None:
        """Return the share of patients in each cell; None where a variable can't be counted."""
        if not {axis.name for axis in axes} <= set(self.names) or not self.weights.size:
            return None
        shape, own = tuple(axis.count for axis in axes), [self.names.index(axis.name) for axis in axes]
        cells = cells_of(self.codes[:, own], shape, tuple(range(len(axes))))
        return np.asarray(np.bincount(cells, self.weights, int(np.prod(shape))) / self.weights.sum(), np.float64)


def tables_of(agreement: Agreement, counted: Counted) -> list[Shares]:
    """Return every table that the fit was drawn to, those of one variable first."""
    _, measured = told(agreement.program.model, agreement.aggregates)
    before = Fit(agreement.fit.prior, {}, {})
    tables = sorted(measured, key=lambda one: len(one.places))
    return [_shares(agreement, one, before.expected.over(one.places), counted) for one in tables]


def counted_in(subject: Subject, domain: Domain) -> Counted:
    """Return the bins of a cohort's patients; of those who fall into one of each variable.

    What helpers would say is not kept, and whose value is not on record by design can't be told from whose was lost on
    purpose: such variables are left out.
    """
    layout, cohort = subject.cohort.layout, subject.cohort
    known = [
        axis
        for axis in domain.axes
        if axis.name in layout.names and not (axis.missing and layout.field(axis.name).defects)
    ]
    columns = cohort.columns((axis.name for axis in known), MOST_PATIENTS)
    masked = [axis.name for axis in known if axis.missing and layout.field(axis.name).masked]
    absent = _absent(cohort, masked)
    codes, inside = [], np.ones(min(cohort.patients, MOST_PATIENTS), np.bool_)
    for axis in known:
        values = np.asarray(columns[axis.name], np.float64)
        gone = ~(values >= 0) if axis.levels else np.isnan(values)
        gone |= absent.get(axis.name, False)
        if not axis.missing:
            inside &= ~gone
        codes.append(axis.codes(np.where(gone, np.nan if axis.missing else 0.0, values)))
    weights = subject.weights()
    together = np.column_stack(codes) if codes else np.empty((len(inside), 0), np.int16)
    everyone = np.ones(len(inside)) if weights is None else weights
    return Counted(tuple(axis.name for axis in known), together[inside], everyone[inside])


def _absent(cohort: Cohort, names: Iterable[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return whose value of a variable is not on record."""
    names = [name for name in names if cohort.layout.field(name).data]
    gathered: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in names}
    for part in range(len(cohort.parts["analysis"])) if names else ():
        piece = cohort.piece("analysis", part, names)
        for name in names:
            gathered[name].append(piece.column(name).is_null().to_numpy())
    return {name: np.concatenate(pieces)[:MOST_PATIENTS] for name, pieces in gathered.items()}


def _shares(agreement: Agreement, one: Measured, model: Floats, counted: Counted) -> Shares:
    axes = tuple(agreement.domain.axes[place] for place in one.places)
    fit = agreement.fit.expected.over(one.places)
    seen, followed = possible(one, axes, model), _followed(agreement.fit, one.places)
    return Shares(
        axes, model, seen.share, one.share, seen.noise, seen.patients, followed, fit, counted.over(axes), counted.size
    )


def _followed(fit: Fit, places: Places) -> float:
    """Return how much of a table's departure is followed, its contrasts counted by the square of their departure."""
    pull = fit.pulls[places]
    square = pull.departure.seen**2
    return float((pull.followed * square).sum() / square.sum()) if square.any() else 1.0


def _variance(shares: Floats) -> Floats:
    within = np.clip(shares, 0.0, 1.0)
    return np.asarray(within * (1 - within))
