"""PostgreSQL behind asyncio: a few threads, each with a connection of asyncpg and an event loop for it alone.

So the same functions on an open transaction serve both engines (docs/decisions). READ COMMITTED: a transaction first
takes an advisory lock on the database (shared, or alone where it names nothing) and on each till and campaign that it
works on, always in the order of their numbers; what it reads afterwards stays true until it commits. Several receivers
on one database are so as good as one. Nothing here outlives a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from cloud.errors import Refused, StoreUnavailable
from cloud.store import postgres_schema
from cloud.store.sql import Db, Lock, Row, lock_numbers, run_in

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
SETTINGS = {
    "application_name": "redeemd cloud",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",  # a receiver that hangs lets go of its locks
}
COMMAND_TIMEOUT_S = 75.0
"""A server that is gone without a word. Above what the server itself bounds."""
CONNECTIONS = 4
"""Of each receiver: more transactions at once do not commit sooner."""
_LOCKED = 0x52444D43
"""First half of our advisory locks' numbers: "RDMC"."""
_TRIES = 5
_VALUE = re.compile(r"\?(\d*)")
_GIVES_ROWS = re.compile(r"\s*(SELECT|WITH)\b|.*\bRETURNING\b", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PostgresRows:
    """`cloud.store.sql.Rows`, all of them."""

    rowcount: int
    rows: list[Row] = field(default_factory=list)

    def fetchone(self) -> Row | None:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Row]:
        return self.rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


class PostgresDb:
    """`cloud.store.sql.Db` on a connection, for the thread that `loop` belongs to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: asyncpg.Connection) -> None:
        self._loop = loop
        self._connection = connection

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(call)

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> PostgresRows:
        text = translated(sql)
        if _GIVES_ROWS.match(text):
            rows = [tuple(row) for row in self.run(self._connection.fetch(text, *values))]
            return PostgresRows(len(rows), rows)
        status = self.run(self._connection.execute(text, *values))
        count = status.rsplit(" ", 1)[-1]
        return PostgresRows(int(count) if count.isdecimal() else 0)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        if found := list(rows):
            self.run(self._connection.executemany(translated(sql), found))

    def matching(self, sql: str, values: Sequence[Any], keys: Sequence[int]) -> list[Row]:
        # One look into the index for each key, whatever the planner believes of a table that grows fast. OFFSET 0
        # keeps it from making a join of it that reads all of a till or campaign.
        each = translated(sql).replace("{keys}", "= key OFFSET 0")
        text = f"SELECT found.* FROM unnest(${len(values) + 1}::bigint[]) AS key CROSS JOIN LATERAL ({each}) found"
        return [tuple(row) for row in self.run(self._connection.fetch(text, *values, keys))] if keys else []

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            self.run(self._connection.copy_records_to_table(table, records=rows))


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """`?` and `?1` as PostgreSQL counts values: `$1`."""
    count = 0

    def numbered(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"${found[1] or count}"

    return _VALUE.sub(numbered, sql)


class PostgresThreads:
    """The database at `url` (postgresql://...), connected to when it is first used."""

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        self._url = url
        self._pool = ThreadPoolExecutor(connections, "cloud-postgres")
        self._own = threading.local()
        self._workers: list[_Worker] = []

    async def scrub(self) -> None:
        """Nothing: VACUUM and the age of its log are the server's (docs/operations.md)."""

    async def write(self, work: Callable[[Db], T], *locks: Lock) -> T:
        """`cloud.store.sql.Threads.write`"""

        kind = "_shared" if locks else ""
        taken = "".join(
            f"; SELECT pg_advisory_xact_lock({_LOCKED}, {number})" for number in lock_numbers(locks)
        )
        begin = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock{kind}({_LOCKED}, 0){taken}"
        )
        return await run_in(self._pool, self._transact, begin, work)

    async def read(self, work: Callable[[Db], T]) -> T:
        """`cloud.store.sql.Threads.read`"""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        return await run_in(self._pool, self._transact, begin, work)

    async def close(self) -> None:
        """Finish what is queued and let go."""
        await asyncio.to_thread(self._pool.shutdown)
        for worker in self._workers:
            await asyncio.to_thread(worker.close)

    def _transact(self, begin: str, work: Callable[[Db], T]) -> T:
        import asyncpg

        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = _Worker(self._url)
            self._workers.append(worker)
        for left in reversed(range(_TRIES)):
            try:
                return worker.transact(begin, work)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
                if left == 0:
                    raise StoreUnavailable(f"the database is too busy: {error}") from error
            except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
                raise Refused(422, "bad_text", "a text holds a character that cannot be kept") from error
            except failures() as error:
                # Whether a failed COMMIT is on disk is not known: a fresh connection finds out what is.
                worker.drop()
                sentence = f"the database cannot be used: {type(error).__name__} {error}"
                raise StoreUnavailable(sentence) from error
        raise AssertionError("the last try returned or raised")


class _Worker:
    """A thread's loop and its connection, if there is one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = _new_loop()
        self._connection: asyncpg.Connection | None = None

    def transact(self, begin: str, work: Callable[[Db], T]) -> T:
        db = self._begun(begin)
        try:
            result = work(db)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return result

    def _begun(self, begin: str) -> PostgresDb:
        if self._connection is not None:
            try:
                db = PostgresDb(self._loop, self._connection)
                db.execute(begin)
            except failures():
                if not self._connection.is_closed():
                    raise
                self.drop()  # it was cut while it was idle: nothing has happened yet
            else:
                return db
        self._connection = self._loop.run_until_complete(connect(self._url))
        db = PostgresDb(self._loop, self._connection)
        db.execute(begin)
        return db

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            self._loop.run_until_complete(asyncio.sleep(0))  # the transport closes its socket in the loop

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):  # it may be gone already
                self._loop.run_until_complete(self._connection.close(timeout=CONNECT_TIMEOUT_S))
        self.drop()
        self._loop.close()


def failures() -> tuple[type[Exception], ...]:
    """What asyncpg and the system raise where a database cannot be used."""
    import asyncpg

    # InternalClientError: the server's last word came while nothing was asked of it.
    return (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform != "linux":
        return asyncio.new_event_loop()
    import uvloop  # each statement runs the loop once: half the cost

    return uvloop.new_event_loop()


async def connect(url: str) -> asyncpg.Connection:
    """A connection to a database with the schema of this program. Raises SetupError, or what asyncpg raises."""
    connection = await open_connection(url)
    try:
        await postgres_schema.check(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def open_connection(url: str) -> asyncpg.Connection:
    import asyncpg

    return await asyncpg.connect(
        url, timeout=CONNECT_TIMEOUT_S, command_timeout=COMMAND_TIMEOUT_S, server_settings=SETTINGS
    )
