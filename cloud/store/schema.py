"""The one way to open the embedded database."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from cloud.errors import SetupError
from cloud.store.tables import SCRIPTS, VERSION

APPLICATION_ID = 0x52444D43  # "RDMC"
BUSY_TIMEOUT_MS = 5000


def create(path: Path, token_digest: bytes, role: str, at: str) -> None:
    """Make a new database with its first admin token."""
    connection = connect(path)
    try:
        connection.execute(
            "INSERT INTO token (digest, role, name, added_at) VALUES (?, ?, 'first', ?)",
            (token_digest, role, at),
        )
    except sqlite3.Error as error:
        raise SetupError(f"{path} cannot be written: {error}") from error
    finally:
        connection.close()


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open, check and, where needed, migrate; SetupError if the file is foreign, newer or cannot be opened."""
    try:
        if not read_only and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise SetupError(f"{path} cannot be opened: {error}") from error
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
            return connection
        _check(connection, path)
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "secure_delete = ON",  # what was erased is overwritten, not left lying
        ):
            connection.execute(f"PRAGMA {setting}")
        _migrate(connection)
        assert _pragma(connection, "journal_mode") == "wal", "the database is in WAL mode"
        assert _pragma(connection, "synchronous") == 2, "a commit reaches the disk"
    except sqlite3.Error as error:
        connection.close()
        raise SetupError(f"{path} cannot be used: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if found not in (0, APPLICATION_ID) or (found == 0 and version):
        raise SetupError(f"{path} is not the database of a redeemd cloud; move it away")
    if version > VERSION:
        raise SetupError(
            f"{path} was written by a newer redeemd (schema {version}, this one knows {VERSION})"
        )


def _migrate(connection: sqlite3.Connection) -> None:
    for version in range(_pragma(connection, "user_version"), VERSION):
        connection.execute("BEGIN IMMEDIATE")
        for statement in SCRIPTS[version].split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
