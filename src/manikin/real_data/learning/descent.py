"""Leads a network downhill by what patients ask of it: by noisy sums of clipped gradients, or by plain means.

Adam and an average over the later steps come after the noise, and cost nothing.

Source: Abadi et al., CCS 2016, arXiv:1607.00133; averages, De et al. 2022, arXiv:2204.13650.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manikin.errors import MissingExtraError
from manikin.generators.deep import Shape
from manikin.privacy import NoisySteps
from manikin.streams import Seed

Losses = Callable[[], Any]

# Averages begin when this share of the steps is taken.
_SETTLED = 0.5


def learning_libraries() -> tuple[Any, Any]:
    """Return torch, and what Opacus wraps a network in so that each patient's own gradient is kept.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    try:
        import torch
        from opacus.grad_sample import GradSampleModule
    except ImportError as problem:
        raise MissingExtraError("Learning a table of patients", "deep") from problem
    return torch, GradSampleModule


def layers_of(torch: Any, shapes: Mapping[str, tuple[int, ...]], seed: Seed) -> Any:
    """Return linear layers by name, whose weights are drawn from ``seed``; a name's dots are left to ``weights_of``.

    Args:
        torch: The library.
        shapes: Of weights and biases, as in ``generators.deep.Shape``.
        seed: From which they begin.
    """
    layers = torch.nn.ModuleDict()
    for name, shape in shapes.items():
        if name.endswith(".weight"):
            layer = torch.nn.Linear(shape[1], shape[0])
            for part, one in layer.named_parameters():
                uniform = seed.stream("layer", name, part).uniform(0, one.numel()).reshape(tuple(one.shape))
                spread = 0.0 if part == "bias" else shape[1] ** -0.5
                one.data = torch.tensor((2 * uniform - 1) * spread, dtype=torch.float32)
            layers[name.removesuffix(".weight").replace(".", "/")] = layer
    return layers


def weights_of(layers: Any, shape: Shape) -> dict[str, Any]:
    """Return the weights of a network of some shape, from among those of ``layers``."""
    every = {name.replace("/", "."): one.detach().numpy() for name, one in layers.named_parameters()}
    return {name: every[name] for name in shape.weights}


class Descent:
    """Leads layers downhill; ``bought`` are the noisy steps of a private run."""

    def __init__(
        self,
        layers: Any,
        rate: float,
        steps: int,
        bought: NoisySteps | None = None,
        momenta: tuple[float, float] = (0.9, 0.999),
        decay: float = 0.0,
    ) -> None:
        """Begin a descent of ``steps`` at a learning ``rate``; ``momenta`` and the ``decay`` of weights are Adam's."""
        self.torch, wrapper = learning_libraries()
        self.layers = layers if bought is None else wrapper(layers, loss_reduction="sum")
        self.bought = bought
        self.parameters = list(layers.parameters())
        if bought is not None:
            # Adam takes steps of one length, whatever they are made of: where that is mostly noise, they are short ones.
            rate *= min(1.0, bought.clarity(sum(one.numel() for one in self.parameters)) ** 2)
        self._optimiser = self.torch.optim.Adam(self.parameters, lr=rate, betas=momenta, weight_decay=decay)
        self._taken, self._settled = 0, int(steps * _SETTLED)
        self._mean = [one.detach().clone() for one in self.parameters]

    def step(self, patients: int, losses: Losses, public: Losses | None = None) -> None:
        """Take a step.

        Args:
            patients: How many take part, which in private may be nobody.
            losses: Of the patients of the step, shape (patients,), computed with ``layers``; private ones are bought.
            public: A loss that no patient has a part in, such as of synthetic rows.
        """
        self._optimiser.zero_grad()
        if self.bought is None:
            losses().mean().backward()
        else:
            self._ask(self.bought, patients, losses)
        if public is not None:
            self._add(public)
        self._optimiser.step()
        self._average()

    def settle(self) -> None:
        """Put the average over the later steps into the layers."""
        for one, mean in zip(self.parameters, self._mean, strict=True):
            one.data = mean

    def _ask(self, bought: NoisySteps, patients: int, losses: Losses) -> None:
        """Give the parameters the noisy mean of what patients ask for."""
        asked = np.zeros((0, sum(one.numel() for one in self.parameters)), np.float32)
        if patients:
            self.layers.enable_hooks()
            losses().sum().backward()
            each = [one.grad_sample.reshape(patients, -1) for one in self.parameters]
            asked = self.torch.cat(each, dim=1).numpy()
        mean = self.torch.from_numpy(bought.summed(asked)) / bought.expected
        parts = self.torch.split(mean, [one.numel() for one in self.parameters])
        for one, part in zip(self.parameters, parts, strict=True):
            one.grad, one.grad_sample = part.reshape(one.shape).clone(), None

    def _add(self, public: Losses) -> None:
        if self.bought is not None:
            self.layers.disable_hooks()
        public().backward()

    def _average(self) -> None:
        self._taken += 1
        weight = 1 / max(self._taken - self._settled, 1)
        for one, mean in zip(self.parameters, self._mean, strict=True):
            mean.lerp_(one.detach(), weight)
