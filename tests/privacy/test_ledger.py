"""What the ledger promises: nothing is drawn that was not paid for, whatever happens to the process or the file."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from buyer import BUDGET, SOURCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manikin.errors import BudgetError, LedgerError
from manikin.privacy import Account, Budget, Ledger, chain, epsilon_of, ledger

COUNTS = np.array([40, 3, 0])
BUYER = Path(__file__).with_name("buyer.py")
same_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def account(path: Path) -> Account:
    return Ledger(path).account(SOURCE, BUDGET)


def of_three_purchases(path: Path) -> tuple[bytes, Account]:
    path.unlink(missing_ok=True)
    account = Ledger(path).account(SOURCE, BUDGET)
    for part, what in ((4, "age"), (8, "age by sex"), (1e3, 'what is "told", and what isn\'t')):
        account.gaussian(COUNTS, BUDGET.rho / part, what)
    return path.read_bytes(), account


def start(path: Path, drawn: Path, rho: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, BUYER, path, drawn, repr(rho)])


def drawn_in(file: Path) -> float:
    return math.fsum(map(float, file.read_text().split())) if file.exists() else 0.0


# What is bought.


@same_file
@given(st.lists(st.floats(1e-6, 1.5), max_size=12))
def test_no_sequence_of_purchases_overspends(path, shares):
    path.unlink(missing_ok=True)
    account = Ledger(path).account(SOURCE, BUDGET)
    spent = []
    for share in shares:
        try:
            spent.append(account.gaussian(COUNTS, share * BUDGET.rho, "age").rho)
        except BudgetError as refused:
            assert refused.left == account.left < share * BUDGET.rho
    statement = account.statement
    assert [one.rho for one in statement.purchases] == spent
    assert statement.spent <= BUDGET.rho
    assert statement.epsilon <= BUDGET.epsilon


@pytest.mark.parametrize("parts", [3, 7, 10, 49])
def test_a_budget_in_equal_parts_is_sold_to_the_last(account, parts):
    for _ in range(parts):
        account.gaussian(COUNTS, BUDGET.rho / parts, "age")
    assert account.statement.spent <= BUDGET.rho
    with pytest.raises(BudgetError, match="only"):
        account.gaussian(COUNTS, BUDGET.rho / parts, "age")


@pytest.mark.parametrize("rho", [0.0, -0.001, math.nan, math.inf, -math.inf])
def test_a_purchase_that_costs_nothing_is_refused(account, rho):
    for buy in (account.gaussian, account.choose):
        with pytest.raises(BudgetError, match="finite rho above 0"):
            buy(COUNTS, rho, "age")
    with pytest.raises(BudgetError, match="finite rho above 0"):
        account.buy(rho, "age", "a mechanism")
    assert account.left == BUDGET.rho


@pytest.mark.parametrize("sensitivity", [0.0, -1.0, math.nan, math.inf])
def test_a_sensitivity_that_is_none_is_refused(account, sensitivity):
    for buy in (account.gaussian, account.choose):
        with pytest.raises(BudgetError, match="sensitivity"):
            buy(COUNTS, 0.001, "age", sensitivity)
    assert account.left == BUDGET.rho


@pytest.mark.parametrize("counts", [[], [0.5, 1.0], [math.nan], ["a"]])
def test_counts_that_are_none_cost_nothing(account, counts):
    with pytest.raises(BudgetError, match="whole counts"):
        account.gaussian(counts, 0.001, "age")
    assert account.left == BUDGET.rho


@pytest.mark.parametrize("scores", [[], [math.nan, 1.0], [math.inf], [[1.0, 2.0]]])
def test_scores_that_are_none_cost_nothing(account, scores):
    with pytest.raises(BudgetError, match="finite scores"):
        account.choose(scores, 0.001, "age")
    assert account.left == BUDGET.rho


def test_a_purchase_says_what_it_is_for(account):
    with pytest.raises(BudgetError, match="what it is for"):
        account.gaussian(COUNTS, 0.001, "  ")
    assert account.left == BUDGET.rho


def test_a_refusal_says_what_is_left_and_spends_nothing(account):
    account.gaussian(COUNTS, BUDGET.rho / 2, "age")
    before = account.path.read_bytes()
    with pytest.raises(
        BudgetError, match=r"'sex' costs rho 0.0182.*only 0.0121\d+ is left. Nothing was spent"
    ) as refused:
        account.gaussian(COUNTS, BUDGET.rho * 0.75, "sex")
    assert refused.value.left == pytest.approx(BUDGET.rho / 2)
    assert account.path.read_bytes() == before


def test_what_is_bought_while_a_purchase_is_prepared_counts(account, monkeypatch):
    noise = ledger.gaussian_noise

    def overtaken(rho, sensitivity):
        account.buy(BUDGET.rho * 0.75, "age, elsewhere", "a mechanism")
        return replace(noise(rho, sensitivity), draw=lambda _: pytest.fail("drawn"))

    monkeypatch.setattr(ledger, "gaussian_noise", overtaken)
    with pytest.raises(BudgetError, match="only"):
        account.gaussian(COUNTS, BUDGET.rho / 2, "age")
    assert account.left == pytest.approx(BUDGET.rho / 4)
    with pytest.raises(BudgetError, match="only"):
        account.buy(BUDGET.rho / 2, "age", "a mechanism")


def test_a_budget_stays_as_it_was_opened(path, account):
    account.gaussian(COUNTS, BUDGET.rho / 2, "age")
    assert Ledger(path).account(SOURCE, Budget(1, 1e-6)).left == account.left
    with pytest.raises(BudgetError, match="stays as it was opened"):
        Ledger(path).account(SOURCE, Budget(8.0, 1e-6))
    with pytest.raises(BudgetError, match="no account"):
        Account(path, SOURCE, Budget(8.0, 1e-6)).gaussian(COUNTS, 0.1, "age")
    with pytest.raises(BudgetError, match="needs a name"):
        Ledger(path).account(" ", BUDGET)


def test_sources_have_budgets_of_their_own(path, account):
    other = Ledger(path).account("other hospital", BUDGET)
    other.gaussian(COUNTS, BUDGET.rho, "age")
    assert (other.left, account.left) == (0.0, BUDGET.rho)
    assert [one.source for one in Ledger(path).statements()] == [SOURCE, "other hospital"]


def test_what_holds_at_one_order_is_told_at_that_order(account):
    account.buy(BUDGET.rho / 2, "a network", "stochastic gradients", at_order=True, steps=100)
    assert epsilon_of(BUDGET.rho / 2, BUDGET.delta) < account.statement.epsilon <= BUDGET.epsilon
    assert account.statement.purchases[0].order == BUDGET.order
    account.gaussian(COUNTS, account.left, "age")
    assert account.statement.epsilon == pytest.approx(BUDGET.epsilon)


def test_a_statement_tells_what_was_bought_and_can_be_written(account):
    noisy = account.gaussian(COUNTS, BUDGET.rho / 4, "age")
    choice = account.choose([0.5, 2.0], BUDGET.rho / 4, "the next pair")
    written = json.loads(json.dumps(account.statement.written()))
    assert [one["receipt"] for one in written["purchases"]] == [noisy.receipt, choice.receipt]
    assert [one["what"] for one in written["purchases"]] == ["age", "the next pair"]
    assert written["spent"]["epsilon"] == epsilon_of(written["spent"]["rho"], BUDGET.delta) < 1
    assert written["head"] == choice.receipt
    assert written["left"]["rho"] == pytest.approx(BUDGET.rho / 2)


# What is on disk when.


def test_a_purchase_is_on_disk_before_its_noise_is_drawn(account, monkeypatch):
    happened = []
    sync, noise = os.fsync, ledger.gaussian_noise

    def synced(place):
        sync(place)
        happened.append(("on disk", json.loads(account.path.read_bytes().splitlines()[-1])["what"]))

    def told(rho, sensitivity):
        made = noise(rho, sensitivity)
        return replace(made, draw=lambda counts: [happened.append(("drawn", "age")), made.draw(counts)][1])

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(ledger, "gaussian_noise", told)
    account.gaussian(COUNTS, 0.001, "age")
    assert happened == [("on disk", "age"), ("drawn", "age")]


def test_nothing_is_drawn_when_the_disk_refuses(account, monkeypatch):
    def full(_place):
        raise OSError(28, "No space left on device")

    drawn = []
    noise = ledger.gaussian_noise
    monkeypatch.setattr(ledger, "gaussian_noise", lambda *a: replace(noise(*a), draw=drawn.append))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match="No space left"):
        account.gaussian(COUNTS, 0.001, "age")
    assert not drawn


@pytest.mark.slow
def test_killed_processes_never_understate_what_was_spent(path, tmp_path):
    drawn, rho = tmp_path / "drawn", BUDGET.rho / 100_000
    account = Ledger(path).account(SOURCE, BUDGET)
    for _ in range(5):
        with start(path, drawn, rho) as buyer:
            before = drawn_in(drawn)
            while drawn_in(drawn) == before:
                assert buyer.poll() is None
                time.sleep(0.01)
            time.sleep(random.uniform(0.0, 0.1))
            buyer.kill()
        spent = BUDGET.rho - account.left
        # Each killed process had paid for one draw at most that it did not come to make.
        assert drawn_in(drawn) <= spent * (1 + 1e-9)
    assert len(chain.read(path)) - 1 <= len(drawn.read_text().split()) + 5


def test_four_processes_together_cannot_overspend(path, tmp_path):
    files = [tmp_path / f"drawn{one}" for one in range(4)]
    buyers = [start(path, file, BUDGET.rho / 60) for file in files]
    assert all(buyer.wait(120) == 0 for buyer in buyers)
    account = Ledger(path).account(SOURCE, BUDGET)
    assert len(account.statement.purchases) == 60
    assert account.statement.spent <= BUDGET.rho
    assert math.fsum(map(drawn_in, files)) == pytest.approx(BUDGET.rho)


# What happens to the file.


def test_a_torn_entry_counts_as_spent_as_far_as_it_can_be_read(path):
    whole, account = of_three_purchases(path)
    bought = [one.rho for one in account.statement.purchases]
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    legible = whole.index(b'"what"', last)
    for end in range(last + 1, len(whole)):
        path.write_bytes(whole[:end])
        seen = account.statement.spent
        assert seen == math.fsum(bought if end >= legible - 1 else bought[:2])
        account.gaussian(COUNTS, BUDGET.rho / 32, "sex")
        assert account.statement.spent == pytest.approx(seen + BUDGET.rho / 32)
        assert path.read_bytes().startswith(whole[:end])
        assert Ledger(path).account(SOURCE, BUDGET).left == account.left


def test_an_account_whose_opening_was_torn_is_opened_anew(path):
    Ledger(path).account(SOURCE, BUDGET)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        account = Ledger(path).account(SOURCE, BUDGET)
        account.gaussian(COUNTS, BUDGET.rho / 2, "age")
        assert account.left == pytest.approx(BUDGET.rho / 2)


@same_file
@given(st.data())
def test_no_change_of_a_byte_gives_budget_back(path, data):
    if not path.exists():
        of_three_purchases(path)
        path.with_suffix(".whole").write_bytes(path.read_bytes())
    whole = path.with_suffix(".whole").read_bytes()
    account = Account(path, SOURCE, BUDGET)
    path.write_bytes(whole)
    left = account.left
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    try:
        assert account.left <= left
        # Only the last end of line can change without a change of what is told.
        assert place == len(whole) - 1
    except LedgerError:
        pass
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "order",
    [
        (0, 2, 3),
        (0, 1, 3),
        (1, 2, 3),
        (0, 2, 1, 3),
        (0, 1, 3, 2),
        (0, 1, 1, 2, 3),
        (0, 0, 1, 2, 3),
        (0, 1, 2, 3, 3),
        (3,),
    ],
)
def test_entries_removed_repeated_or_in_another_order_are_told(path, order):
    whole, account = of_three_purchases(path)
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[one] for one in order))
    for ask in (
        lambda: account.left,
        lambda: account.gaussian(COUNTS, 0.001, "sex"),
        lambda: Ledger(path).statements(),
    ):
        with pytest.raises(LedgerError, match="was changed"):
            ask()
    assert path.read_bytes() == b"".join(lines[one] for one in order)


def test_an_entry_that_says_it_was_torn_must_follow_what_was_torn(path):
    whole, account = of_three_purchases(path)
    path.write_bytes(whole[:-40])
    account.gaussian(COUNTS, 0.001, "sex")
    lines = path.read_bytes().splitlines(keepends=True)
    for order in ((0, 1, 2, 4, 5), (0, 1, 2, 3, 5), (0, 1, 3, 4, 5), (0, 1, 2, 3)):
        path.write_bytes(b"".join(lines[one] for one in order))
        with pytest.raises(LedgerError, match="was changed"):
            _ = account.left
    path.write_bytes(b"".join((*lines[:3], b'{"number": 4, "kind": "bou\n', *lines[3:])))
    with pytest.raises(LedgerError, match="was changed"):
        _ = account.left


@pytest.mark.parametrize(
    "text", ["[]\n", "\n", "{}\n", "hello\n", '{"number": 1}\n', "[]\n{}\n", "hello", "{}", '{"study": 1']
)
def test_a_file_that_is_no_ledger_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(LedgerError, match=r"was changed|is no ledger"):
        Ledger(path).account(SOURCE, BUDGET)
    assert path.read_text() == text


def test_entries_cut_off_the_end_are_told_by_their_receipts(path):
    whole, account = of_three_purchases(path)
    receipt = account.statement.purchases[-1].receipt
    assert Ledger(path).holds(receipt)
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert not Ledger(path).holds(receipt)


def test_a_ledger_out_of_reach_sells_nothing(tmp_path):
    with pytest.raises(LedgerError, match="can't be reached"):
        Ledger(tmp_path / "nowhere" / "ledger.jsonl").account(SOURCE, BUDGET)
    with pytest.raises(LedgerError, match="can't be reached"):
        Ledger(tmp_path).account(SOURCE, BUDGET)
