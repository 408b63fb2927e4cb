"""Reads how values move: the ``processes`` and ``trajectories`` of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from manikin.clinic.expressions import Expression, Type
from manikin.clinic.pathway import CLOCK, VALUE, Lots, Process, Trajectory, Variation
from manikin.clinic.reading.rules import RuleReader, bind
from manikin.clinic.reading.terms import Terms
from manikin.clinic.rules import LevelsRule, Shares
from manikin.codebook import Kind, Variable
from manikin.document import Mapping as Block
from manikin.document import Section, Sequence
from manikin.errors import closest

# Names that a model with a pathway can't give to anything else.
RESERVED = frozenset((*CLOCK, VALUE, "followed", "none", "index"))


@dataclass(frozen=True)
class TrajectoryReader:
    """What reading needs: the terms of the pathway, what variables mean, and which of them tests measure."""

    terms: Terms
    meanings: Mapping[str, Variable]
    measured: frozenset[str]

    def processes(self, top: Section) -> dict[str, Process]:
        """Return the latent processes."""
        found = {}
        for key, section in top.sections("processes", lambda name: f"Process '{name}'"):
            memory = self.terms.time(section.need("memory", "30 d"), f"{section.what}: 'memory'")
            begins = section.text("begins") or None
            if memory is not None and memory.constant == 0:
                self.terms.notebook.add(
                    section.get("memory") or key, f"{section.what}: 'memory' is a time above 0.", "Write: memory: 30 d"
                )
            if begins is not None and (begins not in self.meanings or not self.meanings[begins].numeric):
                numbers = [name for name, one in self.meanings.items() if one.numeric]
                self.terms.notebook.add(
                    section.get("begins") or key, f"'{begins}' is no number of the model.", closest(begins, numbers)
                )
            if key.text in self.terms.scope.names or key.text in RESERVED:
                self.terms.notebook.add(key, f"'{key.text}' is taken.", "Choose another name.")
            self.terms.claim(section.mapping, f"process {key.text}", section)
            section.close()
            if memory is not None:
                found[key.text] = Process(key.text, memory, begins)
        return found

    def trajectories(self, top: Section) -> dict[str, Trajectory]:
        """Return how variables move."""
        found = {}
        for key, section in top.sections("trajectories", lambda name: f"Trajectory of '{name}'"):
            meaning = self.meanings.get(key.text)
            if meaning is None:
                self.terms.notebook.add(key, f"There is no variable '{key.text}'.", closest(key.text, self.meanings))
                continue
            if key.text not in self.measured:
                self.terms.notebook.add(
                    key, f"No test measures '{key.text}'.", "Let a test measure it, or remove its trajectory."
                )
            one = self._trajectory(meaning, section)
            self.terms.claim(section.mapping, f"{key.text} over time", section)
            section.close()
            if one is not None:
                found[key.text] = one
        return found

    def _trajectory(self, meaning: Variable, section: Section) -> Trajectory | None:
        """Return how a variable moves."""
        if meaning.kind is Kind.CATEGORY:
            return self._found_levels(meaning, section)
        if meaning.kind is Kind.CONDITION:
            section.need("chance", "if(ill, 0.9, 0.05)")
            chance = self.terms.probability(section, "chance")
            return None if chance is None else Trajectory(meaning.name, chance)
        value = self.terms.number(section, "value") if section.need("value", f"{meaning.name}") is not None else None
        memory = self.terms.time(section.get("memory"), f"{section.what}: 'memory'") if section.get("memory") else None
        within, analytical = (self._variation(section, key, meaning) for key in ("within", "analytical"))
        lots = self._lots(section)
        if memory is not None and within is None:
            self.terms.notebook.add(
                section.get("memory") or section.mapping,
                f"{section.what}: 'memory' is that of the variation 'within' the person, which is missing.",
                "Write: within: 5%",
            )
            memory = None
        if memory is not None and memory.constant == 0:
            self.terms.notebook.add(
                section.get("memory") or section.mapping,
                f"{section.what}: 'memory' is a time above 0.",
                "Leave it out.",
            )
        between = self._between(section)
        if value is None:
            return None
        return Trajectory(meaning.name, value, None, within, analytical, memory, between, lots)

    def _lots(self, section: Section) -> Lots | None:
        """Return what measurements with one lot of reagents share."""
        value = section.get("lots")
        if value is None:
            return None
        if not isinstance(value, Block):
            self.terms.notebook.add(
                value, f"{section.what}: 'lots' is a block.", "Write: lots: {cv: 1.5%, lasts: 60 d}"
            )
            return None
        inner = Section(value, f"{section.what}: 'lots'", self.terms.notebook)
        inner.need("cv", "1.5%")
        size, by = inner.number("cv"), inner.text("by")
        lasts = self.terms.time(inner.need("lasts", "60 d"), f"{inner.what}: 'lasts'")
        inner.close()
        if by and (by not in self.meanings or self.meanings[by].kind is not Kind.CATEGORY):
            sites = [name for name, one in self.meanings.items() if one.kind is Kind.CATEGORY]
            self.terms.notebook.add(
                inner.get("by") or value, f"'{by}' is no category of the model.", closest(by, sites)
            )
            return None
        if size is None or lasts is None:
            return None
        if size < 0 or not lasts.constant:
            self.terms.notebook.add(
                value,
                f"{inner.what} have a 'cv' of 0 or more, and last a fixed time above 0.",
                "Write: {cv: 1.5%, lasts: 60 d}",
            )
            return None
        return Lots(size, lasts.constant, by or None)

    def _found_levels(self, meaning: Variable, section: Section) -> Trajectory | None:
        if (value := section.get("value")) is not None:
            found = bind(value, section.what, self.terms.scope, self.terms.notebook)
            if found is None or found.type == Type("category", levels=meaning.levels):
                return None if found is None else Trajectory(meaning.name, found)
            self.terms.notebook.add(
                value,
                f"{section.what}: 'value' gives {found.type}, and not one of: {', '.join(meaning.levels)}.",
                "Use a formula of the codebook that gives these, or write 'shares'.",
            )
            return None
        if section.need("shares", f"{{{meaning.levels[0]}: 90, {meaning.levels[1]}: 10}}") is None:
            return None
        reader = RuleReader(meaning, self.terms.scope, self.terms.notebook, lambda _: None)
        rule = reader.levels(section)
        if not isinstance(rule, LevelsRule) or not isinstance(rule.cumulative, Shares):
            return None
        return Trajectory(meaning.name, None, rule.cumulative)

    def _variation(self, section: Section, key: str, meaning: Variable) -> Variation | None:
        """Return a variation, relative or in the variable's unit; it may depend on the value that it varies."""
        unit = meaning.unit if meaning.unit not in ("", "1") else None
        scope = replace(self.terms.scope, names={**self.terms.scope.names, VALUE: Type("number", unit)})
        relative, absolute = self.terms.number(section, key, scope), self.terms.number(section, f"{key}-sd", scope)
        if relative is not None and absolute is not None:
            self.terms.notebook.add(
                section.get(key) or section.mapping,
                f"{section.what} has both '{key}' and '{key}-sd'.",
                "Keep one of them.",
            )
        size = relative if relative is not None else absolute
        if size is None:
            return None
        if size.constant is not None and size.constant < 0:
            self.terms.notebook.add(
                section.get(key) or section.get(f"{key}-sd") or section.mapping,
                f"{section.what}: a variation is 0 or more; got {size.constant:g}.",
                f"Write: {key}: 5%",
            )
        return Variation(size, relative is not None)

    def _between(self, section: Section) -> tuple[Expression, Expression] | None:
        value = section.get("between")
        if value is None:
            return None
        ends = (
            [bind(item, f"{section.what}: 'between'", self.terms.scope, self.terms.notebook) for item in value.items]
            if isinstance(value, Sequence)
            else []
        )
        known = [one for one in ends if one is not None]
        if len(known) != 2:
            if len(known) == len(ends):
                self.terms.notebook.add(
                    value, f"{section.what}: 'between' is a list of two values.", "Write: between: [0, 10]"
                )
            return None
        low, high = known
        if any(one.type.kind != "number" or one.timed for one in known) or (
            low.constant is not None and high.constant is not None and low.constant >= high.constant
        ):
            self.terms.notebook.add(
                value, f"{section.what}: 'between' is two numbers, the lower one first.", "Write: between: [0, 10]"
            )
            return None
        return low, high
