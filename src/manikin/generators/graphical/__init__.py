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
from manikin.generators.graphical.drawing import BLOCK, Drawing
from manikin.generators.graphical.evidence import Belief
from manikin.generators.graphical.fit import Fit, Measured, Prior, fit
from manikin.generators.graphical.marginals import Places, counted, size_of
from manikin.generators.graphical.trees import fit_tree

__all__ = [
    "BLOCK",
    "Belief",
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
    "counted",
    "fit",
    "fit_tree",
    "flat",
    "size_of",
]
