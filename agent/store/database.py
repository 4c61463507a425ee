"""One SQLite connection, one piece of work at a time, one transaction for each.

A thread of its own does the work, so that a slow disk holds up nobody else. Only what is brief, and the disk is brisk,
is done in the caller's thread: two hand-overs between threads cost a redemption more than its SQL (decision 0015).

WAL with synchronous=FULL: measured, it lost no acknowledged commit at any simulated power cut, where NORMAL and the
rollback journal did. There is one connection that writes and checkpoints (SQLite before 3.51.3 has a WAL-reset race
between two). BEGIN IMMEDIATE, so that what was read is still true when it is written.

A COMMIT that fails leaves it unknown whether the transaction is on disk: the connection is thrown away and a new one
reads back before anybody is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from agent.domain.record import ChainHead
from agent.ports import CommitUnknown, LedgerUnavailable
from agent.store.log_file import lay_out_log
from agent.store.migrations import APPLICATION_ID, VERSION, migrate

T = TypeVar("T")

QUEUE_MAX = 1000
BUSY_TIMEOUT_MS = 2000
BRISK_S = 0.005
"""A disk whose last commit took longer than this is left to the writer's thread."""
LEDGER_TABLES = (
    *("coupon_use", "budget", "request", "setting", "promo", "root", "bundle"),
    *("hold", "held_coupon", "returned", "member_use", "member_points", "badge_use", "member_sale"),
)
"""What a decision rests on: checked before the database is used."""
HISTORY_TABLES = ("redemption_record", "evidence_record", "print_job")
"""Grows for years (100 000 records: 250 MB, 0.4 s to check even from memory): checked beside the running till."""


class StoreError(Exception):
    """The database must not be opened. The text says what is wrong and what to do."""


class Seen:
    """What the only writer of a database knows of it without looking; one for each that is open.

    held: whether there may be held coupons: most tills hold nothing most of the time. heads: of the lanes, as the last
    transaction left them. no_promo: on which day the pool of promo codes had none left, of which campaign (None: of
    any). Each look-up that is spared takes 25 to 80 µs less after a rest.
    """

    def __init__(self) -> None:
        self.held = True
        self.heads: dict[str, ChainHead] = {}
        self.no_promo: set[tuple[int, tuple[str, int] | None]] = set()

    def forget(self) -> None:
        """A transaction did not come about, or nobody knows whether it did: look again."""
        self.held = True
        self.heads.clear()
        self.no_promo.clear()


class Database:
    """The till's database. `open` in any thread, then `run` from the event loop, then `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._lock_file: int | None = None
        self._epoch = 0
        self.seen = Seen()
        self._turn = threading.Lock()
        """Held by whichever thread uses the connection."""
        self._brisk = False

    def open(self) -> None:
        """Lock, check, migrate and start the writer; StoreError says why not."""
        self._lock_file = _lock(self.path)
        try:
            self._connection = connect(self.path)
        except BaseException:
            self._unlock()
            raise
        lay_out_log(self.path)
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what is queued, checkpoint and let go."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    async def run(
        self,
        work: Callable[[sqlite3.Connection], T],
        read_back: Callable[[sqlite3.Connection], T | None] | None = None,
        *,
        brief: bool = False,
    ) -> T:
        """Run `work` in one transaction and return once it is on disk.

        brief: it is done in well under a millisecond, so that the event loop may wait for it while the disk is brisk.
        read_back: asked on a new connection after a failed commit; what it returns is the answer, None means that the
        transaction is not there. Without it a failed commit raises CommitUnknown.
        """
        if self._thread is None:
            raise LedgerUnavailable(f"{self.path} is closed")
        # What waits in the queue goes first, and whoever is at the connection is waited for there.
        if brief and self._brisk and not self._jobs.qsize() and self._turn.acquire(blocking=False):
            try:
                return self._transact(work, read_back)
            finally:
                self._turn.release()
        return await self._in_turn(lambda: self._transact(work, read_back))

    async def scrub(self) -> None:
        """Write the log into the database and begin it anew: what was deleted stays in it until it is overwritten."""
        if self._thread is None:
            raise LedgerUnavailable(f"{self.path} is closed")
        await self._in_turn(self._end_log)

    def _end_log(self) -> None:
        try:
            busy, _, _ = self._usable().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"{self.path}: {error}") from error
        if busy:
            raise LedgerUnavailable(f"{self.path}: somebody reads it, so that its log cannot end")
        lay_out_log(self.path)

    async def _in_turn(self, call: Callable[[], T]) -> T:
        """What `call` gives in the writer's thread, after what waits there already."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                with self._turn:
                    result = call()
            except BaseException as error:  # the caller gets it, whatever it is
                _tell(loop, future, None, error)
            else:
                _tell(loop, future, result, None)

        # Only the event loop's thread puts, so nothing comes between the look and the put. queue.Queue has a bound of
        # its own, but wakes the writer through Python code: 30 µs of every redemption.
        if self._jobs.qsize() >= QUEUE_MAX:
            raise LedgerUnavailable(f"{QUEUE_MAX} writes are waiting for the disk")
        self._jobs.put(job)
        return await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transact(
        self,
        work: Callable[[sqlite3.Connection], T],
        read_back: Callable[[sqlite3.Connection], T | None] | None,
    ) -> T:
        connection = self._usable()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
        except sqlite3.Error as error:
            self._abandon(connection)
            raise LedgerUnavailable(f"{self.path}: {error}") from error
        except BaseException:
            self._abandon(connection)
            raise
        self._brisk = False  # until this commit has shown that the disk is
        started = perf_counter()
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._resolve(error, read_back)
        self._brisk = perf_counter() - started < BRISK_S
        return result

    def _usable(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = connect(self.path)
            except (StoreError, sqlite3.Error) as error:
                raise LedgerUnavailable(str(error)) from error
        return self._connection

    def _abandon(self, connection: sqlite3.Connection) -> None:
        """Roll back; a connection that cannot even do that is thrown away."""
        self.seen.forget()
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            self._connection = None

    def _resolve(self, error: sqlite3.Error, read_back: Callable[[sqlite3.Connection], T | None] | None) -> T:
        """After a failed COMMIT: reopen, make the disk prove that it writes again, then read back."""
        self.seen.forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        unknown = CommitUnknown(f"{self.path}: commit failed: {error}")
        try:
            connection = self._usable()
            self._epoch += 1
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO setting VALUES ('reopened', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (str(self._epoch),),
            )
            connection.execute("COMMIT")
            # Linux forgets pages whose fsync failed, and a later fsync says nothing of them: copy what the log shows
            # into the database itself, which writes and syncs it anew.
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            if busy:
                raise unknown from error
            found = read_back(connection) if read_back is not None else None
        except (LedgerUnavailable, sqlite3.Error):
            raise unknown from error
        if read_back is None:
            raise unknown from error
        if found is None:
            raise LedgerUnavailable(f"{self.path}: {error}; nothing was recorded") from error
        return found


def connect(path: Path) -> sqlite3.Connection:
    """Open, check and, where needed, migrate the database; StoreError if it is damaged, foreign or newer."""
    fresh = not path.exists() or path.stat().st_size == 0
    if fresh:
        if (log := path.with_name(path.name + "-wal")).exists() and log.stat().st_size:
            raise StoreError(_damaged(path, "it is empty or gone, and its log is not"))
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise StoreError(_unusable(path, str(error))) from error
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if not fresh:
            _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        version = _pragma(connection, "user_version")
        if version < VERSION:
            migrate(connection)
        assert _pragma(connection, "journal_mode") == "wal", "the database is in WAL mode"
        assert _pragma(connection, "synchronous") == 2, "a commit reaches the disk"
    except sqlite3.OperationalError as error:
        connection.close()
        raise StoreError(_unusable(path, str(error))) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(_damaged(path, str(error))) from error
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A second look at the database while the daemon runs: never writes, never checkpoints. StoreError if absent."""
    if not path.exists():
        raise StoreError(f"{path} does not exist: is state_dir right, and was this till ever started?")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        ours = _pragma(connection, "application_id") == APPLICATION_ID
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not ours:
        connection.close()
        raise StoreError(f"{path} is not a redeemd database")
    return connection


def check_history(path: Path, ended: threading.Event) -> str:
    """What is damaged in HISTORY_TABLES, for people; "" if nothing is. Stops early, with "", once `ended` is set."""
    connection = connect_read_only(path)
    try:
        connection.set_progress_handler(ended.is_set, 10_000)
        found = next(_problems(connection, HISTORY_TABLES), "")
    except sqlite3.DatabaseError as error:
        found = "" if ended.is_set() else str(error)
    finally:
        connection.close()
    return found and _damaged(path, found)


def _problems(connection: sqlite3.Connection, tables: tuple[str, ...]) -> Iterator[str]:
    for table in tables:
        said = [row[0] for row in connection.execute(f"PRAGMA quick_check({table})")]
        if said != ["ok"]:
            yield f"table {table}: {said[0]}"


def _check(connection: sqlite3.Connection, path: Path) -> None:
    found = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables:
        return  # made and killed before its first migration
    if found != APPLICATION_ID:
        raise StoreError(
            f"{path} is not a redeemd database (application_id {found:#x}); move it away and start again"
        )
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer redeemd (schema {version}, this one knows {VERSION}). "
            "Install that version again; do not delete the file: it may hold records the cloud has not seen."
        )
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    checked = tuple(table for table in LEDGER_TABLES if version == VERSION or table in there)
    for problem in _problems(connection, checked if version else ()):
        raise StoreError(_damaged(path, problem))


def refusal_to_start(path: Path, error: LedgerUnavailable) -> StoreError:
    """Why a till cannot start on a ledger that opened and then failed: mostly a damaged page."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.DatabaseError) and not isinstance(cause, sqlite3.OperationalError):
        return StoreError(_damaged(path, str(cause)))
    return StoreError(_unusable(path, str(cause or error)))


def _unusable(path: Path, what: str) -> str:
    return f"{path} cannot be used now ({what}). Is the disk full or broken, and is the folder the service's?"


def _damaged(path: Path, what: str) -> str:
    return (
        f"{path} is damaged ({what}). Do not delete it: it may hold records the cloud has not seen. "
        "Copy it away together with its -wal file, tell support, then enrol this till again."
    )


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _lock(path: Path) -> int:
    """One daemon per database: an advisory lock on a file beside it."""
    lock = path.with_suffix(".lock")
    try:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{lock}: {error.strerror}. The service's user must own {path.parent}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(
            f"{path} is in use by another redeemd. Stop it first (systemctl stop redeemd)."
        ) from None
    return handle


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T | None, error: BaseException | None
) -> None:
    def settle() -> None:
        if future.cancelled():
            return  # the caller left; what was committed stays committed
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T when there is no error

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
