"""What a person sees while a command runs: a bar for whatever takes longer than two seconds, and quiet otherwise."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Never

from tqdm import tqdm

_PATIENCE_SECONDS = 2


class Terminal:
    """Shows the progress of steps on standard error; silent where nobody watches."""

    def __init__(self) -> None:
        self._step = ""
        self._begun = time.monotonic()
        self._bar: tqdm[Never] | None = None

    def __enter__(self) -> Terminal:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal clean."""
        self._close()

    def progress(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` of a step are done."""
        if step != self._step:
            self._close()
            self._step = step
            self._bar = tqdm(
                total=total,
                desc=f"  {step:<24}",
                leave=False,
                # Patience is with the whole command: a late step shows its bar at once.
                delay=max(0.0, _PATIENCE_SECONDS - (time.monotonic() - self._begun)),
                disable=not sys.stderr.isatty(),
                bar_format="{desc} {bar:24} {n_fmt} of {total_fmt}  {remaining} left",
            )
        assert self._bar is not None
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
