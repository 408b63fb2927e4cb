"""A sum of vectors of whole numbers that nobody sees but as a sum, though some of those who add to it fall silent.

Each member hides its vector under a mask of its own and one for each other member; the latter cancel out. Every member
holds shares of the others' secrets, of which a threshold opens either the own mask of a member whose vector arrived or
the common ones of a member whose vector did not, and a member gives away only one of the two. Vectors are added modulo
2^64, where negative numbers are what they are everywhere in two's complement: a sum within 63 bits is exact.

Keys, envelopes and shares are Flower's. Its masks are not: as of 1.42 they come from a Mersenne Twister with 28 bits of
seed, which one core searches in two minutes (see docs/federation.md), so that masks here are the stream of ChaCha20.

Source: Bonawitz et al., Practical secure aggregation for privacy-preserving machine learning (CCS 2017),
doi:10.1145/3133956.3133982, with a complete graph; threshold above one half, as its section 6.2 asks for.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import decrypt, encrypt, generate_shared_key
from flwr.supercore.primitives.asymmetric import (
    bytes_to_private_key,
    bytes_to_public_key,
    generate_key_pairs,
    private_key_to_bytes,
    public_key_to_bytes,
)

from manikin.errors import FederationError

Vector = npt.NDArray[np.int64]
Masked = npt.NDArray[np.uint64]
Envelopes = Mapping[str, bytes]
"""What one member sends to, or holds from, each of the others, sealed for its receiver."""

_SEED_BYTES = 32


@dataclass(frozen=True)
class Announcement:
    """The public keys of a member for one attempt: one for envelopes to it, one for the masks that it shares."""

    envelopes: bytes
    masks: bytes


Roster = Mapping[str, Announcement]


@dataclass(frozen=True)
class Secrets:
    """What a member keeps to itself for one attempt, and never uses in another."""

    member: str
    attempt: str
    envelopes: EllipticCurvePrivateKey = field(repr=False)
    masks: EllipticCurvePrivateKey = field(repr=False)
    seed: bytes = field(repr=False)

    @property
    def announcement(self) -> Announcement:
        """The public keys."""
        return Announcement(*(public_key_to_bytes(key.public_key()) for key in (self.envelopes, self.masks)))


@dataclass(frozen=True)
class Share:
    """What a member holds of another's secrets: a part of the seed of its own mask, and of its key for common ones."""

    seed: bytes
    masks: bytes


def secrets_for(member: str, attempt: str) -> Secrets:
    """Return fresh secrets of a member."""
    return Secrets(member, attempt, generate_key_pairs()[0], generate_key_pairs()[0], os.urandom(_SEED_BYTES))


def deal(secrets: Secrets, roster: Roster, threshold: int) -> Envelopes:
    """Return a share of a member's secrets for each on the roster, itself included; ``threshold`` of them open one."""
    seeds = create_shares(secrets.seed, threshold, len(roster))
    keys = create_shares(private_key_to_bytes(secrets.masks), threshold, len(roster))
    return {
        receiver: encrypt(_envelope_key(secrets, roster[receiver]), _packed(secrets, receiver, seed, key))
        for receiver, seed, key in zip(sorted(roster), seeds, keys, strict=True)
    }


def opened(secrets: Secrets, roster: Roster, envelopes: Envelopes) -> dict[str, Share]:
    """Return the shares in the envelopes that a member got, by their senders.

    Raises:
        FederationError: An envelope is not what its sender sealed for this member in this attempt.
    """
    return {sender: _opened(secrets, roster, sender, sealed) for sender, sealed in envelopes.items()}


def hidden(values: Vector, secrets: Secrets, roster: Roster, dealers: Iterable[str]) -> Masked:
    """Return a member's vector under its own mask and the ones that it has in common with each other of the ``dealers``."""
    masked = values.astype(np.int64).view(np.uint64) + _stream(secrets.seed, values.size)
    for other in dealers:
        if other != secrets.member:
            masked += _common(secrets.member, secrets.masks, other, roster[other], values.size)
    return masked


def given(shares: Mapping[str, Share], survivors: Collection[str]) -> dict[str, bytes]:
    """Return of each dealer the one share that opens what has to be opened: its seed if its vector arrived, else its key."""
    return {dealer: share.seed if dealer in survivors else share.masks for dealer, share in shares.items()}


def revealed(masked: Mapping[str, Masked], roster: Roster, gifts: Sequence[Mapping[str, bytes]]) -> Vector:
    """Return the sum of the vectors that arrived.

    Args:
        masked: The hidden vectors of the survivors, shape (cells,) each.
        roster: Who announced keys.
        gifts: What each surviving member gave: of every dealer one share. There are at least as many as the threshold.
    """
    dealers = set().union(*gifts)
    cells = next(iter(masked.values())).size
    total = np.zeros(cells, np.uint64)
    for vector in masked.values():
        total += vector
    for dealer in dealers:
        secret = combine_shares([gift[dealer] for gift in gifts if dealer in gift])
        if dealer in masked:
            total -= _stream(secret, cells)
        else:
            key = bytes_to_private_key(secret)
            # What survivors added in common with the silent one is the opposite of what it would have added.
            for other in masked:
                total += _common(dealer, key, other, roster[other], cells)
    return total.view(np.int64)


def _common(member: str, key: EllipticCurvePrivateKey, other: str, announced: Announcement, cells: int) -> Masked:
    """Return the mask that two members have in common, as the one of them adds it: the other adds the opposite."""
    shared = generate_shared_key(key, bytes_to_public_key(announced.masks))
    mask = _stream(base64.urlsafe_b64decode(shared), cells)
    return mask if member < other else np.negative(mask)


def _stream(key: bytes, cells: int) -> Masked:
    """Return numbers that nobody without the ``key`` of 32 bytes can tell from chance; a key is used once, so no nonce."""
    encryptor = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * cells)), "<u8").astype(np.uint64)


def _envelope_key(secrets: Secrets, announced: Announcement) -> bytes:
    shared: bytes = generate_shared_key(secrets.envelopes, bytes_to_public_key(announced.envelopes))
    return shared


def _packed(secrets: Secrets, receiver: str, seed: bytes, key: bytes) -> bytes:
    return json.dumps([secrets.attempt, secrets.member, receiver, seed.hex(), key.hex()]).encode()


def _opened(secrets: Secrets, roster: Roster, sender: str, sealed: bytes) -> Share:
    try:
        *address, seed, key = json.loads(decrypt(_envelope_key(secrets, roster[sender]), sealed))
    except (InvalidToken, KeyError, ValueError) as error:
        raise FederationError(f"What came as from '{sender}' was not sealed by it.") from error
    if address != [secrets.attempt, sender, secrets.member]:
        raise FederationError(f"What came as from '{sender}' was meant for another member or attempt.")
    return Share(bytes.fromhex(seed), bytes.fromhex(key))
