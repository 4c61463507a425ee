"""What the cloud says it never got of a lane, and when a till sends that again. Pure. The rules: docs/sync-protocol.md.

A cloud that was restored from a backup has lost records that it had acknowledged. It names them by their sequences in
the answer to a batch, and the till puts those that it still has back into the outbox.
"""

from __future__ import annotations

import math

from sync import strict_json
from sync.errors import WireError
from sync.wire import DEFAULT_LIMITS, Limits

Span = tuple[int, int]
"""First and last sequence."""
SPANS_MAX = 16
"""Most spans that an answer names."""
RESEND_MAX = 500
"""Most records put back for one answer."""
RESEND_S = 600.0
"""How long a till leaves it at that when as much is missing as before: what it has not got it cannot send."""


def decode_missing(body: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[Span, ...]:
    """The first SPANS_MAX spans that the answer to a batch names; none where one of them is no span."""
    if b'"missing"' not in body:
        return ()  # as a rule nothing is: do not read it all a second time
    try:
        document = strict_json.loads(body, max_bytes=limits.answer_bytes, max_depth=limits.json_depth)
    except WireError:
        return ()
    named = document.get("missing") if isinstance(document, dict) else None
    if not isinstance(named, list):
        return ()
    spans = [_span(item) for item in named[:SPANS_MAX]]
    return tuple(span for span in spans if span is not None) if None not in spans else ()


def _span(item: object) -> Span | None:
    first, last = (item.get("first"), item.get("last")) if isinstance(item, dict) else (None, None)
    if type(first) is not int or type(last) is not int or not 0 < first <= last <= strict_json.MAX_INTEGER:
        return None
    return first, last


class Resending:
    """Keeps one lane from sending the same records again and again: what is named must grow less, or wait."""

    def __init__(self) -> None:
        self._least = math.inf
        self._not_before = 0.0

    def wanted(self, missing: tuple[Span, ...], now: float) -> tuple[Span, ...]:
        """What is to be sent again now, of what the cloud names. now: seconds of a clock that only rises."""
        count = sum(last - first + 1 for first, last in missing)
        if not count or (count >= self._least and now < self._not_before):
            return ()
        self._least, self._not_before = count, now + RESEND_S
        return missing
