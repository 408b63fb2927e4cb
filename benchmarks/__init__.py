"""Commands that measure; each prints its figures, and a ratio where there is something to compare with.

python -m benchmarks                 all of them
python -m benchmarks.throughput      one
"""
