"""The till's log file: laid out once, never made longer by a commit, read back whatever lies behind its last frame."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.store.database import Database, connect
from agent.store.log_file import LOG_BYTES, lay_out_log
from tests.core_kit import rows


def put(database: Database, name: str) -> None:
    asyncio.run(database.run(lambda db: db.execute("INSERT INTO setting VALUES (?, 'b')", (name,)) and None))


def test_no_commit_makes_the_log_longer(tmp_path: Path) -> None:
    path = tmp_path / "till.db"
    database = Database(path)
    database.open()
    log = path.with_name("till.db-wal")
    length = log.stat().st_size
    assert length >= LOG_BYTES
    for number in range(50):
        put(database, str(number))
    assert log.stat().st_size == length
    database.close()


@pytest.mark.parametrize("commits", [0, 1, 30])
def test_what_a_killed_till_left_is_read_from_a_log_that_ends_in_zeros(tmp_path: Path, commits: int) -> None:
    """Opened twice, so that zeros are put behind what a killed till had written as well."""
    path = tmp_path / "till.db"
    database, here = Database(path), path
    for life in range(2):
        database.open()
        for number in range(commits):
            put(database, f"{life} {number}")
        there = path.parent / str(life) / "till.db"
        there.parent.mkdir()
        for end in ("", "-wal"):  # as a kill leaves them: nothing closed, nothing copied back
            there.with_name(f"till.db{end}").write_bytes(here.with_name(f"till.db{end}").read_bytes())
        database.close()
        database, here = Database(there), there
    assert len(rows(here, "SELECT name FROM setting")) == 2 * commits
    connection = connect(here)
    assert len(connection.execute("SELECT name FROM setting").fetchall()) == 2 * commits
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_log_that_cannot_be_laid_out_stops_nobody(tmp_path: Path) -> None:
    lay_out_log(tmp_path / "not here" / "till.db")
    assert not list(tmp_path.iterdir())
