"""Records are read where they may be, compared fairly, and no value of anybody leaves in a message."""

from __future__ import annotations

import csv
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manikin.appraisal import Finding
from manikin.cohort import Cohort
from manikin.errors import ManikinError, MappingError, RealDataError
from manikin.generators import KnowledgeSampler
from manikin.real_data import comparison
from manikin.real_data.compare import compare_samples, ks, two_sample_auc
from manikin.real_data.mapping import RecordMapping, read_mapping
from manikin.real_data.records import Sample, read_records
from manikin.study import Made

MAPPING = """\
reference: the people of the toy
columns:
  age: {column: AGE, at-most: 80}
  sex: {column: GENDER, values: {1: male, 2: female}}
  sbp: {column: SYS}
  dbp: {column: DIA}
  glucose: {column: GLU, unit: mmol/L}
  ill: {column: ILL, values: {1: "yes", 2: "no"}}
"""
SECRET = "Rumpelstilzchen"


@pytest.fixture
def mapping(made: Made, tmp_path: Path) -> RecordMapping:
    return _mapping(made, tmp_path, MAPPING)


def _mapping(made: Made, folder: Path, text: str) -> RecordMapping:
    path = folder / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path, {one.variable.name: one.variable for one in made.cohort.layout.fields})


def people(sampler: KnowledgeSampler, n: int, first: int = 0) -> dict[str, Any]:
    """Return people as an institution might hold them."""
    drawn = sampler.draw(np.arange(first, first + n))
    return {
        "ID": [f"p{place}" for place in range(n)],
        "AGE": np.minimum(drawn["age"], 80).astype(int).tolist(),
        "GENDER": np.where(drawn["sex"] == 1, 1, 2).tolist(),
        "SYS": drawn["sbp"].tolist(),
        "DIA": drawn["dbp"].tolist(),
        "GLU": np.round(drawn["glucose"] / 18.0156, 4).tolist(),
        "ILL": np.where(drawn["ill"], 1, 2).tolist(),
    }


def written(folder: Path, columns: Mapping[str, Any], name: str = "records.csv") -> Path:
    path = folder / name
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(columns)
            rows.writerows(zip(*columns.values(), strict=True))
    else:
        pq.write_table(pa.table(dict(columns)), path)
    return path


def overall(finding: Finding) -> dict[str, float]:
    return {one.name: one.value for one in finding.measures if one.group == "Overall"}


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_very_same_people_can_not_be_told_apart(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path
) -> None:
    sample = read_records(written(tmp_path, people(sampler(), 800)), mapping)
    assert {ks(sample, sample, column.variable.name) for column in mapping.columns} == {0.0}
    # Below a half, in fact: whoever is held out has a twin of the other kind among those learnt from.
    assert two_sample_auc(sample, sample, mapping)[0] < 0.55


def test_other_people_of_the_same_population_are_as_near_as_real_people_are_to_each_other(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path
) -> None:
    one = read_records(written(tmp_path, people(sampler(seed=4), 1_000)), mapping)
    other = read_records(written(tmp_path, people(sampler(seed=5), 1_000)), mapping)
    finding = compare_samples(one, other, mapping)
    found = overall(finding)
    assert found["Two-sample AUC of a classifier"] == pytest.approx(0.5, abs=0.09)
    assert found["Mean Kolmogorov-Smirnov distance"] < 0.05
    assert found["Mean absolute difference of correlations"] < 0.08
    json.dumps(asdict(finding), allow_nan=False)


def test_people_whose_values_are_shifted_are_told_apart(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path
) -> None:
    columns = people(sampler(seed=4), 1_000)
    one = read_records(written(tmp_path, columns), mapping)
    other = read_records(written(tmp_path, columns | {"SYS": [value + 12 for value in columns["SYS"]]}), mapping)
    found = overall(compare_samples(one, other, mapping))
    assert found["Two-sample AUC of a classifier"] > 0.6
    assert ks(one, other, "sbp") > 0.2
    assert ks(one, other, "dbp") == 0.0


def test_values_that_no_longer_hang_together_are_told_apart(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path
) -> None:
    columns = people(sampler(seed=4), 1_000)
    one = read_records(written(tmp_path, columns), mapping)
    other = read_records(written(tmp_path, columns | {"DIA": columns["DIA"][::-1]}), mapping)
    finding = compare_samples(one, other, mapping)
    assert overall(finding)["Mean absolute difference of correlations"] > 0.02
    apart = {pair[0] + pair[1]: abs(pair[2] - pair[3]) for pair in finding.drawings["correlation_pairs"]}
    assert max(apart.values()) > 0.4


def test_weights_are_honoured(sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path) -> None:
    columns = people(sampler(seed=4), 3_000)
    weights = [3.0 if gender == 1 else 0.5 for gender in columns["GENDER"]]
    weighted = _mapping(made, tmp_path, MAPPING + "weights: W\n")
    sample = read_records(written(tmp_path, columns | {"W": weights}), weighted)
    times = {3.0: 6, 0.5: 1}
    repeated = {
        name: [value for value, weight in zip(values, weights, strict=True) for _ in range(times[weight])]
        for name, values in columns.items()
    }
    plain = read_records(written(tmp_path, repeated), _mapping(made, tmp_path, MAPPING))
    assert all(ks(sample, plain, column.variable.name) < 1e-9 for column in weighted.columns)
    assert ks(replace(sample, weights=np.ones(sample.size)), plain, "sex") > 0.2


def test_people_without_weight_are_left_out(
    sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path
) -> None:
    weighted = _mapping(made, tmp_path, MAPPING + "weights: W\n")
    columns = people(sampler(), 100) | {"W": [0.0] * 40 + [1.0] * 50 + [""] * 10}
    assert read_records(written(tmp_path, columns), weighted).size == 50


def test_units_are_converted(sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path) -> None:
    sample = read_records(written(tmp_path, people(sampler(), 500)), mapping)
    assert np.array_equal(sample.columns["glucose"], sampler().draw(np.arange(500))["glucose"])


@pytest.mark.parametrize("name", ["records.csv", "records.CSV", "records.parquet"])
def test_csv_and_parquet_are_read_alike(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path, name: str
) -> None:
    columns = people(sampler(), 300)
    path = (
        written(tmp_path, columns).rename(tmp_path / name)
        if name == "records.CSV"
        else written(tmp_path, columns, name)
    )
    sample = read_records(path, mapping)
    assert np.array_equal(sample.columns["sbp"], sampler().draw(np.arange(300))["sbp"])
    assert np.array_equal(sample.columns["sex"], sampler().draw(np.arange(300))["sex"])


def test_what_can_not_be_in_a_living_person_was_not_measured(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path
) -> None:
    columns = people(sampler(), 50)
    columns["SYS"][:3] = [999.0, 0.0, ""]
    assert (
        np.isnan(read_records(written(tmp_path, columns), mapping).columns["sbp"]).tolist() == [True] * 3 + [False] * 47
    )


def test_only_those_are_compared_whom_the_mapping_names(
    sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path
) -> None:
    among = _mapping(made, tmp_path, MAPPING + "among: age >= 60 and sex == female\n")
    sample = read_records(written(tmp_path, people(sampler(), 1_000)), among)
    assert sample.columns["age"].min() >= 60
    assert set(sample.columns["sex"]) == {0.0}
    nobody = _mapping(made, tmp_path, MAPPING + "among: age >= 200\n")
    with pytest.raises(RealDataError, match="Nobody is left"):
        read_records(written(tmp_path, people(sampler(), 100)), nobody)


def test_a_value_that_the_mapping_calls_missing_is_none(
    sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path
) -> None:
    mapped = _mapping(made, tmp_path, MAPPING.replace("2: female}", "2: female, 9: missing}"))
    columns = people(sampler(), 50)
    columns["GENDER"][:2] = [9, ""]
    assert (
        np.isnan(read_records(written(tmp_path, columns), mapped).columns["sex"]).tolist() == [True] * 2 + [False] * 48
    )


def test_a_cohort_is_compared_with_the_records_in_a_file(
    sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path
) -> None:
    (tmp_path / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    finding = comparison(written(tmp_path, people(sampler(seed=8), 600)), tmp_path / "mapping.yaml")(made.cohort)
    assert finding.check == "comparison"
    assert "the people of the toy" in finding.question
    assert overall(finding)["Two-sample AUC of a classifier"] < 0.59
    again = Finding.from_json(json.dumps(asdict(finding), allow_nan=False))
    assert again.measures == finding.measures


# --- errors never tell a value ----------------------------------------------------------------------------------------


def _said(error: BaseException) -> str:
    """Return all that a log with a traceback would hold."""
    return "".join(traceback.format_exception(error)) + repr(vars(error))


@pytest.mark.parametrize("name", ["AGE", "GENDER", "SYS", "GLU", "ILL"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_value_that_can_not_be_read_is_never_told(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path, name: str, suffix: str
) -> None:
    columns = {key: list(map(str, values)) for key, values in people(sampler(), 50).items()}
    columns[name][17] = SECRET
    with pytest.raises(RealDataError, match=f"'{name}'") as error:
        read_records(written(tmp_path, columns, f"records{suffix}"), mapping)
    assert SECRET not in _said(error.value)


def test_weights_that_can_not_be_read_are_never_told(
    sampler: Callable[..., KnowledgeSampler], made: Made, tmp_path: Path
) -> None:
    weighted = _mapping(made, tmp_path, MAPPING + "weights: W\n")
    for wrong, why in ((SECRET, "other than numbers"), ("-987654", "0 or more")):
        with pytest.raises(RealDataError, match=why) as error:
            read_records(written(tmp_path, people(sampler(), 3) | {"W": ["1", wrong, "1"]}), weighted)
        assert wrong not in _said(error.value)


def test_a_row_that_can_not_be_read_is_never_told(mapping: RecordMapping, tmp_path: Path) -> None:
    for number, content in enumerate(
        (f"AGE,SYS\n50,120\n51,121,{SECRET}\n", f'AGE,SYS\n50,"{SECRET}\n', f"{SECRET}\x00\xff")
    ):
        for suffix in ("csv", "parquet"):
            path = tmp_path / f"{number}.{suffix}"
            path.write_bytes(content.encode("latin-1"))
            with pytest.raises(RealDataError) as error:
                read_records(path, mapping)
            assert SECRET not in _said(error.value)


def test_a_file_without_a_header_does_not_tell_its_first_row(mapping: RecordMapping, tmp_path: Path) -> None:
    path = tmp_path / "headless.csv"
    path.write_text(f"{SECRET},50,1\nsomebody,60,2\n", encoding="utf-8")
    with pytest.raises(RealDataError, match="no column 'AGE'") as error:
        read_records(path, mapping)
    assert SECRET not in _said(error.value)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.binary(), pa.struct([("a", pa.string())])])
def test_a_column_of_a_strange_kind_is_refused_without_its_values(
    sampler: Callable[..., KnowledgeSampler], mapping: RecordMapping, tmp_path: Path, kind: pa.DataType
) -> None:
    value: Any = (
        [SECRET] if pa.types.is_list(kind) else b"\xff" + SECRET.encode() if pa.types.is_binary(kind) else {"a": SECRET}
    )
    for name in ("SYS", "GENDER"):
        columns = people(sampler(), 3) | {name: pa.array([value] * 3, kind)}
        with pytest.raises(RealDataError, match=f"'{name}'") as error:
            read_records(written(tmp_path, columns, "strange.parquet"), mapping)
        assert SECRET not in _said(error.value)


def test_files_that_are_not_there_are_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("", encoding="utf-8")
    for records, mapping in (
        (tmp_path / "nowhere.csv", tmp_path / "there"),
        (tmp_path / "there", tmp_path / "nowhere.yaml"),
    ):
        with pytest.raises(RealDataError, match="nowhere"):
            comparison(records, mapping)


def test_an_empty_file_is_refused(mapping: RecordMapping, tmp_path: Path) -> None:
    for content in ("", "AGE,GENDER,SYS,DIA,GLU,ILL\n"):
        (tmp_path / "empty.csv").write_text(content, encoding="utf-8")
        with pytest.raises(RealDataError):
            read_records(tmp_path / "empty.csv", mapping)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("  sbp: {", "  sbq: {"), "Did you mean 'sbp'"),
        (("unit: mmol/L", "unit: kg"), "does not convert"),
        (("unit: mmol/L", "unit: nonsense"), "no UCUM unit"),
        (("1: male", "1: man"), "Possible: female, male"),
        ((", values: {1: male, 2: female}", ""), "says no 'values'"),
        (("{column: SYS}", "{column: [SYS, DIA]}"), "stands in one column"),
        (("{column: SYS}", "{}"), "column"),
        (("{column: SYS}", "{column: SYS, at-mots: 3}"), "at-most"),
        (("reference:", "referense:"), "reference"),
        (("columns:", "among: nonsense > 3\ncolumns:"), "not known"),
    ],
)
def test_mistakes_in_a_mapping_are_told_with_their_place(
    made: Made, tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    assert change[0] in MAPPING
    with pytest.raises(MappingError, match=why) as error:
        _mapping(made, tmp_path, MAPPING.replace(*change))
    assert all(one.line >= 1 for one in error.value.mistakes)


def test_real_data_is_reached_by_the_command_line_alone() -> None:
    root = Path(__import__("manikin").__file__).parent
    users = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if "manikin.real_data" in path.read_text(encoding="utf-8")
    }
    assert users == {"cli", "real_data"}


def test_a_cohort_without_the_mapped_variables_says_so(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ManikinError):
        _mapping(made, tmp_path, "reference: x\ncolumns: {shoe_size: {column: A}}\n")
    assert isinstance(made.cohort, Cohort)
    assert Sample({}, np.ones(3)).size == 3
