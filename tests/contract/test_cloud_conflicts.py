"""What head office is shown of conflicts: where, who keeps the coupon, what follows, and which a return has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.domain.campaign import Returns, Words
from cloud.access import digest
from cloud.chain import judge
from cloud.conflicts import shown
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.lists import NEWEST
from cloud.places import Places
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.contract.test_cloud_store import entry
from tests.unit.cloud_kit import AT, LATER, NOW, STORE, SealingTill, batch, campaign, enrolled, sealing_till

NOODLES = replace(STORE, store="S-0031", number=31, merchant="M-7", title=Words("面馆", "Noodles"))
FIRST, SECOND = timedelta(), timedelta(hours=2)


async def world(store: CloudStore, **changes: Any) -> tuple[SealingTill, SealingTill, SealingTill]:
    """T-1 and T-2 in S-0012, T-3 in S-0031."""
    one, two, three = (sealing_till(f"T-{number}", number) for number in (1, 2, 3))
    await enrolled(store, one, two)
    await store.put_place(NOODLES)
    await store.add_till(three.name, NOODLES.store, digest(three.name), LATER)
    await store.enrol(digest(three.name), three.key.public_key, AT)
    await store.put_campaign(campaign(**changes), None, new_index_key())
    return one, two, three


async def send(store: CloudStore, till: SealingTill, *events: dict[str, Any], at: datetime = NOW) -> None:
    await ingest(store, till.known(), "redemption", batch(events), lambda: at)


async def listed(store: CloudStore, *, ended: bool = False, till: str | None = None) -> list[dict[str, Any]]:
    return await shown(Places(store), await store.conflicts(10, NEWEST, till, ended=ended))


async def test_both_sides_and_what_follows(store: CloudStore) -> None:
    one, _, three = await world(store)
    await send(store, one, one.redeem(5, currency="CNY"))
    await send(store, three, three.redeem(5, discount_minor=2_500), at=NOW + SECOND)
    (line,) = await listed(store)
    own = ("till", "store", "store_en", "merchant", "redemption_id", "time", "received_at", "discount_minor")
    assert [line["winner"][name] for name in own] == [
        *("T-1", "S-0012", "Store 1", "M-1", "T-1-1", AT, AT),
        3_000,
    ]
    assert [line[name] for name in own] == [
        *("T-3", "S-0031", "Noodles", "M-7", "T-3-1", AT, "2026-03-01T06:00:00.000Z"),
        2_500,
    ]
    assert (line["winner"]["currency"], line["currency"]) == ("CNY", None)
    assert (line["state"], line["follows"], line["listed_at"], line["revoked_at"]) == (
        *("lasting", "open"),
        AT,
        None,
    )
    assert line["en"] == (
        "Store S-0012 keeps the coupon and is paid. Store S-0031 is not paid for its discount (open in the "
        "settlement): merchant M-7 bears it until head office decides."
    )
    assert line["zh"].startswith("以门店 S-0012 为准，照常结算。门店 S-0031 给出的优惠暂不结算")
    await store.revoke("acme", 7, [5], LATER)
    assert (await listed(store))[0]["revoked_at"] == LATER
    for till, found in (("T-1", 1), ("T-3", 1), ("T-2", 0)):
        assert len(await listed(store, till=till)) == found, "either side's till finds it"


async def test_sides_are_called_by_what_tells_them_apart(store: CloudStore) -> None:
    one, two, _ = await world(store)
    await send(store, one, one.redeem(5), one.redeem(5))
    await send(store, two, two.redeem(5))
    said = {line["redemption_id"]: line["en"] for line in await listed(store)}
    assert said["T-1-2"].startswith("T-1-1 keeps the coupon and is paid. T-1-2 is not paid")
    assert said["T-2-1"].startswith("Till T-1 keeps the coupon and is paid. Till T-2 is not paid")


async def test_a_refused_record_is_in_no_settlement(store: CloudStore) -> None:
    one, _, three = await world(store)
    await send(store, one, one.redeem(5))
    await send(store, three, three.redeem(1))
    forked = sealing_till("T-3", 3)
    await send(store, three, forked.redeem(5, discount_minor=None, currency=7))
    (line,) = await listed(store)
    assert (line["kind"], line["follows"], line["time"]) == ("fork", "none", AT)
    assert (line["discount_minor"], line["currency"]) == (None, None), "of whatever form it is"
    assert "The record of store S-0031 was refused" in line["en"]


@pytest.mark.parametrize("who", ["lost", "won"])
async def test_a_return_ends_it_and_it_is_listed_as_ended(store: CloudStore, who: str) -> None:
    one, _, three = await world(store, returns=Returns.COUPON)
    first, second = one.redeem(5), three.redeem(5)
    await send(store, one, first)
    await send(store, three, second)
    back = one.give_back(first) if who == "won" else three.give_back(second)
    await send(store, one if who == "won" else three, back, at=NOW + SECOND)
    assert await listed(store) == []
    (line,) = await listed(store, ended=True)
    assert (line["till"], line["winner"]["till"], line["state"]) == ("T-3", "T-1", "ended")
    assert line["ended"] == {
        "back": who,
        "at": "2026-03-01T06:00:00.000Z",
        "by": "T-1-2" if who == "won" else "T-3-2",
    }
    assert line["listed_at"] is None
    kept = "Store S-0031 keeps the coupon now" if who == "won" else "Store S-0012 keeps the coupon"
    assert kept in line["en"]
    assert line["follows"] == ("paid" if who == "won" else "none")
    for till, found in (("T-1", 1), ("T-3", 1), ("T-2", 0)):
        assert len(await listed(store, till=till, ended=True)) == found


async def test_a_return_that_came_first_ended_it_when_the_conflict_was_known(store: CloudStore) -> None:
    one, _, three = await world(store, returns=Returns.COUPON)
    await send(store, one, one.redeem(5))
    other, second = three.redeem(4), three.redeem(5)
    back = three.give_back(second)
    await send(store, three, other, back)
    await send(store, three, second, at=NOW + SECOND)
    (line,) = await listed(store, ended=True)
    assert line["ended"]["at"] == line["received_at"] == "2026-03-01T06:00:00.000Z"


async def test_of_several_uses_the_one_whose_goods_came_back_is_named(store: CloudStore) -> None:
    one, two, three = await world(store, returns=Returns.COUPON, uses=2)
    first, second = one.redeem(5), two.redeem(5)
    await send(store, one, first)
    await send(store, two, second)
    await send(store, three, three.redeem(5))
    (line,) = await listed(store)
    assert line["listed_at"] is None, "it was used up by the second use, not by the first"
    await send(store, two, two.give_back(second))
    (line,) = await listed(store, ended=True)
    assert (line["winner"]["redemption_id"], line["winner"]["time"]) == ("T-2-1", AT)


async def test_pages_of_ended_ones(store: CloudStore) -> None:
    one, _, three = await world(store, returns=Returns.COUPON)
    await send(store, one, *(one.redeem(index) for index in range(4)))
    lost = [three.redeem(index) for index in range(4)]
    await send(store, three, *lost, *(three.give_back(event) for event in lost))
    found, after = list[int](), NEWEST
    while lines := await store.conflicts(3, after, ended=True):
        found += [line.index for line in lines]
        after = lines[-1].cursor()
    assert found == [0, 1, 2, 3]


async def test_a_refused_record_that_came_first_keeps_it_and_is_not_paid(store: CloudStore) -> None:
    one, _, three = await world(store)
    await send(store, three, three.redeem(1))
    await send(store, three, sealing_till("T-3", 3).redeem(5))
    await send(store, one, one.redeem(5))
    (line,) = await listed(store)
    assert (line["winner"]["till"], line["winner"]["discount_minor"], line["follows"]) == (
        "T-3",
        3_000,
        "open",
    )
    assert line["en"].startswith("Store S-0031 keeps the coupon, though its record was refused")
    assert "照常结算" not in line["zh"]


async def test_what_was_refused_and_is_stored_after_the_first_came_back_is_paid(store: CloudStore) -> None:
    one, *_ = await world(store, returns=Returns.COUPON)
    sale = one.redeem(5)
    await send(store, one, sale)
    await store.append("T-2", "redemption", [entry(1), entry(3, own="c" * 64)], judge, AT)
    await store.append("T-2", "redemption", [entry(2, 5, before="f" * 64)], judge, AT)
    await send(store, one, one.give_back(sale))
    (line,) = await listed(store, ended=True)
    assert line["follows"] == "none"
    assert "its record was refused" in line["en"]
    await store.append("T-2", "redemption", [entry(2, 5)], judge, AT)
    (line,) = await listed(store, ended=True)
    assert line["follows"] == "paid"
    assert await listed(store) == []


async def test_who_came_third_is_in_conflict_with_the_second_when_the_first_comes_back(
    store: CloudStore,
) -> None:
    one, two, three = await world(store, returns=Returns.COUPON)
    sale = one.redeem(5)
    await send(store, one, sale)
    await send(store, two, two.redeem(5))
    await send(store, three, three.redeem(5), at=NOW + SECOND)
    await send(store, one, one.give_back(sale), at=NOW + SECOND)
    (ended,) = await listed(store, ended=True)
    assert (ended["till"], ended["winner"]["till"], ended["follows"]) == ("T-2", "T-1", "paid")
    (lasting,) = await listed(store)
    assert (lasting["till"], lasting["winner"]["till"], lasting["follows"]) == ("T-3", "T-2", "open")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        '"no object"',
        '{"data": [1]}',
        '{"time": "yesterday", "data": {"discount_minor": -1, "currency": 5}}',
        '{"time": "2026-03-01T04:00:00", "data": {"discount_minor": 1e3}}',
        '{"data": {"discount_minor": true, "sale": []}}',
    ],
    ids=lambda text: text[:24],
)
async def test_whatever_a_refused_record_says_it_is_listed(store: CloudStore, text: str) -> None:
    one, *_ = await world(store)
    await send(store, one, one.redeem(5))
    await store.append("T-2", "redemption", [entry(1), entry(3, own="c" * 64)], judge, AT)
    await store.append("T-2", "redemption", [entry(1, 5, own="f" * 64, text=text)], judge, AT)
    (line,) = await listed(store)
    assert (line["kind"], line["time"], line["discount_minor"], line["currency"]) == (
        "fork",
        None,
        None,
        None,
    )
