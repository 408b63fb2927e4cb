"""The risk of Giomi et al.: what an attack achieves on people who were used, beyond what it achieves on others.

Source: Giomi et al. 2023, A unified framework for quantifying privacy risk in synthetic data, arXiv:2211.10459,
doi:10.56553/popets-2023-0055, section 4; its package Anonymeter computes the same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import norm

from manikin.appraisal import Gate, Measure
from manikin.appraisal.finding import Interval
from manikin.real_data.attacks.rates import CONFIDENCE, Rate, difference
from manikin.real_data.attacks.verdicts import Tolerance


@dataclass(frozen=True)
class Success:
    """A rate of success after Wilson, with the half-width of its interval."""

    value: float
    error: float


@dataclass(frozen=True)
class Contest:
    """How often an attack succeeds: on those who were used, on a control group, and by guessing blindly.

    ``total`` is how often each was tried. Where several attempts find the same person they are not independent;
    ``spread`` is then the standard deviation of the difference between ``used`` and ``control`` that chance makes.
    """

    total: int
    used: int
    control: int
    naive: int
    spread: float = 0.0

    def risk(self, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
        """Return the share of what the control leaves to gain that is gained on those who were used, in [0, 1].

        Its interval is that of the paper, or wider where attempts are not independent.
        """
        used, control = success(self.used, self.total, confidence), success(self.control, self.total, confidence)
        room = 1 - control.value
        value = (used.value - control.value) / room
        error = math.hypot(used.error / room, control.error * (used.value - 1) / room**2)
        error = max(error, float(norm.ppf(0.5 * (1 + confidence))) * self.spread / self.total / room)
        return _inside(value), (_inside(value - error), _inside(value + error))

    @property
    def weak(self) -> bool:
        """Whether the attack is no better than guessing, so that its failure says nothing."""
        return self.naive >= self.used


def success(count: int, total: int, confidence: float) -> Success:
    """Return a rate after Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    z = float(norm.ppf(0.5 * (1 + confidence)))
    half = z / (total + z * z) * math.sqrt(count * (total - count) / total + z * z / 4)
    return Success((count + z * z / 2) / (total + z * z), half)


def measure(name: str, contest: Contest, tolerance: Tolerance, group: str) -> Measure:
    """Return the risk with its interval, beside 0, and what it was computed from."""
    value, interval = contest.risk()
    rates = ", ".join(
        f"{count / contest.total:.1%} {who}"
        for count, who in (
            (contest.used, "on those used"),
            (contest.control, "on the control"),
            (contest.naive, "blindly"),
        )
    )
    weak = "; no better than blind guessing, so that its failure says nothing" if contest.weak else ""
    note = f"{contest.total:,} attacks each; success {rates}{weak}"
    return Measure(
        name,
        value,
        interval,
        0.0,
        passed=_least(contest, tolerance) <= tolerance.risk,
        unit="share",
        group=group,
        note=note,
    )


def gate(name: str, contest: Contest, tolerance: Tolerance) -> Gate:
    """Return the gate at the lower bound of the risk."""
    least = _least(contest, tolerance)
    return Gate(
        name,
        f"risk not shown to lie above {tolerance.risk:.0%}",
        f"{contest.risk()[0]:.1%}, surely above {least:.1%}",
        least <= tolerance.risk,
        "Manikin",
        "the release says more about those who were used than about others like them: don't release it",
    )


def _least(contest: Contest, tolerance: Tolerance) -> float:
    """Return the lower bound of the risk: the paper's, or one that holds where nearly every attempt succeeds as well."""
    confidence = 2 * tolerance.confidence - 1
    used, control = Rate(contest.used, contest.total), Rate(contest.control, contest.total)
    room = 1 - success(contest.control, contest.total, confidence).value
    return _inside(min(contest.risk(confidence)[1][0], difference(used, control, confidence)[0] / room))


def _inside(value: float) -> float:
    return min(max(value, 0.0), 1.0)
