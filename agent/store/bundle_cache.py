"""The till's copy of its bundle, and who the till is. Applied in one transaction: the old or the new, never both."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.domain.parts import PromoCode
from agent.domain.time import from_timestamp, timestamp
from agent.store.database import Database


class SqlBundleCache:
    """`agent.ports.BundleCache` over the writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def root(self) -> bytes | None:
        return await self._one("SELECT root FROM bundle")

    async def manifest(self) -> bytes | None:
        return await self._one("SELECT manifest FROM bundle")

    async def mark(self) -> datetime | None:
        text = await self.setting("time_mark")
        return None if text is None else from_timestamp(text)

    async def parts(self) -> Mapping[str, bytes]:
        def read(connection: sqlite3.Connection) -> dict[str, bytes]:
            return dict(connection.execute("SELECT name, content FROM part").fetchall())

        return await self._database.run(read)

    async def apply(
        self, manifest: bytes, parts: Mapping[str, bytes], promos: Sequence[PromoCode], mark: datetime
    ) -> None:
        await self._database.run(lambda connection: store_bundle(connection, manifest, parts, promos, mark))

    async def setting(self, name: str) -> str | None:
        """One of the till's own facts (till, enrolled_at, ...)."""
        found = await self._database.run(
            lambda connection: connection.execute(
                "SELECT value FROM setting WHERE name = ?", (name,)
            ).fetchone()
        )
        return None if found is None else str(found[0])

    async def _one(self, statement: str) -> bytes | None:
        row = await self._database.run(lambda connection: connection.execute(statement).fetchone())
        return None if row is None else row[0]


def store_bundle(
    connection: sqlite3.Connection,
    manifest: bytes,
    parts: Mapping[str, bytes],
    promos: Sequence[PromoCode],
    mark: datetime,
) -> None:
    """Replace the stored bundle and set the mark, in a transaction of the caller's."""
    connection.execute("UPDATE bundle SET manifest = ?", (manifest,))
    connection.execute(
        "DELETE FROM part WHERE name NOT IN (SELECT value FROM json_each(?))", (json.dumps(sorted(parts)),)
    )
    for name, content in parts.items():
        connection.execute(
            "INSERT INTO part VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE"
            " SET sha256 = ?2, content = ?3 WHERE sha256 <> ?2 OR content <> ?3",
            (name, hashlib.sha256(content).digest(), content),
        )
    _replace_promos(connection, promos)
    connection.execute(
        "INSERT INTO setting VALUES ('time_mark', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (timestamp(mark),),
    )


def enrol(connection: sqlite3.Connection, till: str, root: bytes) -> None:
    """Record who this till is and which root it trusts; in a transaction of the caller's."""
    connection.execute(
        "INSERT INTO setting VALUES ('till', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (till,)
    )
    connection.execute(
        "INSERT INTO bundle (id, root) VALUES (1, ?) ON CONFLICT DO UPDATE SET root = excluded.root", (root,)
    )


def _replace_promos(connection: sqlite3.Connection, promos: Sequence[PromoCode]) -> None:
    """Free codes follow the bundle; taken ones are history."""
    connection.execute("DELETE FROM promo WHERE redemption_id IS NULL")
    for promo in promos:
        texts = {
            "title": [promo.title.zh, promo.title.en],
            "conditions": [promo.conditions.zh, promo.conditions.en],
        }
        connection.execute(
            "INSERT INTO promo (short, token, texts) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (promo.short, promo.token, json.dumps(texts, ensure_ascii=False)),
        )
