"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres_server import PostgresServer, postgres_server

# These machines are shared: how long an example takes says nothing (make bench does).
settings.register_profile("redeemd", deadline=None)
settings.load_profile("redeemd")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, one of each test process; skips where there is none."""
    with postgres_server() as server:
        yield server
