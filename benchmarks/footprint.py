"""What it costs to have Manikin: megabytes installed, the time until help is there, and what an import pulls in.

    python -m benchmarks.footprint

Installs the base into an environment of its own, which takes a minute and needs a package index.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = ("matplotlib", "plotly", "flask", "fastapi", "sklearn", "torch", "pandas", "polars")


def measure() -> dict[str, object]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / "bin" / "python"
        before = _megabytes(Path(place))
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", ROOT], check=True
        )
        loaded = subprocess.run(
            [python, "-c", "import sys, manikin; print(*sys.modules)"],
            check=True,
            capture_output=True,
            text=True,
            cwd=place,
        ).stdout.split()
        help_seconds = [_seconds([Path(place) / "bin" / "manikin", "--help"]) for _ in range(9)]
        return {
            "base_install_mb": round(_megabytes(Path(place)) - before),
            "help_seconds_median": round(statistics.median(help_seconds), 3),
            "import_pulls_in_heavy": sorted(set(HEAVY) & {name.partition(".")[0] for name in loaded}),
            "python": sys.version.split()[0],
        }


def _megabytes(folder: Path) -> float:
    return (
        sum(
            entry.stat().st_size
            for root, _, names in os.walk(folder)
            for name in names
            if (entry := Path(root) / name).is_file()
        )
        / 1e6
    )


def _seconds(command: list[Path | str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print the figures."""
    for name, value in measure().items():
        print(f"{name:<26} {value}")


if __name__ == "__main__":
    main()
