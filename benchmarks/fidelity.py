"""Every target and every asked correlation at 100,000 patients, held to the published intervals and nothing more.

    python -m benchmarks.fidelity [--model diabetes-screening] [--patients 100000] [--seeds 3]

Prints for each seed how many published values lie within their intervals, those marked verified apart, each one that
does not, and the mean absolute error of correlations.
"""

from __future__ import annotations

import argparse

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
        "correlations": len(findings["correlations"].measures),
        "correlation_mean_absolute_error": round(findings["correlations"].drawings["mean_error"] or 0.0, 4),
        "impossible_values": sum(one.value for one in findings["plausibility"].measures),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="diabetes-screening")
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for seed in range(1, options.seeds + 1):
        for name, value in measure(options.model, options.patients, seed).items():
            print(f"{name:<34} {value:,}")


if __name__ == "__main__":
    main()
