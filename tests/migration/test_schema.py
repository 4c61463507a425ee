"""Databases of earlier releases open, are brought forward once, and end up exactly as a fresh one.

Each `schema_N.sql` is a till's database as release N left it, as SQL text. Written by
`python -m tests.migration.test_schema` when a migration was added; never edited afterwards.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.store.database import Database, connect
from agent.store.inspect import stored_bundle
from agent.store.migrations import APPLICATION_ID, SCRIPTS, VERSION
from tests.core_kit import core, rows
from tests.factory import Factory, amount_off

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("schema_*.sql"), key=lambda file: int(file.stem.removeprefix("schema_")))


def restore(path: Path, script: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text("utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")


def schema(path: Path) -> list[tuple[object, ...]]:
    return rows(
        path,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE '%migrations%' ORDER BY name",
    )


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    tables = [name for kind, name, *_ in schema(path) if kind == "table"]
    return {str(name): sorted(rows(path, f"SELECT * FROM {name}"), key=repr) for name in tables}


def test_every_released_schema_is_kept() -> None:
    assert [file.name for file in FILES] == [f"schema_{n}.sql" for n in range(1, VERSION + 1)]


def test_migrations_are_numbered_without_gaps() -> None:
    assert [name[:4] for name, _ in SCRIPTS] == [f"{n:04}" for n in range(1, VERSION + 1)]


@pytest.mark.parametrize("script", FILES, ids=lambda file: file.stem)
def test_an_earlier_database_is_brought_forward_once(script: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.db"
    restore(path, script)
    before = content(path)
    for _ in range(2):
        connect(path).close()
        assert rows(path, "PRAGMA user_version") == [(VERSION,)]
        assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
        assert rows(path, "SELECT name FROM _sqlite_migrations ORDER BY id") == [
            (name,) for name, _ in SCRIPTS
        ]
        after = content(path)
        kept = {
            table: sorted((row[: len(rows_before[0])] for row in after[table]), key=repr)
            for table, rows_before in before.items()
            if rows_before
        }  # later columns stand behind those of then
        assert kept == {table: rows_before for table, rows_before in before.items() if rows_before}
    connect(tmp_path / "fresh.db").close()
    assert schema(path) == schema(tmp_path / "fresh.db")


@pytest.mark.parametrize("script", FILES, ids=lambda file: file.stem)
def test_an_earlier_till_goes_on_working(script: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.db"
    restore(path, script)
    database = Database(path)
    database.open()
    assert asyncio.run(database.run(stored_bundle)) is not None
    database.close()
    with core(path, Factory()) as till:
        waiting = asyncio.run(till.outbox.waiting("redemption", 10, 10**6))
        assert [record.record_id for record in waiting] == ["T-0001-1"]
        job = asyncio.run(till.prints.next_print())
        assert job is not None
        assert job.redemption_id == "T-0001-1"


def make(folder: Path) -> str:
    """A small till's database as SQL text."""
    factory = Factory(campaigns=[amount_off(size=100)])
    factory.install(folder)

    async def work() -> None:
        with core(folder / "till.db", factory) as till:
            await till.redeem(factory.coupon(1), request_id="key")
            await till.redeem(factory.coupon(1))

    asyncio.run(work())
    with closing(sqlite3.connect(folder / "till.db")) as connection:
        dump = "\n".join(connection.iterdump())
    return f"{dump}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {VERSION};\n"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        sys.stdout.write(make(Path(temporary)))
