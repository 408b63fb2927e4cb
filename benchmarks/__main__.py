"""Runs every measurement, one after the other."""

from __future__ import annotations

from benchmarks import federation, fidelity, footprint, resemblance, sequences, throughput, timeline

for benchmark in (throughput, timeline, fidelity, resemblance, sequences, federation, footprint):
    print(f"\n{(benchmark.__doc__ or '').splitlines()[0]}")
    benchmark.main()
