"""The only package that reads rows about real people. Findings leave it, never rows.

Enters: records inside an institution, and a mapping of their columns to the codebook. Leaves: a ``Finding``.
Only the command line may import this package.
"""

from manikin.real_data.compare import comparison

__all__ = ["comparison"]
