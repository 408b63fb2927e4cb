"""The network that turns latents into a row of a table, in NumPy: the same row for a patient whoever else is drawn.

Hidden layers end in hyperbolic tangents, whose bounds suit training under differential privacy. From the last follow
the chances of each variable's bins; from it and the bins that were drawn follows where in its bin each number lies.

Weights and everything that enters a product are whole multiples of powers of two, small enough that sums of products
are exact in double precision, in whatever order a library adds them; see ``sequence.recurrent``, which does the same.

Source: Papernot et al., AAAI 2021, arXiv:2007.14191 (bounded activations).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from manikin.errors import RequestError
from manikin.streams import Floats

Weights = Mapping[str, Floats]

# Products of 2^-14 and 2^-20 with at most 2^5 and 2^3 leave 11 bits for sums of up to 2,000 of them.
_WEIGHT_STEP, _MOST_WEIGHT = 2.0**-14, 31.0
_STATE_STEP, _MOST_STATE = 2.0**-20, 7.0
# Chances are kept on a step, so that their sums are exact.
_CHANCE_STEP = 2.0**-40
# What the logarithm of a spread within a bin may be.
NARROWEST, WIDEST = -3.0, 0.7


@dataclass(frozen=True)
class Shape:
    """How large a network is: what enters, the hidden layers, how many bins each variable has, how many are numbers."""

    enters: int
    hidden: tuple[int, ...]
    bins: tuple[int, ...]
    numbers: int

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array of weights, by name; a layer has the shape (leaves, enters)."""
        widths = (self.enters, *self.hidden)
        layers: dict[str, tuple[int, ...]] = {}
        for number, (enters, leaves) in enumerate(itertools.pairwise(widths)):
            layers |= {f"hidden.{number}.weight": (leaves, enters), f"hidden.{number}.bias": (leaves,)}
        total = sum(self.bins)
        layers |= {"bins.weight": (total, widths[-1]), "bins.bias": (total,)}
        if self.numbers:
            layers |= {"place.weight": (2 * self.numbers, widths[-1] + total), "place.bias": (2 * self.numbers,)}
        return layers


@dataclass(frozen=True, eq=False)
class Network:
    """A network of some shape and its weights, which are those of ``rounded``."""

    shape: Shape
    weights: Weights

    def __post_init__(self) -> None:
        """Refuse weights that aren't those of the shape."""
        for name, shape in self.shape.weights.items():
            if name not in self.weights:
                raise RequestError(f"The network lacks its weights '{name}'.")
            if self.weights[name].shape != shape:
                raise RequestError(f"The weights '{name}' have the shape {shape}; got {self.weights[name].shape}.")
            if not np.isfinite(self.weights[name]).all():
                raise RequestError(f"The weights '{name}' hold something that is no number.")
        if unknown := sorted(self.weights.keys() - self.shape.weights.keys()):
            raise RequestError(f"The network has no weights '{unknown[0]}'.")

    def with_weights(self, weights: Weights) -> Network:
        """Return the network with some of its weights changed."""
        return replace(self, weights={**self.weights, **rounded(weights)})

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Where the bins of each variable end among those of all."""
        return tuple(np.cumsum(self.shape.bins).tolist())

    def hidden(self, entering: Floats) -> Floats:
        """Return the last hidden layer, shape (patients, units); what enters has the shape (patients, enters)."""
        state = kept(entering)
        for number in range(len(self.shape.hidden)):
            state = kept(np.tanh(self._through(f"hidden.{number}", state)))
        return state

    def chances(self, hidden: Floats) -> list[Floats]:
        """Return the chance of each bin, by variable, shape (patients, bins)."""
        logits = self._through("bins", hidden)
        return [softmax(part) for part in np.split(logits, self.ends[:-1], axis=1)]

    def places(self, hidden: Floats, drawn: Floats) -> tuple[Floats, Floats]:
        """Return centre and spread of the scores within bins, shape (patients, numbers).

        Args:
            hidden: The last hidden layer.
            drawn: The bins that were drawn, one-hot, shape (patients, bins of all variables).
        """
        found = self._through("place", np.concatenate([hidden, drawn], axis=1))
        centre, spread = np.split(kept(found), 2, axis=1)
        return centre, np.exp(np.clip(spread, NARROWEST, WIDEST))

    def _through(self, layer: str, state: Floats) -> Floats:
        return np.asarray(state @ self.weights[f"{layer}.weight"].T + self.weights[f"{layer}.bias"])


def rounded(weights: Mapping[str, Any]) -> dict[str, Floats]:
    """Return weights on their step."""
    return {
        name: np.rint(np.clip(np.asarray(one, np.float64), -_MOST_WEIGHT, _MOST_WEIGHT) / _WEIGHT_STEP) * _WEIGHT_STEP
        for name, one in weights.items()
    }


def kept(state: Floats) -> Floats:
    """Return states on their step and within their bounds."""
    return np.asarray(np.rint(np.clip(state, -_MOST_STATE, _MOST_STATE) / _STATE_STEP) * _STATE_STEP)


def softmax(logits: Floats) -> Floats:
    """Return chances on their step; they add up to 1 but for that."""
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(np.rint(weight / weight.sum(axis=1, keepdims=True) / _CHANCE_STEP) * _CHANCE_STEP)


def chosen(chances: Floats, uniform: Floats) -> Any:
    """Return the place, int16, that a draw has among chances, shape (patients, places)."""
    below = np.cumsum(chances, axis=1)
    place = (uniform[:, None] * below[:, -1:] >= below).sum(axis=1)
    # Places of no chance at the end are none.
    last = chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)
    return np.minimum(place, last).astype(np.int16)
