"""What every `CloudStore` sums up is what a plain reading of all its records gives, whenever it was counted."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from agent.domain.campaign import Words
from agent.domain.parts import PromoCode
from cloud.api.background import count_all
from cloud.export import TABLES, Period
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.lists import NEWEST
from cloud.ports import CloudStore, PromoRow
from cloud.settling import period_of, settlement
from cloud.store.sql_tally import SqlTally
from cloud.tally import AXES, Sums
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    CAMPAIGN,
    ISSUER,
    LATER,
    STORE,
    TODAY,
    SealingTill,
    batch,
    campaign,
    enrolled,
    sealing_till,
)

ALL = ("", "~")
TILLS = ("T-1", "T-2", "T-3")


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(UTC)


async def deliver(
    store: CloudStore, till: SealingTill, events: Sequence[dict[str, Any]], when: str = AT
) -> None:
    known = await store.till(till.name)
    assert known is not None
    await ingest(store, known, "redemption", batch(events), lambda: at(when))


def redeem(till: SealingTill, index: int, chance: random.Random) -> dict[str, Any]:
    more: dict[str, Any] = {
        "business_date": chance.choice(["2026-03-01", "2026-03-02", "yesterday", None]),
        "hour": chance.choice([9, 21, 24, "9", None]),
        "discount_minor": chance.choice([0, 1000, 3000, None]),
        "currency": chance.choice(["CNY", "CNY", "USD", None]),
        "sale": chance.choice([{"total_minor": 9_000}, {"total_minor": 25_050, "currency": "CNY"}, {}, None]),
    }
    touch = chance.choice([3, 4, None, -1])
    coupon = {
        "issuer": ISSUER,
        "campaign": chance.choice([CAMPAIGN, CAMPAIGN, 99]),
        "index": index,
        "touch": touch,
    }
    return till.redeem(index, **more | {"coupon": coupon})


async def events_of(store: CloudStore) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for till in TILLS:
        found += [
            (till, json.loads(text)) for _, text in await store.events_of(till, "redemption", 0, 10_000)
        ]
    return found


def naive(
    events: Sequence[tuple[str, dict[str, Any]]], axis: str, went_back: set[str]
) -> dict[tuple[Any, ...], Counter[str]]:
    """By hand: one event after the other. The campaign of these tests asks for 10000 at least.

    went_back: hashes of the returns that did what they say."""
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for _, event in events:
        data = event["data"]
        value: Any = {"total": "", "store": STORE.store}.get(axis)
        if axis == "hour":
            value = (
                f"{data.get('hour'):02}" if data.get("hour") in (9, 21) and data.get("hour") != "9" else ""
            )
        if axis == "source":
            touch = data["coupon"].get("touch")
            value = str(touch) if touch in (3, 4) else ""
        one = sums.setdefault((ISSUER, data["coupon"]["campaign"], value), Counter())
        if event["type"] == "redeemd.reversal.v1":
            if event["hash"] not in went_back:
                continue
            one["returns"] += 1
            one["returned_minor"] += data["amount_minor"]
            continue
        one["redemptions"] += 1
        one["discount_minor"] += data["discount_minor"] or 0
        total = (data.get("sale") or {}).get("total_minor")
        if total is not None:
            one["baskets"] += 1
            one["basket_minor"] += total
            if data["coupon"]["campaign"] == CAMPAIGN:
                one["measured"] += 1
                one["extra_minor"] += max(total - 10_000, 0)
    return sums


@pytest.mark.parametrize("seed", range(3))
async def test_sums_are_those_of_a_plain_reading(store: CloudStore, seed: int) -> None:
    """Late records, holes, conflicts, returns, a revoked till; counted in between, some records at a time."""
    chance = random.Random(seed)
    tills = [sealing_till(name, number) for number, name in enumerate(TILLS, 1)]
    await enrolled(store, *tills)
    await store.put_campaign(campaign(), None, new_index_key())
    late: list[tuple[SealingTill, dict[str, Any]]] = []
    for _ in range(16):
        till = chance.choice(tills)
        events = [redeem(till, chance.randrange(40), chance) for _ in range(chance.randrange(1, 6))]
        events += [
            till.give_back(one) for one in events if one["data"]["discount_minor"] and chance.random() < 0.3
        ]
        kept = [one for one in events if chance.random() < 0.75]
        late += [(till, one) for one in events if one not in kept]
        await deliver(store, till, kept, chance.choice([AT, LATER]))
        if chance.random() < 0.5:
            await store.count_up(chance.sample(TILLS, 2), chance.randrange(1, 9))
    await store.revoke_till("T-3", LATER)
    for till, event in late:
        await deliver(store, till, [event], LATER)
        await store.count_up([chance.choice(TILLS)], 3)
    await store.release_held("T-3", AT) if seed else None
    await count_all(store)
    assert await store.behind(9) == []
    assert await count_all(store) == 0
    stored = await events_of(store)
    assert len(stored) >= 30
    went_back = {line.hash for line in await store.reversals(1000, NEWEST) if line.state == "applied"}
    for axis in AXES:
        lines = await store.tallies(axis, *ALL)
        found = {line[:3]: {name: n for name, n in line.sums._asdict().items() if n} for line in lines}
        assert found == {
            key: {n: c for n, c in one.items() if c} for key, one in naive(stored, axis, went_back).items()
        }, axis
    await same_as_the_export(store)


async def test_a_return_counts_once_and_only_when_it_goes_back(store: CloudStore) -> None:
    """Too much, from another store, before its redemption: counted in between each time."""
    till = sealing_till("T-1", 1)
    await enrolled(store, till)
    await store.put_campaign(campaign(), None, new_index_key())
    first = till.redeem(5)
    part = till.give_back(first, amount_minor=1_000, whole=False)
    too_much = till.give_back(first, amount_minor=9_000)
    rest = till.give_back(first, amount_minor=2_000)
    nothing = till.give_back(first, amount_minor=0, whole=False)
    for events in ([part, too_much, nothing], [rest], [first]):
        await deliver(store, till, events)
        await count_all(store)
        lines = await store.tallies("total", *ALL)
        if events != [first]:
            assert all(line.sums == Sums() for line in lines), "its redemption is not here yet"
    (line,) = lines
    assert line.sums == Sums(redemptions=1, discount_minor=3_000, returns=2, returned_minor=3_000)
    applied = [line.amount_minor for line in await store.reversals(9, NEWEST) if line.state == "applied"]
    assert sorted(applied) == [0, 1_000, 2_000], (
        "that of nothing went back, and counts in no number of returns"
    )
    (row,) = await settlement(store, Period("", "2027"))
    assert row[-2:] == (2, 3_000)
    await same_as_the_export(store)


async def same_as_the_export(store: CloudStore) -> None:
    for first, last in ((date(2026, 3, 1), date(2026, 3, 1)), (date(2025, 1, 1), date(2027, 1, 1))):
        period = period_of(first, last)
        exported = [row async for rows in TABLES["settlement"].pages(store, period) for row in rows]
        assert exported
        assert await settlement(store, period) == exported
    assert await settlement(store, period_of(date(2026, 2, 1), date(2026, 2, 28))) == []


async def test_what_is_not_counted_yet_is_not_in_question_either(store: CloudStore) -> None:
    one, two = sealing_till("T-1", 1), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(), None, new_index_key())
    await deliver(store, one, [one.redeem(5)])
    await count_all(store)
    await deliver(store, two, [two.redeem(5)])
    period = Period("2026", "2027")
    (row,) = await settlement(store, period)
    assert row[6:10] == (1, 3000, 0, 0)
    await count_all(store)
    (row,) = await settlement(store, period)
    assert row[6:10] == (1, 3000, 1, 3000)


def test_days_of_a_period() -> None:
    assert period_of(date(2026, 2, 28), date(2026, 2, 28)) == Period("2026-02-28", "2026-03-01")
    assert period_of(date(2026, 2, 28), date(2026, 2, 28)).has("2026-02-28T23:59:59.999Z")


@pytest.mark.parametrize("receipt_first", [True, False])
async def test_codes_of_receipts_come_back_in_any_order(store: CloudStore, receipt_first: bool) -> None:
    one, two = sealing_till("T-1", 1), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    await store.put_campaign(campaign(), None, new_index_key())
    rows = [
        PromoRow(
            PromoCode("RC1", f"7-{index}-AAAAA", Words("", ""), Words("", "")),
            ISSUER,
            CAMPAIGN,
            index,
            TODAY + 9,
        )
        for index in (500, 501, 502)
    ]
    await store.add_promos("T-1", rows)

    def receipt(index: int, arm: str, promo: str | None) -> dict[str, Any]:
        chosen = {"rule": "march", "arm": arm, "unit": "00"}
        more = {
            "promo": promo,
            "promotion": chosen,
            "sale": {"total_minor": 5000},
            "business_date": "2026-03-01",
        }
        return one.redeem(index, **more)

    receipts = [
        receipt(1, "A", "7-500-AAAAA"),
        receipt(2, "A", "7-501-AAAAA"),
        receipt(3, "B", "7-502-AAAAA"),
        receipt(4, "none", None),
        receipt(5, "A", "unknown"),
    ]
    back = [two.redeem(500), two.redeem(502), two.redeem(501)][:2]
    steps = [(one, receipts), (two, back)] if receipt_first else [(two, back), (one, receipts)]
    for till, events in steps:
        await deliver(store, till, events)
        await count_all(store)
    await deliver(store, two, [two.redeem(500)])  # once more, in conflict
    await count_all(store)
    assert [(line.rule, line.arm, tuple(line.sums)) for line in await store.arms(*ALL)] == [
        ("march", "A", (3, 3, 15_000, 2, 1)),
        ("march", "B", (1, 1, 5_000, 1, 1)),
        ("march", "none", (1, 1, 5_000, 0, 0)),
    ]
    assert await store.arms("2026-03-02", "~") == []


async def test_two_receivers_count_each_record_once(store: CloudStore) -> None:
    import asyncio

    till = sealing_till("T-1", 1)
    await enrolled(store, till)
    await store.put_campaign(campaign(), None, new_index_key())
    await deliver(store, till, [till.redeem(index) for index in range(100)])
    assert isinstance(store, SqlTally)
    counted = await asyncio.gather(*(store.count_up(["T-1"], 7) for _ in range(40)))
    assert sum(counted) == 100
    (line,) = await store.tallies("total", *ALL)
    assert line.sums == Sums(redemptions=100, discount_minor=300_000)
