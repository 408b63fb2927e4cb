"""The yardstick of learning from aggregates: that it can tell a good fit from a bad one, and charges what was spent."""

import json
import textwrap
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from benchmarks.learning import __main__ as runner
from benchmarks.learning import report
from benchmarks.learning.columns import category, scale
from benchmarks.learning.data import DATA, DataSet, Outcome, Rows, Table
from benchmarks.learning.fitters import FITTERS, FitFailedError, Fitter, filled, fit
from benchmarks.learning.measures import marginals, measure, two_sample_auc
from benchmarks.learning.results import Key, Results
from hypothesis import given
from hypothesis import strategies as st

RECORDS = Path(__file__).parents[3] / "shared" / "data"
DOOR = Path(runner.__file__).parent / "peers"
COLUMNS = (
    scale("pressure", (110, 120, 140), low=80, high=200, step=1, missing=True, possible=(30, 300)),
    scale("index", (18.5, 25, 30), low=14, high=50, step=0.1),
    category("sex", ("female", "male")),
    category("ill", ("no", "yes")),
)


def table_of(rows: int = 4000) -> Table:
    """People whose illness goes with pressure and index."""
    rng = np.random.default_rng(7)
    index = np.round(rng.normal(27, 5, rows).clip(14, 49), 1)
    pressure = np.round(120 + index - 27 + rng.normal(0, 15, rows))
    sex, ill = rng.random(rows) < 0.5, rng.random(rows) < 1 / (1 + np.exp(-(index + pressure / 4 - 60) / 3))
    values = np.column_stack([pressure, index, sex, ill]).astype(float)
    codes = np.column_stack([column.coded(values[:, place]) for place, column in enumerate(COLUMNS)])
    return Table("toy", COLUMNS, Rows(codes, values), Outcome(3, (1,)))


def site(table: Table, size: int = 1000) -> tuple[Rows, Rows]:
    return DataSet("", lambda _: table, site=size).split(table, 1)


@given(st.lists(st.integers(0, 3), min_size=1), st.integers(0, 2**32))
def test_a_value_filled_into_a_bin_lies_in_it(codes, seed):
    codes = np.array(codes, np.int16)
    for column in COLUMNS[:2]:
        assert (column.coded(column.filled(codes, np.random.default_rng(seed))) == codes).all()


def test_what_is_missing_or_impossible_has_a_bin_only_where_one_is_declared():
    assert COLUMNS[0].coded(COLUMNS[0].read([np.nan, 3000, 115])).tolist() == [4, 4, 1]
    with pytest.raises(ValueError, match="'index' has values that fit none"):
        COLUMNS[1].coded(np.array([np.nan]))
    with pytest.raises(ValueError, match="'sex'"):
        COLUMNS[2].coded(COLUMNS[2].read(["female", "unheard of"]))


@pytest.mark.parametrize("name", DATA)
def test_every_real_person_has_a_bin_and_is_either_learnt_from_or_held_out(name):
    data = DATA[name]
    if not (RECORDS / data.file).exists():
        pytest.skip(f"needs {data.file} beside the checkout, in shared/data")
    table = data.read(RECORDS / data.file)
    assert (table.rows.codes >= 0).all()
    assert (table.rows.codes < table.shape).all()
    assert (filled(table, table.rows.codes, np.random.default_rng(1)).shape) == table.rows.values.shape
    train, held_out = data.split(table, 1)
    assert train.size == (data.site or table.rows.size // 2)
    assert train.size + held_out.size == table.rows.size
    together = np.concatenate([train.codes, held_out.codes])
    assert sorted(map(tuple, together)) == sorted(map(tuple, table.rows.codes))
    again, _ = data.split(table, 1)
    other, _ = data.split(table, 2)
    assert (again.codes == train.codes).all()
    assert (other.codes != train.codes).any()


def test_rows_like_the_people_are_near_and_independent_ones_are_not():
    table = table_of()
    train, held_out = site(table)
    same = measure(table, train, held_out, held_out, [[0, 1]], 1)
    assert same.tv_1 == same.tv_2 == same.tv_3 == 0
    apart = measure(table, train, held_out, runner._independent(table, train, 20_000, 1), None, 1)
    real = measure(table, train, held_out, train, None, 1)
    assert apart.tv_3 > 1.5 * real.tv_3
    assert apart.tv_1 == pytest.approx(real.tv_1, abs=1e-3)
    assert real.auc_logistic > 0.8
    assert apart.auc_logistic < 0.6
    assert apart.unmeasured_2 is None


def test_what_was_not_measured_is_judged_apart():
    """The sampler that shipped once: perfect where it was asked, wrong between conditionally independent columns."""
    table = table_of()
    train, held_out = site(table)
    rng = np.random.default_rng(3)
    broken = held_out.codes.copy()
    broken[:, 2:] = broken[rng.permutation(len(broken))][:, 2:]
    found = measure(table, train, held_out, Rows(broken, held_out.values), [[0, 1], [2, 3]], 1)
    # Four of six pairs cross the cut, and nothing is wrong but those.
    assert found.unmeasured_2 == pytest.approx(found.tv_2 * 6 / 4)
    assert found.unmeasured_3 == pytest.approx(found.tv_3)
    assert found.tv_1 == 0


def test_few_rows_that_stand_for_many_are_seen():
    table = table_of()
    train, held_out = site(table)
    few = train.taken(np.random.default_rng(1).integers(0, 12, 5000))
    assert measure(table, train, held_out, few, None, 1).distinct_ratio < 0.2


def test_bins_filled_evenly_are_told_from_real_values_and_real_ones_are_not():
    table = table_of()
    one, other = site(table, 2000)
    evenly = filled(table, one.codes, np.random.default_rng(1))
    # Seeds are fixed. Of two halves, 0.5 with a standard error of 0.013.
    assert abs(two_sample_auc(one.values, other.values, COLUMNS, 1) - 0.5) < 0.05
    assert two_sample_auc(evenly, other.values, COLUMNS, 1) > 0.55


def test_the_triples_of_many_columns_are_the_same_for_everyone():
    assert list(marginals(20)) == list(marginals(20))
    assert sum(len(one) == 3 for one in marginals(20)) == 400
    assert sum(len(one) == 3 for one in marginals(10)) == 120


def fitter_of(folder: Path, work: str) -> Fitter:
    """A fitter that gives back its training rows, after some work."""
    script = folder / "fitter.py"
    script.write_text(
        textwrap.dedent(f"""
        import subprocess, sys, time
        sys.path.insert(0, {str(DOOR)!r})
        from door import Meter, answer, task
        wanted, meter = task(), Meter()
        spin = "import time\\nwhile time.process_time() < 0.4: pass"
        {work}
        answer(wanted.codes, "1", meter.spent.get("fit", 0.0), 0.0, [[0, 1]])
        """)
    )
    return Fitter("toy", str(script))


def carried_out(fitter: Fitter, limit_s: float = 60.0):
    table = table_of(500)
    train, _ = site(table, 200)
    options = {"epsilon": 1.0, "delta": 1e-6, "seed": 1, "rows": 200, "environments": Path("nowhere")}
    return train, fit(fitter, table, train, **options, limit_s=limit_s)


def test_a_fitter_is_charged_for_what_its_children_spend(tmp_path):
    work = 'meter.timed("fit", subprocess.run, [sys.executable, "-c", spin])'
    train, made = carried_out(fitter_of(tmp_path, work))
    assert 0.3 < made.fit_cpu_s < 5
    assert made.measured == [[0, 1]]
    assert made.peak_rss_mib > 5
    assert sorted(map(tuple, made.synthetic.codes)) == sorted(map(tuple, train.codes))


@pytest.mark.parametrize(
    ("work", "words", "limit_s"),
    [('raise ValueError("no model")', "no model", 60), ("time.sleep(60)", "more than 1 s", 1)],
)
def test_a_fitter_that_fails_or_never_ends_says_so(tmp_path, work, words, limit_s):
    with pytest.raises(FitFailedError, match=words):
        carried_out(fitter_of(tmp_path, work), limit_s)


def test_a_finished_run_is_kept_and_the_last_one_counts(tmp_path):
    file, key = tmp_path / "results.jsonl", Key("toy", "manikin", 1.0, 1)
    Results(file).add(key, {"fit_cpu_s": 2.0})
    assert key in Results(file)
    assert Key("toy", "manikin", 1.0, 2) not in Results(file)
    Results(file).add(key, {"fit_cpu_s": 1.0})
    assert [line["fit_cpu_s"] for _, line in Results(file)] == [1.0]
    assert all(json.loads(line)["data"] == "toy" for line in file.read_text().splitlines())


def test_a_part_of_the_grid_gives_a_table_with_what_failed_and_how_many_times_our_seconds(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    table = table_of()
    train, held_out = site(table)
    measures = asdict(measure(table, train, held_out, train, None, 1))
    for seed, seconds in ((1, 40.0), (2, 60.0)):
        results.add(Key("wdbc", "mbi-aim", 1.0, seed), {"fit_cpu_s": seconds, "measures": measures})
    results.add(Key("wdbc", "manikin", 1.0, 1), {"fit_cpu_s": 0.5, "measures": measures})
    results.add(Key("wdbc", "swift", 1.0, 1), {"failed": "took more than 5 s"})
    shown = report.table(results, ["wdbc", "thyroid"]).splitlines()
    aim, swift = (next(line for line in shown if name in line) for name in ("mbi-aim", "swift"))
    assert aim.endswith(" 100")
    assert "±0.0000" in aim
    assert "took more than 5 s" in swift
    assert not any("thyroid" in line for line in shown)


def test_intervals_are_student_s():
    mean, half = report.interval([1.0, 2.0, 3.0, None])
    assert mean == 2
    # 4.303 x 1 / sqrt(3)
    assert half == pytest.approx(2.484, abs=1e-3)
    assert report.interval([1.0]) == (1.0, None)
    assert report.interval([None]) is None


def test_every_fitter_but_ours_has_its_script_and_pins():
    for fitter in FITTERS.values():
        if fitter.environment is not None:
            assert (DOOR / fitter.script).exists()
            pins = (DOOR / fitter.environment.requirements).read_text().split()
            assert pins
            assert all("==" in pin for pin in pins)
