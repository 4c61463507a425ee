"""How a command ends badly."""

from __future__ import annotations

import sqlite3

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_CONFIG = 2, 65, 66, 78
"""Exit codes after sysexits.h; usage is argparse's own."""


class CommandError(Exception):
    """The command cannot be done. The text says what is wrong and what to do; code: the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def sentence_of(error: Exception) -> str | None:
    """What to tell a person about an operating error that no command handles; None for a bug."""
    from agent.api.server import ApiStartError
    from agent.domain.bundle import BundleError
    from agent.folder import StartError
    from agent.ports import CommitUnknown, LedgerUnavailable
    from agent.store.database import StoreError
    from drivers.ports import DriverError
    from sync.errors import SyncError

    if isinstance(error, sqlite3.DatabaseError):
        return f"the till's database cannot be read: {error}. Do not delete it; tell support."
    known = (
        StartError,
        StoreError,
        ApiStartError,
        LedgerUnavailable,
        CommitUnknown,
        BundleError,
        DriverError,
        SyncError,
    )
    return str(error) if isinstance(error, known) else None
