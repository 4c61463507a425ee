"""A database of the cloud as an older release left it opens with what it held."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from agent.domain.campaign import Returns
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.lists import LedgerLine
from cloud.store import schema, tables
from cloud.store.sqlite_store import SqliteStore
from cloud.tills import TillState
from tests.unit.cloud_kit import NOW, batch, campaign, enrolled, sealing_till

AT = "2026-03-01T04:00:00.000Z"
RECORD = (
    "INSERT INTO record VALUES"
    " (?, 'redemption', ?, ?, '', ?, 'redeemd.redemption.v1', ?, 'acme', 7, 5, 3000, '{}', ?)"
)


def of_schema_1(path: Path) -> None:
    """A coupon that two tills took, and one that a refused record took."""
    db = sqlite3.connect(path)
    db.executescript(tables.SCRIPTS[0])
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    for till in ("T-1", "T-2"):
        db.execute(RECORD, (till, 1, f"hash of {till}", f"{till}-1", AT, AT))
    use = "INSERT INTO coupon_use VALUES ('acme', 7, ?, 'T-1', 'redemption', ?, ?, ?, ?)"
    db.execute(use, (5, 1, "T-1-1", AT, AT))
    db.execute(use, (6, 1, "T-1-1", AT, AT))
    db.execute("INSERT INTO conflict VALUES ('acme', 7, 5, 'T-2', 'redemption', 1, 'T-2-1', ?)", (AT,))
    place = "INSERT INTO place VALUES ('S-1', 1, '{}')"
    db.execute(place)
    for till, state, key in (
        ("T-1", "enrolled", b"1" * 32),
        ("T-2", "waiting", None),
        ("T-3", "revoked", b"3" * 32),
    ):
        db.execute(
            "INSERT INTO till VALUES (?, 'S-1', ?, ?, ?, ?, ?)",
            (till, state, key, key and AT, till.encode(), AT),
        )
    db.commit()
    db.close()


async def test_conflicts_of_schema_1_are_doubles_with_their_hashes(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    of_schema_1(path)
    store = SqliteStore(path)
    try:
        (conflict,) = await store.conflicts(10)
        assert (conflict.kind, conflict.till, conflict.hash) == ("double", "T-2", "hash of T-2")
        assert (conflict.winner.till, conflict.winner.hash) == ("T-1", "hash of T-1")
        lines: list[LedgerLine] = await store.ledger(None, ("", "", 0), 10)
        assert [line.till for line in lines] == ["T-1", "T-2"]
        assert await store.mark_counts("acme", 7) == (2, 2, 0)
        assert await store.gaps(10) == []
    finally:
        await store.close()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (tables.VERSION,)


async def test_tills_of_schema_1_keep_their_keys_and_codes(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    of_schema_1(path)
    store = SqliteStore(path)
    try:
        one, two, three = await store.tills()
        assert (one.state, one.public_key, one.enrolled_at) == (TillState.ENROLLED, b"1" * 32, AT)
        assert one.keys_of("redemption", 1) == one.keys_of("evidence", 7) == [b"1" * 32]
        assert (two.state, two.keys) == (TillState.WAITING, ())
        assert (three.state, three.public_key) == (TillState.REVOKED, b"3" * 32)
        assert await store.enrol(b"T-1", b"1" * 32, "2026-01-01T00:00:00.000Z") == one, (
            "its code, used by its key"
        )
        assert await store.enrol(b"T-1", b"9" * 32, "2026-01-01T00:00:00.000Z") is None
    finally:
        await store.close()


async def test_a_conflict_of_schema_22_is_listed_when_a_return_ends_it(tmp_path: Path) -> None:
    """Schema 22 forgot a conflict with its end; what ends from now on stays listed."""
    path = tmp_path / "cloud.db"
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    store = SqliteStore(path)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(returns=Returns.COUPON), None, new_index_key())
    sale = two.redeem(5)
    for till, event in ((one, one.redeem(5)), (two, sale)):
        await ingest(store, till.known(), "redemption", batch([event]), lambda: NOW)
    await store.close()
    back_to_schema_22(path)
    store = SqliteStore(path)
    try:
        assert [line.redemption_id for line in await store.conflicts(10)] == ["T-2-1"]
        assert await store.conflicts(10, ended=True) == []
        await ingest(store, two.known(), "redemption", batch([two.give_back(sale)]), lambda: NOW)
        assert [line.redemption_id for line in await store.conflicts(10, ended=True)] == ["T-2-1"]
    finally:
        await store.close()


def back_to_schema_22(path: Path) -> None:
    """The same cloud as that release would have left it."""
    newer = path.rename(path.with_name("newer.db"))
    old = sqlite3.connect(path)
    for script in tables.SCRIPTS[:22]:
        old.executescript(script)
    old.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    old.execute("PRAGMA user_version = 22")
    old.execute("ATTACH ? AS newer", (str(newer),))
    for (table,) in old.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})").fetchall())
        old.execute(f"DELETE FROM main.{table}")
        old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    old.commit()
    old.close()
