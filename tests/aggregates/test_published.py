"""What was printed in a paper is as sure as it says, and a table that contradicts itself is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.aggregates import (
    Aggregates,
    CodebookName,
    Kind,
    Tier,
    canonical,
    combine,
    loads,
    patients_of,
    published,
    to_json,
)
from manikin.aggregates.bands import place_of
from manikin.codebook import Bins, Variable
from manikin.codebook import Kind as Values
from manikin.errors import AggregatesError

TABLES = Path(__file__).parents[3] / "shared" / "data" / "aggregate_tables"
VARIABLES = (
    Variable("sex", Values.CATEGORY, levels=("female", "male")),
    Variable("age", Values.COUNT, unit="a", cuts=(40, 60)),
    Variable("hba1c", Values.QUANTITY, unit="%", cuts=(5.7, 6.5), precision=0.1),
    Variable("diabetes", Values.CONDITION),
    Variable("stage", Values.CATEGORY, levels=("none", "early", "late")),
    Variable("bmi", Values.QUANTITY, unit="kg/m2"),
)
HEADER = "# source: A survey, Table 2\n# population: adults\n# date: 2016-01-31\n"
NAME = CodebookName("toy", "1.0.0")


def read(tmp_path: Path, *texts: str, header: str = HEADER) -> Aggregates:
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"table{number}.csv")
        paths[-1].write_text(header + text, encoding="utf-8")
    return published(paths, VARIABLES, NAME)


def test_counts_are_what_they_are(tmp_path: Path) -> None:
    found = read(tmp_path, '# patients: 1,000\nsex,age,count\nFemale,<40,100\nfemale,40 to <60,200\nfemale,>=60,150\n'
                           'male,<40,"1,50"\nmale,40 to <60,250\nmale,>=60,150\n')  # fmt: skip
    (one,) = found.aggregates
    np.testing.assert_array_equal(one.values, [[100, 200, 150], [150, 250, 150]])
    assert one.noise == 0
    assert (found.protection.kind, found.tier, found.patients.number) == (Kind.PUBLISHED, Tier.OPEN, 1000)
    assert found.source == "A survey, Table 2"
    assert canonical(loads(to_json(found))) == canonical(found)


def test_a_share_is_no_surer_than_it_was_rounded(tmp_path: Path) -> None:
    fine = read(tmp_path, "# patients: 1000000\nsex,share\nfemale,52.0%\nmale,48.0%\n").aggregates[0]
    rough = read(tmp_path, "# patients: 1000000\nsex,share\nfemale,52%\nmale,48%\n").aggregates[0]
    np.testing.assert_allclose(fine.values, [520_000, 480_000])
    assert fine.noise == pytest.approx(1e6 * 0.001 / np.sqrt(12))
    assert rough.noise == pytest.approx(10 * fine.noise)


def test_an_interval_says_how_many_patients_a_table_is_worth(tmp_path: Path) -> None:
    # A survey of 4,000 with a design effect of 4: its intervals are those of 1,000 patients.
    half = 1.959964 * np.sqrt(0.25 / 1000)
    text = f"# patients: 4000\n# interval: 95%\nsex,share,low,high\nfemale,0.500,{0.5 - half},{0.5 + half}\nmale,0.500,{0.5 - half},{0.5 + half}\n"
    found = read(tmp_path, text)
    assert found.aggregates[0].total == pytest.approx(1000, rel=1e-4)
    assert found.patients.number == 4000
    assert patients_of(found, found.aggregates[0]) == found.aggregates[0].total  # what a fit divides by
    assert "with intervals" in found.aggregates[0].mechanism
    by_se = read(tmp_path, "sex,share,se\nfemale,0.500,0.0158114\nmale,0.500,0.0158114\n")
    assert by_se.aggregates[0].total == pytest.approx(1000, rel=1e-4)
    assert by_se.patients.number == pytest.approx(1000, rel=1e-4)


def test_a_share_within_groups_becomes_a_table(tmp_path: Path) -> None:
    text = "# share of: diabetes=yes\nsex,patients,share\nfemale,1000,10.0%\nmale,500,20.0%\n"
    (one,) = read(tmp_path, text).aggregates
    assert one.attributes == ("sex", "diabetes")
    np.testing.assert_allclose(one.values, [[900, 100], [400, 100]])
    design = (
        text.replace("share\n", "share,se\n").replace("10.0%", "10.0%,1.897367%").replace("20.0%", "20.0%,3.577709%")
    )
    (one,) = read(tmp_path, design).aggregates
    assert one.total == pytest.approx(1500 / 4, rel=1e-3)


def test_narrower_bands_are_summed(tmp_path: Path) -> None:
    found = read(tmp_path, "age,count\n20-29,10\n30–39,20\n40-49,30\n50 to 59,40\n60+,50\n").aggregates[0]
    np.testing.assert_array_equal(found.values, [30, 70, 50])
    ages = "".join(f"{age},1\n" for age in range(18, 90))
    np.testing.assert_array_equal(read(tmp_path, "age,count\n" + ages).aggregates[0].values, [22, 20, 30])


def test_a_cell_that_is_not_told_is_not_known(tmp_path: Path) -> None:
    one = read(tmp_path, "stage,count\nnone,50\nearly,*\nlate,\n").aggregates[0]
    assert one.known.tolist() == [True, False, False]
    half = read(tmp_path, "# patients: 200\nstage,share\nnone,50%\nearly,*\n")
    assert patients_of(half, half.aggregates[0]) == 200
    assert not read(tmp_path, "stage,count\nnone,50\nearly,5\n").aggregates[0].known[2]
    band = read(tmp_path, "age,count\n20-29,*\n30-39,20\n40-59,30\n60+,1\n").aggregates[0]
    assert band.known.tolist() == [False, True, True]


def test_those_without_a_value_have_a_bin_of_their_own(tmp_path: Path) -> None:
    one = read(tmp_path, "hba1c,count\n<5.7,50\n5.7-6.4,20\n>=6.5,10\nMissing,5\n").aggregates[0]
    assert one.axes[0].labels[-1] == "missing"
    np.testing.assert_array_equal(one.values, [50, 20, 10, 5])


WRONG = [
    ("sex,share\nfemale,52%\nmale,44%\n# no\n", "", r"line 7: The row has 1 cells"),
    ("sex,share\nfemale,52%\nmale,44%\n", "# patients: 100\n", r"shares sum to 96\.00%; rounding explains 1\.00%"),
    ("sex,share\nfemale,52%\nmale,52%\n", "# patients: 100\n", r"shares sum to 104"),
    ("stage,share\nnone,60%\nearly,60%\n", "# patients: 100\n", r"shares sum to 120"),
    ("sex,share\nfemale,52\nmale,48\n", "# patients: 100\n", "line 6: 'share' lies between 0 and 1. Write per cents"),
    ("sex,share\nfemale,52%\nmale,48%\n", "", "Nothing says how sure"),
    ("sex,share,low,high\nfemale,52%,50%,54%\nmale,48%,46%,50%\n", "", "# interval: 95%"),
    ("sex,share,low,high\nfemale,52%,53%,54%\nmale,48%,46%,50%\n", "# interval: 95%\n", "does not lie between"),
    ("sex,share,low,high\nfemale,52.0%,51.9%,52.1%\nmale,48.0%,47.9%,48.1%\n", "# patients: 100\n# interval: 95%\n",
     "intervals are those of about 9.*the table is about 100"),
    ("sex,count\nfemale,60\nmale,50\n", "# patients: 100\n", "The cells hold 110 patients, and the header says 100"),
    ("sex,count\nfemale,40\nmale,50\n", "# patients: 100\n", "The cells hold 90 patients"),
    ("sex,count\nfemale,40\nmale,50\n", "# patients: 0\n", "no patients"),
    ("sex,count\nfemale,0\nmale,0\n", "", "Every cell is 0"),
    ("sex,count\nfemale,4.5\nmale,50\n", "", "line 5: 'count' is a whole number"),
    ("sex,count\nfemale,-4\nmale,50\n", "", "line 5: 'count' is a number of 0 or more"),
    ("sex,count\nfemale,nan\nmale,50\n", "", "line 5: 'count' is a number"),
    ("sex,count\nfemale,40\nFemale,50\n", "", "line 6: This cell overlaps that of line 5"),
    ("age,count\n20-39,40\n30-39,50\n", "", "line 6: This cell overlaps"),
    ("age,count\n30-49,40\n", "", "line 5: '30-49' is in no single bin of 'age'. Possible: <40, 40 to <60, >=60"),
    ("age,count\n40-49,40\n60+,5\n", "", "bands of 'age' within 40 to <60 leave a gap"),
    ("sex,age,count\nfemale,20-29,4\nfemale,30-39,4\nmale,20-29,4\n", "", "line 7: A row beside this one is missing"),
    ("sex,count\nwoman,4\n", "", "line 5: 'woman' is in no single bin"),
    ("sexx,count\nfemale,4\n", "", "'sexx' is no variable of the codebook. Did you mean 'sex'"),
    ("count\n4\n", "", "no column of a variable"),
    ("sex,rate\nfemale,4\n", "", "Rates and risks are no parts of a whole"),
    ("sex,sex,count\nfemale,female,4\n", "", "column 'sex' stands twice"),
    ("sex,count,low\nfemale,4,3\n", "", "'low' and 'high', or in 'se'"),
    ("sex,patients,share\nfemale,4,10%\n", "", "belong together"),
    ("bmi,count\n<25,4\n", "", "'bmi' has no bins"),
    ("sex,patients,share\nfemale,4,10%\n", "# share of: stage=early\n", "'stage' has 3 levels"),
    ("sex,patients,share\nfemale,4,10%\n", "# share of: diabetes=maybe\n", "'maybe' is no level of 'diabetes'"),
    ("sex,patients,share\nfemale,4,10%\n", "# share of: diabets=yes\n", "'diabets' is no variable"),
    ("sex,count\nfemale,4\nmale,4\n", "# sauce: x\n", "line 4: 'sauce' is no line of the header. Did you mean 'source'"),
    ("sex,count\nfemale,4\nmale,4\n", "# source: x\n", "line 4: 'source' stands twice"),
    ("sex,count\n", "", "There are no rows"),
    ("", "", "There are no rows"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "header", "message"), WRONG, ids=[message[:50] for *_, message in WRONG])
def test_a_table_that_can_not_be_used_is_told(tmp_path: Path, rows: str, header: str, message: str) -> None:
    with pytest.raises(AggregatesError, match=message) as caught:
        read(tmp_path, header + rows)
    assert caught.value.file.endswith("table0.csv")


@pytest.mark.parametrize("setting", ["source", "population", "date"])
def test_a_table_says_where_it_comes_from(tmp_path: Path, setting: str) -> None:
    header = "".join(line for line in HEADER.splitlines(keepends=True) if setting not in line)
    with pytest.raises(AggregatesError, match=f"names no {setting}"):
        read(tmp_path, "sex,count\nfemale,4\nmale,4\n", header=header)
    with pytest.raises(AggregatesError, match="is a date such as"):
        read(tmp_path, "sex,count\nfemale,4\nmale,4\n", header=HEADER.replace("2016-01-31", "31.1.2016"))


def test_tables_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    one = "# patients: 1000\nsex,share\nfemale,52.0%\nmale,48.0%\n"
    near = "# patients: 1000\nsex,diabetes,share\nfemale,yes,5.0%\nfemale,no,46.0%\nmale,yes,6.0%\nmale,no,43.0%\n"
    far = near.replace("46.0%", "26.0%").replace("43.0%", "63.0%")
    assert len(read(tmp_path, one, near).aggregates) == 2
    with pytest.raises(AggregatesError, match=r"contradicts .*table0\.csv: the shares of sex differ"):
        read(tmp_path, one, far)


def test_two_papers_together_are_as_sure_as_both(tmp_path: Path) -> None:
    one = read(tmp_path, "# patients: 1000\nsex,share\nfemale,52.0%\nmale,48.0%\n")
    two = read(tmp_path, "# patients: 3000\nsex,share\nfemale,50.0%\nmale,50.0%\n")
    other = read(tmp_path, "# site: elsewhere\n# patients: 3000\nsex,share\nfemale,50.0%\nmale,50.0%\n")
    both = replace(one, aggregates=one.aggregates + two.aggregates)
    for found in (combine([one, other]), combine([both])):
        table = found.aggregates[0]
        np.testing.assert_allclose(table.values, [2020, 1980])
        assert patients_of(found, table) == 4000
        assert table.noise == pytest.approx(np.hypot(1000, 3000) * 0.001 / np.sqrt(12))


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(AggregatesError, match="can't be read"):
        published([tmp_path / "none.csv"], VARIABLES, NAME)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AggregatesError, match="not UTF-8"):
        published([tmp_path / "binary.csv"], VARIABLES, NAME)
    with pytest.raises(AggregatesError, match="no table"):
        published([], VARIABLES, NAME)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('#:,%.-+<>=0123456789 \nsexagfml"count'), max_size=80))
def test_no_table_ends_in_a_traceback(tmp_path: Path, text: str) -> None:
    try:
        read(tmp_path, text)
    except AggregatesError as error:
        assert str(error)


@given(st.lists(st.integers(0, 10_000), min_size=6, max_size=6).filter(any), st.integers(1, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shares_as_they_are_printed_never_contradict_themselves(tmp_path: Path, counts: list[int], digits: int) -> None:
    shares = np.array(counts) / sum(counts)
    labels = [(sex, age) for sex in ("female", "male") for age in ("<40", "40-59", "60+")]
    rows = "".join(f"{sex},{age},{share:.{digits}%}\n" for (sex, age), share in zip(labels, shares, strict=True))
    (one,) = read(tmp_path, f"# patients: {sum(counts)}\nsex,age,share\n{rows}").aggregates
    worst = np.abs(one.values.ravel() / sum(counts) - shares).max()
    assert worst <= 0.5 * 10.0 ** -(digits + 2) + 1e-12


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("under 40", "<40"), ("18-39", "<40"), ("< 40", "<40"), ("40..59", "40 to <60"), ("40 to 59", "40 to <60"),
        ("60 and over", ">=60"), ("≥60", ">=60"), ("60..", ">=60"), ("60-79", ">=60"), ("59", "40 to <60"),
        ("40 to <60", "40 to <60"), ("39-41", None), ("40-", None), ("old", None), ("50+", None), ("60-50", None),
    ],
)  # fmt: skip
def test_bands_are_read_as_people_write_them(text: str, labels: str | None) -> None:
    axis = Bins("age", cuts=(40.0, 60.0))
    found = place_of(axis, text, 1.0)
    assert (None if found is None else axis.labels[found.place]) == labels


REAL = [
    ("british_doctors_lung_deaths.csv", "one column 'count' or 'share'"),
    ("us_period_life_table_2015.csv", "one column 'count' or 'share'"),
    ("us_mortality_by_cause_sex_status.csv", "one column 'count' or 'share'"),
]


@pytest.mark.parametrize(("name", "message"), REAL)
def test_rates_that_were_published_are_not_taken_for_shares(tmp_path: Path, name: str, message: str) -> None:
    if not TABLES.exists():
        pytest.skip("shared/data/aggregate_tables is not here")
    with pytest.raises(AggregatesError, match=message):
        read(tmp_path, (TABLES / name).read_text(encoding="utf-8"))


def test_a_life_table_becomes_a_table_of_deaths_with_a_column_of_people(tmp_path: Path) -> None:
    if not TABLES.exists():
        pytest.skip("shared/data/aggregate_tables is not here")
    lines = (TABLES / "us_period_life_table_2015.csv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split(",") for line in lines]
    text = "# share of: diabetes=yes\nage,sex,share,patients\n" + "".join(
        f"{age},{sex},{float(risk):f},100000\n" for age, sex, risk in rows
    )
    one = read(tmp_path, text).aggregates[0]
    expected = sum(float(risk) * 100_000 for age, sex, risk in rows if int(age) >= 60 and sex == "Male")
    assert one.values[2, 1, 1] == pytest.approx(expected, rel=1e-3)
    assert one.axes[0].labels == ("<40", "40 to <60", ">=60")
