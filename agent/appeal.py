"""The coupon at the counter that waits for a supervisor: the badge that is scanned next lets it through, once.

In memory alone: after a restart the coupon is scanned again.
"""

from __future__ import annotations

from dataclasses import replace

from agent.domain import time
from agent.domain.outcome import Outcome
from agent.domain.risk import shown
from agent.domain.verdict import Verdict
from agent.ports import Clock
from agent.request import Request
from agent.state import TillState

WAITS_S = 60.0
"""How long a coupon waits for a badge."""


class Appeal:
    """Of one counter, whose scans are judged one after the other."""

    def __init__(self, state: TillState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._waiting: tuple[Request, float] | None = None

    def heard(self, scan: Request) -> Request:
        """The scan itself; if it is a supervisor's badge and a coupon of the same sale waits, that coupon with it."""
        if self._waiting is None:
            return scan
        coupon, until = self._waiting
        same = coupon.sale is scan.sale and coupon.member is scan.member
        if not same or self._clock.monotonic() > until or not self._counts(scan.text):
            return scan
        self._waiting = None  # one badge, one coupon
        return replace(scan, text=coupon.text, supervisor=scan.text)

    def note(self, scan: Request, verdict: Verdict) -> None:
        """What came of a scan. A badge that does nothing leaves the coupon waiting; any other scan takes its place."""
        if verdict.outcome is Outcome.SUPERVISOR_NEEDED:
            self._waiting = replace(scan, supervisor=""), self._clock.monotonic() + WAITS_S
        elif verdict.outcome is not Outcome.STAFF_BADGE:
            self._waiting = None

    def _counts(self, text: str) -> bool:
        trust = self._state.trust
        if trust is None:
            return False
        day = time.day_number(self._state.now(self._clock).now, trust.zone)
        return shown(trust.contents.shop.badges, text, day).fault is None
