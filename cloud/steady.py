"""The cloud's time: its machine's clock, but for a leap ahead that has not lasted.

What the cloud signs moves tills ahead, and only a statement of the root keys moves them back. So a clock that is ahead
for a moment (a time server gone wrong, a hand that slipped) must not be signed. Within one process the machine also
counts elapsed time that nobody can set (CLOCK_BOOTTIME, sleep included): a leap beyond it by more than LEAP is followed
only once it has lasted for HOLD. A clock set back is followed at once: it moves no till.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

log = logging.getLogger("redeemd.cloud")

LEAP = timedelta(minutes=10)
HOLD = timedelta(hours=1)


def _elapsed() -> timedelta:
    return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


class SteadyClock:
    """Call it for the time, aware and UTC. wall: the machine's clock. elapsed: what it counts since its start."""

    def __init__(self, wall: Callable[[], datetime], elapsed: Callable[[], timedelta] = _elapsed) -> None:
        self._wall, self._elapsed = wall, elapsed
        self._at, self._read = wall(), elapsed()
        self._leapt: timedelta | None = None

    def __call__(self) -> datetime:
        wall, read = self._wall(), self._elapsed()
        expected = self._at + (read - self._read)
        if wall <= expected + LEAP:
            if self._leapt is not None:
                log.warning("this machine's clock is right again")
        elif self._leapt is None or read - self._leapt < HOLD:
            if self._leapt is None:
                self._leapt = read
                log.error(
                    "this machine's clock leapt ahead by %s: it is not followed for %s; set it right, or wait "
                    "where it was wrong before",
                    wall - expected,
                    HOLD,
                )
            return expected
        else:
            log.warning("this machine's clock has been ahead for %s: it is believed from now on", HOLD)
        self._at, self._read, self._leapt = wall, read, None
        return wall
