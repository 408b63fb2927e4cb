"""A variational autoencoder of a mixed table: what patients have in common is read into latents, and rows are drawn from those.

The network sets out from the bins of variables one by one, so that all that it has to learn is what goes together.

Source: Kingma and Welling 2014, arXiv:1312.6114; private steps, Abadi et al., CCS 2016, arXiv:1607.00133.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from manikin.generators.deep import Network, Shape, TableSampler, matched, rounded, shape_of
from manikin.privacy import NoisySteps
from manikin.real_data.learning.descent import Descent, layers_of, learning_libraries, weights_of
from manikin.real_data.learning.generator import Allowance, promised
from manikin.real_data.learning.network import begin, hidden_of, placed
from manikin.real_data.learning.schedule import Schedule
from manikin.real_data.learning.table import Margins, Table, margins_of

_PLAIN = Schedule(steps=3000)


@dataclass(frozen=True)
class Vae:
    """Learns a variational autoencoder.

    ``divergence`` weighs how far latents may be from normal deviates. With ``places`` the network says where in its bin
    a number lies; without, that is drawn from the shares of the bin's parts.
    """

    latents: int = 8
    hidden: tuple[int, ...] = (48,)
    divergence: float = 1.0
    places: bool = True
    schedule: Schedule = _PLAIN

    def fit(self, people: Table, allowance: Allowance | None = None) -> TableSampler:
        """Return a sampler of rows; see ``Generator.fit``."""
        torch, _ = learning_libraries()
        how = self.schedule
        margins = margins_of(people, allowance.part(how.margins) if allowance else None)
        what = f"a variational autoencoder of {len(people.columns)} variables"
        bought = how.bought(allowance, margins.patients, what)
        shape = shape_of(people.columns, self.latents, self.hidden, places=self.places)
        lesson = _Lesson(torch, self, people, shape, margins, bought)
        descent = Descent(lesson.layers, how.learning_rate, how.steps, bought)
        for number, who in enumerate(how.batches(people.size, bought)):
            descent.step(len(who), partial(lesson.losses, who, number))
        descent.settle()
        receipts = (*margins.receipts, *((bought.receipt,) if bought else ()))
        sampler = TableSampler(
            people.columns,
            self.latents,
            Network(shape, rounded(weights_of(lesson.layers, shape))),
            margins.shares,
            margins.within,
            protection=promised(allowance, "variational autoencoder, DP-SGD", receipts),
        )
        return matched(sampler)


def private_vae() -> Vae:
    """Return an autoencoder that fits a budget: a small network and few steps, so that there is less to add noise to."""
    return Vae(4, (24,), 0.5, False, Schedule(steps=100, learning_rate=5e-2))


class _Lesson:
    """What is learnt from, as tensors, and the layers that learn."""

    def __init__(
        self, torch: Any, vae: Vae, people: Table, shape: Shape, margins: Margins, bought: NoisySteps | None
    ) -> None:
        self.torch, self.vae, self.shape, self.bought = torch, vae, shape, bought
        scores = people.scores(margins.within)[:, : shape.numbers]
        parts = people.rows, np.nan_to_num(scores), (~np.isnan(scores)).astype(np.float32)
        self.rows, self.places, self.known = (torch.from_numpy(part) for part in parts)
        enters = sum(shape.bins) + shape.numbers
        reading = Shape(enters, vae.hidden, (2 * vae.latents,), 0).weights
        shapes = {f"read.{name}": one for name, one in reading.items()} | shape.weights
        self.layers = layers_of(torch, shapes, vae.schedule.seed)
        begin(torch, self.layers, margins)

    def losses(self, who: npt.NDArray[np.int64], number: int) -> Any:
        """Return minus the evidence lower bound of these patients, shape (patients,)."""
        torch, rows, places, known = self.torch, self.rows[who], self.places[who], self.known[who]
        centre, log_variance = self._read(torch.cat([rows, places], dim=1).requires_grad_())
        uniform = self.vae.schedule.chance("latents", number, centre.numel(), self.bought)
        deviate = torch.special.ndtri(torch.from_numpy(uniform)).float().reshape(centre.shape)
        latents = centre + torch.exp(0.5 * log_variance) * deviate
        far = 0.5 * (centre**2 + torch.exp(log_variance) - 1 - log_variance).sum(dim=1)
        return self.vae.divergence * far + told(torch, self.layers, self.shape, latents, rows, places, known)

    def _read(self, entering: Any) -> tuple[Any, Any]:
        state = entering
        for number in range(len(self.vae.hidden)):
            state = self.torch.tanh(self.layers[f"read/hidden/{number}"](state))
        centre, log_variance = self.layers["read/bins"](state).chunk(2, dim=1)
        return centre, self.torch.clamp(log_variance, -6, 2)


def told(torch: Any, layers: Any, shape: Shape, latents: Any, rows: Any, places: Any, known: Any) -> Any:
    """Return minus the log likelihood of rows given latents, shape (patients,)."""
    hidden = hidden_of(torch, layers, shape, latents)
    logits = torch.split(layers["bins"](hidden), list(shape.bins), dim=1)
    bins = torch.cat([torch.log_softmax(one, dim=1) for one in logits], dim=1)
    found = -(bins * rows).sum(dim=1)
    if shape.numbers:
        centre, spread = placed(torch, layers, hidden, rows)
        found = found + (known * (0.5 * ((places - centre) / torch.exp(spread)) ** 2 + spread)).sum(dim=1)
    return found
