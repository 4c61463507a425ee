"""`cloud.ports.CloudStore` on one SQLite file, the default for one machine: a thread that writes, one that reads.

WAL with synchronous=FULL and BEGIN IMMEDIATE: what a transaction read is still true when it writes, and what was
answered is on disk. Only the writer checkpoints (SQLite before 3.51.3 has a WAL-reset race between two).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from cloud.errors import SetupError, StoreUnavailable
from cloud.store.schema import connect
from cloud.store.sql import Db, Lock, Row, run_in
from cloud.store.sql_store import SqlStore

T = TypeVar("T")

log = logging.getLogger(__name__)


class SqliteDb:
    """`cloud.store.sql.Db` on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:
        return self._connection.executemany(sql, rows)

    def matching(self, sql: str, values: Sequence[Any], keys: Sequence[int]) -> list[Row]:
        text = sql.replace("{keys}", "IN (SELECT value FROM json_each(?))")
        return self._connection.execute(text, (*values, json.dumps(keys))).fetchall()

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


class SqliteStore(SqlStore):
    """Open with the path of the database; raises SetupError if it must not be opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteThreads(path))


class SqliteThreads:
    """The database at `path`. Raises SetupError if it must not be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing: sqlite3.Connection | None = connect(path)
        self._reading: sqlite3.Connection | None = connect(path, read_only=True)
        self._writer = ThreadPoolExecutor(1, "cloud-writer")
        self._reader = ThreadPoolExecutor(1, "cloud-reader")

    async def write(self, work: Callable[[Db], T], *locks: Lock) -> T:
        """`cloud.store.sql.Threads.write`. There is one writer, so nothing is left to lock."""
        return await run_in(self._writer, self._transact, work)

    async def read(self, work: Callable[[Db], T]) -> T:
        """Run `work` on one snapshot."""
        return await run_in(self._reader, self._look, work)

    async def scrub(self) -> None:
        """The log is written into the database, where deleted rows are overwritten, and ends."""
        if not await run_in(self._writer, self._end_log):
            log.error("%s-wal still holds what was erased: somebody reads the database", self._path)

    def _end_log(self) -> bool:
        try:
            if self._writing is None:
                self._writing = connect(self._path)
            busy, _, _ = self._writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.Error, SetupError):
            return False
        return not busy

    async def close(self) -> None:
        """Finish what is queued and let go."""
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._reader.shutdown)
        for connection in (self._reading, self._writing):  # the writer last: it checkpoints
            if connection is not None:
                connection.close()

    def _transact(self, work: Callable[[Db], T]) -> T:
        try:
            if self._writing is None:
                self._writing = connect(self._path)
            connection = self._writing
            connection.execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, SetupError) as error:
            raise StoreUnavailable(f"the database cannot be written: {error}") from error
        try:
            result = work(SqliteDb(connection))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            # Whether a failed COMMIT is on disk is not known: a fresh connection finds out what is.
            self._writing = None
            connection.close()
            raise StoreUnavailable(f"the database cannot be written: {error}") from error
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return result

    def _look(self, work: Callable[[Db], T]) -> T:
        try:
            if self._reading is None:
                self._reading = connect(self._path, read_only=True)
            connection = self._reading
            connection.execute("BEGIN")
            try:
                return work(SqliteDb(connection))
            finally:
                connection.execute("COMMIT")
        except (sqlite3.Error, SetupError) as error:
            broken, self._reading = self._reading, None
            if broken is not None:
                with contextlib.suppress(sqlite3.Error):
                    broken.close()
            raise StoreUnavailable(f"the database cannot be read: {error}") from error
