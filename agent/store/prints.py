"""The print queue. A job was committed with its redemption; here it goes through its states."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from agent.domain.time import timestamp
from agent.ports import Clock, PrintJob, PrintState
from agent.store import till_facts
from agent.store.database import Database
from agent.store.inspect import OPEN_PRINTS, job_number

_COLUMNS = (
    "job_id, redemption_id, receipt, state, copies, cause, updated_at,"
    " (SELECT document FROM print_document WHERE print_document.number = print_job.number)"
)


class SqlPrints:
    """`agent.ports.Prints` over the writer thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def next_print(self) -> PrintJob | None:
        def take(connection: sqlite3.Connection) -> PrintJob | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM {OPEN_PRINTS} AND state = 'queued' ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            self._set(connection, row[0], PrintState.SENDING, "")
            return replace(_job(row), state=PrintState.SENDING, cause="")

        return await self._database.run(take)

    async def keep_document(self, job_id: str, document: str) -> None:
        await self._database.run(
            lambda connection: connection.execute(
                "INSERT INTO print_document VALUES (?, ?) ON CONFLICT DO NOTHING",
                (job_number(job_id), document),
            )
        )

    async def name_cause(self, job_id: str, cause: str) -> None:
        await self._database.run(
            lambda connection: connection.execute(
                "UPDATE print_job SET cause = ? WHERE number = ? AND job_id = ? AND state = 'sending'",
                (cause, job_number(job_id), job_id),
            )
        )

    async def finish_print(self, job_id: str, state: PrintState, cause: str) -> None:
        await self._database.run(lambda connection: self._set(connection, job_id, state, cause))

    async def print_job(self, job_id: str) -> PrintJob | None:
        return await self._database.run(lambda connection: _find(connection, job_id))

    async def had_print(self, job_id: str) -> bool:
        def had(connection: sqlite3.Connection) -> bool:
            till = till_facts.setting(connection, "till")
            last = connection.execute("SELECT max(sequence) FROM redemption_record").fetchone()[0] or 0
            return job_id == f"{till}-{number}" and 0 < number <= last

        number = job_number(job_id) or 0
        return await self._database.run(had)

    async def copy_print(self, job_id: str) -> PrintJob | None:
        def copy(connection: sqlite3.Connection) -> PrintJob | None:
            job = _find(connection, job_id)
            if job is None or job.state in (PrintState.QUEUED, PrintState.SENDING):
                return job
            if job.state is not PrintState.FAILED:  # of that there is no original yet
                connection.execute(
                    "UPDATE print_job SET copies = copies + 1 WHERE number = ?", (job_number(job_id),)
                )
            self._set(connection, job_id, PrintState.QUEUED, "")
            return _find(connection, job_id)

        return await self._database.run(copy)

    async def list_prints(self, limit: int, *, unconfirmed: bool = False) -> Sequence[PrintJob]:
        which = f"{OPEN_PRINTS} AND state = 'unconfirmed'" if unconfirmed else "print_job"

        def newest(connection: sqlite3.Connection) -> Sequence[PrintJob]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM {which} ORDER BY number DESC LIMIT ?", (limit,)
            )
            return [_job(row) for row in rows]

        return await self._database.run(newest)

    async def confirm_print(self, job_id: str) -> bool:
        def confirm(connection: sqlite3.Connection) -> bool:
            job = _find(connection, job_id)
            if job is None or job.state is not PrintState.UNCONFIRMED:
                return False
            self._set(connection, job_id, PrintState.PRINTED, "")
            return True

        return await self._database.run(confirm)

    async def recover_prints(self) -> int:
        def recover(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE print_job SET state = 'unconfirmed', cause = 'restart'"
                f" WHERE number IN (SELECT number FROM {OPEN_PRINTS} AND state = 'sending')"
            ).rowcount

        return await self._database.run(recover)

    def _set(self, connection: sqlite3.Connection, job_id: str, state: PrintState, cause: str) -> None:
        connection.execute(
            "UPDATE print_job SET state = ?, cause = ?, updated_at = ? WHERE number = ? AND job_id = ?",
            (state.value, cause, timestamp(self._clock.now()), job_number(job_id), job_id),
        )


def _find(connection: sqlite3.Connection, job_id: str) -> PrintJob | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM print_job WHERE number = ? AND job_id = ?", (job_number(job_id), job_id)
    ).fetchone()
    return None if row is None else _job(row)


def _job(row: tuple[str, str, str, str, int, str, str, str | None]) -> PrintJob:
    job_id, redemption_id, receipt, state, copies, cause, updated_at, document = row
    return PrintJob(job_id, redemption_id, receipt, PrintState(state), copies, cause, updated_at, document)
