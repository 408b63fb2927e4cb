"""Reads a model file: every mistake is found in one reading and told with its place and what would be right."""

from __future__ import annotations

import graphlib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

from manikin.clinic.expressions import DURATION, NUMBER, Expression, Scope, Type, type_of
from manikin.clinic.model import (
    Claim,
    ClinicalModel,
    Codebook,
    Constraint,
    Dependence,
    Intent,
    ModelVariable,
    Parameter,
    Role,
    Target,
    codebook_of,
    later_of,
)
from manikin.clinic.pathway import PATHWAY, Pathway
from manikin.clinic.reading.cells import read_range
from manikin.clinic.reading.pathway import Names, PathwayReader, names_of
from manikin.clinic.reading.rules import RULES, RuleReader, bind, flatten
from manikin.clinic.reading.targets import TargetReader
from manikin.clinic.reading.terms import Terms
from manikin.clinic.reading.trajectories import RESERVED
from manikin.clinic.tables import Breakdown, NumberTable
from manikin.codebook import (
    Basis,
    Citation,
    Disclosure,
    Grounds,
    IndexDates,
    Kind,
    Range,
    ReferenceInterval,
    Season,
    Variable,
    check_unit,
)
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Section, Sequence, Value, load, parse, read_number
from manikin.errors import ModelError, UnitError, closest

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset(
    ("in", "and", "or", "not", "implies", "if", "patient_id", "index_date", "birth_date", "sampling_weight")
)
_DIGITS = re.compile(r"(?<!\w)\d+\.?\d*")

# The steps to which values are snapped where a variable declares none: helpers and latents, and derived values.
DEFAULT_PRECISION = 1e-6


def read_model(path: Path) -> ClinicalModel:
    """Return the clinical model in a file.

    Raises:
        ModelError: The file holds mistakes; the error tells all of them.
    """
    return _Reader(*load(path, ModelError)).model()


def parse_model(text: str, path: str = "model.yaml") -> ClinicalModel:
    """Return the clinical model written in ``text``; errors call it ``path``."""
    return _Reader(*parse(text, path, ModelError), text).model()


def read_codebook(path: Path) -> Codebook:
    """Return the codebook in a file: its own, which begins with ``codebook:``, or that of a clinical model.

    Raises:
        ModelError: The file holds mistakes; the error tells all of them.
    """
    return _codebook(*load(path, ModelError))


def parse_codebook(text: str, path: str = "codebook.yaml") -> Codebook:
    """Return the codebook written in ``text``; errors call it ``path``."""
    return _codebook(*parse(text, path, ModelError), text)


def is_codebook(path: Path) -> bool:
    """Return whether a file says that it is a codebook; a file that can't be read says nothing."""
    try:
        top, _, _ = load(path, ModelError)
    except ModelError:
        return False
    return "codebook" in top.keys()  # noqa: SIM118 - a method of the document, not a dictionary


def _codebook(top: Block, notebook: Notebook, text: str) -> Codebook:
    reader = _Reader(top, notebook, text)
    return reader.codebook() if "codebook" in top.keys() else codebook_of(reader.model())  # noqa: SIM118


class _Reader:
    def __init__(self, top: Block, notebook: Notebook, text: str) -> None:
        self.section = Section(top, "The model", notebook)
        self.notebook = notebook
        self.text = text
        self.sources: dict[str, Citation] = {}
        self.parameters: dict[str, Parameter] = {}
        self.types: dict[str, Type] = {}
        self.names: Names = names_of(self.section)
        self.seasonal: Section | None = None
        self.claims: list[Claim] = []

    def model(self) -> ClinicalModel:
        """Read everything, in the order in which later parts need earlier ones."""
        top = self.section
        if (other := top.get("codebook")) is not None:
            what = "This is a codebook: it says what variables mean, and not how they are distributed."
            self.notebook.add(
                other,
                what,
                "Use it with --codebook, make it with --aggregates, or give each variable a rule and write: model: NAME",
            )
            self.notebook.raise_as(ModelError)
        name = top.needed_text("model", "my-model")
        version = top.needed_text("version", "1.0.0")
        title, index = (
            top.needed_text("title", "Screening for X in Y"),
            top.needed_text("index", "a primary-care visit"),
        )
        flat = top.choice("knowledge", ("sourced", "none"), "sourced") == "none"
        not_for = tuple(" ".join(item.text.split()) for item in top.texts("not-for"))
        if not not_for:
            self.notebook.add(
                top.mapping,
                "The model has no 'not-for'.",
                "Say what its data must not be used for: not-for: [estimating prevalence in children]",
            )
        intent, (population, index_dates) = self._intent(), self._population()
        self._read_sources()
        if self.seasonal is not None:
            self._grounds(self.seasonal, "season of the index dates")
        self._read_parameters()
        meanings = self._meanings()
        variables = self._variables(meanings)
        helpers = frozenset(name for name, one in variables.items() if one.role is Role.HELPER)
        pathway = self._pathway({name: meaning for name, (_, meaning) in meanings.items()}, variables)
        scope = Scope({**self.types, **dict.fromkeys(self.parameters, NUMBER)})
        kept = self.types.keys() - helpers
        targets = TargetReader(scope, self.notebook, frozenset(kept), self._grounds)
        dependences = self._dependences(targets, variables)
        constraints = self._constraints(scope, variables)
        goals = self._targets(targets)
        calibrations = tuple(
            one for item in self._items("calibrate") if (one := targets.calibration(item, self.parameters, goals))
        )
        top.close()
        self._check_order(variables, dependences, pathway)
        self.notebook.raise_as(ModelError)
        return ClinicalModel(
            name, version, title, index, population, not_for, intent, index_dates, self.sources, self.parameters,
            variables, dependences, constraints, {name: one for name, one in goals.items() if one}, calibrations,
            tuple(self.claims), self.text, pathway, flat,
        )  # fmt: skip

    def codebook(self) -> Codebook:
        """Read what variables mean, and nothing else: a rule is a setting that a codebook doesn't have."""
        top = self.section
        name, version = top.needed_text("codebook", "my-codebook"), top.needed_text("version", "1.0.0")
        title, population = top.text("title"), top.text("population")
        meanings = self._meanings()
        for section, _ in meanings.values():
            section.text("group")
            section.close()
        top.close()
        self.notebook.raise_as(ModelError)
        return Codebook(name, version, title, population, tuple(one for _, one in meanings.values()), self.text)

    # --- what stands at the top -----------------------------------------------------------------------------------

    def _intent(self) -> Intent:
        value = self.section.need("intent", "a block with purpose, users, privacy and recipient")
        if not isinstance(value, Block):
            return Intent("", (), "", "")
        section = Section(value, "'intent'", self.notebook)
        users = tuple(item.text for item in section.texts("users"))
        if not users:
            self.notebook.add(value, "'intent' has no 'users'.", "Write: users: [teachers, developers of software]")
        found = Intent(
            section.needed_text("purpose", "develop a risk model"),
            users,
            section.needed_text("privacy", "no record of any person is used"),
            section.needed_text("recipient", "public"),
        )
        section.close()
        return found

    def _population(self) -> tuple[str, IndexDates]:
        default = IndexDates(date(2023, 1, 1), date(2023, 12, 31))
        value = self.section.need("population", "a block with description and index-dates")
        if not isinstance(value, Block):
            return "", default
        section = Section(value, "'population'", self.notebook)
        description = section.needed_text("description", "adults of a country in a year")
        dates = section.need("index-dates", "[2023-01-01, 2023-12-31]")
        season = self._season(section)
        section.close()
        items = dates.items if isinstance(dates, Sequence) else ()
        try:
            first, last = (date.fromisoformat(item.text) for item in items if isinstance(item, Scalar))
        except ValueError:
            self.notebook.add(
                dates or value, "'index-dates' is a list of two dates.", "Write: index-dates: [2023-01-01, 2023-12-31]"
            )
            return description, default
        if last < first:
            self.notebook.add(dates or value, "'index-dates' runs backwards.", "Write the earlier date first.")
        return description, IndexDates(first, last, season)

    def _season(self, section: Section) -> Season | None:
        value = section.get("season")
        if value is None:
            return None
        if not isinstance(value, Block):
            self.notebook.add(
                value, "'season' is a block.", "Write: season: {amplitude: 0.35, peak: 01-15, source: ...}"
            )
            return None
        inner = Section(value, "'season'", self.notebook)
        amplitude, peak = inner.number("amplitude"), inner.needed_text("peak", "01-15")
        self.seasonal = inner  # its source is read when the sources are known
        inner.get("source")
        inner.close()
        try:
            day = date.fromisoformat(f"2023-{peak}").timetuple().tm_yday
        except ValueError:
            day = 0
        if amplitude is None or not 0 <= amplitude <= 1 or not day:
            self.notebook.add(
                value,
                "'season' has an amplitude from 0 to 1, and the month and day of its peak.",
                "Write: season: {amplitude: 0.35, peak: 01-15, source: ...}",
            )
            return None
        return Season(amplitude, day)

    def _read_sources(self) -> None:
        for key, section in self.section.sections("sources", lambda name: f"Source '{name}'"):
            cite, url, doi = (
                section.needed_text("cite", "Author, Journal year;volume:page"),
                section.text("url"),
                section.text("doi"),
            )
            section.close()
            if doi and not doi.startswith("10."):
                self.notebook.add(section.get("doi") or key, f"'{doi}' is no DOI.", "A DOI begins with '10.'.")
            self.sources[key.text] = Citation(key.text, cite, f"https://doi.org/{doi}" if doi else url)
        if not self.sources:
            self.notebook.add(
                self.section.mapping, "The model names no sources.", "Begin with: sources: {who-2024: {cite: ...}}"
            )

    def _grounds(self, section: Section, about: str) -> Grounds | None:
        value = section.need("source", "some-source verified")
        return None if value is None else self._grounds_of(value, about, flatten(section.mapping))

    def _grounds_of(self, value: Value, about: str, statement: str) -> Grounds | None:
        text = value.text if isinstance(value, Scalar) else ""
        reference, _, where = text.partition(":")
        words = reference.split()
        if len(words) != 2:
            self.notebook.add(
                value,
                f"'{text}' is no source: it takes the name of a source and a basis.",
                f"Write, for example: {next(iter(self.sources), 'who-2024')} verified: Table 2",
            )
            return None
        source, basis = words
        if source not in self.sources:
            self.notebook.add(value, f"There is no source '{source}'.", closest(source, self.sources))
        if basis not in {one.value for one in Basis}:
            self.notebook.add(value, f"'{basis}' is no basis.", closest(basis, [one.value for one in Basis]))
        if source not in self.sources or basis not in {one.value for one in Basis}:
            return None
        grounds = Grounds(self.sources[source], Basis(basis), where.strip())
        without_source = re.sub(r"(; )?source: [^;\]}]*", "", statement)
        self._claim(about, without_source, grounds, value.line)
        return grounds

    def _claim(self, about: str, statement: str, grounds: Grounds, line: int = 0) -> None:
        self.claims.append(Claim(about, statement, max(1, len(_DIGITS.findall(statement))), grounds, line))

    def _read_parameters(self) -> None:
        for key, section in self.section.sections("parameters", lambda name: f"Parameter '{name}'"):
            value, sd, bounds = section.number("value"), section.number("sd"), section.get("free")
            grounds = self._grounds(section, f"parameter {key.text}")
            section.close()
            if section.get("value") is None:
                self.notebook.add(section.mapping, f"{section.what} has no value.", "Write: value: 0.5")
            self._check_name(key)
            if sd is not None and sd < 0:
                self.notebook.add(
                    section.get("sd") or key, f"{section.what}: 'sd' is 0 or more; got {sd:g}.", "Write: sd: 0.05"
                )
            self.parameters[key.text] = Parameter(
                key.text, value or 0.0, sd or 0.0, bounds=self._bounds(bounds, value), grounds=grounds
            )

    def _bounds(self, value: Value | None, start: float | None) -> tuple[float, float] | None:
        if value is None:
            return None
        if start is None:
            return 0.0, 1.0
        items = value.items if isinstance(value, Sequence) else ()
        ends = [number for item in items if (number := read_number(item, "'free'", self.notebook)) is not None]
        if len(ends) != 2 or not ends[0] <= start <= ends[1] or ends[0] == ends[1]:
            self.notebook.add(
                value,
                f"'free' is a list of two bounds around {start:g}.",
                f"Write: free: [{start - 1:g}, {start + 1:g}]",
            )
            return start - 1, start + 1
        return ends[0], ends[1]

    # --- variables ------------------------------------------------------------------------------------------------

    def _check_name(self, key: Scalar) -> None:
        reserved = _RESERVED | RESERVED if self.names.states else _RESERVED
        if not _NAME.fullmatch(key.text) or key.text in reserved:
            self.notebook.add(
                key,
                f"'{key.text}' can't be a name.",
                "Names are small letters, digits and _, begin with a letter, and are no words of the language.",
            )
        elif key.text in self.parameters or key.text in self.types:
            self.notebook.add(key, f"'{key.text}' is taken.", "Choose another name.")

    def _meanings(self) -> dict[str, tuple[Section, Variable]]:
        found = {}
        for key, section in self.section.sections("variables", lambda name: f"'{name}'"):
            self._check_name(key)
            meaning = self._meaning(key.text, section)
            if meaning is not None:
                found[key.text] = (section, meaning)
                self.types[key.text] = _type(meaning)
        if not self.section.entries("variables"):
            self.notebook.add(self.section.mapping, "The model has no variables.", "Write: variables: {age: {...}}")
        return found

    def _meaning(self, name: str, section: Section) -> Variable | None:
        values, unit = tuple(item.text for item in section.texts("values")), section.text("unit")
        default = Kind.CATEGORY if values else Kind.QUANTITY if unit else Kind.CONDITION
        kind = Kind(section.choice("kind", [one.value for one in Kind if one is not Kind.DATE], default.value))
        limits = self._limits(section)
        precision, detection = section.number("precision"), section.number("detection-limit")
        if precision is not None and precision <= 0:
            self.notebook.add(
                section.get("precision") or section.mapping,
                f"{section.what}: 'precision' is a step above 0; got {precision:g}.",
                "Write, for example: precision: 0.1",
            )
            precision = None
        if precision is None and kind is Kind.QUANTITY:
            precision = DEFAULT_PRECISION
        try:
            if kind is Kind.COUNT and unit:
                check_unit(unit)
            return Variable(
                name=name,
                kind=kind,
                title=section.text("title", name.replace("_", " ").capitalize()),
                unit=unit,
                levels=values,
                codes=self._codes(section),
                possible=limits[0],
                usual=limits[1],
                reference=self._reference(section),
                thresholds=self._numbers(section, "thresholds"),
                cuts=self._bins(section),
                precision=precision,
                detection_limit=detection,
                substance=section.text("substance") or None,
                disclosure=Disclosure(
                    section.choice("disclosure", [one.value for one in Disclosure], Disclosure.PLAIN.value)
                ),
                note=section.text("note"),
            )
        except (UnitError, ValueError) as error:
            self.notebook.add(
                section.get("unit") or section.get("values") or section.mapping,
                f"{section.what}: {error}",
                "See docs/model-language.md, 'Variables'.",
            )
            return None

    def _codes(self, section: Section) -> dict[str, str]:
        known = ("loinc", "snomed", "icd10", "rxnorm")
        codes = {}
        for key, value in section.entries("codes"):
            if key.text not in known:
                self.notebook.add(key, f"'{key.text}' is no code system.", closest(key.text, known))
            elif not isinstance(value, Scalar):
                self.notebook.add(value, f"{section.what}: a code is a text.", 'Write: {loinc: "4548-4"}')
            else:
                codes[key.text] = value.text
        if (loinc := codes.get("loinc")) is not None and not _loinc_holds(loinc):
            self.notebook.add(
                section.get("codes") or section.mapping,
                f"{section.what}: '{loinc}' is no LOINC code: its check digit is wrong.",
                "Look it up at loinc.org.",
            )
        return codes

    def _limits(self, section: Section) -> tuple[Range, Range]:
        value = section.get("limits")
        if not isinstance(value, Block):
            if value is not None:
                self.notebook.add(
                    value, f"{section.what}: 'limits' is a block.", "Write: limits: {possible: 20..300, usual: 70..220}"
                )
            return Range(), Range()
        inner = Section(value, f"{section.what}: 'limits'", self.notebook)
        possible, usual = inner.get("possible"), inner.get("usual")
        inner.close()
        wide = read_range(possible, f"{section.what}: 'possible'", self.notebook) if possible else None
        near = read_range(usual, f"{section.what}: 'usual'", self.notebook) if usual else None
        if usual and wide and near and not wide.low <= near.low <= near.high <= wide.high:
            self.notebook.add(
                usual, f"{section.what}: 'usual' lies within 'possible'.", f"Write: usual: {wide.low:g}..{wide.high:g}"
            )
            near = None
        return wide or Range(), near or wide or Range()

    def _reference(self, section: Section) -> tuple[ReferenceInterval, ...]:
        value = section.get("reference")
        if value is None:
            return ()
        if isinstance(value, Scalar):
            both = read_range(value, f"{section.what}: 'reference'", self.notebook)
            return (ReferenceInterval(both),) if both else ()
        if isinstance(value, Block):
            for key, _ in value.entries:
                if key.text not in ("female", "male"):
                    self.notebook.add(
                        key, f"'{key.text}' has no reference range of its own.", closest(key.text, ("female", "male"))
                    )
            each = [
                (key.text, read_range(item, f"{section.what}: 'reference'", self.notebook))
                for key, item in value.entries
            ]
            return tuple(ReferenceInterval(one, sex) for sex, one in each if one)
        self.notebook.add(
            value,
            f"{section.what}: 'reference' is a range, or one for each sex.",
            "Write: reference: {female: 12..15.5, male: 13.5..17.5}",
        )
        return ()

    def _bins(self, section: Section) -> tuple[float, ...]:
        edges = self._numbers(section, "bins")
        if all(low < high for low, high in pairwise(edges)):
            return edges
        self.notebook.add(
            section.get("bins") or section.mapping,
            f"{section.what}: 'bins' ascend.",
            f"Write: bins: [{', '.join(f'{edge:g}' for edge in sorted(set(edges)))}]",
        )
        return ()

    def _numbers(self, section: Section, key: str) -> tuple[float, ...]:
        value = section.get(key)
        if value is None:
            return ()
        items = value.items if isinstance(value, Sequence) else (value,)
        return tuple(
            number
            for item in items
            if (number := read_number(item, f"{section.what}: '{key}'", self.notebook)) is not None
        )

    def _variables(self, meanings: Mapping[str, tuple[Section, Variable]]) -> dict[str, ModelVariable]:
        found = {}
        for name, (section, meaning) in meanings.items():
            variable = self._variable(section, meaning)
            section.close()
            if variable is not None:
                found[name] = variable
        return found

    def _variable(self, section: Section, meaning: Variable) -> ModelVariable | None:
        lets, scope = self._lets(section, meaning)
        reader = RuleReader(meaning, scope, self.notebook, lambda term: self._uncertain(meaning.name, term))
        role = Role(section.choice("role", [one.value for one in Role], Role.DATA.value))
        static, group = section.flag("static"), section.text("group")
        among = bind(section.get("among"), f"{section.what}: 'among'", scope, self.notebook)
        observed = bind(section.get("observed"), f"{section.what}: 'observed'", scope, self.notebook)
        for key, one in (("among", among), ("observed", observed)):
            if one is not None and one.type.kind != "condition":
                self.notebook.add(
                    section.get(key) or section.mapping,
                    f"{section.what}: '{key}' is a condition.",
                    "Compare it with something.",
                )
        rule = reader.read(section)
        for key in ("by", "smooth", "between", "scale", *RULES):
            section.get(key)
        if section.get("between") is not None and not any(
            section.get(key) is not None for key in ("draw", "quantiles", "histogram")
        ):
            self.notebook.add(
                section.get("between") or section.mapping,
                f"{section.what}: only a drawn number is kept 'between'.",
                "Remove 'between'.",
            )
        grounds = self._rule_grounds(section, meaning)
        if rule is None:
            return None
        if grounds:
            meaning = replace(meaning, grounds=grounds)
        return ModelVariable(meaning, rule, role, static, group, among, observed, lets)

    def _rule_grounds(self, section: Section, meaning: Variable) -> tuple[Grounds, ...]:
        value = section.get("source")
        parts = [
            f"{key}: {flatten(one)}"
            for key in ("by", "let", *RULES, "between")
            if (one := section.get(key)) is not None
        ]
        if value is None:
            if section.get("derived") is None or _DIGITS.search(flatten(section.get("derived") or section.mapping)):
                self.notebook.add(
                    section.mapping,
                    f"{section.what} names no source.",
                    f"Write, for example: source: {next(iter(self.sources), 'who-2024')} verified",
                )
            return ()
        items = value.items if isinstance(value, Sequence) else (value,)
        statement = "; ".join(parts)
        found = [
            self._grounds_of(item, meaning.name, statement if number == 0 else "also")
            for number, item in enumerate(items)
        ]
        return tuple(one for one in found if one is not None)

    def _lets(self, section: Section, meaning: Variable) -> tuple[dict[str, NumberTable], Scope]:
        names: dict[str, Type] = {**self.types, **dict.fromkeys(self.parameters, NUMBER)}
        accessors = self.names.accessors(self.types)
        if accessors:
            names["followed"] = DURATION
        aliases: dict[str, str] = {}
        lets: dict[str, NumberTable] = {}
        for key, inner in section.sections("let", lambda name: f"'{meaning.name}': '{name}'"):
            if not _NAME.fullmatch(key.text) or key.text in _RESERVED:
                self._check_name(key)
            scope = Scope(names, aliases, accessors=accessors)
            by, smooth, value = inner.texts("by"), inner.flag("smooth"), inner.need("table", "{female: 1, male: 2}")
            if inner.get("source") is not None:
                self._grounds(inner, f"{meaning.name}, {key.text}")
            inner.close()
            # Known from here on even where its table has a mistake, so that each mistake is told once.
            names = {**names, key.text: NUMBER}
            aliases = {**aliases, key.text: f"{meaning.name}.{key.text}"}
            if value is None:
                continue
            reader = RuleReader(meaning, scope, self.notebook, lambda _: None)
            table = reader.table(value, by, inner.what, smooth=smooth) if by else _plain(reader.bind(value, inner.what))
            if table is not None:
                lets[key.text] = table
        return lets, Scope(names, aliases, accessors=accessors)

    def _uncertain(self, variable: str, section: Section) -> Expression | None:
        ratio = section.number("odds-ratio")
        if ratio is None or ratio <= 0:
            self.notebook.add(
                section.get("odds-ratio") or section.mapping,
                f"{section.what}: an odds ratio is above 0.",
                "Write: odds-ratio: 1.5",
            )
            return None
        value = section.get("interval")
        ends = (
            [read_number(item, "'interval'", self.notebook) for item in value.items]
            if isinstance(value, Sequence)
            else []
        )
        known = [end for end in ends if end is not None and end > 0]
        if value is not None and (len(known) != 2 or not known[0] <= ratio <= known[1]):
            self.notebook.add(
                value,
                f"{section.what}: 'interval' is a list of two ends around {ratio:g}.",
                f"Write: interval: [{ratio * 0.8:g}, {ratio * 1.25:g}]",
            )
        sd = math.log(known[1] / known[0]) / 3.92 if len(known) == 2 else 0.0
        own = section.get("source")
        grounds = self._grounds_of(own, variable, flatten(section.mapping)) if own is not None else None
        number = sum(one.startswith(f"{variable}.odds.") for one in self.parameters) + 1
        name = f"{variable}.odds.{number}"
        self.parameters[name] = Parameter(name, ratio, sd, logarithmic=True, grounds=grounds)
        return Expression("", NUMBER, frozenset((name,)), lambda columns: math.log(columns[name]))

    # --- what holds between variables -----------------------------------------------------------------------------

    def _dependences(self, reader: TargetReader, variables: Mapping[str, ModelVariable]) -> tuple[Dependence, ...]:
        others = {name for name, one in variables.items() if not (one.rule.drawn and one.meaning.numeric)}
        drawn = frozenset(self.types) - others
        found, places = [], list[Scalar]()
        for key, section in self.section.sections("dependence", lambda name: f"Dependence '{name}'"):
            places += section.texts("members")
            one = reader.dependence(key, section, drawn, self._claim)
            if one is not None:
                found.append(one)
        members = [member for one in found for member in one.members]
        for twice in sorted({member for member in members if members.count(member) > 1}):
            self.notebook.add(
                [one for one in places if one.text == twice][-1],
                f"'{twice}' is a member twice.",
                "A quantity belongs to one group.",
            )
        return tuple(found)

    def _constraints(self, scope: Scope, variables: Mapping[str, ModelVariable]) -> tuple[Constraint, ...]:
        found, later = [], later_of(variables)
        for item in self._items("constraints"):
            if not isinstance(item, Block):
                self.notebook.add(item, "A constraint is a block.", "Write: - {rule: dbp < sbp, source: ...}")
                continue
            section = Section(item, "A constraint", self.notebook)
            rule = bind(section.need("rule", "dbp < sbp"), "A constraint", scope, self.notebook)
            grounds = self._grounds(section, "constraint")
            section.close()
            if rule is not None and rule.type.kind != "condition":
                self.notebook.add(item, "A constraint is a condition.", "Write: - {rule: dbp < sbp, source: ...}")
            elif rule is not None and rule.reads & later:
                self.notebook.add(
                    item,
                    f"A constraint holds at the index; '{min(rule.reads & later)}' is known only later.",
                    "Lead the pathway so that it can't happen.",
                )
            elif rule is not None and grounds is not None:
                found.append(Constraint(rule.text, rule, grounds))
        return tuple(found)

    def _targets(self, reader: TargetReader) -> dict[str, Target | None]:
        """Return the targets by name; None for one with a mistake, so that nobody is told that it is missing."""
        standards = {
            key.text: reader.standard(key, section)
            for key, section in self.section.sections("standards", lambda name: f"Standard '{name}'")
        }
        return {
            key.text: reader.target(key, section, standards)
            for key, section in self.section.sections("targets", lambda name: f"Target '{name}'")
        }

    def _items(self, key: str) -> tuple[Value, ...]:
        value = self.section.get(key)
        if value is None or isinstance(value, Sequence):
            return value.items if value is not None else ()
        self.notebook.add(value, f"'{key}' is a list.", "Begin each entry with '- '.")
        return ()

    def _pathway(self, meanings: Mapping[str, Variable], variables: Mapping[str, ModelVariable]) -> Pathway | None:
        names = {**self.types, **dict.fromkeys(self.parameters, NUMBER)}
        reader = PathwayReader(Terms(Scope(names), self.notebook, self._grounds_of), meanings, self.names, self._codes)
        pathway = reader.read(self.section)
        if pathway is None:
            return None
        measured = frozenset(pathway.measured)
        helpers = frozenset(name for name, one in variables.items() if one.role is Role.HELPER)
        return replace(pathway, unrecorded=helpers & measured)

    def _check_order(
        self,
        variables: Mapping[str, ModelVariable],
        dependences: tuple[Dependence, ...],
        pathway: Pathway | None,
    ) -> None:
        graph = {name: one.parents & variables.keys() for name, one in variables.items()}
        if pathway is not None:
            for name, one in variables.items():
                graph[name] |= one.parents & {PATHWAY}
            graph[PATHWAY] = pathway.reads & variables.keys()
        for group in dependences:
            for before, after in zip(group.members, group.members[1:], strict=False):
                if after in graph:
                    graph[after] |= {before} & variables.keys()
            if group.by:
                for member in group.members:
                    if member in graph:
                        graph[member] |= {group.by}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            places = [key for key, _ in self.section.entries("variables") if key.text in error.args[1]]
            self.notebook.add(
                places[0],
                f"These variables need each other: {circle}.",
                "Break the circle; members of a dependence group are drawn in the order listed.",
            )


def _type(meaning: Variable) -> Type:
    unit = meaning.unit if meaning.numeric and meaning.unit not in ("", "1") else None
    return replace(type_of(meaning), unit=unit)


def _plain(bound: Expression | None) -> NumberTable | None:
    return None if bound is None else NumberTable(Breakdown(()), (bound,))


def _loinc_holds(code: str) -> bool:
    """Return whether the check digit of a LOINC code is right (Luhn, mod 10)."""
    number, dash, check = code.partition("-")
    if not (dash and number.isdigit() and len(check) == 1 and check.isdigit()):
        return False
    digits = [int(digit) for digit in reversed(number)]
    total = sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    return (10 - total % 10) % 10 == int(check)
