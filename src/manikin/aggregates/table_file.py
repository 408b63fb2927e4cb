"""A CSV file with a small header: lines such as ``# source: …``, then a line with the columns, then rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from manikin.errors import AggregatesError, closest

_HEADER = re.compile(r"#\s*([a-z ]+?)\s*:\s*(.*?)\s*")


@dataclass(frozen=True)
class TableFile:
    """The header's settings, the names of the columns, and the rows with the lines in which they stand."""

    settings: Mapping[str, str]
    columns: list[str]
    rows: list[tuple[int, list[str]]]


def read_table(path: Path, known: Iterable[str]) -> TableFile:
    """Return what stands in a file, as text.

    Raises:
        AggregatesError: It can't be read, its header has a setting that is not ``known``, or a row is too short or long.
    """
    lines = _lines(path)
    first = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    settings = _settings(lines[:first], list(known), str(path))
    rows = [
        (first + number, [cell.strip() for cell in row])
        for number, row in enumerate(csv.reader(lines[first:]), 1)
        if any(cell.strip() for cell in row)
    ]
    if len(rows) < 2:
        raise AggregatesError(
            "There are no rows. After the header comes a line with the columns, then the cells.", str(path)
        )
    columns = [re.sub(r"[\s.]+", "_", column).lower() for column in rows[0][1]]
    for number, row in rows[1:]:
        if len(row) != len(columns):
            what = f"The row has {len(row)} cells; there are {len(columns)} columns."
            raise AggregatesError(what, str(path), f"line {number}")
    return TableFile(settings, columns, rows[1:])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise AggregatesError(f"The file can't be read: {error.strerror}. Check its name.", str(path)) from error
    except ValueError as error:
        raise AggregatesError("The file is not UTF-8 text. Save it as CSV in UTF-8.", str(path)) from error


def _settings(lines: list[str], known: list[str], path: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        found = _HEADER.fullmatch(line)
        word = found.group(1) if found else line[1:].strip()
        if found is None or word not in known:
            raise AggregatesError(f"'{word}' is no line of the header. {closest(word, known)}", path, f"line {number}")
        if word in settings:
            raise AggregatesError(f"'{word}' stands twice in the header.", path, f"line {number}")
        settings[word] = found.group(2)
    return settings
