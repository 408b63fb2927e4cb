"""Whose aggregates these are: a site signs what it gives away with a key of ed25519, and others know its public one.

The private key never leaves its file but to sign: it stands in no text that is shown, logged or raised.

Source: RFC 8032, Edwards-curve digital signature algorithm.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from manikin.aggregates.aggregates import Aggregates, Signature
from manikin.aggregates.reading import parse, read
from manikin.aggregates.writing import canonical
from manikin.errors import AggregatesError, MissingExtraError, RequestError, SignatureError

_EXTRA = "site"
_LINE = re.compile(r"ed25519 (\S+) (\S.*)")


@dataclass(frozen=True)
class SigningKey:
    """A private key; it shows its public half only."""

    public: str
    _private: Any = field(repr=False, compare=False)

    def sign(self, content: bytes) -> str:
        """Return the signature of some content, in base64."""
        return base64.b64encode(self._private.sign(content)).decode()


@dataclass(frozen=True)
class Trust:
    """The public keys that are believed, by site."""

    keys: Mapping[str, frozenset[str]]


def make_key(path: Path) -> tuple[Path, Path]:
    """Write a new pair of keys beside each other, ``NAME.key`` for its owner alone and ``NAME.pub`` for everybody.

    The last part of ``path`` is the name of the site.

    Raises:
        RequestError: One of the files is there already; neither is touched.
        MissingExtraError: The library is not installed.
    """
    if not path.name.strip() or not path.name.isprintable():
        raise RequestError("A key has the name of its site, such as: manikin key north-hospital")
    private, public = path.with_name(f"{path.name}.key"), path.with_name(f"{path.name}.pub")
    for one in (private, public):
        if one.exists():
            raise RequestError(f"{one} is there already, and a key is never overwritten. Choose another name.")
    serialization = _library("hazmat.primitives.serialization")
    key = _library("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(private, pem, 0o600)
    _write_new(public, f"ed25519 {_public(key)} {path.name}\n".encode(), 0o644)
    return private, public


def read_key(path: Path) -> SigningKey:
    """Return the private key in a file.

    Raises:
        RequestError: The file can't be read, or holds no private key of ed25519; its content is not told.
        MissingExtraError: The library is not installed.
    """
    serialization = _library("hazmat.primitives.serialization")
    kind = _library("hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise RequestError(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, TypeError, _library("exceptions").UnsupportedAlgorithm):
        key = None
    if not isinstance(key, kind):
        raise RequestError(f"{path} is no private key of ed25519. Make one: manikin key NAME") from None
    return SigningKey(_public(key), key)


def read_trust(path: Path) -> Trust:
    """Return the keys in a trust file: the lines of the sites' ``.pub`` files, one after the other.

    Raises:
        AggregatesError: It can't be read, or a line is no public key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise AggregatesError(f"The file can't be read: {error.strerror}.", str(path)) from error
    except ValueError as error:
        raise AggregatesError("The file is not UTF-8 text.", str(path)) from error
    keys: dict[str, set[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or _bytes(found.group(1), 32) is None:
            raise AggregatesError(
                "This is no public key. A line is: ed25519 KEY SITE, as it stands in the site's .pub file.",
                str(path),
                f"line {number}",
            )
        keys.setdefault(found.group(2), set()).add(found.group(1))
    if not keys:
        raise AggregatesError("No key stands here, so that nobody is trusted. Add the lines of .pub files.", str(path))
    return Trust({site: frozenset(own) for site, own in keys.items()})


def signed(aggregates: Aggregates, key: SigningKey) -> Aggregates:
    """Return the aggregates with a signature of all their content."""
    return replace(aggregates, signature=Signature(key.public, key.sign(canonical(aggregates))))


def load(path: Path, trust: Trust | None = None) -> Aggregates:
    """Return the aggregates in a file. A signature that is there is checked; with ``trust`` it has to be there.

    Raises:
        AggregatesError: The file holds no aggregates, or such as contradict themselves.
        SignatureError: They are tampered with, or, where ``trust`` is given, foreign or unsigned.
        MissingExtraError: There is a signature, and the library that checks it is not installed.
    """
    return _checked(read(path), trust, str(path))


def loads(text: str, trust: Trust | None = None, file: str = "aggregates.json") -> Aggregates:
    """Return the aggregates written in ``text``, as ``load`` does."""
    return _checked(parse(text, file), trust, file)


def verify(aggregates: Aggregates, trust: Trust | None = None, file: str = "") -> None:
    """Make sure that the signature fits and, where ``trust`` is given, that it is the site's.

    Raises:
        SignatureError: They are tampered with, foreign or unsigned.
    """
    if aggregates.signature is None:
        if trust is not None:
            raise SignatureError(
                "unsigned", f"'{aggregates.site}' did not sign this. Ask the site for: manikin measure --key", file
            )
        return
    if not _fits(aggregates.signature, canonical(aggregates)):
        raise SignatureError(
            "tampered", f"The signature of '{aggregates.site}' does not fit: the content was changed. Ask again.", file
        )
    if trust is not None and aggregates.signature.key not in trust.keys.get(aggregates.site, ()):
        known = "with another key than the trusted one" if aggregates.site in trust.keys else "and is not trusted"
        raise SignatureError(
            "foreign",
            f"'{aggregates.site}' signed this {known}. Ask the site for its .pub file, by a way that you trust.",
            file,
        )


def _checked(aggregates: Aggregates, trust: Trust | None, file: str) -> Aggregates:
    verify(aggregates, trust, file)
    return aggregates


def _fits(signature: Signature, content: bytes) -> bool:
    key, value = _bytes(signature.key, 32), _bytes(signature.value, 64)
    if key is None or value is None:
        return False
    public = _library("hazmat.primitives.asymmetric.ed25519").Ed25519PublicKey
    try:
        public.from_public_bytes(key).verify(value, content)
    except (_library("exceptions").InvalidSignature, ValueError):
        return False
    return True


def _bytes(text: str, length: int) -> bytes | None:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Base64 has several spellings of one content; only one of them is a key.
    return found if len(found) == length and base64.b64encode(found).decode() == text else None


def _public(key: Any) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise RequestError(f"{path} is there already, and a key is never overwritten. Choose another name.") from error
    except OSError as error:
        raise RequestError(f"{path} can't be written: {error.strerror}.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _library(name: str) -> Any:
    try:
        return import_module(f"cryptography.{name}")
    except ImportError as error:
        raise MissingExtraError("Signing aggregates, and checking a signature", _EXTRA) from error
