"""`cloud.code_ports.CodeStore` in SQL that both engines read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from agent.domain import cbor
from agent.domain.codes import TABLE_CODES_MAX, TableHead, head_to_wire, read_head
from agent.domain.scan import Rule, read_rules, rule_to_wire
from cloud.code_ports import CodeSecret, ListedTable
from cloud.codes import new_secret
from cloud.errors import Refused
from cloud.store.sql import Db, Threads, campaign_lock
from cloud.store.sql_status import put_parts

_SECRET = "SELECT issuer, key_id, key, seed FROM code_secret"


class SqlCodes:
    """Over the threads of `cloud.store.sql_store.SqlStore`."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def secret(self, issuer: str) -> CodeSecret:
        def work(db: Db) -> CodeSecret:
            found = db.execute(f"{_SECRET} WHERE issuer = ?", (issuer,)).fetchone()
            if found is not None:
                return CodeSecret(*found)
            made = new_secret(issuer)
            db.execute(
                "INSERT INTO code_secret VALUES (?, ?, ?, ?)", (issuer, made.key_id, made.key, made.seed)
            )
            return made

        return await self._threads.write(work)

    async def secrets(self) -> list[CodeSecret]:
        rows = await self._threads.read(lambda db: db.execute(f"{_SECRET} ORDER BY issuer").fetchall())
        return [CodeSecret(*row) for row in rows]

    async def check_free(self, issuer: str, hashes: Sequence[bytes], campaign: int | None) -> None:
        def work(db: Db) -> None:
            for digest in hashes:
                found = _coupon_of(db, issuer, digest)
                if found is not None and found[0] != campaign:
                    raise _taken(found)

        await self._threads.read(work)

    async def add(self, head: TableHead, rows: Sequence[tuple[bytes, int]]) -> None:
        await self._threads.write(lambda db: _add(db, head, rows))

    async def tables(self) -> list[ListedTable]:
        rows = await self._threads.read(
            lambda db: db.execute(
                "SELECT issuer, campaign, number, sha256, length, made = count FROM code_table"
                " ORDER BY issuer, campaign, number"
            ).fetchall()
        )
        return [ListedTable(*row[:3], *(row[3:5] if row[5] else (b"", 0))) for row in rows]

    async def rows(self, table: ListedTable) -> tuple[TableHead, list[tuple[bytes, int]]]:
        key = (table.issuer, table.campaign, table.number)

        def work(db: Db) -> tuple[TableHead, list[tuple[bytes, int]]]:
            (head,) = db.execute(
                "SELECT head FROM code_table WHERE issuer = ? AND campaign = ? AND number = ?", key
            ).fetchone()
            rows = db.execute(
                "SELECT hash, idx FROM code WHERE issuer = ? AND campaign = ? AND number = ? ORDER BY hash",
                key,
            )
            return read_head(cbor.decode(head)), rows.fetchall()

        return await self._threads.read(work)

    async def put(self, table: ListedTable, count: int, content: bytes, at: str) -> ListedTable:
        sha256 = hashlib.sha256(content).digest()

        def work(db: Db) -> None:
            put_parts(db, {sha256: content}, at)
            db.execute(
                "UPDATE code_table SET made = ?, sha256 = ?, length = ?"
                " WHERE issuer = ? AND campaign = ? AND number = ?",
                (count, sha256, len(content), table.issuer, table.campaign, table.number),
            )

        await self._threads.write(work, campaign_lock(table.issuer, table.campaign))
        return replace(table, sha256=sha256, length=len(content))

    async def scan_rules(self) -> list[Rule]:
        row = await self._threads.read(lambda db: db.execute("SELECT document FROM scan_rules").fetchone())
        return [] if row is None else list(read_rules(json.loads(row[0])))

    async def put_scan_rules(self, rules: Sequence[Rule]) -> None:
        document = json.dumps([rule_to_wire(rule) for rule in rules])

        def work(db: Db) -> None:
            db.execute(
                "INSERT INTO scan_rules VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
                (document,),
            )

        await self._threads.write(work)


def _add(db: Db, head: TableHead, rows: Sequence[tuple[bytes, int]]) -> None:
    coupons = (head.issuer, head.campaign)
    new = [row for row in rows if not _listed(db, coupons, row)]
    wire = cbor.encode(head_to_wire(replace(head, count=1, bucket_bits=0)))
    while new:
        number, room = _room(db, coupons, wire)
        put, new = new[:room], new[room:]
        db.executemany(
            "INSERT INTO code VALUES (?, ?, ?, ?, ?)",
            [(head.issuer, digest, head.campaign, number, index) for digest, index in put],
        )
        db.execute(
            "UPDATE code_table SET count = count + ? WHERE issuer = ? AND campaign = ? AND number = ?",
            (len(put), *coupons, number),
        )


def _listed(db: Db, coupons: tuple[str, int], row: tuple[bytes, int]) -> bool:
    """True if this very code stands there already; Refused if it stands for another coupon."""
    found = _coupon_of(db, coupons[0], row[0])
    if found is not None and found != (coupons[1], row[1]):
        raise _taken(found)
    return found is not None


def _coupon_of(db: Db, issuer: str, digest: bytes) -> tuple[int, int] | None:
    found: tuple[int, int] | None = db.execute(
        "SELECT campaign, idx FROM code WHERE issuer = ? AND hash = ?", (issuer, digest)
    ).fetchone()
    return found


def _taken(coupon: tuple[int, int]) -> Refused:
    sentence = f"one of these codes stands for coupon {coupon[1]} of campaign {coupon[0]} already"
    return Refused(409, "code_exists", f"{sentence}: nothing was listed")


def _room(db: Db, coupons: tuple[str, int], wire: bytes) -> tuple[int, int]:
    """(number, free places) of the last table with this head, or of a new one."""
    found = db.execute(
        "SELECT number, count FROM code_table WHERE issuer = ? AND campaign = ? AND head = ?"
        " ORDER BY number DESC LIMIT 1",
        (*coupons, wire),
    ).fetchone()
    if found is not None and found[1] < TABLE_CODES_MAX:
        return found[0], TABLE_CODES_MAX - found[1]
    (number,) = db.execute(
        "SELECT 1 + coalesce(max(number), -1) FROM code_table WHERE issuer = ? AND campaign = ?", coupons
    ).fetchone()
    db.execute("INSERT INTO code_table VALUES (?, ?, ?, ?, 0, -1, ?, 0)", (*coupons, number, wire, b""))
    return number, TABLE_CODES_MAX
