"""Generators of event sequences that learn from histories or from counts, and draw as the written pathway does.

Enters: a ``Domain`` (public knowledge of what can be recorded, within which limits), and histories, which only the
room that reads records can make, or aggregated counts. Leaves: a fitted sampler, in which there is no history.
"""

from manikin.generators.sequence.domain import STUDY, Domain, Histories, Item, one_state, snapped, timeline_of
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.files import load, save
from manikin.generators.sequence.learning import Learning, learn_semi_markov
from manikin.generators.sequence.recurrent import Recurrent
from manikin.generators.sequence.scale import grid, time_edges, value_edges
from manikin.generators.sequence.semi_markov import Emission, SemiMarkov, StateCounts, items_of_states
from manikin.generators.sequence.training import Frame, Training, gaps_of, train_recurrent

__all__ = [
    "STUDY",
    "Domain",
    "Durations",
    "Emission",
    "Frame",
    "Histories",
    "Item",
    "Learning",
    "Recurrent",
    "SemiMarkov",
    "StateCounts",
    "Training",
    "gaps_of",
    "grid",
    "items_of_states",
    "learn_semi_markov",
    "load",
    "one_state",
    "save",
    "snapped",
    "time_edges",
    "timeline_of",
    "train_recurrent",
    "value_edges",
]
