"""Lists of what came in, in SQL: functions on an open transaction. Gaps are in `cloud.store.sql_records`."""

from __future__ import annotations

import json
from typing import Any

from cloud.lists import Cursor, Earning, ImplausibleLine, LedgerLine, RefusalLine
from cloud.returns import told_lines
from cloud.store.sql import Db

_LEDGER = """
SELECT r.till, r.lane, r.sequence, r.hash, r.event_id, r.kind, r.time, r.received_at, r.issuer, r.campaign, r.idx,
    r.discount_minor,
    CASE WHEN h.till IS NULL THEN 'counts' WHEN h.refused_at IS NULL THEN 'held' ELSE 'refused' END, i.reason, c.kind,
    r.event
FROM record r
LEFT JOIN held h ON (h.till, h.lane, h.sequence, h.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN implausible i ON (i.till, i.lane, i.sequence, i.hash) = (r.till, r.lane, r.sequence, r.hash)
LEFT JOIN conflict c ON (c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, c.hash)
    = (r.issuer, r.campaign, r.idx, r.till, r.lane, r.sequence, r.hash)
"""


def page(at: str, keys: str, rest: str = "", other_till: str = "") -> str:
    """What follows FROM in a list: the newest lines behind a cursor. Its values: the cursor's, the limit, and the till
    whose lines alone are wanted or None.

    keys: the till first. rest: constants in place of keys of the cursor that the list has not. other_till: a column;
    lines of that till are its lines too.
    """
    behind = f"({at} < ?1 OR ({at} = ?1 AND ({keys}{rest}) > (?2, ?3, ?4, ?5)))"
    tills = ", ".join(filter(None, (keys.partition(",")[0], other_till)))
    of_till = f"(CAST(?7 AS TEXT) IS NULL OR ?7 IN ({tills}))"
    return f" WHERE {behind} AND {of_till} ORDER BY {at} DESC, {keys} LIMIT ?6"


def ledger(db: Db, till: str | None, after: tuple[str, str, int], limit: int) -> list[LedgerLine]:
    """`CloudStore.ledger`."""
    where, values = ("r.till = ? AND", (till,)) if till is not None else ("", ())
    rows = db.execute(
        f"{_LEDGER} WHERE {where} (r.till, r.lane, r.sequence) > (?, ?, ?)"
        " ORDER BY r.till, r.lane, r.sequence LIMIT ?",
        (*values, *after, limit),
    )
    return [LedgerLine(*(*row[:-1], *_said(row[-1]))) for row in rows]


_EARNING = _LEDGER.replace(
    "    r.event\n",
    "    EXISTS (SELECT 1 FROM reversal v WHERE v.issuer = r.issuer AND v.campaign = r.campaign AND v.idx = r.idx"
    " AND v.redemption_id = r.event_id AND v.state = 'applied'), r.event\n",
)
assert "EXISTS" in _EARNING, "the ledger ends with the event"


def earning(db: Db, after: tuple[str, str, int], limit: int) -> list[Earning]:
    """`CloudStore.earning`."""
    rows = db.execute(
        f"{_EARNING} WHERE (r.till, r.lane, r.sequence) > (?, ?, ?) ORDER BY r.till, r.lane, r.sequence LIMIT ?",
        (*after, limit),
    ).fetchall()
    found = []
    for row in rows:
        line = LedgerLine(*(*row[:-2], *_said(row[-1])))
        incentives = _member(json.loads(row[-1]).get("data"), "incentives")
        listed = tuple(incentives) if isinstance(incentives, list) else ()
        found.append(Earning(line, listed, bool(row[-2]), _disclosed(db, line) if listed else {}))
    return found


def _disclosed(db: Db, line: LedgerLine) -> dict[str, str]:
    rows = db.execute(
        "SELECT digest, pseudonym FROM disclosure WHERE till = ? AND lane = ? AND sequence = ? AND hash = ?",
        (line.till, line.lane, line.sequence, line.hash),
    )
    return dict(rows.fetchall())


# What was not counted yet is not in question either: it would be taken away from sums that have it not.
_IN_QUESTION = " UNION ".join(
    f"SELECT till, lane, sequence, hash FROM {table} WHERE received_at >= ?1 AND received_at < ?2"
    for table in ("conflict", "held", "implausible")
)
_THESE = "FROM q JOIN record r ON (r.till, r.lane, r.sequence, r.hash) = (q.till, q.lane, q.sequence, q.hash)"
_QUESTIONED = f"""
WITH q AS ({_IN_QUESTION}) {_LEDGER.replace("FROM record r", _THESE)}
JOIN tally_place p ON p.till = r.till AND p.sequence >= r.sequence
WHERE r.idx IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM tally_late l WHERE l.till = r.till AND l.sequence = r.sequence)
"""


def questioned(db: Db, since: str, until: str) -> list[LedgerLine]:
    """Redemptions received in this time that are in conflict, held or implausible, of those that the tally knows."""
    rows = db.execute(_QUESTIONED, (since, until)).fetchall()
    return [LedgerLine(*(*row[:-1], *_said(row[-1]))) for row in rows]


def _said(event: str) -> tuple[str | None, str | None, str | None, tuple[dict[str, Any], ...]]:
    """Currency, store, sale and lines of a redemption: what a till says beside what the cloud reads, in any form."""
    data = json.loads(event).get("data")
    sale = _member(data, "sale")
    return currency_of(data), _text(data, "store"), _text(sale, "sale_id"), tuple(told_lines(data))


def currency_of(data: Any) -> str | None:
    """Of a redemption's data."""
    return _text(data, "currency") or _text(_member(data, "sale"), "currency")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: Any, name: str) -> str | None:
    found = _member(value, name)
    return found if isinstance(found, str) and found else None


def refusals(db: Db, limit: int, after: Cursor, till: str | None) -> list[RefusalLine]:
    """`CloudStore.refusals`."""
    rows = db.execute(
        "SELECT till, lane, sequence, hash, code, event_id, received_at, event FROM refusal"
        + page("received_at", "till, lane, sequence, hash"),
        (*after, limit, till),
    )
    return [RefusalLine(*row) for row in rows]


def implausible(db: Db, limit: int, after: Cursor, till: str | None) -> list[ImplausibleLine]:
    """`CloudStore.implausible`."""
    rows = db.execute(
        "SELECT till, lane, sequence, hash, reason, redemption_id, time, received_at, issuer, campaign, idx,"
        " discount_minor FROM implausible" + page("received_at", "till, lane, sequence, hash"),
        (*after, limit, till),
    )
    return [ImplausibleLine(*row) for row in rows]
