"""Returns in SQL: functions on an open transaction. A reversal may come before the redemption that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent.domain.campaign import Returns
from agent.domain.keys import key_id
from agent.domain.offer import Funding
from agent.domain.record import REDEMPTION_LANE, record_id
from agent.domain.status import Status
from cloud.chain import BackLine, CouponRef, Entry, Reversal
from cloud.lists import Cursor, ReversalLine, Win
from cloud.returns import REVOKED_KEY, Part, left_of, nothing_left, parts_back, shares_of
from cloud.store import sql_plausible
from cloud.store.sql import Db
from cloud.store.sql_campaigns import campaign_of
from cloud.store.sql_conflicts import Return
from cloud.store.sql_conflicts import end as end_conflict
from cloud.store.sql_lists import currency_of, page
from cloud.store.sql_status import mark
from cloud.store.sql_tally import note_late
from cloud.verdicts import Finding, Side

TOLD_MAX = 100
"""Redemptions of one coupon of which tills are told when the first of them comes back."""
_INSERT = (
    f"INSERT INTO reversal VALUES ({', '.join('?' * 20)})"
    " ON CONFLICT (issuer, campaign, idx, redemption_id, till, sequence, hash) DO NOTHING"
)
_OF_COUPON = "issuer = ? AND campaign = ? AND idx = ?"
_REDEMPTION = (
    "SELECT r.event_id, r.issuer, r.campaign, r.idx, r.discount_minor, r.event, r.hash, r.received_at,"
    " h.till IS NOT NULL"
    " FROM record r LEFT JOIN held h ON (h.till, h.lane, h.sequence, h.hash) = (r.till, r.lane, r.sequence, r.hash)"
    f" WHERE r.till = ? AND r.lane = '{REDEMPTION_LANE}' AND r.sequence = ?"
)
_LINES = """
SELECT v.till, v.lane, v.sequence, v.hash, v.redemption_id, v.of_till, v.issuer, v.campaign, v.idx,
    v.amount_minor, v.comes_back, v.state, v.reason, v.parts, v.time, v.received_at,
    CASE WHEN h.till IS NULL THEN 'counts' WHEN h.refused_at IS NULL THEN 'held' ELSE 'refused' END, i.reason, c.kind,
    r.event
FROM reversal v
LEFT JOIN record r ON (r.till, r.lane, r.sequence) = (v.of_till, v.lane, v.of_sequence)
LEFT JOIN held h ON (h.till, h.lane, h.sequence, h.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN implausible i ON (i.till, i.lane, i.sequence, i.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN conflict c ON (c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, c.hash)
    = (r.issuer, r.campaign, r.idx, r.till, r.lane, r.sequence, r.hash)
"""


def take(db: Db, till: str, entry: Entry, at: str, holds: bool, told: list[Finding]) -> None:
    """Keep a stored reversal and let it act, unless a key signed it that is revoked by now, or its redemption is not
    here yet. told: what tills are to hear of it.
    """
    asked = entry.reversal
    assert asked is not None, "only a reversal gives back"
    kid = key_id(entry.signer).hex() if holds and entry.signer is not None else ""
    place = (till, REDEMPTION_LANE, entry.sequence, entry.hash)
    of = (asked.redemption_id, asked.of_till, asked.of_sequence)
    said = (asked.amount_minor, int(asked.whole), int(asked.comes_back), json.dumps(asked.lines))
    state = ("held" if holds else "waiting", "", kid, None, entry.time, at)
    db.execute(_INSERT, (*asked.coupon, *of, *place, *said, *state))
    if not holds:
        settle(db, asked.coupon, asked.redemption_id, told)


def settle(db: Db, coupon: CouponRef, redemption_id: str, told: list[Finding]) -> None:
    """Let the returns that wait for a redemption act, in the order in which they came; without it they wait on."""
    rows = db.execute(
        "SELECT till, sequence, hash, of_till, of_sequence, amount_minor, whole, comes_back, lines, time, received_at"
        f" FROM reversal WHERE {_OF_COUPON} AND redemption_id = ? AND state = 'waiting'"
        " ORDER BY received_at, till, sequence",
        (*coupon, redemption_id),
    ).fetchall()
    for *place, of_till, of_sequence, amount, whole, comes_back, lines, time, at in rows:
        known = tuple(BackLine(*line) for line in json.loads(lines))
        asked = Reversal(
            redemption_id, of_till, of_sequence, coupon, amount, bool(whole), bool(comes_back), known
        )
        found = db.execute(_REDEMPTION, (of_till, of_sequence)).fetchone()
        if found is None or found[-1]:
            return
        by = Return(record_id(str(place[0]), REDEMPTION_LANE, int(str(place[1]))), str(at))
        done = _judge(db, str(place[0]), asked, found, by, told)
        row = (*coupon, redemption_id, *place)
        if isinstance(done, str):
            _end(db, row, "refused", done, None)
            said = (redemption_id, time, at, *coupon, amount)
            sql_plausible.put(db, place[0], REDEMPTION_LANE, place[1], place[2], f"return_{done}", *said)
        else:
            _end(db, row, "applied", "", json.dumps(done))
            note_late(db, str(place[0]), REDEMPTION_LANE, int(str(place[1])))


def _end(db: Db, row: tuple[object, ...], state: str, reason: str, parts: str | None) -> None:
    db.execute(
        "UPDATE reversal SET state = ?, reason = ?, parts = ?"
        f" WHERE {_OF_COUPON} AND redemption_id = ? AND till = ? AND sequence = ? AND hash = ?",
        (state, reason, parts, *row),
    )


def _judge(
    db: Db,
    till: str,
    asked: Reversal,
    redemption: tuple[object, ...],
    by: Return,
    told: list[Finding],
) -> list[Part] | str:
    """What goes back, or why nothing does; a coupon that comes back is given back here."""
    event_id, issuer, campaign, index, discount, event, digest, received_at, _ = redemption
    if event_id != asked.redemption_id or (issuer, campaign, index) != tuple(asked.coupon):
        return "other_coupon"
    if not _same_store(db, till, asked.of_till):
        return "elsewhere"
    offer = campaign_of(db, asked.coupon.issuer, asked.coupon.campaign)
    funding = Funding() if offer is None else offer.offer.funding
    data = json.loads(str(event)).get("data")
    shares = shares_of(data if isinstance(data, dict) else {}, int(str(discount or 0)), funding)
    gone = parts_of(db, asked.coupon, asked.redemption_id)
    if any(part.line not in shares for part in gone):
        return "wrong_lines"
    left = left_of(shares, gone)
    parts = parts_back(left, asked)
    if isinstance(parts, str):
        return parts
    whole = nothing_left(left_of(left, parts))
    if whole and asked.comes_back and offer is not None and offer.returns is Returns.COUPON:
        own = Side(asked.of_till, asked.redemption_id, str(received_at))
        _give_back(db, asked, str(digest), offer.uses, own, by, told)
    return parts


def _same_store(db: Db, till: str, other: str) -> bool:
    if till == other:
        return True
    stores = db.execute("SELECT DISTINCT store FROM till WHERE till IN (?, ?)", (till, other)).fetchall()
    return len(stores) == 1


def parts_of(db: Db, coupon: CouponRef, redemption_id: str) -> list[Part]:
    """What went back of a redemption so far."""
    rows = db.execute(
        f"SELECT parts FROM reversal WHERE {_OF_COUPON} AND redemption_id = ? AND state = 'applied'",
        (*coupon, redemption_id),
    ).fetchall()
    return [read_part(part) for (parts,) in rows for part in json.loads(parts)]


def read_part(wire: list[object]) -> Part:
    line, pieces, funded = wire
    assert isinstance(pieces, int), "we wrote it"
    assert isinstance(funded, list), "we wrote it"
    return Part(str(line), pieces, tuple(funded))


def _give_back(
    db: Db, asked: Reversal, digest: str, limit: int, own: Side, by: Return, told: list[Finding]
) -> None:
    """The use that this redemption was is none any more: whoever used the coupon next has it, or nobody does."""
    coupon = asked.coupon
    place = (asked.of_till, REDEMPTION_LANE, asked.of_sequence, digest)
    use = db.execute(
        "SELECT till, lane, sequence, redemption_id, received_at, time, hash, uses FROM coupon_use"
        f" WHERE {_OF_COUPON}",
        coupon,
    ).fetchone()
    if use is None:
        return
    won = Win(*use[:7])
    if end_conflict(db, coupon, place, won, "lost", by):  # it was not the use that counted
        told.append(Finding("settled", coupon, Side(won.till, won.redemption_id, won.received_at), own))
        return
    if limit == 1 and (won.till, won.lane, won.sequence, won.hash) != place:
        return
    following, *others = db.execute(
        "SELECT till, lane, sequence, hash, redemption_id, received_at, kind FROM conflict"
        f" WHERE {_OF_COUPON} ORDER BY received_at, till, lane, sequence LIMIT ?",
        (*coupon, TOLD_MAX),
    ).fetchall() or [None]
    if following is not None:
        back = Win(*place[:3], asked.redemption_id, own.received_at, _time_of(db, place) or "", digest)
        end_conflict(db, coupon, following[:4], back, "won", by)
        _tell(coupon, own, following, others if limit == 1 else [], told)
        if limit == 1:
            _take_over(db, coupon, following[:6])
        return
    if use[-1] > 1:
        db.execute(f"UPDATE coupon_use SET uses = uses - 1 WHERE {_OF_COUPON}", coupon)
    else:
        db.execute(f"DELETE FROM coupon_use WHERE {_OF_COUPON}", coupon)
    if use[-1] >= limit:
        mark(db, coupon.issuer, coupon.campaign, [(coupon.index, Status.VALID)])


def _tell(
    coupon: CouponRef,
    own: Side,
    following: tuple[Any, ...],
    others: list[tuple[Any, ...]],
    told: list[Finding],
) -> None:
    """own: what came back. following: who has the coupon now. others: who is in conflict with that one instead."""
    kept = Side(following[0], *following[4:6])
    told.append(Finding("settled", coupon, kept, own))
    for other in others:
        side = Side(other[0], *other[4:6])
        told.append(Finding("settled", coupon, side, own, still=True))
        told.append(Finding("conflict", coupon, kept, side, other[6]))


def _time_of(db: Db, place: Sequence[object]) -> str | None:
    """When it was, as the record at this place (till, lane, sequence, hash) says."""
    known = db.execute(
        "SELECT time FROM record WHERE till = ? AND lane = ? AND sequence = ? AND hash = ?", tuple(place)
    ).fetchone()
    return None if known is None else str(known[0])


def _take_over(db: Db, coupon: CouponRef, following: tuple[object, ...]) -> None:
    *place, redemption_id, received_at = following
    time = _time_of(db, place) or received_at
    db.execute(
        "UPDATE coupon_use SET till = ?, lane = ?, sequence = ?, hash = ?, redemption_id = ?, received_at = ?, time = ?"
        f" WHERE {_OF_COUPON}",
        (*place, redemption_id, received_at, time, *coupon),
    )


def release(db: Db, till: str, kid: str | None, told: list[Finding]) -> int:
    """The held returns of a till, or of one of its keys, act from now on; how many."""
    chosen = "till = ?1 AND state = 'held' AND (CAST(?2 AS TEXT) IS NULL OR kid = ?2)"
    rows = db.execute(
        f"UPDATE reversal SET state = 'waiting' WHERE {chosen} RETURNING issuer, campaign, idx, redemption_id",
        (till, kid),
    ).fetchall()
    for issuer, campaign, index, redemption_id in sorted(set(rows)):
        settle(db, CouponRef(issuer, campaign, index), redemption_id, told)
    return len(rows)


def refuse(db: Db, till: str, kid: str | None) -> int:
    """Those that are held shall not act; how many."""
    return db.execute(
        f"UPDATE reversal SET state = 'refused', reason = '{REVOKED_KEY}'"
        " WHERE till = ?1 AND state = 'held' AND (CAST(?2 AS TEXT) IS NULL OR kid = ?2)",
        (till, kid),
    ).rowcount


def lines(db: Db, limit: int, after: Cursor) -> list[ReversalLine]:
    """`CloudStore.reversals`."""
    rows = db.execute(
        _LINES + page("v.received_at", "v.till, v.lane, v.sequence, v.hash"), (*after, limit, None)
    )
    return [_line(row) for row in rows]


def _line(row: tuple[object, ...]) -> ReversalLine:
    *first, comes_back, state, reason, parts, time, at, standing, implausible, conflict, event = row
    currency = None if event is None else currency_of(json.loads(str(event)).get("data"))
    known = () if parts is None else tuple(map(read_part, json.loads(str(parts))))
    last = (bool(comes_back), state, reason, known, time, at, standing, implausible, conflict, currency)
    return ReversalLine(*first, *last)  # type: ignore[arg-type, call-arg]  # as the columns are
