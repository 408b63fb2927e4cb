"""Tables learnt from patients: what is promised to them, what is paid for it, and that none of them is in what leaves."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manikin.codebook import Kind, Variable
from manikin.errors import BudgetError, RealDataError, RequestError
from manikin.generators.deep import Column, TableSampler, save
from manikin.privacy import Account, Budget, Ledger
from toy_table import AGE, COLUMNS, HBA1C, SEX, patients

pytest.importorskip("opacus")

from manikin.real_data.learning import (
    Allowance,
    Gan,
    Generator,
    Schedule,
    Table,
    Vae,
    find_generator,
    margins_of,
    table_of,
)
from manikin.real_data.learning.descent import Descent, layers_of, learning_libraries
from manikin.streams import Seed

VAE = Vae(2, (8,), 0.5, schedule=Schedule(steps=12, learning_rate=5e-2))
GAN = Gan(2, (8,), (8,), made=32, schedule=Schedule(steps=12, learning_rate=1e-2))
BOTH = pytest.mark.parametrize("generator", [VAE, GAN], ids=["vae", "gan"])


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Ledger(tmp_path / "ledger.jsonl").account("a ward", Budget(1, 1e-6))


@pytest.fixture(scope="module")
def people() -> Table:
    return table_of(COLUMNS, patients(400))


def bins_apart(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the mean distance of all pairs of variables, in total variation."""

    def shares(codes: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
        size = shape[pair[0]] * shape[pair[1]]
        return np.bincount(codes[:, pair[0]].astype(int) * shape[pair[1]] + codes[:, pair[1]], minlength=size) / len(
            codes
        )

    pairs = itertools.combinations(range(len(shape)), 2)
    return float(np.mean([0.5 * np.abs(shares(one, pair) - shares(other, pair)).sum() for pair in pairs]))


def drawn(sampler: TableSampler, count: int = 20_000) -> np.ndarray:
    columns = dict(sampler.draw(np.arange(count)))
    for column in sampler.columns:
        if column.variable.kind is Kind.CONDITION and column.missing:
            name = column.variable.name
            columns[name] = np.where(columns[f"{name}?"], columns[name], -1)
    return sampler.domain.codes(columns)


@BOTH
def test_everything_a_fit_spends_is_on_record_and_within_its_allowance(
    generator: Generator[Table], people: Table, account: Account
) -> None:
    sampler = generator.fit(people, Allowance(account, 0.5 * account.budget.rho))
    assert isinstance(sampler, TableSampler)
    statement = account.statement
    assert statement.spent <= 0.5 * account.budget.rho
    mechanisms = [one.mechanism for one in statement.purchases]
    assert mechanisms == ["discrete Gaussian", "discrete Gaussian", "sampled Gaussian, one sum a step"]
    assert sampler.protection.receipts == tuple(one.receipt for one in statement.purchases)
    assert statement.epsilon <= sampler.protection.epsilon < account.budget.epsilon
    assert sampler.protection.tier == "registered"


@BOTH
def test_without_an_allowance_nothing_is_promised(generator: Generator[Table], people: Table) -> None:
    sampler = generator.fit(people)
    assert isinstance(sampler, TableSampler)
    assert not sampler.protection.private
    assert sampler.protection.tier == "controlled"


@BOTH
def test_what_is_learnt_without_privacy_repeats(generator: Generator[Table], people: Table) -> None:
    assert np.array_equal(*(drawn(generator.fit(people), 500) for _ in range(2)))  # type: ignore[arg-type]


@BOTH
def test_what_is_learnt_with_privacy_does_not(generator: Generator[Table], people: Table, tmp_path: Path) -> None:
    accounts = (Ledger(tmp_path / str(number)).account("a ward", Budget(1, 1e-6)) for number in range(2))
    fits = [generator.fit(people, Allowance(one, one.left)) for one in accounts]
    assert not np.array_equal(*(drawn(one, 500) for one in fits))  # type: ignore[arg-type]


def test_more_than_is_left_is_refused_before_anything_is_spent(account: Account) -> None:
    with pytest.raises(BudgetError, match="Nothing was spent"):
        Allowance(account, 1.01 * account.budget.rho)
    assert account.left == account.budget.rho


@BOTH
def test_a_step_in_which_nobody_takes_part_is_one_of_noise(generator: Generator[Table], account: Account) -> None:
    """Of three patients who each take part one time in ten, nobody does in most steps."""
    assert isinstance(generator, Vae | Gan)
    seldom = replace(generator, schedule=replace(generator.schedule, share=0.1))
    few = table_of(COLUMNS, patients(3))
    assert seldom.fit(few, Allowance(account, account.left)).protection.private


def test_nobody_and_values_without_a_bin_are_refused() -> None:
    with pytest.raises(RealDataError, match="no patients to learn from"):
        table_of(COLUMNS, {name: column[:0] for name, column in patients(1).items()})
    with pytest.raises(RequestError, match="'hba1c' has no value on record for some"):
        table_of([Column(HBA1C)], {"hba1c": np.array([5.0, np.nan])})


def test_margins_are_noisy_as_paid_for_and_exact_without(people: Table, tmp_path: Path) -> None:
    exact = margins_of(people, None)
    assert exact.patients == 400
    assert np.allclose(exact.shares[1], np.bincount(people.codes[:, 1]) / 400, atol=1e-6)
    generous = Ledger(tmp_path / "ledger").account("a ward", Budget(1e4, 1e-6))
    bought = margins_of(people, Allowance(generous, generous.left))
    assert bought.patients == pytest.approx(400, abs=2)
    assert np.abs(np.concatenate(bought.shares) - np.concatenate(exact.shares)).max() < 0.01
    assert len(bought.receipts) == 2


def test_a_private_step_asks_each_patient_for_its_own_gradient() -> None:
    """The sum of clipped gradients is that of one backward pass for each patient."""
    torch, wrapper = learning_libraries()
    layers = layers_of(torch, {"a.weight": (3, 4), "a.bias": (3,), "b.weight": (1, 3), "b.bias": (1,)}, Seed(5))
    rows = torch.from_numpy(np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)).requires_grad_()

    def losses(which: object) -> object:
        return (layers["b"](torch.tanh(layers["a"](rows[which]))) ** 2)[:, 0]

    own = []
    for patient in range(6):
        layers.zero_grad()
        losses([patient]).sum().backward()  # type: ignore[attr-defined]
        own.append(torch.cat([one.grad.flatten() for one in layers.parameters()]).numpy().copy())
    asked: list[np.ndarray] = []

    class Listener:
        expected = 6.0

        def clarity(self, _parameters: int) -> float:
            return 1.0

        def summed(self, each: np.ndarray) -> np.ndarray:
            asked.append(each.copy())
            return each.sum(axis=0)

    descent = Descent(layers, 1e-3, 1, Listener())  # type: ignore[arg-type]
    assert isinstance(descent.layers, wrapper)
    descent.step(6, lambda: losses(slice(None)))
    assert np.allclose(asked[0], np.stack(own), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "nearer"), [("vae", 0.75), ("gan", 0.95)])
def test_without_noise_what_goes_together_is_learnt(name: str, nearer: float) -> None:
    train, others = (table_of(COLUMNS, patients(3_000, seed)) for seed in (1, 2))
    alone = np.random.default_rng(3).permuted(others.codes, axis=0)
    found = drawn(find_generator(name, private=False).fit(train))  # type: ignore[arg-type]
    assert bins_apart(found, others.codes, train.bins) < nearer * bins_apart(alone, others.codes, train.bins)


def canaries(people: int, planted: int) -> dict[str, np.ndarray]:
    """Return patients whose six answers are independent and seldom yes, but for some planted who say yes to all."""
    answers = np.random.default_rng(4).random((people, 6)) < 0.2
    answers[:planted] = True
    return {f"q{number}": answers[:, number].astype(float) for number in range(6)}


@pytest.mark.slow
def test_planted_patients_are_found_when_noise_is_off_and_lost_when_it_is_on(tmp_path: Path) -> None:
    columns = tuple(Column(Variable(f"q{number}", Kind.CONDITION)) for number in range(6))
    people = table_of(columns, canaries(400, 20))

    def share(sampler: object) -> float:
        return float((drawn(sampler, 50_000) == 1).all(axis=1).mean())  # type: ignore[arg-type]

    assert share(find_generator("vae", private=False).fit(people)) > 0.005
    account = Ledger(tmp_path / "ledger").account("a ward", Budget(0.3, 1e-6))
    private = find_generator("vae", private=True).fit(people, Allowance(account, account.left))
    assert share(private) < 0.002


@BOTH
def test_no_row_stands_in_the_file(generator: Generator[Table], tmp_path: Path) -> None:
    columns = (Column(AGE), Column(SEX), Column(HBA1C))
    rng = np.random.default_rng(6)
    values = {
        "age": rng.integers(18, 100, 300) * 1.0,
        "sex": rng.integers(0, 2, 300) * 1.0,
        "hba1c": rng.integers(40, 99, 300) / 10,
    }
    people = table_of(columns, values)
    sampler = generator.fit(people)
    assert isinstance(sampler, TableSampler)
    save(sampler, tmp_path / "sampler")
    octets = b"".join(path.read_bytes() for path in sorted((tmp_path / "sampler").iterdir()))
    rows = np.column_stack(list(values.values()))
    for row, bins in zip(rows, people.rows, strict=True):
        for one in (row, row[:2], row[1:], bins):
            for kind in ("f4", "f8"):
                assert one.astype(kind).tobytes() not in octets
        assert ", ".join(f"{one:g}" for one in row).encode() not in octets
    assert b"pickle" not in octets


def test_the_size_of_the_file_tells_nothing_of_how_many_patients(tmp_path: Path) -> None:
    for count in (50, 5_000):
        sampler = VAE.fit(table_of(COLUMNS, patients(count)))
        save(sampler, tmp_path / str(count))
    one, other = ((tmp_path / str(count) / "weights.safetensors").stat().st_size for count in (50, 5_000))
    assert one == other


def test_an_unknown_generator_is_answered_with_those_there_are() -> None:
    with pytest.raises(RequestError, match="Did you mean 'vae'"):
        find_generator("vaee", private=True)


def test_a_generator_of_an_installed_package_enters_by_the_same_door(
    people: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    from manikin.real_data.learning import generator

    class Entry:
        name = "theirs"

        @staticmethod
        def load() -> Generator[Table]:
            return VAE

    monkeypatch.setattr(generator, "entry_points", lambda group: [Entry] if group == "manikin.generators" else [])
    assert isinstance(find_generator("theirs", private=True).fit(people), TableSampler)
    with pytest.raises(RequestError, match="Possible: vae, gan, theirs"):
        find_generator("nobody's", private=True)


MAPPING = """\
reference: a ward
patient: id
columns:
  age: {column: years}
  sex: {column: sex, values: {f: female, m: male}}
  ill: {column: ill, values: {"1": "yes", "0": "no"}}
"""


@pytest.fixture
def records(tmp_path: Path) -> Path:
    rng = np.random.default_rng(8)
    table = {
        "id": [f"p{number // 2}" for number in range(600)],
        "years": rng.integers(18, 90, 600),
        "sex": rng.choice(["f", "m"], 600),
        "ill": rng.choice(["0", "1"], 600),
    }
    pq.write_table(pa.table(table), tmp_path / "records.parquet")
    (tmp_path / "map.yaml").write_text(MAPPING)
    return tmp_path / "records.parquet"


@pytest.fixture
def codebook(tmp_path: Path) -> Path:
    from toy import TOY

    path = tmp_path / "toy.yaml"
    path.write_text(TOY.replace("    disclosure: quasi", "    bins: [40, 65]\n    disclosure: quasi"), encoding="utf-8")
    return path


class TestCommands:
    def run(self, *words: object) -> int:
        from manikin.cli import main

        return main([str(word) for word in words])

    def learn(self, records: Path, codebook: Path, *more: object, out: str = "sampler") -> int:
        folder = records.parent
        options = ("--codebook", codebook, "--mapping", folder / "map.yaml", "--out", folder / out)
        return self.run("learn", records, *options, *more)

    def test_what_was_learnt_is_drawn_alike_by_one_process_or_two(
        self, records: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = records.parent
        assert self.learn(records, codebook, "--epsilon", 2, "--delta", 1e-5) == 0
        assert "Promised to each patient     epsilon 2 at delta 1e-05" in capsys.readouterr().out
        for jobs in (1, 2):
            out = folder / f"drawn-{jobs}"
            assert self.run("sample", folder / "sampler", "--patients", 300, "--jobs", jobs, "--out", out) == 0
        one, two = (pq.read_table(folder / f"drawn-{jobs}" / "data" / "analysis") for jobs in (1, 2))
        assert one.equals(two)
        assert set(one.column_names) == {"patient_id", "index_date", "age", "sex", "ill"}

    def test_a_spent_budget_is_refused_and_nothing_is_written(
        self, records: Path, codebook: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.learn(records, codebook, "--epsilon", 2, "--delta", 1e-5) == 0
        assert self.learn(records, codebook, "--epsilon", 2, "--delta", 1e-5, out="second") == 2
        assert "Nothing was spent" in capsys.readouterr().err
        assert not (records.parent / "second").exists()

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ((), "Say what may be spent"),
            (("--epsilon", 1), "Say what may be spent"),
            (("--epsilon", 0, "--delta", 1e-6), "Epsilon is a finite number above 0"),
            (("--without-privacy", "--epsilon", 1), "Choose one"),
            (("--without-privacy", "--generator", "gann"), "Did you mean 'gan'"),
        ],
    )
    def test_a_wrong_request_is_told_before_records_are_read(
        self, records: Path, codebook: Path, words: tuple[object, ...], told: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.learn(records, codebook, *words) == 2
        assert told in capsys.readouterr().err
        assert not (records.parent / "sampler").exists()
        assert not (records.parent / "privacy-ledger.jsonl").exists()
