"""Files that commands are told to read and write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from agent.commands.errors import CommandError


def resolved(path: Path) -> Path:
    """Where its links lead. Raises CommandError."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 say RuntimeError of links in a circle
        raise CommandError(f"{path} cannot be read: its links lead in a circle") from error


def private_file(path: Path) -> BinaryIO:
    """A new file of mode 0600, in place of one that a killed run left. Raises OSError."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")
