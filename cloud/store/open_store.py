"""Which database a data directory is for: DIR/database names a PostgreSQL, else it is DIR/cloud.db.

Nothing else of a cloud is on its machine but keys and roots, so that any number of receivers serve from one DIR.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from cloud.errors import SetupError
from cloud.ports import CloudStore
from cloud.store.sqlite_store import SqliteStore

EMBEDDED = "cloud.db"
ELSEWHERE = "database"
SCHEMES = ("postgresql", "postgres")
_URL_BYTES_MAX = 2000


def open_store(data_dir: Path) -> CloudStore:
    """Raises SetupError if there is none, or it must not be opened. Close it at the end."""
    url = database_url(data_dir)
    if url is not None:
        check_driver()
        from cloud.store.postgres import PostgresStore

        return PostgresStore(url)
    path = data_dir / EMBEDDED
    if not path.exists():
        sentence = f"{path} does not exist"
        raise SetupError(
            f"{sentence}: make a cloud with redeemd cloud init DIR, or put the backup back first"
        )
    return SqliteStore(path)


def database_url(data_dir: Path) -> str | None:
    """What `keep_url` wrote; None for the embedded database."""
    path = data_dir / ELSEWHERE
    try:
        if path.stat().st_mode & 0o077:
            raise SetupError(f"{path} is open to others and may hold a password; chmod 600 it")
        return check_url(path.read_text()[:_URL_BYTES_MAX].strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error


def keep_url(data_dir: Path, url: str) -> None:
    """Readable by its owner alone: it may hold a password."""
    path = data_dir / ELSEWHERE
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{url}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error


def check_url(url: str) -> str:
    """The URL; SetupError, which repeats nothing of it, if it is none of PostgreSQL."""
    if urlsplit(url).scheme not in SCHEMES or len(url) > _URL_BYTES_MAX:
        raise SetupError(
            "the database is named as postgresql://USER@HOST:PORT/NAME; without it, SQLite is used"
        )
    return url


def check_driver() -> None:
    try:
        import asyncpg  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise SetupError("PostgreSQL needs the package asyncpg: pip install 'redeemd[cloud]'") from error
