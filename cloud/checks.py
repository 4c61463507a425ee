"""The online check as a till asks it: the request's form, the answer's, and what the store is asked for.

docs/sync-protocol.md ("The online check"). The rule is `agent.domain.online.word_of`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from agent.domain.fields import Fields
from agent.domain.online import CHECK_COUPONS_MAX, CHECK_LASTS_MAX_S, RESERVE_S, Word
from agent.domain.time import timestamp
from agent.domain.token import UINT32_MAX

CHECK_BYTES_MAX = 16 * 1024
_CHECK = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One coupon of a check. reserve: whether its use is to be kept for the till."""

    issuer: str
    campaign: int
    index: int
    reserve: bool


@dataclass(frozen=True, slots=True)
class Check:
    """check: names it, in hex: the same check again reserves nothing more. until: when what it reserves ends."""

    check: str
    until: str
    coupons: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """until: when the reservation ends, the till's own or, with RESERVED, the last of the others'; None for none."""

    asked: Asked
    word: Word
    until: str | None


class CheckStore(Protocol):
    """The part of `cloud.ports.CloudStore` that answers checks."""

    async def check(self, till: str, check: Check, at: str) -> list[Told]:
        """What is known of each coupon at `at`, in order. What is asked to be reserved and may be, is, until then.

        One till's yes is another's "reserved" from that moment on. A reservation ends with its time, or when the
        till's redemption of the coupon arrives.
        """


def read_check(value: Any, now: datetime) -> Check:
    """The body of a check; FieldError."""
    fields = Fields(value, "check")
    name = fields.text("check", 32, least=32)
    if not _CHECK.fullmatch(name):
        raise fields.error("check", "is not 32 lowercase hex digits")
    lasts_s = fields.integer("lasts_s", 0, CHECK_LASTS_MAX_S, default=0)
    listed = fields.items("coupons", CHECK_COUPONS_MAX)
    fields.done()
    coupons = tuple(_read_asked(item) for item in listed)
    if not coupons or len(set(coupons)) < len(coupons):
        raise fields.error("coupons", "is empty, or names a coupon twice")
    return Check(name, timestamp(now + timedelta(seconds=lasts_s + RESERVE_S)), coupons)


def _read_asked(value: Any) -> Asked:
    fields = Fields(value, "coupons")
    asked = Asked(
        fields.text("issuer", 32, least=1),
        fields.integer("campaign", 0, UINT32_MAX),
        fields.integer("index", 0, UINT32_MAX),
        fields.boolean("reserve", default=False),
    )
    fields.done()
    return asked


def told_json(found: Sequence[Told]) -> dict[str, Any]:
    """The answer's body."""
    return {
        "coupons": [
            {
                "issuer": one.asked.issuer,
                "campaign": one.asked.campaign,
                "index": one.asked.index,
                "word": one.word.value,
                "until": one.until,
            }
            for one in found
        ]
    }
