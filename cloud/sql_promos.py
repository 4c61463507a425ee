"""The SQL of the coupons that receipts carry: codes that were signed for a till, and what it may sign itself.

promo.out: 0 the till holds it ready, 1 handed out, 2 never to be, 3 its receipt is on paper, 4 the till may sign it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from agent.domain.campaign import Words
from agent.domain.parts import PromoCode, promo_to_wire
from cloud.ports import DELEGATION, PromoRow
from cloud.sql import Db


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
