"""May it leave, and why: the folder of a release, its documents, its lock and its manifest.

Enters: a cohort with its appraisal. Leaves: a folder that explains itself, is never changed, and can be checked and
made again by anyone.
"""

from manikin.release.documents import dictionary, write_documents, write_risk
from manikin.release.lock import Lock, Locks, digest, versions
from manikin.release.manifest import Difference, differences, read_manifest, seal
from manikin.release.risk import Risk, assess
from manikin.release.workshop import LOCK, MANIFEST, refuse_occupied, set_aside, workshop

__all__ = [
    "LOCK",
    "MANIFEST",
    "Difference",
    "Lock",
    "Locks",
    "Risk",
    "assess",
    "dictionary",
    "differences",
    "digest",
    "read_manifest",
    "refuse_occupied",
    "seal",
    "set_aside",
    "versions",
    "workshop",
    "write_documents",
    "write_risk",
]
