"""The only package that reads rows about real people. Findings leave it, never rows.

Enters: records inside an institution, and a mapping of their columns to the codebook. Leaves: a ``Finding``,
and from events a fitted sampler.
Only the command line may import this package.
"""

from manikin.real_data.compare import comparison
from manikin.real_data.sequences import Learnt, learn_sequences

__all__ = ["Learnt", "comparison", "learn_sequences"]
