"""Redemptions of coupons that nobody ever issued: signed by a till's key, and yet made up. In every `CloudStore`."""

from __future__ import annotations

from datetime import date

from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, signing_key_from_seed
from cloud.background import count_all
from cloud.feed import RECORD_TYPES, FeedCursor
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.ports import CloudStore, Terms
from cloud.settling import period_of, settlement
from cloud.tills import Till
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    CAMPAIGN,
    ISSUER,
    LATER,
    NOW,
    TODAY,
    SealingTill,
    batch,
    campaign,
    enrolled,
    sealing_till,
)

PERIOD = period_of(date(2026, 1, 1), date(2026, 12, 31))
SIZE = 1000


async def world(store: CloudStore, *, registered: bool = False) -> tuple[SealingTill, list[int]]:
    """A till, and the indexes of the ten coupons that were issued (none where the key is registered)."""
    till = sealing_till("T-1")
    await enrolled(store, till)
    key = signing_key_from_seed(bytes(32))
    trusted = IssuerKey(key.kid, ISSUER, Algorithm.ED25519, key.public_key, None, 0, 60_000, 10_000)
    await store.add_key(trusted, registered=registered)
    await store.put_campaign(campaign(), None, new_index_key())
    if registered:
        return till, []
    return till, await store.allot(ISSUER, CAMPAIGN, 10, Terms(TODAY, TODAY + 30), AT)


async def redeem(store: CloudStore, till: SealingTill, *indexes: int) -> None:
    known = await store.till(till.name)
    assert isinstance(known, Till)
    await ingest(store, known, "redemption", batch([till.redeem(index) for index in indexes]), lambda: NOW)


async def listed(store: CloudStore) -> list[tuple[str, int]]:
    return [(line.reason, line.index) for line in await store.implausible(10)]


def other_than(issued: list[int], count: int = 1) -> list[int]:
    return [index for index in range(SIZE) if index not in issued][:count]


async def test_they_are_listed_and_not_paid_unseen(store: CloudStore) -> None:
    till, issued = await world(store)
    made_up, again = other_than(issued, 2)
    await redeem(store, till, issued[0], made_up, issued[9])
    assert [
        event.event["standing"] for event in (await store.feed(FeedCursor(), 9, RECORD_TYPES)).events
    ] == [
        "counts",
        "implausible",
        "counts",
    ], "told so at once"
    await count_all(store)
    assert await listed(store) == [("never_issued", made_up)]
    (row,) = await settlement(store, PERIOD)
    assert row[6:10] == (2, 6000, 1, 3000)
    (line,) = await store.ledger("T-1", ("T-1", "redemption", 1), 1)
    assert line.implausible == "never_issued"
    await redeem(store, till, again)
    await count_all(store)
    assert sorted(await listed(store)) == sorted([("never_issued", made_up), ("never_issued", again)])


async def test_what_cannot_be_right_for_another_reason_keeps_it(store: CloudStore) -> None:
    till, issued = await world(store)
    known = await store.till(till.name)
    assert known is not None
    event = till.redeem(other_than(issued)[0], discount_minor=9_999)
    await ingest(store, known, "redemption", batch([event]), lambda: NOW)
    await count_all(store)
    assert [reason for reason, _ in await listed(store)] == ["above_value"]


async def test_a_key_held_elsewhere_issues_what_is_not_known_here(store: CloudStore) -> None:
    till, _ = await world(store, registered=True)
    await redeem(store, till, 5)
    await count_all(store)
    assert await listed(store) == []


async def test_a_restored_cloud_does_not_know_until_it_is_told(store: CloudStore) -> None:
    till, issued = await world(store)
    await store.restored(NOW)
    first, *others = other_than(issued, 3)
    await redeem(store, till, first)
    await count_all(store)
    assert await listed(store) == []
    await store.open_issuing(ISSUER, CAMPAIGN, SIZE)
    await redeem(store, till, *others)
    await count_all(store)
    assert await listed(store) == [], LATER
