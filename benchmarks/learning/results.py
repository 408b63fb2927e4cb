"""Results that outlast a run: a line of JSON for each, added the moment it is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Key(NamedTuple):
    """Which run: a fitter on one split of a table at one budget. References have no budget."""

    data: str
    fitter: str
    epsilon: float | None
    seed: int


class Results:
    """The runs in a file. A run done again under the same key stands as it was done last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[Key, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                read = json.loads(line)
                self._lines[Key(*(read[name] for name in Key._fields))] = read

    def __contains__(self, key: Key) -> bool:
        """Whether a run is done."""
        return key in self._lines

    def __iter__(self) -> Iterator[tuple[Key, dict[str, Any]]]:
        """Return each run with its line."""
        return iter(self._lines.items())

    def add(self, key: Key, line: dict[str, Any]) -> None:
        """Keep a run, in the file first."""
        self._lines[key] = {**key._asdict(), **line}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(_rounded(self._lines[key])) + "\n")


def _rounded(line: Any) -> Any:
    if isinstance(line, dict):
        return {name: _rounded(value) for name, value in line.items()}
    return round(line, 5) if isinstance(line, float) else line
