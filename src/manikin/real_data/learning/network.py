"""The network of a table while it learns: in torch, with the very layers that ``generators.deep.network`` draws with."""

from __future__ import annotations

from typing import Any

import numpy as np

from manikin.generators.deep import Shape
from manikin.generators.deep.network import NARROWEST, WIDEST
from manikin.real_data.learning.table import Margins

# A bin that nobody is in begins with this share.
_LEAST_SHARE = 1e-4
# How strongly latents tell at first, of what weights drawn at random would.
_FAINT = 0.1


def begin(torch: Any, layers: Any, margins: Margins) -> None:
    """Let rows begin as if nothing went together: each variable by its shares, and numbers even within their bins."""
    shares = np.maximum(np.concatenate(margins.shares), _LEAST_SHARE)
    layers["bins"].weight.data *= _FAINT
    layers["bins"].bias.data = torch.tensor(np.log(shares), dtype=torch.float32)
    if "place" in layers:
        layers["place"].weight.data.zero_()


def hidden_of(torch: Any, layers: Any, shape: Shape, entering: Any) -> Any:
    """Return the last hidden layer of a network."""
    state = entering
    for number in range(len(shape.hidden)):
        state = torch.tanh(layers[f"hidden/{number}"](state))
    return state


def placed(torch: Any, layers: Any, hidden: Any, rows: Any) -> tuple[Any, Any]:
    """Return where numbers lie in their bins, and the logarithm of their spread."""
    centre, spread = layers["place"](torch.cat([hidden, rows], dim=1)).chunk(2, dim=1)
    return centre, torch.clamp(spread, NARROWEST, WIDEST)
