"""Runs every measurement, one after the other."""

from __future__ import annotations

from benchmarks import audit, deep, federation, fidelity, footprint, resemblance, sequences, throughput, timeline

if __name__ == "__main__":  # processes that a benchmark starts import this file
    for benchmark in (throughput, timeline, fidelity, resemblance, sequences, deep, audit, federation, footprint):
        print(f"\n{(benchmark.__doc__ or '').splitlines()[0]}")
        benchmark.main()
