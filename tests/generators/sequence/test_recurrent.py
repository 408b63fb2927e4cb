"""A recurrent network draws from its own addresses, within every limit, and behaves as what it learnt from."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from manikin.appraisal.sequences import GAPS, NEXT, Gulf, violations
from manikin.codebook import ENDINGS
from manikin.cohort import Plan, write
from manikin.errors import MissingExtraError
from manikin.generators.sequence import Histories, Recurrent, Training, load, save, train_recurrent
from manikin.streams import Seed
from toy_sequences import DOMAIN, histories, process

PEOPLE = 300


@pytest.fixture(scope="module")
def network() -> Recurrent:
    pytest.importorskip("torch", reason="training needs torch: pip install 'manikin[torch]'")
    training = Training(steps=150, units=16, stretch=60, learning_rate=1e-2, decay=0.02)
    return train_recurrent(DOMAIN, histories(process(), PEOPLE), training)


def test_who_else_is_drawn_and_in_which_shards_changes_nothing(network):
    whole = network.timeline(np.arange(80))
    for first, last in ((0, 1), (1, 33), (33, 80)):
        part = network.timeline(np.arange(first, last))
        mine = (whole.events.patient >= first) & (whole.events.patient < last)
        for name in ("time", "entry", "value"):
            np.testing.assert_array_equal(getattr(part.events, name), getattr(whole.events, name)[mine])
        np.testing.assert_array_equal(part.followed, whole.followed[first:last])


@pytest.mark.parametrize("seed", range(5))
def test_no_rule_of_order_or_physiology_is_ever_broken(network, seed):
    found = violations(DOMAIN, histories(network, 200, seed))
    assert not any(found.values()), found


def test_wild_weights_break_no_rule_either(network):
    # What training would never give: rules hold by construction, not by learning.
    for number in range(3):
        wild = {
            name: np.rint((Seed(number).stream(name).uniform(0, one.size).reshape(one.shape) - 0.5) * 8 * 2**14) / 2**14
            for name, one in network.weights.items()
        }
        found = violations(DOMAIN, histories(replace(network, weights=wild), 60))
        assert not any(found.values()), found


def test_it_behaves_more_like_what_it_learnt_from_than_a_changed_process(network):
    real = histories(process(), PEOPLE, seed=2)
    told = Gulf(DOMAIN, histories(network, PEOPLE), real).distances()
    assert told[NEXT] < 0.15
    assert told[GAPS] < 0.3


def test_an_ending_that_nobody_came_to_is_none(network):
    left_by = histories(network, 500).timeline.left_by
    assert ENDINGS.index("loss") not in left_by
    assert ENDINGS.index("death") in left_by


def test_weights_are_multiples_that_make_sums_exact(network):
    for one in network.weights.values():
        assert np.array_equal(one, np.rint(one * 2**14) / 2**14)
        assert np.abs(one).max(initial=0) < 32


def test_it_writes_the_tables_of_a_cohort_whatever_the_number_of_processes(network, tmp_path):
    found = []
    for jobs in (1, 2):
        folders = {name: tmp_path / str(jobs) / name for name in network.layout.tables}
        plan = Plan(network, 40, network.layout.tables, folders, 15)
        write(plan, jobs)
        found.append([plan.file(name, shard).read_bytes() for name in plan.tables for shard in plan.shards])
    assert found[0] == found[1]


def test_it_survives_a_file_and_travelling(network, tmp_path):
    save(network, tmp_path / "network.npz")
    for again in (load(tmp_path / "network.npz"), pickle.loads(pickle.dumps(network))):
        one, other = again.timeline(np.arange(30)), network.timeline(np.arange(30))
        np.testing.assert_array_equal(one.events.value, other.events.value)
        np.testing.assert_array_equal(one.events.time, other.events.time)
    assert again.tier == "controlled"


def test_training_repeats_on_one_machine():
    pytest.importorskip("torch", reason="training needs torch: pip install 'manikin[torch]'")
    one, other = (train_recurrent(DOMAIN, histories(process(), 20), Training(steps=3, units=4)) for _ in range(2))
    for name, weights in one.weights.items():
        np.testing.assert_array_equal(weights, other.weights[name])


def test_training_leaves_the_global_chance_and_threads_of_torch_alone():
    torch = pytest.importorskip("torch", reason="training needs torch: pip install 'manikin[torch]'")
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train_recurrent(DOMAIN, histories(process(), 20), Training(steps=1, units=4))
    assert torch.equal(before, torch.get_rng_state())
    assert threads == torch.get_num_threads()


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    people = histories(process(), 5)
    assert isinstance(people, Histories)
    with pytest.raises(MissingExtraError, match=r"manikin\[torch\]"):
        train_recurrent(DOMAIN, people)


def test_neither_import_nor_drawing_reaches_torch(network, tmp_path):
    save(network, tmp_path / "network.npz")
    code = (
        "import sys; import numpy as np; from pathlib import Path; "
        "from manikin.generators.sequence import load; import manikin.real_data; "
        f"load(Path({str(tmp_path / 'network.npz')!r})).timeline(np.arange(3)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
