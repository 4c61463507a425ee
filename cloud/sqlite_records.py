"""Records, uses and conflicts in SQLite: functions on an open transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from cloud.chain import ChainView, Entry, Fate, places
from cloud.ports import Appended, ConflictLine, Judge, LedgerLine, RefusalLine, Win

_SOME = "SELECT value FROM json_each(?)"
_INSERT_RECORD = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_USE = "INSERT INTO coupon_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_WIN = "SELECT till, lane, sequence, redemption_id, received_at, time FROM coupon_use"


def append(
    db: sqlite3.Connection, till: str, lane: str, entries: Sequence[Entry], judge: Judge, at: str
) -> list[Appended]:
    """`CloudStore.append`."""
    done = []
    for entry, ruling in zip(entries, judge(chain_view(db, till, lane, entries), entries), strict=True):
        won_by = None
        if ruling.fate is Fate.STORE:
            won_by = _store(db, till, lane, entry, at)
        elif ruling.fate is Fate.DUPLICATE:
            won_by = _lost_to(db, till, lane, entry)
        elif ruling.fate is Fate.REFUSE:
            _use_all_the_same(db, till, lane, ruling.place, entry, at)
            db.execute(
                "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (till, lane, ruling.place, entry.hash, ruling.code, entry.record_id, entry.text, at),
            )
        done.append(Appended(ruling, won_by))
    return done


def chain_view(db: sqlite3.Connection, till: str, lane: str, entries: Sequence[Entry]) -> ChainView:
    """The lane's head, and what stands at, before and behind each sequence that the entries may be placed at."""
    key = (till, lane)
    head = max(
        db.execute(
            f"SELECT coalesce(max(sequence), 0) FROM {table} WHERE till = ? AND lane = ?", key
        ).fetchone()[0]
        for table in ("record", "refusal")
    )
    wanted = {place + step for place in places(entries, head) for step in (-1, 0, 1)}
    some = (*key, json.dumps(sorted(wanted)))
    stored = {
        sequence: (own, before)
        for sequence, own, before in db.execute(
            f"SELECT sequence, hash, prevhash FROM record WHERE till = ? AND lane = ? AND sequence IN ({_SOME})",
            some,
        )
    }
    refused: dict[int, frozenset[str]] = {}
    for sequence, claimed in db.execute(
        f"SELECT sequence, hash FROM refusal WHERE till = ? AND lane = ? AND sequence IN ({_SOME})", some
    ):
        refused[sequence] = refused.get(sequence, frozenset()) | {claimed}
    return ChainView(head, stored, refused)


def _store(db: sqlite3.Connection, till: str, lane: str, entry: Entry, at: str) -> Win | None:
    coupon = entry.coupon
    identity = (None, None, None) if coupon is None else (coupon.issuer, coupon.campaign, coupon.index)
    said = (entry.record_id, entry.kind, entry.time, *identity, entry.discount_minor, entry.text, at)
    db.execute(_INSERT_RECORD, (till, lane, entry.sequence, entry.hash, entry.prevhash, *said))
    if entry.promo is not None:
        db.execute("UPDATE promo SET out = 1 WHERE till = ? AND short = ?", (till, entry.promo))
    if coupon is None:
        return None
    use = (*identity, till, lane, entry.sequence, entry.record_id, at)
    if _use(db, use, entry.time):
        return None
    winner = _lost_to(db, till, lane, entry)
    if winner is not None:
        db.execute("INSERT INTO conflict VALUES (?, ?, ?, ?, ?, ?, ?, ?)", use)
    return winner


def _use(db: sqlite3.Connection, use: tuple[object, ...], time: str) -> bool:
    """Enter a coupon's use; False if it was used before."""
    # A promo code that comes back was handed out, whether or not the till has said so.
    db.execute("UPDATE promo SET out = 1 WHERE issuer = ? AND campaign = ? AND idx = ? AND NOT out", use[:3])
    return db.execute(_INSERT_USE, (*use, time)).rowcount == 1


def _use_all_the_same(
    db: sqlite3.Connection, till: str, lane: str, place: int, entry: Entry, at: str
) -> None:
    """A record that does not fit the chain, yet is signed by the till, tells of a coupon that was taken: it is used."""
    coupon = entry.coupon
    if coupon is not None and not entry.fault:
        use = (coupon.issuer, coupon.campaign, coupon.index, till, lane, place, entry.record_id, at)
        _use(db, use, entry.time)


def _lost_to(db: sqlite3.Connection, till: str, lane: str, entry: Entry) -> Win | None:
    """The record that used the coupon of `entry` first, None if it was this one (or itself, refused before)."""
    coupon = entry.coupon
    if coupon is None:
        return None
    winner = _winner(db, (coupon.issuer, coupon.campaign, coupon.index))
    own = (till, lane, entry.sequence)
    return None if winner is None or (winner.till, winner.lane, winner.sequence) == own else winner


def _winner(db: sqlite3.Connection, identity: tuple[object, ...]) -> Win | None:
    row = db.execute(f"{_WIN} WHERE issuer = ? AND campaign = ? AND idx = ?", identity).fetchone()
    return None if row is None else Win(*row)


def ledger(
    db: sqlite3.Connection, till: str | None, after: tuple[str, str, int], limit: int
) -> list[LedgerLine]:
    """`CloudStore.ledger`."""
    where, values = ("till = ? AND", (till,)) if till is not None else ("", ())
    rows = db.execute(
        "SELECT till, lane, sequence, hash, event_id, kind, time, received_at, issuer, campaign, idx, discount_minor"
        f" FROM record WHERE {where} (till, lane, sequence) > (?, ?, ?) ORDER BY till, lane, sequence LIMIT ?",
        (*values, *after, limit),
    )
    return [LedgerLine(*row) for row in rows]


def conflicts(db: sqlite3.Connection, limit: int) -> list[ConflictLine]:
    """`CloudStore.conflicts`."""
    rows = db.execute(
        "SELECT c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, c.redemption_id, c.received_at,"
        " u.till, u.lane, u.sequence, u.redemption_id, u.received_at, u.time"
        " FROM conflict c JOIN coupon_use u USING (issuer, campaign, idx)"
        " ORDER BY c.received_at DESC, c.till, c.lane, c.sequence LIMIT ?",
        (limit,),
    )
    return [ConflictLine(*(*row[:8], Win(*row[8:]))) for row in rows]


def refusals(db: sqlite3.Connection, limit: int) -> list[RefusalLine]:
    """`CloudStore.refusals`."""
    rows = db.execute(
        "SELECT till, lane, sequence, hash, code, event_id, received_at, event"
        " FROM refusal ORDER BY received_at DESC, till, lane, sequence LIMIT ?",
        (limit,),
    )
    return [RefusalLine(*row) for row in rows]
