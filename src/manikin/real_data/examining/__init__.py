"""Questions about a cohort beside real records, one a file; each answers with a ``Finding`` in which is no row.

Enters: ``Examined``, a cohort and real people in the codebook's terms. Leaves: findings with their gates.
"""

from manikin.real_data.examining.examined import GATES, Examined, ReferenceCheck, as_drawing, gates_of

CHECKS: tuple[ReferenceCheck, ...] = ()

__all__ = ["CHECKS", "GATES", "Examined", "ReferenceCheck", "as_drawing", "gates_of"]
