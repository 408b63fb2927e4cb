"""Of exact tables, whoever has all of them can't work out a small cell: an attack is mounted, and it fails."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from manikin.aggregates import MeasurePlan
from manikin.codebook import Bins
from manikin.errors import RealDataError
from manikin.real_data import survey, tables
from manikin.real_data.suppression import Table, intervals, suppress
from measured import MAPPING, VARIABLES, patients, text, written

LEAST = 10


def counted(joint: Any, groups: Sequence[Sequence[int]]) -> list[tuple[tuple[Bins, ...], Any]]:
    """Return margins of a joint table."""
    axes = [Bins(f"v{place}", levels=tuple(map(str, range(size)))) for place, size in enumerate(joint.shape)]
    return [
        (
            tuple(axes[place] for place in group),
            joint.sum(axis=tuple(place for place in range(joint.ndim) if place not in group)),
        )
        for group in groups
    ]


def attacked(found: Sequence[Table], joint: Any, groups: Sequence[Sequence[int]]) -> float:
    """Return the narrowest interval of a hidden cell, by linear programming over every joint table that fits what is told."""
    cells = np.indices(joint.shape).reshape(joint.ndim, -1)
    known, due, hidden = [np.ones(joint.size)], [float(joint.sum())], []
    for table, group in zip(found, groups, strict=True):
        for cell in np.ndindex(table.counts.shape):
            inside = np.all([cells[place] == one for place, one in zip(group, cell, strict=True)], axis=0).astype(float)
            if table.hidden[cell]:
                hidden.append(inside)
            else:
                known.append(inside)
                due.append(float(table.counts[cell]))
    widths = []
    for inside in hidden:
        low, high = (linprog(sign * inside, A_eq=np.array(known), b_eq=due, method="highs").fun for sign in (1, -1))
        widths.append(-high - low)
    return min(widths, default=np.inf)


GROUPS = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([60, 150, 400]))
def test_no_hidden_cell_can_be_narrowed_down(seed: int, patients: int) -> None:
    draw = np.random.default_rng(seed)
    joint = draw.multinomial(patients, draw.dirichlet(np.full(24, 0.6))).reshape(3, 4, 2)
    found = suppress(counted(joint, GROUPS), patients, LEAST)
    assert all((table.hidden | (table.counts >= LEAST)).all() for table in found)
    assert attacked(found, joint, GROUPS) >= LEAST - 1e-4


def test_hiding_small_cells_alone_gives_them_away() -> None:
    joint = np.array([[40, 4], [30, 50]])
    asked = counted(joint, [(0,), (1,), (0, 1)])
    careless = [Table(axes, counts, counts < LEAST, counts < 0) for axes, counts in asked]
    assert attacked(careless, joint, [(0,), (1,), (0, 1)]) == pytest.approx(0, abs=1e-6)
    found = suppress(asked, joint.sum(), LEAST)
    assert found[2].hidden.all()
    assert not found[0].hidden.any()
    assert attacked(found, joint, [(0,), (1,), (0, 1)]) >= LEAST


def test_a_cell_that_shared_margins_give_away_is_hidden_with_more() -> None:
    # The margin of v0 hides its small cell; the pair of v0 and v1 would add up to it.
    joint = np.array([[5, 3], [60, 40], [70, 50]])
    groups = [(0,), (0, 1)]
    found = suppress(counted(joint, groups), joint.sum(), LEAST)
    assert found[0].hidden.sum() >= 2
    assert attacked(found, joint, groups) >= LEAST - 1e-4


def test_what_is_large_is_told() -> None:
    joint = np.full((3, 3, 2), 50)
    assert not any(table.hidden.any() for table in suppress(counted(joint, GROUPS), joint.sum(), LEAST))


def test_our_own_intervals_hold_the_truth_and_are_those_of_the_attack() -> None:
    draw = np.random.default_rng(5)
    joint = draw.multinomial(200, draw.dirichlet(np.full(24, 0.5))).reshape(3, 4, 2)
    found = suppress(counted(joint, GROUPS), 200, LEAST)
    narrowest = np.inf
    for table, interval in zip(found, intervals(found, 200), strict=True):
        assert (interval[..., 0] <= table.counts + 1e-6).all()
        assert (interval[..., 1] >= table.counts - 1e-6).all()
        widths = (interval[..., 1] - interval[..., 0])[table.hidden]
        narrowest = min(narrowest, widths.min(initial=np.inf))
    assert narrowest == pytest.approx(attacked(found, joint, GROUPS), abs=1e-4)


def test_many_variables_are_protected_by_what_tables_share_two_by_two() -> None:
    draw = np.random.default_rng(3)
    sizes = [3, 4, 2, 5, 6, 3, 4, 5]
    latent = draw.normal(size=(1_500, 1))
    values = np.clip(
        (latent * 0.6 + draw.normal(size=(1_500, 8)) + np.array(sizes) / 2).astype(int), 0, np.array(sizes) - 1
    )
    axes = [Bins(f"v{place}", levels=tuple(map(str, range(size)))) for place, size in enumerate(sizes)]
    asked = []
    for group in (*((one,) for one in range(8)), *itertools.combinations(range(8), 2)):
        shape = tuple(sizes[place] for place in group)
        cells = np.ravel_multi_index(tuple(values[:, place] for place in group), shape)
        asked.append(
            (tuple(axes[place] for place in group), np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape))
        )
    found = suppress(asked, 1_500, LEAST)
    narrow = [
        (interval[..., 1] - interval[..., 0])[table.hidden].min(initial=np.inf)
        for table, interval in zip(found, intervals(found, 1_500), strict=True)
    ]
    assert min(narrow) >= LEAST - 1e-4
    told = sum(int((~table.hidden).sum()) for table in found)
    assert told > 0.5 * sum(table.hidden.size for table in found)


def test_that_everybody_has_a_value_is_told_and_hides_nothing_else() -> None:
    axes = Bins("a", levels=("x", "y"), missing=True), Bins("b", levels=("x", "y"), missing=True)
    joint = np.array([[40, 60, 0], [50, 70, 0], [0, 0, 0]])
    found = suppress([(axes, joint), (axes[:1], joint.sum(axis=1))], joint.sum(), LEAST)
    assert not any(table.hidden.any() for table in found)
    joint[0, 2] = 1
    assert suppress([(axes, joint)], joint.sum(), LEAST)[0].hidden[0, 2]


def test_of_fewer_patients_than_the_smallest_count_nothing_is_told() -> None:
    with pytest.raises(RealDataError, match="fewer than 10"):
        suppress(counted(np.full((3, 1), 2), [(0,)]), 6, LEAST)


def test_tables_of_records_say_that_they_are_not_private(tmp_path: Path) -> None:
    wanted = survey(
        text(tmp_path, MAPPING, "mapping.yaml"), VARIABLES, MeasurePlan(pairs=(("age", "ill"),), clipped=True)
    )
    people = wanted.read(written(tmp_path, patients(300)))
    found = tables(people, wanted, LEAST)
    assert [one.attributes for one in found] == [("age",), ("sex",), ("sbp",), ("ill",), ("age", "ill")]
    for one in found:
        assert "not differentially private" in one.mechanism
        assert one.noise == one.rho == 0
        told = one.values[one.known]
        assert ((told >= LEAST) | (told == 0)).all()
