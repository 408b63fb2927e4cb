"""A codebook is drafted from what somebody wrote down about a table, and never from the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.clinic import Codebook, parse_codebook
from manikin.codebook import Described, Kind, draft, read_dictionary
from manikin.errors import ModelError, RequestError

CSV = """Variable,Type,Unit,Levels,Min,Max,Description
PatientID,string,,,,,Pseudonym
sex,categorical,,1=Female; 2=Male,,,Sex at birth
AgeYears,integer,years,,18,90,Age: completed years
sbp,number,mmHg,,60,260,Systolic blood pressure
hba1c,float,furlong,,,,HbA1c
smoker,boolean,,,,,Smokes now
seen,date,,,,,Date of the visit
remarks,text,,,,,Free text
stage,category,,none|early|late,,,
"""


def drafted(tmp_path: Path, text: str, name: str = "dictionary.csv") -> tuple[str, Codebook]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    written = draft("clinic", read_dictionary(path), name)
    return written, parse_codebook(written)


def test_a_dictionary_becomes_a_file_that_can_be_read(tmp_path: Path) -> None:
    text, book = drafted(tmp_path, CSV)
    known = {one.name: one for one in book.variables}
    assert list(known) == ["sex", "age_years", "sbp", "hba1c", "smoker", "stage"]
    assert known["sex"].levels == ("female", "male")
    assert (known["age_years"].kind, known["age_years"].unit, known["age_years"].possible.high) == (Kind.COUNT, "a", 90)
    assert (known["sbp"].unit, known["sbp"].title) == ("mm[Hg]", "Systolic blood pressure")
    assert known["age_years"].title == "Age: completed years"
    assert known["smoker"].kind is Kind.CONDITION
    assert known["stage"].levels == ("none", "early", "late")
    assert book.unbinned == ("age_years", "sbp", "hba1c")
    assert book.name == "clinic"
    assert "# in the table: 1 female, 2 male" in text


def test_what_a_person_has_to_decide_is_marked(tmp_path: Path) -> None:
    text, _ = drafted(tmp_path, CSV)
    marked = [line for line in text.splitlines() if "# TODO" in line]
    assert f"{len(marked)} places are marked TODO" in text
    for word in (
        "'PatientID' is left out: free text",
        "'seen' is left out: a date",
        "'furlong' is no unit of UCUM",
        "bins: []  # TODO: inner edges",
        "'remarks' is left out: free text",
    ):
        assert any(word in line for line in marked), word


def test_a_column_that_says_who_somebody_is_is_left_out(tmp_path: Path) -> None:
    text, book = drafted(
        tmp_path, "name,type,unit\npatient_id,integer,\nage,integer,a\nzip_code,integer,\nzip,integer,\n"
    )
    assert [one.name for one in book.variables] == ["age"]
    assert "'patient_id' is left out: by its name it says who somebody is" in text


def test_a_dictionary_of_redcap_is_read(tmp_path: Path) -> None:
    text = (
        '"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels",'
        '"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max"\n'
        'sex,demo,radio,"Sex at birth","1, Female | 2, Male",,,\n'
        "weight,demo,text,Weight,,number,30,250\n"
        "visit,demo,text,Visit,,date_ymd,,\n"
        "ill,demo,yesno,Ill?,,,,\n"
        'risk,demo,calc,Risk,"[weight] * 2",,,\n'
    )
    written, book = drafted(tmp_path, text)
    assert [(one.name, one.kind) for one in book.variables] == [
        ("sex", Kind.CATEGORY),
        ("weight", Kind.QUANTITY),
        ("ill", Kind.CONDITION),
    ]
    assert book.variables[0].levels == ("female", "male")
    assert book.variables[1].possible.low == 30
    assert "'risk' is left out: of type 'calc'" in written


FRICTIONLESS: dict[str, Any] = {
    "fields": [
        {"name": "sex", "type": "string", "title": "Sex", "constraints": {"enum": ["female", "male"]}},
        {"name": "age", "type": "integer", "unit": "a", "constraints": {"minimum": 0, "maximum": 120}},
        {"name": "smoking", "type": "integer", "categories": [{"value": 0, "label": "Never, ever"}, {"value": 1, "label": "Now"}]},
        {"name": "seen", "type": "date"},
    ]
}  # fmt: skip
JSON_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "sex": {"enum": ["female", "male"]},
        "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 120, "description": "Age"},
        "ill": {"type": "boolean"},
        "born": {"type": "string", "format": "date"},
        "free": {"type": "string"},
    },
}


@pytest.mark.parametrize(
    "schema", [FRICTIONLESS, {"schema": FRICTIONLESS}, {"resources": [{"name": "t", "schema": FRICTIONLESS}]}]
)
def test_a_table_schema_is_read(tmp_path: Path, schema: Any) -> None:
    _, book = drafted(tmp_path, json.dumps(schema), "schema.json")
    assert [one.name for one in book.variables] == ["sex", "age", "smoking"]
    assert book.variables[2].levels == ("never_ever", "now")
    assert book.variables[1].possible.high == 120


def test_a_json_schema_is_read(tmp_path: Path) -> None:
    text, book = drafted(tmp_path, json.dumps(JSON_SCHEMA), "schema.json")
    assert [(one.name, one.kind) for one in book.variables] == [
        ("sex", Kind.CATEGORY), ("age", Kind.COUNT), ("ill", Kind.CONDITION),
    ]  # fmt: skip
    assert "'born' is left out: a date" in text


SECRET = "Jane Roe"
REFUSED = [
    ("rows.csv", f"age,sex,sbp\n41,f,120\n42,{SECRET},130\n", "no data dictionary.*never read"),
    ("rows.csv", f"name,unit,age\n{SECRET},ward 3,41\n", "no data dictionary"),
    ("rows.csv", f"name,type\n{SECRET},2\n", "line 2: the type is none that is known: integer, number"),
    ("rows.csv", f"name,type,unit\n{SECRET},integer,a\n{SECRET},integer,a\n", "line 3: A name stands twice"),
    ("rows.csv", f"name,type,max\nage,integer,{SECRET}\n", "line 2: the maximum is no number"),
    ("rows.csv", "name,type,min,max\nage,integer,9,1\n", "line 2: the minimum is above"),
    ("rows.csv", f"name,type,title\n,integer,{SECRET}\n", "line 2: There is no name"),
    ("rows.csv", "", "no data dictionary"),
    ("rows.csv", "name,type\n", "describes no variable"),
    ("rows.json", json.dumps([{"name": SECRET, "age": 41}]), "neither a Frictionless.*never read"),
    ("rows.json", json.dumps({"rows": [SECRET]}), "neither a Frictionless"),
    ("rows.json", json.dumps({"fields": [SECRET]}), "field 1: There is no name"),
    ("rows.json", json.dumps({"fields": [{"name": "a"}, {"name": "a"}]}), "field 2: A name stands twice"),
    ("rows.json", "{", "not JSON"),
    ("rows.json", "{}", "neither"),
]


@pytest.mark.parametrize(("name", "text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_rows_are_refused_and_no_value_is_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=message) as caught:
        read_dictionary(tmp_path / name)
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't be read"):
        read_dictionary(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="not UTF-8"):
        read_dictionary(tmp_path / "binary.csv")


def test_two_columns_of_one_name_are_told() -> None:
    with pytest.raises(RequestError, match="'SBP' and 'sbp' would both be called 'sbp'"):
        draft("x", [Described("SBP", Kind.CONDITION), Described("sbp", Kind.CONDITION)], "d.csv")
    with pytest.raises(RequestError, match="nothing that can be counted"):
        draft("x", [Described("seen", Kind.DATE)], "d.csv")


_WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@given(
    st.lists(
        st.builds(
            Described,
            name=_WORDS,
            kind=st.sampled_from([*Kind, None]),
            title=_WORDS,
            unit=st.sampled_from(["", "a", "mmHg", "mg/dL", "# x", "\x7f"]),
            levels=st.lists(_WORDS, max_size=3).map(tuple),
            low=st.floats(-1e6, 0),
            high=st.floats(0, 1e6),
            remark=_WORDS,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_drafted_can_be_read(described: list[Described]) -> None:
    try:
        text = draft("any", described, "any.csv")
    except RequestError:
        return
    try:
        parse_codebook(text)
    except ModelError as error:  # a name that the language keeps for itself is the one thing left to a person
        assert all("can't be a name" in one.what for one in error.mistakes), text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.sampled_from(["a.csv", "a.json"]))
def test_no_file_ends_in_a_traceback(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(RequestError):
        read_dictionary(tmp_path / name)
