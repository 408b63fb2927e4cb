"""A semi-Markov model draws from its own addresses, within every limit, and is found again from what it drew."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from manikin.appraisal.sequences import violations
from manikin.cohort import Plan, write
from manikin.errors import RequestError
from manikin.generators.sequence import (
    Domain,
    Histories,
    Learning,
    SemiMarkov,
    StateCounts,
    items_of_states,
    learn_semi_markov,
)
from manikin.streams import Seed
from toy_sequences import COUNTS, DOMAIN, STATES, histories, process, quantity


def flat(timeline, part):
    return {
        name: np.asarray(getattr(getattr(timeline, part), name))
        for name in getattr(timeline, part).__dataclass_fields__
    }


def test_who_else_is_drawn_and_in_which_shards_changes_nothing():
    sampler = process()
    whole = sampler.timeline(np.arange(90))
    for bounds in ([0, 30, 90], [0, 7, 8, 90]):
        for first, last in itertools.pairwise(bounds):
            part = sampler.timeline(np.arange(first, last))
            mine = (whole.events.patient >= first) & (whole.events.patient < last)
            for name, column in flat(part, "events").items():
                if name in ("time", "entry", "value"):
                    np.testing.assert_array_equal(column, flat(whole, "events")[name][mine])
            np.testing.assert_array_equal(part.followed, whole.followed[first:last])
            np.testing.assert_array_equal(part.left_by, whole.left_by[first:last])


def test_another_seed_gives_other_patients():
    one, other = (process().seeded(Seed(seed)).timeline(np.arange(50)) for seed in (1, 2))
    assert not np.array_equal(one.followed, other.followed)


@given_settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(-4, 4), st.integers(0, 1 << 30))
def test_no_rule_of_order_or_physiology_is_ever_broken(seed, people, sickness, first):
    found = violations(DOMAIN, histories(process(sickness), people, seed, first))
    assert not any(found.values()), found


def test_the_checks_of_order_and_physiology_see_what_is_broken():
    good = histories(process(), 100)
    events = good.timeline.events
    place = int(np.flatnonzero((events.entry[1:] == 1) & (events.entry[:-1] == 0) & (np.diff(events.time) == 0))[0])

    def broken(**columns):
        line = replace(good.timeline, events=replace(events, **columns))
        return {name for name, count in violations(DOMAIN, Histories(line, good.statics)).items() if count}

    value = events.value.copy()
    value[place + 1] = 40
    value[place] = 120
    assert broken(value=value) == {"values that descend"}
    value = events.value.copy()
    value[place + 1] = 251
    assert broken(value=value) == {"impossible values", "values off their precision"}
    assert "after follow-up" in broken(recorded=events.recorded + 2_000)
    assert "known before it was so" in broken(recorded=events.time - 1)
    assert "earlier than the event before" in broken(time=events.time[::-1].copy())
    assert "twice at one time" in broken(entry=np.zeros_like(events.entry))


def test_a_known_process_is_found_again_from_what_it_drew():
    known = process()
    learnt = learn_semi_markov(DOMAIN, histories(known, 400), Learning(states=2, rounds=20, people=400, longest=80))
    # Whichever state measures lactate more often is 'ill'.
    ill = int(np.argmax(learnt.gap.draw(np.arange(2), np.full(2, 0.5)) < 15))
    order = [1 - ill, ill]
    assert learnt.start[order] == pytest.approx(known.start, abs=0.08)
    assert learnt.onward[order][:, [*order, 2, 3, 4, 5]] == pytest.approx(known.onward, abs=0.1)
    even = (np.arange(4_000) + 0.5) / 4_000
    for state, place in enumerate(order):
        for name in ("dwell", "gap"):
            asked, found = (
                getattr(one, name).draw(np.full(4_000, at), even) for one, at in ((known, state), (learnt, place))
            )
            assert np.mean(found) == pytest.approx(np.mean(asked), rel=0.12), name
    assert np.all(np.diff(learnt.emission.first[order][:, :3], axis=0) > 0.5)
    assert learnt.tier == "controlled"


def test_counts_alone_give_back_their_shares_and_mean_stays():
    domain = Domain("counts", items_of_states(STATES), horizon=100_000)
    sampler = SemiMarkov.from_counts(domain, COUNTS)
    stays = sampler.timeline(np.arange(4_000)).states
    last = np.append(stays.patient[1:] != stays.patient[:-1], True)
    first = np.append(True, last[:-1])
    # 4 standard errors of a share of 4,000 are 0.032: fails by chance less than once in 10,000 runs.
    assert np.mean(stays.state[first] == 0) == pytest.approx(0.7, abs=0.032)
    assert np.mean(~last[stays.state == 0]) == pytest.approx(0.8, abs=0.032)
    assert np.mean(~last[stays.state == 1]) == pytest.approx(0.6, abs=0.032)
    for state, mean in enumerate([0.5 * 54.5 + 0.5 * 139.5, 0.4 * 139.5 + 0.6 * 299.5]):
        assert np.mean((stays.left - stays.entered)[stays.state == state]) == pytest.approx(mean, rel=0.05)
    events = sampler.timeline(np.arange(200)).events
    assert np.array_equal(events.entry, sampler.timeline(np.arange(200)).states.state)


def test_counts_that_noise_made_negative_count_as_none():
    noisy = replace(COUNTS, transitions=np.array([[-3.0, 80], [60, 2]]))
    onward = SemiMarkov.from_counts(Domain("counts", items_of_states(STATES), horizon=1_000), noisy).onward
    assert (onward >= 0).all()
    assert onward[0, 0] == onward[1, 1] == 0


def test_counts_that_do_not_fit_together_are_refused():
    with pytest.raises(RequestError, match="dwells"):
        replace(COUNTS, dwells=np.zeros((2, 2)))
    with pytest.raises(RequestError, match="ascend"):
        replace(COUNTS, edges=np.array([0.0, 30, 80, 200, 400]))
    with pytest.raises(RequestError, match="starts"):
        replace(COUNTS, starts=np.zeros(2))
    assert isinstance(COUNTS, StateCounts)


def test_a_domain_without_limits_or_with_an_order_that_cannot_be_kept_is_refused():
    with pytest.raises(RequestError, match="limits"):
        replace(DOMAIN, statics=(replace(DOMAIN.statics[0], precision=None),))
    with pytest.raises(RequestError, match="order"):
        replace(DOMAIN, ascending=(("sbp", "dbp"),))
    with pytest.raises(RequestError, match="high"):
        items = (DOMAIN.items[0], replace(DOMAIN.items[1], variable=quantity("sbp", "mm[Hg]", 40, 150, 1)))
        replace(DOMAIN, items=items)
    with pytest.raises(RequestError, match="horizon"):
        replace(DOMAIN, horizon=1)


def test_a_learnt_sampler_writes_the_tables_of_a_cohort_whatever_the_number_of_processes(tmp_path):
    sampler = process()
    assert {"encounters", "events", "states", "patients"} <= set(sampler.layout.tables)
    found = []
    for jobs in (1, 2):
        folders = {name: tmp_path / str(jobs) / name for name in sampler.layout.tables}
        plan = Plan(sampler, 60, sampler.layout.tables, folders, 25)
        write(plan, jobs)
        found.append([plan.file(name, shard).read_bytes() for name in plan.tables for shard in plan.shards])
    assert found[0] == found[1]
