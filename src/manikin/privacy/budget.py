"""What a budget is, and how its two currencies convert: (epsilon, delta) for people, rho for adding up.

Each purchase costs a rho of zero-concentrated differential privacy, which adds up exactly. What all of them promise
together is told as epsilon at a delta. Both directions are the tight conversion.

Source: Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy (NeurIPS 2020), proposition 12,
arXiv:2004.00010.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from scipy.optimize import brentq

from manikin.errors import BudgetError

_LEAST_ORDER = 1 + 1e-9


@dataclass(frozen=True)
class Budget:
    """How much may be learnt about any one patient from all that is ever released of a source.

    Whatever someone concludes from it, the chance of that is at most e^``epsilon`` times what it were without the
    patient, plus ``delta``, and the other way round. ``delta`` belongs far below one over the number of patients.
    """

    epsilon: float
    delta: float

    def __post_init__(self) -> None:
        _check("Epsilon", self.epsilon, self.epsilon > 0, "is a finite number above 0, such as 1")
        _check("Delta", self.delta, 0 < self.delta < 1, "lies between 0 and 1, both excluded, such as 1e-6")

    @cached_property
    def rho(self) -> float:
        """The budget in zero-concentrated differential privacy."""
        return rho_of(self.epsilon, self.delta)

    @cached_property
    def order(self) -> float:
        """The order of Rényi divergence at which the conversion is tight when all of the budget is spent."""
        return _order(self.rho, self.delta)


def epsilon_of(rho: float, delta: float) -> float:
    """Return the least epsilon, at a ``delta``, that ``rho`` of zero-concentrated differential privacy implies.

    The divergence of order a is at most a·rho, which implies epsilon = a·rho + ln(1/(a·delta))/(a-1) + ln(1-1/a). The
    best order solves (a-1)²·rho + ln(a) = ln(1/delta).

    Raises:
        BudgetError: ``rho`` is negative or not finite, or ``delta`` is not between 0 and 1.
    """
    _check("Rho", rho, rho >= 0, "is a finite number of 0 or more, such as 0.01")
    _check("Delta", delta, 0 < delta < 1, "lies between 0 and 1, both excluded, such as 1e-6")
    return epsilon_at(_order(rho, delta), rho, delta) if rho else 0.0


def epsilon_at(order: float, rho: float, delta: float) -> float:
    """Return the epsilon, at a ``delta``, that a Rényi divergence of ``rho`` times its ``order`` implies."""
    return max(0.0, order * rho - math.log(order * delta) / (order - 1) + math.log1p(-1 / order))


def rho_of(epsilon: float, delta: float) -> float:
    """Return the largest rho that implies no more than (``epsilon``, ``delta``), to the last bit on the safe side.

    Raises:
        BudgetError: As for a ``Budget``.
    """
    _check("Epsilon", epsilon, epsilon > 0, "is a finite number above 0, such as 1")
    _check("Delta", delta, 0 < delta < 1, "lies between 0 and 1, both excluded, such as 1e-6")
    # The plain conversion, epsilon = rho + 2·sqrt(rho·ln(1/delta)), solved for rho: never too much.
    enough = -math.log(delta)
    low = (epsilon / (math.sqrt(enough + epsilon) + math.sqrt(enough))) ** 2
    high = 2 * low
    while epsilon_of(high, delta) <= epsilon:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if epsilon_of(middle, delta) <= epsilon else (low, middle)
    return low


def _order(rho: float, delta: float) -> float:
    enough = -math.log(delta)

    def beyond(order: float) -> float:
        return (order - 1) ** 2 * rho + math.log(order) - enough

    # Every order above 1 gives a promise that holds; the best one is looked for only as far as it can be told from 1.
    return max(_LEAST_ORDER, float(brentq(beyond, 1.0, 1 + math.sqrt(enough / rho), xtol=1e-12)))


def _check(name: str, value: float, possible: bool, range_: str) -> None:
    if not (math.isfinite(value) and possible):
        raise BudgetError(f"{name} {range_}; got {value!r}. Nothing was spent.")
