"""The built-in clinical models, by name."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from manikin.clinic.flat import flat_model
from manikin.clinic.model import ClinicalModel, Codebook, codebook_of
from manikin.clinic.reading import is_codebook, parse_model, read_codebook, read_model
from manikin.errors import RequestError, closest

_TITLE = re.compile(r"^title:\s*(.+?)\s*$", re.MULTILINE)


def built_in() -> dict[str, str]:
    """Return the title of each built-in model by its name."""
    found = {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in _folder().iterdir()
        if entry.name.endswith(".yaml")
    }
    return {name: title.group(1) if (title := _TITLE.search(found[name])) else "" for name in sorted(found)}


def find_model(name: str) -> ClinicalModel:
    """Return a built-in model by its name, or the model in a file; that of a bare codebook is a flat one.

    Raises:
        RequestError: There is neither, or a codebook lacks bins or limits.
        ModelError: The file holds mistakes.
    """
    if name in built_in():
        text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
        return parse_model(text, f"{name}.yaml")
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        return flat_model(read_codebook(path)) if is_codebook(path) else read_model(path)
    raise RequestError(
        f"There is no clinical model '{name}'. {closest(name, built_in())} A file of your own ends in .yaml."
    )


def find_codebook(name: str) -> Codebook:
    """Return the codebook of a built-in model by the model's name, or that in a file: a codebook's or a model's.

    Raises:
        RequestError: There is neither.
        ModelError: The file holds mistakes.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return read_codebook(Path(name))
    return codebook_of(find_model(name))


@lru_cache(maxsize=4)
def travelled(text: str) -> ClinicalModel:
    """Return a model that reached another process as text, read once however many parts of a sampler refer to it."""
    return parse_model(text)


def _folder() -> Traversable:
    return files("manikin.clinic") / "models"
