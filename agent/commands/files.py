"""Files that commands are told to read and write."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from agent.commands.errors import EX_DATAERR, EX_NOINPUT, CommandError
from config.regular_file import read_regular


def resolved(path: Path) -> Path:
    """Where its links lead. Raises CommandError."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 say RuntimeError of links in a circle
        raise CommandError(f"{path} cannot be read: its links lead in a circle") from error


def read_named(path: Path, bytes_max: int, advice: str = "name a smaller file") -> bytes:
    """A whole file that somebody named. CommandError for one that cannot be read, has more bytes, or is a pipe, which
    would be waited for."""
    try:
        content = read_regular(path, bytes_max)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", EX_NOINPUT) from error
    if len(content) > bytes_max:
        raise CommandError(f"{path} has more than {bytes_max} bytes: {advice}", EX_DATAERR)
    return content


def private_file(path: Path) -> BinaryIO:
    """A new file of mode 0600, in place of one that a killed run left. Raises OSError."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """One import at a time: a second one would write over the first one's copy in `folder`. Raises CommandError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sentence = "another import is under way: run this again when it has ended"
            raise CommandError(sentence) from None
        yield
    finally:
        os.close(handle)
