"""Our fit, by the same door: bins of people in, noise bought from a ledger, bins of synthetic people out.

``manikin_fit.py TASK ANSWER flat`` knows the bins alone; ``clinical`` starts from the model diabetes-screening, whose
variables the columns have to be, and gives values instead of bins; ``tree`` measures a tree of pairs and fits them in
closed form.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from door import Meter, Task, answer, task

from manikin.aggregates import Aggregate, MeasurePlan
from manikin.clinic import Program, calibrate, find_model
from manikin.codebook import Bins, Domain, bins_of
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import NO_KNOWLEDGE, bent_by, flat_prior, prior_of, shares_of, together
from manikin.generators.graphical import BLOCK, CalibratedTree, Fit, Measured, counted, fit, fit_tree
from manikin.privacy import Account, Budget, Ledger
from manikin.real_data.adaptive import Adaptive
from manikin.real_data.measure import buy, buy_together, patients_in
from manikin.real_data.people import People
from manikin.real_data.questions import priced, questions_of
from manikin.real_data.spanning import Spanning
from manikin.streams import Floats, Seed

_MODEL = "diabetes-screening"


def main() -> None:
    """Fit and sample."""
    wanted, meter = task(), Meter()
    program = calibrate(find_model(_MODEL)).program if sys.argv[3] == "clinical" else None
    domain = _of_bins(wanted) if program is None else _of_codebook(wanted, program)
    people = People(domain, wanted.codes.astype(np.int16), {})
    with tempfile.TemporaryDirectory() as folder:
        account = Ledger(Path(folder) / "ledger").account(wanted.data, Budget(wanted.epsilon, wanted.delta))
        found, tables = meter.timed("fit", _tree if sys.argv[3] == "tree" else _fitted, people, account, program)
    drawn = meter.timed("sampling", _drawn if program is None else _patients, found, wanted, program)
    places = [domain.of(table.attributes) for table in tables]
    answer(
        domain.codes(drawn) if program else drawn,
        "manikin",
        meter.spent["fit"],
        meter.spent["sampling"],
        places,
        _values(drawn, domain) if program else None,
    )


def _of_bins(wanted: Task) -> Domain:
    """Return bins whose values are their numbers; what has no value stands in the last."""
    axes = []
    for name, bins, ordered, missing in zip(wanted.names, wanted.shape, wanted.ordered, wanted.missing, strict=True):
        told = bins - int(missing)
        levels = () if ordered else tuple(str(one) for one in range(told))
        cuts = tuple(float(cut) for cut in range(1, told)) if ordered else ()
        axes.append(Bins(name, levels, cuts, missing=bool(missing)))
    return Domain(tuple(axes))


def _of_codebook(wanted: Task, program: Program) -> Domain:
    return Domain(tuple(bins_of(program.model.variables[name].meaning, missing=False) for name in wanted.names))


def _fitted(people: People, account: Account, program: Program | None) -> tuple[Fit, tuple[Aggregate, ...]]:
    """Measure each variable and what is chosen, for all that the account holds, and fit."""
    domain = people.domain
    prior = flat_prior(domain) if program is None else prior_of(program, domain)
    strategy, rho = Adaptive(prior), account.left
    orders = priced(questions_of(MeasurePlan(), domain), rho * (1 - strategy.share), MeasurePlan())
    single = tuple(buy(people, order, account) for order in orders)
    tables = single + strategy.choose(people, single, account, rho * strategy.share)
    return fit(prior, together(_shares(tables, domain))), tables


def _tree(people: People, account: Account, _: Program | None) -> tuple[CalibratedTree, tuple[Aggregate, ...]]:
    """Measure each variable and a tree of pairs, and fit in closed form."""
    domain, rho, strategy = people.domain, account.left, Spanning()
    exact = [((place,), counted(people.codes, domain.shape, (place,))) for place in range(len(domain.axes))]
    single = buy_together(domain, exact, account, rho * (1 - strategy.share))
    pairs = strategy.choose(people, single, account, rho * strategy.share)
    shares = _shares((*single, *pairs), domain)
    return fit_tree(domain, NO_KNOWLEDGE, shares[: len(single)], shares[len(single) :]), (*single, *pairs)


def _shares(tables: tuple[Aggregate, ...], domain: Domain) -> list[Measured]:
    patients = max(patients_in(tables, domain)[0], 1.0)
    return [shares_of(one, domain, patients) for one in tables]


def _drawn(found: Fit | CalibratedTree, wanted: Task, _: None) -> Any:
    """Return bins of synthetic people, shared out so that the fit's numbers are met."""
    tree = found.expected if isinstance(found, Fit) else found
    assert isinstance(tree, CalibratedTree)
    drawing, blocks = tree.drawing, []
    for first in range(0, wanted.rows, BLOCK):
        size = min(BLOCK, wanted.rows - first)
        streams = [Seed(wanted.seed).stream("bins", name) for name in wanted.names]
        blocks.append(drawing.rounded(lambda place: streams[place].uniform(first, size), size))  # noqa: B023 - called at once
    return np.concatenate(blocks)


def _patients(found: Fit, wanted: Task, program: Program) -> dict[str, Any]:
    """Return columns of synthetic patients, whom the clinical model made."""
    bent = bent_by(found)
    chance = Seed(wanted.seed)
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, chance, follow_up=False, bent=bent)
    return dict(sampler.draw(np.arange(wanted.rows)))


def _values(columns: dict[str, Any], domain: Domain) -> Floats:
    """Return values as the records have them; the survey codes ages from 80 on as 80."""
    found = [np.asarray(columns[name], np.float64) for name in domain.names]
    return np.column_stack(
        [np.minimum(one, 80.0) if name == "age" else one for name, one in zip(domain.names, found, strict=True)]
    )


if __name__ == "__main__":
    main()
