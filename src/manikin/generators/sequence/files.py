"""Fitted samplers as files: arrays and a page of JSON, in NumPy's archive format. Nothing in them is ever executed."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from manikin.codebook import IndexDates
from manikin.errors import RequestError
from manikin.generators.meaning import meaning_of, variable_of
from manikin.generators.protection import UNPROTECTED, Protection, protection_of
from manikin.generators.sequence.domain import Domain, Item
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.recurrent import Recurrent
from manikin.generators.sequence.scale import Scale
from manikin.generators.sequence.semi_markov import Emission, SemiMarkov

_VERSION = 1
_ABOUT = "about"
_DURATIONS = ("dwell", "last", "gap", "onset", "observed")


def save(sampler: SemiMarkov | Recurrent, path: Path) -> None:
    """Write a fitted sampler, without the seed: that belongs to what is drawn."""
    semi = isinstance(sampler, SemiMarkov)
    about = {
        "version": _VERSION,
        "kind": "semi-markov" if semi else "recurrent",
        "tier": sampler.tier,
        "privacy": sampler.protection.written(),
        "domain": _written(sampler.domain),
        "states": sampler.states if isinstance(sampler, SemiMarkov) else None,
        "announced": sampler.announced if isinstance(sampler, SemiMarkov) else None,
    }
    arrays = _semi_arrays(sampler) if isinstance(sampler, SemiMarkov) else _recurrent_arrays(sampler)
    for name in ("scales", "static_scales"):
        for place, scale in enumerate(getattr(sampler, name)):
            arrays |= {f"{name}/{place}/edges": scale.edges, f"{name}/{place}/shares": scale.shares}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{_ABOUT: np.array(json.dumps(about))}, **arrays)


def load(path: Path) -> SemiMarkov | Recurrent:
    """Return the sampler in a file.

    Raises:
        RequestError: The file is none that ``save`` wrote.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        if about["version"] != _VERSION:
            raise RequestError(f"{path} is of version {about['version']}; this program reads version {_VERSION}.")
        return _semi_markov(about, arrays) if about["kind"] == "semi-markov" else _recurrent(about, arrays)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
        raise RequestError(f"{path} is no file of a learnt sampler. Write one with 'save'.") from problem


def _semi_arrays(sampler: SemiMarkov) -> dict[str, Any]:
    found: dict[str, Any] = {"start": sampler.start, "onward": sampler.onward}
    for name in _DURATIONS:
        one = getattr(sampler, name)
        found |= {f"{name}/edges": one.edges, f"{name}/shares": one.shares}
    return found | {f"emission/{one.name}": getattr(sampler.emission, one.name) for one in fields(Emission)}


def _recurrent_arrays(sampler: Recurrent) -> dict[str, Any]:
    return {
        "together": sampler.together,
        "gaps/edges": sampler.gaps.edges,
        "gaps/shares": sampler.gaps.shares,
        "observed/edges": sampler.observed.edges,
        "observed/shares": sampler.observed.shares,
        **{f"weights/{name}": one for name, one in sampler.weights.items()},
    }


def _semi_markov(about: dict[str, Any], arrays: dict[str, Any]) -> SemiMarkov:
    domain = _domain(about["domain"])
    return SemiMarkov(
        domain=domain,
        states=tuple(about["states"]),
        start=arrays["start"],
        onward=arrays["onward"],
        announced=about["announced"],
        emission=Emission(**{one.name: arrays[f"emission/{one.name}"] for one in fields(Emission)}),
        tier=about["tier"],
        protection=_protection(about),
        **{name: Durations(arrays[f"{name}/edges"], arrays[f"{name}/shares"]) for name in _DURATIONS},  # type: ignore[arg-type]
        **_scales(domain, arrays),  # type: ignore[arg-type]
    )


def _recurrent(about: dict[str, Any], arrays: dict[str, Any]) -> Recurrent:
    domain = _domain(about["domain"])
    weights = {name.removeprefix("weights/"): one for name, one in arrays.items() if name.startswith("weights/")}
    return Recurrent(
        domain=domain,
        weights=weights,
        together=arrays["together"],
        gaps=Scale(arrays["gaps/edges"], arrays["gaps/shares"]),
        observed=Durations(arrays["observed/edges"], arrays["observed/shares"]),
        tier=about["tier"],
        protection=_protection(about),
        **_scales(domain, arrays),  # type: ignore[arg-type]
    )


def _protection(about: dict[str, Any]) -> Protection:
    # Files of before there was any protection say nothing of it.
    return protection_of(about["privacy"]) if "privacy" in about else UNPROTECTED


def _scales(domain: Domain, arrays: dict[str, Any]) -> dict[str, tuple[Scale, ...]]:
    return {
        name: tuple(Scale(arrays[f"{name}/{place}/edges"], arrays[f"{name}/{place}/shares"]) for place in range(count))
        for name, count in (("scales", len(domain.items)), ("static_scales", len(domain.statics)))
    }


def _written(domain: Domain) -> dict[str, Any]:
    return {
        "title": domain.title,
        "items": [{"kind": item.kind, "variable": meaning_of(item.variable)} for item in domain.items],
        "statics": [meaning_of(one) for one in domain.statics],
        "horizon": domain.horizon,
        "ascending": domain.ascending,
        "clock": domain.clock,
        "encounter": domain.encounter,
        "visits": domain.visits,
        "index_dates": [domain.index_dates.first.isoformat(), domain.index_dates.last.isoformat()],
    }


def _domain(stored: dict[str, Any]) -> Domain:
    first, last = (date.fromisoformat(day) for day in stored["index_dates"])
    return Domain(
        title=stored["title"],
        items=tuple(Item(variable_of(one["variable"]), one["kind"]) for one in stored["items"]),
        horizon=stored["horizon"],
        statics=tuple(variable_of(one) for one in stored["statics"]),
        ascending=tuple(tuple(chain) for chain in stored["ascending"]),
        clock=stored["clock"],
        encounter=stored["encounter"],
        visits=stored["visits"],
        index_dates=IndexDates(first, last),
    )
