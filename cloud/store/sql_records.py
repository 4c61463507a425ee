"""Records, uses and conflicts in SQL: functions on an open transaction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from agent.domain.keys import key_id
from agent.domain.status import Status
from cloud.chain import JUMP_MAX, ChainView, Entry, Fate, Hole, Ruling, places, split
from cloud.feed import CONFLICT
from cloud.lists import Win
from cloud.ports import Appended, Judge
from cloud.store import (
    sql_checks,
    sql_disclosures,
    sql_erasures,
    sql_feed,
    sql_promos,
    sql_returns,
    sql_verdicts,
)
from cloud.store.sql import Db
from cloud.store.sql_campaigns import uses_of
from cloud.store.sql_gaps import ENDS
from cloud.store.sql_plain import read_batch, store_plain
from cloud.store.sql_plausible import note
from cloud.store.sql_status import mark
from cloud.store.sql_tally import note_late
from cloud.store.sql_tills import KeyOf, given, keys_of, revoked_keys, starts
from cloud.verdicts import Finding, Side

STORED = "stored"
"""The code of a held use whose record stands in the ledger."""
_OF_RECORD = "till = ? AND lane = ? AND sequence = ? AND hash = ?"
_INSERT_RECORD = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_USE = "INSERT INTO coupon_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING"
# A record refused as broken_chain may be stored later, replayed in its place: it is listed once, by what became of it.
_INSERT_CONFLICT = """
INSERT INTO conflict VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (issuer, campaign, idx, till, lane, sequence, hash) DO UPDATE SET kind = excluded.kind
"""
_FOR_PLACE = "code IN ('fork', 'broken_chain', 'wrong_key')"
# A hash says nothing of the signature: what is signed takes the place of a copy that was not.
_INSERT_REFUSAL = (
    "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (till, lane, sequence, hash) DO UPDATE SET code = excluded.code, event = excluded.event"
    f" WHERE excluded.{_FOR_PLACE}"
)
_INSERT_HELD = (
    "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
    " ON CONFLICT (till, lane, sequence, hash) DO UPDATE SET code = excluded.code"
)
_INSERT_HOLE = "INSERT INTO hole VALUES (?, ?, ?, ?, ?, ?)"
_WIN = "SELECT till, lane, sequence, redemption_id, received_at, time, hash FROM coupon_use"


def append(db: Db, till: str, lane: str, entries: Sequence[Entry], judge: Judge, at: str) -> list[Appended]:
    """`CloudStore.append`."""
    keys = keys_of(db, till)
    view = chain_view(db, till, lane, entries, keys)
    rulings = judge(view, entries)
    decided = list(zip(entries, rulings, strict=True))
    stored = [(ruling.place, entry.kind) for entry, ruling in decided if ruling.fate is Fate.STORE]
    sql_feed.note_records(db, till, lane, stored)
    fates = {ruling.fate for ruling in rulings}
    batch = read_batch(db, entries, view.last, revoked_keys(keys), Fate.DUPLICATE in fates)
    done: list[Appended] = []
    told: list[Finding] = []
    for plain, run in groupby(decided, key=lambda pair: batch.is_plain(*pair)):
        if plain:
            together = list(run)
            new = [entry for entry, ruling in together if ruling.fate is Fate.STORE]
            store_plain(db, till, lane, new, at, batch)
            done += [Appended(ruling) for _, ruling in together]
        else:
            batch.marks.clear()  # these give some, too
            done += [
                _append_one(db, till, lane, entry, ruling, at, batch.revoked, told) for entry, ruling in run
            ]
    kept = (Fate.STORE, Fate.REFUSE)
    said = [(entry, ruling.place) for entry, ruling in decided if ruling.fate in kept]
    # A record that was refused may be stored later: what it discloses is there already, for no refusal is ever deleted.
    unheard = not view.refused and Fate.REFUSE not in fates
    sql_disclosures.keep(db, till, lane, said, new=unheard)
    sql_checks.arrived(db, till, (entry for entry, _ in said))
    for ruling in rulings:
        if ruling.fate is Fate.STORE and ruling.place < view.last:
            note_late(db, till, lane, ruling.place)
    sql_verdicts.write(db, told, at)
    return done


def _append_one(
    db: Db,
    till: str,
    lane: str,
    entry: Entry,
    ruling: Ruling,
    at: str,
    revoked: set[bytes],
    told: list[Finding],
) -> Appended:
    won_by = None
    holds = entry.signer in revoked
    if ruling.fate is Fate.STORE:
        won_by = _store(db, till, lane, entry, at, holds, told)
        holes = ((till, lane, hole.first, hole.last, hole.hash, at) for hole in ruling.holes)
        db.executemany(_INSERT_HOLE, holes)
        if entry.erased is not None:
            sql_erasures.note_done(db, till, entry, at)
    elif ruling.fate is Fate.DUPLICATE:
        won_by = _conflict_of(db, till, lane, entry)
    elif ruling.fate is Fate.REFUSE:
        _use_all_the_same(db, till, lane, ruling, entry, at, holds, told)
        said = (ruling.code, entry.record_id, entry.text, at)
        db.execute(_INSERT_REFUSAL, (till, lane, ruling.place, entry.hash, *said))
    if ruling.fate in (Fate.STORE, Fate.REFUSE) and entry.coupon is not None and not entry.fault:
        note(db, till, lane, ruling.place, entry, at)
    if ruling.accounts:
        _take_from_hole(db, till, lane, ruling.place, entry.prevhash)
    return Appended(ruling, won_by)


def _take_from_hole(db: Db, till: str, lane: str, place: int, prevhash: str) -> None:
    found = db.execute(
        "SELECT first, last, hash, noticed_at FROM hole WHERE till = ? AND lane = ? AND first <= ?"
        " ORDER BY first DESC LIMIT 1",
        (till, lane, place),
    ).fetchone()
    if found is None or found[1] < place:
        return
    hole = Hole(*found[:3])
    db.execute("DELETE FROM hole WHERE till = ? AND lane = ? AND first = ?", (till, lane, hole.first))
    for part in split(hole, place, prevhash):
        db.execute(_INSERT_HOLE, (till, lane, part.first, part.last, part.hash, found[3]))


def chain_view(db: Db, till: str, lane: str, entries: Sequence[Entry], keys: Sequence[KeyOf]) -> ChainView:
    """The lane's end, and what stands at, before and behind each sequence that the entries may be placed at."""
    key = (till, lane)
    *end, refused_last = db.execute(ENDS, key).fetchone()
    last = end[0] or 0
    head = max(last, refused_last or 0)
    farthest = given(keys, lane, last) + JUMP_MAX
    near = [place for place in places(entries, head, farthest) if place <= last + 1]
    within = sorted({place + step for place in near for step in (-1, 0, 1) if place + step <= last})
    known = "SELECT sequence, hash, prevhash FROM record WHERE till = ? AND lane = ? AND sequence {keys}"
    at_end = [tuple(end)] if last else []  # mostly all that is asked for
    rows = at_end if within == [last] else db.matching(known, key, within)
    stored = {sequence: (own, before) for sequence, own, before in rows}
    refused: dict[int, frozenset[str]] = {}
    if refused_last is not None:
        known = "SELECT sequence, hash FROM refusal WHERE till = ? AND lane = ? AND sequence"
        rows = db.execute(f"{known} > ?", (*key, last)).fetchall()
        rows += db.matching(f"{known} {{keys}}", key, within)
        for sequence, claimed in rows:
            refused[sequence] = refused.get(sequence, frozenset()) | {claimed}
    return ChainView(head, last, stored, refused, farthest, starts(keys, lane))


def _store(
    db: Db, till: str, lane: str, entry: Entry, at: str, holds: bool, told: list[Finding]
) -> Win | None:
    coupon = entry.coupon
    identity = (None, None, None) if coupon is None else (coupon.issuer, coupon.campaign, coupon.index)
    said = (entry.record_id, entry.kind, entry.time, *identity, entry.discount_minor, entry.text, at)
    db.execute(_INSERT_RECORD, (till, lane, entry.sequence, entry.hash, entry.prevhash, *said))
    if holds and coupon is not None:
        _hold(db, till, lane, entry, at, STORED)
        return None
    if entry.promo is not None:
        sql_promos.tell(db, till, [entry.promo], entry.promo_state)
    if entry.reversal is not None:
        sql_returns.take(db, till, entry, at, holds, told)
    if coupon is None:
        return None
    won_by = use(db, till, lane, entry, at, "double", told)
    sql_returns.settle(db, coupon, entry.record_id, told)  # a return may have overtaken it
    return won_by


def _use_all_the_same(
    db: Db, till: str, lane: str, ruling: Ruling, entry: Entry, at: str, holds: bool, told: list[Finding]
) -> None:
    """A record that does not fit the chain, yet is signed by the till, tells of a coupon that was taken: it is used."""
    if entry.coupon is None or entry.fault:
        return
    if holds:
        _hold(db, till, lane, entry, at, ruling.code)
    else:
        use(db, till, lane, entry, at, ruling.code, told)


def _hold(db: Db, till: str, lane: str, entry: Entry, at: str, code: str) -> None:
    """Keep a use without effect: who stole the till's key could else use up any coupon at all tills."""
    assert entry.coupon is not None, "only a coupon is used"
    assert entry.signer is not None, "what nobody signed was refused"
    place = (till, lane, entry.sequence, entry.hash)
    if _counted_when_refused(db, place):
        return
    coupon = (entry.coupon.issuer, entry.coupon.campaign, entry.coupon.index)
    said = (entry.record_id, entry.time, at, *coupon, entry.discount_minor, entry.promo)
    db.execute(_INSERT_HELD, (*place, key_id(entry.signer).hex(), code, *said))


def _counted_when_refused(db: Db, place: tuple[object, ...]) -> bool:
    """Whether this record was refused for its place before, and its use was not held then."""
    return (
        db.execute(
            f"SELECT 1 FROM refusal WHERE {_OF_RECORD} AND {_FOR_PLACE}"
            f" AND NOT EXISTS (SELECT 1 FROM held WHERE {_OF_RECORD})",
            (*place, *place),
        ).fetchone()
        is not None
    )


def use(db: Db, till: str, lane: str, entry: Entry, at: str, kind: str, told: list[Finding]) -> Win | None:
    """Enter a coupon's use, or a conflict of this kind with the record that used it first, which is returned.

    told: what the tills are to hear of it.
    """
    coupon = entry.coupon
    assert coupon is not None, "only a coupon is used"
    identity = (coupon.issuer, coupon.campaign, coupon.index)
    # A promo code that comes back was handed out, whether or not the till has said so.
    db.execute(
        "UPDATE promo SET out = 1 WHERE issuer = ? AND campaign = ? AND idx = ? AND out <> 1 AND out <> 3",
        identity,
    )
    place = (*identity, till, lane, entry.sequence)
    limit = uses_of(db, coupon.issuer, coupon.campaign)
    if db.execute(_INSERT_USE, (*place, entry.record_id, at, entry.time, entry.hash)).rowcount == 1:
        if limit == 1:
            mark(db, coupon.issuer, coupon.campaign, [(coupon.index, Status.USED)])
        return None
    winner = _lost_to(db, till, lane, entry)
    lost_before = _conflict_of(db, till, lane, entry) is not None
    if winner is None or (
        limit > 1 and not lost_before and _use_again(db, identity, limit, (till, lane, entry))
    ):
        return None
    db.execute(_INSERT_CONFLICT, (*place, entry.hash, entry.record_id, at, kind))
    if not lost_before:
        kept = Side(winner.till, winner.redemption_id, winner.received_at)
        told.append(Finding("conflict", coupon, kept, Side(till, entry.record_id, at), kind))
        _tell_conflict(db, till, entry, winner, kind, at)
    return winner


def _tell_conflict(db: Db, till: str, entry: Entry, winner: Win, kind: str, at: str) -> None:
    assert entry.coupon is not None, "only a coupon is used"
    issuer, campaign, index = entry.coupon
    own = {
        "till": till,
        "redemption_id": entry.record_id,
        "hash": entry.hash,
        "time": entry.time,
        "received_at": at,
    }
    data = {
        "kind": kind,
        "coupon": {"issuer": issuer, "campaign": campaign, "index": index},
        "lost": own,
        "won": {name: getattr(winner, name) for name in own},
    }
    sql_feed.note(db, CONFLICT, f"conflict-{entry.hash}", f"{issuer}/{campaign}/{index}", at, data)


def _use_again(db: Db, identity: tuple[str, int, int], limit: int, record: tuple[str, str, Entry]) -> bool:
    """Count one more use of a coupon that may be used several times; False if there was none left."""
    till, lane, entry = record
    if _counted_when_refused(db, (till, lane, entry.sequence, entry.hash)):
        return True
    counted = db.execute(
        "UPDATE coupon_use SET uses = uses + 1"
        " WHERE issuer = ? AND campaign = ? AND idx = ? AND uses < ? RETURNING uses",
        (*identity, limit),
    ).fetchone()
    if counted == (limit,):
        mark(db, *identity[:2], [(identity[2], Status.USED)])
    return counted is not None


def _lost_to(db: Db, till: str, lane: str, entry: Entry) -> Win | None:
    """The record that used the coupon of `entry` first, None if it was this one (or itself, refused before)."""
    coupon = entry.coupon
    if coupon is None:
        return None
    winner = _winner(db, (coupon.issuer, coupon.campaign, coupon.index))
    if winner is None:
        return None
    same_place = (winner.till, winner.lane, winner.sequence) == (till, lane, entry.sequence)
    return None if same_place and winner.hash in (entry.hash, "") else winner


def _conflict_of(db: Db, till: str, lane: str, entry: Entry) -> Win | None:
    """With whom this very record is in conflict, as it was found when it came; None if it is in none."""
    coupon = entry.coupon
    if coupon is None:
        return None
    identity = (coupon.issuer, coupon.campaign, coupon.index)
    found = db.execute(
        f"SELECT 1 FROM conflict WHERE issuer = ? AND campaign = ? AND idx = ? AND {_OF_RECORD}",
        (*identity, till, lane, entry.sequence, entry.hash),
    ).fetchone()
    return None if found is None else _winner(db, identity)


def _winner(db: Db, identity: tuple[object, ...]) -> Win | None:
    row = db.execute(f"{_WIN} WHERE issuer = ? AND campaign = ? AND idx = ?", identity).fetchone()
    return None if row is None else Win(*row)
