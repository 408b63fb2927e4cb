"""Whatever is wrong with a pathway, its author is told what, where, and what would be right."""

from __future__ import annotations

import pytest
from timed_model import edited

from manikin.clinic import parse_model
from manikin.errors import ModelError

# What is written instead of what, and a word of the mistake; the mistake stands in the line of the word before it.
CASES = {
    "no pathway": ("pathway:\n  title: An emergency", "care:\n  title: An emergency", "need a pathway"),
    "unknown first state": ("start: triage", "start: triagee", "There is no state 'triagee'"),
    "no horizon": ("  horizon: 30 d\n", "", "no 'horizon'"),
    "a horizon without a unit": ("horizon: 30 d", "horizon: 30", "has a unit"),
    "a wait without a unit": ("wait: 14 d", "wait: 14", "has a unit"),
    "a drawn wait without a unit": ("wait: lognormal(2 d, 0.6)", "wait: lognormal(2, 0.6)", "has a unit"),
    "a wait of another dimension": ("wait: 14 d", "wait: sbp", "has a unit"),
    "a negative wait": ("wait: 14 d", "wait: -14 d", "0 or more"),
    "an unknown distribution": ("wait: lognormal(2 d, 0.6)", "wait: lognormall(2 d, 0.6)", "lognormall"),
    "a way to nowhere": (
        "[{share: 3%, go: gone}, {go: assessment}]",
        "[{share: 3%, go: lost}, {go: assessment}]",
        "There is no state 'lost'",
    ),
    "nobody may stay behind": (
        "then: [{share: 3%, go: gone}, {go: assessment}]",
        "then: [{share: 3%, go: gone}, {share: 97%, go: assessment}]",
        "left behind",
    ),
    "a way after all have left": (
        "then: [{share: 3%, go: gone}, {go: assessment}]",
        "then: [{go: assessment}, {share: 3%, go: gone}, {go: assessment}]",
        "everybody leaves here",
    ),
    "no way out": ("      wait: 14 d\n      then: [{go: clinic}]", "      wait: 14 d", "no way out"),
    "a way without a state": ("{share: 3%, go: gone}", "{share: 3%}", "no 'go'"),
    "a share above one": ("{share: 3%, go: gone}", "{share: 300%, go: gone}", "between 0 and 1"),
    "a condition that is a number": (
        "{when: result(marker) >= 52, go: ward}",
        "{when: result(marker), go: ward}",
        "is a condition",
    ),
    "an unknown test": ("orders: [vitals, trace,", "orders: [vital, trace,", "There is no test 'vital'"),
    "an unknown entry": ("stops: [drug]", "stops: [drugg]", "There is no entry 'drugg'"),
    "an unknown variable measured": ("measures: [rhythm]", "measures: [rythm]", "There is no variable 'rythm'"),
    "a test that measures nothing": (
        "    trace: {measures: [rhythm]}",
        "    trace: {title: Trace}",
        "measures nothing",
    ),
    "an unknown question": (
        "result(marker) >= 52, go: ward",
        "outcome(marker) >= 52, go: ward",
        "no function 'outcome'",
    ),
    "a question of the wrong thing": (
        "result(marker) >= 52, go: ward",
        "result(severity) >= 52, go: ward",
        "can't be asked of 'severity'",
    ),
    "a question within the wrong test": (
        "result(marker) >= 52, go: ward",
        "'result(marker, troponin) >= 52', go: ward",
        "can't be asked of 'troponin'",
    ),
    "a question with too many names": (
        "since(marker_test) > 1 h",
        "'since(marker_test, vitals) > 1 h'",
        "takes one name",
    ),
    "a time beside a mass": ("since(marker_test) > 1 h", "since(marker_test) > marker", "measure different things"),
    "an unknown ending": ("home: {ends: discharge}", "home: {ends: home}", "no ends"),
    "a terminal state with a way out": (
        "gone: {ends: loss}",
        "gone: {ends: loss, then: [{go: home}]}",
        "ends the follow-up",
    ),
    "a state that nobody reaches": (
        "    gone: {ends: loss}",
        "    gone: {ends: loss}\n    nowhere: {ends: loss}",
        "Nobody comes to the state 'nowhere'",
    ),
    "a risk without a rate": ("per-day: 0.01 * exp(0.03 * (age - 50)), in:", "in:", "0 rates"),
    "a risk with two rates": (
        "per-day: 0.01 * exp(0.03 * (age - 50)), in:",
        "per-day: 0.01, per-year: 1, in:",
        "2 rates",
    ),
    "a risk in an unknown state": ("in: [ward, assessment]", "in: [wards, assessment]", "There is no state 'wards'"),
    "an encounter that is a list": ("encounter: emergency", "encounter: [emergency]", "is a kind"),
    "hours that run backwards": ("hours: 8..17", "hours: 17..8", "backwards"),
    "hours beyond the day": ("hours: 8..17", "hours: 8..27", "between 0 and 24"),
    "an arrival with a gap": (
        "{0..8: 20, 8..20: 60, 20..24: 20}",
        "{0..8: 20, 9..20: 60, 20..24: 20}",
        "bands of hours",
    ),
    "an arrival that ends early": ("{0..8: 20, 8..20: 60, 20..24: 20}", "{0..8: 20, 8..20: 60}", "ends at 24"),
    "a name for two things": ("    trace: {measures: [rhythm]}", "    ward: {measures: [rhythm]}", "both"),
    "an unknown setting of a state": ("      wait: 14 d", "      waits: 14 d", "no setting 'waits'"),
    "an unknown kind of entry": ("ruled_in: {kind: decision", "ruled_in: {kind: decree", "no kind"),
    "an entry without a kind": (
        "ruled_in: {kind: decision, title: Ruled in}",
        "ruled_in: {title: Ruled in}",
        "has no 'kind'",
    ),
    "a process without a memory": (
        "{memory: 12 h, begins: severity_at_start, source",
        "{begins: severity_at_start, source",
        "no 'memory'",
    ),
    "a process that begins nowhere": ("begins: severity_at_start", "begins: severity_at_end", "no number of the model"),
    "a process that takes a name": ("  severity: {memory", "  sbp: {memory", "is taken"),
    "a trajectory of nothing": ("  shadow: {chance", "  shade: {chance", "There is no variable 'shade'"),
    "a trajectory that nobody measures": ("measures: [shadow]", "measures: [rhythm]", "No test measures 'shadow'"),
    "a trajectory without a value": ("dbp: {value: dbp - 4 * severity, within-sd", "dbp: {within-sd", "no 'value'"),
    "a condition with a value": (
        'shadow: {chance: "if(shadow, 0.8, 0.1)"',
        'shadow: {value: "if(shadow, 0.8, 0.1)"',
        "no 'chance'",
    ),
    "a category that is a number": ("{shares: {sinus: 90, flutter: 10}, source", "{value: 3, source", "gives a number"),
    "a category without shares": ("{shares: {sinus: 90, flutter: 10}, source", "{source", "no 'shares'"),
    "a level that is none": (
        "{sinus: 90, flutter: 10}, source: book recalled}\npathway",
        "{sinus: 90, fluter: 10}, source: book recalled}\npathway",
        "fluter",
    ),
    "a variation twice": ("within: 10%", "within: 10%\n    within-sd: 3", "both 'within' and 'within-sd'"),
    "a negative variation": ("within: 10%", "within: -10%", "0 or more"),
    "lots that are no block": ("within: 10%", "within: 10%\n    lots: 3%", "'lots' is a block"),
    "lots that last no time": ("within: 10%", "within: 10%\n    lots: {cv: 1%, lasts: 60}", "has a unit"),
    "lots by a number": ("within: 10%", "within: 10%\n    lots: {cv: 1%, lasts: 60 d, by: age}", "no category"),
    "a memory of nothing": ("    within: 10%\n    memory: 6 h", "    memory: 6 h", "which is missing"),
    "ends that are no list": ("between: [40, 280]", "between: 40", "list of two values"),
    "a reserved name": (
        "  admitted: {derived: visited(ward)}",
        "  admitted: {derived: visited(ward)}\n  hour: {derived: visited(ward)}",
        "can't be a name",
    ),
    "an answer that its own pathway needs": ("wait: 14 d", "wait: if(died, 14 d, 15 d)", "need each other"),
    "a time where a number is needed": (
        "first_marker: {unit: ng/L, precision: 1, derived: first(marker)}",
        "first_marker: {unit: ng/L, precision: 1, derived: spent(ward)}",
        "its formula gives min",
    ),
    "a horizon that moves": ("horizon: 30 d", "horizon: time + 1 d", "not known here"),
    "a memory of no time": ("memory: 12 h, begins", "memory: 0 h, begins", "above 0"),
    "ends that are crossed": ("between: [40, 280]", "between: [280, 40]", "lower one first"),
    "a rate that is a time": (
        "per-day: 0.01 * exp(0.03 * (age - 50)), in:",
        "per-day: 2 h, in:",
        "number of 0 or more",
    ),
    "a negative rate": ("per-day: 0.01 * exp(0.03 * (age - 50)), in:", "per-day: -1, in:", "number of 0 or more"),
    "a share that is a time": ("share: rate", "share: time", "from 0 to 1"),
    "a question within a test that does not measure it": (
        "{when: result(marker) >= 52, go: ward}",
        '{when: "result(marker, vitals) >= 52", go: ward}',
        "can't be asked of 'vitals'",
    ),
    "the index written later": (
        "      writes: [{entry: ruled_in,",
        "      writes: [index, {entry: ruled_in,",
        "known at the start",
    ),
    "an encounter of none that lasts": ("encounter: none", "encounter: {kind: none, lasts: 2 h}", "doesn't last"),
    "a thing measured twice": ("measures: [sbp, dbp]", "measures: [sbp, dbp, sbp]", "'sbp' twice"),
    "an appointment with death": (
        "dead: {writes: [death], ends: death}",
        "dead: {writes: [death], hours: 8..17, ends: death}",
        "nobody has an appointment",
    ),
    "a constraint on what comes later": (
        "pathway:\n  title",
        "constraints: [{rule: not died, source: house assumption}]\npathway:\n  title",
        "holds at the index",
    ),
    "no source at all": ("  source: house assumption\n  tests:", "  tests:", "names no source"),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(kind: str) -> None:
    old, new, word = CASES[kind]
    with pytest.raises(ModelError) as raised:
        parse_model(edited(old, new))
    told = [mistake for mistake in raised.value.mistakes if word in mistake.what]
    assert told, [mistake.what for mistake in raised.value.mistakes]
    assert all(mistake.line > 1 for mistake in told)
    assert told[0].suggestion
