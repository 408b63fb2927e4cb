"""Our fit, by the same door: bins of people in, noise bought from a ledger, bins of synthetic people out.

``manikin_fit.py TASK ANSWER flat`` knows the bins alone; ``clinical`` starts from the model diabetes-screening, whose
variables the columns have to be, and gives values instead of bins.
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
from manikin.generators.agreement import Agreement, flat_prior, prior_of, shares_of, together
from manikin.generators.graphical import BLOCK, CalibratedTree, Fit, Prior, fit
from manikin.privacy import Account, Budget, Ledger
from manikin.real_data.adaptive import Adaptive
from manikin.real_data.measure import buy, patients_in
from manikin.real_data.people import People
from manikin.real_data.questions import priced, questions_of
from manikin.streams import Floats, Seed

_MODEL = "diabetes-screening"


def main() -> None:
    """Fit and sample."""
    wanted, meter = task(), Meter()
    program = calibrate(find_model(_MODEL)).program if sys.argv[3] == "clinical" else None
    book = None if program else _codebook(wanted)
    domain = _of_codebook(wanted, program) if program else _of_bins(wanted, book)
    people = People(domain, wanted.codes.astype(np.int16), {})
    prior = meter.timed("fit", lambda: prior_of(program, domain) if program else flat_prior(domain))
    with tempfile.TemporaryDirectory() as folder:
        account = Ledger(Path(folder) / "ledger").account(wanted.data, Budget(wanted.epsilon, wanted.delta))
        tables = meter.timed("fit", _measured, people, prior, account)
    found = meter.timed("fit", _fitted, prior, domain, tables)
    program = program or meter.timed("fit", _smooth, book, found)
    drawn = meter.timed("sampling", _patients, found, wanted, program)
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


def _smooth(book: Codebook, found: Fit) -> Program:
    """Return the model of a bare codebook, smooth within bins as the fit's shares suggest."""
    axes = enumerate(found.prior.domain.axes)
    shares = {axis.name: found.expected.over((place,))[: axis.count - axis.missing] for place, axis in axes}
    return compile_model(flat_model(book, Told(shares)))


def _of_codebook(wanted: Task, program: Program) -> Domain:
    return Domain(tuple(bins_of(program.model.variables[name].meaning, missing=False) for name in wanted.names))


def _measured(people: People, prior: Prior, account: Account) -> tuple[Aggregate, ...]:
    """Return each variable and what was chosen, for all that the account holds."""
    strategy, rho = Adaptive(prior), account.left
    orders = priced(questions_of(MeasurePlan(), people.domain), rho * (1 - strategy.share), MeasurePlan())
    single = tuple(buy(people, order, account) for order in orders)
    return single + strategy.choose(people, single, account, rho * strategy.share)


def _fitted(prior: Prior, domain: Domain, tables: tuple[Aggregate, ...]) -> Fit:
    patients = max(patients_in(tables, domain)[0], 1.0)
    return fit(prior, together([shares_of(one, domain, patients) for one in tables]))


def _patients(found: Fit, wanted: Task, program: Program) -> dict[str, Any]:
    """Return columns of synthetic patients, whom the model made."""
    bent = _bent(found, program)
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
