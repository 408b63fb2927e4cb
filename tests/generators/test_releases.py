"""Releases of a bent model: each is an agreement of its own, and its patients are those of its fit."""

from dataclasses import replace

import numpy as np
import pytest

from manikin.codebook import Domain, bins_of
from manikin.generators.agreement import Agreement, prior_of
from manikin.generators.graphical import Measured, counted, fit
from manikin.generators.tilt import binned
from manikin.streams import Seed


@pytest.fixture(scope="module")
def agreement(calibrated):
    """A model bent to 1,000 patients, more of whom are ill than the model says."""
    program = calibrated.program
    variables = program.model.variables
    domain = Domain(tuple(bins_of(variables[name].meaning, missing=True) for name in ("sex", "ill")))
    prior = prior_of(program, domain, 20_000)
    exact = counted(prior.carrier.codes, domain.shape, (0, 1)) * np.array([1.0, 1.3, 1, 1, 1.3, 1, 1, 1, 1])
    noise = (10 / 1_000) ** 2
    return Agreement(None, program, fit(prior, [Measured((0, 1), exact / exact.sum(), noise, 1_000)]))


def test_release_0_is_the_fit_itself(agreement):
    assert agreement.again(Seed(1), 0) is agreement


def test_a_release_can_be_locked_and_made_again(agreement):
    release = agreement.again(Seed(1), 3)
    theta = release.fit.bend[0, 1]
    assert np.array_equal(theta * 2.0**30, np.rint(theta * 2.0**30))
    same = agreement.again(Seed(1), 3)
    assert (same.log_z, same.ceiling) == (release.log_z, release.ceiling)
    assert np.array_equal(same.fit.bend[0, 1], theta)


def test_patients_of_a_release_are_those_of_its_fit(agreement, sampler):
    # 40,000 patients: a share is known to 0.25%; 9 cells; false alarm below 1 in 10,000.
    release = agreement.again(Seed(1), 5)
    patients = replace(sampler(seed=4), bent=release.bent())
    columns = patients.draw(np.arange(40_000))
    codes, _ = binned(patients.program, columns, release.domain)
    drawn = counted(codes, release.domain.shape, (0, 1)) / len(codes)
    assert np.abs(drawn - release.fit.expected.over((0, 1))).max() < 0.012
    assert np.abs(drawn - agreement.fit.expected.over((0, 1))).max() > 0.012
