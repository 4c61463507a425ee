"""How a command ends badly."""

from __future__ import annotations

import sqlite3


class CommandError(Exception):
    """The command cannot be done. The text says what is wrong and what to do; the exit code is 1."""


def sentence_of(error: Exception) -> str | None:
    """What to tell a person about an operating error that no command handles; None for a bug."""
    from agent.api.server import ApiStartError
    from agent.app import StartError
    from agent.domain.bundle import BundleError
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
