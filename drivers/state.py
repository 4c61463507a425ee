"""What every driver does alike: keep one `DeviceStatus` and wait between tries."""

from __future__ import annotations

import time

from drivers.ports import DeviceState, DeviceStatus, DriverError

FIRST_DELAY_S = 0.1
LAST_DELAY_S = 1.0
"""Longest wait between two tries: a device that is plugged in again works within two seconds."""


class StatusBoard:
    """Holds a device's current status; set in one thread and read in another (the value is immutable)."""

    def __init__(self, name: str, kind: str):
        self._current = DeviceStatus(name, kind, DeviceState.STARTING, "", time.monotonic())

    @property
    def current(self) -> DeviceStatus:
        return self._current

    def set(self, state: DeviceState, detail: str = "") -> None:
        """detail: one sentence for store IT; empty while READY. `since` moves only when the state does."""
        was = self._current
        since = was.since if was.state is state else time.monotonic()
        self._current = DeviceStatus(was.name, was.kind, state, detail, since)


class RetryDelay:
    """Doubles from FIRST_DELAY_S to LAST_DELAY_S; `reset` after a success."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._next = FIRST_DELAY_S

    def next_s(self) -> float:
        delay, self._next = self._next, min(self._next * 2, LAST_DELAY_S)
        return delay


class DeviceUnavailable(DriverError):
    """A device cannot be opened. state and message are what its status shows; MISCONFIGURED: never will be."""

    def __init__(self, state: DeviceState, detail: str):
        super().__init__(detail)
        self.state = state
