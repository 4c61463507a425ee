"""A progress bar on a terminal's standard error; nothing at all anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH = 30
EVERY_S = 0.1


class Progress:
    """Counts to `total`. Draws at most every EVERY_S, so that counting costs nothing."""

    def __init__(self, total: int, what: str, stream: TextIO | None = None) -> None:
        self._total, self._what = total, what
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._started = self._drawn = time.monotonic()
        self._done = 0

    def add(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if self._shown and (now - self._drawn >= EVERY_S or self._done == self._total):
            self._drawn = now
            self._stream.write(f"\r{self.line(now - self._started)}\x1b[K")
            self._stream.flush()

    def close(self) -> None:
        """Leave the terminal's cursor on a line of its own."""
        if self._shown and self._done:
            self._stream.write("\n")
            self._stream.flush()

    def line(self, elapsed_s: float) -> str:
        """What stands on the terminal after `elapsed_s`."""
        filled = WIDTH * self._done // self._total if self._total else WIDTH
        rate = self._done / elapsed_s if elapsed_s > 0 else 0.0
        left = (
            f", {_duration((self._total - self._done) / rate)} left"
            if rate and self._done < self._total
            else ""
        )
        bar = "#" * filled + "." * (WIDTH - filled)
        return f"{self._what} [{bar}] {self._done}/{self._total}, {rate:.0f}/s{left}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
