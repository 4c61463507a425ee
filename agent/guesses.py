"""A limit on wrong codes over the local API, so that no program of this machine finds out codes by asking."""

from __future__ import annotations

from collections.abc import Callable

AT_ONCE = 20
REFILL_S = 3.0
"""28,800 wrong codes a day at most: with the cloud's own bound (one guess in a million may hit), a matter of months."""


class TooManyGuesses(Exception):
    """Too many codes were unknown lately. wait_s: seconds until the next one may be asked for."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"wait {wait_s:.1f} s")
        self.wait_s = wait_s


class Guesses:
    """One bucket: `at_once` wrong codes, and one more every `refill_s` seconds. monotonic: seconds that only rise."""

    def __init__(
        self, monotonic: Callable[[], float], *, at_once: int = AT_ONCE, refill_s: float = REFILL_S
    ) -> None:
        self._monotonic = monotonic
        self._most_s = at_once * refill_s
        self._refill_s = refill_s
        self._full_at = monotonic()
        """When the bucket will be full again."""

    def wait_s(self) -> float:
        """Until the next code may be asked for; 0 or less while the bucket is not empty."""
        return self._full_at - self._monotonic() + self._refill_s - self._most_s

    def check(self) -> None:
        """TooManyGuesses where the bucket is empty."""
        if (wait_s := self.wait_s()) > 0:
            raise TooManyGuesses(wait_s)

    def count(self) -> None:
        """A code was wrong."""
        self._full_at = max(self._full_at, self._monotonic()) + self._refill_s
