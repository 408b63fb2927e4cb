"""Reads the block ``accuracy`` of a study, so that every mistake is told with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from manikin.cohort.accuracy.biases import (
    EVERYBODY,
    PERFECT,
    READERS,
    Bias,
    DifferentialVerification,
    Fallible,
    Group,
    Incorporation,
    Judged,
    PartialVerification,
    Progression,
    Reference,
    Review,
    Spectrum,
)
from manikin.cohort.accuracy.course import RESULTS, Condition
from manikin.cohort.accuracy.design import Design, IndexTest
from manikin.document import Mapping, Notebook, Scalar, Section, Sequence, Value, shortened
from manikin.errors import closest

MAX_BIASES = 50
# Ten years between the tests are no study any more.
_MOST_DAYS = 3_650.0

_EXAMPLES = {
    "spectrum": "{spectrum: stage == prediabetes, keep: 30%}",
    "partial-verification": "{partial-verification: index negative, verified: 20%}",
    "differential-verification": "{differential-verification: index negative, reference: {sensitivity: 60%, specificity: 98%}}",
    "progression": "{progression: 4%, mean-days: 90}",
    "incorporation": "{incorporation: 30%}",
    "review": "{review: reference, share: 25%}",
}
_REFERENCE = "{sensitivity: 95%, specificity: 99%}"


@dataclass(frozen=True)
class Known:
    """What a study of accuracy may speak of: names in the data, names only in the truth, and how to compile a condition.

    ``condition`` returns None where it noted a mistake.
    """

    data: frozenset[str]
    truth: frozenset[str]
    condition: Callable[[Scalar, Notebook], Condition | None]


def read_accuracy(value: Value | None, known: Known, notebook: Notebook) -> Design | None:
    """Return the study of accuracy written at ``value``, None where there is none; mistakes go into the notebook."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        notebook.add(
            value,
            "'accuracy' is a block with an index test and a target.",
            "Write: accuracy: {index-test: hba1c >= 6.5, target: stage == undiagnosed}",
        )
        return None
    noted = len(notebook.mistakes)
    reader = _Reader(Section(value, "'accuracy'", notebook), known)
    index_test, target = reader.index_test(), reader.condition("target", "stage == undiagnosed")
    reference, biases = reader.reference(), _biases(reader.section.get("biases"), known, notebook)
    reader.section.close()
    taken = sorted(name for name in known.data | known.truth if name.startswith("accuracy_"))
    if taken:
        notebook.add(
            value, f"The model has a variable '{taken[0]}', as the study's own columns are called.", "Rename it."
        )
    if len(notebook.mistakes) > noted or index_test is None or target is None:
        return None
    return Design(index_test, target, reference or PERFECT, biases)


def _biases(value: Value | None, known: Known, notebook: Notebook) -> tuple[Bias, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence):
        notebook.add(value, "'biases' is a list.", f"Write, for example: biases: [{_EXAMPLES['incorporation']}]")
        return ()
    if len(value.items) > MAX_BIASES:
        notebook.add(
            value, f"There are {len(value.items)} biases; at most {MAX_BIASES} are possible.", "Leave some out."
        )
        return ()
    found: list[Bias] = []
    for item in value.items:
        one = _bias(item, known, notebook)
        if isinstance(one, Progression) and any(isinstance(other, Progression) for other in found):
            notebook.add(
                item, "'progression' stands twice.", "Between two tests there is one wait: remove one of them."
            )
        found += [] if one is None else [one]
    return tuple(found)


def _bias(item: Value, known: Known, notebook: Notebook) -> Bias | None:
    if not isinstance(item, Mapping):
        notebook.add(item, "A bias is a block.", f"Write, for example: {_EXAMPLES['incorporation']}")
        return None
    named = [key for key, _ in item.entries if key.text in _EXAMPLES]
    if not named:
        word = item.entries[0][0] if item.entries else None
        notebook.add(
            word or item,
            f"'{shortened(word.text)}' is no bias." if word else "The bias is empty.",
            closest(word.text if word else "", _EXAMPLES),
        )
        return None
    if len(named) > 1:
        notebook.add(
            named[1], f"'{named[1].text}' stands beside '{named[0].text}': an entry is one bias.", "Write two entries."
        )
        return None
    kind = named[0].text
    noted = len(notebook.mistakes)
    reader = _Reader(Section(item, f"The bias '{kind}'", notebook), known, kind)
    made = reader.bias()
    reader.section.close()
    return made if len(notebook.mistakes) == noted else None


class _Reader:
    """A block being read; what is missing is noted, and stands in as something harmless until the end."""

    def __init__(self, section: Section, known: Known, kind: str = "") -> None:
        self.section, self.known, self.kind = section, known, kind
        self.notebook = section.notebook

    def bias(self) -> Bias | None:
        makers: dict[str, Callable[[], Bias | None]] = {
            "spectrum": lambda: Spectrum(self.group(), self.share("keep", "30%", most=False)),
            "partial-verification": lambda: PartialVerification(
                self.group(), self.share("verified", "20%", most=False)
            ),
            "differential-verification": self.differential,
            "progression": self.progression,
            "incorporation": lambda: Incorporation(self.share(self.kind, "30%", least=False), self.when()),
            "review": self.review,
        }
        return makers[self.kind]()

    def differential(self) -> Bias | None:
        group = self.group()
        if self.section.need("reference", _REFERENCE) is None:
            return None
        reference = self.reference()
        return None if reference is None else DifferentialVerification(group, reference)

    def progression(self) -> Bias | None:
        share = self.share(self.kind, "4%")
        cured = 0.0 if self.section.get("cured") is None else self.share("cured", "10%")
        days = self.section.number("mean-days")
        if days is not None and not 0 < days <= _MOST_DAYS:
            self.add(
                "mean-days",
                f"The wait between the tests lies above 0 and goes up to {_MOST_DAYS:,.0f} days; got {days:g}.",
                "Write, for example: mean-days: 90",
            )
        if share == cured == 0:
            self.add(self.kind, "Nobody's state changes.", f"Write, for example: {_EXAMPLES[self.kind]}")
        return Progression(share, cured, days, self.when())

    def review(self) -> Bias | None:
        written = self.section.get(self.kind)
        reader = written.text if isinstance(written, Scalar) else ""
        share, when = self.share("share", "25%", least=False), self.when()
        if reader not in READERS:
            self.add(
                self.kind,
                f"'review' names the test whose reader knows the other's result; got '{shortened(reader)}'.",
                closest(reader, READERS),
            )
            return None
        return Review(reader, share, when)

    def index_test(self) -> IndexTest | None:
        value = self.section.get("index-test")
        if not isinstance(value, Mapping):
            positive = self.condition("index-test", "hba1c >= 6.5", measured=True)
            return None if positive is None else IndexTest(positive)
        inner = _Reader(Section(value, "'index-test'", self.notebook), self.known)
        positive = inner.condition("positive", "hba1c >= 6.5", measured=True)
        doubtful = inner.section.get("inconclusive") is not None
        doubt = inner.condition("inconclusive", "hba1c in 6.0..6.4", measured=True) if doubtful else None
        inner.section.close()
        return None if positive is None else IndexTest(positive, doubt)

    def reference(self) -> Reference | None:
        """Return the reference standard: how often it is right, or a condition; None for one that never errs."""
        value = self.section.get("reference")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            found = self.condition("reference", "glucose >= 126")
            return None if found is None else Judged(found)
        noted = len(self.notebook.mistakes)
        inner = _Reader(Section(value, "'reference'", self.notebook), self.known)
        sensitivity, specificity = inner.share("sensitivity", "95%"), inner.share("specificity", "99%")
        inner.section.close()
        if len(self.notebook.mistakes) > noted:
            return None
        if sensitivity + specificity <= 1:
            self.add(
                "reference",
                "A reference standard tells more than chance: sensitivity and specificity together pass 100%.",
                f"Write, for example: reference: {_REFERENCE}",
            )
            return None
        return Fallible(sensitivity, specificity)

    def group(self) -> Group:
        """Return of whom the bias speaks: 'index negative', or a condition; 'when' narrows the former."""
        value = self.section.get(self.kind)
        words = value.text.split() if isinstance(value, Scalar) else []
        if words[:1] == ["index"] and len(words) == 2:
            if words[1] not in RESULTS:
                self.add(self.kind, f"The index test is not '{shortened(words[1])}'.", closest(words[1], RESULTS))
                return EVERYBODY
            return Group(words[1], self.when().condition)
        if self.section.get("when") is not None:
            self.add("when", f"'{self.kind}' is a condition already.", "Join both with 'and', or write: index negative")
        return Group("", self.condition(self.kind, "age < 40"))

    def when(self) -> Group:
        """Return whom an optional condition leaves."""
        return EVERYBODY if self.section.get("when") is None else Group("", self.condition("when", "age < 40"))

    def condition(self, key: str, example: str, measured: bool = False) -> Condition | None:
        """Return a compiled condition that has to be there; one that is ``measured`` reads only what is in the data."""
        value = self.section.need(key, example)
        if value is None:
            return None
        if not isinstance(value, Scalar) or not value.text.strip():
            self.notebook.add(
                value, f"{self.section.what}: '{key}' is a condition.", f"Write, for example: {key}: {example}"
            )
            return None
        found = self.known.condition(value, self.notebook)
        if found is None:
            return None
        if not found.reads:
            self.add(key, "This condition reads nothing of a patient.", f"Write, for example: {key}: {example}")
        hidden = sorted(found.reads & self.known.truth) if measured else []
        if hidden:
            self.add(key, f"'{hidden[0]}' is not in the data, so that no test can read it.", "Name what is on record.")
        return found

    def share(self, key: str, example: str, *, least: bool = True, most: bool = True) -> float:
        """Return a share that has to be there, from 0 where that is ``least``, up to 100% where that is ``most``."""
        found = None if self.section.need(key, example) is None else self.section.number(key)
        if found is None:
            return 0.5
        if not 0 <= found <= 1 or (found == 0 and not least) or (found == 1 and not most):
            ends = f"lies {'from' if least else 'above'} 0 {'to' if most else 'to below'} 100%"
            self.add(key, f"'{key}' {ends}; got {found:g}.", f"Write, for example: {key}: {example}")
            return 0.5
        return found

    def add(self, key: str, what: str, suggestion: str) -> None:
        """Note a mistake at the value of a setting."""
        self.notebook.add(self.section.get(key) or self.section.mapping, what, suggestion)
