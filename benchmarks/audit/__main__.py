"""Runs the audit."""

from __future__ import annotations

from benchmarks.audit import main

if __name__ == "__main__":
    main()
