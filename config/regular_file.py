"""Reads a file that somebody else named: never more than asked for, and never a pipe, which would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotRegular(OSError):
    """A pipe, a device or a folder."""


def read_regular(path: Path, bytes_max: int) -> bytes:
    """Its first bytes, one more than `bytes_max` at most, so that who asks sees that there are too many. OSError."""
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegular(errno.EINVAL, "it is no regular file", str(path))
        return file.read(bytes_max + 1)


def _without_waiting(path: str, flags: int) -> int:
    """Opening a FIFO must not wait for a writer that never comes."""
    return os.open(path, flags | os.O_NONBLOCK)
