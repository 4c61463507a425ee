"""The till's copy of its bundle, and who the till is. Applied in one transaction: the old or the new, never both."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.domain.bundle import open_root
from agent.domain.parts import PromoCode
from agent.domain.time import Anchor, from_timestamp
from agent.ports import CodeShelf
from agent.store import till_facts
from agent.store.codes import code_shelf
from agent.store.database import Database


class SqlBundleCache:
    """`agent.ports.BundleCache` over the writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.codes: CodeShelf = code_shelf(database.path)

    async def root(self) -> bytes | None:
        return await self._one("SELECT document FROM root ORDER BY epoch DESC LIMIT 1")

    async def add_root(self, epoch: int, document: bytes) -> None:
        await self._database.run(lambda connection: store_root(connection, epoch, document))

    async def judge(self) -> bytes | None:
        return await self._one("SELECT document FROM bundle JOIN root USING (epoch)")

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
        self, manifest: bytes, parts: Mapping[str, bytes], promos: Sequence[PromoCode], mark: Anchor
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            self._database.seen.no_promo.clear()
            store_bundle(connection, manifest, parts, promos, mark)

        await self._database.run(work)

    async def anchor(self) -> Anchor | None:
        return await self._database.run(till_facts.read_anchor)

    async def revoke(self, statement: bytes) -> None:
        await self._database.run(lambda connection: till_facts.revoke(connection, statement))

    async def revocation(self) -> bytes | None:
        return await self._database.run(till_facts.revocation)

    async def lift_revocation(self) -> None:
        await self._database.run(till_facts.lift_revocation)

    async def last_time_statement(self) -> int:
        return await self._database.run(till_facts.last_time_statement)

    async def repair_time(self, number: int, mark: Anchor) -> bool:
        return await self._database.run(lambda connection: till_facts.repair_time(connection, number, mark))

    async def setting(self, name: str) -> str | None:
        """One of the till's own facts (till, enrolled_at, ...)."""
        return await self._database.run(lambda connection: till_facts.setting(connection, name))

    async def _one(self, statement: str) -> bytes | None:
        row = await self._database.run(lambda connection: connection.execute(statement).fetchone())
        return None if row is None else row[0]


def store_bundle(
    connection: sqlite3.Connection,
    manifest: bytes,
    parts: Mapping[str, bytes],
    promos: Sequence[PromoCode],
    mark: Anchor,
) -> None:
    """Replace the stored bundle and set the mark, in a transaction of the caller's."""
    connection.execute("UPDATE bundle SET manifest = ?, epoch = (SELECT max(epoch) FROM root)", (manifest,))
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
    till_facts.put_anchor(connection, mark)


def store_root(connection: sqlite3.Connection, epoch: int, document: bytes) -> None:
    """Add a root that was checked, in a transaction of the caller's; again is no error."""
    connection.execute("INSERT INTO root VALUES (?, ?) ON CONFLICT DO NOTHING", (epoch, document))


def enrol(connection: sqlite3.Connection, till: str, root: bytes) -> None:
    """Record who this till is and which root it trusts; in a transaction of the caller's."""
    connection.execute(
        "INSERT INTO setting VALUES ('till', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (till,)
    )
    connection.execute("INSERT INTO bundle (id) VALUES (1) ON CONFLICT DO NOTHING")
    known = connection.execute("SELECT document FROM root ORDER BY epoch DESC LIMIT 1").fetchone()
    if (
        known is None or known[0] != root
    ):  # trust begins anew: what another chain signed says nothing any more
        connection.execute("UPDATE bundle SET manifest = NULL, epoch = NULL")
        connection.execute("DELETE FROM root")
        store_root(connection, open_root(root).root.epoch, root)


def _replace_promos(connection: sqlite3.Connection, promos: Sequence[PromoCode]) -> None:
    """Free codes follow the bundle; taken ones are history."""
    connection.execute("DELETE FROM promo WHERE redemption_id IS NULL")
    for promo in promos:
        connection.execute(
            "INSERT INTO promo (short, token, texts, issuer, campaign, idx, expires)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            promo_row(promo),
        )


def promo_row(promo: PromoCode) -> tuple[str, str, str, str, int, int, int]:
    """(short, token, texts, issuer, campaign, idx, expires)"""
    texts = {
        "title": [promo.title.zh, promo.title.en],
        "conditions": [promo.conditions.zh, promo.conditions.en],
    }
    said = json.dumps(texts, ensure_ascii=False)
    return promo.short, promo.token, said, promo.issuer, promo.campaign, promo.index, promo.expires
