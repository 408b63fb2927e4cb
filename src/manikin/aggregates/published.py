"""Published tables become aggregates: a CSV file whose first lines say where it comes from and whom it counts.

A published share is as sure as its interval, or else as its number of patients lets it be, and no surer than it was
rounded. The table is told as the number of patients with as much information (Kish's effective number), so that
sampling error follows from the counts as it does everywhere; what was lost by rounding is its noise.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from scipy import special

from manikin.aggregates.aggregate import Aggregate
from manikin.aggregates.aggregates import Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.aggregates.bands import Band, covers, place_of
from manikin.aggregates.differences import disagreements
from manikin.aggregates.table_file import read_table
from manikin.codebook import Bins, Variable, bins_of
from manikin.codebook import Kind as Scale
from manikin.errors import AggregatesError, RequestError, closest
from manikin.streams import Floats

_SETTINGS = ("source", "population", "patients", "interval", "share of", "date", "site")
_NUMBERS = ("count", "share", "low", "high", "se", "patients")
_NUMBER = re.compile(r"(\d+(?:\.(\d*))?)\s*(%?)")
_UNTOLD = ("", "*", "-", "–", "…", "...", "suppressed", "not told")
# A stated interval may be narrower than a simple sample's (stratified surveys), but hardly by more than this.
_NARROWEST = 2.0


def published(
    paths: Sequence[Path], variables: Iterable[Variable], codebook: CodebookName, *, site: str = ""
) -> Aggregates:
    """Return published tables as aggregates.

    Args:
        paths: CSV files; see docs/aggregates.md for their header and columns.
        variables: The codebook, whose bins and levels the tables are told in.
        codebook: Its name and version.
        site: What the tables are called; by default the name of the first file.

    Raises:
        AggregatesError: A table can't be read, contradicts itself, or contradicts another one.
    """
    known = {one.name: one for one in variables}
    tables = [_Reader(path, known).read() for path in paths]
    if not tables:
        raise AggregatesError("There is no table. Name the CSV files.")
    _check_agreement([one.aggregate for one in tables], [one.path for one in tables])
    largest = max(tables, key=lambda one: one.patients)
    return Aggregates(
        site=site or tables[0].site or Path(tables[0].path).stem,
        source="; ".join(dict.fromkeys(one.source for one in tables)),
        codebook=codebook,
        population="; ".join(dict.fromkeys(one.population for one in tables)),
        protection=Protection(Kind.PUBLISHED),
        tier=Tier.OPEN,
        patients=Patients(largest.patients, Told.PUBLIC),
        aggregates=tuple(_aligned([one.aggregate for one in tables])),
        made=max(one.made for one in tables),
    )


@dataclass(frozen=True)
class _Table:
    path: str
    aggregate: Aggregate
    source: str
    population: str
    site: str
    made: date
    patients: float


@dataclass
class _Cells:
    """Shares or counts of the cells with their standard errors, NaN where not told, and the step they were rounded to.

    ``bands`` are the rows that fell into each cell, which are several where they are narrower than a bin.
    """

    axes: tuple[Bins, ...]
    values: Floats
    errors: Floats
    step: float = 0.0
    bands: dict[tuple[int, ...], dict[tuple[Band, ...], int]] = field(default_factory=dict)

    def add(self, place: tuple[int, ...], value: float, error: float) -> None:
        """Add a row to its cell: what is not told leaves the cell untold."""
        first = len(self.bands[place[: len(self.axes)]]) == 1
        self.values[place] = value if first else self.values[place] + value
        self.errors[place] = error if first else math.hypot(self.errors[place], error)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(len(bands) for bands in self.bands.values())

    @property
    def most(self) -> int:
        """How many rows fell into one cell at most."""
        return max(len(bands) for bands in self.bands.values())


class _Reader:
    def __init__(self, path: Path, known: Mapping[str, Variable]) -> None:
        self.path = str(path)
        self.known = known
        file = read_table(path, _SETTINGS)
        self.settings, self.columns, self.rows = file.settings, file.columns, file.rows

    def read(self) -> _Table:
        """Return the table."""
        for setting in ("source", "population"):
            if not self.settings.get(setting):
                raise self._wrong(f"The header names no {setting}. Begin with a line such as  # {setting}: …")
        measure = self._measure()
        axes = self._axes()
        cells = self._cells(axes, measure)
        stated = self._patients(cells, measure)
        if measure == "share":
            aggregate, patients = self._of_shares(axes, cells, stated)
        else:
            aggregate, patients = self._of_counts(axes, cells, stated)
        return _Table(
            self.path,
            aggregate,
            self.settings["source"],
            self.settings["population"],
            self.settings.get("site", ""),
            self._date(),
            patients,
        )

    # --- what stands in the file --------------------------------------------------------------------------------------

    def _measure(self) -> str:
        found = [name for name in ("count", "share") if name in self.columns]
        if len(found) != 1:
            raise self._wrong(
                "There is one column 'count' or 'share'. Rates and risks are no parts of a whole; a share of patients "
                "among others takes the header  # share of: VARIABLE=LEVEL  and a column 'patients'."
            )
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise self._wrong(f"The column '{column}' stands twice.")
            if column not in self.known and column not in _NUMBERS:
                raise self._wrong(f"'{column}' is no variable of the codebook. {closest(column, self.known)}")
        if ("low" in self.columns) != ("high" in self.columns) or {"low", "se"} <= set(self.columns):
            raise self._wrong("How sure a value is stands in 'low' and 'high', or in 'se'.")
        if ("patients" in self.columns) != ("share of" in self.settings):
            raise self._wrong("The header '# share of: VARIABLE=LEVEL' and a column 'patients' belong together.")
        if "share of" in self.settings and found[0] == "count":
            raise self._wrong("'# share of' stands above a column 'share'.")
        return found[0]

    def _axes(self) -> tuple[Bins, ...]:
        names = [column for column in self.columns if column in self.known]
        of = self.settings.get("share of", "").partition("=")[0].strip()
        if of and of not in self.known:
            raise self._wrong(f"'{of}' is no variable of the codebook. {closest(of, self.known)}")
        if not (names or of) or of in names:
            raise self._wrong("There is no column of a variable." if not names else f"'{of}' is a column already.")
        words = {name: {row[self.columns.index(name)].casefold() for _, row in self.rows} for name in names}
        try:
            axes = [bins_of(self.known[name], missing="missing" in words[name]) for name in names]
            return (*axes, *((bins_of(self.known[of], missing=False),) if of else ()))
        except RequestError as error:
            raise self._wrong(str(error)) from error

    def _cells(self, axes: tuple[Bins, ...], measure: str) -> _Cells:
        shape = tuple(axis.count for axis in axes)
        conditional = "share of" in self.settings
        cells = _Cells(axes[:-1] if conditional else axes, np.full(shape, np.nan), np.full(shape, np.nan))
        for number, row in self.rows:
            cell = dict(zip(self.columns, row, strict=True))
            place = self._place(cell, number, cells)
            untold = cell[measure].casefold() in _UNTOLD
            value, step = (math.nan, 0.0) if untold else self._number(cell[measure], measure, number)
            error = math.nan if untold else self._error(cell, value, measure, number)
            if conditional:
                self._conditional(cells, axes[-1], place, (value, step, error), cell, number)
            else:
                cells.step = max(cells.step, step)
                cells.add(place, value, error)
        self._check_bands(cells)
        return cells

    def _place(self, cell: Mapping[str, str], number: int, cells: _Cells) -> tuple[int, ...]:
        bands = []
        for axis in cells.axes:
            band = place_of(axis, cell[axis.name], self._step(axis))
            if band is None:
                raise self._wrong(
                    f"'{cell[axis.name]}' is in no single bin of '{axis.name}'. Possible: {', '.join(axis.labels)}, "
                    "or narrower bands.",
                    number,
                )
            bands.append(band)
        place = tuple(band.place for band in bands)
        same = cells.bands.setdefault(place, {})
        for earlier, line in same.items():
            if all(one.overlaps(other) for one, other in zip(bands, earlier, strict=True)):
                raise self._wrong(f"This cell overlaps that of line {line}.", number)
        same[tuple(bands)] = number
        return place

    def _step(self, axis: Bins) -> float:
        return axis.step or float(self.known[axis.name].kind is Scale.COUNT)

    def _check_bands(self, cells: _Cells) -> None:
        """Make sure that narrower bands make up whole bins, in every cell the same ones."""
        found: list[dict[int, set[Band]]] = [{} for _ in cells.axes]
        for place, rows in cells.bands.items():
            for number, bins in enumerate(place):
                found[number].setdefault(bins, set()).update(bands[number] for bands in rows)
        for axis, by_place in zip(cells.axes, found, strict=True):
            for bins, bands in by_place.items():
                if not covers(axis, bins, bands):
                    raise self._wrong(f"The bands of '{axis.name}' within {axis.labels[bins]} leave a gap or overlap.")
        for place, rows in cells.bands.items():
            if len(rows) != math.prod(len(found[number][bins]) for number, bins in enumerate(place)):
                raise self._wrong("A row beside this one is missing: others have narrower bands.", min(rows.values()))

    def _number(self, text: str, column: str, number: int) -> tuple[float, float]:
        """Return a number and the step to which it was rounded."""
        found = _NUMBER.fullmatch(text.replace(",", "") if column in ("count", "patients") else text)
        if found is None:
            raise self._wrong(f"'{column}' is a number of 0 or more, such as 120, 0.12 or 12%.", number)
        unit = 0.01 if found.group(3) else 1.0
        value, step = float(found.group(1)) * unit, 10.0 ** -len(found.group(2) or "") * unit
        if column in ("count", "patients"):
            if found.group(3) or not value.is_integer():
                raise self._wrong(f"'{column}' is a whole number of patients.", number)
        elif value > 1 and "share" in self.columns:
            raise self._wrong(f"'{column}' lies between 0 and 1. Write per cents with their sign, such as 12%.", number)
        return value, step

    def _error(self, cell: Mapping[str, str], value: float, measure: str, number: int) -> float:
        if "se" in cell:
            return self._number(cell["se"], "se", number)[0]
        if "low" not in cell:
            return math.nan
        low, high = (self._number(cell[end], end, number)[0] for end in ("low", "high"))
        if not low <= value <= high:
            raise self._wrong(f"The {measure} does not lie between 'low' and 'high'.", number)
        return (high - low) / (2 * self._quantile())

    def _conditional(
        self,
        cells: _Cells,
        of: Bins,
        place: tuple[int, ...],
        told: tuple[float, float, float],
        cell: Mapping[str, str],
        number: int,
    ) -> None:
        value, step, error = told
        level = self.settings["share of"].partition("=")[2].strip()
        found = place_of(of, level, 0.0)
        if found is None:
            raise self._wrong(f"'{level}' is no level of '{of.name}'. {closest(level, of.labels)}")
        if of.count != 2:
            raise self._wrong(
                f"'{of.name}' has {of.count} levels, of which one share is only a part. Give it a column, with a row for each."
            )
        patients = self._number(cell["patients"], "patients", number)[0]
        cells.step = max(cells.step, step * patients)
        cells.add((*place, found.place), value * patients, error * patients)
        cells.add((*place, 1 - found.place), (1 - value) * patients, error * patients)

    def _patients(self, cells: _Cells, measure: str) -> float | None:
        text = self.settings.get("patients")
        total = float(np.nansum(cells.values))
        if text is None:
            return None
        stated = self._number(text, "patients", 0)[0]
        if stated <= 0:
            raise self._wrong("There are no patients: '# patients: 0'.")
        whole = not np.isnan(cells.values).any()
        counted = measure == "count" or "share of" in self.settings
        slack = cells.step * cells.rows if "share of" in self.settings else 0.5
        if counted and (total > stated + slack or (whole and total < stated - slack)):
            raise self._wrong(f"The cells hold {total:,.0f} patients, and the header says {stated:,.0f}.")
        return stated

    def _quantile(self) -> float:
        text = self.settings.get("interval")
        level = self._number(text, "interval", 0)[0] if text else 0.0
        if not 0.5 <= level < 1:
            raise self._wrong("'low' and 'high' need a line of the header that says what they are:  # interval: 95%")
        return float(special.ndtri(0.5 + level / 2))

    def _date(self) -> date:
        try:
            return date.fromisoformat(self.settings["date"])
        except KeyError:
            raise self._wrong("The header names no date. Write, for example:  # date: 2016-01-31") from None
        except ValueError:
            raise self._wrong("'date' is a date such as 2016-01-31.") from None

    # --- what it says -------------------------------------------------------------------------------------------------

    def _of_shares(self, axes: tuple[Bins, ...], cells: _Cells, stated: float | None) -> tuple[Aggregate, float]:
        conditional = "share of" in self.settings
        total = float(np.nansum(cells.values))
        if total <= 0:
            raise self._wrong("Every cell is 0: the table tells nothing.")
        patients = total if conditional else stated
        shares = cells.values / total if conditional else cells.values
        step = cells.step / total if conditional else cells.step
        errors = cells.errors / total if conditional else cells.errors
        whole = not np.isnan(shares).any()
        slack = step * cells.rows / 2 + 1e-9
        if not conditional and (total > 1 + slack or (whole and total < 1 - slack)):
            raise self._wrong(
                f"The shares sum to {total:.2%}; rounding explains {slack:.2%}. Shares of a table are parts of one whole: "
                "for a share within each row's group, see '# share of'."
            )
        effective = self._effective(shares, errors, patients)
        if effective is None:
            raise self._wrong("Nothing says how sure the shares are. Give '# patients', or 'low' and 'high', or 'se'.")
        # An error of rounding is spread evenly over a step.
        noise = step / math.sqrt(12) * math.sqrt(cells.most) * effective
        how = "published shares" if np.isnan(errors).all() else "published shares with intervals"
        return Aggregate(axes, shares * effective, noise, how, patients=effective), patients or effective

    def _of_counts(self, axes: tuple[Bins, ...], cells: _Cells, stated: float | None) -> tuple[Aggregate, float]:
        total = float(np.nansum(cells.values))
        if total <= 0:
            raise self._wrong("Every cell is 0: the table tells nothing.")
        patients = stated or total
        effective = self._effective(cells.values / patients, cells.errors / patients, patients) or patients
        how = "published counts" if np.isnan(cells.errors).all() else "published counts with intervals"
        values = cells.values * effective / patients
        return Aggregate(axes, values, 0.0, how, patients=effective), patients

    def _effective(self, shares: Floats, errors: Floats, patients: float | None) -> float | None:
        """Return the number of patients in a simple sample that would be as sure."""
        told = np.isfinite(errors) & np.isfinite(shares)
        if not told.any() or float((errors[told] ** 2).sum()) == 0:
            return patients
        simple = shares[told] * (1 - shares[told])
        if "share of" in self.settings:
            # Within each row's group; how the groups are spread over the population is not what the interval is about.
            group = np.broadcast_to(np.nansum(shares, axis=-1, keepdims=True), shares.shape)[told]
            simple = shares[told] * (1 - shares[told] / group)
        found = float(simple.sum() / (errors[told] ** 2).sum())
        if patients is not None and found > _NARROWEST * patients:
            raise self._wrong(
                f"The intervals are those of about {found:,.0f} patients, and the table is about {patients:,.0f}. Check "
                "'# patients' and '# interval'."
            )
        return found

    def _wrong(self, what: str, line: int = 0) -> AggregatesError:
        return AggregatesError(what, self.path, f"line {line}" if line else "")


def _aligned(tables: Sequence[Aggregate]) -> list[Aggregate]:
    """Return tables in which a variable has a bin for missing values everywhere if it has one anywhere."""
    missing = {axis.name for one in tables for axis in one.axes if axis.missing}
    for one in tables:
        for axis in one.axes:
            if axis.name in missing and not axis.missing:
                raise AggregatesError(
                    f"'{axis.name}' is missing for some in one table, and nobody is counted as missing in another. "
                    "Read them one by one, or leave the row 'missing' out of all."
                )
    return list(tables)


def _check_agreement(tables: Sequence[Aggregate], paths: Sequence[str]) -> None:
    for (one, its), (other, path) in itertools.combinations(zip(tables, paths, strict=True), 2):
        for found in disagreements([one, other]):
            raise AggregatesError(
                f"It contradicts {its}: the shares of {', '.join(found.attributes)} differ by more than their uncertainty "
                f"(chi-square {found.q:.0f} with {found.df} degrees of freedom). Are they about the same people? Leave "
                "one out, or state wider intervals.",
                path,
            )
