"""The lanes of one till: uploads, and what is asked of the cloud now and then. Each is a task, and each fails alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import config
from agent.domain.record import LANES
from agent.line.news import Ask, NewsWatch
from sync.backoff import Backoff
from sync.lane_state import LaneState
from sync.lanes import LaneRunner, Poller
from sync.missing import Span
from sync.ports import Failure, Outbox, Uplink
from sync.wire import Limits

Fetch = Callable[[], Awaitable[bool | Failure]]


class Line:
    """Nothing until `start`: a till without a cloud has no lanes."""

    def __init__(self, settings: config.Sync) -> None:
        self._settings = settings
        self._lanes: list[LaneRunner] = []
        self._pollers: dict[str, Poller] = {}
        self._watch: NewsWatch | None = None

    @property
    def started(self) -> bool:
        return bool(self._lanes)

    def start(
        self, till: str, outbox: Outbox, uplink: Uplink, fetches: Mapping[str, Fetch], ask: Ask
    ) -> None:
        """fetches: by the name of its lane, what is asked now and then. ask: for a question that the cloud keeps."""
        settings = self._settings
        backoff = Backoff(settings.backoff_base_s, settings.backoff_cap_s)
        limits = Limits(batch_records=settings.batch_max_records, batch_bytes=settings.batch_max_bytes)
        self._lanes = [
            LaneRunner(
                lane, outbox, uplink, limits=limits, backoff=backoff, interval_s=settings.upload_interval_s
            )
            for lane in LANES
        ]
        self._pollers = {
            name: Poller(name, fetch, interval_s=settings.bundle_interval_s, backoff=backoff)
            for name, fetch in fetches.items()
        }

        if settings.push:
            patient = Backoff(
                settings.backoff_base_s, max(settings.backoff_cap_s, settings.bundle_interval_s)
            )
            self._watch = NewsWatch(ask, till, self.poll_now, patient)

    def states(self) -> Sequence[LaneState]:
        """Of those that say whether the line is there; a cloud may have no news."""
        return [
            *(lane.state() for lane in self._lanes),
            *(poller.state() for poller in self._pollers.values()),
        ]

    def all_states(self) -> Sequence[LaneState]:
        return [*self.states(), *(() if self._watch is None else (self._watch.state(),))]

    def wake(self) -> None:
        """A record was committed."""
        for lane in self._lanes:
            lane.wake()

    def back(self) -> None:
        """The line is known to be there again."""
        for lane in self._lanes:
            lane.retry_now()

    async def missed(self, spans: Mapping[str, Sequence[Span]]) -> None:
        """What the cloud lost of each lane is sent again."""
        for lane in self._lanes:
            await lane.missed(spans.get(lane.lane, ()))

    def poll_now(self) -> None:
        """There is something new in the cloud."""
        for poller in self._pollers.values():
            poller.poll_now()

    def tasks(self) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What to run, each with its name."""
        return [
            *((f"upload {lane.lane}", lane.run) for lane in self._lanes),
            *((name, poller.run) for name, poller in self._pollers.items()),
            *(() if self._watch is None else (("news", self._watch.run),)),
        ]
