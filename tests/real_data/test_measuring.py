"""Records become aggregates: one patient moves them no further than is paid for, and no value of anybody is told."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manikin.aggregates import Aggregate, MeasurePlan
from manikin.codebook import Bins
from manikin.errors import BudgetError, ManikinError, RealDataError, RequestError
from manikin.privacy import Account
from manikin.real_data import People, Survey, measure, survey
from manikin.real_data.measure import buy, patients_in
from manikin.real_data.questions import Order, Question
from measured import MAPPING, VARIABLES, account, patients, text, without, written

SECRET = "Rumpelstilzchen"
PLAN = MeasurePlan(pairs=(("age", "sex"),), outcomes=("ill",), triples=(("age", "sbp", "ill"),), clipped=True)


def asked(folder: Path, plan: MeasurePlan = PLAN, mapping: str = MAPPING) -> Survey:
    return survey(text(folder, mapping, "mapping.yaml"), VARIABLES, plan)


def read(folder: Path, columns: dict[str, list[Any]], plan: MeasurePlan = PLAN, mapping: str = MAPPING) -> People:
    return asked(folder, plan, mapping).read(written(folder, columns))


def one_way(people: People, name: str) -> list[int]:
    axes = tuple(people.domain.axes[place] for place in people.domain.of([name]))
    return people.answer(Question("variables", axes)).tolist()


def rows(**columns: list[Any]) -> dict[str, list[Any]]:
    size = len(next(iter(columns.values())))
    plain = {"ID": list(range(size)), "DAY": [1] * size, "AGE": [50] * size, "GENDER": [1] * size}
    return plain | {"SYS": [130] * size, "ILL": ["n"] * size} | columns


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_each_variable_and_what_the_study_names_is_asked_once(tmp_path: Path) -> None:
    found = [one.what for one in asked(tmp_path).questions]
    assert found == [
        "age",
        "sex",
        "sbp",
        "ill",
        "age × sex",
        "ill × age",
        "ill × sex",
        "ill × sbp",
        "age × sbp × ill",
        "clipped: rows",
    ]


def test_prices_add_up_and_follow_the_weights(tmp_path: Path) -> None:
    weighed = MeasurePlan(pairs=(("age", "sex"),), weights={"pairs": 3.0})
    orders = asked(tmp_path, weighed).orders(0.7)
    assert sum(one.rho for one in orders) == pytest.approx(0.7)
    assert orders[-1].rho == pytest.approx(3 * orders[0].rho)


def test_every_variable_has_a_bin_for_those_without_a_value_unless_it_is_complete(tmp_path: Path) -> None:
    domain = asked(tmp_path, MeasurePlan(complete=("age",))).domain
    assert {axis.name: axis.missing for axis in domain.axes} == {"age": False, "sex": True, "sbp": True, "ill": True}


@pytest.mark.parametrize(
    ("plan", "mapping", "why"),
    [
        (MeasurePlan(variables=("shoe_size",)), MAPPING, "no column for it"),
        (MeasurePlan(pairs=(("age", "sbq"),)), MAPPING, "Did you mean 'sbp'"),
        (MeasurePlan(), MAPPING + "  ferritin: {column: FER}\n", "'ferritin' has no bins"),
        (MeasurePlan(), MAPPING + "weights: W\n", "'weights'"),
    ],
)
def test_a_question_that_can_not_be_asked_is_refused(tmp_path: Path, plan: MeasurePlan, mapping: str, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        asked(tmp_path, plan, mapping)


def test_a_table_with_more_cells_than_anybody_could_fill_is_refused() -> None:
    with pytest.raises(RequestError, match="100,000,000 cells"):
        Question("triples", tuple(bins(f"v{number}", 10) for number in range(8)))


def bins(name: str, size: int) -> Bins:
    return Bins(name, cuts=tuple(map(float, range(1, size))))


# --- one row a patient ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keep", "bins"), [("first", [1, 1, 0, 0]), ("last", [0, 0, 2, 0])])
def test_of_a_patient_with_several_rows_the_one_that_the_study_says_counts(
    tmp_path: Path, keep: str, bins: list[int]
) -> None:
    columns = rows(ID=["a", "b", "a", "b", "a"], DAY=[9, 10, 100, 2, 3], SYS=[130, 150, 160, 130, 110])
    assert one_way(read(tmp_path, columns, MeasurePlan(rows=keep)), "sbp") == bins


def test_dates_follow_each_other_and_what_is_at_no_time_comes_last(tmp_path: Path) -> None:
    columns = rows(ID=[1, 1, 1], DAY=["", "2021-11-02", "2021-09-30"], SYS=[110, 130, 150])
    for keep, bins in (("first", [0, 0, 1, 0]), ("last", [0, 1, 0, 0])):
        assert one_way(read(tmp_path, columns, MeasurePlan(rows=keep)), "sbp") == bins


def test_without_an_order_rows_follow_each_other_as_in_the_file(tmp_path: Path) -> None:
    columns = rows(ID=[1, 1], SYS=[150, 110])
    plain = MAPPING.replace("order: DAY\n", "")
    assert one_way(read(tmp_path, columns, MeasurePlan(), plain), "sbp") == [0, 0, 1, 0]
    assert one_way(read(tmp_path, columns, MeasurePlan(rows="last"), plain), "sbp") == [1, 0, 0, 0]


def test_without_a_patient_column_each_row_is_one_and_the_output_says_so(tmp_path: Path) -> None:
    plain = MAPPING.replace("patient: ID\norder: DAY\n", "")
    columns = rows(ID=[1, 1, 1])
    assert read(tmp_path, columns, MeasurePlan(), plain).size == 3
    assert "each row is taken for a patient" in asked(tmp_path, MeasurePlan(), plain).population
    assert "the first row counts" in asked(tmp_path).population


def test_rows_of_nobody_and_of_those_who_are_not_meant_do_not_count(tmp_path: Path) -> None:
    columns = rows(ID=["a", "", "b", "7", "7.0"], AGE=[30, 30, 50, 70, 70])
    assert read(tmp_path, columns).size == 3
    elders = MAPPING + "among: age >= 60\n"
    assert read(tmp_path, columns, mapping=elders).size == 1
    assert "age >= 60" in asked(tmp_path, mapping=elders).population


def test_who_has_no_value_where_it_is_complete_is_left_out_and_that_is_asked(tmp_path: Path) -> None:
    plan = MeasurePlan(complete=("sbp",), clipped=True)
    columns = rows(ID=["a", "b", "c", "c"], SYS=[130, "", 110, 150])
    people = read(tmp_path, columns, plan)
    assert one_way(people, "sbp") == [1, 1, 0]
    found = {one.what: people.answer(one).tolist() for one in asked(tmp_path, plan).questions}
    assert found["clipped: rows"] == [2, 1]
    assert found["clipped: incomplete"] == [2, 1]


# --- out of the domain ------------------------------------------------------------------------------------------------


def test_whatever_is_not_in_the_domain_is_missing(tmp_path: Path) -> None:
    odd = [110, "110 ", "1.3e2", 999, -5, "high", "1e999", "", "nan", "0x80"]
    people = read(tmp_path, rows(SYS=odd, ILL=["y", " n", "Y", "", "maybe", "n", "n", "n", "n", "n"]))
    assert one_way(people, "sbp") == [2, 1, 0, 7]
    assert one_way(people, "ill") == [6, 1, 3]


def test_no_patient_decides_how_the_others_are_read(tmp_path: Path) -> None:
    """A reader that guesses takes 01 for 1 as long as nobody has a text in that column."""
    columns = rows(GENDER=["01", "2", "1", "02"], SYS=["130", "0150", "110", "130.0"], ID=["7", "08", "9", "10"])
    alone = read(tmp_path, columns)
    for name in columns:
        added = {key: [*map(str, column), SECRET if key == name else ""] for key, column in columns.items()}
        others = read(tmp_path, added | {"ID": [*columns["ID"], SECRET]})
        for variable in ("sex", "sbp", "age"):
            assert one_way(others, variable)[:-1] == one_way(alone, variable)[:-1]
            assert one_way(others, variable)[-1] == one_way(alone, variable)[-1] + 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_csv_and_parquet_are_read_alike(tmp_path: Path, suffix: str) -> None:
    columns = {name: [None if one == "" else one for one in column] for name, column in patients(200).items()}
    columns["SYS"] = [None if one is None else float(one) for one in columns["SYS"]]
    path = tmp_path / "records.parquet"
    pq.write_table(pa.table(columns), path)
    known = read(tmp_path, patients(200))
    found = asked(tmp_path).read(path if suffix == "parquet" else tmp_path / "records.csv")
    assert all((found.answer(one) == known.answer(one)).all() for one in asked(tmp_path).questions)


# --- the promise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [PLAN, MeasurePlan(rows="last", complete=("sbp",), clipped=True)])
def test_one_patient_moves_every_table_by_no_more_than_its_sensitivity(tmp_path: Path, plan: MeasurePlan) -> None:
    columns = patients(40, most_rows=6)
    everybody, moved = read(tmp_path, columns, plan), 0.0
    for one in sorted(set(columns["ID"])):
        others = read(tmp_path, without(columns, "ID", one), plan)
        for question in asked(tmp_path, plan).questions:
            distance = float(np.linalg.norm((everybody.answer(question) - others.answer(question)).ravel()))
            assert distance <= question.sensitivity
            moved = max(moved, distance)
    assert moved == 1.0


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), *[st.sampled_from(["", "1", "2", "60", "150", "x", "y", "n"])] * 5),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_stands_on_record_is_read_and_moves_nothing_further(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    keeper = ("~", "1", "50", "1", "130", "n")
    columns = dict(
        zip(("ID", "DAY", "AGE", "GENDER", "SYS", "ILL"), map(list, zip(*lines, keeper, strict=True)), strict=True)
    )
    everybody, others = read(folder, columns), read(folder, without(columns, "ID", "a"))
    for question in asked(folder).questions:
        assert np.linalg.norm((everybody.answer(question) - others.answer(question)).ravel()) <= question.sensitivity


def test_noise_is_as_wide_as_its_price(tmp_path: Path) -> None:
    """The standard deviation of 3,000 draws lies within 6% of the price's; by chance it does not once in 100,000 runs."""
    paid = account(tmp_path, 40.0)
    order = Order(Question("variables", (bins("many", 3_000),), sensitivity=3.0), paid.left)
    noise = buy(_Nobody(), order, paid)
    assert order.noise == pytest.approx(3 / np.sqrt(2 * order.rho))
    assert noise.noise == pytest.approx(order.noise)
    assert np.std(noise.values) == pytest.approx(order.noise, rel=0.06)


class _Nobody:
    def answer(self, question: Question) -> Any:
        return np.zeros(question.shape, np.int64)


def test_what_is_bought_is_near_what_is_so_and_has_its_receipt(tmp_path: Path) -> None:
    columns, paid = patients(300), account(tmp_path, 1_000.0)
    people, wanted = read(tmp_path, columns), asked(tmp_path)
    found = measure(people, wanted, paid, paid.left)
    for one, question in zip(found, wanted.questions, strict=True):
        assert one.axes == question.axes
        assert np.abs(one.values - people.answer(question)).max() <= 8 * max(one.noise, 0.2)
    receipts = {one.receipt for one in paid.statement.purchases}
    assert {one.receipt for one in found} == receipts
    assert sum(one.rho for one in found) == pytest.approx(paid.budget.rho)
    assert paid.left < 1e-6


def test_the_number_of_patients_follows_from_the_tables(tmp_path: Path) -> None:
    people, wanted, paid = read(tmp_path, patients(400)), asked(tmp_path), account(tmp_path)
    number, noise = patients_in(measure(people, wanted, paid, paid.left), wanted.domain)
    assert abs(number - people.size) < 6 * noise
    assert noise < min(one.noise for one in wanted.orders(paid.budget.rho)) * 2


def test_a_measurement_over_what_is_left_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    people, wanted, paid = read(tmp_path, patients(60)), asked(tmp_path), account(tmp_path)
    measure(people, wanted, paid, 0.6 * paid.budget.rho)
    left, ledger = paid.left, (tmp_path / "ledger.jsonl").read_bytes()
    with pytest.raises(BudgetError, match="Nothing was spent") as refused:
        measure(people, wanted, paid, 0.6 * paid.budget.rho)
    assert refused.value.left == left
    assert paid.left == left
    assert (tmp_path / "ledger.jsonl").read_bytes() == ledger


def test_a_strategy_is_given_its_share_and_what_was_measured_so_far(tmp_path: Path) -> None:
    people, wanted, paid = read(tmp_path, patients(60)), asked(tmp_path), account(tmp_path)
    found = measure(people, wanted, paid, paid.budget.rho, _AskOnce())
    assert found[-1].attributes == ("sex", "sbp")
    assert len(found) == len(wanted.questions) + 1
    assert found[-1].rho == pytest.approx(0.2 * paid.budget.rho)
    assert paid.left == pytest.approx(0, abs=1e-9)


class _AskOnce:
    share = 0.4

    def choose(
        self, people: People, measured: tuple[Aggregate, ...], account: Account, rho: float
    ) -> tuple[Aggregate, ...]:
        assert measured
        place = account.choose([0.0, 9.0], rho / 2, "which pair").index
        assert place in (0, 1)
        axes = tuple(people.domain.axes[one] for one in people.domain.of(["sex", "sbp"]))
        return (buy(people, Order(Question("pairs", axes), rho / 2), account),)


# --- errors never tell a value ----------------------------------------------------------------------------------------


def _said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(vars(error))


@pytest.mark.parametrize("name", ["ID", "DAY", "AGE", "GENDER", "SYS", "ILL"])
def test_a_value_planted_anywhere_stands_in_nothing_that_leaves(tmp_path: Path, name: str) -> None:
    columns = {key: list(map(str, column)) for key, column in patients(50).items()}
    columns[name][17] = SECRET
    people, wanted, paid = read(tmp_path, columns), asked(tmp_path), account(tmp_path)
    found = measure(people, wanted, paid, paid.left)
    assert SECRET not in repr(found) + (tmp_path / "ledger.jsonl").read_text(encoding="utf-8") + wanted.population


@pytest.mark.parametrize(
    "content",
    [f"ID,AGE\n1,50,{SECRET}\n", f"{SECRET},50\n1,60\n", f"{SECRET}\x00\xff", "", f"ID,ID,{SECRET}\n1,2,3\n"],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_can_not_be_read_tells_nothing_of_itself(tmp_path: Path, content: str, suffix: str) -> None:
    path = tmp_path / f"records.{suffix}"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RealDataError) as error:
        asked(tmp_path).read(path)
    assert SECRET not in _said(error.value)


@pytest.mark.parametrize("name", ["ID", "DAY", "SYS", "GENDER"])
def test_a_column_of_a_strange_kind_is_refused_without_its_values(tmp_path: Path, name: str) -> None:
    columns = patients(3, most_rows=1) | {name: pa.array([[SECRET]] * 3, pa.list_(pa.string()))}
    pq.write_table(pa.table(columns), tmp_path / "strange.parquet")
    with pytest.raises(RealDataError, match=f"'{name}'") as error:
        asked(tmp_path).read(tmp_path / "strange.parquet")
    assert SECRET not in _said(error.value)


@pytest.mark.parametrize("ages", [[], [17, 16]])
def test_a_site_without_patients_is_refused(tmp_path: Path, ages: list[int]) -> None:
    with pytest.raises(ManikinError, match=r"no rows|no patient") as error:
        read(tmp_path, rows(AGE=ages), mapping=MAPPING + "among: age >= 18\n")
    assert isinstance(error.value, RealDataError)


# --- real records -----------------------------------------------------------------------------------------------------

HOSPITALS = Path(__file__).parents[3] / "shared" / "data" / "diabetes130_us_hospitals" / "diabetic_data.parquet"
ADMISSIONS = """\
reference: 130 US hospitals, 1999-2008
patient: patient_nbr
order: encounter_id
columns:
  sex: {column: gender, values: {Female: female, Male: male}}
  ill: {column: insulin, values: {"No": "no", Steady: "yes", Up: "yes", Down: "yes"}}
"""


@pytest.mark.skipif(not HOSPITALS.exists(), reason="needs the admissions beside the checkout, shared/data/diabetes130")
def test_of_a_hundred_thousand_admissions_seventy_thousand_patients_count(tmp_path: Path) -> None:
    wanted = asked(tmp_path, MeasurePlan(pairs=(("sex", "ill"),), clipped=True), ADMISSIONS)
    people = wanted.read(HOSPITALS)
    assert people.size == 71_518
    found = {one.what: people.answer(one) for one in wanted.questions}
    assert all(table.sum() == 71_518 for table in found.values())
    assert found["clipped: rows"].tolist() == [54_745, 16_773]
