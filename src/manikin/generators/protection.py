"""How those are protected from whom a generator learnt: what its file says of it, and its tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manikin.errors import RequestError

_UNPROTECTED_TIER, _PRIVATE_TIER = "controlled", "registered"


@dataclass(frozen=True)
class Protection:
    """The differential privacy of what was learnt: all of it together is (``epsilon``, ``delta``) for a patient.

    ``mechanism`` says in words what was done, ``rho`` what it cost at the Rényi order ``order`` of its budget,
    ``receipts`` under which entries of the ``source``'s ledger. An infinite ``epsilon`` is no protection.
    """

    mechanism: str
    epsilon: float = float("inf")
    delta: float = 0.0
    rho: float = 0.0
    order: float = 0.0
    source: str = ""
    receipts: tuple[str, ...] = ()

    @property
    def private(self) -> bool:
        """Whether anything is promised."""
        return self.epsilon < float("inf")

    @property
    def tier(self) -> str:
        """Who may hold what was learnt: without differential privacy it is ``controlled``."""
        return _PRIVATE_TIER if self.private else _UNPROTECTED_TIER

    def written(self) -> dict[str, Any]:
        """Return the protection as it stands in a file."""
        told = {"tier": self.tier, "mechanism": self.mechanism, "differentially_private": self.private}
        if not self.private:
            return told
        return (
            told
            | asdict(self)
            | {"receipts": list(self.receipts), "unit": "patient", "neighbours": "one more or one fewer"}
        )


def protection_of(stored: Mapping[str, Any]) -> Protection:
    """Return the protection that stands in a file."""
    try:
        if not stored["differentially_private"]:
            return Protection(stored["mechanism"])
        numbers = {name: float(stored[name]) for name in ("epsilon", "delta", "rho", "order")}
        return Protection(stored["mechanism"], **numbers, source=stored["source"], receipts=tuple(stored["receipts"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise RequestError("The statement of privacy can't be read. Save the sampler anew.") from problem


UNPROTECTED = Protection("learnt from records without differential privacy")
