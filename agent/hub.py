"""The hub: what the till has to tell its listeners (the cashier page, a POS), fanned out without waiting for any."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

LISTENERS_MAX = 32
BACKLOG_MAX = 100
VERDICTS_KEPT = 50


class Message(NamedTuple):
    """kind: verdict, status or print. data: a JSON object."""

    kind: str
    data: dict[str, Any]


class TooManyListeners(Exception):
    """LISTENERS_MAX are connected already."""


class Hub:
    """Keeps the last verdicts for a page that was just opened."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Message | None]] = set()
        self.verdicts: deque[dict[str, Any]] = deque(maxlen=VERDICTS_KEPT)

    @property
    def listeners(self) -> int:
        """How many are connected now."""
        return len(self._listeners)

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Tell everybody. A listener that does not read is cut off (it reconnects and asks for the state anew)."""
        if kind == "verdict":
            self.verdicts.appendleft(data)
        for queue in tuple(self._listeners):
            try:
                queue.put_nowait(Message(kind, data))
            except asyncio.QueueFull:
                self._cut(queue)

    def close(self) -> None:
        """End every listener's stream."""
        for queue in tuple(self._listeners):
            self._cut(queue)

    def _cut(self, queue: asyncio.Queue[Message | None]) -> None:
        self._listeners.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[Message | None]]:
        """A queue of messages; None in it means: cut off, leave."""
        if len(self._listeners) >= LISTENERS_MAX:
            raise TooManyListeners
        queue: asyncio.Queue[Message | None] = asyncio.Queue(BACKLOG_MAX)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
