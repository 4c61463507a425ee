"""Erase the pseudonyms that a bundle says were erased, once, and say so in a record of the till's own chain."""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.domain import erasure, record, time
from agent.domain.erasure import Erased
from agent.domain.keys import SigningKey
from agent.ports import Clock, CommitUnknown, LedgerUnavailable, ScrubbedLedger, Transaction
from agent.records import base_facts, moment_of, seal_into
from agent.state import TillState, Trust

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0


class Erasing:
    """member_digest: by which this till counts a member, made from the digest that names an erased pseudonym."""

    def __init__(
        self,
        state: TillState,
        clock: Clock,
        ledger: ScrubbedLedger,
        key: SigningKey,
        member_digest: Callable[[bytes], bytes],
    ) -> None:
        self._state, self._clock, self._ledger, self._key = state, clock, ledger, key
        self._member_digest = member_digest
        self._done: int | None = None  # None: the ledger was not asked yet

    async def look(self) -> bool:
        """Whether there was something new to erase. What cannot be done now is done the next time."""
        trust = self._state.trust
        if trust is None or trust.contents.erased.number in (0, self._done):
            return False
        wanted = trust.contents.erased
        try:
            known = await self._ledger.write(
                lambda tx: self._work(tx, trust, wanted), lambda tx: tx.erased() >= wanted.number or None
            )
            await self._ledger.scrub()
        except (LedgerUnavailable, CommitUnknown) as error:
            log.error("what was erased elsewhere is not erased here yet: %s", error)
            return False
        self._done = wanted.number
        return known is True

    def _work(self, tx: Transaction, trust: Trust, wanted: Erased) -> bool:
        """Erase, record and remember in one transaction."""
        if tx.erased() >= wanted.number:
            return False
        removed = tx.erase(wanted.has, [self._member_digest(name) for name in wanted.names])
        tx.put_erased(wanted.number)
        at = moment_of(self._state, trust, self._clock)
        facts = base_facts(at, offline=not self._state.online, sale=None)
        seal_into(
            tx,
            self._key,
            self._state.till,
            at.now.now,
            lane=record.EVIDENCE_LANE,
            kind=erasure.KIND,
            subject=f"erasure/{wanted.number}",
            data={**facts, "erasure": wanted.number, "removed": removed},
        )
        log.info(
            "erased on request up to erasure %d: %d rows (%s)",
            wanted.number,
            removed,
            time.timestamp(at.now.now),
        )
        return True
