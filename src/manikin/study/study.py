"""A study: one request, with its purpose first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Written
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from manikin.aggregates import MeasurePlan
from manikin.clinic import ClinicalModel, Intent, Role, built_in, find_model
from manikin.clinic.grammar import ExpressionError
from manikin.cohort import TABLES
from manikin.cohort.accuracy import Design, read_accuracy
from manikin.cohort.accuracy import Known as Speakable
from manikin.cohort.defects import AnyDefect, Known, UnderRepresent, in_words, read_defects
from manikin.document import Mapping, Notebook, Scalar, Section, load, parse, shortened
from manikin.errors import ModelError, RequestError, StudyError, closest
from manikin.formats import FORMATS
from manikin.generators import select
from manikin.streams import MAX_PATIENTS, MAX_SEED
from manikin.study.conditions import ModelCondition
from manikin.study.measuring import read_measure
from manikin.study.scenarios import Scenario, read_scenarios, scenario_named

# The tables that an appraisal reads.
NEEDED_TABLES = ("analysis", "truth")
DEFAULT_PATIENTS, DEFAULT_SEED = 10_000, 1
_MOST = min(2_000_000_000, MAX_PATIENTS)

# The whole numbers of a study: from, to, and what stands where none is written.
NUMBERS = (
    ("patients", 1, _MOST, DEFAULT_PATIENTS),
    ("seed", 0, MAX_SEED, DEFAULT_SEED),
    ("world", 0, 1_000_000, 0),
)


@dataclass(frozen=True)
class Study:
    """What is asked for, and why.

    ``model`` is a built-in model's name or a file; ``given`` and ``oversample`` are as on the command line; ``world``
    0 is the model as published, any other draws its uncertain numbers anew. ``defects`` are what is made imperfect on
    purpose, in the order in which it happens; ``accuracy`` is a study of diagnostic accuracy on these records.
    ``aggregates`` is a file of what institutions told, to which the model is bent.
    ``scenarios`` are worlds to compare; ``scenario`` names the one that is made, and is empty for the model as published.
    ``measure`` is what institutions are asked about their patients; it makes nothing.
    """

    name: str
    intent: Intent
    model: str
    patients: int = DEFAULT_PATIENTS
    seed: int = DEFAULT_SEED
    given: str = ""
    oversample: str = ""
    world: int = 0
    aggregates: str = ""
    formats: tuple[str, ...] = ("parquet",)
    tables: tuple[str, ...] = TABLES
    defects: tuple[AnyDefect, ...] = ()
    accuracy: Design | None = None
    scenarios: tuple[Scenario, ...] = ()
    scenario: str = ""
    measure: MeasurePlan | None = None

    def __post_init__(self) -> None:
        """Refuse numbers out of range, and formats and tables that don't exist."""
        for key, low, high, _ in NUMBERS:
            _whole(getattr(self, key), key, low, high)
        for one in self.formats:
            if one not in FORMATS:
                raise RequestError(f"There is no format '{one}'. {closest(one, FORMATS)}")
        for one in self.tables:
            if one not in TABLES:
                raise RequestError(f"There is no table '{one}'. {closest(one, TABLES)}")
        for one in NEEDED_TABLES:
            if one not in self.tables:
                raise RequestError(f"The evidence is taken from the table '{one}'. Add it to the tables.")
        if not self.formats:
            raise RequestError(f"A study is written in at least one format: {', '.join(FORMATS)}.")
        if self.scenario and self.scenarios:
            scenario_named(self.scenario, self.scenarios)

    def facts(self) -> dict[str, Any]:
        """Return the study as its appraisal and documents quote it."""
        intent = self.intent
        return {
            "name": self.name,
            "purpose": intent.purpose,
            "users": list(intent.users),
            "privacy": {"objective": intent.objective, "recipient": intent.recipient},
            "patients": self.patients,
            "seed": self.seed,
            "given": self.given or None,
            "oversample": self.oversample or None,
            "world": self.world,
            "aggregates": "inputs/aggregates.json" if self.aggregates else None,
            "defects": [f"{in_words(one)}{f'. Source: {one.source}' if one.source else ''}" for one in self.defects]
            or None,
            "accuracy": None if self.accuracy is None else self.accuracy.in_words(),
            "scenario": self.scenario or None,
        }

    @property
    def thinned(self) -> tuple[tuple[str, float], ...]:
        """The groups of which too few are to be in the cohort, and the share that is kept of each."""
        return tuple((one.who.text, one.keep) for one in self.defects if isinstance(one, UnderRepresent))

    def to_yaml(self) -> str:
        """Return the study as a file that ``read_study`` reads."""
        stored = {one.name: getattr(self, one.name) for one in fields(self)}
        intent = stored.pop("intent")
        defects = [one.written() for one in stored.pop("defects")]
        accuracy, measure = stored.pop("accuracy"), stored.pop("measure")
        scenarios = {one.name: one.written() for one in stored.pop("scenarios")}
        ordered = {
            "study": stored.pop("name"),
            "purpose": intent.purpose,
            "users": list(intent.users),
            "privacy": {"objective": intent.objective, "recipient": intent.recipient},
            **{
                key: list(value) if isinstance(value, tuple) else value
                for key, value in stored.items()
                if value not in ("", 0) or key == "seed"
            },
            **({"defects": defects} if defects else {}),
            **({} if accuracy is None else {"accuracy": accuracy.written()}),
            **({"scenarios": scenarios} if scenarios else {}),
            **({} if measure is None else {"measure": measure.written()}),
        }
        return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=10_000)


def study_of(what: str) -> tuple[Study, ClinicalModel]:
    """Return the study in a file, or the one that a clinical model suggests for itself, with its model.

    Args:
        what: A study file, a model file, or the name of a built-in model.
    """
    if what not in built_in() and what.endswith((".yaml", ".yml")) and is_study(Path(what)):
        return read_study(Path(what))
    model = find_model(what)
    return Study(model.name, model.intent, what), model


def is_study(path: Path) -> bool:
    """Return whether a file says that it is a study; a file that can't be read says nothing."""
    try:
        top, _, _ = load(path, StudyError)
    except StudyError:
        return False
    return "study" in top.keys()  # noqa: SIM118 - a method of the document, not a dictionary


def read_study(path: Path) -> tuple[Study, ClinicalModel]:
    """Return the study in a file with its model; a model file is looked for beside the study first.

    Raises:
        StudyError: The file holds mistakes; the error tells all of them.
    """
    top, notebook, _ = load(path, StudyError)
    return _read(top, notebook, path.parent)


def parse_study(text: str, model: ClinicalModel) -> Study:
    """Return the study written in ``text``, whose model is known already."""
    top, notebook = parse(text, "study.yaml", StudyError)
    study, _ = _read(top, notebook, Path(), model)
    return study


def _read(
    top: Mapping, notebook: Notebook, folder: Path, model: ClinicalModel | None = None
) -> tuple[Study, ClinicalModel]:
    section = Section(top, "The study", notebook)
    name = section.needed_text("study", "my-study")
    purpose, users = (
        section.needed_text("purpose", "develop a risk model"),
        tuple(item.text for item in section.texts("users")),
    )
    if not users:
        notebook.add(top, "The study has no 'users'.", "Write: users: [data scientists of the project]")
    privacy = section.need("privacy", "{objective: no record of any person is used, recipient: public}")
    objective, recipient = _privacy(privacy, notebook)
    named = section.need("model", "diabetes-screening")
    found = model or _model(named, folder, notebook)
    written = {key: _number(section, key, low, high, default) for key, low, high, default in NUMBERS}
    given, oversample = section.text("given"), section.text("oversample")
    aggregates = section.text("aggregates")
    formats, tables = _choices(section, "formats", FORMATS, ("parquet",)), _choices(section, "tables", TABLES, TABLES)
    for one in NEEDED_TABLES:
        if one not in tables:
            notebook.add(section.get("tables") or top, f"The evidence is taken from the table '{one}'.", "Add it.")
    written_defects, written_accuracy = section.get("defects"), section.get("accuracy")
    accuracy: Design | None = None
    defects: tuple[AnyDefect, ...] = ()
    if found is not None:
        defects = read_defects(written_defects, _known(found), notebook)
        accuracy = read_accuracy(written_accuracy, _speakable(found), notebook)
        for key, text in (("given", given), ("oversample", oversample)):
            _check_selection(section, key, text, found)
    scenarios = read_scenarios(section.get("scenarios"), found, notebook)
    scenario = _chosen(section, scenarios, stands=model is not None)
    in_data = None if found is None else [name for name, one in found.variables.items() if one.role is Role.DATA]
    measure = read_measure(section.get("measure"), in_data, notebook)
    section.close()
    notebook.raise_as(StudyError)
    assert found is not None
    reference = named.text if isinstance(named, Scalar) else ""
    beside = (folder / reference).as_posix() if model is None and reference not in built_in() else reference
    return Study(
        name,
        Intent(purpose, users, objective, recipient),
        beside,
        **written,
        given=given,
        oversample=oversample,
        aggregates=(folder / aggregates).as_posix() if aggregates else "",
        formats=formats,
        tables=tables,
        defects=defects,
        accuracy=accuracy,
        scenarios=scenarios,
        scenario=scenario,
        measure=measure,
    ), found


def _chosen(section: Section, scenarios: tuple[Scenario, ...], *, stands: bool) -> str:
    """Return the scenario that is to be made; ``stands`` says whether the model at hand may be that of the scenario."""
    name = section.text("scenario")
    if name and name not in {one.name for one in scenarios} and (scenarios or not stands):
        known = closest(name, [one.name for one in scenarios]) if scenarios else "Add a block 'scenarios' with it."
        section.notebook.add(section.get("scenario") or section.mapping, f"There is no scenario '{name}'.", known)
        return ""
    return name


def defects_of(written: Sequence[Any], model: ClinicalModel) -> tuple[AnyDefect, ...]:
    """Return defects that were written in Python as a study file has them: blocks, and names of presets.

    Raises:
        StudyError: They hold mistakes; places are those of the same defects as YAML.
    """
    top, notebook = parse(yaml.safe_dump({"defects": list(written)}, sort_keys=False), "defects", StudyError)
    found = read_defects(top.entries[0][1], _known(model), notebook)
    notebook.raise_as(StudyError)
    return found


def defects_in(text: str, model: ClinicalModel) -> tuple[AnyDefect, ...]:
    """Return defects that were written on one line: the name of a preset, or a list as in a study file.

    Raises:
        StudyError: They hold mistakes, with their places in the line.
    """
    listed = text if text.lstrip().startswith("[") else f"[{text}]"
    before = f"defects: {listed[: len(listed) - len(text) - (listed != text)]}"
    try:
        top, notebook = parse(f"defects: {listed}", "--defects", StudyError)
        found = read_defects(top.entries[0][1], _known(model), notebook)
        notebook.raise_as(StudyError)
    except StudyError as error:
        moved = [replace(one, column=max(1, one.column - len(before))) for one in error.mistakes]
        raise StudyError("--defects", moved) from error
    return found


def accuracy_of(written: Written[str, Any], model: ClinicalModel) -> Design:
    """Return a study of diagnostic accuracy that was written in Python as a study file has it.

    Raises:
        StudyError: It holds mistakes; places are those of the same block as YAML.
    """
    top, notebook = parse(yaml.safe_dump({"accuracy": dict(written)}, sort_keys=False), "accuracy", StudyError)
    found = read_accuracy(top.entries[0][1], _speakable(model), notebook)
    notebook.raise_as(StudyError)
    assert found is not None
    return found


def _known(model: ClinicalModel) -> Known:
    """Return what defects may speak of where this model is meant."""
    data = {name: one.meaning for name, one in model.variables.items() if one.role is Role.DATA}
    elsewhere, pathway = frozenset(model.variables) - data.keys(), model.pathway
    demographics = tuple(name for name, one in model.variables.items() if one.static and name in data and name != "age")
    born = ("birth_date",) if "age" in model.variables and model.variables["age"].role is not Role.HELPER else ()
    if pathway is None:
        return Known(data, elsewhere, _conditions(model), demographics=(*born, *demographics))
    kept = {name for name, one in model.variables.items() if one.role is not Role.HELPER}
    measured = {name: model.variables[name].meaning for name in pathway.measured if name in kept}
    written = ("order", "observation", *(one.kind for one in pathway.entries.values()))
    return Known(
        data,
        elsewhere,
        _conditions(model),
        measured,
        pathway.contacts,
        tuple(dict.fromkeys(written)),
        (*born, *demographics),
    )


def _speakable(model: ClinicalModel) -> Speakable:
    """Return what a study of accuracy may speak of where this model is meant."""
    names = {
        role: frozenset(name for name, one in model.variables.items() if one.role is role)
        for role in (Role.DATA, Role.TRUTH)
    }
    return Speakable(names[Role.DATA], names[Role.TRUTH], _conditions(model))


def _conditions(model: ClinicalModel) -> Callable[[Scalar, Notebook], ModelCondition | None]:
    """Return what compiles a condition on this model's patients; None where it noted a mistake."""

    def condition(written: Scalar, notebook: Notebook) -> ModelCondition | None:
        compiled = ModelCondition(" ".join(written.text.split()), model)
        try:
            _ = compiled.expression
        except ExpressionError as error:
            helper = any(one.role is Role.HELPER and f"'{name}'" in error.what for name, one in model.variables.items())
            why = (
                "Helpers are not kept, so that nobody could tell. Use what is in the data or the truth."
                if helper
                else error.suggestion
            )
            notebook.add(written, error.what, why, shift=error.offset)
            return None
        return compiled

    return condition


def _number(section: Section, key: str, low: int, high: int, default: int) -> int:
    value = section.get(key)
    if value is None:
        return default
    text = value.text if isinstance(value, Scalar) else ""
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20 and low <= int(digits) <= high):
        section.notebook.add(
            value,
            f"'{key}' is a whole number from {low:,} to {high:,}; got '{shortened(text)}'.",
            f"Write, for example: {key}: {default}",
        )
        return default
    return int(digits)


def _choices(section: Section, key: str, known: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    chosen = section.texts(key)
    for one in chosen:
        if one.text not in known:
            section.notebook.add(one, f"'{one.text}' is none of the {key}.", closest(one.text, known))
    return tuple(one.text for one in chosen) or default


def _privacy(value: Any, notebook: Notebook) -> tuple[str, str]:
    if value is None:
        return "", ""
    if not isinstance(value, Mapping):
        notebook.add(
            value,
            "'privacy' is a block with objective and recipient.",
            "Write: privacy: {objective: no record of any person is used, recipient: public}",
        )
        return "", ""
    section = Section(value, "'privacy'", notebook)
    found = (
        section.needed_text("objective", "no record of any person is used"),
        section.needed_text("recipient", "public"),
    )
    section.close()
    return found


def _model(named: Any, folder: Path, notebook: Notebook) -> ClinicalModel | None:
    if not isinstance(named, Scalar):
        if named is not None:
            notebook.add(
                named, "'model' is a name or a file.", f"Possible: {', '.join(built_in())}, or a file ending in .yaml."
            )
        return None
    try:
        return find_model(
            named.text
            if named.text in built_in()
            else str(folder / named.text)
            if named.text.endswith((".yaml", ".yml"))
            else named.text
        )
    except ModelError as error:
        notebook.add(
            named,
            f"The model in {error.path} has {len(error.mistakes)} mistake(s).",
            f"See: manikin check {error.path}",
        )
    except RequestError as error:
        notebook.add(named, str(error))
    return None


def _check_selection(section: Section, key: str, text: str, model: ClinicalModel) -> None:
    try:
        select(model, text if key == "given" else "", text if key == "oversample" else "")
    except RequestError as error:
        section.notebook.add(section.get(key) or section.mapping, str(error))


def _whole(value: int, what: str, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RequestError(
            f"The number of {what} lies from {low:,} to {high:,}; got {value:,}."
            if what == "patients"
            else f"{what.capitalize()} lies from {low:,} to {high:,}; got {value:,}."
        )


def changed(study: Study, **options: Any) -> Study:
    """Return the study with the options that were given; those that are None stay as they were."""
    return replace(study, **{key: value for key, value in options.items() if value is not None})
