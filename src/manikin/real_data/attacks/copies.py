"""Are people copied? Rows of the synthetic data that are somebody's, beside what real people have in common by chance.

Rows are compared on the grid to which values are reported. That people resemble each other is no leak: what counts is that
those who were used are copied oftener than those who were not. Distances to the closest record are shown as a smoke test
and prove nothing: a release can keep them large and give everybody away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manikin.appraisal import Finding, Gate, Measure
from manikin.real_data.attacks.rates import Rate, clopper_pearson, ratio_at_least
from manikin.real_data.attacks.scene import Prints, fingerprints
from manikin.real_data.attacks.scores import times
from manikin.real_data.attacks.sides import Rows, Sides, Whose, fewer, sides_of
from manikin.real_data.attacks.spaces import nearest, ranked
from manikin.real_data.attacks.verdicts import DEFAULT, UNASSESSED, Tolerance
from manikin.real_data.examining import Examined, as_drawing

QUESTION = "Are people copied?"
GROUP, SMOKE = "Copies", "Distance to the closest record: a smoke test, no evidence of privacy"
_MOST_ROWS = 5_000
_WHAT = {
    "exact": "Own row is among the synthetic rows",
    "near": "Own row, but for one value, is among the synthetic rows",
}


@dataclass(frozen=True)
class CopiedPeople:
    """Asks whether those who were used are copied oftener than those who were not."""

    whose: Whose | None = None
    tolerance: Tolerance = DEFAULT

    def __call__(self, examined: Examined) -> Finding:
        """Return shares of people copied, exactly and but for one value, and shares of rows that are somebody's."""
        sides = sides_of(examined, self.whose, most=examined.real.size, known=0.0)
        if sides is None:
            return Finding("copies", QUESTION, UNASSESSED, None)
        sides = sides.evened()
        found = copied(sides)
        gates = tuple(self._gate(name, *found[name]) for name in _WHAT)
        measures = (*(self._measure(name, *found[name]) for name in _WHAT), _rows(sides), *_smoke(sides))
        used, control = found["exact"]
        answer = (
            f"Of {used.total:,} people used {used.count:,} stand among the synthetic rows as they are, and of as many who were "
            f"not used {control.count:,}."
        )
        return Finding("copies", QUESTION, answer, all(one.passed for one in gates), measures, as_drawing(*gates))

    def _measure(self, name: str, used: Rate, control: Rate) -> Measure:
        return Measure(
            _WHAT[name],
            used.value,
            used.interval(),
            control.value,
            control.interval(),
            passed=ratio_at_least(used, control, self.tolerance.confidence) <= 1,
            unit="share",
            group=GROUP,
            note=f"of people used; expected: of as many not used ({used.count:,} and {control.count:,} of {used.total:,})",
        )

    def _gate(self, name: str, used: Rate, control: Rate) -> Gate:
        surely = ratio_at_least(used, control, self.tolerance.confidence)
        return Gate(
            f"Copies, {name}",
            "people who were used are not shown to be copied oftener than others",
            f"{used.value:.2%} against {control.value:.2%}; surely {surely:.2f} times as often",
            surely <= 1,
            "Manikin",
            "rows of people were copied: don't release it",
        )


def copied(sides: Sides) -> dict[str, tuple[Rate, Rate]]:
    """Return of how many people, used and not used, a row is there: exactly, and but for one value."""
    synthetic, members, others = fingerprints((sides.synthetic, sides.members.values, sides.others.values), sides.steps)
    both = ((members, sides.members), (others, sides.others))
    exact = tuple(_people(times(part.sum(axis=1), synthetic.sum(axis=1)) > 0, rows) for part, rows in both)
    near = tuple(_people(_but_one(part, synthetic), rows) for part, rows in both)
    return {"exact": (exact[0], exact[1]), "near": (near[0], near[1])}


def _but_one(prints: Prints, among: Prints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows are among others, whichever one variable is left out."""
    found = np.zeros(len(prints), np.bool_)
    whole, all_of = prints.sum(axis=1), among.sum(axis=1)
    for left in range(prints.shape[1] if prints.shape[1] > 1 else 0):
        found |= times(whole - prints[:, left], all_of - among[:, left]) > 0
    return found


def _people(there: np.ndarray[tuple[int], np.dtype[np.bool_]], rows: Rows) -> Rate:
    return Rate(int((np.bincount(rows.of[there], minlength=rows.patients) > 0).sum()), rows.patients)


def _rows(sides: Sides) -> Measure:
    """Return how many synthetic rows are somebody's who was used, beside how many rows of real people are."""
    synthetic, members, others = (
        part.sum(axis=1)
        for part in fingerprints((sides.synthetic, sides.members.values, sides.others.values), sides.steps)
    )
    ours, theirs = (int((times(part, members) > 0).sum()) for part in (synthetic, others))
    return Measure(
        "Synthetic rows that are somebody's",
        ours / len(synthetic),
        clopper_pearson(ours, len(synthetic)),
        theirs / len(others),
        clopper_pearson(theirs, len(others)),
        unit="share",
        group=GROUP,
        note="rows equal to one of somebody used; expected: the same share of the rows of people not used",
    )


def _smoke(sides: Sides) -> tuple[Measure, ...]:
    """Return distances to the closest record, among equally many rows of both."""
    seed = sides.seed
    size = min(_MOST_ROWS, len(sides.members.values), len(sides.others.values))
    synthetic = fewer(sides.synthetic, _MOST_ROWS, seed, "closest synthetic")
    members, others = (
        fewer(rows.values, size, seed, f"closest {name}")
        for rows, name in ((sides.members, "members"), (sides.others, "others"))
    )
    space = ranked(sides.variables, np.concatenate([synthetic, others]))
    here, used, unused = (space.place(rows) for rows in (synthetic, members, others))
    to_used, to_unused = nearest(here, used)[:, 0], nearest(here, unused)[:, 0]
    closer = float(np.mean(to_used < to_unused) + 0.5 * np.mean(to_used == to_unused))
    half = 1.96 * 0.5 / len(here) ** 0.5
    return (
        Measure(
            "Synthetic rows closer to somebody used",
            closer,
            (max(0.0, closer - half), min(1.0, closer + half)),
            0.5,
            unit="share",
            group=SMOKE,
            note="than to any of as many not used; passing is no evidence of privacy",
        ),
        Measure(
            "Median distance to the closest used",
            float(np.median(to_used)),
            None,
            float(np.median(to_unused)),
            group=SMOKE,
            note="in the space of ranks; expected: to the closest not used; passing is no evidence of privacy",
        ),
    )
