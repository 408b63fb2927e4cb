"""A file of a learnt sampler gives the same patients, says who may hold it, and holds nobody's history."""

from __future__ import annotations

import json

import numpy as np
import pytest

from manikin.errors import RequestError
from manikin.generators.sequence import Learning, learn_semi_markov, load, save
from toy_sequences import DOMAIN, histories, process


def learnt(people):
    return learn_semi_markov(DOMAIN, histories(process(), people), Learning(states=2, rounds=2, people=people))


def test_a_sampler_from_its_file_draws_the_same_patients(tmp_path):
    sampler = learnt(60)
    save(sampler, tmp_path / "sampler.npz")
    again = load(tmp_path / "sampler.npz")
    one, other = (each.timeline(np.arange(40)) for each in (sampler, again))
    np.testing.assert_array_equal(one.events.value, other.events.value)
    np.testing.assert_array_equal(one.states.left, other.states.left)
    assert again.layout == sampler.layout
    assert again.statics(np.arange(9))["age"].tolist() == sampler.statics(np.arange(9))["age"].tolist()


def test_the_same_sampler_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        save(learnt(30), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_file_says_that_it_is_controlled_and_its_size_tells_nothing_of_how_many_people(tmp_path):
    shapes = []
    for people in (40, 90):
        save(learnt(people), tmp_path / "sampler.npz")
        with np.load(tmp_path / "sampler.npz", allow_pickle=False) as archive:
            shapes.append({name: archive[name].shape for name in archive.files})
            assert json.loads(str(archive["about"]))["tier"] == "controlled"
    assert shapes[0] == shapes[1]


def test_no_history_stands_in_the_file(tmp_path):
    people = histories(process(), 60)
    save(learn_semi_markov(DOMAIN, people, Learning(states=2, rounds=2, people=60)), tmp_path / "sampler.npz")
    events = people.timeline.events
    lactate = [events.value[(events.patient == who) & (events.entry == 2)] for who in range(60)]
    rows = {tuple(one[:4]) for one in lactate if len(one) >= 4 and len(set(one[:4])) > 2}
    assert len(rows) > 10
    with np.load(tmp_path / "sampler.npz", allow_pickle=False) as archive:
        held = [archive[name].ravel() for name in archive.files if archive[name].dtype.kind == "f"]
    stretches = {
        tuple(stretch) for one in held if len(one) >= 4 for stretch in np.lib.stride_tricks.sliding_window_view(one, 4)
    }
    assert not rows & stretches


def test_what_is_no_such_file_is_refused(tmp_path):
    for name, content in (("empty", b""), ("text", b"hello"), ("pickle", b"\x80\x04K\x01.")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match="no file of a learnt sampler"):
            load(tmp_path / name)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(RequestError, match="no file of a learnt sampler"):
        load(tmp_path / "other.npz")
