"""Where aggregates contradict the clinical model, in words a clinician would use, the clearest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manikin.appraisal.agreement.associations import Association
from manikin.appraisal.agreement.shares import Shares
from manikin.codebook import YES_NO, Bins, Variable, in_sentence, unit_label
from manikin.streams import Floats

Cells = npt.NDArray[np.bool_]

# Two-sided 99.9%: what chance and noise explain is no contradiction.
CLEAR = 3.29
# A share that moved by less says nothing to anybody, however clear it is; so does a correlation.
_LEAST, _LEAST_TOGETHER = 0.01, 0.03


@dataclass(frozen=True)
class Contradiction:
    """A share or a correlation that is another at the site than in the model, by how many standard errors.

    ``reached`` says whether a bend can follow it: where the model has nobody, none can.
    """

    variables: tuple[str, ...]
    words: str
    model: float
    told: float
    away: float
    reached: bool = True


def contradictions(
    tables: Iterable[Shares], together: Sequence[Association], meanings: Mapping[str, Variable], where: str
) -> list[Contradiction]:
    """Return what contradicts the model beyond chance and noise: of each variable the clearest, and of each two.

    Args:
        tables: The tables; those of one variable tell how often a thing is.
        together: How each two variables hang together.
        meanings: What the variables mean.
        where: Who told: ``the site`` or ``the sites``.
    """
    found = [
        one
        for table in tables
        if len(table.axes) == 1 and np.isfinite(table.raw).all()
        for one in _of_one(table, meanings[table.names[0]], where)
    ]
    found += [_of_two(one, meanings, where) for one in together if one.told is not None]
    return sorted((one for one in found if _matters(one)), key=lambda one: -abs(one.away))


def out_of_reach(tables: Iterable[Shares], meanings: Mapping[str, Variable], where: str) -> Iterator[str]:
    """Yield the shares of single variables from which the fit stays away, beyond chance and noise, in words."""
    for table in tables:
        if len(table.axes) > 1:
            continue
        apart = np.nan_to_num(table.told - table.fit)
        for code in np.flatnonzero((np.abs(apart) > CLEAR * table.error) & (np.abs(apart) >= _LEAST)):
            told, fit = float(table.told[code]), float(table.fit[code])
            yield (
                f"{meanings[table.names[0]].title}, {label_of(table.axes[0], int(code))}: {_percent(told, fit)} at {where}; "
                f"the fit has {_percent(fit, told)}, since other tables or the model pull elsewhere"
            )


def name_of(names: Sequence[str], levels: Sequence[str], meanings: Mapping[str, Variable]) -> str:
    """Return what hangs together, in words."""
    first, *others = (
        meanings[name].title + (f" ({level.replace('_', ' ')})" if level else "")
        for name, level in zip(names, levels, strict=True)
    )
    return " and ".join([first, *map(in_sentence, others)])


def label_of(axis: Bins, code: int, unit: str = "") -> str:
    """Return a bin in words."""
    if axis.missing and code == axis.count - 1:
        return "not on record"
    if axis.levels:
        return axis.levels[code].replace("_", " ")
    if not axis.cuts:
        return "any"
    if code == len(axis.cuts):
        return f"{with_unit(axis.cuts[-1], unit)} or more"
    upper = with_unit(axis.cuts[code], unit)
    return f"below {upper}" if code == 0 else f"{axis.cuts[code - 1]:g} to <{upper}"


def with_unit(value: float, unit: str) -> str:
    """Return a number with its UCUM unit as a person writes it."""
    return f"{value:g} {unit_label(unit)}".strip().replace(" %", "%")


def _matters(one: Contradiction) -> bool:
    least = _LEAST if len(one.variables) == 1 else _LEAST_TOGETHER
    return abs(one.away) >= CLEAR and abs(one.told - one.model) >= least


def _of_one(table: Shares, meaning: Variable, where: str) -> Iterator[Contradiction]:
    """Yield the clearest contradiction about a variable's values, and that about who has none."""
    axis = table.axes[0]
    bins = axis.count - axis.missing
    recorded = np.arange(axis.count) < bins
    about = [recorded & (np.arange(axis.count) >= code) for code in range(1, bins)]
    if axis.levels:
        about = [np.arange(axis.count) == code for code in ([1] if bins == 2 else range(bins))]
    told = np.nan_to_num(table.told)
    values = [(which, *_against(table, told, which, recorded)) for which in about]
    if values:
        which, model, said, away = max(values, key=lambda one: abs(one[3]))
        words = _valued(axis, int(np.flatnonzero(which)[0]), meaning, model, said, where)
        yield Contradiction(table.names, words, model, said, away)
    if axis.missing:
        model, said, away = _against(table, table.raw, ~recorded, np.ones(axis.count, np.bool_))
        reached = model > 0
        there = f"the model says {_percent(model, said)}" if reached else "in the model everybody has one"
        words = f"{meaning.title} is not on record in {_percent(said, model)} of the patients at {where}; {there}"
        yield Contradiction(table.names, words, model, said, away, reached)


def _against(table: Shares, told: Floats, which: Cells, among: Cells) -> tuple[float, float, float]:
    """Return the share of some bins among others in the model and as told, and how far they lie apart."""
    within = max(float(told[among].sum()), 1e-9)
    model = float(table.model[which].sum()) / max(float(table.model[among].sum()), 1e-9)
    said = float(told[which].sum()) / within
    chance = max(model * (1 - model), said * (1 - said), 0.0) / (table.patients * within)
    influence = np.where(among, which - said, 0.0) / within
    error = np.sqrt(chance + table.noise * float((influence**2).sum()))
    return model, said, (said - model) / float(error) if error > 0 else 0.0


def _valued(axis: Bins, code: int, meaning: Variable, model: float, told: float, where: str) -> str:
    here, there = _percent(told, model), _percent(model, told)
    if axis.levels:
        of = "" if axis.levels == YES_NO else f", {axis.levels[code].replace('_', ' ')}"
        return f"{meaning.title}{of}: {here} at {where}; the model says {there}"
    direction = "higher" if told > model else "lower"
    least = with_unit(axis.cuts[code - 1], axis.unit)
    return f"{meaning.title} is {direction} at {where}: {here} have {least} or more; the model says {there}"


def _of_two(one: Association, meanings: Mapping[str, Variable], where: str) -> Contradiction:
    told = float(one.told or 0.0)
    how = "the other way" if told * one.model < 0 else "more closely" if abs(told) > abs(one.model) else "less closely"
    words = (
        f"{name_of(one.names, one.levels, meanings)} hang together {how} at {where}: correlation {_signed(told)}; "
        f"the model says {_signed(one.model)}"
    )
    return Contradiction(one.names, words, one.model, told, one.away)


def _percent(share: float, beside: float) -> str:
    """Return a share in per cent, with a decimal where it would look like the other without."""
    places = 1 if round(100 * share) == round(100 * beside) or max(share, beside) < 0.0995 else 0
    return f"{100 * max(share, 0.0):.{places}f}%"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
