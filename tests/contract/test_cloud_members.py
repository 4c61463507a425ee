"""Members in every `CloudStore`: what the loyalty system says, and each record's points once."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from agent.domain.benefit import PointsMultiplier, PointsSpend
from agent.domain.campaign import Returns
from agent.domain.disclosure import SALT_BYTES, disclosure, erased_digest, pair_text
from agent.domain.member_list import Program, program_to_wire
from agent.domain.offer import Offer
from agent.domain.record import REDEMPTION_LANE
from cloud.api.background import count_all
from cloud.errors import Refused
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.member_parts import put_program
from cloud.members import MemberLine, NewMember
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    ISSUER,
    NOW,
    STORE,
    SealingTill,
    batch,
    campaign,
    enrolled,
    sealing_till,
)

ANN, BOB = b"ann-pseudonym", b"bob-pseudo"
DAY = 20_513


def told(who: bytes = ANN, **more: Any) -> NewMember:
    return NewMember(who.hex(), "", 2, True, 1_000, 3, DAY - 9)._replace(**more)


RATE, SPEND, TRIPLE = 100, 8, 9
"""What is paid for one point; a campaign that points pay for, and one that earns three times as many."""


async def opened(store: CloudStore, *tills: SealingTill) -> None:
    """Tills of a store with a program, and the campaigns that records here name."""
    await enrolled(store, *tills)
    plain, key = campaign(uses=99, returns=Returns.COUPON), new_index_key()
    pays, triple = Offer(PointsSpend(100, 100, 10**6)), Offer(PointsMultiplier(300))
    for made in (
        plain,
        replace(plain, number=SPEND, offer=pays),
        replace(plain, number=TRIPLE, offer=triple),
    ):
        await store.put_campaign(made, None, key)
    await put_program(store, "", program_to_wire(Program(RATE, 9, 9_999, 9, 9_999)))


def bought(
    till: SealingTill, index: int, who: bytes | None = ANN, sale: str = "S-1", **points: Any
) -> dict[str, Any]:
    """A redemption by this member; None: without consent. earned: of what was paid. spent: pays as many minor units."""
    found = None if who is None else disclosure(secrets.token_bytes(SALT_BYTES), who)
    member = {"pseudonym": None if found is None else found.digest, "level": 1, "consent": found is not None}
    earned, spent = points.get("earned"), points.get("spent")
    gains = earned if type(earned) is int and 0 < earned < 10**6 else 0
    off = spent if type(spent) is int and spent > 0 else 3_000
    due = gains * RATE
    more: dict[str, Any] = {
        "coupon": {"issuer": ISSUER, "campaign": SPEND if off == spent else 7, "index": index},
        "discount_minor": off,
        "campaign_version": 1,
        "member": member,
        "sale": {"sale_id": sale, "total_minor": due + off},
        "business_date": "2026-03-01",
    }
    if gains:
        more["points_from"] = {"due_minor": due, "earn_minor": RATE, "first": True}
    more |= {f"points_{name}": points[name] for name in ("earned", "spent") if name in points}
    event = till.redeem(index, **more | points.get("changes", {}))
    return event | ({"disclosed": pair_text([found])} if found else {})


async def listed(store: CloudStore) -> list[tuple[str, str]]:
    """(redemption, reason) of what cannot be right."""
    found = await store.implausible(100)
    return sorted((one.redemption_id, one.reason) for one in found)


async def send(store: CloudStore, till: SealingTill, *events: dict[str, Any]) -> None:
    await ingest(store, till.known(), REDEMPTION_LANE, batch(events), lambda: NOW)


async def known(store: CloudStore, who: bytes = ANN) -> MemberLine | None:
    return next((one for one in await store.members("", 100) if one.pseudonym == who.hex()), None)


async def points(store: CloudStore, who: bytes = ANN) -> int | None:
    found = await known(store, who)
    return None if found is None else found.points


async def test_what_the_loyalty_system_says_takes_the_place_of_what_was_known(store: CloudStore) -> None:
    await enrolled(store, sealing_till("T-1"))
    assert await store.put_members([told(), told(BOB, store=STORE.store, points=None)], AT) == 2
    assert await known(store) == MemberLine(ANN.hex(), "", 2, 1_000, 3, DAY - 9, True, AT)
    assert await points(store, BOB) == 0
    later = told(level=3, consent=False, points=None, visits=None, last_day=None)
    await store.put_members([later], "2026-03-02T04:00:00.000Z")
    line = await known(store)
    assert line is not None
    assert (line.level, line.consent, line.points, line.visits, line.last_day) == (
        3,
        False,
        1_000,
        3,
        DAY - 9,
    )
    with pytest.raises(Refused, match="no store S-9999"):
        await store.put_members([told(store="S-9999")], AT)
    ours, through = await store.members_for(STORE.store, 10)
    assert ([one.pseudonym for one in ours], through) == ([ANN.hex(), BOB.hex()], {})
    assert [one.pseudonym for one in (await store.members_for("S-2", 10))[0]] == [ANN.hex()]
    assert len((await store.members_for(STORE.store, 1))[0]) == 1


async def test_each_record_counts_once_and_a_return_takes_its_part_back(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await opened(store, till)
    await store.put_members([told()], AT)
    first = bought(till, 1, earned=90, spent=500)
    second = bought(till, 2, sale="S-1", earned=0, spent=0)
    await send(store, till, first, second)
    for _ in range(2):
        await send(store, till, first, second)  # a lost answer: it comes again
        await count_all(store)
    line = await known(store)
    assert line is not None
    assert (line.points, line.visits, line.last_day) == (590, 4, DAY), "two coupons of one sale are one visit"
    assert (await store.members_for(STORE.store, 10))[1] == {"T-1": 2}
    back = till.give_back(first, points_earned=-90, points_spent=-500)
    await send(store, till, back)
    await count_all(store)
    assert await points(store) == 1_000
    line = await known(store)
    assert line is not None
    assert line.visits == 4


async def test_who_spent_more_than_there_was_is_found(store: CloudStore) -> None:
    """Two tills without a line cannot know of one another: the cloud adds up."""
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await opened(store, one, two)
    await store.put_members([told(), told(BOB)], AT)
    await send(store, one, bought(one, 1, earned=0, spent=900))
    await send(store, two, bought(two, 2, earned=0, spent=900))
    await count_all(store)
    (line,) = await store.members("", 10, overdrawn=True)
    assert (line.pseudonym, line.points) == (ANN.hex(), -800)


async def test_who_is_not_known_becomes_a_member_of_the_store_by_consent_alone(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await opened(store, till)
    await send(
        store, till, bought(till, 1, BOB, earned=40, spent=0), bought(till, 2, None, earned=40, spent=0)
    )
    await count_all(store)
    assert await store.members("", 10) == [MemberLine(BOB.hex(), STORE.store, 1, 40, 1, DAY, True, AT)]


@pytest.mark.parametrize(
    "points_said",
    [
        {"earned": -1, "spent": -1},
        {"earned": 10**12, "spent": "7"},
        {"earned": True, "spent": None},
        {"earned": [1], "spent": {}},
        {},
    ],
)
async def test_points_that_make_no_sense_count_for_none(
    store: CloudStore, points_said: dict[str, Any]
) -> None:
    till = sealing_till("T-1")
    await opened(store, till)
    await store.put_members([told()], AT)
    odd = bought(till, 1, **points_said)
    back = till.give_back(odd, points_earned=5, points_spent=5)
    strange = till.give_back(odd, redemption_id="T-9-1", points_spent=-5)
    await send(store, till, odd, back, strange)
    await count_all(store)
    assert await points(store) == 1_000


async def test_an_erased_member_is_unknown_for_good(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await opened(store, till)
    threads: Any = store
    digest = erased_digest(ANN)
    await threads._threads.write(lambda db: db.execute("INSERT INTO erased VALUES (?, 1)", (digest,)))
    assert await store.put_members([told()], AT) == 0
    await send(store, till, bought(till, 1, earned=5, spent=0))
    await count_all(store)
    assert await store.members("", 10) == []
