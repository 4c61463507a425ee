"""The ledger: uses, budgets, records and print jobs within one transaction. Plain SQL on the writer's connection."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from agent.domain.budget import BudgetUse
from agent.domain.campaign import Words
from agent.domain.decide import Held, LedgerView
from agent.domain.disclosure import Disclosure
from agent.domain.parts import PromoCode
from agent.domain.record import ChainHead
from agent.domain.time import Anchor, from_timestamp, timestamp
from agent.ports import AnsweredBefore, PrintState, PromoUse, Remembered
from agent.store.bundle_cache import promo_row
from agent.store.database import Database
from agent.store.erase import erase
from agent.store.guard import SqlGuard
from agent.store.holds import SqlHolds
from agent.store.inspect import TABLES, job_number, prior_of
from agent.store.members import SqlMembers
from agent.store.till_facts import put_anchor, put_setting, setting, start_of

log = logging.getLogger(__name__)

T = TypeVar("T")

OFFLINE_DAY = -1
# One statement for all that a decision asks: each further one costs more than what it looks up.
_VIEW = """
SELECT coupon_use.redemption_id, coupon_use.at, coupon_use.uses,
    today.count, today.value_minor, alone.count, alone.value_minor,
    promo.short IS NOT NULL AND promo.redemption_id IS NULL, promo.redemption_id, coupon_use.spent_minor{held}
FROM (SELECT ?1 AS issuer, ?2 AS campaign, ?3 AS idx) AS asked
LEFT JOIN coupon_use USING (issuer, campaign, idx)
LEFT JOIN budget AS today ON today.issuer = ?1 AND today.campaign = ?2 AND today.day = ?4
LEFT JOIN budget AS alone ON alone.issuer = ?1 AND alone.campaign = ?2 AND alone.day = ?5
LEFT JOIN promo ON promo.issuer = ?1 AND promo.campaign = ?2 AND promo.idx = ?3
{join}
"""
_VIEW_WITHOUT_HOLDS = _VIEW.format(held="", join="")
_VIEW_WITH_HOLDS = _VIEW.format(
    held=", held.uses, held.amount_minor, held.until, held.count, held.charge_minor",
    join="""
JOIN (SELECT count(*) FILTER (WHERE idx = ?3) AS uses, sum(amount_minor) FILTER (WHERE idx = ?3) AS amount_minor,
    max(until) FILTER (WHERE idx = ?3) AS until, count(*) AS count, total(charge_minor) AS charge_minor
    FROM held_coupon WHERE issuer = ?1 AND campaign = ?2 AND until > ?6) AS held
""",
)
_ANY_HELD = "SELECT 1 FROM held_coupon LIMIT 1"
_NONE_HELD = (0, None, None, 0, 0)
_UPSERT_USE = """
INSERT INTO coupon_use VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?8) ON CONFLICT DO UPDATE SET
    redemption_id = excluded.redemption_id, at = excluded.at, uses = uses + 1,
    spent_minor = spent_minor + excluded.spent_minor,
    forget_after = max(forget_after, excluded.forget_after)
WHERE uses = ?7
"""
_UPSERT_BUDGET = """
INSERT INTO budget VALUES (?1, ?2, ?3, 1, ?5), (?1, ?2, ?4, 1, ?5)
ON CONFLICT DO UPDATE SET count = count + 1, value_minor = value_minor + excluded.value_minor
"""
_TAKE_PROMO = """
UPDATE promo SET redemption_id = ?1
WHERE short = (
    SELECT short FROM promo INDEXED BY {index} WHERE redemption_id IS NULL AND expires >= ?2 {of} AND NOT EXISTS (
        SELECT 1 FROM coupon_use AS used
        WHERE used.issuer = promo.issuer AND used.campaign = promo.campaign AND used.idx = promo.idx
    ) ORDER BY short LIMIT 1
)
RETURNING short, token, texts
"""
_TAKE_ANY = _TAKE_PROMO.format(of="", index="promo_free")
_TAKE_OF = _TAKE_PROMO.format(of="AND issuer = ?3 AND campaign = ?4", index="promo_free_of")
_KEEP_SIGNED = """
INSERT INTO promo (short, token, texts, issuer, campaign, idx, expires, redemption_id, signed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
_HANDED_OUT = """
SELECT short, redemption_id, issuer, campaign, idx FROM promo INDEXED BY promo_handed_out
WHERE redemption_id IS NOT NULL AND settled = 0
"""
_JOB = "SELECT state FROM print_job WHERE number = ? AND job_id = ?"
_UNPRINTED = """
SELECT 1 FROM print_job WHERE number = ? AND job_id = ? AND state IN ('queued', 'failed') AND copies = 0
"""
_GIVE_UP = """
UPDATE print_job SET state = 'failed', cause = 'given_up', updated_at = ?,
    receipt = json_set(receipt, '$.promo_token', NULL)
WHERE number = ? AND job_id = ? AND state = 'queued' AND copies = 0
"""
_HEAD = {
    lane: f"SELECT sequence, hash FROM {table} WHERE sequence = (SELECT max(sequence) FROM {table})"
    for lane, table in TABLES.items()
}
_ERASED = "erased"
_DISCLOSE = "INSERT INTO disclosure VALUES (?, ?, ?, ?, ?)"
_APPEND = {lane: f"INSERT INTO {table} VALUES (?, ?, ?, 'waiting', NULL)" for lane, table in TABLES.items()}


class SqlTransaction(SqlHolds, SqlMembers, SqlGuard):
    """`agent.ports.Transaction` on an open SQLite transaction."""

    def view(self, identity: tuple[str, int, int], day: int, at: datetime) -> LedgerView:
        if self._seen.held:
            found = self._execute(_VIEW_WITH_HOLDS, (*identity, day, OFFLINE_DAY, timestamp(at))).fetchone()
            self._seen.held = bool(found[-2]) or self._execute(_ANY_HELD).fetchone() is not None
        else:
            found = self._execute(_VIEW_WITHOUT_HOLDS, (*identity, day, OFFLINE_DAY)).fetchone() + _NONE_HELD
        redemption_id, used_at, uses, count_day, value_day, count_offline, value_offline, unprinted = found[
            :8
        ]
        receipt, spent, held_uses, held_minor, until, count, charge = found[8:]
        prior = None if redemption_id is None else prior_of(redemption_id, used_at, uses, spent)
        held = Held(held_uses, held_minor, from_timestamp(until)) if held_uses else None
        more = int(charge)
        used = BudgetUse(
            (count_day or 0) + count,
            (value_day or 0) + more,
            (count_offline or 0) + count,
            (value_offline or 0) + more,
        )
        return LedgerView(prior, used, bool(unprinted) or self._waits(receipt), held)

    def _waits(self, receipt: str | None) -> bool:
        """Whether the receipt that carries a promo code is known not to be on paper."""
        if receipt is None:
            return False
        row = self._execute(_UNPRINTED, (job_number(receipt), receipt)).fetchone()
        return row is not None

    def consume(
        self,
        identity: tuple[str, int, int],
        redemption_id: str,
        at: datetime,
        forget_after: int,
        uses: int,
        spent_minor: int = 0,
    ) -> None:
        row = (*identity, redemption_id, timestamp(at), forget_after, uses, spent_minor)
        counted = self._execute(_UPSERT_USE, row).rowcount
        assert counted == 1, "a coupon is used as often as was decided on, and no more"

    def charge(self, issuer: str, campaign: int, day: int, value_minor: int) -> None:
        self._execute(_UPSERT_BUDGET, (issuer, campaign, day, OFFLINE_DAY, value_minor))

    def head(self, lane: str) -> ChainHead:
        if (known := self._seen.heads.get(lane)) is not None:
            return known
        row = self._execute(_HEAD[lane]).fetchone()
        found = start_of(self._connection, lane) if row is None else ChainHead(*row)
        self._seen.heads[lane] = found
        return found

    def append(self, lane: str, head: ChainHead, event: str, disclosed: Sequence[Disclosure] = ()) -> None:
        self._execute(_APPEND[lane], (head.sequence, event, head.hash))
        for one in disclosed:
            self._execute(_DISCLOSE, (lane, head.sequence, *one))
        self._seen.heads[lane] = head

    def erased(self) -> int:
        return int(setting(self._connection, _ERASED) or "0")

    def put_erased(self, number: int) -> None:
        put_setting(self._connection, _ERASED, str(number))

    def erase(self, is_erased: Callable[[bytes], bool], members: Iterable[bytes]) -> int:
        return erase(self._connection, is_erased, members)

    def take_promo(self, redemption_id: str, day: int, campaign: tuple[str, int] | None) -> PromoCode | None:
        if (day, campaign) in self._seen.no_promo:
            return None
        sql, of = (_TAKE_ANY, ()) if campaign is None else (_TAKE_OF, campaign)
        row = self._execute(sql, (redemption_id, day, *of)).fetchone()
        if row is None:
            self._seen.no_promo.add((day, campaign))
            return None
        try:
            texts = json.loads(row[2])
            return PromoCode(row[1], row[0], Words(*texts["title"]), Words(*texts["conditions"]))
        except (ValueError, KeyError, TypeError):
            # A receipt without a promotion is printed; the code is nobody's, and no later receipt meets it.
            log.error("promo code %s is damaged in the database: thrown away", row[0])
            self._execute("DELETE FROM promo WHERE short = ?", (row[0],))
            return None

    def promo_token(self, short: str) -> str | None:
        row = self._execute(
            "SELECT token FROM promo WHERE short = ? AND redemption_id IS NOT NULL", (short,)
        ).fetchone()
        return None if row is None else str(row[0])

    def indexes_signed(self, issuer: str, campaign: int) -> set[int]:
        rows = self._execute(
            "SELECT idx FROM promo INDEXED BY promo_signed WHERE issuer = ? AND campaign = ? AND signed = 1",
            (issuer, campaign),
        )
        return {row[0] for row in rows.fetchall()}

    def keep_signed(self, promo: PromoCode, redemption_id: str) -> None:
        self._execute(_KEEP_SIGNED, (*promo_row(promo), redemption_id))

    def printed_promos(self, redemption_id: str | None) -> list[PromoUse]:
        one, of = ("", ()) if redemption_id is None else ("AND redemption_id = ?", (redemption_id,))
        uses = [PromoUse(*row) for row in self._execute(f"{_HANDED_OUT} {one}", of).fetchall()]
        return [use for use in uses if self._print_state(use.redemption_id) == PrintState.PRINTED]

    def _print_state(self, job_id: str) -> str:
        row = self._execute(_JOB, (job_number(job_id), job_id)).fetchone()
        return "" if row is None else str(row[0])

    def settle_promo(self, short: str) -> None:
        self._execute("UPDATE promo SET settled = 1 WHERE short = ?", (short,))

    def give_up_print(self, job_id: str, at: datetime) -> bool:
        place = (job_number(job_id), job_id)
        if not self._execute(_GIVE_UP, (timestamp(at), *place)).rowcount:
            return False
        self._execute("DELETE FROM print_document WHERE number = ?", place[:1])
        return True

    def return_promo(self, redemption_id: str) -> PromoUse | None:
        row = self._execute(f"{_HANDED_OUT} AND redemption_id = ?", (redemption_id,)).fetchone()
        if row is None:
            return None
        self._seen.no_promo.clear()
        self._execute("UPDATE promo SET redemption_id = NULL WHERE short = ?", row[:1])
        return PromoUse(*row)

    def queue_print(self, job_id: str, redemption_id: str, receipt: str, at: datetime) -> None:
        now = timestamp(at)
        self._execute(
            "INSERT INTO print_job VALUES (?, ?, ?, ?, 'queued', 0, '', ?, ?)",
            (job_number(job_id), job_id, redemption_id, receipt, now, now),
        )

    def recall(self, request_id: str) -> Remembered | None:
        row = self._execute(
            "SELECT fingerprint, answer FROM request WHERE request_id = ?", (request_id,)
        ).fetchone()
        return None if row is None else Remembered(*row)

    def remember(self, request_id: str, fingerprint: str, answer: str, at: datetime) -> None:
        row = (request_id, fingerprint, answer, timestamp(at))
        if not self._execute("INSERT INTO request VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount:
            raise AnsweredBefore(request_id)

    def mark(self) -> datetime | None:
        row = self._execute("SELECT value FROM setting WHERE name = 'time_mark'").fetchone()
        return None if row is None else from_timestamp(row[0])

    def raise_mark(self, anchor: Anchor) -> None:
        current = self.mark()
        if current is None or anchor.at > current:
            put_anchor(self._connection, anchor)


class SqlLedger:
    """`agent.ports.Ledger` over the writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(
        self, work: Callable[[SqlTransaction], T], read_back: Callable[[SqlTransaction], T | None]
    ) -> T:
        return await self._database.run(
            lambda connection: work(SqlTransaction(connection, self._database.seen)),
            lambda connection: read_back(SqlTransaction(connection, self._database.seen)),
            brief=True,
        )

    async def scrub(self) -> None:
        await self._database.scrub()
