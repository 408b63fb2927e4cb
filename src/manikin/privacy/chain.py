"""A file of JSON lines to which entries are only ever added, each holding the digest of the one before.

A change, a removal or another order of entries breaks the chain and is told. What a crash tore stays as it is: the next
entry quotes its digest and says what could be read of it. Only the removal of whole entries from the end can't be seen
from the file alone, which is why receipts are handed out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from manikin.errors import LedgerError

if sys.platform != "win32":
    import fcntl

SCHEMA = "manikin/ledger/1"
BEGINNING = hashlib.sha256(SCHEMA.encode()).hexdigest()
"""What the first entry holds as the digest of the one before."""

# How every ledger begins: no other file of one line may be taken for one that a crash tore, and written to.
_FIRST = b'{"number": 1, '

TORN = "torn"

_SOURCE = re.compile(rb'"source": ("(?:[^"\\]|\\.)*")')
# Only with what follows it is a number whole.
_RHO = re.compile(rb'"rho": ([0-9.e+-]+),')


@dataclass(frozen=True)
class Entry:
    """One line: its number from 1, what it says, and the digest of the entry before."""

    number: int
    body: Mapping[str, Any]
    previous: str

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(self._told, sort_keys=True, allow_nan=False).encode()).hexdigest()

    @cached_property
    def line(self) -> bytes:
        """The entry as it stands in the file, without its end of line."""
        return json.dumps(self._told | {"digest": self.digest}, allow_nan=False).encode()

    @property
    def _told(self) -> dict[str, Any]:
        return {"number": self.number, **self.body, "previous": self.previous}


Entries = tuple[Entry, ...]


def read(path: Path) -> Entries:
    """Return the entries of a file, and a last one for what a crash tore; a file that isn't there has none.

    Raises:
        LedgerError: The chain is broken, or the file can't be read.
    """
    if not path.exists():
        return ()
    with _reach(path), path.open("rb") as file, _locked(file.fileno()):
        entries, torn = _parsed(file.read(), path)
        return _sealed(entries, torn)


def append(path: Path, decide: Callable[[Entries], Mapping[str, Any] | None]) -> Entries:
    """Add an entry while nobody else can, and return all entries when they are on disk.

    Args:
        path: The file; it is made where there is none.
        decide: What the entry says, given the entries so far; None, or an error, adds nothing.

    Raises:
        LedgerError: The chain is broken, or the file can't be written.
    """
    with _reach(path), _opened(path) as place, _locked(place, alone=True):
        data = _all_of(place)
        present, torn = _parsed(data, path)
        before = _sealed(present, torn)
        body = decide(before)
        after = before if body is None else _then(before, body)
        if added := after[len(present) :]:
            unended = data and not data.endswith(b"\n")
            _settle(place, (b"\n" if unended else b"") + b"".join(entry.line + b"\n" for entry in added))
            if not data:
                _settle_name(path)
        return after


def _parsed(data: bytes, path: Path) -> tuple[Entries, bytes]:
    """Return the whole entries, and what is torn at the end: the one line that a crash can leave without its end."""
    *ended, last = data.split(b"\n")
    whole = (*ended, *((last,) if _object(last) else ()))
    entries: list[Entry] = []
    torn = b""
    for line in whole:
        entry = _entry(line, len(entries) + 1, entries[-1].digest if entries else BEGINNING, torn)
        if entry is not None:
            entries.append(entry)
            torn = b""
        elif torn or not line or _object(line):
            raise _changed(path, len(entries) + 1)
        else:
            torn = line
    if torn:
        raise _changed(path, len(entries) + 1)
    if not entries and not last.startswith(_FIRST[: len(last)]):
        raise LedgerError(f"{path} is no ledger. Nothing was sold, and nothing was written. Name another file.")
    return tuple(entries), b"" if len(whole) > len(ended) else last


# A ledger is read anew at every purchase; what a line with all that goes before it is worth is found out once.
@lru_cache(maxsize=100_000)
def _entry(line: bytes, number: int, previous: str, torn: bytes) -> Entry | None:
    """Return the entry of a line, if that is exactly what would stand there, after what was ``torn``."""
    told = _object(line) or {}
    entry = Entry(number, {key: told[key] for key in told if key not in ("number", "previous", "digest")}, previous)
    right = entry.line == line and entry.body.get("of", "") == (_digest(torn) if torn else "")
    return entry if right else None


def _changed(path: Path, number: int) -> LedgerError:
    return LedgerError(
        f"The ledger {path} was changed: its entry {number} is not what was written there, or one before it is missing. "
        "Nothing is sold from it. Restore the file, or let whoever answers for privacy decide what has been spent."
    )


def _then(entries: Entries, body: Mapping[str, Any]) -> Entries:
    return (*entries, Entry(len(entries) + 1, body, entries[-1].digest if entries else BEGINNING))


def _sealed(entries: Entries, torn: bytes) -> Entries:
    """Return the entries, and one for what is torn: whose it was and what it cost count as far as they can be read."""
    if not torn:
        return entries
    source, cost = _SOURCE.search(torn), _RHO.search(torn)
    body = {
        "kind": TORN,
        "source": json.loads(source[1]) if source else "",
        "rho": float(cost[1]) if cost else 0.0,
        "of": _digest(torn),
    }
    return _then(entries, body)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _reach(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"The ledger {path} can't be reached: {error.strerror}. Nothing was sold. It needs a folder that is there, "
            "on a disk with locks, and leave to write."
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    place = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        yield place
    finally:
        os.close(place)


@contextmanager
def _locked(place: int, alone: bool = False) -> Iterator[None]:
    """Hold the file, ``alone`` or with other readers; the system lets go of it when a process dies."""
    if sys.platform == "win32":
        raise LedgerError("A ledger needs the file locks of a POSIX system, which this one doesn't have.")
    fcntl.flock(place, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(place, fcntl.LOCK_UN)


def _all_of(place: int) -> bytes:
    return os.pread(place, os.fstat(place).st_size, 0)


def _settle(place: int, data: bytes) -> None:
    """Write, and come back when it is on disk."""
    while data:
        data = data[os.write(place, data) :]
    os.fsync(place)


def _settle_name(path: Path) -> None:
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
