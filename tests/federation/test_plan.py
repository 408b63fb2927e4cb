"""A plan is the same everywhere, and one that protects nobody can't be written."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from three_sites import SITES, codebook, plan_with

from manikin.codebook import Domain
from manikin.errors import FederationError, PlanError, RequestError
from manikin.federation import Noise, plan_of, read_plan

PAGE = Path(__file__).parents[2] / "docs" / "federation.md"
GOOD = """
federation: autumn-2026
population: adults seen in 2025
model: diabetes-screening
sites: [east, north, south]
rho: 0.05
tables: [[sex], [sex, age]]
"""


def test_a_plan_travels_without_a_change():
    plan = plan_with(noise=Noise.THE_SUM, survivors=3, colluding=1)
    assert plan_of(plan.to_json()) == plan
    assert plan_of(plan.to_json()).digest == plan.digest


def test_any_change_makes_another_plan():
    plan = plan_with()
    others = [
        replace(plan, name="winter-2026"),
        replace(plan, rho=0.06),
        replace(plan, survivors=3),
        replace(plan, tables=plan.tables[:1]),
        replace(plan, noise=Noise.THE_SUM, colluding=0),
    ]
    assert len({plan.digest, *(one.digest for one in others)}) == 6


def test_a_plan_is_read_from_a_file_with_the_bins_of_the_model(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)
    assert read_plan(path) == plan_with()


def test_the_plan_in_the_documentation_is_one(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    assert read_plan(path).survivors == 2


@pytest.mark.parametrize(
    ("found", "instead", "told"),
    [
        ("[east, north, south]", "[east, north]", "three sites"),
        ("[east, north, south]", "[east, north, north]", "each named once"),
        ("rho: 0.05", "rho: 0", "finite rho above 0"),
        ("rho: 0.05", "", "has no 'rho'"),
        ("tables: [[sex], [sex, age]]", "tables: []", "no tables"),
        ("[sex, age]", "[sex, agee]", "Did you mean 'age'"),
        ("[sex, age]", "[age, age]", "each named once"),
        ("[sex, age]", "[sex]", "stands twice"),
        ("model: diabetes-screening", "model: diabetes-screenin", "Did you mean"),
        ("rho: 0.05", "rho: 0.05\nsurvivors: 1", "more than half"),
        ("rho: 0.05", "rho: 0.05\nsurvivors: 4", "no more than all"),
        ("rho: 0.05", "rho: 0.05\nsurvivors: 2.5", "whole number"),
        ("rho: 0.05", "rho: 0.05\ncolluding: 2", "fewer than 'survivors'"),
        ("rho: 0.05", "rho: 0.05\nnoise: mine", "is no noise"),
        ("rho: 0.05", "rho: 0.05\ndelta: 1", "Delta"),
        ("rho: 0.05", "rho: 5\nnoise: the-sum", "Lower rho"),
        ("rho: 0.05", "rho: 0.05\nrows: last", "no setting 'rows'"),
        ("federation: autumn-2026", "federation: ../autumn", "is no name"),
    ],
)
def test_a_mistake_in_a_plan_is_told(tmp_path, found, instead, told):
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace(found, instead))
    with pytest.raises(PlanError, match=r"plan\.yaml") as error:
        read_plan(path)
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "other"}', plan_with().to_json().replace("0.05", "-1")])
def test_what_is_no_plan_is_refused_when_it_comes(text):
    with pytest.raises(FederationError):
        plan_of(text)


def test_a_site_refuses_bins_that_are_not_its_own():
    plan = plan_with()
    known = codebook()[1]
    plan.check_against(known)
    (sex, age) = plan.tables[1].axes
    finer = replace(age, cuts=(*age.cuts, 81.0))
    with pytest.raises(FederationError, match="other bins"):
        replace(plan, tables=(Domain((sex, finer)),)).check_against(known)
    with pytest.raises(FederationError, match="doesn't know"):
        plan.check_against({name: one for name, one in known.items() if name != "age"})


def test_noise_is_as_wide_as_its_price_whomever_it_protects():
    """One patient moves two tables; the honest sites of the smallest sum have to hide that with what they add together."""
    rho, moved = 0.05, math.sqrt(2)
    alone = plan_with(rho=rho)
    assert alone.sigma == pytest.approx(moved / math.sqrt(2 * rho))
    for survivors, colluding in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]:
        shared = plan_with(rho=rho, noise=Noise.THE_SUM, survivors=survivors, colluding=colluding)
        together = shared.sigma * math.sqrt(survivors - colluding)
        assert together == pytest.approx(alone.sigma)


def test_without_flower_a_federation_says_what_to_install(tmp_path):
    program = "import sys; sys.modules['flwr'] = None; from manikin.cli import main; sys.exit(main(sys.argv[1:]))"
    command = ["federate", "keys", "--sites", "a,b,c", "--out", str(tmp_path / "keys")]
    found = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "pip install 'manikin[federation]'" in found.stderr


def test_half_of_the_sites_are_never_enough():
    with pytest.raises(RequestError, match="more than half"):
        plan_with(sites=(*SITES, "west"), survivors=2)
