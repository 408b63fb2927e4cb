"""Where a release is made before it is one: a folder beside it, which is renamed when everything is in it.

An interrupted run leaves the workshop and nothing that looks like a release; the same request finds it and goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manikin.errors import RequestError
from manikin.release.lock import Lock

LOCK, MANIFEST = "lock.json", "manifest.json"


@contextmanager
def workshop(out: Path, lock: Lock) -> Iterator[Path]:
    """Yield the folder in which the release ``out`` is made; rename it when the body ends without an error.

    Raises:
        RequestError: ``out`` is there already, or can't be made.
    """
    refuse_occupied(out)
    folder = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    if not _same_request(folder, lock):
        _empty(folder)
        (folder / LOCK).write_text(lock.to_json(), encoding="utf-8")
    yield folder
    refuse_occupied(out)
    os.replace(folder, out)


def set_aside(folder: Path, out: Path) -> Path:
    """Move what failed its gates out of the way, where its evidence can be read and nothing takes it for a release."""
    rejected = out.absolute().with_name(f"{out.absolute().name}.rejected")
    if rejected.exists():
        shutil.rmtree(rejected)
    os.replace(folder, rejected)
    return rejected


def refuse_occupied(out: Path) -> None:
    """Refuse a place at which something stands already."""
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise RequestError(
            f"{out} is there already, and a release is never changed. Choose another --out, or remove it first."
        )


def _same_request(folder: Path, lock: Lock) -> bool:
    try:
        return (folder / LOCK).read_text(encoding="utf-8") == lock.to_json()
    except (OSError, UnicodeDecodeError):
        return False


def _empty(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise RequestError(f"{folder.parent} can't be written to: {error.strerror}. Choose another --out.") from error
