"""The online check holds for every `CloudStore`: of two tills that ask for one use, one is told yes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from agent.domain.campaign import OfflineClass
from agent.domain.fields import FieldError
from agent.domain.online import RESERVE_S, Word
from agent.domain.time import timestamp
from cloud.checks import Check, read_check
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.ports import CloudStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    CAMPAIGN,
    ISSUER,
    NOW,
    SealingTill,
    batch,
    campaign,
    enrolled,
    sealing_till,
)

SOON = timestamp(NOW + timedelta(seconds=RESERVE_S - 1))
OVER = timestamp(NOW + timedelta(seconds=RESERVE_S))
ONLINE: dict[str, Any] = {"offline_class": OfflineClass.ONLINE, "budget": None}


def asked(name: int, *indexes: int, reserve: bool = True, number: int = CAMPAIGN) -> Check:
    coupons = [
        {"issuer": ISSUER, "campaign": number, "index": index, "reserve": reserve} for index in indexes
    ]
    return read_check({"check": f"{name:032x}", "coupons": coupons}, NOW)


async def words(store: CloudStore, till: str, check: Check, at: str = AT) -> list[str]:
    return [one.word.value for one in await store.check(till, check, at)]


async def deliver(store: CloudStore, till: SealingTill, events: Sequence[dict[str, Any]]) -> None:
    await ingest(store, till.known(), "redemption", batch(events), lambda: NOW)


async def prepared(store: CloudStore, **changes: Any) -> tuple[SealingTill, SealingTill]:
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(**ONLINE | changes), None, new_index_key())
    return one, two


async def test_two_tills_that_ask_at_once_get_one_yes(store: CloudStore) -> None:
    await prepared(store)
    for index in range(12):
        found = await asyncio.gather(
            *(words(store, till, asked(name, index)) for name, till in enumerate(("T-1", "T-2")))
        )
        assert sorted(found) == [["reserved"], ["yes"]]


async def test_a_reservation_ends_with_its_time(store: CloudStore) -> None:
    await prepared(store)
    (mine,) = await store.check("T-1", asked(1, 5), AT)
    assert (mine.word, mine.until) == (Word.YES, OVER)
    (other,) = await store.check("T-2", asked(2, 5), SOON)
    assert (other.word, other.until) == (Word.RESERVED, OVER)
    assert await words(store, "T-1", asked(3, 5), SOON) == ["yes"], "it is this till's own"
    assert await words(store, "T-2", asked(4, 5), OVER) == ["yes"]


async def test_a_redemption_that_arrives_ends_it(store: CloudStore) -> None:
    one, _ = await prepared(store)
    assert await words(store, "T-1", asked(1, 5)) == ["yes"]
    await deliver(store, one, [one.redeem(5, offline_class="A")])
    assert await words(store, "T-2", asked(2, 5)) == ["used"]
    assert await words(store, "T-1", asked(3, 5)) == ["used"]


async def test_a_look_reserves_nothing(store: CloudStore) -> None:
    one, _ = await prepared(store)
    await store.revoke(ISSUER, CAMPAIGN, [6], AT)
    await deliver(store, one, [one.redeem(7)])
    check = asked(1, 5, 6, 7, 1000, reserve=False)
    assert await words(store, "T-1", check) == ["yes", "revoked", "used", "unknown"]
    assert await words(store, "T-2", asked(2, 5)) == ["yes"]
    assert await words(store, "T-2", asked(3, 5, number=99)) == ["unknown"]


async def test_of_several_uses_no_more_are_given_away(store: CloudStore) -> None:
    one, two = await prepared(store, uses=3)
    assert await words(store, "T-1", asked(1, 5)) == ["yes"]
    assert await words(store, "T-1", asked(1, 5)) == ["yes"], "the same check again reserves nothing more"
    assert await words(store, "T-1", asked(2, 5)) == ["yes"]
    assert await words(store, "T-2", asked(3, 5)) == ["yes"]
    assert await words(store, "T-2", asked(4, 5)) == ["reserved"]
    await deliver(store, one, [one.redeem(5, offline_class="A")])
    assert await words(store, "T-2", asked(4, 5)) == ["reserved"], "one arrived, two are reserved"
    await deliver(store, two, [two.redeem(5, offline_class="A")])
    assert await words(store, "T-2", asked(4, 5), OVER) == ["yes"], "the third was never redeemed"
    await deliver(store, two, [two.redeem(5, offline_class="A")])
    assert await words(store, "T-1", asked(5, 5), OVER) == ["used"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"check": "x" * 32},
        {"check": "0" * 31},
        {"lasts_s": 86_401},
        {"lasts_s": -1},
        {"coupons": []},
        {"coupons": [{"issuer": "a", "campaign": 1, "index": 1}] * 2},
        {"coupons": [{"issuer": "a", "campaign": 1, "index": number} for number in range(33)]},
        {"coupons": [{"issuer": "a", "campaign": 1, "index": -1}]},
        {"coupons": [{"issuer": "a", "campaign": 1}]},
        {"coupons": [{"issuer": "a", "campaign": 1, "index": 1, "reserve": 1}]},
        {"more": 1},
    ],
)
def test_a_check_is_read_strictly(wrong: dict[str, Any]) -> None:
    usual = {"check": "0" * 32, "coupons": [{"issuer": "a", "campaign": 1, "index": 1}]}
    assert read_check(usual, NOW).until == OVER
    with pytest.raises(FieldError):
        read_check(usual | wrong, NOW)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_tills_that_ask_never_use_a_coupon_too_often(store: CloudStore, limit: int) -> None:
    """Whatever comes in between: checks that come to nothing, answers that are lost, records that arrive late."""
    tills = await prepared(store, uses=limit)
    dice = random.Random(limit)
    for index in range(6):
        made, waiting, names = dict.fromkeys(("T-1", "T-2"), 0), list[tuple[SealingTill, dict[str, Any]]](), 0
        for _ in range(14):
            till = dice.choice(tills)
            if waiting and dice.random() < 0.3:
                sealer, event = waiting.pop(0)
                await deliver(store, sealer, [event])
                continue
            names += dice.random() < 0.8  # else the same check again: its answer was lost
            (word,) = await words(store, till.name, asked(1000 * index + names, index))
            # the till's own ledger knows what it did; a customer may walk away
            if word == "yes" and made[till.name] < limit and dice.random() < 0.7:
                names += 1
                made[till.name] += 1
                waiting.append((till, till.redeem(index, offline_class="A")))
        assert sum(made.values()) <= limit, made
        for sealer, event in waiting:
            await deliver(store, sealer, [event])
    assert await store.conflicts(10) == []
