"""The fit: a prior is bent until it agrees with aggregates, and whoever carries it answers what it then expects.

Enters: a sample of a clinical model in declared bins, or nothing but the bins; tables of shares with their uncertainty.
Leaves: a ``Fit``, from which a sampler of patients is made.
"""

from manikin.generators.graphical.carrier import (
    CalibratedTree,
    Expectation,
    Independent,
    Particles,
    WeightedParticles,
    flat,
)
from manikin.generators.graphical.drawing import BLOCK, Drawing, drawing_from
from manikin.generators.graphical.evidence import Belief
from manikin.generators.graphical.fit import Fit, Measured, Prior, fit, possible
from manikin.generators.graphical.junction import Beliefs
from manikin.generators.graphical.marginals import Places, counted, size_of
from manikin.generators.graphical.trees import fit_tree
from manikin.generators.graphical.uncertainty import again

__all__ = [
    "BLOCK",
    "Belief",
    "Beliefs",
    "CalibratedTree",
    "Drawing",
    "Expectation",
    "Fit",
    "Independent",
    "Measured",
    "Particles",
    "Places",
    "Prior",
    "WeightedParticles",
    "again",
    "counted",
    "drawing_from",
    "fit",
    "fit_tree",
    "flat",
    "possible",
    "size_of",
]
