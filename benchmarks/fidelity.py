"""Every target and every asked correlation of the built-in models, held to the published intervals.

    python -m benchmarks.fidelity [--models diabetes-screening,chest-pain] [--patients 50000] [--seeds 3]

Prints for each model and seed how many published values lie within their intervals and nothing more, how many do when
the cohort's size is allowed for, those marked verified apart, each value that lies outside, and the mean absolute error
of correlations.
"""

from __future__ import annotations

import argparse

from manikin.clinic import built_in
from manikin.study import changed, make, study_of


def measure(model: str, patients: int, seed: int) -> dict[str, float]:
    """Return the figures of one seed, and print what was missed."""
    study, clinical = study_of(model)
    made = make(changed(study, patients=patients, seed=seed, tables=("analysis", "truth")), clinical)
    findings = {finding.check: finding for finding in made.appraise().findings}
    judged = findings["targets"].measures
    for one in judged:
        if not one.within:
            print(f"  missed: {one.group}, {one.name}: {one.value:.4g}, published {one.expected:.4g} ({one.basis})")
    verified = [one for one in judged if one.basis == "verified"]
    return {
        "seed": seed,
        "patients": patients,
        "published_values": len(judged),
        "within": sum(one.within for one in judged),
        "verified_values": len(verified),
        "verified_within": sum(one.within for one in verified),
        "verified_met_allowing_for_chance": sum(one.passed is not False for one in verified),
        "correlations": len(findings["correlations"].measures),
        "correlation_mean_absolute_error": round(findings["correlations"].drawings["mean_error"] or 0.0, 4),
        "impossible_values": sum(one.value for one in findings["plausibility"].measures),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(built_in()))
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for model in options.models.split(","):
        for seed in range(1, options.seeds + 1):
            print(f"{model}")
            for name, value in measure(model, options.patients, seed).items():
                print(f"{name:<34} {value:,}")


if __name__ == "__main__":
    main()
