"""Parquet: one folder for each table, one file for each shard of patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from manikin.cohort import Cohort


@dataclass(frozen=True)
class Parquet:
    """The form in which a cohort is kept; its shards stand where they were written."""

    title: str = "Parquet, a folder for each table: pandas.read_parquet('data/analysis')"

    def write(self, cohort: Cohort, data: Path, truth: Path) -> None:
        """Leave the shards where they are."""
