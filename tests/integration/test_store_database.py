"""The till's database file: what it refuses to open and why, how it is opened, what one transaction means."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.ports import LedgerUnavailable
from agent.store import database as store
from agent.store.database import Database, StoreError, check_history, connect, connect_read_only
from agent.store.migrations import APPLICATION_ID, VERSION
from tests.core_kit import core, install, rows
from tests.factory import Factory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "till.db"


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def fill(path: Path) -> None:
    """A till with some megabytes of ledger."""
    Factory().install(path.parent)
    connection = connect(path)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO redemption_record VALUES (?, ?, '', 'waiting', NULL)",
        ((number, f"event {number} " * 50) for number in range(1, 2000)),
    )
    connection.execute("COMMIT")
    connection.close()


# opening


def test_a_new_database_is_private_durable_and_known_as_ours(path: Path) -> None:
    connection = connect(path)
    assert (pragma(connection, "journal_mode"), pragma(connection, "synchronous")) == ("wal", 2)
    assert (pragma(connection, "application_id"), pragma(connection, "user_version")) == (
        APPLICATION_ID,
        VERSION,
    )
    assert (pragma(connection, "foreign_keys"), pragma(connection, "trusted_schema")) == (1, 0)
    connection.execute("INSERT INTO setting VALUES ('a', 'b')")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"till.db": 0o600, "till.db-wal": 0o600, "till.db-shm": 0o600}
    connection.close()


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    for value in ("1", "2"):
        database = Database(path)
        database.open()
        asyncio.run(
            database.run(lambda db, v=value: db.execute("INSERT INTO setting VALUES (?, ?)", (v, v)) and None)  # type: ignore[misc]  # a lambda with a default
        )
        database.close()
    assert rows(path, "SELECT name FROM setting ORDER BY name") == [("1",), ("2",)]
    assert stat.S_IMODE((path.parent / "till.lock").stat().st_mode) == 0o600


def test_a_start_with_nothing_to_migrate_loads_no_sqlite_utils(path: Path) -> None:
    """170 ms and 27 MB: the first scan must be answered within a second."""
    connect(path).close()
    script = f"""
import sys
from pathlib import Path
from agent.store.database import connect
connect(Path({str(path)!r})).close()
sys.exit("sqlite_utils" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("statement", ["CREATE TABLE song (title TEXT)", "CREATE TABLE record (a)"])
def test_a_foreign_database_is_refused_and_left_as_it_was(path: Path, statement: str) -> None:
    other = sqlite3.connect(path)
    other.execute(statement)
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"not a redeemd database.*move it away"):
        connect(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    other = sqlite3.connect(path)
    other.executescript("PRAGMA application_id = 252006675; CREATE TABLE t (a)")
    other.close()
    with pytest.raises(StoreError, match="not a redeemd database"):
        connect(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"This is a shopping list.\n" * 400)
    with pytest.raises(StoreError, match=r"damaged.*not a database"):
        connect(path)
    assert path.read_bytes().startswith(b"This is a shopping list")


def test_a_newer_schema_is_refused(path: Path) -> None:
    connection = connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    said = rf"newer redeemd .schema {VERSION + 1}, this one knows {VERSION}.*do not delete"
    with pytest.raises(StoreError, match=said):
        connect(path)


def test_a_start_killed_before_the_first_table_is_taken_up_again(path: Path) -> None:
    half = sqlite3.connect(path)
    half.execute("PRAGMA journal_mode = WAL")
    half.close()
    connect(path).close()
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]


def test_a_start_killed_between_migration_and_version_is_taken_up_again(path: Path) -> None:
    connection = connect(path)
    connection.execute("PRAGMA user_version = 0")
    connection.execute("INSERT INTO setting VALUES ('till', 'T-1')")
    connection.close()
    connect(path).close()
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]
    assert rows(path, "SELECT value FROM setting") == [("T-1",)]


def test_a_truncated_file_beside_a_log_with_records_is_refused(path: Path) -> None:
    """SQLite would delete the log with it."""
    database = Database(path)
    database.open()
    asyncio.run(database.run(lambda db: db.execute("INSERT INTO setting VALUES ('a', 'b')") and None))
    log = path.with_name("till.db-wal")
    kept = log.read_bytes()
    database.close()
    path.write_bytes(b"")
    log.write_bytes(kept)
    with pytest.raises(StoreError, match=r"damaged .*empty.*Copy it away together with its -wal"):
        connect(path)
    assert log.read_bytes() == kept


def damage(path: Path, table: str) -> None:
    """Spoil the first page of a table."""
    connection = connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    size = pragma(connection, "page_size")
    connection.close()
    assert isinstance(size, int)
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xa5" * 64)


@pytest.mark.parametrize("table", store.LEDGER_TABLES)
def test_a_damaged_page_of_what_decides_is_found_at_the_start(path: Path, table: str) -> None:
    fill(path)
    damage(path, table)
    with pytest.raises(StoreError, match=r"damaged.*Do not delete it.*tell support"):
        connect(path)


@pytest.mark.parametrize("table", store.HISTORY_TABLES)
def test_a_damaged_page_of_the_history_is_found_beside_the_running_till(path: Path, table: str) -> None:
    fill(path)
    assert check_history(path, threading.Event()) == ""
    damage(path, table)
    assert re.search(r"damaged.*Do not delete it.*tell support", check_history(path, threading.Event()))


def test_a_damaged_leaf_deep_in_the_records_is_found(path: Path) -> None:
    fill(path)
    place = path.read_bytes().index(b"event 1000 event 1000")
    with path.open("r+b") as file:
        file.seek(place // 4096 * 4096)
        file.write(b"\0" * 100)
    assert "is damaged" in check_history(path, threading.Event())


def test_a_second_daemon_is_refused_and_the_first_goes_on(path: Path) -> None:
    first, second = Database(path), Database(path)
    first.open()
    with pytest.raises(StoreError, match=r"in use by another redeemd.*systemctl stop"):
        second.open()
    assert asyncio.run(first.run(lambda db: db.execute("SELECT 1").fetchone())) == (1,)
    first.close()
    second.open()
    second.close()


def test_a_failed_opening_leaves_the_lock_free(path: Path) -> None:
    path.write_bytes(b"rubbish" * 100)
    with pytest.raises(StoreError):
        Database(path).open()
    path.unlink()
    database = Database(path)
    database.open()
    database.close()


def test_a_path_that_is_a_folder_is_named(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()
    with pytest.raises(StoreError, match=r"cannot be used now .unable to open"):
        Database(path).open()


def test_a_file_that_others_hold_is_not_called_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told that it is damaged, somebody would enrol the till anew and lose what waits."""
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 10)
    connect(path).close()
    intruder = sqlite3.connect(path, isolation_level=None)
    intruder.execute("PRAGMA locking_mode = EXCLUSIVE")
    intruder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"cannot be used now .database is locked"):
        connect(path)
    intruder.close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"till.lock: No such file or directory.*service's user"):
        Database(tmp_path / "nowhere" / "till.db").open()


# reading beside the daemon


def test_a_second_look_reads_and_cannot_write(path: Path) -> None:
    database = Database(path)
    database.open()
    asyncio.run(database.run(lambda db: db.execute("INSERT INTO setting VALUES ('a', 'b')") and None))
    look = connect_read_only(path)
    assert look.execute("SELECT value FROM setting").fetchall() == [("b",)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        look.execute("DELETE FROM setting")
    look.close()
    database.close()


def test_a_second_look_at_a_till_that_is_off_leaves_no_trace(path: Path) -> None:
    connect(path).close()
    look = connect_read_only(path)
    assert look.execute("SELECT count(*) FROM record").fetchone() == (0,)
    look.close()
    connect(path).close()


def test_a_second_look_at_nothing_says_what_to_do(path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist: is state_dir right"):
        connect_read_only(path)


def test_a_second_look_at_another_file_says_so(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        connect_read_only(path)


# one transaction


async def test_what_the_work_raises_is_raised_and_nothing_stays(path: Path) -> None:
    database = Database(path)
    database.open()

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO setting VALUES ('a', 'b')")
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await database.run(work)
    assert await database.run(lambda db: db.execute("SELECT count(*) FROM setting").fetchone()) == (0,)
    database.close()


async def test_a_bug_after_the_transaction_was_lost_is_still_that_bug(path: Path) -> None:
    """SQLite rolls back by itself after some errors: a second ROLLBACK must not hide what happened."""
    database = Database(path)
    database.open()

    def work(db: sqlite3.Connection) -> None:
        db.execute("ROLLBACK")
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await database.run(work)
    database.close()


async def test_a_database_error_is_the_ledgers_and_the_next_write_works(path: Path) -> None:
    database = Database(path)
    database.open()

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO setting VALUES ('a', 'b')")
        db.execute("INSERT INTO setting VALUES ('a', 'c')")

    with pytest.raises(LedgerUnavailable, match="UNIQUE"):
        await database.run(work)
    await database.run(lambda db: db.execute("INSERT INTO setting VALUES ('a', 'd')") and None)
    database.close()
    assert rows(path, "SELECT * FROM setting") == [("a", "d")]


async def test_a_caller_that_leaves_does_not_undo_the_commit(path: Path) -> None:
    database = Database(path)
    database.open()
    started, go_on = threading.Event(), threading.Event()

    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO setting VALUES ('a', 'b')")
        started.set()
        assert go_on.wait(20)

    task = asyncio.create_task(database.run(work))
    await asyncio.to_thread(started.wait, 20)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    database.close()
    assert rows(path, "SELECT * FROM setting") == [("a", "b")]


async def test_the_queue_has_a_bound(path: Path) -> None:
    database = Database(path)
    database.open()
    started, go_on = threading.Event(), threading.Event()

    def hold(_db: sqlite3.Connection) -> None:
        started.set()
        assert go_on.wait(20)

    def insert(db: sqlite3.Connection) -> int:
        return db.execute(
            "INSERT INTO evidence_record SELECT 1 + count(*), '{}', '', 'waiting', NULL FROM evidence_record"
        ).rowcount

    held = asyncio.create_task(database.run(hold))
    await asyncio.to_thread(started.wait, 20)
    waiting = [asyncio.create_task(database.run(insert)) for _ in range(store.QUEUE_MAX)]
    await asyncio.sleep(0)  # each has queued its job
    with pytest.raises(LedgerUnavailable, match=f"{store.QUEUE_MAX} writes are waiting"):
        await database.run(insert)
    go_on.set()
    await held
    assert sum(await asyncio.gather(*waiting)) == store.QUEUE_MAX
    database.close()
    assert rows(path, "SELECT count(*) FROM record") == [(store.QUEUE_MAX,)]


async def test_a_closed_database_says_so(path: Path) -> None:
    database = Database(path)
    database.open()
    database.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await asyncio.wait_for(database.run(lambda _db: None), 10)


async def test_another_writer_makes_the_ledger_unavailable_not_wrong(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 10)
    factory = Factory()
    with core(install(path.parent, factory), factory) as till:
        intruder = sqlite3.connect(path, isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        verdict = await till.redeem(factory.coupon(1))
        assert (verdict.outcome, verdict.detail) == ("till_stopped", "ledger_unavailable")
        intruder.execute("ROLLBACK")
        intruder.close()
        assert (await till.redeem(factory.coupon(1))).outcome == "accepted"
