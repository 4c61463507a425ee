"""What every `CloudStore` tells the tills whose coupon was redeemed twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.domain.campaign import Returns
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.ports import CloudStore
from cloud.verdicts import KEEP_DAYS
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import AT, NOW, SealingTill, batch, campaign, enrolled, sealing_till


async def send(store: CloudStore, till: SealingTill, *events: dict[str, Any], at: datetime = NOW) -> None:
    await ingest(store, till.known(), "redemption", batch(events), lambda: at)


async def world(store: CloudStore, **changes: Any) -> list[SealingTill]:
    tills = [sealing_till(f"T-{number}", number) for number in (1, 2, 3)]
    await enrolled(store, *tills)
    await store.put_campaign(campaign(**changes), None, new_index_key())
    return tills


async def heard(store: CloudStore, till: str, after: int = 0) -> list[tuple[int, str, str, str, str]]:
    return [
        (one["number"], one["kind"], one["standing"], one["redemption_id"], one["other"]["redemption_id"])
        for one in await store.verdicts(till, after, 100)
    ]


async def test_both_tills_hear_of_a_conflict_once(store: CloudStore) -> None:
    one, two, three = await world(store)
    await send(store, one, one.redeem(5))
    later = two.redeem(5)
    for _ in range(3):
        await send(store, two, later)
    assert await heard(store, "T-1") == [(1, "conflict", "kept", "T-1-1", "T-2-1")]
    assert await heard(store, "T-2") == [(1, "conflict", "lost", "T-2-1", "T-1-1")]
    await send(store, three, three.redeem(5))
    assert await heard(store, "T-1", 1) == [(2, "conflict", "kept", "T-1-1", "T-3-1")]
    assert await heard(store, "T-3") == [(1, "conflict", "lost", "T-3-1", "T-1-1")]
    assert await heard(store, "T-2", 1) == []
    (said,) = await store.verdicts("T-2", 0, 100)
    assert (said["follows"], said["because"], said["found_at"]) == ("open", "double", AT)
    assert said["other"]["store"] == "S-0012"
    assert "at till T-1 of store S-0012 too (T-1-1)" in said["en"]
    assert "在门店 S-0012 的收银机 T-1 核销（T-1-1）" in said["zh"]


async def test_the_first_to_arrive_keeps_it_whatever_the_clocks_say(store: CloudStore) -> None:
    """The record with the later time came first: it counts."""
    one, two, _ = await world(store)
    await send(store, two, two.redeem(5))
    early = one.redeem(5)
    assert early["time"] == AT
    await send(store, one, early, at=NOW + timedelta(days=3))
    assert [line[2] for line in await heard(store, "T-2")] == ["kept"]
    assert [line[2] for line in await heard(store, "T-1")] == ["lost"]


async def test_one_till_that_used_a_coupon_twice_hears_of_it_once(store: CloudStore) -> None:
    one, *_ = await world(store)
    await send(store, one, one.redeem(5), one.redeem(5))
    assert await heard(store, "T-1") == [(1, "conflict", "lost", "T-1-2", "T-1-1")]


async def test_a_return_settles_a_conflict_for_both(store: CloudStore) -> None:
    one, two, three = await world(store, returns=Returns.COUPON)
    first, second = one.redeem(5), two.redeem(5)
    await send(store, one, first)
    await send(store, two, second)
    await send(store, one, one.give_back(first))
    assert await heard(store, "T-1", 1) == [(2, "settled", "returned", "T-1-1", "T-2-1")]
    assert await heard(store, "T-2", 1) == [(2, "settled", "kept", "T-2-1", "T-1-1")]
    third = three.redeem(5)
    await send(store, three, third)
    await send(store, three, three.give_back(third))
    assert await heard(store, "T-3") == [
        (1, "conflict", "lost", "T-3-1", "T-2-1"),
        (2, "settled", "returned", "T-3-1", "T-2-1"),
    ]
    assert (await store.verdicts("T-2", 2, 100))[-1]["follows"] == "paid"


async def test_when_the_first_comes_back_the_second_has_it_and_the_third_hears_so(store: CloudStore) -> None:
    one, two, three = await world(store, returns=Returns.COUPON)
    first = one.redeem(5)
    await send(store, one, first)
    for till in (two, three):
        await send(store, till, till.redeem(5))
    await send(store, one, one.give_back(first))
    assert await heard(store, "T-1", 2) == [
        (3, "settled", "returned", "T-1-1", "T-2-1"),
        (4, "settled", "returned", "T-1-1", "T-3-1"),
    ]
    assert await heard(store, "T-2", 1) == [
        (2, "settled", "kept", "T-2-1", "T-1-1"),
        (3, "conflict", "kept", "T-2-1", "T-3-1"),
    ]
    assert await heard(store, "T-3", 1) == [
        (2, "settled", "lost", "T-3-1", "T-1-1"),
        (3, "conflict", "lost", "T-3-1", "T-2-1"),
    ]


async def test_held_uses_accuse_nobody_until_they_are_released(store: CloudStore) -> None:
    one, two, _ = await world(store)
    await send(store, one, one.redeem(5))
    await store.revoke_till("T-2", AT)
    await send(store, two, two.redeem(5))
    assert await heard(store, "T-1") == []
    await store.release_held("T-2", AT)
    assert await heard(store, "T-1") == [(1, "conflict", "kept", "T-1-1", "T-2-1")]
    assert await heard(store, "T-2") == [(1, "conflict", "lost", "T-2-1", "T-1-1")]


async def test_pages_and_age(store: CloudStore) -> None:
    one, two, _ = await world(store)
    await send(store, one, *(one.redeem(index) for index in range(5)))
    await send(store, two, *(two.redeem(index) for index in range(5)))
    assert [number for number, *_ in await heard(store, "T-1")] == [1, 2, 3, 4, 5]
    page = await store.verdicts("T-1", 2, 2)
    assert [one["number"] for one in page] == [3, 4]
    late = NOW + timedelta(days=KEEP_DAYS + 1)
    await send(store, one, one.redeem(9), at=late)
    await send(store, two, two.redeem(9), at=late)
    assert [number for number, *_ in await heard(store, "T-1")] == [6], "what is old is told no more"


async def test_receivers_that_tell_the_same_tills_do_not_wait_for_each_other_for_ever(
    store: CloudStore,
) -> None:
    one, two, three = await world(store)
    await send(store, one, *(one.redeem(index) for index in range(30)))
    await send(store, two, *(two.redeem(index) for index in range(30, 60)))
    await send(store, three, *(three.redeem(index) for index in range(60, 90)))
    await asyncio.gather(
        send(store, one, *(one.redeem(index) for index in range(30, 90))),
        send(store, two, *(two.redeem(index) for index in (*range(60, 90), *range(30)))),
        send(store, three, *(three.redeem(index) for index in range(60))),
    )
    for till in ("T-1", "T-2", "T-3"):
        numbers = [one["number"] for one in await store.verdicts(till, 0, 1000)]
        assert numbers == list(range(1, 121)), "60 lost and 60 kept"


async def test_after_a_restore_numbers_go_on_beyond_what_tills_have(store: CloudStore) -> None:
    one, two, _ = await world(store)
    await store.restored(datetime(2026, 4, 1, tzinfo=UTC))
    await send(store, one, one.redeem(5))
    await send(store, two, two.redeem(5))
    assert [number for number, *_ in await heard(store, "T-1")] == [1_000_001]
