"""The commands ``learn`` and ``sample``: a generator learns inside an institution, and draws anywhere."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.cli.terminal import Terminal
from manikin.errors import RequestError

if TYPE_CHECKING:
    from manikin.generators.protection import Protection
    from manikin.real_data import Survey
    from manikin.real_data.learning import Allowance

_TRUTH = ("truth",)


def learn(options: Namespace) -> int:
    """Learn a table of patients from records; a sampler leaves, and no row."""
    from manikin.cli.measuring import wanted
    from manikin.generators.deep import save
    from manikin.real_data import survey
    from manikin.real_data.learning import columns_of, find_generator, learn_table

    _check(options)
    generator = find_generator(options.generator, private=not options.without_privacy)
    plan, codebook = wanted(options)
    asked = survey(Path(options.mapping), {one.name: one for one in codebook.variables}, plan)
    columns = columns_of(asked, codebook)
    print(f"{asked.population}. {len(columns)} variables, {sum(one.bins.count for one in columns)} bins")
    allowance = None if options.without_privacy else _allowance(asked, options)
    sampler = learn_table(Path(options.records), asked, codebook, generator, allowance)
    save(sampler, Path(options.out))
    _print_protection(sampler.protection)
    if allowance:
        print(f"  {'Left of the budget':<28} rho {allowance.account.left:.4g} of {allowance.account.budget.rho:.4g}")
    print(f"\n{options.out}   draw from it: manikin sample {options.out} --patients 10000 --out DIR")
    return 0


def sample(options: Namespace) -> int:
    """Draw patients from a sampler that was learnt, as tables; this makes no release."""
    from manikin.cohort import Plan, write
    from manikin.generators.deep import PAGE, load
    from manikin.streams import Seed
    from manikin.study.run import available_cores

    folder, out = Path(options.sampler), Path(options.out)
    sampler = load(folder).seeded(Seed(options.seed))
    if out.exists():
        raise RequestError(f"{out} is there already. Choose another name.")
    if options.patients < 1:
        raise RequestError("One patient or more can be drawn: --patients 10000.")
    tables = sampler.layout.tables
    folders = {name: out / ("truth" if name in _TRUTH else "data") / name for name in tables}
    print(f"{sampler.title} · {options.patients:,} patients · seed {options.seed}")
    with Terminal() as terminal:
        plan = Plan(sampler, options.patients, tables, folders)
        write(plan, options.jobs or available_cores(), lambda done, all_: terminal.progress("sampling", done, all_))
    page = json.loads((folder / PAGE).read_text(encoding="utf-8"))
    told = {"seed": options.seed, "patients": options.patients, "sampler": page}
    (out / "drawn-from.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    _print_protection(sampler.protection)
    print(f"\n{out}   tables, and drawn-from.json; they were not appraised, and are no release")
    return 0


def _check(options: Namespace) -> None:
    """Refuse what is known to be wrong before anything is read or spent."""
    if not options.codebook and not options.study:
        raise RequestError("Say which codebook declares the bins: --codebook MODEL, or --study FILE.")
    asked = options.epsilon is not None or options.delta is not None
    if options.without_privacy and asked:
        raise RequestError("--without-privacy is without --epsilon and --delta. Choose one.")
    if not options.without_privacy and (options.epsilon is None or options.delta is None):
        raise RequestError(
            "Say what may be spent: --epsilon 1 --delta 1e-6; or --without-privacy, held to the controlled tier."
        )
    if not Path(options.records).is_file():
        raise RequestError(f"{options.records} is not there, or is no file.")
    if Path(options.out).exists():
        raise RequestError(f"{options.out} is there already. Choose another name.")


def _allowance(asked: Survey, options: Namespace) -> Allowance:
    from manikin.cli.measuring import account_of
    from manikin.privacy import Budget
    from manikin.real_data.learning import Allowance

    budget = Budget(options.epsilon, options.delta)
    return Allowance(account_of(asked, budget, options), budget.rho)


def _print_protection(protection: Protection) -> None:
    if not protection.private:
        print("  NOT differentially private: for controlled use only")
        return
    print(f"  {'Promised to each patient':<28} epsilon {protection.epsilon:.3g} at delta {protection.delta:g}")
