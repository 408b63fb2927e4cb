"""Who asks first is served first, one slot after another, in the hours in which somebody serves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timed_model import edited

from manikin.clinic import compile_model, parse_model
from manikin.clinic.pathway import PATHWAY, Resource
from manikin.clinic.queues import waits
from manikin.cohort import TIMELINE
from manikin.errors import ModelError, RequestError
from manikin.generators import KnowledgeSampler
from manikin.streams import Draws, Seed

QUEUE = "  site: 500\n  resources: {scanner: {serves: [film], takes: 4 h, hours: 8..20}}\n  start: triage\n"
TEXT = edited("  start: triage\n", QUEUE)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5_000)), min_size=1, max_size=60),
    st.sampled_from([5.0, 30.0, 240.0]),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([(0.0, 24.0), (8.0, 18.0)]),
)
def test_nobody_is_served_early_out_of_hours_together_or_before_those_who_asked_first(
    requests: list[tuple[int, int]], takes: float, units: int, hours: tuple[float, float]
) -> None:
    site, ready = (np.array(one) for one in zip(*requests, strict=True))
    rows = np.arange(len(requests))
    resource = Resource("scanner", takes, units, hours)
    served = ready + waits(resource, site, ready.astype(float), rows)
    assert (served >= ready).all()
    minute = served % 1440
    assert (minute >= hours[0] * 60).all()
    assert (minute <= hours[1] * 60).all()
    for place in np.unique(site):
        mine = site == place
        order = np.lexsort((rows[mine], ready[mine]))
        met = served[mine][order]
        assert (np.diff(met) >= 0).all()
        # A unit is taken once: whoever comes next to it waits until it is free, to the minute.
        assert (met[units:] - met[:-units] >= takes - 1).all()


def test_a_free_resource_makes_nobody_wait() -> None:
    ready = np.arange(0, 6_000, 60.0)
    found = waits(Resource("scanner", 30), np.zeros(100, int), ready, np.arange(100))
    assert not found.any()


def sampler(text: str = TEXT, given: str = "") -> KnowledgeSampler:
    program = compile_model(parse_model(text))
    return KnowledgeSampler(program.model, program.parameters, program.latent, Seed(2), given)


def film_waits(text: str, n: int = 1_000) -> np.ndarray:
    program = compile_model(parse_model(text))
    course = program.sample(program.order, Draws(Seed(2), np.arange(n)), record=True)[PATHWAY]
    pathway = program.model.pathway
    assert pathway is not None
    place = [*pathway.tests, *pathway.measured]
    when = {}
    for name in ("film", "shadow"):
        mine = course.events["entry"] == place.index(name)
        when[name] = dict(zip(course.events["patient"][mine], course.events["time"][mine], strict=True))
    return np.array([when["shadow"][who] - at for who, at in when["film"].items() if who in when["shadow"]])


def test_fewer_slots_make_a_longer_queue() -> None:
    free, tight, tighter = (
        film_waits(TEXT.replace("takes: 4 h", f"takes: {takes}")) for takes in ("1 min", "4 h", "10 h")
    )
    assert np.median(free) < np.median(tight) < np.median(tighter)


def test_who_queues_with_whom_does_not_depend_on_who_is_asked_for() -> None:
    one, some = sampler().draw(np.arange(1_000)), sampler().draw(np.arange(620, 700))
    assert np.array_equal(one["hours_followed"][620:700], some["hours_followed"])
    whole, part = one[TIMELINE].some(np.arange(620, 700)), some[TIMELINE]
    for table in ("events", "encounters", "states"):
        for name, column in vars(getattr(whole, table)).items():
            assert np.array_equal(column, getattr(part, table).__dict__[name], equal_nan=column.dtype.kind == "f"), name


def test_patients_who_wait_for_each_other_are_not_chosen_by_their_end() -> None:
    with pytest.raises(RequestError, match="wait for each other"):
        sampler(given="died").draw(np.arange(10))
    assert sampler(given="sex=female").draw(np.arange(10))["sex"].max() == 0


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("serves: [film]", "serves: [flm]", "no test 'flm'"),
        ("serves: [film], ", "", "serves no test"),
        ("takes: 4 h", "takes: 4", "has a unit"),
        ("takes: 4 h", "takes: 0 h", "above 0"),
        ("takes: 4 h", "units: 0, takes: 4 h", "more than 0"),
        ("hours: 8..20", "hours: 20..8", "backwards"),
        ("  site: 500\n", "", "'site' is how many"),
        ("site: 500", "site: 0", "'site' is how many"),
        ("serves: [film]", "serves: [film, film]", "served twice"),
    ],
)
def test_a_mistake_is_told(old: str, new: str, word: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(ModelError, match=word):
        parse_model(TEXT.replace(old, new))
