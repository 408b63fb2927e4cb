"""Learns event sequences of real people, here where rows may be read: a fitted sampler and a finding leave, no row.

People are parted into two halves. One is learnt from; the other is who the sampler is compared with, beside how far
the two halves are apart, nearer than which nobody can come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manikin.appraisal import Finding
from manikin.appraisal.sequences import sequence_finding
from manikin.errors import RequestError
from manikin.generators.sequence import (
    Domain,
    Histories,
    Learning,
    Recurrent,
    SemiMarkov,
    Training,
)
from manikin.real_data.event_mapping import read_event_mapping
from manikin.real_data.histories import parted, read_histories
from manikin.real_data.learning import Allowance, Generator, RecurrentGenerator, SemiMarkovGenerator
from manikin.streams import Seed

# Parting people is simulation, not privacy: it may be repeated.
_SEED = Seed(20_260_304)


@dataclass(frozen=True, eq=False)
class Learnt:
    """A sampler that was learnt from records, which its ``tier`` says, and how it compares with people held out."""

    sampler: SemiMarkov | Recurrent
    finding: Finding


def learn_sequences(
    events: Path,
    people: Path,
    mapping: Path,
    how: Learning | Training | Callable[[Domain], Generator[Histories]],
    allowance: Allowance | None = None,
) -> Learnt:
    """Return a sampler learnt from half of the people in records, and how far it is from the other half.

    Args:
        events: A table of events, or of visits.
        people: A table of people; it may be the same.
        mapping: What their columns mean; see ``docs/learnt-sequences.md``.
        how: A hidden semi-Markov model by ``Learning``, a recurrent network by ``Training``, or the generator of a domain.
        allowance: What may be spent on those who are learnt from, by a generator; without, nothing is promised. The
            finding is exact whatever was spent: it is for those who may read the records.

    Raises:
        MappingError: The mapping holds mistakes.
        RealDataError: The records can't be read as mapped.
    """
    meant = read_event_mapping(mapping)
    learnt_from, held_out = parted(read_histories(events, people, meant), _SEED)
    sampler = _generator(meant.domain, how).fit(learnt_from, allowance)
    if not isinstance(sampler, SemiMarkov | Recurrent):
        raise RequestError("What this generator learns is no sampler of sequences.")
    ordinals = np.arange(learnt_from.size)
    drawn = Histories(sampler.timeline(ordinals), sampler.statics(ordinals))
    return Learnt(sampler, sequence_finding(meant.domain, drawn, held_out, learnt_from))


def _generator(
    domain: Domain, how: Learning | Training | Callable[[Domain], Generator[Histories]]
) -> Generator[Histories]:
    if isinstance(how, Learning):
        return SemiMarkovGenerator(domain, learning=how)
    return RecurrentGenerator(domain, how) if isinstance(how, Training) else how(domain)
