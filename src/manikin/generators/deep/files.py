"""Samplers of tables as folders: weights in the safetensors format, and a page of JSON that says all else.

Nothing in them is ever executed. Neither holds a row, and the page says how those are protected who were learnt from.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from manikin.codebook import IndexDates
from manikin.errors import MissingExtraError, RequestError
from manikin.generators.deep.columns import Column
from manikin.generators.deep.network import Network
from manikin.generators.deep.sampler import TableSampler, shape_of
from manikin.generators.meaning import meaning_of, variable_of
from manikin.generators.protection import protection_of
from manikin.streams import Floats

SCHEMA = "manikin/table-sampler/1"
PAGE, WEIGHTS = "sampler.json", "weights.safetensors"

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


def save(sampler: TableSampler, folder: Path) -> None:
    """Write a sampler into a new folder, without its seed: that belongs to what is drawn.

    Raises:
        RequestError: The folder is there already.
        MissingExtraError: safetensors is not installed.
    """
    library = _safetensors()
    try:
        folder.mkdir(parents=True)
    except FileExistsError as problem:
        raise RequestError(f"{folder} is there already. Choose another name.") from problem
    arrays = {f"network/{name}": one.astype(np.float32) for name, one in sampler.network.weights.items()}
    for name in ("shares", "within"):
        arrays |= {f"{name}/{place}": one.astype(np.float32) for place, one in enumerate(getattr(sampler, name))}
    weights = library.numpy.save(arrays)
    (folder / WEIGHTS).write_bytes(weights)
    page = _page(sampler) | {"weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()}}
    (folder / PAGE).write_text(json.dumps(page, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load(folder: Path) -> TableSampler:
    """Return the sampler in a folder.

    Raises:
        RequestError: The folder holds none that ``save`` wrote, its weights are not those that belong to its page, or
            their names and shapes aren't those of its network.
        MissingExtraError: safetensors is not installed.
    """
    library = _safetensors()
    try:
        page = json.loads((folder / PAGE).read_text(encoding="utf-8"))
        weights = (folder / WEIGHTS).read_bytes()
        if page["schema"] != SCHEMA:
            raise RequestError(f"{folder} is of schema {page['schema']}; this program reads {SCHEMA}.")
        if hashlib.sha256(weights).hexdigest() != page["weights"]["sha256"]:
            raise RequestError(f"The weights in {folder} are not those that its page was written for. Save it anew.")
        return _sampler(page, library.numpy.load(weights))
    except (*_UNREADABLE, library.SafetensorError) as problem:
        raise RequestError(f"{folder} holds no learnt sampler of tables. Write one with 'manikin learn'.") from problem


def _page(sampler: TableSampler) -> dict[str, Any]:
    columns = [
        {"variable": meaning_of(one.variable), "missing": one.missing, "static": one.static} for one in sampler.columns
    ]
    return {
        "schema": SCHEMA,
        "title": sampler.title,
        "privacy": sampler.protection.written(),
        "network": {
            "latents": sampler.latents,
            "hidden": list(sampler.network.shape.hidden),
            "places": sampler.network.shape.numbers > 0,
            "conditional": sampler.conditional,
        },
        "index_dates": [sampler.index_dates.first.isoformat(), sampler.index_dates.last.isoformat()],
        "codebook": {"sha256": _digest(columns), "columns": columns},
    }


def _sampler(page: dict[str, Any], arrays: dict[str, Any]) -> TableSampler:
    columns = tuple(
        Column(variable_of(one["variable"]), bool(one["missing"]), bool(one["static"]))
        for one in page["codebook"]["columns"]
    )
    if _digest(page["codebook"]["columns"]) != page["codebook"]["sha256"]:
        raise RequestError("The sampler's codebook was changed after it was learnt. Save it anew.")
    about, numeric = page["network"], [column for column in columns if column.variable.numeric]
    shares = tuple(_doubles(arrays, f"shares/{place}", (one.bins.count,)) for place, one in enumerate(columns))
    within = tuple(_doubles(arrays, f"within/{place}", one.even.shape) for place, one in enumerate(numeric))
    enters = about["latents"] + (sum(map(len, shares)) if about["conditional"] else 0)
    shape = shape_of(columns, enters, tuple(about["hidden"]), places=about["places"])
    weights = {
        name.removeprefix("network/"): one.astype(np.float64)
        for name, one in arrays.items()
        if name.startswith("network/")
    }
    first, last = (date.fromisoformat(day) for day in page["index_dates"])
    return TableSampler(
        columns,
        about["latents"],
        Network(shape, weights),
        shares,
        within,
        about["conditional"],
        protection_of(page["privacy"]),
        page["title"],
        IndexDates(first, last),
    )


def _doubles(arrays: dict[str, Any], name: str, shape: tuple[int, ...]) -> Floats:
    if name not in arrays or arrays[name].shape != shape:
        raise RequestError(f"The sampler lacks '{name}', numbers of the shape {shape}. Save it anew.")
    return np.asarray(arrays[name], np.float64)


def _digest(columns: Any) -> str:
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as problem:
        raise MissingExtraError("A learnt sampler of tables", "deep") from problem
    return safetensors
