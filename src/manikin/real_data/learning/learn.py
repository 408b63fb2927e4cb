"""Learns a table of patients from records: they are read as for a measurement, and a sampler leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from manikin.clinic import Codebook
from manikin.errors import RequestError
from manikin.generators.deep import Column, TableSampler
from manikin.real_data.learning.gan import Gan, private_gan
from manikin.real_data.learning.generator import Allowance, Generator, generator_named
from manikin.real_data.learning.table import Table, table_of
from manikin.real_data.learning.vae import Vae, private_vae
from manikin.real_data.measure import Survey

# Ours, as they are where something may be spent, and where not.
PRIVATE: Mapping[str, Generator[Table]] = {"vae": private_vae(), "gan": private_gan()}
PLAIN: Mapping[str, Generator[Table]] = {"vae": Vae(), "gan": Gan()}


def find_generator(name: str, *, private: bool) -> Generator[Table]:
    """Return the generator of a table with that name: one of ours, or of an installed package."""
    return generator_named(name, PRIVATE if private else PLAIN)


def columns_of(asked: Survey, codebook: Codebook) -> tuple[Column, ...]:
    """Return what is learnt of a survey's variables: those without a value have a bin where the survey gives them one.

    Raises:
        RequestError: A variable has no declared bins or limits.
    """
    known = {variable.name: variable for variable in codebook.variables}
    return tuple(Column(known[axis.name], axis.missing) for axis in asked.domain.axes)


def learn_table(
    records: Path,
    asked: Survey,
    codebook: Codebook,
    generator: Generator[Table],
    allowance: Allowance | None = None,
) -> TableSampler:
    """Return a sampler learnt from the patients in a file of records.

    Args:
        records: A row or more of each patient, of which one counts.
        asked: What their columns mean, and which variables are learnt; see ``real_data.survey``.
        codebook: What the variables mean.
        generator: How to learn.
        allowance: What may be spent; without, nothing is promised.

    Raises:
        RealDataError: The records can't be read as mapped.
        BudgetError: The account can't pay; nothing was spent.
        RequestError: The generator makes samplers of another kind, which can't be put into a file.
    """
    columns = columns_of(asked, codebook)
    people = table_of(columns, asked.read(records).values)
    sampler = generator.fit(people, allowance)
    if not isinstance(sampler, TableSampler):
        raise RequestError(f"What {type(generator).__name__} learns is no sampler of tables. Fit it from Python.")
    return replace(sampler, title=asked.population)
