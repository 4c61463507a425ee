"""Held sales and what came back of sold ones, within one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.domain.hold import Hold, HoldState, Reserved
from agent.domain.record import REDEMPTION_LANE
from agent.domain.time import from_timestamp, timestamp
from agent.store.database import Seen
from agent.store.inspect import TABLES, job_number

_COLUMNS = "hold_id, sale_id, state, opened_at, expires_at, held, answer"
_UNUSE = """
UPDATE coupon_use SET uses = uses - 1, spent_minor = max(spent_minor - ?4, 0)
WHERE issuer = ?1 AND campaign = ?2 AND idx = ?3 AND uses > 1
"""


class SqlHolds:
    """`agent.ports.Holds` on an open SQLite transaction."""

    def __init__(self, connection: sqlite3.Connection, seen: Seen | None = None) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._seen = seen or Seen()

    def put_hold(self, hold: Hold, reserved: Iterable[Reserved]) -> None:
        self._seen.held = True  # whatever becomes of this transaction
        times = timestamp(hold.opened_at), timestamp(hold.expires_at)
        self._execute(
            f"INSERT INTO hold ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (hold.hold_id, hold.sale_id, hold.state.value, *times, hold.held, hold.answer),
        )
        for one in reserved:
            reserves = one.charge_minor, one.amount_minor, one.member, one.points
            row = (*one.identity, hold.hold_id, times[1], *reserves)
            self._execute("INSERT INTO held_coupon VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def hold(self, hold_id: str) -> Hold | None:
        row = self._execute(f"SELECT {_COLUMNS} FROM hold WHERE hold_id = ?", (hold_id,)).fetchone()
        if row is None:
            return None
        name, sale_id, state, opened_at, expires_at, held, answer = row
        times = from_timestamp(opened_at), from_timestamp(expires_at)
        return Hold(name, sale_id, HoldState(state), *times, held, answer)

    def settle_hold(self, hold_id: str, state: HoldState, answer: str) -> None:
        self._execute(
            "UPDATE hold SET state = ?, answer = ? WHERE hold_id = ?", (state.value, answer, hold_id)
        )
        self._execute("DELETE FROM held_coupon WHERE hold_id = ?", (hold_id,))

    def expire_holds(self, at: datetime) -> int:
        now = timestamp(at)
        self._execute("DELETE FROM held_coupon WHERE until <= ?", (now,))
        return self._execute(
            "UPDATE hold SET state = 'expired' WHERE state = 'open' AND expires_at <= ?", (now,)
        ).rowcount

    def redeemed(self, redemption_id: str) -> Mapping[str, Any] | None:
        row = self._execute(
            f"SELECT event FROM {TABLES[REDEMPTION_LANE]} WHERE sequence = ?", (job_number(redemption_id),)
        ).fetchone()
        event: dict[str, Any] = {} if row is None else json.loads(row[0])
        fits = event.get("id") == redemption_id and event["type"] == "redeemd.redemption.v1"
        return event if fits else None

    def committed_answers(self, sale_id: str) -> list[str]:
        rows = self._execute(
            "SELECT answer FROM hold WHERE state = 'committed' AND sale_id = ?", (sale_id,)
        ).fetchall()
        return [row[0] for row in rows]

    def returned(self, redemption_id: str) -> dict[str, int]:
        return dict(
            self._execute(
                "SELECT line, pieces FROM returned WHERE number = ?", (job_number(redemption_id),)
            ).fetchall()
        )

    def take_back(self, redemption_id: str, line: str, pieces: int) -> None:
        self._execute(
            "INSERT INTO returned VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces",
            (job_number(redemption_id), line, pieces),
        )

    def unuse(self, identity: tuple[str, int, int], spent_minor: int, *, whole: bool) -> None:
        row = (*identity, spent_minor)
        self._seen.no_promo.clear()  # what is unused may be a code of the pool
        if not whole:
            self._execute(
                "UPDATE coupon_use SET spent_minor = max(spent_minor - ?4, 0)"
                " WHERE issuer = ?1 AND campaign = ?2 AND idx = ?3",
                row,
            )
        elif not self._execute(_UNUSE, row).rowcount:
            self._execute(
                "DELETE FROM coupon_use WHERE issuer = ? AND campaign = ? AND idx = ? AND uses = 1", identity
            )
