"""What a site tells is written once, read back as it was, and anything else is refused with its place."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts import AGE, HBA1C, SEX, documents, exact, facts, table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.aggregates import (
    Aggregates,
    CodebookName,
    Kind,
    Patients,
    Protection,
    Tier,
    Told,
    canonical,
    check_against,
    load,
    loads,
    save,
    to_json,
)
from manikin.codebook import Bins, Domain
from manikin.errors import AggregatesError, RequestError


@given(documents())
def test_what_is_written_is_read_back_as_it_was(one: Aggregates) -> None:
    again = loads(to_json(one))
    assert canonical(again) == canonical(one)
    assert to_json(again) == to_json(one)
    assert again.variables == one.variables
    for mine, theirs in zip(one.aggregates, again.aggregates, strict=True):
        np.testing.assert_array_equal(mine.values, theirs.values)
        assert (mine.noise, mine.rho, mine.axes) == (theirs.noise, theirs.rho, theirs.axes)


def test_a_person_can_read_the_file() -> None:
    lines = to_json(facts()).splitlines()
    assert ' "patients": {"number": 201, "told": "noisy", "noise": 3},' in lines
    assert '  "sex": {"levels": ["female", "male"]},' in lines
    assert max(len(line) for line in lines) < 160
    assert len(lines) < 60


def test_whole_and_broken_numbers_of_equal_value_are_written_alike() -> None:
    ints = Bins("age", cuts=(40, 60), unit="a", step=1)
    one, other = facts(table(AGE)), facts(table(ints))
    assert to_json(one) == to_json(other)
    assert one.bins_digest == other.bins_digest


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    save(facts(), tmp_path / "a.json")
    with pytest.raises(RequestError, match="is there already"):
        save(facts(), tmp_path / "a.json")
    assert canonical(load(tmp_path / "a.json")) == canonical(facts())
    with pytest.raises(RequestError, match="can't be written"):
        save(facts(), tmp_path / "no-folder" / "a.json")


def _at(document: Any, path: list[Any], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


WRONG = [
    (["schema"], "manikin/aggregates/9", r"\$\.schema: The form 'manikin/aggregates/9' is not known"),
    (["schema"], ..., "there is no 'schema'"),
    (["site"], ..., r"\$: There is no 'site'"),
    (["site"], "", r"\$\.site: The text has 1 to"),
    (["site"], "a\nb", r"\$\.site: The text holds a line break"),
    (["site"], 3, r"\$\.site: A text"),
    (["sites"], "north", "no setting 'sites'. Did you mean 'site'"),
    (["made"], "2026-02-30", r"\$\.made: A date"),
    (["made"], "20260101", r"\$\.made: A date"),
    (["tier"], "secret", r"\$\.tier: 'secret' is not known here.*controlled"),
    (["codebook", "bins"], "0" * 64, r"\$\.codebook\.bins: The digest is not that"),
    (["protection", "kind"], "none", r"\$\.protection\.kind: 'none'"),
    (["protection", "epsilon"], ..., r"\$\.protection: Differential privacy has an epsilon"),
    (["protection", "epsilon"], -1, r"\$\.protection: Epsilon"),
    (["protection", "delta"], 1, r"\$\.protection: Delta"),
    (["protection", "rho"], 0.01, r"\$: The tables cost rho 0\.015, more than"),
    (["protection", "rho"], 0.03, r"\$\.protection: A rho of 0\.03 implies epsilon 1\.1.* more than the stated 1"),
    (["protection", "delta"], 0, r"\$\.protection: Delta is above 0"),
    (["protection", "total_epsilon"], 0.5, r"\$\.protection: Epsilon 1 is more than the source's total"),
    (["protection", "min_cell"], 5, r"\$\.protection: 'min_cell'"),
    (["protection", "min_cell"], 5.5, r"\$\.protection\.min_cell: A whole number"),
    (["patients", "told"], "exact", r"\$\.patients: A number of patients that is exact"),
    (["patients", "noise"], -1, r"\$\.patients: "),
    (["patients"], [], r"\$\.patients: An object"),
    (["variables", "age", "cuts"], [60, 40], r"\$\.variables\.age\.cuts: Cuts ascend"),
    (["variables", "age", "cuts"], [40, "60"], r"\$\.variables\.age\.cuts\[1\]: A number"),
    (["variables", "age", "levels"], ["a", "b", "c"], r"\$\.variables\.age: A variable has 'levels' or 'cuts'"),
    (["variables", "age", "step"], 0, r"\$\.variables\.age\.step: A step"),
    (["variables", "sex", "levels"], ["male", "male"], r"\$\.variables\.sex: Two bins have the same label"),
    (["variables", "sex", "levels"], [], r"\$\.variables\.sex\.levels: A category has a level"),
    (["variables", "sex", "missing"], "yes", r"\$\.variables\.sex\.missing: true or false"),
    (["variables", "sex"], ..., r"\$\.aggregates\[0\]\.attributes\[0\]: There is no variable 'sex'"),
    (["variables", "new one"], {"levels": ["a"]}, r'\$\.variables\["new one"\]: No aggregate'),
    (["aggregates"], [], "tells nothing"),
    (["aggregates"], {}, r"\$\.aggregates: A list"),
    (["aggregates", 1, "attributes"], ["sex", "sex"], r"\$\.aggregates\[1\]"),
    (["aggregates", 0, "attributes"], [], r"\$\.aggregates\[0\]"),
    (["aggregates", 0, "attributes"], ["sexx"], r"\$\.aggregates\[0\]\.attributes\[0\]: .*Did you mean 'sex'"),
    (["aggregates", 0, "values"], [1, 2, 3], r"\$\.aggregates\[0\]\.values: 'sex' has 2 bins \(female, male\); got 3"),
    (["aggregates", 0, "values"], [1, "2"], r"\$\.aggregates\[0\]\.values\[1\]: A number"),
    (["aggregates", 0, "values"], [1, True], r"\$\.aggregates\[0\]\.values\[1\]: A number"),
    (["aggregates", 0, "values"], [1, 10**400], r"\$\.aggregates\[0\]\.values\[1\]: The number is beyond"),
    (["aggregates", 1, "values", 1], [1, 2], r"\$\.aggregates\[1\]\.values\[1\]: 'age' has 3 bins"),
    (["aggregates", 0, "noise"], -1, r"\$\.aggregates\[0\]: The noise of the table of sex"),
    (["aggregates", 0, "noise"], 0, "has no noise or no rho"),
    (["aggregates", 0, "rho"], -1, r"\$\.aggregates\[0\]: The rho"),
    (["aggregates", 0, "receipt"], 7, r"\$\.aggregates\[0\]\.receipt: A text"),
    (["aggregates", 0, "sites"], ["south"], "sites that are no parts"),
    (["parts"], [{}], r"\$\.parts\[0\]: There is no 'site'"),
    (["signature"], {"algorithm": "rsa", "key": "a", "value": "b"}, r"\$\.signature\.algorithm: The one"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=lambda one: str(one)[:40])
def test_each_mistake_is_told_with_its_place(path: list[Any], value: Any, message: str) -> None:
    document = json.loads(to_json(facts()))
    with pytest.raises(AggregatesError, match=message) as caught:
        loads(json.dumps(_at(document, path, value)), file="north.json")
    assert str(caught.value).startswith("north.json: ")
    assert caught.value.file == "north.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: This is not JSON"),
        ("[]", r"\$: An object"),
        ('{"schema": 1}', "The form '1' is not known"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
    ],
    ids=range(7),
)
def test_what_is_no_file_of_aggregates_is_told(text: str, message: str) -> None:
    with pytest.raises(AggregatesError, match=message):
        loads(text)


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(AggregatesError, match="can't be read"):
        load(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AggregatesError, match="not UTF-8"):
        load(tmp_path / "binary.json")


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in [(*path, key), *_places(one, (*path, key))]]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_file_ends_in_anything_but_aggregates_or_a_sentence(data: st.DataObject) -> None:
    document = json.loads(to_json(facts()))
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(_places(document)))
        document = _at(document, list(place), data.draw(st.one_of(_JSON, st.just(...))))
    try:
        found = loads(json.dumps(document))
    except AggregatesError as error:
        assert str(error)
    else:
        assert canonical(loads(to_json(found))) == canonical(found)


@given(st.text(max_size=200))
def test_no_text_ends_in_a_traceback(text: str) -> None:
    with pytest.raises(AggregatesError):
        loads(text)


def test_a_variable_has_one_kind_of_bins() -> None:
    other = Bins("age", cuts=(50.0,), unit="a")
    with pytest.raises(AggregatesError, match="'age' occurs with two kinds of bins"):
        facts(table(AGE), table(SEX, other))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tier": Tier.OPEN, "protection": Protection(Kind.SUPPRESSED, min_cell=5)}, "the tier is controlled"),
        ({"patients": Patients(5, Told.EXACT)}, "noisy or public"),
        ({"protection": Protection(Kind.COMBINED)}, "name their parts"),
        ({"site": " "}, "name no site"),
    ],
)
def test_aggregates_do_not_contradict_themselves(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AggregatesError, match=message):
        facts(**changes)


def test_an_exact_table_has_no_count_below_0() -> None:
    with pytest.raises(AggregatesError, match="below 0"):
        exact(table(SEX, values=[-1, 2], noise=0, rho=0))
    assert facts(table(SEX, values=[-1, 2])).aggregates[0].total == 1


def test_a_suppressed_cell_is_null_and_not_known() -> None:
    one = exact(table(SEX, values=[np.nan, 190], noise=0, rho=0))
    assert '"values": [null, 190]' in to_json(one)
    assert loads(to_json(one)).aggregates[0].known.tolist() == [False, True]


def test_the_codebook_of_the_fit_has_to_be_that_of_the_measurement() -> None:
    check_against(facts(), Domain((replace(HBA1C, missing=False), AGE, SEX)))
    with pytest.raises(AggregatesError, match=r"a\.json: The codebook has no variable 'hba1c'"):
        check_against(facts(), Domain((SEX, AGE)), "a.json")
    moved = replace(AGE, cuts=(45.0, 60.0))
    with pytest.raises(AggregatesError, match="'age' was measured in the bins <40, 40 to <60, >=60"):
        check_against(facts(), Domain((SEX, moved, HBA1C)))


def test_the_schema_that_ships_agrees_with_the_reader() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((files("manikin.aggregates") / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = json.loads(to_json(facts()))
    validator.validate(document)
    refused = [path for path, value, _ in WRONG if not validator.is_valid(_at(document, path, value))]
    # What is left to the reader: sums, digests, names that point elsewhere, and the like.
    assert len(refused) >= 27


@given(documents())
@settings(max_examples=30)
def test_whatever_is_written_fits_the_schema(one: Aggregates) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((files("manikin.aggregates") / "schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(to_json(one)), schema)


def test_the_schema_names_what_the_document_has() -> None:
    schema = json.loads((files("manikin.aggregates") / "schema.json").read_text(encoding="utf-8"))
    document = json.loads(to_json(facts()))
    assert document.keys() <= schema["properties"].keys()
    assert set(schema["required"]) <= document.keys()
    assert document["aggregates"][0].keys() <= schema["properties"]["aggregates"]["items"]["properties"].keys()


def test_a_codebook_is_told_by_name_and_version() -> None:
    assert str(CodebookName("a", "1")) == "a 1"
    assert facts().made == date(2026, 1, 31)
