"""A conditional adversarial network of a mixed table: one network makes rows, another tells them from those of patients.

Only the second reads patients, and pays for it; the first learns from the second, and from the bins of variables one by
one. Each made row is given one bin of one variable, and each real row is shown with one of its own; so the one that makes
rows can't leave out what is rare.

Source: Xu et al., NeurIPS 2019, arXiv:1907.00503 (CTGAN: conditions, Gumbel softmax); hinge loss, Lim and Ye 2017,
arXiv:1705.02894; private steps of the second network alone, Xie et al. 2018, arXiv:1802.06739.
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
from manikin.real_data.learning.network import begin, hidden_of
from manikin.real_data.learning.schedule import Schedule
from manikin.real_data.learning.table import Margins, Table, margins_of
from manikin.streams import Floats, Seed

# A game between two goes round in circles where steps remember too much of those before, or weights grow without end.
_MOMENTA, _DECAY = (0.5, 0.9), 0.002
_PLAIN = Schedule(steps=4000, learning_rate=1e-3)


@dataclass(frozen=True)
class Gan:
    """Learns a conditional adversarial network.

    ``telling`` are the hidden layers of the network that tells rows apart, ``hidden`` those of the one that makes them,
    which takes a step after each of the other, with ``made`` rows and its own learning ``rate``. Rows are softened by
    ``softness`` while it learns, since one can't descend along a choice.
    """

    latents: int = 8
    hidden: tuple[int, ...] = (64,)
    telling: tuple[int, ...] = (64,)
    made: int = 256
    rate: float = 5e-4
    softness: float = 0.3
    schedule: Schedule = _PLAIN

    def fit(self, people: Table, allowance: Allowance | None = None) -> TableSampler:
        """Return a sampler of rows; see ``Generator.fit``."""
        torch, _ = learning_libraries()
        how = self.schedule
        margins = margins_of(people, allowance.part(how.margins) if allowance else None)
        what = f"an adversarial network of {len(people.columns)} variables"
        bought = how.bought(allowance, margins.patients, what)
        shape = shape_of(people.columns, self.latents + sum(people.bins), self.hidden, places=False)
        game = _Game(torch, self, people, shape, margins, bought)
        tells = Descent(game.judge, how.learning_rate, how.steps, bought, _MOMENTA, _DECAY)
        makes = Descent(game.maker, self.rate, how.steps, momenta=_MOMENTA)
        for number, who in enumerate(how.batches(people.size, bought)):
            made = game.made(2 * number)
            tells.step(len(who), partial(game.told, who, number), partial(game.unmasked, made))
            makes.step(self.made, partial(game.answered, 2 * number + 1))
        makes.settle()
        receipts = (*margins.receipts, *((bought.receipt,) if bought else ()))
        sampler = TableSampler(
            people.columns,
            self.latents,
            Network(shape, rounded(weights_of(game.maker, shape))),
            margins.shares,
            margins.within,
            conditional=True,
            protection=promised(allowance, "conditional adversarial network, DP-SGD", receipts),
        )
        return matched(sampler)


class _Game:
    """Both networks, what they are shown, and what they are told of it; conditions and latents are no privacy noise."""

    def __init__(
        self, torch: Any, gan: Gan, people: Table, shape: Shape, margins: Margins, bought: NoisySteps | None
    ) -> None:
        self.torch, self.gan, self.shape, self.bought = torch, gan, shape, bought
        self.seed = gan.schedule.seed
        self.rows = torch.from_numpy(people.rows)
        self.variables = np.repeat(np.arange(len(shape.bins)), shape.bins)
        self.shares = np.concatenate(margins.shares) / len(shape.bins)
        judging = Shape(2 * sum(shape.bins), gan.telling, (1,), 0)
        self.judging = judging
        self.judge = layers_of(torch, judging.weights, Seed(self.seed.value + 1))
        self.maker = layers_of(torch, shape.weights, self.seed)
        begin(torch, self.maker, margins)

    def told(self, who: npt.NDArray[np.int64], number: int) -> Any:
        """Return what the judge loses on rows of patients, each shown with one of its bins, shape (patients,)."""
        rows = self.rows[who]
        uniform = self.gan.schedule.chance("shown", number, len(who), self.bought)
        shown = np.floor(uniform * len(self.shape.bins))
        own = self.torch.from_numpy((self.variables == shown[:, None]).astype(np.float32))
        return self.torch.relu(1 - self._judged(rows, rows * own))

    def unmasked(self, made: tuple[Any, Any]) -> Any:
        """Return what the judge loses on made rows: no patient has a part in them."""
        rows, given = made
        return self.torch.relu(1 + self._judged(rows.detach(), given)).mean()

    def answered(self, number: int) -> Any:
        """Return what the maker loses: how surely its rows are told, shape (rows,)."""
        return -self._judged(*self.made(number))

    def made(self, number: int) -> tuple[Any, Any]:
        """Return made rows, softened, and the bins they were given, each of shape (rows, bins of all)."""
        torch, count = self.torch, self.gan.made
        below = np.cumsum(self.shares)
        place = np.searchsorted(below[:-1], self._uniform("given", number, count) * below[-1], side="right")
        given = torch.from_numpy((place[:, None] == np.arange(len(below))).astype(np.float32))
        uniform = torch.from_numpy(self._uniform("latents", number, count * self.gan.latents)).reshape(count, -1)
        latents = torch.special.ndtri(uniform).float()
        hidden = hidden_of(torch, self.maker, self.shape, torch.cat([latents, given], dim=1))
        logits = self.maker["bins"](hidden)
        gumbel = -np.log(-np.log(self._uniform("gumbel", number, logits.numel())))
        noisy = (logits + torch.from_numpy(gumbel).float().reshape(logits.shape)) / self.gan.softness
        parts = torch.split(noisy, list(self.shape.bins), dim=1)
        rows = torch.cat([torch.softmax(part, dim=1) for part in parts], dim=1)
        own = torch.from_numpy((self.variables == self.variables[place][:, None]).astype(np.float32))
        return torch.where(own > 0, given, rows), given

    def _judged(self, rows: Any, given: Any) -> Any:
        entering = self.torch.cat([rows, given], dim=1)
        entering = entering if entering.requires_grad else entering.requires_grad_()
        hidden = hidden_of(self.torch, self.judge, self.judging, entering)
        return self.judge["bins"](hidden)[:, 0]

    def _uniform(self, name: str, number: int, count: int) -> Floats:
        return self.seed.stream(name, str(number)).uniform(0, count)


def private_gan() -> Gan:
    """Return an adversarial network that fits a budget: what tells rows apart is small, and takes few steps."""
    return Gan(4, (32,), (24,), schedule=Schedule(steps=400, learning_rate=3e-2))
