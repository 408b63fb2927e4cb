"""Builds the peers' environments from the pins in ``peers/``: one each, because they can't live together.

    python -m benchmarks.learning.environments [--environments .peers] [--checkouts FOLDER] [--python 3.12=/path ...]

What isn't released as a package is used from checkouts of its repository, which you make: a folder for each, at the
commit named in ``peers/README.md``. A peer whose checkout or interpreter is missing is left out, and said so.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from benchmarks.learning.fitters import ENVIRONMENTS, Environment

_PINS = Path(__file__).parent / "peers"


def main() -> None:
    """Build what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, default=Path(".peers"))
    parser.add_argument("--checkouts", type=Path, default=Path(".peers/checkouts"))
    parser.add_argument("--python", nargs="*", default=[], metavar="VERSION=PATH", help="where an interpreter lies")
    parser.add_argument("--only", nargs="*", choices=[one.name for one in ENVIRONMENTS])
    options = parser.parse_args()
    interpreters = {f"python{version}": path for version, _, path in (one.partition("=") for one in options.python)}
    for environment in ENVIRONMENTS:
        if options.only is None or environment.name in options.only:
            python = interpreters.get(environment.python) or shutil.which(environment.python)
            print(f"{environment.name}: {_build(environment, python, options.environments, options.checkouts)}")


def _build(environment: Environment, python: str | None, folder: Path, checkouts: Path) -> str:
    """Make an environment and return what became of it."""
    if python is None:
        return f"left out, {environment.python} is not on the path. Name it with --python."
    paths = [(checkouts / path).resolve() for path in environment.checkouts]
    absent = [path for path in paths if not path.is_dir()]
    if absent:
        return f"left out, {absent[0]} is not there. peers/README.md says what to check out."
    home = folder / environment.name
    subprocess.run([python, "-m", "venv", "--clear", str(home)], check=True)
    inside = str(home / "bin" / "python")
    subprocess.run([inside, "-m", "pip", "install", "--quiet", "-r", str(_PINS / environment.requirements)], check=True)
    for site in home.glob("lib/python*/site-packages"):
        (site / "checkouts.pth").write_text("".join(f"{path}\n" for path in paths))
    return "built"


if __name__ == "__main__":
    main()
