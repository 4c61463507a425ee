"""What a record must be so that it can go out as it is: a CloudEvent (1.0), in which nobody is named.

The feed and webhooks pass specversion and time on, and what is signed cannot be changed when somebody is erased.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(value: Any) -> TypeGuard[str]:
    """Whether it is 32 bytes in hexadecimal digits, as hashes of records and what hides a pseudonym are written."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def fault_of(event: Mapping[str, Any]) -> str:
    """What is wrong, naming the member; empty if nothing is."""
    if event.get("specversion") != "1.0":
        return "specversion is not 1.0"
    if not _is_time(event.get("time")):
        return "time is no time in UTC such as 2026-03-01T04:05:06.007Z (RFC 3339)"
    named = _named_openly(event.get("data"))
    return f"data.{named} is neither null nor a digest of 64 hex digits" if named else ""


def _is_time(text: Any) -> bool:
    try:
        return (
            isinstance(text, str)
            and _TIME.fullmatch(text) is not None
            and datetime.fromisoformat(text).tzinfo is UTC
        )
    except ValueError:  # no day of the calendar
        return False


def _named_openly(data: Any) -> str:
    """The member that holds something else than a digest where a person is meant; empty if none does."""
    if not isinstance(data, dict):
        return ""
    for outer, inner in (("member", "pseudonym"), ("coupon", "referrer")):
        said = data.get(outer)
        if isinstance(said, dict) and not _is_hidden(said.get(inner)):
            return f"{outer}.{inner}"
    incentives = data.get("incentives")
    if not isinstance(incentives, list):
        return ""
    referrers = (one for one in incentives if isinstance(one, dict) and one.get("party") == "referrer")
    return "" if all(_is_hidden(one.get("who")) for one in referrers) else "incentives.who"


def _is_hidden(value: Any) -> bool:
    return value is None or is_digest(value)
