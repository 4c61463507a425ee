"""What becomes of the promo codes that were handed out: the cloud is told which are on paper, and a receipt that is
known not to have been printed gives its code back.

A code is active once its receipt is confirmed to be printed: that is a record of its own, for the printer answers after
the redemption was committed. It goes into the evidence lane, so that redemptions keep their numbers without gaps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from agent.domain import record, time
from agent.domain.keys import SigningKey
from agent.ports import Clock, CommitUnknown, Ledger, LedgerUnavailable, PromoUse, Transaction
from agent.state import TillState

log = logging.getLogger(__name__)

KIND = "promo"
"""The record's type is redeemd.promo.v1."""
_ENCODE = msgspec.json.Encoder(order="sorted").encode


class Promos:
    """The use case over its ports. committed: called after every record, wakes the uploads."""

    def __init__(
        self,
        state: TillState,
        ledger: Ledger,
        clock: Clock,
        key: SigningKey,
        committed: Callable[[], None],
    ) -> None:
        self._state = state
        self._ledger = ledger
        self._clock = clock
        self._key = key
        self._committed = committed

    async def settle(self, redemption_id: str | None = None) -> int:
        """Record that codes are on paper: of one redemption, or all that a crash left over; how many. Never raises for
        the ledger: what could not be recorded now is found at the next start."""

        def work(tx: Transaction) -> int:
            uses = tx.printed_promos(redemption_id)
            for use in uses:
                tx.settle_promo(use.short)
                self._append(tx, use, "printed")
            return len(uses)

        if not self._state.till:
            return 0
        try:
            count = await self._ledger.write(work, lambda _tx: None)
        except (LedgerUnavailable, CommitUnknown) as error:
            log.error("printed promo codes are recorded later: %s", error)
            return 0
        if count:
            self._committed()
        return count

    async def give_up(self, job_id: str) -> bool:
        """A receipt that waits for a printer is not wanted any more: its code is free again, and the cloud is told.
        False if a printer may have taken some of it. Raises LedgerUnavailable, CommitUnknown."""

        def work(tx: Transaction) -> bool:
            if not tx.give_up_print(job_id, self._clock.now()):
                return False
            use = tx.return_promo(job_id)
            if use is not None:
                self._append(tx, use, "returned")
            return True

        given_up = await self._ledger.write(work, lambda _tx: None)
        if given_up:
            self._committed()
        return given_up

    def _append(self, tx: Transaction, use: PromoUse, state: str) -> None:
        now = self._state.now(self._clock)
        event, head = record.seal(
            lane=record.EVIDENCE_LANE,
            previous=tx.head(record.EVIDENCE_LANE),
            till=self._state.till,
            kind=KIND,
            time=time.timestamp(now.now),
            subject=f"{use.issuer}/{use.campaign}/{use.index}" if use.issuer else "promo",
            data=self._data(use, state, now),
            sign=self._key.sign,
            encode=_ENCODE,
        )
        tx.append(record.EVIDENCE_LANE, head, event)

    def _data(self, use: PromoUse, state: str, now: time.EffectiveTime) -> dict[str, Any]:
        place = None if self._state.trust is None else self._state.trust.contents.place
        coupon = {"issuer": use.issuer, "campaign": use.campaign, "index": use.index}
        return {
            "state": state,
            "promo": use.short,
            "redemption_id": use.redemption_id,
            "coupon": coupon if use.issuer else None,
            "store": "" if place is None else place.store,
            "merchant": "" if place is None else place.merchant,
            "business_date": time.day_text(time.day_number(now.now, self._state.zone())),
            "clock": {"wall": time.timestamp(now.wall), "doubt": now.doubt},
        }
