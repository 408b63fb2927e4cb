"""Files that commands write for a person to edit or to look at: always new ones."""

from __future__ import annotations

from pathlib import Path

from manikin.errors import RequestError


def write_new(path: Path, text: str) -> None:
    """Write a file that isn't there yet.

    Raises:
        RequestError: It is there, or can't be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise RequestError(f"{path} is there already. Choose another name.") from error
    except OSError as error:
        raise RequestError(f"{path} can't be written: {error.strerror}.") from error
