"""Every `CloudStore` there is, each in a fresh database: what holds for one holds for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from cloud.access import digest
from cloud.ports import CloudStore
from cloud.staff import Role
from cloud.store import postgres
from cloud.store.postgres import PostgresStore
from cloud.store.sqlite_store import SqliteStore
from tests.postgres_server import PostgresServer
from tests.unit.cloud_kit import AT


async def _sqlite(_request: pytest.FixtureRequest, folder: Path) -> CloudStore:
    return SqliteStore(folder / "cloud.db")


async def _postgres(request: pytest.FixtureRequest, _folder: Path) -> CloudStore:
    server: PostgresServer = request.getfixturevalue("postgres")
    return await postgres_store(server)


async def postgres_store(server: PostgresServer) -> PostgresStore:
    url = server.fresh_database()
    await postgres.create(url, digest("first"), Role.ADMIN.value, AT)
    return PostgresStore(url)


STORES: dict[str, Callable[[pytest.FixtureRequest, Path], Awaitable[CloudStore]]] = {
    "sqlite": _sqlite,
    "postgres": _postgres,
}


@pytest.fixture(params=sorted(STORES))
def database(request: pytest.FixtureRequest) -> str | None:
    """What `cloud.main.init` makes its tables in: a new PostgreSQL database; None for SQLite."""
    if request.param == "sqlite":
        return None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh_database()


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudStore]:
    opened = await STORES[request.param](request, tmp_path)
    yield opened
    await opened.close()
