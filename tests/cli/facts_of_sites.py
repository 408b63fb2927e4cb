"""What sites and papers tell in the tests of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from manikin.aggregates import Aggregate, Aggregates, CodebookName, Kind, Patients, Protection, Tier, Told
from manikin.codebook import Bins

WARD = """
codebook: ward
version: 1.0.0
variables:
  sex: {values: [female, male]}
"""

TABLE = """# source: A survey
# population: adults
# date: 2016-01-31
# patients: 1000
sex,share
female,52%
male,48%
"""


def site_file(name: str, counts: Sequence[float] = (100, 100), version: str = "1.0.0") -> Aggregates:
    table = Aggregate(
        (Bins("sex", levels=("female", "male")),), np.array(counts, float), 3.0, "discrete gaussian", 0.02
    )
    return Aggregates(
        site=name,
        source="registry",
        codebook=CodebookName("ward", version),
        population="adults",
        protection=Protection(Kind.PRIVATE, 1.0, 1e-6, 0.02, 3.0, f"head of {name}"),
        tier=Tier.OPEN,
        patients=Patients(200.0, Told.NOISY, 3.0),
        aggregates=(table,),
        made=date(2026, 1, 31),
    )
