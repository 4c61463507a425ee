"""What to issue: how many coupons of which campaign, with which terms."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from agent.domain.time import EPOCH_DAY
from cloud.ports import Terms

AT_ONCE = 1000
"""Coupons of one request. Part of an order's identity: the same order asks for the same portions again."""

Signed = tuple[int, str]
"""(index, token), or (index, code)"""


@dataclass(frozen=True, slots=True)
class Order:
    """What to issue. first, last: the coupon's days, both included. store: number of the only store, or None.

    name: the same order again gives the same coupons.
    """

    issuer: str
    campaign: int
    count: int
    first: date
    last: date
    store: int | None = None
    store_group: int | None = None
    value_minor: int | None = None
    source: int | None = None
    name: str = field(default_factory=lambda: secrets.token_hex(6))

    def terms(self) -> Terms:
        return Terms(
            (self.first - EPOCH_DAY).days,
            (self.last - EPOCH_DAY).days,
            self.store,
            self.store_group,
            self.value_minor,
            self.source,
        )

    def portions(self) -> Iterable[tuple[str, int]]:
        """(name, count) of each request."""
        for start in range(0, self.count, AT_ONCE):
            yield f"{self.name}/{start}", min(AT_ONCE, self.count - start)
