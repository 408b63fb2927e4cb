"""What if: the scenarios of a study, read, checked, and applied to its model.

A scenario is the model with some places changed. Its patients are those of the model as published, drawn from the same
addresses, and its parameters are those that calibration found there: nothing is calibrated anew, which would undo the
change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from manikin.clinic import Calibrated, ClinicalModel, Dependence, compile_model, parse_model, repairs
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Value, pairs, parse, plain, shortened, write
from manikin.errors import Mistake, ModelError, RequestError, StudyError, closest
from manikin.streams import Floats, Seed
from manikin.study.changes import Change, ChangeError, Relative, changed, missing, place_of

MAX_SCENARIOS = 50

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_EXAMPLE = "Write, for example: scenarios: {today: {}, sooner: {pathway.tests.a_test.resulted: 15 min}}"


@dataclass(frozen=True)
class Scenario:
    """A world that differs from the model as published by some changes, in the order in which they are made."""

    name: str
    changes: tuple[Change, ...] = ()

    def written(self) -> dict[str, Any]:
        """Return the changes as a study file has them."""
        return {one.path: one.value for one in self.changes}


def read_scenarios(value: Value | None, model: ClinicalModel | None, notebook: Notebook) -> tuple[Scenario, ...]:
    """Return the scenarios written at ``value``; every mistake goes into the notebook, with its place.

    Without a model only their shape is read.
    """
    if value is None:
        return ()
    if not isinstance(value, Block):
        notebook.add(value, "'scenarios' is a block of names, each with its changes.", _EXAMPLE)
        return ()
    if len(value.entries) > MAX_SCENARIOS:
        notebook.add(value, f"There are {len(value.entries)} scenarios; at most {MAX_SCENARIOS} are possible.")
        return ()
    return tuple(
        one for key, changes in value.entries if (one := _Reader(key, notebook).read(changes, model)) is not None
    )


def scenarios_of(written: Mapping[str, Mapping[str, Any]], model: ClinicalModel) -> tuple[Scenario, ...]:
    """Return scenarios that were written in Python as a study file has them.

    Raises:
        StudyError: They hold mistakes; places are those of the same scenarios as YAML.
    """
    text = yaml.safe_dump(
        {"scenarios": {name: dict(one) for name, one in written.items()}}, sort_keys=False, width=10_000
    )
    top, notebook = parse(text, "scenarios", StudyError)
    found = read_scenarios(top.entries[0][1], model, notebook)
    notebook.raise_as(StudyError)
    return found


def model_of(model: ClinicalModel, scenario: Scenario) -> ClinicalModel:
    """Return the model of a scenario; without changes, the model itself."""
    return parse_model(_text(model.text, scenario), f"{scenario.name}.yaml") if scenario.changes else model


def calibrated_in(calibrated: Calibrated, scenario: Scenario, world: int, seed: Seed) -> Calibrated:
    """Return a scenario of a calibrated model, whose parameters are those that calibration found, as far as unchanged.

    Args:
        calibrated: The model as published, or as drawn in the ``world``, with its calibration.
        scenario: What differs.
        world: Which draw of what is uncertain.
        seed: From which it is drawn.
    """
    if not scenario.changes:
        return calibrated
    program = calibrated.program
    here = model_of(program.model, scenario).world(world, seed)
    written = {one.path.removesuffix(".value"): one.value for one in scenario.changes}
    parameters = {
        name: _parameter(one.value, program.parameters.get(name), written, f"parameters.{name}")
        for name, one in here.parameters.items()
    }
    moved = {
        name: (one.value, parameters[name]) for name, one in here.parameters.items() if parameters[name] != one.value
    }
    latent = {group.name: _latent(group, calibrated) for group in here.dependences}
    return Calibrated(compile_model(here, parameters, latent), moved, repairs(here))


def scenario_named(name: str, scenarios: Iterable[Scenario]) -> Scenario:
    """Return the scenario of a name.

    Raises:
        RequestError: There is none.
    """
    known = {one.name: one for one in scenarios}
    if name not in known:
        hint = closest(name, known) if known else "The study has none: add a block 'scenarios' to it."
        raise RequestError(f"There is no scenario '{name}'. {hint}")
    return known[name]


def _parameter(stated: float, found: float | None, written: Mapping[str, Any], path: str) -> float:
    """Return a parameter's value: as calibration found it, changed relatively from there, or as the scenario says."""
    if found is None or any(one == "parameters" for one in written):
        return stated
    if path not in written:
        return found
    relative = Relative.read(str(written[path]))
    return relative.of(found) if relative else stated


def _latent(group: Dependence, calibrated: Calibrated) -> Floats:
    """Return a group's correlations among normal scores, with the correction that calibration found for the same group."""
    program = calibrated.program
    asked = group.asked()
    known = next((one for one in program.model.dependences if one.name == group.name), None)
    if known is None or known.members != group.members or known.asked().shape != asked.shape:
        return asked
    return asked + (program.latent[group.name] - known.asked())


# --- reading ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _document(text: str) -> Block:
    return parse(text, "model.yaml", ModelError)[0]


def _text(text: str, scenario: Scenario) -> str:
    """Return a model's text with the changes of a scenario, which can be made, in it."""
    top = _document(text)
    for one in scenario.changes:
        written = yaml.safe_dump({"value": one.value}, width=10_000)
        top = changed(top, one.path, parse(written, scenario.name, StudyError)[0].entries[0][1])
    return _headed(top, scenario)


def _headed(top: Block, scenario: Scenario) -> str:
    lines = [f"# In the scenario '{scenario.name}', which differs from the model as published by:"]
    lines += [f"#   {' '.join(str(one).split())}" for one in scenario.changes]
    return "\n".join(lines) + "\n" + write(top)


class _Reader:
    """Reads one scenario and tries it on the model."""

    def __init__(self, name: Scalar, notebook: Notebook) -> None:
        self.name, self.notebook = name, notebook
        self.what = f"scenarios.{name.text}"

    def read(self, value: Value, model: ClinicalModel | None) -> Scenario | None:
        if not _NAME.fullmatch(self.name.text):
            self.notebook.add(
                self.name,
                f"'{shortened(self.name.text)}' can't name a scenario, as a folder has its name.",
                "Use small letters, digits, '-' and '_', at most 60 of them.",
            )
            return None
        if isinstance(value, Scalar) and value.text.strip() in ("", "{}"):
            return Scenario(self.name.text)
        if not isinstance(value, Block):
            self.notebook.add(
                value,
                f"{self.what} is a block of places in the model, each with what is to stand there.",
                _EXAMPLE,
            )
            return None
        scenario = Scenario(self.name.text, tuple(Change(key.text, plain(one)) for key, one in value.entries))
        if model is not None:
            self._try(value, model, scenario)
        return scenario

    def _try(self, block: Block, model: ClinicalModel, scenario: Scenario) -> None:
        """Note what can't be changed, and what the model's reader says of the outcome."""
        top, origins, possible = _document(model.text), _Origins(block), True
        for key, value in block.entries:
            try:
                path, there = place_of(top, key.text)
                top = changed(top, key.text, value)
            except ChangeError as error:
                self.notebook.add(key, f"{self.what}: {error.what}", error.suggestion)
                possible = False
            else:
                origins.note(top, path, key, new=there is None)
        if possible:
            self._ask(top, scenario, origins)

    def _ask(self, top: Block, scenario: Scenario, origins: _Origins) -> None:
        """Let the model's reader judge the outcome, and tell its mistakes at their places in the study."""
        text = _headed(top, scenario)
        try:
            parse_model(text)
        except ModelError as error:
            places = _Places(text, top)
            found = [(mistake, *places.of(mistake)) for mistake in error.mistakes]
            own = [one for one in found if origins.has(one[1])]
            for mistake, origin, shift in own:
                self._tell(mistake, origin, shift, top, origins)
            # What is wrong elsewhere follows from what is wrong here, unless nothing is.
            at = origins.block.entries[0][0] if len(origins.block.entries) == 1 else self.name
            for mistake, _, _ in found if not own else ():
                self.notebook.add(at, f"{self.what} leaves the model wrong: {mistake.what}", mistake.suggestion)

    def _tell(self, mistake: Mistake, origin: Value, shift: int, top: Block, origins: _Origins) -> None:
        path, key = origins.added.get(id(origin), ("", None))
        if key is not None and "has no setting" in mistake.what:
            hint = mistake.suggestion if "Did you mean" in mistake.suggestion else missing(top, path).suggestion
            self.notebook.add(key, f"{self.what}: the model has no '{path}'.", hint)
        else:
            inside = shift if id(origin) in origins.as_written else 0
            self.notebook.add(key or origin, f"{self.what}: {mistake.what}", mistake.suggestion, inside)


class _Origins:
    """What in a changed model comes from a scenario; all of it is held, so that identities stay its own."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.as_written = {id(one): one for one, _ in pairs(block, block)}
        self.changed: dict[int, Value] = {}
        self.added: dict[int, tuple[str, Scalar]] = {}
        self._held: list[Value] = []

    def has(self, value: Value) -> bool:
        """Return whether a value was put into the model."""
        return id(value) in self.changed or id(value) in self.added

    def note(self, top: Block, path: str, key: Scalar, *, new: bool) -> None:
        """Note that what stands at a path was put there; ``new`` if nothing had stood there."""
        there = place_of(top, path)[1]
        if there is None:
            return
        self.changed |= {id(one): one for one, _ in pairs(there, there)}
        parent, _, word = path.rpartition(".")
        around = place_of(top, parent)[1] if parent else top
        if new and isinstance(around, Block):
            name = next(one for one, _ in around.entries if one.text == word or path.endswith(f".{one.text}"))
            self.added[id(name)] = path, key
            self._held.append(name)


class _Places:
    """Where the places of a scenario's text come from."""

    def __init__(self, text: str, top: Block) -> None:
        written = parse(text, "scenario", ModelError)[0]
        self.found = sorted(
            ((one.line, one.column, number), origin) for number, (one, origin) in enumerate(pairs(written, top))
        )

    def of(self, mistake: Mistake) -> tuple[Value, int]:
        """Return the value that a mistake is about, and how far into it."""
        at = (mistake.line, mistake.column)
        (line, column, _), origin = max(
            (one for one in self.found if one[0][:2] <= at), key=lambda one: one[0], default=self.found[0]
        )
        return origin, mistake.column - column if line == mistake.line else 0
