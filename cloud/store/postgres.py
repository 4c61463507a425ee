"""`cloud.ports.CloudStore` on PostgreSQL: for many receivers, and for more than one machine."""

from __future__ import annotations

from cloud.errors import SetupError
from cloud.store import postgres_schema
from cloud.store.postgres_thread import CONNECTIONS, PostgresThreads, failures, open_connection
from cloud.store.sql_store import SqlStore


class PostgresStore(SqlStore):
    """The database at `url`, which `create` made. A database that must not be used raises SetupError at first use."""

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        super().__init__(PostgresThreads(url, connections))


async def create(url: str, token_digest: bytes, role: str, at: str) -> None:
    """Make the tables in an empty database, with the first admin token. Raises SetupError."""
    try:
        connection = await open_connection(url)
        try:
            async with connection.transaction():
                await postgres_schema.create(connection)
                await connection.execute(
                    "INSERT INTO token (digest, role, name, added_at) VALUES ($1, $2, 'first', $3)",
                    token_digest,
                    role,
                    at,
                )
        finally:
            await connection.close()
    except failures() as error:
        raise SetupError(f"the database cannot be used: {type(error).__name__} {error}") from error
