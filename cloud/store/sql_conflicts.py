"""Conflicts as head office lists them, and what becomes of those that end, in SQL: functions on an open transaction."""

from __future__ import annotations

import json
from dataclasses import astuple
from datetime import datetime
from typing import Any, NamedTuple

from cloud.chain import CouponRef
from cloud.lists import ConflictLine, Cursor, Ended, Win
from cloud.store.sql import Db
from cloud.store.sql_lists import currency_of, page

TIME_CHARS_MAX = 40
_WON = "till, lane, sequence, redemption_id, received_at, time, hash"
_OF_ENDED = ", ".join(f"won_{name}" for name in _WON.split(", "))
_SELECT = """
SELECT c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, c.hash, c.redemption_id, c.received_at, c.kind,
    {won}, coalesce(r.event, f.event), coalesce(w.event, g.event), {listed_at}, k.revoked_at,
    r.till IS NOT NULL, w.till IS NOT NULL, {ended}
FROM {conflicts}
LEFT JOIN record r ON (r.till, r.lane, r.sequence, r.hash) = (c.till, c.lane, c.sequence, c.hash)
LEFT JOIN refusal f ON (f.till, f.lane, f.sequence, f.hash) = (c.till, c.lane, c.sequence, c.hash)
LEFT JOIN record w ON (w.till, w.lane, w.sequence, w.hash) = ({of}till, {of}lane, {of}sequence, {of}hash)
LEFT JOIN refusal g ON (g.till, g.lane, g.sequence, g.hash) = ({of}till, {of}lane, {of}sequence, {of}hash)
LEFT JOIN coupon k ON (k.issuer, k.campaign, k.idx) = (c.issuer, c.campaign, c.idx)
"""
_LASTING = _SELECT.format(
    won=", ".join(f"u.{name}" for name in _WON.split(", ")),
    listed_at="CASE WHEN u.uses = 1 THEN u.received_at END",
    ended="'', '', ''",
    conflicts="conflict c JOIN coupon_use u USING (issuer, campaign, idx)",
    of="u.",
)
_ENDED = _SELECT.format(
    won=_OF_ENDED,
    listed_at="NULL",
    ended="c.back, c.ended_at, c.ended_by",
    conflicts="ended_conflict c",
    of="c.won_",
)
_OF_CONFLICT = (
    "issuer = ? AND campaign = ? AND idx = ? AND till = ? AND lane = ? AND sequence = ? AND hash = ?"
)
_ENDING = ("kind", *_OF_ENDED.split(", "), "back", "ended_at", "ended_by")
_KEEP = (
    f"INSERT INTO ended_conflict VALUES ({', '.join('?' * 20)})"
    " ON CONFLICT (issuer, campaign, idx, till, lane, sequence, hash)"
    f" DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _ENDING)}"
)


class Return(NamedTuple):
    """A return that acts: its record, and when that came."""

    record_id: str
    received_at: str


def lines(db: Db, limit: int, after: Cursor, till: str | None, ended: bool) -> list[ConflictLine]:
    """`ListStore.conflicts`."""
    select, other_till = (_ENDED, "c.won_till") if ended else (_LASTING, "u.till")
    rows = db.execute(
        select + page("c.received_at", "c.till, c.lane, c.sequence, c.hash", other_till=other_till),
        (*after, limit, till),
    )
    return [_line(row) for row in rows]


def _line(row: tuple[Any, ...]) -> ConflictLine:
    own, won = _read(row[17]), _read(row[18])
    data, won_data = own.get("data"), won.get("data")
    said = (
        _moment(own.get("time")),
        _amount(data),
        currency_of(data),
        _amount(won_data),
        currency_of(won_data),
    )
    ended = Ended(*row[23:26]) if row[23] else None
    stored = (bool(row[21]), bool(row[22]))
    return ConflictLine(*(*row[:10], Win(*row[10:17]), *said, *row[19:21], *stored, ended))


def _read(event: str | None) -> dict[str, Any]:
    """What was sent: of a refused record in whatever form."""
    try:
        found = json.loads(event or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(said: object) -> str | None:
    if not isinstance(said, str) or len(said) > TIME_CHARS_MAX:
        return None
    try:
        return said if datetime.fromisoformat(said).tzinfo is not None else None
    except ValueError:
        return None


def _amount(data: object) -> int | None:
    found = data.get("discount_minor") if isinstance(data, dict) else None
    return found if type(found) is int and 0 <= found < 2**53 else None


def end(db: Db, coupon: CouponRef, place: tuple[object, ...], won: Win, back: str, by: Return) -> bool:
    """The conflict at this place (till, lane, sequence, hash) is none any more; False if there was none. won: who had
    the coupon until now. back: whose goods came back, "lost" or "won".
    """
    ended = db.execute(
        f"DELETE FROM conflict WHERE {_OF_CONFLICT} RETURNING redemption_id, received_at, kind",
        (*coupon, *place),
    ).fetchone()
    if ended is None:
        return False
    ended_at = max(by.received_at, ended[1], won.received_at)  # a return may come before its redemption
    db.execute(_KEEP, (*coupon, *place, *ended, *astuple(won), back, ended_at, by.record_id))
    return True
