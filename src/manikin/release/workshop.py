"""Where a release is made before it is one: a folder beside it, which is renamed when everything is in it.

An interrupted run leaves the workshop and nothing that looks like a release; the same request finds it and goes on.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manikin.errors import RequestError
from manikin.release.lock import Lock, Locks

if sys.platform != "win32":
    import fcntl

LOCK, MANIFEST = "lock.json", "manifest.json"


@contextmanager
def workshop(out: Path, lock: Lock | Locks) -> Iterator[Path]:
    """Yield the folder in which the release ``out`` is made; rename it when the body ends without an error.

    Raises:
        RequestError: ``out`` is there already, or can't be made.
    """
    refuse_occupied(out)
    folder = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    with _held(folder):
        if not _same_request(folder, lock):
            _empty(folder)
            (folder / LOCK).write_text(lock.to_json(), encoding="utf-8")
        try:
            yield folder
        except RequestError:
            # What can't be made needs no place to be resumed at.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        refuse_occupied(out)
        os.replace(folder, out)


def set_aside(folder: Path, out: Path) -> Path:
    """Move what failed its gates out of the way, where its evidence can be read and nothing takes it for a release."""
    rejected = next(place for place in _asides(out) if not os.path.lexists(place) or (place / LOCK).is_file())
    if rejected.exists():
        shutil.rmtree(rejected)
    os.replace(folder, rejected)
    return rejected


def _asides(out: Path) -> Iterator[Path]:
    """Yield places for what is set aside: one that holds something of somebody else's is passed over."""
    for number in itertools.count(1):
        yield out.absolute().with_name(f"{out.absolute().name}.rejected{'' if number == 1 else f'-{number}'}")


def refuse_occupied(out: Path) -> None:
    """Refuse a place at which something stands already."""
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise RequestError(
            f"{out} is there already, and a release is never changed. Choose another --out, or remove it first."
        )
    if out.exists() and (out.samefile(Path.cwd()) or out.is_mount()):
        raise RequestError(
            f"{out} can't be replaced by a release, as a whole folder is. Choose a folder in it as --out."
        )


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made where it is missing, against every other run; a process that ends lets go of it."""
    if sys.platform == "win32":
        folder.mkdir(parents=True, exist_ok=True)
        yield
        return
    place = _opened(folder)
    try:
        if not (_locked(place) and folder.exists() and os.path.samestat(os.fstat(place), folder.stat())):
            raise RequestError(f"Another run is at work in {folder}. Wait for it, or choose another --out.")
        yield
    finally:
        os.close(place)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise RequestError(f"{folder.parent} can't be written to: {error.strerror}. Choose another --out.") from error


def _locked(place: int) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: whoever shares it takes turns.
        return True
    return True


def _same_request(folder: Path, lock: Lock | Locks) -> bool:
    try:
        return (folder / LOCK).read_text(encoding="utf-8") == lock.to_json()
    except (OSError, UnicodeDecodeError):
        return False


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
