"""This machine's clocks: the only place that reads them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from agent.domain.time import BootTime


class SystemClock:
    """`agent.ports.Clock` of this machine."""

    def __init__(self) -> None:
        self._boot = _boot_id()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boot_time(self) -> BootTime:
        return BootTime(self._boot, time.clock_gettime(time.CLOCK_BOOTTIME))


def _boot_id() -> str:
    """What Linux calls this start of the machine; "" where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
