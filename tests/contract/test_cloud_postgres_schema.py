"""PostgreSQL has the tables of SQLite, and a distributed PostgreSQL would take them as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.errors import SetupError
from cloud.store import postgres_schema
from cloud.store.postgres import PostgresStore, create
from cloud.store.postgres_schema import DISTRIBUTED, EVERYWHERE, FIRST
from cloud.store.schema import connect
from cloud.store.tables import VERSION
from tests.postgres_server import PostgresServer

AT = "2026-03-01T04:00:00.000Z"
_COLUMNS = """
SELECT table_name::text, column_name::text, is_nullable = 'NO' FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'redeemd_schema' ORDER BY table_name, ordinal_position
"""
_UNIQUE = """
SELECT c.relname::text, i.relname::text, array_agg(a.attname::text) FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(x.indkey)
WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace GROUP BY 1, 2
"""


@pytest.fixture
async def connection(postgres: PostgresServer) -> AsyncIterator[Any]:
    import asyncpg

    opened = await asyncpg.connect(postgres.fresh_database())
    yield opened
    await opened.close()


async def test_both_engines_have_the_same_columns(connection: Any, tmp_path: Path) -> None:
    await postgres_schema.create(connection)
    ours = [tuple(row) for row in await connection.fetch(_COLUMNS)]
    embedded: sqlite3.Connection = connect(tmp_path / "cloud.db")
    tables = embedded.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    theirs = [
        (table, name, bool(notnull or key))
        for (table,) in tables
        for _, name, _, notnull, _, key in embedded.execute(f"PRAGMA table_info({table})")
    ]
    embedded.close()
    assert ours == sorted(theirs, key=lambda column: column[0])


async def test_every_unique_key_of_a_distributed_table_contains_its_column(connection: Any) -> None:
    await postgres_schema.create(connection)
    keys = await connection.fetch(_UNIQUE)
    tables = {table for table, _, _ in await connection.fetch(_COLUMNS)}
    assert tables == DISTRIBUTED.keys() | EVERYWHERE, "each table has its place"
    assert not DISTRIBUTED.keys() & EVERYWHERE
    assert {table for table, _, _ in keys} >= DISTRIBUTED.keys(), "each has a key"
    for table, index, columns in keys:
        if table in DISTRIBUTED:
            assert DISTRIBUTED[table] in columns, f"{index}: its uniqueness could not be held"


async def test_an_older_schema_becomes_the_newest(postgres: PostgresServer, connection: Any) -> None:
    import asyncpg

    await postgres_schema.create(connection)
    newest = await connection.fetch(_COLUMNS)
    old = await asyncpg.connect(postgres.fresh_database())
    try:
        await postgres_schema.create(old, FIRST)
        await postgres_schema.check(old)
        assert await old.fetch(_COLUMNS) == newest
        assert await old.fetchval("SELECT version FROM redeemd_schema") == VERSION
    finally:
        await old.close()


async def test_what_is_no_cloud_is_refused(postgres: PostgresServer, connection: Any) -> None:
    database = await connection.fetchval("SELECT current_database()")
    url = postgres.url(database)
    store = PostgresStore(url)
    try:
        with pytest.raises(SetupError, match="redeemd cloud init DIR --database URL"):
            await store.ping()
        await create(url, b"digest", "admin", AT)
        await store.ping()
        with pytest.raises(SetupError, match="a cloud already"):
            await create(url, b"digest", "admin", AT)
    finally:
        await store.close()
    await connection.execute("UPDATE redeemd_schema SET version = 999")
    newer = PostgresStore(url)
    try:
        with pytest.raises(SetupError, match="newer redeemd"):
            await newer.ping()
    finally:
        await newer.close()
