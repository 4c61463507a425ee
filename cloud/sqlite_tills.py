"""Tills, their enrolment codes and their keys in SQLite: functions on an open transaction."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from agent.domain.record import GENESIS, LANES, ChainHead
from agent.domain.statement import KeyChange
from cloud.errors import Refused
from cloud.tills import OUT_OF_USE, KeyStanding, LaneStart, Till, TillKey, TillState

ROOM = 100_000
"""Sequences kept free for what a lost disk had not sent: should it turn up, its records find their places."""
_TILL = "SELECT till, store, state, enrolled_at, revoked_at FROM till"


def add(db: sqlite3.Connection, till: str, store: str, code_digest: bytes, expires: str) -> None:
    """`CloudStore.add_till`."""
    if db.execute("SELECT 1 FROM place WHERE store = ?", (store,)).fetchone() is None:
        raise Refused(404, "unknown_store", f"there is no store {store}")
    row = db.execute("SELECT state FROM till WHERE till = ?", (till,)).fetchone()
    if row is not None and row[0] != TillState.WAITING:
        sentence = f"till {till} is {row[0]} already; for a new disk or after a revocation give it a new code"
        raise Refused(409, "till_exists", sentence)
    db.execute(
        "INSERT INTO till (till, store, state, code_digest, code_expires) VALUES (?, ?, 'waiting', ?, ?)"
        " ON CONFLICT (till) DO UPDATE SET"
        " store = excluded.store, code_digest = excluded.code_digest, code_expires = excluded.code_expires",
        (till, store, code_digest, expires),
    )


def renew_code(db: sqlite3.Connection, till: str, code_digest: bytes, expires: str) -> bool:
    """`CloudStore.renew_code`."""
    return (
        db.execute(
            "UPDATE till SET code_digest = ?, code_expires = ?, code_key = NULL WHERE till = ?",
            (code_digest, expires, till),
        ).rowcount
        == 1
    )


def find(db: sqlite3.Connection, till: str) -> Till | None:
    """`CloudStore.till`."""
    row = db.execute(f"{_TILL} WHERE till = ?", (till,)).fetchone()
    return None if row is None else _till(db, row)


def every(db: sqlite3.Connection) -> list[Till]:
    """`CloudStore.tills`."""
    return [_till(db, row) for row in db.execute(f"{_TILL} ORDER BY till").fetchall()]


def enrol(db: sqlite3.Connection, code_digest: bytes, public_key: bytes, at: str) -> Till | None:
    """`CloudStore.enrol`."""
    row = db.execute(
        "SELECT till, code_key FROM till WHERE code_digest = ? AND code_expires > ?", (code_digest, at)
    ).fetchone()
    if row is None:
        return None
    name, used_by = row
    till = find(db, name)
    assert till is not None, "it was found by its code"
    if used_by is not None:
        same = used_by == public_key == till.public_key and till.state is TillState.ENROLLED
        return till if same else None
    if any(key.public_key == public_key for key in till.keys):
        raise Refused(409, "key_used", "this till had that key before: enrolling again takes a new one")
    starts = _fresh_starts(db, name) if till.keys else {lane: LaneStart(0, 0, GENESIS) for lane in LANES}
    db.execute(
        "UPDATE till_key SET standing = CASE standing WHEN 'current' THEN 'replaced' WHEN 'announced' THEN 'dropped'"
        " ELSE standing END WHERE till = ?",
        (name,),
    )
    _insert_key(db, name, public_key, KeyStanding.CURRENT, starts)
    # What the lost disk still had may have been printed: those codes are not given out again.
    db.execute("UPDATE promo SET out = 1 WHERE till = ?", (name,))
    db.execute(
        "UPDATE till SET state = 'enrolled', enrolled_at = ?, revoked_at = NULL, code_key = ? WHERE till = ?",
        (at, public_key, name),
    )
    return find(db, name)


def revoke(db: sqlite3.Connection, till: str, at: str) -> bool:
    """`CloudStore.revoke_till`."""
    changed = db.execute(
        "UPDATE till SET state = 'revoked', revoked_at = coalesce(revoked_at, ?), code_digest = NULL WHERE till = ?",
        (at, till),
    )
    return changed.rowcount == 1


def change_key(db: sqlite3.Connection, change: KeyChange) -> Till:
    """`CloudStore.change_till_key`."""
    till = find(db, change.till)
    if till is None or till.state is not TillState.ENROLLED:
        raise Refused(409, "not_enrolled", f"till {change.till} is not enrolled")
    if till.public_key == change.new:
        return till  # it is known already; the answer was lost
    if any(key.public_key == change.old and key.standing is KeyStanding.ANNOUNCED for key in till.keys):
        confirm_key(
            db, change.till, change.old
        )  # it signs already, and this is the first that is heard of it
        till = find(db, change.till)
        assert till is not None, "it was there"
    if till.public_key != change.old or any(
        key.public_key == change.new and key.standing in OUT_OF_USE for key in till.keys
    ):
        raise Refused(409, "other_key", "the old key is not this till's, or the new one was its key before")
    starts = {}
    for lane in LANES:
        last = _heads(db, change.till, lane)[0]
        if change.lanes[lane] < last:
            raise Refused(409, "lane_behind", f"record {last} of lane {lane} is here, signed by the old key")
        starts[lane] = LaneStart(change.lanes[lane], change.lanes[lane], "")
    db.execute("DELETE FROM till_key WHERE till = ? AND standing = 'announced'", (change.till,))
    _insert_key(db, change.till, change.new, KeyStanding.ANNOUNCED, starts)
    found = find(db, change.till)
    assert found is not None, "it is there"
    return found


def confirm_key(db: sqlite3.Connection, till: str, public_key: bytes) -> None:
    """`CloudStore.confirm_till_key`."""
    announced = db.execute(
        "SELECT 1 FROM till_key WHERE till = ? AND public_key = ? AND standing = 'announced'",
        (till, public_key),
    ).fetchone()
    if announced is not None:
        db.execute(
            "UPDATE till_key SET standing = 'replaced' WHERE till = ? AND standing = 'current'", (till,)
        )
        db.execute(
            "UPDATE till_key SET standing = 'current' WHERE till = ? AND public_key = ?", (till, public_key)
        )


def put_time_statement(db: sqlite3.Connection, till: str, statement: bytes) -> bool:
    """`CloudStore.put_time_statement`."""
    done = db.execute("UPDATE till SET time_statement = ? WHERE till = ?", (statement, till))
    return done.rowcount == 1


def _fresh_starts(db: sqlite3.Connection, till: str) -> dict[str, LaneStart]:
    """Where the lanes go on after a disk was lost: well behind whatever it may have recorded and not sent."""
    starts = {}
    for lane in LANES:
        last, digest = _heads(db, till, lane)
        starts[lane] = LaneStart(last, -(-(last + ROOM) // ROOM) * ROOM, digest)
    return starts


def _heads(db: sqlite3.Connection, till: str, lane: str) -> tuple[int, str]:
    """(highest sequence stored, refused or given away before, hash of the last stored record)"""
    found = db.execute(
        "SELECT sequence, hash FROM record WHERE till = ? AND lane = ? ORDER BY sequence DESC LIMIT 1",
        (till, lane),
    ).fetchone()
    head = ChainHead() if found is None else ChainHead(*found)
    refused = db.execute(
        "SELECT coalesce(max(sequence), 0) FROM refusal WHERE till = ? AND lane = ?", (till, lane)
    ).fetchone()[0]
    given = [
        json.loads(row[0])[lane][1]
        for row in db.execute(
            "SELECT lanes FROM till_key WHERE till = ? AND standing NOT IN ('announced', 'dropped')", (till,)
        )
    ]
    return max(head.sequence, refused, *given, 0), head.hash


def _insert_key(
    db: sqlite3.Connection, till: str, public_key: bytes, standing: KeyStanding, starts: dict[str, LaneStart]
) -> None:
    generation = db.execute(
        "SELECT coalesce(max(generation), 0) + 1 FROM till_key WHERE till = ?", (till,)
    ).fetchone()[0]
    lanes = json.dumps({lane: list(start) for lane, start in starts.items()})
    db.execute(
        "INSERT INTO till_key VALUES (?, ?, ?, ?, ?)", (till, generation, public_key, standing.value, lanes)
    )


def _till(db: sqlite3.Connection, row: tuple[Any, ...]) -> Till:
    name, store, state, enrolled_at, revoked_at = row
    keys = tuple(
        TillKey(
            public_key,
            KeyStanding(standing),
            {lane: LaneStart(*start) for lane, start in json.loads(lanes).items()},
        )
        for public_key, standing, lanes in db.execute(
            "SELECT public_key, standing, lanes FROM till_key WHERE till = ? ORDER BY generation", (name,)
        )
    )
    return Till(name, store, TillState(state), enrolled_at, keys, revoked_at)
