"""Redemptions of coupons that nobody ever issued: signed by a till's key, and yet made up. In every `CloudStore`."""

from __future__ import annotations

from datetime import date

import pytest

from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, signing_key_from_seed
from cloud.api.background import count_all
from cloud.errors import Refused
from cloud.feed import RECORD_TYPES, FeedCursor
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.ports import CloudStore, Terms
from cloud.settling import period_of, settlement
from cloud.store import sql_drawing
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


async def draw(store: CloudStore, count: int, order: str | None = None) -> list[int]:
    return await store.allot(ISSUER, CAMPAIGN, count, Terms(TODAY, TODAY + 30), AT, order)


async def test_no_customer_gets_what_a_made_up_redemption_used(store: CloudStore) -> None:
    """Passed over, whatever is drawn; listed, though the tally comes to the records only afterwards."""
    till, issued = await world(store)
    made_up = other_than(issued, 400)
    await redeem(store, till, *made_up)
    first = await draw(store, 100, "first")
    second = await draw(store, 1)
    assert await draw(store, 100, "first") == first, "the same order is the same coupons"
    with pytest.raises(Refused, match="489 coupons are left"):
        await draw(store, 490)
    third = await draw(store, 489, "rest")
    given = [*issued, *first, *second, *third]
    assert len(set(given)) == len(given) == SIZE - 400
    assert not set(given) & set(made_up)
    assert await draw(store, 489, "rest") == third
    assert await draw(store, 100, "first") == first
    with pytest.raises(Refused, match="0 coupons are left"):
        await draw(store, 1)
    await redeem(store, till, *third[:3])
    await count_all(store)
    lines = await store.implausible(500)
    assert sorted(line.index for line in lines) == sorted(made_up)
    assert {line.reason for line in lines} == {"never_issued"}
    assert await store.conflicts(10) == []
    (row,) = await settlement(store, PERIOD)
    assert (row[6], row[8]) == (3, 400)


async def test_no_customer_gets_what_was_revoked_before(store: CloudStore) -> None:
    """Whoever got it would hold a coupon that every till refuses."""
    _, issued = await world(store)
    revoked = other_than(issued, 300)
    assert await store.revoke(ISSUER, CAMPAIGN, revoked, AT) == 300
    given = await draw(store, 400, "first")
    assert not set(given) & set(revoked)
    assert await draw(store, 400, "first") == given
    assert await store.revoke(ISSUER, CAMPAIGN, given[:1], AT) == 1
    assert await draw(store, 400, "first") == given, "what was revoked since is the order's all the same"
    assert sorted(await draw(store, 290)) == sorted(set(range(SIZE)) - {*revoked, *issued, *given})


async def test_a_held_use_is_passed_over_too(store: CloudStore) -> None:
    """A person may release it; then it would be used."""
    till, issued = await world(store)
    await store.revoke_till("T-1", AT)
    made_up = other_than(issued, 500)
    await redeem(store, till, *made_up)
    assert not set(await draw(store, 400)) & set(made_up)
    assert len(await listed(store)) > 0


async def test_what_was_refused_for_its_place_spoils_no_other_record(store: CloudStore) -> None:
    """It used its coupon all the same; the record that has its place is somebody else's."""
    till, issued = await world(store)
    twin = SealingTill(till.name, till.key)
    await redeem(store, till, issued[0])
    made_up = other_than(issued)[0]
    await redeem(store, twin, made_up)
    assert made_up not in await draw(store, SIZE - 11)
    await count_all(store)
    assert await listed(store) == []


async def test_the_most_that_is_passed_over(store: CloudStore, monkeypatch: pytest.MonkeyPatch) -> None:
    till, issued = await world(store)
    await redeem(store, till, *other_than(issued, 100))
    monkeypatch.setattr(sql_drawing, "PASSED_MAX", 20)
    with pytest.raises(Refused) as refused:
        await draw(store, 800)
    assert (refused.value.status, refused.value.code) == (409, "made_up")
    assert await listed(store) == []
    offer = await store.offer(ISSUER, CAMPAIGN)
    assert offer is not None
    assert offer.issued == 10


async def test_what_was_passed_over_is_behind_what_a_person_counts_after_a_restore(store: CloudStore) -> None:
    till, issued = await world(store)
    made_up = other_than(issued, 300)
    await redeem(store, till, *made_up)
    given = [*issued, *await draw(store, 90)]
    await store.restored(NOW)
    (closed,) = await store.closed()
    assert closed.issued == 100, "what people have"
    await store.open_issuing(ISSUER, CAMPAIGN, 100)
    rest = await draw(store, SIZE - 400)
    assert len({*given, *rest, *made_up}) == SIZE
