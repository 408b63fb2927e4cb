"""Runs the attacks."""

from __future__ import annotations

from benchmarks.attacks import main

if __name__ == "__main__":
    main()
