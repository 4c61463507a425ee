"""The outbox: the records of a lane that the cloud has not acknowledged, and the quarantine beside it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from agent.domain.disclosure import with_disclosed
from agent.domain.record import REDEMPTION_LANE, record_id
from agent.ports import CommitUnknown, LedgerUnavailable
from agent.store.database import Database
from agent.store.inspect import DISCLOSED, TABLES, WAITING
from agent.store.ledger import OFFLINE_DAY
from sync.ports import OutboxUnavailable
from sync.wire import Record, RecordResult, ResultStatus

T = TypeVar("T")

_STATE_AFTER = {
    ResultStatus.STORED: "acknowledged",
    ResultStatus.DUPLICATE: "acknowledged",
    ResultStatus.CONFLICT: "conflict",
    ResultStatus.REFUSED: "quarantined",
}

# Once nothing waits, what the cloud has acknowledged is no longer at risk unseen; what it refused for good still is.
_QUARANTINED = f"""
(SELECT json_extract(event, '$.data.coupon.issuer') AS issuer,
    json_extract(event, '$.data.coupon.campaign') AS campaign,
    count(*) AS count, sum(json_extract(event, '$.data.charge_minor')) AS value_minor
FROM {TABLES[REDEMPTION_LANE]} INDEXED BY redemption_quarantined WHERE state = 'quarantined' GROUP BY 1, 2)
"""
_SEEN = f"DELETE FROM budget WHERE day = ? AND (issuer, campaign) NOT IN (SELECT issuer, campaign FROM {_QUARANTINED})"
_UNSEEN = f"""
UPDATE budget SET count = held.count, value_minor = held.value_minor FROM {_QUARANTINED} AS held
WHERE day = ? AND budget.issuer = held.issuer AND budget.campaign = held.campaign
"""
_SEQUENCE = re.compile(r"[0-9]{1,15}$")


class SqlOutbox:
    """`sync.ports.Outbox` over the writer thread."""

    def __init__(self, database: Database, till: str) -> None:
        self._database = database
        self._till = till

    async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
        def read(connection: sqlite3.Connection) -> list[Record]:
            rows = connection.execute(
                f"SELECT sequence, event, {DISCLOSED[lane]} FROM {WAITING[lane]} ORDER BY sequence LIMIT ?",
                (max_records,),
            )
            records: list[Record] = []
            size = 0
            for sequence, text, pairs in rows:
                event = with_disclosed(text, pairs)
                record = Record(lane, sequence, record_id(self._till, lane, sequence), event)
                size += record.size_bytes
                if records and size > max_bytes:
                    break
                records.append(record)
            return records

        return await self._run(read)

    async def settle(self, lane: str, results: Sequence[RecordResult]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            for result in results:
                self._settle_one(connection, lane, result)
            still = connection.execute(f"SELECT 1 FROM {WAITING[REDEMPTION_LANE]} LIMIT 1").fetchone()
            if lane == REDEMPTION_LANE and still is None:
                connection.execute(_SEEN, (OFFLINE_DAY,))
                connection.execute(_UNSEEN, (OFFLINE_DAY,))

        await self._run(write)

    def _settle_one(self, connection: sqlite3.Connection, lane: str, result: RecordResult) -> None:
        sequence = self._sequence(lane, result.record_id)
        if sequence is None:
            return  # not one of ours: the protocol layer reported it
        state = _STATE_AFTER[result.status]
        if result.status is ResultStatus.REFUSED and not result.permanent:
            return
        outcome = {
            "status": result.status.value,
            "code": result.code,
            "sentence": result.sentence,
            "conflict": result.conflict,
        }
        connection.execute(
            f"UPDATE {TABLES[lane]} SET state = ?, outcome = ? WHERE sequence = ? AND state = 'waiting'",
            (state, json.dumps(outcome, ensure_ascii=False), sequence),
        )

    def _sequence(self, lane: str, identifier: str) -> int | None:
        found = _SEQUENCE.search(identifier)
        if found is None or record_id(self._till, lane, int(found[0])) != identifier:
            return None
        return int(found[0])

    async def requeue(self, lane: str | None, sequence: int | None) -> int:
        """Take quarantined records (all, those of a lane, one) back into the outbox; returns how many.

        Raises LedgerUnavailable or CommitUnknown, after which the same call does what is left.
        """

        def write(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    f"UPDATE {table} INDEXED BY {each}_quarantined SET state = 'waiting', outcome = NULL"
                    " WHERE state = 'quarantined' AND sequence = coalesce(?, sequence)",
                    (sequence,),
                ).rowcount
                for each, table in TABLES.items()
                if lane in (None, each)
            )

        return await self._database.run(write)

    async def send_again(self, lane: str, spans: Sequence[tuple[int, int]], max_records: int) -> int:
        """`sync.ports.Outbox.send_again`."""

        def write(connection: sqlite3.Connection) -> int:
            count = 0
            for first, last in spans:
                count += connection.execute(
                    f"UPDATE {TABLES[lane]} SET state = 'waiting', outcome = NULL WHERE sequence IN"
                    f" (SELECT sequence FROM {TABLES[lane]} WHERE sequence BETWEEN ? AND ?"
                    " AND state IN ('acknowledged', 'conflict') ORDER BY sequence LIMIT ?)",
                    (first, last, max_records - count),
                ).rowcount
            return count

        return await self._run(write)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.run(work)
        except (LedgerUnavailable, CommitUnknown) as error:
            # Settling again is harmless: what is settled already is left alone.
            raise OutboxUnavailable(str(error)) from error
