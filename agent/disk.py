"""The room that the till has on its disk, and what it gives up when that runs out (docs/operations.md, "Disk").

Redemptions outlive everything else: first what was delivered is forgotten sooner, then refused scans are answered but
not recorded, then a reserve is given up. Only after that does the ledger say that it cannot write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from agent.ports import CommitUnknown, LedgerUnavailable

log = logging.getLogger(__name__)

TIGHT_PERCENT, SCARCE_PERCENT = 80, 95
RESERVE_BYTES = 8 << 20
"""Room for about 5,000 redemptions of 1.5 kB."""
RESERVE_NAME = "reserve"
LOOK_EVERY_S = 10.0


class DiskLevel(IntEnum):
    """How much of the room is left, from enough to none."""

    ENOUGH = 0
    TIGHT = 1  # from 80 %: what was delivered is forgotten sooner
    SCARCE = 2  # from 95 %: refused scans are answered and not recorded
    FULL = 3  # the reserve is given up, so that redemptions go on


@dataclass(frozen=True, slots=True)
class Room:
    """used_bytes: what the till's data fill. budget_bytes: what they may. free_bytes: what the file system has left.

    least_bytes: what it should have left, for other programs of the machine.
    """

    used_bytes: int
    budget_bytes: int
    free_bytes: int
    least_bytes: int

    @property
    def filled_percent(self) -> int:
        """Of the room that the till has or could still get, what it fills; rounded down."""
        whole = self.used_bytes + min(max(self.budget_bytes - self.used_bytes, 0), self.free_bytes)
        return 100 * self.used_bytes // whole if whole else 100

    @property
    def level(self) -> DiskLevel:
        filled = self.filled_percent
        if filled >= 100 or self.free_bytes < min(self.least_bytes, RESERVE_BYTES):
            return DiskLevel.FULL
        if filled >= SCARCE_PERCENT or self.free_bytes < self.least_bytes:
            return DiskLevel.SCARCE
        tight = filled >= TIGHT_PERCENT or self.free_bytes < 4 * self.least_bytes
        return DiskLevel.TIGHT if tight else DiskLevel.ENOUGH


def free_bytes(folder: Path) -> int:
    """What a program without privileges may still write beside `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def keep_reserve(folder: Path, level: DiskLevel) -> bool:
    """Hold the reserve back while there is room, give it up when there is none: True if it was given up now.

    A disk that has no room for it gets none; that is no error of its own.
    """
    path = folder / RESERVE_NAME
    if level is DiskLevel.FULL:
        had = path.exists()
        path.unlink(missing_ok=True)
        return had
    if level <= DiskLevel.TIGHT and not path.exists():
        with contextlib.suppress(OSError):
            with path.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
            path.chmod(0o600)
            return False
        path.unlink(missing_ok=True)
    return False


async def disk_levels(
    folder: Path, used_bytes: Callable[[], Awaitable[int]], budget_bytes: int, least_bytes: int
) -> AsyncIterator[DiskLevel]:
    """Each new level, without end; the reserve in `folder` follows it. used_bytes: asks the database."""
    known = DiskLevel.ENOUGH
    while True:
        try:
            room = Room(await used_bytes(), budget_bytes, free_bytes(folder), least_bytes)
            if keep_reserve(folder, room.level):
                log.critical("the disk is full: the reserve is given up, so that redemptions go on")
        except (LedgerUnavailable, CommitUnknown, OSError) as error:
            log.error("the room on the disk cannot be seen: %s", error)
        else:
            if room.level is not known:
                known = room.level
                filled, free_mb = room.filled_percent, room.free_bytes >> 20
                said = f"{known.name.lower()} ({filled} % filled, {free_mb} MB free)"
                log.log(logging.WARNING if known else logging.INFO, "room on the disk: %s", said)
                yield known
        await asyncio.sleep(LOOK_EVERY_S)
