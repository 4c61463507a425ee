"""Tills, their enrolment codes and their keys in SQL: functions on an open transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agent.domain.record import GENESIS, LANES, SEQUENCE_MAX, ChainHead
from agent.domain.statement import KeyChange
from agent.domain.time import day_number
from cloud.chain import JUMP_MAX
from cloud.errors import Refused
from cloud.feed import TILL_ENROLLED, TILL_REVOKED
from cloud.store import sql_feed, sql_issuing, sql_news
from cloud.store.sql import Db
from cloud.tills import OUT_OF_USE, KeyStanding, LaneStart, Till, TillKey, TillState

ROOM = 100_000
"""Sequences kept free for what a lost disk had not sent: should it turn up, its records find their places."""
START_MAX = SEQUENCE_MAX // 10
"""No lane begins behind this: nine tenths of all sequences stay for what comes."""
KEYS_MAX = 200
"""A till's keys, beyond which it announces no further one: every signature in doubt is tried with all of them."""
PROMO_GRACE_DAYS = 400
"""Longer than any campaign goes on accepting a coupon behind its last day."""
_TILL = "SELECT till, store, state, enrolled_at, revoked_at FROM till"


def add(db: Db, till: str, store: str, code_digest: bytes, expires: str) -> None:
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


def renew_code(db: Db, till: str, code_digest: bytes, expires: str) -> bool:
    """`CloudStore.renew_code`."""
    return (
        db.execute(
            "UPDATE till SET code_digest = ?, code_expires = ?, code_key = NULL WHERE till = ?",
            (code_digest, expires, till),
        ).rowcount
        == 1
    )


def find(db: Db, till: str) -> Till | None:
    """`CloudStore.till`."""
    row = db.execute(f"{_TILL} WHERE till = ?", (till,)).fetchone()
    return None if row is None else _till(db, row)


def every(db: Db) -> list[Till]:
    """`CloudStore.tills`."""
    return [_till(db, row) for row in db.execute(f"{_TILL} ORDER BY till").fetchall()]


def enrol(db: Db, code_digest: bytes, public_key: bytes, at: str) -> Till | None:
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
    db.execute("UPDATE promo SET out = 2 WHERE till = ? AND out IN (0, 4)", (name,))
    db.execute(
        "UPDATE till SET state = 'enrolled', enrolled_at = ?, revoked_at = NULL, code_key = ? WHERE till = ?",
        (at, public_key, name),
    )
    sql_feed.note(db, TILL_ENROLLED, f"enrolled-{name}-{at}", name, at, {"till": name, "store": till.store})
    return find(db, name)


def revoke(db: Db, till: str, at: str, keep_promos: bool) -> int | None:
    """`CloudStore.revoke_till`."""
    was = find(db, till)
    changed = db.execute(
        "UPDATE till SET state = 'revoked', revoked_at = coalesce(revoked_at, ?), code_digest = NULL WHERE till = ?",
        (at, till),
    )
    if changed.rowcount == 0:
        return None
    if was is not None and was.state is not TillState.REVOKED:
        sql_feed.note(db, TILL_REVOKED, f"revoked-{till}-{at}", till, at, {"till": till, "store": was.store})
    db.execute("UPDATE till_key SET revoked_at = coalesce(revoked_at, ?) WHERE till = ?", (at, till))
    sql_news.tell(db)
    return 0 if keep_promos else _revoke_promos(db, till, at)


def _revoke_promos(db: Db, till: str, at: str) -> int:
    """Those that no record reported as handed out stand on the till's disk: whoever has it could spend them."""
    rows = db.execute(
        "SELECT issuer, campaign, idx FROM promo WHERE till = ? AND out <> 1 AND out <> 3 AND expires > ?",
        (till, day_number(datetime.fromisoformat(at), UTC) - PROMO_GRACE_DAYS),
    ).fetchall()
    by_campaign: dict[tuple[str, int], list[int]] = {}
    for issuer, campaign, index in rows:
        by_campaign.setdefault((issuer, campaign), []).append(index)
    db.execute("UPDATE promo SET out = 2 WHERE till = ? AND out IN (0, 4)", (till,))
    return sum(sql_issuing.revoke(db, *coupons, indexes, at) for coupons, indexes in by_campaign.items())


def change_key(db: Db, change: KeyChange) -> Till:
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
    if len(till.keys) >= KEYS_MAX:
        raise Refused(
            409, "too_many_keys", f"till {change.till} had {KEYS_MAX} keys: enrol it anew, with a code"
        )
    begins = {}
    for lane in LANES:
        after, last = change.lanes[lane], heads(db, change.till, lane)[0]
        if after < last:
            raise Refused(409, "lane_behind", f"record {last} of lane {lane} is here, signed by the old key")
        if after > last + JUMP_MAX:
            sentence = (
                f"the last record of lane {lane} that is here is {last}: deliver what waits, then announce"
            )
            raise Refused(409, "lane_ahead", sentence)
        begins[lane] = LaneStart(after, after, "")
    db.execute(
        "DELETE FROM till_key WHERE till = ? AND standing = 'announced' AND public_key = ?",
        (change.till, change.new),
    )
    # Another one that was announced is kept: the till may have begun to sign with it, and a copied key announces this.
    db.execute(
        "UPDATE till_key SET standing = 'dropped' WHERE till = ? AND standing = 'announced'", (change.till,)
    )
    _insert_key(db, change.till, change.new, KeyStanding.ANNOUNCED, begins)
    found = find(db, change.till)
    assert found is not None, "it is there"
    return found


def confirm_key(db: Db, till: str, public_key: bytes) -> None:
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


def put_time_statement(db: Db, till: str, statement: bytes) -> bool:
    """`CloudStore.put_time_statement`."""
    done = db.execute("UPDATE till SET time_statement = ? WHERE till = ?", (statement, till))
    return done.rowcount == 1


def _fresh_starts(db: Db, till: str) -> dict[str, LaneStart]:
    """Where the lanes go on after a disk was lost: well behind whatever it may have recorded and not sent."""
    begins = {}
    for lane in LANES:
        last, digest = heads(db, till, lane)
        begins[lane] = LaneStart(last, -(-(last + ROOM) // ROOM) * ROOM, digest)
        if begins[lane].after > START_MAX:
            raise Refused(409, "lane_full", f"lane {lane} has no sequences left: give the till another name")
    return begins


def heads(db: Db, till: str, lane: str) -> tuple[int, str]:
    """(highest sequence stored or given away before, hash of the last stored record)

    What was refused does not count: nobody can say whether the till made it, and the room left is wide enough if so.
    """
    end = last_stored(db, till, lane)
    head = ChainHead() if end is None else ChainHead(*end[:2])
    return given(keys_of(db, till), lane, head.sequence), head.hash


def last_stored(db: Db, till: str, lane: str) -> tuple[int, str, str] | None:
    """(sequence, hash, prevhash) of the last record of a lane."""
    found: tuple[int, str, str] | None = db.execute(
        "SELECT sequence, hash, prevhash FROM record WHERE till = ? AND lane = ? ORDER BY sequence DESC LIMIT 1",
        (till, lane),
    ).fetchone()
    return found


class KeyOf(NamedTuple):
    """A key that a till has or had."""

    public_key: bytes
    standing: str
    lanes: dict[str, LaneStart]
    revoked_at: str | None


def keys_of(db: Db, till: str) -> list[KeyOf]:
    """The oldest first."""
    rows = db.execute(
        "SELECT public_key, standing, lanes, revoked_at FROM till_key WHERE till = ? ORDER BY generation",
        (till,),
    )
    return [
        KeyOf(
            key, standing, {lane: LaneStart(*start) for lane, start in json.loads(lanes).items()}, revoked_at
        )
        for key, standing, lanes, revoked_at in rows
    ]


def given(keys: Iterable[KeyOf], lane: str, last: int) -> int:
    """The highest sequence that is stored (`last`) or was given away when a key began."""
    uncounted = (KeyStanding.ANNOUNCED, KeyStanding.DROPPED)
    return max([last, *(key.lanes[lane].after for key in keys if key.standing not in uncounted)])


def starts(keys: Iterable[KeyOf], lane: str) -> dict[int, str]:
    """Where the till's keys begin to sign: sequence -> hash that the first record behind it follows."""
    return {key.lanes[lane].after: key.lanes[lane].hash for key in keys}


def revoked_keys(keys: Iterable[KeyOf]) -> set[bytes]:
    """Those of a till that was revoked when it had them; being enrolled anew does not mend them."""
    return {key.public_key for key in keys if key.revoked_at is not None}


def _insert_key(
    db: Db, till: str, public_key: bytes, standing: KeyStanding, starts: dict[str, LaneStart]
) -> None:
    generation = db.execute(
        "SELECT coalesce(max(generation), 0) + 1 FROM till_key WHERE till = ?", (till,)
    ).fetchone()[0]
    lanes = json.dumps({lane: list(start) for lane, start in starts.items()})
    db.execute(
        "INSERT INTO till_key (till, generation, public_key, standing, lanes) VALUES (?, ?, ?, ?, ?)",
        (till, generation, public_key, standing.value, lanes),
    )


def _till(db: Db, row: tuple[Any, ...]) -> Till:
    name, store, state, enrolled_at, revoked_at = row
    keys = tuple(TillKey(key.public_key, KeyStanding(key.standing), key.lanes) for key in keys_of(db, name))
    return Till(name, store, TillState(state), enrolled_at, keys, revoked_at)
