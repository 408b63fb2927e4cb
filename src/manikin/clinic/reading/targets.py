"""Reads the published aggregates of a model file: targets, standard populations and correlations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from manikin.clinic.expressions import Expression, Scope
from manikin.clinic.model import Calibration, Correlation, Dependence, Parameter, Published, Standard, Statistic, Target
from manikin.clinic.reading.cells import Cells, read_cells
from manikin.clinic.reading.rules import bind, flatten
from manikin.clinic.tables import Breakdown
from manikin.codebook import Grounds
from manikin.document import Mapping as Block
from manikin.document import Notebook, Scalar, Section, Sequence, Value
from manikin.errors import closest

_NUMBER = r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)"
_PUBLISHED = re.compile(
    rf"\s*(?P<value>{_NUMBER})\s*(?P<share>%?)\s*(?:±\s*(?P<half>{_NUMBER})\s*%?|\(\s*(?P<low>{_NUMBER})\s*%?\s*to\s*(?P<high>{_NUMBER})\s*%?\s*\))?\s*"
)

# Where a source gives no interval: one percentage point for shares, 2% for other values, 0.03 for correlations.
SHARE_TOLERANCE, RELATIVE_TOLERANCE, CORRELATION_TOLERANCE = 0.01, 0.02, 0.03


@dataclass(frozen=True)
class TargetReader:
    """What reading targets needs: the names in reach, which of them are kept, how sources are read, and where mistakes go."""

    scope: Scope
    notebook: Notebook
    kept: frozenset[str]
    grounds: Callable[[Section, str], Grounds | None]

    def standard(self, name: Scalar, section: Section) -> Standard | None:
        """Return a standard population."""
        by, weights = section.texts("by"), section.need("weights", "{18..44: 50, 45..64: 35, 65..: 15}")
        grounds = self.grounds(section, f"standard {name.text}")
        section.close()
        if weights is None or grounds is None:
            return None
        cells = read_cells(weights, by, self.scope.names, self.notebook)
        if cells is None:
            return None
        bound = [bind(cell, section.what, self.scope, self.notebook) for cell in cells.values]
        known = tuple(one.constant for one in bound if one is not None and one.constant is not None)
        if len(known) < len(bound) or min(known) < 0 or sum(known) == 0:
            self.notebook.add(
                weights, f"{section.what}: weights are numbers of 0 or more.", "Write, for example: 18..44: 50"
            )
            return None
        return Standard(name.text, cells.breakdown, known, grounds)

    def target(self, name: Scalar, section: Section, standards: Mapping[str, Standard | None]) -> Target | None:
        """Return a target."""
        written = [one for one in Statistic if section.get(one.value) is not None]
        if len(written) != 1:
            self.notebook.add(
                section.mapping,
                f"{section.what} has {len(written)} statistics.",
                f"Give it exactly one of: {', '.join(Statistic)}.",
            )
            return None
        statistic = written[0]
        of = self._of(statistic, section)
        among = self._among(section)
        level = section.number("level") if statistic is Statistic.QUANTILE else None
        if level is not None and not 0 < level < 1:
            self.notebook.add(
                section.get("level") or section.mapping,
                f"{section.what}: 'level' lies between 0 and 1; got {level:g}.",
                "Write, for example: level: 0.9",
            )
        cells = self._values(section)
        grounds = self.grounds(section, name.text)
        standard = self._standard(section, standards)
        section.close()
        if of is None or cells is None or grounds is None:
            return None
        values = tuple(None if cell is None else self.published(cell, statistic, section.what) for cell in cells.values)
        plain = (Statistic.SHARE, Statistic.CORRELATION, Statistic.RATIO)
        unit = "" if statistic in plain else of[0].type.unit or ""
        breakdown = cells.breakdown if cells.breakdown.axes else None
        target = Target(
            name.text, statistic, of, values, grounds, unit, among, breakdown, standard, 0.5 if level is None else level
        )
        return target if self._is_kept(section, target) else None

    def _is_kept(self, section: Section, target: Target) -> bool:
        about = frozenset[str]().union(*(one.reads for one in target.of))
        gone = sorted(target.reads - self.kept)
        if gone or not about:
            what = f"'{gone[0]}' is not" if gone else "nothing is"
            self.notebook.add(
                section.get(target.statistic.value) or section.mapping,
                f"{section.what}: a target is about what is kept; {what}.",
                "Give the helper 'role: truth', or state the target of a variable in the data.",
            )
        return bool(about) and not gone

    def _among(self, section: Section) -> Expression | None:
        among = bind(section.get("among"), f"{section.what}: 'among'", self.scope, self.notebook)
        if among is None or among.type.kind == "condition":
            return among
        self.notebook.add(
            section.get("among") or section.mapping,
            f"{section.what}: 'among' is a condition; this is {among.type}.",
            "Compare it with something: age >= 20",
        )
        return None

    def published(self, value: Value, statistic: Statistic, what: str) -> Published | None:
        """Return a value such as ``15.8%``, ``15.8% ± 1.2%`` or ``122 (120 to 124)``."""
        match = _PUBLISHED.fullmatch(value.text) if isinstance(value, Scalar) else None
        if match is None or not math.isfinite(float(match["value"])):
            self.notebook.add(
                value, f"{what}: this is no published value.", "Write 15.8%, 15.8% ± 1.2% or 122 (120 to 124)."
            )
            return None
        scale = 0.01 if match["share"] else 1.0
        centre = float(match["value"]) * scale
        if match["low"]:
            low, high = float(match["low"]) * scale, float(match["high"]) * scale
        else:
            half = float(match["half"]) * scale if match["half"] else self._tolerance(statistic, centre)
            low, high = centre - half, centre + half
        if not low <= centre <= high:
            self.notebook.add(value, f"{what}: {centre:g} lies outside its own interval.", "Write the lower end first.")
            return None
        if (statistic is Statistic.SHARE and not 0 <= centre <= 1) or (
            statistic is Statistic.CORRELATION and not -1 <= centre <= 1
        ):
            self.notebook.add(
                value,
                f"{what}: {centre:g} is no {statistic}.",
                "A share lies between 0% and 100%, a correlation between -1 and 1.",
            )
            return None
        return Published(centre, low, high, stated=bool(match["low"] or match["half"]))

    def dependence(
        self, name: Scalar, section: Section, drawn: frozenset[str], claim: Callable[[str, str, Grounds], None]
    ) -> Dependence | None:
        """Return a group of quantities that move together."""
        members = section.texts("members")
        logarithmic = section.texts("logarithmic")
        by = section.get("by")
        where = self._among(section)
        grounds = self.grounds(section, name.text)
        names = tuple(member.text for member in members)
        if len(names) < 2:
            self.notebook.add(
                section.get("members") or section.mapping,
                f"{section.what} has fewer than two 'members'.",
                "Write: members: [sbp, dbp]",
            )
        for member in (*members, *logarithmic):
            if member.text not in drawn or (member in logarithmic and member.text not in names):
                self.notebook.add(member, f"'{member.text}' is no member that is drawn.", closest(member.text, drawn))
        levels: tuple[str, ...] = ("",)
        if by is not None:
            found = self.scope.names.get(by.text) if isinstance(by, Scalar) else None
            levels = found.levels if found is not None and found.levels else ()
            if not levels:
                self.notebook.add(
                    by,
                    f"{section.what}: 'by' names a category.",
                    closest(flatten(by), [key for key, one in self.scope.names.items() if one.levels]),
                )
        value = section.need("correlations", "[{pair: [sbp, dbp], value: 0.55}]")
        items = value.items if isinstance(value, Sequence) else ()
        if value is not None and not isinstance(value, Sequence):
            self.notebook.add(value, f"{section.what}: 'correlations' is a list.", "Begin each with '- '.")
        section.close()
        if grounds is None:
            return None
        correlations = [self._correlation(item, names, levels, grounds, section.what, claim) for item in items]
        found_pairs = [frozenset(one.pair) for one in correlations if one is not None]
        for one, item in zip(correlations, items, strict=True):
            if one is not None and found_pairs.count(frozenset(one.pair)) > 1:
                self.notebook.add(
                    item, f"The pair {' and '.join(one.pair)} stands twice.", "Write one correlation for each pair."
                )
        return Dependence(
            name.text,
            names,
            tuple(one for one in correlations if one is not None),
            by.text if isinstance(by, Scalar) else None,
            levels or ("",),
            frozenset(one.text for one in logarithmic),
            where,
        )

    def calibration(
        self, item: Value, parameters: Mapping[str, Parameter], targets: Mapping[str, Target | None]
    ) -> Calibration | None:
        """Return which parameters are solved for which targets."""
        section = self._section(item, "A calibration", "- {free: [...], to: [...]}")
        if section is None:
            return None
        free, to = section.texts("free"), section.texts("to")
        section.close()
        for one in free:
            if one.text not in parameters:
                self.notebook.add(one, f"There is no parameter '{one.text}'.", closest(one.text, parameters))
            elif parameters[one.text].bounds is None:
                self.notebook.add(
                    one, f"'{one.text}' is not free.", "Give the parameter its bounds, for example  free: [0, 1]"
                )
        for one in to:
            if one.text not in targets:
                self.notebook.add(one, f"There is no target '{one.text}'.", closest(one.text, targets))
        if not free or not to:
            self.notebook.add(
                item,
                "A calibration names what is free and to which targets it is fitted.",
                "Write: - {free: [slope], to: [prevalence by age]}",
            )
        return Calibration(tuple(one.text for one in free), tuple(one.text for one in to))

    def _of(self, statistic: Statistic, section: Section) -> tuple[Expression, ...] | None:
        value = section.get(statistic.value)
        wanted = 2 if statistic in (Statistic.CORRELATION, Statistic.RATIO) else 1
        items = value.items if isinstance(value, Sequence) else (value,)
        if len(items) != wanted:
            self.notebook.add(
                value or section.mapping,
                f"{section.what}: a {statistic} is about {wanted} expression{'s' * (wanted - 1)}.",
                f"Write: {statistic}: [sbp, dbp]" if wanted == 2 else f"Write: {statistic}: sbp",
            )
            return None
        bound = [bind(item, f"{section.what}: '{statistic}'", self.scope, self.notebook) for item in items]
        found = tuple(one for one in bound if one is not None)
        for one, item in zip(bound, items, strict=True):
            if (
                one is not None
                and item is not None
                and (one.type.kind == "category" or (statistic is Statistic.SHARE) != (one.type.kind == "condition"))
            ):
                needed = "a condition" if statistic is Statistic.SHARE else "a number"
                self.notebook.add(
                    item,
                    f"{section.what}: a {statistic} is of {needed}.",
                    "Compare a category with its values: stage == normal",
                )
                return None
        return found if len(found) == wanted else None

    def _values(self, section: Section) -> Cells | None:
        by, value, values = section.texts("by"), section.get("value"), section.get("values")
        if (value is None) == (values is None) or (values is not None) != bool(by):
            self.notebook.add(
                section.mapping, f"{section.what} has either 'value', or 'by' with 'values'.", "Write: value: 15.8%"
            )
            return None
        if values is not None:
            return read_cells(values, by, self.scope.names, self.notebook, partial=True)
        return Cells(Breakdown(()), (value,))

    def _standard(self, section: Section, standards: Mapping[str, Standard | None]) -> Standard | None:
        name = section.get("standard")
        if not isinstance(name, Scalar):
            return None
        if name.text not in standards:
            self.notebook.add(name, f"There is no standard population '{name.text}'.", closest(name.text, standards))
        return standards.get(name.text)

    def _correlation(
        self,
        item: Value,
        names: tuple[str, ...],
        levels: tuple[str, ...],
        grounds: Grounds,
        what: str,
        claim: Callable[[str, str, Grounds], None],
    ) -> Correlation | None:
        section = self._section(item, f"{what}: a correlation", "- {pair: [sbp, dbp], value: 0.55}")
        if section is None:
            return None
        pair = section.texts("pair")
        common = section.number("value")
        each = [section.number(level) for level in levels if level]
        own = (
            self.grounds(section, " and ".join(one.text for one in pair))
            if section.get("source") is not None
            else grounds
        )
        section.close()
        for one in pair:
            if one.text not in names:
                self.notebook.add(one, f"'{one.text}' is no member of the group.", closest(one.text, names))
                return None
        if len(pair) != 2 or pair[0].text == pair[1].text:
            self.notebook.add(item, f"{what}: a correlation is between two members.", "Write: pair: [sbp, dbp]")
            return None
        values = [one for one in ([common] * len(levels) if common is not None else each) if one is not None]
        twice = common is not None and any(one is not None for one in each)
        if twice or len(values) != len(levels) or any(not -0.99 <= one <= 0.99 for one in values):
            self.notebook.add(
                item,
                f"{what}: a correlation has one value, or one for each of {', '.join(levels) or 'the levels'}, between -0.99 and 0.99.",
                "Write: {pair: [sbp, dbp], male: 0.53, female: 0.55}",
            )
            return None
        if own is None:
            return None
        claim(f"correlation of {pair[0].text} and {pair[1].text}", ", ".join(f"{one:g}" for one in values), own)
        return Correlation((pair[0].text, pair[1].text), tuple(values), own)

    def _section(self, item: Value, what: str, example: str) -> Section | None:
        if isinstance(item, Block):
            return Section(item, what, self.notebook)
        self.notebook.add(item, f"{what} is a block.", f"Write: {example}")
        return None

    @staticmethod
    def _tolerance(statistic: Statistic, centre: float) -> float:
        if statistic is Statistic.SHARE:
            return SHARE_TOLERANCE
        if statistic is Statistic.CORRELATION:
            return CORRELATION_TOLERANCE
        return abs(centre) * RELATIVE_TOLERANCE
