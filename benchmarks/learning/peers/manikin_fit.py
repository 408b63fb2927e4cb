"""Our fit, by the same door: bins of people in, noise bought from a ledger, bins of synthetic people out.

``manikin_fit.py TASK ANSWER flat`` knows the bins alone; ``clinical`` starts from the model diabetes-screening, whose
variables the columns have to be, and gives values instead of bins; ``prior`` is that model alone, which asks nothing;
``tree`` measures a tree of pairs and fits them in closed form.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from door import Meter, Task, answer, task

from manikin.aggregates import Aggregate, MeasurePlan
from manikin.clinic import Codebook, Program, Told, calibrate, compile_model, find_model, flat_model
from manikin.codebook import Domain, Kind, Range, Variable, bins_of
from manikin.cohort import observed
from manikin.generators import KnowledgeSampler
from manikin.generators.agreement import NO_KNOWLEDGE, bent_by, flat_prior, prior_of, shares_of, together
from manikin.generators.graphical import CalibratedTree, Fit, Measured, counted, fit, fit_tree
from manikin.generators.tilt import Clamped
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
    program = calibrate(find_model(_MODEL)).program if sys.argv[3] in ("clinical", "prior") else None
    book = _codebook(wanted)
    domain = _of_bins(wanted, book) if program is None else _of_codebook(wanted, program)
    people = People(domain, wanted.codes.astype(np.int16), {})
    with tempfile.TemporaryDirectory() as folder:
        account = Ledger(Path(folder) / "ledger").account(wanted.data, Budget(wanted.epsilon, wanted.delta))
        found, tables = meter.timed("fit", _WAYS[sys.argv[3]], people, account, program)
    program = program or meter.timed("sampling", _smooth, book, domain, found)
    drawn = meter.timed("sampling", _patients, domain, found, wanted, program)
    values = _values(drawn, domain)
    answer(
        domain.codes(dict(zip(domain.names, values.T, strict=True))),
        "manikin",
        meter.spent["fit"],
        meter.spent["sampling"],
        [domain.of(table.attributes) for table in tables],
        values,
    )


def _codebook(wanted: Task) -> Codebook:
    """Return what was declared of the columns, which are called by their place: names are no concern of the fit."""
    variables = tuple(_variable(f"column_{place}", one) for place, one in enumerate(wanted.declared))
    return Codebook(wanted.data, "1.0.0", wanted.data, "", variables, "")


def _variable(name: str, declared: dict[str, Any]) -> Variable:
    if declared["levels"]:
        return Variable(name, Kind.CATEGORY, levels=tuple(f"level_{one}" for one in range(len(declared["levels"]))))
    limits = Range(declared["low"], declared["high"])
    step = declared["step"] or 1e-6
    return Variable(
        name, Kind.QUANTITY, unit="1", possible=limits, usual=limits, cuts=tuple(declared["cuts"]), precision=step
    )


def _of_bins(wanted: Task, book: Codebook) -> Domain:
    return Domain(
        tuple(bins_of(one, missing=bool(missing)) for one, missing in zip(book.variables, wanted.missing, strict=True))
    )


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


def _alone(people: People, _: Account, program: Program | None) -> tuple[Fit, tuple[Aggregate, ...]]:
    """Ask nothing: the clinical model as it is."""
    assert program is not None
    return Fit(prior_of(program, people.domain), {}, {}), ()


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


def _smooth(book: Codebook, domain: Domain, found: Fit | CalibratedTree) -> Program:
    """Return the model of a bare codebook, smooth within bins as the fit's shares suggest."""
    tree, axes = _tree_of(found), enumerate(domain.axes)
    shares = {axis.name: tree.over((place,))[: axis.count - axis.missing] for place, axis in axes}
    return compile_model(flat_model(book, Told(shares)))


def _tree_of(found: Fit | CalibratedTree) -> CalibratedTree:
    tree = found.expected if isinstance(found, Fit) else found
    assert isinstance(tree, CalibratedTree)
    return tree


def _patients(domain: Domain, found: Fit | CalibratedTree, wanted: Task, program: Program) -> dict[str, Any]:
    """Return columns of synthetic patients, whom the model made."""
    flat = program.model.flat or not isinstance(found, Fit)
    bent = Clamped(domain, _tree_of(found).beliefs) if flat else bent_by(found)
    chance = Seed(wanted.seed)
    sampler = KnowledgeSampler(program.model, program.parameters, program.latent, chance, follow_up=False, bent=bent)
    return dict(sampler.draw(np.arange(wanted.rows)))


def _values(columns: dict[str, Any], domain: Domain) -> Floats:
    """Return values as the records have them; the survey codes ages from 80 on as 80.

    NaN where there is none on record, unless the people measured are those who have one.
    """
    found = [
        np.where(
            columns.get(observed(axis.name), True) | (not axis.missing),
            np.asarray(columns[axis.name], np.float64),
            np.nan,
        )
        for axis in domain.axes
    ]
    return np.column_stack(
        [np.minimum(one, 80.0) if name == "age" else one for name, one in zip(domain.names, found, strict=True)]
    )


_WAYS = {"flat": _fitted, "clinical": _fitted, "prior": _alone, "tree": _tree}

if __name__ == "__main__":
    main()
