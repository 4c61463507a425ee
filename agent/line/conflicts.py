"""Conflicts: what the cloud found of this till's redemptions afterwards is asked for, kept, shown and printed once.

A lane of its own: nothing waits for it, and it waits for nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from agent.ports import Clock, CommitUnknown, ConflictShelf, LedgerUnavailable
from agent.state import TillState
from sync.errors import WireError
from sync.ports import Answer, Failure, FailureKind, Uplink
from sync.status import failure_of
from sync.verdicts import VERDICTS_BYTES_MAX, VERDICTS_TYPE, Verdict, read_verdicts, verdicts_path
from sync.wire import media_type

log = logging.getLogger(__name__)

PAGES_MAX = 10
"""Answers taken at one contact."""
SHOWN_MAX = 5
"""Conflicts within the status; the list has all."""


class Conflicts:
    """slip: the facts of a slip, None where none are printed. told: called when there are new ones."""

    def __init__(
        self,
        store: ConflictShelf,
        uplink: Uplink | None,
        state: TillState,
        clock: Clock,
        slip: Callable[[Verdict], str] | None,
        told: Callable[[], None],
    ) -> None:
        self._store = store
        self._uplink = uplink
        self._state = state
        self._clock = clock
        self._slip = slip
        self._told = told

    async def fetch(self) -> bool | Failure:
        """Ask the cloud for what is behind the highest number here: True if there was something new."""
        assert self._uplink is not None, "only a till with a cloud fetches"
        fresh = 0
        try:
            for _ in range(PAGES_MAX):
                path = verdicts_path(self._state.till, await self._store.cursor())
                answer = await self._uplink.get(path, max_bytes=VERDICTS_BYTES_MAX)
                if isinstance(answer, Answer) and answer.status == 404:
                    break  # a cloud that has no verdicts
                failure = answer if isinstance(answer, Failure) else failure_of(answer)
                if failure is not None:
                    return failure
                assert isinstance(answer, Answer), "a failure was handled"
                if media_type(answer.headers) != VERDICTS_TYPE:
                    return Failure(FailureKind.PROTOCOL, "verdicts in a form that was not asked for")
                verdicts, more = read_verdicts(answer.body)
                now = self._state.now(self._clock).now
                fresh += await self._store.take(verdicts, now, self._slip)
                if not (verdicts and more):
                    break
        except WireError as error:
            return Failure(FailureKind.PROTOCOL, error.sentence)
        except (LedgerUnavailable, CommitUnknown) as error:  # what is taken twice is kept once
            return Failure(FailureKind.OUTBOX, str(error))
        finally:
            if fresh:
                log.warning("the cloud tells of %d conflicts", fresh)
                self._told()
        return fresh > 0

    async def shown(self) -> list[dict[str, Any]]:
        """Those that nobody has seen, for the status; none while the ledger cannot be asked, which it says itself."""
        try:
            return await self._store.listed(SHOWN_MAX, unseen=True)
        except (LedgerUnavailable, CommitUnknown):
            return []

    async def listed(self, limit: int, *, unseen: bool) -> list[dict[str, Any]]:
        """The newest first. Raises LedgerUnavailable."""
        return await self._store.listed(limit, unseen=unseen)

    async def see(self, number: int) -> bool:
        """Somebody has looked at it. False if there is no such conflict. Raises LedgerUnavailable, CommitUnknown."""
        return await self._store.see(number, self._state.now(self._clock).now)
