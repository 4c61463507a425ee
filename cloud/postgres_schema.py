"""The schema in PostgreSQL: that of SQLite (`cloud.tables`) in PostgreSQL's words, so that it is written once.

A new database gets all tables as they stand; one of an older version gets what each script since adds. A distributed
PostgreSQL (Citus) takes the tables as they are: every unique key of a distributed table contains its column of
DISTRIBUTED (docs/operations.md).
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

from cloud.errors import SetupError
from cloud.tables import SCRIPTS, VERSION

if TYPE_CHECKING:
    import asyncpg

FIRST = 10
"""The version in which PostgreSQL began."""
DISTRIBUTED = {
    **dict.fromkeys(
        (
            "record",
            "refusal",
            "disclosure",
            "hole",
            "held",
            "implausible",
            "tally_place",
            "tally_late",
            "manifest",
            "promo",
        ),
        "till",
    ),
    **dict.fromkeys(("verdict", "verdict_head"), "till"),
    **dict.fromkeys(("coupon", "coupon_order", "coupon_use", "conflict", "mark", "reversal"), "campaign"),
    **dict.fromkeys(("campaign", "campaign_value", "status_part", "code_table"), "campaign"),
    **dict.fromkeys(("tally_place", "tally_late"), "till"),
    **dict.fromkeys(("tally", "trial_code", "settled"), "campaign"),
    "code": "hash",
    "part": "sha256",
}
"""Table -> the column that spreads it over machines."""
EVERYWHERE = frozenset(
    (
        "token",
        "place",
        "issuer_key",
        "till",
        "till_key",
        "code_secret",
        "scan_rules",
        "notice",
        "restore",
        "erasure",
        "erased",
        "staff_act",
        "till_seen",
        "trial",
    )
)
"""Small tables that change rarely: whole on each machine (reference tables)."""
_TYPES = {"INTEGER": "bigint", "BLOB": "bytea", "TEXT": 'text COLLATE "C"'}
_VERSION_TABLE = "redeemd_schema"


def translated(script: str) -> list[str]:
    """The statements of a SQLite script as PostgreSQL takes them."""
    text = re.sub(r"--[^\n]*", "", script)
    text = re.sub(r"\b(INTEGER|BLOB|TEXT)\b", lambda found: _TYPES[found[1]], text)
    text = re.sub(r"\)\s*STRICT(, WITHOUT ROWID)?", ")", text)
    return [statement for part in text.split(";\n") if (statement := part.strip().rstrip(";"))]


def tables(version: int = VERSION) -> list[str]:
    """CREATE statements of all tables and indexes, in an order that can be run."""
    scratch = sqlite3.connect(":memory:")
    try:
        for script in SCRIPTS[:version]:
            scratch.executescript(script)
        found = scratch.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
    finally:
        scratch.close()
    return [statement for (sql,) in found for statement in translated(sql)]


async def create(connection: asyncpg.Connection, version: int = VERSION) -> None:
    """Make the tables; SetupError if there is a cloud already. Within a transaction of the caller's."""
    if await _version(connection) is not None:
        raise SetupError("this database holds a cloud already; choose another one")
    for statement in (*tables(version), f"CREATE TABLE {_VERSION_TABLE} (version bigint PRIMARY KEY)"):
        await connection.execute(statement)
    await connection.execute(f"INSERT INTO {_VERSION_TABLE} VALUES ($1)", version)


async def check(connection: asyncpg.Connection) -> None:
    """Migrate where that is needed. Raises SetupError if there is no cloud in it, or one of a newer program."""
    found = await _version(connection)
    if found is None:
        raise SetupError("this database holds no cloud; make one with: redeemd cloud init DIR --database URL")
    if found > VERSION:
        sentence = f"was written by a newer redeemd (schema {found}, this one knows {VERSION})"
        raise SetupError(f"this database {sentence}")
    if found < VERSION:
        async with connection.transaction():
            await _migrate(connection)


async def _migrate(connection: asyncpg.Connection) -> None:
    # Receivers that start together wait here for the first of them.
    await connection.execute(f"LOCK TABLE {_VERSION_TABLE} IN EXCLUSIVE MODE")
    found = await _version(connection)
    for version in range(found or VERSION, VERSION):
        for statement in translated(SCRIPTS[version]):
            await connection.execute(statement)
        await connection.execute(f"UPDATE {_VERSION_TABLE} SET version = $1", version + 1)


async def _version(connection: asyncpg.Connection) -> int | None:
    if await connection.fetchval("SELECT to_regclass($1)::text", _VERSION_TABLE) is None:
        return None
    found: int = await connection.fetchval(f"SELECT version FROM {_VERSION_TABLE}")
    return found
