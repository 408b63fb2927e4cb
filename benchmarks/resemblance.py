"""The built-in model, which has read no record, beside weighted NHANES 2009-2012 adults.

    python -m benchmarks.resemblance [--records FILE] [--patients 20000]

Prints the mean Kolmogorov-Smirnov distance over all shared variables, the mean absolute error of correlations and the
two-sample AUC, each with its interval and beside what two halves of the real records show; then each variable.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from manikin.real_data import comparison
from manikin.study import changed, make, study_of

MAPPING = Path(__file__).parent / "nhanes" / "mapping.yaml"
RECORDS = Path("../shared/data/nhanes_2009_2012/nhanes_2009_2012.parquet")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--mapping", type=Path, default=MAPPING)
    parser.add_argument("--patients", type=int, default=20_000)
    options = parser.parse_args()
    study, model = study_of("diabetes-screening")
    made = make(changed(study, patients=options.patients, tables=("analysis", "truth")), model)
    finding = comparison(options.records, options.mapping)(made.cohort)
    print(finding.answer)
    for one in finding.measures:
        interval = f"({one.interval[0]:.3f} to {one.interval[1]:.3f})" if one.interval else ""
        print(f"{one.group:<34.34} {one.name:<60.60} {one.value:7.3f} {interval:<20} {one.expected:7.3f}")


if __name__ == "__main__":
    main()
