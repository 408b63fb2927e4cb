"""Generators of tables that learn with networks: what is drawn from, and how it stands in files.

Enters: a network that ``real_data`` trained. Leaves: a ``TableSampler``, which draws in NumPy, and in which there is no row.
"""

from manikin.generators.deep.columns import PARTS, Column
from manikin.generators.deep.files import PAGE, load, save
from manikin.generators.deep.network import Network, Shape, rounded
from manikin.generators.deep.sampler import TableSampler, matched, one_hot, shape_of

__all__ = [
    "PAGE",
    "PARTS",
    "Column",
    "Network",
    "Shape",
    "TableSampler",
    "load",
    "matched",
    "one_hot",
    "rounded",
    "save",
    "shape_of",
]
