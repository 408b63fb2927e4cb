"""The lock: everything that went into a release, from which it can be made again to the byte."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from manikin.errors import ReleaseError

SCHEMA = "manikin/lock/1"
_LIBRARIES = ("manikin", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True)
class Lock:
    """What went in: model and study by digest, the calibration's outcome, the seed as text, and versions.

    ``latent`` holds the correlations among normal scores by dependence group, (levels, members, members); ``bend``
    how the model was bent to aggregates, if it was.
    """

    model: Mapping[str, str]
    study: Mapping[str, Any]
    seed: str
    patients: int
    world: int
    parameters: Mapping[str, float]
    latent: Mapping[str, Any]
    shard_patients: int
    versions: Mapping[str, str]
    bend: Mapping[str, Any] | None = None
    schema: str = SCHEMA

    def to_json(self) -> str:
        """Return the lock as JSON text, the same for equal locks."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Lock:
        """Return the lock that ``to_json`` wrote.

        Raises:
            ReleaseError: The text is no lock, or one of a version that this program does not know.
        """
        try:
            stored = json.loads(text)
            if stored["schema"] != SCHEMA:
                raise ReleaseError(
                    f"The lock is of the form '{stored['schema']}'; this version of manikin reads '{SCHEMA}'."
                )
            return cls(**stored)
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(
                "lock.json is no lock: the folder is no release, or was changed. See: manikin verify"
            ) from error


@dataclass(frozen=True)
class Locks:
    """The locks of the two scenarios of a comparison, the one with which is compared first."""

    compared: tuple[str, ...]
    scenarios: Mapping[str, Lock]
    schema: str = "manikin/locks/1"

    def to_json(self) -> str:
        """Return the locks as JSON text, the same for equal locks."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Locks:
        """Return the locks that ``to_json`` wrote."""
        stored = json.loads(text)
        return cls(tuple(stored["compared"]), {name: Lock(**one) for name, one in stored["scenarios"].items()})


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of what computes a release."""
    return {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()}
