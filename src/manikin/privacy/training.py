"""Training under differential privacy: what a run costs, and the noisy steps that it may take.

At each step every patient takes part by chance. What a patient asks of the parameters is clipped, summed over those who
take part, and noise is added to the sum. Such a run has no useful bound in zero-concentrated privacy, which asks for
one at every Rényi order; a budget of (epsilon, delta) needs a single order, that at which its conversion is tight. So
a run is priced at that order, as the rho whose curve, order times rho, passes through its divergence there. Prices add
up at one order as they do at all, with those of normal noise too; what a sum of such prices promises is an epsilon at
that order, within the budget's, and no rho at other orders.

Source: Abadi et al., CCS 2016, arXiv:1607.00133; Mironov, CSF 2017, arXiv:1702.07476; Mironov, Talwar and Zhang 2019,
arXiv:1908.10530; filters for adaptive spending: Feldman and Zrnic 2021, arXiv:2008.11193.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp, ndtri

from manikin.errors import BudgetError
from manikin.privacy.ledger import Account

Singles = npt.NDArray[np.float32]

# Noise is a sum of so many normal deviates, so that the gaps between the floating-point numbers that one can be don't
# show what it was added to: Holohan and Braghin, ESORICS 2021, arXiv:2107.10138.
_DEVIATES = 4
# So that parts of a budget which add up to all of it are never over it.
_ROUNDING = 1e-9
TRAINING = "sampled Gaussian, one sum a step"
_LEAST_NOISE, _MOST_NOISE = 1e-2, 1e7
_HALVINGS = 60


@dataclass(frozen=True)
class Run:
    """A training run: ``steps`` in each of which every patient takes part with the chance ``rate``.

    ``noise`` is the standard deviation of what is added, in units of the bound to which each patient is clipped.
    """

    rate: float
    steps: int
    noise: float

    def __post_init__(self) -> None:
        """Refuse a run that can't be taken."""
        if not 0 < self.rate <= 1 or self.steps < 1 or not self.noise > 0:
            raise BudgetError(
                f"A run takes 1 step or more, with a rate above 0 and up to 1 and noise above 0; "
                f"got {self.steps} steps, a rate of {self.rate:g} and noise of {self.noise:g}."
            )

    def divergence(self, order: float) -> float:
        """Return an upper bound of the run's Rényi divergence of an order above 1.

        Between whole orders it follows from convexity, of the divergence times the order less 1.
        """
        if self.rate == 1:
            return self.steps * order / (2 * self.noise**2)
        low = math.floor(order)
        share = order - low
        scaled = (1 - share) * self._scaled(low) + share * self._scaled(low + 1)
        return self.steps * scaled / (order - 1)

    def price(self, order: float) -> float:
        """Return what the run costs, in rho at an order."""
        return self.divergence(order) / order

    def _scaled(self, order: int) -> float:
        """Return the divergence of one step at a whole order, times the order less 1."""
        k = np.arange(order + 1)
        ways = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        shares = (order - k) * math.log1p(-self.rate) + k * math.log(self.rate)
        return float(logsumexp(ways + shares + k * (k - 1) / (2 * self.noise**2)))


def affordable(rate: float, steps: int, rho: float, order: float) -> Run:
    """Return the run with the least noise that costs ``rho`` at most, at an order.

    Raises:
        BudgetError: No noise is enough.
    """
    low, high = _LEAST_NOISE, _MOST_NOISE
    if not rho > 0 or Run(rate, steps, high).price(order) > rho:
        raise BudgetError(
            f"{steps} steps can't be had for a rho of {rho:g}. Nothing was spent. Spend more, or take fewer steps."
        )
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if Run(rate, steps, middle).price(order) <= rho else (middle, high)
    return Run(rate, steps, high)


def buy_run(
    account: Account, rate: float, steps: int, clip: float, rho: float, what: str, patients: float = 1.0
) -> NoisySteps:
    """Return the steps of a run that costs ``rho`` of an account, at most; it is on record before any is taken.

    Args:
        account: Of the source whose patients are learnt from.
        rate: The chance of each patient to take part in a step.
        steps: How many steps.
        clip: The length to which what a patient asks for is shortened; declared, never read off the patients.
        rho: What the run may cost, at the order of the account's budget.
        what: What is learnt, in words for a person.
        patients: How many there are: a noisy number, or a public one.

    Raises:
        BudgetError: The purchase is over what is left, or no noise is enough; nothing was spent.
    """
    order = account.budget.order
    run = affordable(rate, steps, rho * (1 - _ROUNDING), order)
    facts = {"rate": rate, "steps": steps, "noise": run.noise, "clip": clip}
    receipt = account.buy(run.price(order), what, TRAINING, at_order=True, **facts)
    return NoisySteps(run, clip, receipt, rate * patients)


class NoisySteps:
    """The steps of a run that was paid for: noisy sums of what patients ask for, and not one more than was bought.

    The chance in them is the operating system's: it has no seed and can't be drawn twice.
    """

    def __init__(self, run: Run, clip: float, receipt: str, expected: float = 1.0) -> None:
        """Begin a run that ``receipt`` was given for.

        Args:
            run: What was bought.
            clip: Bounds the length of what a patient asks for.
            receipt: Of the purchase.
            expected: How many patients take part in a step, in the mean, by a number that may be known.
        """
        self.run, self.clip, self.receipt, self.expected = run, clip, receipt, expected
        self._left = run.steps

    def clarity(self, parameters: int) -> float:
        """Return how strong the sum of a step can be at most, beside the noise in so many parameters, in the mean."""
        return self.expected / (self.run.noise * math.sqrt(parameters))

    def who(self, patients: int) -> npt.NDArray[np.int64]:
        """Return the rows of the patients who take part in a step."""
        return np.flatnonzero(_uniform(patients) < self.run.rate)

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """Return draws in (0, 1) for the patients of a step, such as of latents.

        With a seed, what one patient draws would depend on who else is there, and adding one would change them all.
        """
        return _uniform(count)

    def summed(self, asked: Singles) -> Singles:
        """Return the noisy sum of what the patients of a step ask for, each clipped; this is what a step pays for.

        Args:
            asked: Shape (patients of the step, parameters); a patient whose numbers are not finite asks for nothing.

        Raises:
            BudgetError: All steps that were bought are taken.
        """
        if not self._left:
            raise BudgetError(f"{self.run.steps} steps were bought, and all of them are taken. Buy another run.")
        self._left -= 1
        noise = self.clip * self.run.noise * _normal(asked.shape[1])
        return np.asarray(clipped(asked, self.clip) + noise, np.float32)


def clipped(asked: Singles, clip: float) -> npt.NDArray[np.float64]:
    """Return the sum of rows, each shortened to a length of ``clip`` where it is longer."""
    length = np.sqrt(np.einsum("ij,ij->i", asked, asked, dtype=np.float64))
    finite = np.isfinite(length)
    share = np.where(finite, np.minimum(1, clip / np.maximum(length, 1e-30)), 0)
    return np.asarray(share @ np.where(finite[:, None], asked, 0), np.float64)


def _uniform(count: int) -> npt.NDArray[np.float64]:
    """Return draws in (0, 1) of the operating system's chance."""
    words = np.frombuffer(os.urandom(8 * count), np.uint64)
    return np.asarray(((words >> np.uint64(11)) + 0.5) * 2.0**-53, np.float64)


def _normal(count: int) -> npt.NDArray[np.float64]:
    deviates: Any = ndtri(_uniform(_DEVIATES * count)).reshape(_DEVIATES, count)
    return np.asarray(deviates.sum(axis=0) / math.sqrt(_DEVIATES), np.float64)
