"""Who does the work at the connection: the caller's thread or the writer's, one at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store import database as store
from agent.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "till.db")
    opened.open()
    yield opened
    opened.close()


def where(_connection: sqlite3.Connection) -> str:
    return threading.current_thread().name


async def test_brief_work_is_done_at_once_where_the_disk_is_brisk(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a slow commit it goes to the writer's thread, until a commit there was brisk again."""
    here = threading.current_thread().name
    monkeypatch.setattr(store, "BRISK_S", 1000.0)
    assert await database.run(where, brief=True) == "ledger", "no commit has shown yet how the disk is"
    assert await database.run(where, brief=True) == here
    assert await database.run(where) == "ledger"
    monkeypatch.setattr(store, "BRISK_S", -1.0)
    assert await database.run(where, brief=True) == here
    assert await database.run(where, brief=True) == "ledger"
    assert await database.run(where, brief=True) == "ledger"


async def test_brief_work_waits_its_turn(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the writer is at something long, the event loop goes on."""
    monkeypatch.setattr(store, "BRISK_S", 1000.0)
    await database.run(where)
    started, go_on = threading.Event(), threading.Event()

    def hold(_db: sqlite3.Connection) -> None:
        started.set()
        assert go_on.wait(20)

    held = asyncio.create_task(database.run(hold))
    await asyncio.to_thread(started.wait, 20)
    brief = asyncio.create_task(database.run(where, brief=True))
    await asyncio.sleep(0)
    assert not brief.done()
    go_on.set()
    await held
    assert await brief == "ledger"
