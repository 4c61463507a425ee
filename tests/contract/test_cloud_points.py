"""Points that tills report, checked in every `CloudStore`: what does not add up is listed and changes no balance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.domain.benefit import PointsMultiplier
from agent.domain.campaign import Returns
from agent.domain.member_list import Program, program_to_wire
from agent.domain.offer import Offer
from cloud.api.background import count_all
from cloud.feed import FeedCursor
from cloud.indexes import new_index_key
from cloud.member_parts import put_program
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.contract.test_cloud_members import RATE, TRIPLE, bought, listed, opened, points, send, told
from tests.unit.cloud_kit import AT, ISSUER, NOW, STORE, SealingTill, campaign, sealing_till

FROM = {"due_minor": 9_000, "earn_minor": RATE, "first": True}


async def world(store: CloudStore) -> SealingTill:
    """A till, and a member with 1000 points."""
    till = sealing_till("T-1")
    await opened(store, till)
    await store.put_members([told()], AT)
    return till


def coupon(number: int, index: int = 1) -> dict[str, Any]:
    return {"issuer": ISSUER, "campaign": number, "index": index}


@pytest.mark.parametrize(
    ("points_said", "changes"),
    [
        ({"earned": 90}, {"points_earned": 91}),
        ({"earned": 90}, {"points_earned": 89}),
        ({"earned": 90}, {"points_earned": -90}),
        ({"earned": 90}, {"points_earned": True}),
        ({"earned": 90}, {"points_from": None}),
        ({"earned": 90}, {"points_from": FROM | {"first": False}}),
        ({"earned": 90}, {"points_from": FROM | {"due_minor": 9_001}, "points_earned": 90}),
        ({"earned": 90}, {"points_from": FROM | {"earn_minor": 1}, "points_earned": 9_000}),
        ({"earned": 90}, {"points_from": FROM | {"earn_minor": 0}}),
        ({"earned": 90}, {"points_from": [RATE]}),
        ({"earned": 90}, {"sale": None}),
        ({"earned": 90}, {"points_percent": 300, "points_earned": 270}),
        ({"earned": 90}, {"points_percent": 300, "points_earned": 270, "campaign_version": 0}),
        (
            {"earned": 90},
            {"coupon": coupon(TRIPLE), "discount_minor": 0, "points_percent": 400, "points_earned": 360},
        ),
        ({"earned": 90}, {"coupon": coupon(TRIPLE), "discount_minor": 0, "points_percent": 100}),
        ({"spent": 500}, {"points_spent": 0}),
        ({"spent": 500}, {"points_spent": 400}),
        ({"spent": 500}, {"points_spent": "500"}),
        ({"spent": 550}, {}),
        ({}, {"points_spent": 100}),
    ],
)
async def test_what_does_not_add_up_is_kept_and_listed_and_credits_nobody(
    store: CloudStore, points_said: dict[str, Any], changes: dict[str, Any]
) -> None:
    till = await world(store)
    good = bought(till, 5, earned=10)
    await send(store, till, good, bought(till, 1, changes=changes, **points_said))
    feed = await store.feed(FeedCursor(0), 10, ["redeemd.redemption.v1"])
    assert [record.event["standing"] for record in feed.events] == ["counts", "implausible"], (
        "before it is listed, too"
    )
    for _ in range(2):
        await count_all(store)
    assert await points(store) == 1_010
    assert await listed(store) == [("T-1-2", "wrong_points")]
    assert len(await store.ledger(None, ("", "", 0), 10)) == 2, "stored: what a till took it took"


async def test_what_adds_up_counts_by_every_rule(store: CloudStore) -> None:
    till = await world(store)
    await send(
        store,
        till,
        bought(till, 1, earned=90),
        bought(
            till,
            1,
            earned=90,
            changes={
                "coupon": coupon(TRIPLE),
                "discount_minor": 0,
                "points_percent": 300,
                "points_earned": 270,
            },
        ),
        # the second coupon of a sale: the sale has earned already
        bought(
            till,
            2,
            earned=90,
            changes={"points_from": FROM | {"first": False}, "points_earned": 0},
        ),
        bought(till, 3, spent=700),
        bought(till, 4),
    )
    await count_all(store)
    assert (await points(store), await listed(store)) == (1_000 + 90 + 270 - 700, [])


async def test_a_till_that_lags_behind_earns_by_the_program_and_the_version_that_it_has(
    store: CloudStore,
) -> None:
    till = await world(store)
    await put_program(store, "", program_to_wire(Program(500)))
    await put_program(store, STORE.store, None)
    triple = campaign(number=TRIPLE, version=2, uses=99, returns=Returns.COUPON)
    await store.put_campaign(replace(triple, offer=Offer(PointsMultiplier(200))), None, new_index_key())
    older = {"coupon": coupon(TRIPLE), "discount_minor": 0, "points_percent": 300, "points_earned": 270}
    await send(store, till, bought(till, 1, earned=90), bought(till, 1, earned=90, changes=older))
    await count_all(store)
    assert (await points(store), await listed(store)) == (1_360, [])


async def test_a_restored_cloud_does_not_judge_by_what_it_may_have_lost(store: CloudStore) -> None:
    till = await world(store)
    strange = {"points_from": FROM | {"earn_minor": 90}, "points_earned": 100}
    await store.restored(NOW)
    await send(store, till, bought(till, 1, earned=90, changes=strange))
    await count_all(store)
    assert (await points(store), await listed(store)) == (1_100, [])


async def test_a_return_gives_back_its_part_of_the_points_and_no_more(store: CloudStore) -> None:
    till = await world(store)
    first, second = bought(till, 1, earned=90), bought(till, 2, spent=500)
    await send(store, till, first, second)
    thieves = [
        till.give_back(second, points_earned=0, points_spent=-(10**9)),
        till.give_back(first, points_earned=-91, points_spent=0),
    ]
    await send(store, till, *thieves)
    await count_all(store)
    assert await points(store) == 590, "the money goes back, and no points"
    assert await listed(store) == [("T-1-3", "return_wrong_points"), ("T-1-4", "return_wrong_points")]


async def test_parts_of_a_return_sum_to_what_was_earned(store: CloudStore) -> None:
    till = await world(store)
    lines = [
        {"line": name, "quantity": 1, "share_minor": share, "funded_minor": [share, 0, 0]}
        for name, share in (("a", 1_000), ("b", 2_000))
    ]
    one = bought(till, 1, earned=91, changes={"lines": lines})
    await send(store, till, one)
    first = till.give_back(one, ("a", 1, 1_000), whole=False, points_earned=-30, points_spent=0)
    rest = till.give_back(one, ("b", 1, 2_000), points_earned=-61, points_spent=0)
    await send(store, till, first, rest)
    await count_all(store)
    assert (await points(store), await listed(store)) == (1_000, [])


async def test_a_return_that_did_not_act_gives_no_points_back(store: CloudStore) -> None:
    till = await world(store)
    one = bought(till, 1, spent=500)
    much = till.give_back(one, amount_minor=501, points_earned=0, points_spent=-500)
    await send(store, till, one, much)
    await count_all(store)
    assert (await points(store), await listed(store)) == (500, [("T-1-1", "return_too_much")])


@pytest.mark.parametrize("counted_first", [True, False])
async def test_what_a_revoked_key_signed_changes_no_balance_until_a_person_says_so(
    store: CloudStore, counted_first: bool
) -> None:
    till = await world(store)
    await store.revoke_till("T-1", AT)
    one, two = bought(till, 1, earned=90), bought(till, 2, earned=50)
    wrong = bought(till, 3, earned=10, changes={"points_earned": 99})
    back = till.give_back(two, points_earned=-50, points_spent=0)
    await send(store, till, one, two, wrong, back)
    if counted_first:
        await count_all(store)
    assert await points(store) == 1_000
    await store.release_held("T-1", AT)
    for _ in range(2):
        await count_all(store)
    assert await points(store) == 1_090, "once each, and the return took back what it should"
    assert await listed(store) == [("T-1-3", "wrong_points")]


async def test_a_return_that_waited_takes_points_back_once(store: CloudStore) -> None:
    till = await world(store)
    one = bought(till, 1, earned=90)
    back = till.give_back(one, points_earned=-90, points_spent=0)
    await send(store, till, back)
    await count_all(store)
    await send(store, till, one)
    for _ in range(2):
        await count_all(store)
    assert (await points(store), await listed(store)) == (1_000, [])
