"""How a cohort is written for others to read; one file a format, one protocol.

Enters: a cohort. Leaves: files in a folder. Parquet is how a cohort is kept, so its format has nothing left to do.
"""

from manikin.formats.csv import Csv
from manikin.formats.format import Format
from manikin.formats.parquet import Parquet

FORMATS: dict[str, Format] = {"parquet": Parquet(), "csv": Csv()}

__all__ = ["FORMATS", "Csv", "Format", "Parquet"]
