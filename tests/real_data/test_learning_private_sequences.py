"""Event sequences learnt under differential privacy: one voice a patient, one gradient a patient, all of it bought."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manikin.errors import RequestError
from manikin.generators.sequence import STUDY, Histories, Learning, Recurrent, SemiMarkov, Training, load, save
from manikin.privacy import Account, Budget, Ledger, NoisySteps, Run
from manikin.real_data.learning import Allowance, RecurrentGenerator, SemiMarkovGenerator, SequenceSchedule
from manikin.real_data.learning.voices import voices
from toy_sequences import DOMAIN, histories, process

TRAINING = Training(units=8, embedding=4, stretch=30, learning_rate=2e-2)
SCHEDULE = SequenceSchedule(steps=3, share=0.1)


@pytest.fixture(scope="module")
def people() -> Histories:
    return histories(process(), 300)


def account(folder: Path, epsilon: float) -> Account:
    return Ledger(folder / f"ledger-{epsilon:g}.jsonl").account("a ward", Budget(epsilon, 1e-6))


def test_one_patient_speaks_with_one_voice_however_much_happened_to_them(tmp_path: Path) -> None:
    rich = account(tmp_path, 1e6)
    patient = np.array([0, 1, 1, 1, 1] + [2] * 100)
    cell = np.array([0, 0, 1, 1, 1] + [2] * 100)
    found = voices(patient, cell, (4,), Allowance(rich, rich.left), "a test").counts
    assert np.allclose(found, [1.25, 0.75, 1, 0], atol=0.05)


def test_what_noise_alone_may_have_made_is_taken_for_nothing(tmp_path: Path) -> None:
    poor = account(tmp_path, 0.1)
    found = voices(np.zeros(1, int), np.zeros(1, int), (400,), Allowance(poor, poor.left), "a test").counts
    # Noise is beyond two standard deviations upwards in 2.3% of cells; 400 of them hold 27 once in a million times.
    assert (found > 0).sum() < 27


@pytest.mark.parametrize("kind", ["semi-markov", "recurrent"])
def test_everything_a_fit_spends_is_on_record_and_stands_in_the_file(
    kind: str, people: Histories, tmp_path: Path
) -> None:
    if kind == "recurrent":
        pytest.importorskip("torch")
    generator = (
        SemiMarkovGenerator(DOMAIN, "lactate")
        if kind == "semi-markov"
        else RecurrentGenerator(DOMAIN, TRAINING, SCHEDULE)
    )
    source = account(tmp_path, 2)
    sampler = generator.fit(people, Allowance(source, source.left))
    statement = source.statement
    assert statement.spent <= source.budget.rho
    assert sampler.protection.receipts == tuple(one.receipt for one in statement.purchases)
    assert len(statement.purchases) == 6
    assert sampler.protection.epsilon == pytest.approx(2)
    save(sampler, tmp_path / "sampler.npz")
    again = load(tmp_path / "sampler.npz")
    assert again.tier == "registered"
    assert again.protection == sampler.protection
    one, other = (each.timeline(np.arange(50)) for each in (sampler, again))
    assert np.array_equal(one.events.time, other.events.time)


@pytest.mark.parametrize("kind", [SemiMarkov, Recurrent])
def test_order_and_limits_hold_whatever_the_noise_did(kind: type, people: Histories, tmp_path: Path) -> None:
    if kind is Recurrent:
        pytest.importorskip("torch")
    generator = (
        SemiMarkovGenerator(DOMAIN, "lactate") if kind is SemiMarkov else RecurrentGenerator(DOMAIN, TRAINING, SCHEDULE)
    )
    poor = account(tmp_path, 0.05)
    line = generator.fit(people, Allowance(poor, poor.left)).timeline(np.arange(200))
    events = line.events
    assert (np.diff(events.time)[np.diff(events.patient) == 0] >= 0).all()
    gone = line.left_by[events.patient] != STUDY
    assert (events.time[gone] < line.followed[events.patient][gone]).all()
    lactate = events.value[events.entry == 2]
    assert ((lactate >= 0) & (lactate <= 30)).all()


def test_with_a_generous_budget_the_seen_states_come_out_as_they_are(people: Histories, tmp_path: Path) -> None:
    rich = account(tmp_path, 1e5)
    model = SemiMarkovGenerator(DOMAIN, "lactate").fit(histories(process(3.0), 2_000), Allowance(rich, rich.left))
    assert model.states == ("lactate <2", "lactate 2 to <4", "lactate >=4")
    line = model.timeline(np.arange(1_000))
    lactate = line.events.value[line.events.entry == 2]
    real = histories(process(3.0), 1_000, seed=5).timeline.events
    theirs = real.value[real.entry == 2]
    assert np.mean(lactate >= 4) == pytest.approx(np.mean(theirs >= 4), abs=0.1)
    assert people.size == 300


def test_states_are_bands_of_an_item_that_has_cuts(people: Histories, tmp_path: Path) -> None:
    source = account(tmp_path, 1)
    with pytest.raises(RequestError, match=r"'rhythm' is none. Choose by=… among: dbp, sbp, lactate"):
        SemiMarkovGenerator(DOMAIN, "rhythm").fit(people, Allowance(source, source.left))


def test_without_an_allowance_they_stay_as_they_were(people: Histories) -> None:
    model = SemiMarkovGenerator(DOMAIN, learning=Learning(states=2, rounds=1, people=60)).fit(people)
    assert model.tier == "controlled"
    assert not model.protection.private


def test_each_patient_asks_for_a_gradient_of_their_own(people: Histories) -> None:
    """What others did leaves what a patient asks for as it was, to the last digit that counts."""
    pytest.importorskip("torch")
    import torch

    from manikin.generators.sequence import training as module

    frame = module._counted(DOMAIN, people)
    some = people.taken(np.arange(40))
    asked = []
    for others in (np.arange(40), np.arange(20)):
        taken = some.taken(others)
        lesson = module._Gathering(DOMAIN, taken, frame, TRAINING).lesson(torch)
        held = module.Frame(
            frame.scales, frame.static_scales, frame.together, frame.gaps, frame.observed, np.ones((2, 6, 9))
        )
        trainer = module._Trainer(torch, DOMAIN, TRAINING, lesson, held)
        asked.append(trainer._own_gradient(0))
    assert np.linalg.norm(asked[0]) > 0
    assert np.allclose(asked[0], asked[1], atol=1e-6)
    with pytest.raises(RequestError, match="tables that were bought"):
        module.train_recurrent(DOMAIN, people, TRAINING, bought=NoisySteps(Run(0.1, 1, 1.0), 1.0, ""))
