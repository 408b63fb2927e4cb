"""Generators that learn from people, with or without differential privacy; only trained samplers leave.

Enters: patients as a ``Table``, or ``Histories``, and what may be spent on them. Leaves: a ``Sampler``, which says how
those are protected who were learnt from.
"""

from manikin.real_data.learning.gan import Gan, private_gan
from manikin.real_data.learning.generator import Allowance, Generator, generator_named
from manikin.real_data.learning.learn import columns_of, find_generator, learn_table
from manikin.real_data.learning.schedule import Schedule
from manikin.real_data.learning.sequences import RecurrentGenerator, SemiMarkovGenerator, SequenceSchedule
from manikin.real_data.learning.table import Margins, Table, margins_of, table_of
from manikin.real_data.learning.vae import Vae, private_vae

__all__ = [
    "Allowance",
    "Gan",
    "Generator",
    "Margins",
    "RecurrentGenerator",
    "Schedule",
    "SemiMarkovGenerator",
    "SequenceSchedule",
    "Table",
    "Vae",
    "columns_of",
    "find_generator",
    "generator_named",
    "learn_table",
    "margins_of",
    "private_gan",
    "private_vae",
    "table_of",
]
