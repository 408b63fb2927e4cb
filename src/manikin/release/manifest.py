"""The manifest of a release: every file by its SHA-256, and the check that nothing differs from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from manikin.errors import ReleaseError
from manikin.release.workshop import MANIFEST

SCHEMA = "manikin/manifest/1"
_CHUNK = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """What a file is, to the byte."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Difference:
    """A file that is not as the manifest says."""

    file: str
    what: str

    def __str__(self) -> str:
        """Return the difference as a line of text."""
        name = self.file if self.file.isprintable() else ascii(self.file)
        return f"{name}: {self.what}"


def seal(folder: Path) -> None:
    """Write the manifest of everything in ``folder``."""
    files = {name: asdict(_entry(folder / name)) for name in sorted(_files(folder))}
    text = json.dumps({"schema": SCHEMA, "files": files}, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Return what each file is to be, by its name.

    Raises:
        ReleaseError: The folder is no release.
    """
    try:
        stored = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            raise ReleaseError(
                f"The manifest is of the form '{stored['schema']}'; this version of manikin reads '{SCHEMA}'."
            )
        return {name: Entry(**entry) for name, entry in stored["files"].items()}
    except FileNotFoundError as error:
        raise ReleaseError(
            f"{folder} is no release: it has no {MANIFEST}. A run that was interrupted resumes with the same command."
            if folder.exists()
            else f"{folder} is no release: it does not exist."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReleaseError(f"{folder / MANIFEST} is no manifest: the release was damaged or changed.") from error


def differences(
    folder: Path, progress: Progress = lambda _done, _total: None, only: Collection[str] | None = None
) -> list[Difference]:
    """Return what differs between a release and its manifest: changed, missing and added files, each named.

    ``only`` names the files that are read, where not all have to be.
    """
    expected = {name: entry for name, entry in read_manifest(folder).items() if only is None or name in only}
    found = []
    for number, (name, entry) in enumerate(expected.items()):
        progress(number, len(expected))
        what = _difference(folder, name, entry)
        if what:
            found.append(Difference(name, what))
    progress(len(expected), len(expected))
    if only is None:
        found += [Difference(name, "was added") for name in sorted(_files(folder) - expected.keys())]
    return found


def _difference(folder: Path, name: str, expected: Entry) -> str:
    path = folder / name
    if os.path.isabs(name) or ".." in Path(name).parts or "\0" in name:
        return "lies outside the release"
    if any(part.is_symlink() for part in (path, *path.parents) if part != folder and folder in part.parents):
        return "is a link, not a file"
    if not path.is_file():
        return "is missing"
    try:
        return "" if _entry(path) == expected else "was changed"
    except OSError as error:
        return f"can't be read: {error.strerror}"


def _files(folder: Path) -> set[str]:
    return set(_walk(folder)) - ({MANIFEST} if not (folder / MANIFEST).is_symlink() else set())


def _walk(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in (*names, *links):
            yield (Path(root) / name).relative_to(folder).as_posix()


def _entry(path: Path) -> Entry:
    return Entry(_digest(path), path.stat().st_size)


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()
