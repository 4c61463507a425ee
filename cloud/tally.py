"""Sums of what tills reported, kept beside the ledger so that no page reads records. `store.sql_tally` keeps them.

A tally follows the ledger: for each till it remembers the last sequence that was counted, and goes on behind it. So a
batch of a till does nothing for it, and each record is counted exactly once, whichever receiver does it and whenever it
is killed; a record that fills a hole behind that place is noted in its batch's transaction, which is rare
(docs/decisions, 0039).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from typing import NamedTuple, Protocol

from cloud.facts import Fact
from cloud.lists import LedgerLine

AXES = ("total", "store", "hour", "source")
"""Along what a campaign's sums are kept, for each day. total: all of the day."""


class Key(NamedTuple):
    """One sum. value: on the axis, "" for total and where it is not known. day: YYYY-MM-DD of the store."""

    issuer: str
    campaign: int
    axis: str
    value: str
    day: str


class Sums(NamedTuple):
    """baskets: redemptions whose sale is known; basket_minor: of them. measured: those of an offer with a least sale;
    extra_minor: what of their sales lies above it. returns: that gave back more than nothing."""

    redemptions: int = 0
    discount_minor: int = 0
    baskets: int = 0
    basket_minor: int = 0
    measured: int = 0
    extra_minor: int = 0
    returns: int = 0
    returned_minor: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums._make(map(add, self, other))


def sums_of(fact: Fact) -> Sums:
    if fact.returned:
        return Sums(returns=fact.amount_minor > 0, returned_minor=fact.amount_minor)
    return Sums(
        redemptions=1,
        discount_minor=fact.amount_minor,
        baskets=fact.basket_minor is not None,
        basket_minor=fact.basket_minor or 0,
        measured=fact.extra_minor is not None,
        extra_minor=fact.extra_minor or 0,
    )


def tally(facts: Iterable[Fact], store: str) -> dict[Key, Sums]:
    """What these facts add. store: where the till stands that reported them."""
    found: dict[Key, Sums] = {}
    for fact in facts:
        own = sums_of(fact)
        values = {"total": "", "store": store, "hour": fact.hour, "source": fact.source}
        for axis in AXES:
            key = Key(fact.issuer, fact.campaign, axis, values[axis], fact.day)
            found[key] = found.get(key, Sums()).plus(own)
    return found


class ArmKey(NamedTuple):
    rule: str
    arm: str
    day: str


class ArmSums(NamedTuple):
    """Of one arm of a rule of receipts. receipts: that fell to it. codes: receipts that carried a code; back: of those,
    codes that were redeemed. An arm that is held out has none."""

    receipts: int = 0
    baskets: int = 0
    basket_minor: int = 0
    codes: int = 0
    back: int = 0

    def plus(self, other: ArmSums) -> ArmSums:
        return ArmSums._make(map(add, self, other))


class TallyLine(NamedTuple):
    """A sum over days: of one campaign and one value of an axis."""

    issuer: str
    campaign: int
    value: str
    sums: Sums


class ArmLine(NamedTuple):
    rule: str
    arm: str
    sums: ArmSums


class SettledLine(NamedTuple):
    """What was reported in stores, before what is in question and what went back. issuer "" for an unknown campaign.

    as_promised: of a known campaign, in its currency. parts_minor: of each party, in the order of PARTIES.
    """

    store: str
    issuer: str
    campaign: int
    as_promised: bool
    redemptions: int
    parts_minor: tuple[int, ...]


class TallyStore(Protocol):
    """The part of `cloud.ports.CloudStore` that sums up. Days: from `since` on, before `until`."""

    async def behind(self, limit: int) -> list[str]:
        """Tills with records that were not counted yet."""

    async def count_up(self, tills: Sequence[str], limit: int) -> int:
        """Count the next records of these tills, about `limit` at most, in one transaction; how many."""

    async def tallies(
        self, axis: str, since: str, until: str, of: tuple[str, int] | None = None
    ) -> list[TallyLine]:
        """Of one campaign, or of all."""

    async def arms(self, since: str, until: str) -> list[ArmLine]:
        """In order of rules and arms; by the day of the receipt."""

    async def conflict_counts(self) -> dict[tuple[str, int], int]:
        """How many records of each campaign are in conflict."""

    async def wrong_counts(self) -> dict[str, int]:
        """How many records are in conflict, refused, held (and wait), implausible; how many gaps there are."""

    async def settled(self, since: str, until: str) -> tuple[list[SettledLine], list[LedgerLine]]:
        """By the day (UTC) on which records came in: sums, and the redemptions among them that are in question."""
