"""What each HTTP status means to a till: one table for every lane, and the same one in
docs/sync-protocol.md. Pure.

Only a 200 (or 207) in the cloud's own media type can take a record out of the outbox, and only a permanent
refusal in the cloud's own words can move one to quarantine. Everything else, known or not, keeps every
record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sync.backoff import http_date, retry_after
from sync.ports import Answer, Failure, FailureKind
from sync.wire import decode_problem, media_type


class Treatment(StrEnum):
    """What a lane does with its batch after an answer."""

    PER_RECORD = "per_record"  # read one result per record
    SPLIT = "split"  # something in the batch is the reason: halve it until one record stands alone
    KEEP = "keep"  # nothing in the batch is the reason: keep it all, report, back off


@dataclass(frozen=True, slots=True)
class Rule:
    treatment: Treatment
    kind: FailureKind | None


_PER_RECORD = Rule(Treatment.PER_RECORD, None)
_SPLIT = Rule(Treatment.SPLIT, FailureKind.BATCH_REFUSED)
_NOT_ADMITTED = Rule(Treatment.KEEP, FailureKind.NOT_ADMITTED)
_NOT_FOUND = Rule(Treatment.KEEP, FailureKind.NOT_FOUND)
_BUSY = Rule(Treatment.KEEP, FailureKind.BUSY)
_PORTAL = Rule(Treatment.KEEP, FailureKind.CAPTIVE_PORTAL)
_PROTOCOL = Rule(Treatment.KEEP, FailureKind.PROTOCOL)
_UNKNOWN = Rule(Treatment.KEEP, FailureKind.UNKNOWN_STATUS)

STATUS_RULES: Mapping[int, Rule] = {
    200: _PER_RECORD,
    207: _PER_RECORD,
    400: _SPLIT,
    401: _NOT_ADMITTED,
    403: _NOT_ADMITTED,
    404: _NOT_FOUND,
    405: _NOT_FOUND,
    406: _PROTOCOL,
    407: Rule(Treatment.KEEP, FailureKind.PROXY),  # never the cloud
    408: _BUSY,
    409: _BUSY,  # the same batch is being worked on under its idempotency key
    410: _NOT_FOUND,
    413: _SPLIT,
    415: _PROTOCOL,  # a cloud that does not speak this media type or encoding
    422: _SPLIT,
    425: _BUSY,
    429: _BUSY,
    511: _PORTAL,  # RFC 6585: the network, not the cloud, wants a login
}
_CLASS_RULES: Mapping[int, Rule] = {3: _PORTAL, 5: _BUSY}
"""For statuses without a row of their own, by their first digit; 3xx because our cloud never redirects."""


def rule_for(status: int) -> Rule:
    return STATUS_RULES.get(status) or _CLASS_RULES.get(status // 100, _UNKNOWN)


def failure_of(answer: Answer) -> Failure | None:
    """The failure an answer stands for, None if it is usable: 200, 204 or 304, and not a login page.

    For everything but a batch; a batch has results and its own rules.
    """
    if looks_like_portal(answer):
        return failure_from(answer, FailureKind.CAPTIVE_PORTAL)
    if answer.status in (200, 204, 304):
        return None
    return failure_from(answer, rule_for(answer.status).kind or FailureKind.UNKNOWN_STATUS)


def looks_like_portal(answer: Answer) -> bool:
    """Whether the network answered in the cloud's place: a redirect, a 511, or a web page said to be fine."""
    if answer.status == 304:
        return False
    is_page = answer.status // 100 == 2 and media_type(answer.headers) in (
        "text/html",
        "application/xhtml+xml",
    )
    return is_page or rule_for(answer.status) is _PORTAL


def failure_from(answer: Answer, kind: FailureKind) -> Failure:
    """The failure with what the answer says about it: the cloud's sentence and its Retry-After."""
    problem = decode_problem(answer.status, answer.headers, answer.body)
    detail = f"HTTP {answer.status}"
    if problem is not None:
        detail += f" {problem.code}: {problem.sentence}"
    elif answer.status // 100 == 3:
        detail += f" to {answer.headers.get('location', 'nowhere')[:200]!r}"
    # Both times are the server's, so the till's own clock does not matter.
    wish = retry_after(answer.headers.get("retry-after"), http_date(answer.headers.get("date")))
    return Failure(kind, detail, wish)
