"""Distances of sequences are small between samples of one process, and clear where the process was changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from manikin.appraisal.sequences import CHANGES, DWELLS, GAPS, NEXT, TRANSITIONS, UNITS, VALUES, Gulf, sequence_finding
from manikin.generators.sequence import Durations
from toy_sequences import DOMAIN, histories, process

PEOPLE = 400


@pytest.fixture(scope="module")
def real():
    return histories(process(), PEOPLE, seed=1)


@pytest.fixture(scope="module")
def at_best(real):
    return Gulf(DOMAIN, histories(process(), PEOPLE, seed=2), real).distances()


def test_nobody_is_any_way_from_themselves(real):
    assert Gulf(DOMAIN, real, real).distances() == {name: pytest.approx(0, abs=1e-12) for name in UNITS}


def test_two_samples_of_one_process_are_close(at_best):
    assert at_best[NEXT] < 0.04
    assert max(at_best[name] for name in (VALUES, CHANGES, TRANSITIONS)) < 0.09
    assert max(at_best[name] for name in (GAPS, DWELLS)) < 0.25


def test_other_values_are_seen_in_values_and_in_bands(real, at_best):
    told = Gulf(DOMAIN, histories(process(sickness=2.5), PEOPLE, seed=2), real).distances()
    assert told[VALUES] > 2 * at_best[VALUES]
    assert told[TRANSITIONS] > 1.5 * at_best[TRANSITIONS]


def test_other_gaps_are_seen_in_gaps(real, at_best):
    slow = process()
    slow = replace(slow, gap=Durations(slow.gap.edges, np.array([[0, 0, 0.5, 0.5, 0], [0, 0, 1.0, 0, 0]])))
    told = Gulf(DOMAIN, histories(slow, PEOPLE, seed=2), real).distances()
    assert told[GAPS] > 0.3 > 3 * at_best[GAPS]


def test_another_order_is_seen_in_what_follows_what(real, at_best):
    other = process()
    flipped = replace(other.emission, measured=1 - other.emission.measured)
    told = Gulf(DOMAIN, histories(replace(other, emission=flipped), PEOPLE, seed=2), real).distances()
    assert told[NEXT] > 0.2 > 3 * at_best[NEXT]


def test_the_finding_stands_beside_what_two_halves_show(real):
    finding = sequence_finding(DOMAIN, histories(process(), 100, seed=3), real, histories(process(), 100, seed=4))
    assert finding.passed
    for one in finding.measures:
        if one.group == "Distance":
            assert one.expected is not None
            assert one.interval is not None
            assert one.interval[0] <= one.value <= one.interval[1]
        else:
            assert one.value == 0
