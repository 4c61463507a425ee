"""Reads a file that somebody else named: never more than asked for, and never a pipe, which would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotRegular(OSError):
    """A pipe or a device; a folder is an IsADirectoryError."""


def read_regular(path: Path, bytes_max: int) -> bytes:
    """Its first bytes, one more than `bytes_max` at most, so that who asks sees that there are too many. OSError."""
    with open_regular(path) as file:
        return file.read(bytes_max + 1)


def open_regular(path: Path) -> BinaryIO:
    """For a file that is read piece by piece. OSError."""
    # Opening a FIFO must not wait for a writer that never comes.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise NotRegular(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(handle, "rb")
