"""The file of SQLite's log (WAL): laid out before anything is written, and anew after it has ended."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOG_BYTES = 4 << 20
"""How long SQLite lets the log grow before it begins anew at its start (1000 pages of 4 kB)."""


def lay_out_log(path: Path) -> None:
    """Fill the log's file with zeros up to the length that it reaches by itself, while nobody else writes.

    A commit that makes a file longer waits for the file system's own journal too, and for whoever else does; one into
    blocks that are there does not (docs/benchmarks.md). SQLite reads a log up to the first frame whose checksum
    is wrong, and behind the last one lies old data in any log that began anew. (sqlite.org/fileformat2.html, 4)
    """
    with contextlib.suppress(OSError):  # without room it is left as it is, and only slower
        handle = os.open(path.with_name(path.name + "-wal"), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        with os.fdopen(handle, "wb", buffering=0) as log:
            room = os.fstatvfs(handle)
            missing = LOG_BYTES - os.fstat(handle).st_size
            if room.f_bavail * room.f_frsize < 16 * LOG_BYTES:
                return
            while missing > 0:
                missing -= log.write(bytes(min(missing, 1 << 16)))
            os.fsync(handle)
