"""What the cloud says it never got of a lane, and when a till sends that again. Pure. The rules: docs/sync-protocol.md.

A cloud that was restored from a backup has lost records that it had acknowledged. It names them by their sequences in
the answer to a batch, or to the question for the bundle in which the till says how much it delivered, and the till puts
those that it still has back into the outbox.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from sync import strict_json
from sync.errors import WireError
from sync.wire import DEFAULT_LIMITS, Limits

HEADER = "Redeemd-Missing"
"""Beside the answer to a question for the bundle: lane -> spans, as JSON."""
HEADER_CHARS_MAX = 2048
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
    return _spans(document.get("missing") if isinstance(document, dict) else None)


def to_header(missing: Mapping[str, Span]) -> str:
    """ASCII; one span a lane."""
    said = {lane: [{"first": first, "last": last}] for lane, (first, last) in missing.items()}
    return json.dumps(said, separators=(",", ":"))


def read_header(text: str) -> dict[str, tuple[Span, ...]]:
    """The spans of each lane; nothing where it is not of this form."""
    try:
        document = strict_json.loads(text.encode(), max_bytes=HEADER_CHARS_MAX, max_depth=4)
    except (WireError, UnicodeEncodeError):
        return {}
    return {lane: _spans(named) for lane, named in document.items()} if isinstance(document, dict) else {}


def _spans(named: object) -> tuple[Span, ...]:
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
