"""This machine's clocks: the only place that reads them."""

from __future__ import annotations

import os
import re
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

from agent.domain.time import BootTime

_KERNELS = Path("/proc/sys/kernel/random/boot_id")
_BOOT_ID = re.compile(r"[0-9a-f]{32}")


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
    """32 hex digits for this start of the machine, as the kernel or systemd says; else some for this process alone."""
    try:
        said = _KERNELS.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        said = os.environ.get("REDEEMD_BOOT_ID", "")  # the unit hides /proc/sys and gives us this
    found = said.strip().replace("-", "").lower()
    # Within one process it is one start anyway; the next process will not take this one's count for its own.
    return found if _BOOT_ID.fullmatch(found) else secrets.token_hex(16)
