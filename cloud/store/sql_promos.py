"""The SQL of the coupons that receipts carry: codes that were signed for a till, and what it may sign itself.

promo.out: 0 the till holds it ready, 1 handed out, 2 never to be, 3 its receipt is on paper, 4 the till may sign it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent.domain.campaign import Words
from agent.domain.parts import PromoCode, promo_to_wire
from cloud.ports import DELEGATION, PromoFate, PromoRow
from cloud.store.sql import Db


def put(db: Db, kind: str, name: str, document: bytes) -> None:
    """`CloudStore.put_document`."""
    db.execute(
        "INSERT INTO notice VALUES (?, ?, ?) ON CONFLICT (kind, store) DO UPDATE SET document = excluded.document",
        (kind, name, document),
    )


def documents(db: Db, kind: str) -> list[bytes]:
    """`CloudStore.documents`."""
    rows = db.execute("SELECT document FROM notice WHERE kind = ? ORDER BY store", (kind,))
    return [row[0] for row in rows.fetchall()]


def add_delegation(db: Db, till: str, name: str, document: bytes, rows: Sequence[PromoRow]) -> None:
    """`CloudStore.add_delegation`."""
    db.execute("INSERT INTO notice VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (DELEGATION, name, document))
    db.executemany(
        "INSERT INTO promo VALUES (?, ?, '', ?, ?, ?, ?, 4) ON CONFLICT DO NOTHING",
        [(till, row.code.short, row.issuer, row.campaign, row.index, row.expires) for row in rows],
    )


def left(db: Db, till: str) -> set[tuple[str, int, int]]:
    """`CloudStore.delegated_left`."""
    rows = db.execute("SELECT issuer, campaign, idx FROM promo WHERE till = ? AND out = 4", (till,))
    return {(issuer, campaign, index) for issuer, campaign, index in rows.fetchall()}


def add(db: Db, till: str, rows: Sequence[PromoRow]) -> None:
    """`CloudStore.add_promos`. Two issuers may give one short name: the second code is let go."""
    values = [
        (till, row.code.short, _text(row.code), row.issuer, row.campaign, row.index, row.expires)
        for row in rows
    ]
    db.executemany("INSERT INTO promo VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING", values)


def free(db: Db, till: str) -> list[PromoRow]:
    """`CloudStore.promos`."""
    rows = db.execute(
        "SELECT document, issuer, campaign, idx, expires FROM promo WHERE till = ? AND out = 0"
        " ORDER BY expires, short",
        (till,),
    )
    return [PromoRow(_code(json.loads(row[0])), *row[1:]) for row in rows]


def _text(code: PromoCode) -> str:
    return json.dumps(promo_to_wire(code), ensure_ascii=False, separators=(",", ":"))


def _code(wire: dict[str, Any]) -> PromoCode:
    return PromoCode(wire["token"], wire["short"], Words(**wire["title"]), Words(**wire["conditions"]))


_STATES = ("ready", "handed_out", "withdrawn", "printed", "lent")


def named(db: Db, issuer: str, campaign: int, index: int, short: str) -> PromoFate | None:
    """`CloudStore.promo_named`: the coupon says for which till it was drawn, and so where its name stands."""
    coupon = (issuer, campaign, index)
    drawn = db.execute(
        "SELECT terms, revoked_at FROM coupon WHERE issuer = ? AND campaign = ? AND idx = ?", coupon
    ).fetchone()
    till = None if drawn is None or drawn[0] is None else json.loads(drawn[0]).get("till")
    if drawn is None or till is None:
        return None
    row = db.execute(
        "SELECT out, expires, document FROM promo WHERE till = ? AND short = ? AND issuer = ? AND campaign = ?"
        " AND idx = ?",
        (till, short, *coupon),
    ).fetchone()
    if row is None:
        return None
    used = db.execute(
        "SELECT 1 FROM coupon_use WHERE issuer = ? AND campaign = ? AND idx = ?", coupon
    ).fetchone()
    token = json.loads(row[2])["token"] if row[2] else ""
    return PromoFate(_STATES[row[0]], used is not None, drawn[1] is not None, row[1], token)


def on_receipts(db: Db, campaign: int, index: int, short: str) -> list[PromoFate]:
    """`CloudStore.promos_on_receipts`"""
    issuers = db.execute(
        "SELECT issuer FROM campaign WHERE campaign = ? ORDER BY issuer", (campaign,)
    ).fetchall()
    found = (named(db, issuer, campaign, index, short) for (issuer,) in issuers)
    return [fate for fate in found if fate is not None and fate.token and fate.state == "printed"]


# The lanes come in any order: what is on paper was handed out, whenever that is told. A code that the till signed is
# known by its stem until the till says its whole name.
_NAMED = "WHERE till = ?1 AND short IN (?2, ?3)"
_BECOMES = {
    "": f"UPDATE promo SET out = 1, short = ?2 {_NAMED} AND out <> 3",
    "printed": f"UPDATE promo SET out = 3, short = ?2 {_NAMED}",
    "returned": "UPDATE promo SET out = CASE WHEN document = '' THEN 4 ELSE 0 END,"
    f" short = CASE WHEN document = '' THEN ?3 ELSE ?2 END {_NAMED} AND out = 1",
}


def tell(db: Db, till: str, shorts: Sequence[str], state: str = "") -> None:
    """What a record says of a till's promo codes: handed out, or one of `chain.PROMO_STATES`."""
    db.executemany(_BECOMES[state], [(till, short, short.rpartition("-")[0]) for short in shorts])
