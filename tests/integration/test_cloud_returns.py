"""Returns in the cloud: what went back is settled to the last unit, and a coupon that comes back is valid again."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.domain.campaign import Returns
from agent.domain.offer import Funding
from agent.domain.pricing import funded_shares
from agent.domain.status import Status
from cloud.export import TABLES, Period
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
    known_marks,
    sealing_till,
)

ALL = Period("", "2027")
FUNDING = Funding(issuer=500, merchant=333, supplier=167)
OFF = {"a": 1001, "b": 1333, "c": 666}
PIECES = {"a": 3, "b": 1, "c": 2}


def lines() -> list[dict[str, Any]]:
    """3000 off three lines, paid by three parties."""
    return [
        {
            "line": share.line,
            "quantity": PIECES[share.line],
            "share_minor": share.amount_minor,
            "funded_minor": list(share.funded_minor),
        }
        for share in funded_shares(OFF, FUNDING)
    ]


async def send(
    store: CloudStore, till: SealingTill, *events: dict[str, Any], at: datetime = NOW
) -> list[str]:
    results = await ingest(store, till.known(), "redemption", batch(events), lambda: at)
    return [result.status.value + (f" {result.code}" if result.code else "") for result in results]


async def world(store: CloudStore, returns: Returns = Returns.COUPON, **changes: Any) -> list[SealingTill]:
    """Three tills of one store, and a campaign that three parties pay for."""
    tills = [sealing_till(f"T-{number}", number) for number in (1, 2, 3)]
    await enrolled(store, *tills)
    offer = campaign(returns=returns, **changes)
    offer = replace(offer, offer=replace(offer.offer, funding=FUNDING))
    await store.put_campaign(offer, None, new_index_key())
    return tills


async def rows(store: CloudStore, table: str) -> list[dict[str, Any]]:
    names = list(TABLES[table].columns)
    return [
        dict(zip(names, row, strict=True)) async for page in TABLES[table].pages(store, ALL) for row in page
    ]


async def conflicts(store: CloudStore) -> list[tuple[str, str]]:
    return [(line.redemption_id, line.winner.redemption_id) for line in await store.conflicts(10)]


async def test_a_whole_return_settles_to_zero_and_gives_the_coupon_back(store: CloudStore) -> None:
    till, *_ = await world(store)
    sale = till.redeem(5, lines=lines())
    assert await send(store, till, sale) == ["stored"]
    (issuer, merchant, supplier) = await rows(store, "settlement")
    assert [row["amount_minor"] for row in (issuer, merchant, supplier)] == [1500, 999, 501]
    back = till.give_back(sale, *((line, PIECES[line], minor) for line, minor in OFF.items()))
    assert await send(store, till, back) == ["stored"]
    assert await send(store, till, back) == ["duplicate"]
    after = await rows(store, "settlement")
    assert [(row["party"], row["amount_minor"], row["returned_minor"]) for row in after] == [
        ("issuer", 0, 1500),
        ("merchant", 0, 999),
        ("supplier", 0, 501),
    ]
    assert {row["returns"] for row in after} == {1}
    shares = await rows(store, "shares")
    for line, party in itertools.product(OFF, ("issuer", "merchant", "supplier")):
        given = [row for row in shares if (row["line"], row["party"]) == (line, party)]
        assert sum(row["amount_minor"] for row in given) == 0
        assert sum(row["pieces"] for row in given) == 0
    assert await known_marks(store) == [(5, Status.USED), (5, Status.VALID)]
    assert await send(store, till, till.redeem(5)) == ["stored"], "it may be redeemed again"
    assert (await known_marks(store))[-1] == (5, Status.USED)
    assert await conflicts(store) == []


@pytest.mark.parametrize("seed", range(6))
async def test_by_pieces_and_in_any_order_each_party_has_back_what_it_gave(
    store: CloudStore, seed: int
) -> None:
    """As a till gives back: piece by piece; and as lines of communication do: in another order."""
    chance = random.Random(seed)
    till, *_ = await world(store)
    sale = till.redeem(5, lines=lines())
    events, gone = [sale], dict.fromkeys(OFF, 0)
    pieces = [line for line, count in PIECES.items() for _ in range(count)]
    chance.shuffle(pieces)
    for line in pieces:
        before, count = gone[line], PIECES[line]
        minor = OFF[line] * (before + 1) // count - OFF[line] * before // count
        gone[line] += 1
        whole = gone == PIECES
        events.append(till.give_back(sale, (line, 1, minor), whole=whole, coupon_returns=whole))
    for at in chance.sample(range(len(events)), len(events)):
        assert await send(store, till, events[at]) == ["stored"]
    assert [line.state for line in await store.reversals(10)] == ["applied"] * 6
    assert [row["amount_minor"] for row in await rows(store, "settlement")] == [0, 0, 0]
    assert sum(row["amount_minor"] for row in await rows(store, "shares")) == 0


async def test_a_return_that_comes_first_waits_for_its_redemption(store: CloudStore) -> None:
    till, *_ = await world(store)
    other, sale = till.redeem(4), till.redeem(5)
    back = till.give_back(sale)
    assert await send(store, till, other, back) == ["stored", "stored"]
    (line,) = await store.reversals(10)
    assert (line.state, line.parts) == ("waiting", ())
    assert await send(store, till, sale) == ["stored"]
    (line,) = await store.reversals(10)
    assert (line.state, line.standing, sum(line.parts[0].funded_minor)) == ("applied", "counts", 3_000)
    assert await known_marks(store) == [(4, Status.USED), (5, Status.USED), (5, Status.VALID)]
    assert (await rows(store, "settlement"))[0]["amount_minor"] == 1500


async def test_a_coupon_stays_used_where_the_campaign_or_the_till_says_so(store: CloudStore) -> None:
    till, *_ = await world(store, Returns.NOTHING)
    sale = till.redeem(5)
    assert await send(store, till, sale, till.give_back(sale)) == ["stored", "stored"]
    assert await known_marks(store) == [(5, Status.USED)]
    await store.put_campaign(campaign(version=2, returns=Returns.COUPON), None, new_index_key())
    sale = till.redeem(6)
    assert await send(store, till, sale, till.give_back(sale, coupon_returns=False)) == ["stored", "stored"]
    assert await known_marks(store) == [(5, Status.USED), (6, Status.USED)]


async def test_a_part_gives_no_coupon_back(store: CloudStore) -> None:
    till, *_ = await world(store)
    sale = till.redeem(5, lines=lines())
    assert await send(store, till, sale, till.give_back(sale, ("b", 1, 1333))) == ["stored", "stored"]
    assert await known_marks(store) == [(5, Status.USED)]
    amounts = [row["amount_minor"] for row in await rows(store, "settlement")]
    assert sum(amounts) == 3000 - 1333


@pytest.mark.parametrize("late", [False, True])
async def test_returned_and_used_again_elsewhere_is_no_conflict(store: CloudStore, late: bool) -> None:
    """Whichever till delivers first: one use stands, and nobody is accused."""
    one, two, three = await world(store)
    first = one.redeem(5)
    back, second = one.give_back(first), two.redeem(5)
    if late:
        assert await send(store, two, second) == ["stored"]
        assert await send(store, one, first) == ["conflict"]
        assert await conflicts(store) == [("T-1-1", "T-2-1")]
        assert await send(store, one, back) == ["stored"]
    else:
        assert await send(store, one, first) == ["stored"]
        assert await send(store, two, second) == ["conflict"]
        assert await conflicts(store) == [("T-2-1", "T-1-1")]
        assert await send(store, one, back) == ["stored"]
    assert await conflicts(store) == []
    assert await known_marks(store) == [(5, Status.USED)]
    assert sum(row["amount_minor"] for row in await rows(store, "settlement")) == 3000
    assert await send(store, three, three.redeem(5)) == ["conflict"]
    assert await conflicts(store) == [("T-3-1", "T-2-1")]


async def test_a_coupon_of_several_uses_has_one_more(store: CloudStore) -> None:
    one, two, three = await world(store, uses=2)
    first = one.redeem(5)
    assert await send(store, one, first) == ["stored"]
    assert await send(store, two, two.redeem(5)) == ["stored"]
    assert await known_marks(store) == [(5, Status.USED)]
    assert await send(store, one, one.give_back(first)) == ["stored"]
    assert (await store.mark_counts(ISSUER, CAMPAIGN)).uses == 1
    assert await send(store, three, three.redeem(5)) == ["stored"]
    assert await known_marks(store) == [(5, Status.USED), (5, Status.VALID), (5, Status.USED)]


async def test_what_cannot_be_is_kept_and_listed_and_does_nothing(store: CloudStore) -> None:
    one, two, _ = await world(store)
    sale, other = one.redeem(5, lines=lines()), one.redeem(6)
    assert await send(store, one, sale, other) == ["stored", "stored"]
    coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": 6}
    wrong = [
        (one.give_back(sale, coupon=coupon), "other_coupon"),
        (one.give_back(sale), "wrong_lines"),
        (one.give_back(sale, ("d", 1, 5)), "wrong_lines"),
        (one.give_back(sale, ("b", 2, 1333)), "too_much"),
        (one.give_back(sale, ("b", 1, 1334)), "too_much"),
        (one.give_back(sale, ("b", 1, 1332)), "too_much"),
        (one.give_back(sale, ("a", 1, 1001), ("b", 1, 1333), ("c", 3, 666)), "too_much"),
    ]
    assert await send(store, one, *(event for event, _ in wrong)) == ["stored"] * len(wrong)
    reasons = {line.sequence: line.reason for line in await store.reversals(20)}
    assert [reasons[number] for number in sorted(reasons)] == [reason for _, reason in wrong]
    assert {line.reason for line in await store.implausible(20)} == {
        f"return_{reason}" for _, reason in wrong
    }
    stranger = sealing_till("T-9", 9)
    await store.put_place(replace(await _place(store), store="S-2", number=99))
    await store.add_till("T-9", "S-2", b"code", "2027")
    assert await send(store, stranger, stranger.give_back(other)) == ["stored"]
    assert [line.reason for line in await store.reversals(20) if line.till == "T-9"] == ["elsewhere"]
    assert await known_marks(store) == [(5, Status.USED), (6, Status.USED)]
    assert sum(row["amount_minor"] for row in await rows(store, "settlement")) == 6000
    assert await send(store, two, two.give_back(other)) == ["stored"], "another till of the store may"
    assert (await known_marks(store))[-1] == (6, Status.VALID)


async def _place(store: CloudStore) -> Any:
    (place,) = await store.places()
    return place


async def test_what_is_no_return_is_refused(store: CloudStore) -> None:
    till, *_ = await world(store)
    sale = till.redeem(5)
    await send(store, till, sale)
    for wrong in (
        {"reversal_id": "T-1-99"},
        {"redemption_id": "T-1-x"},
        {"amount_minor": -1},
        {"whole": None},
        {"lines": [{"line": "a", "quantity": 0, "amount_minor": 3_000}]},
        {"lines": [{"line": "a", "quantity": 1, "amount_minor": 1}]},
        {"coupon": {"issuer": "", "campaign": 1, "index": 1}},
    ):
        assert await send(store, till, till.give_back(sale, **wrong)) == ["refused malformed"], wrong


@pytest.mark.parametrize("said", [5, "abc", {"a": 1}, [5], [None], [{}], [{"share_minor": 3_000}]], ids=repr)
@pytest.mark.parametrize("discount", [3_000, None])
async def test_whatever_a_till_writes_for_lines_stops_neither_its_return_nor_a_list(
    store: CloudStore, said: Any, discount: int | None
) -> None:
    till, *_ = await world(store)
    sale = till.redeem(5, lines=said, discount_minor=discount)
    back = till.give_back(sale, amount_minor=discount or 0)
    assert await send(store, till, sale, back) == ["stored", "stored"]
    assert [line.state for line in await store.reversals(10)] == ["applied"]
    assert [line.lines for line in await store.ledger(None, ("", "", 0), 10)] == [(), ()]
    assert sum(row["amount_minor"] + row["open_minor"] for row in await rows(store, "settlement")) == 0


async def test_the_return_of_a_revoked_key_waits_for_a_person(store: CloudStore) -> None:
    till, *_ = await world(store)
    sale, other = till.redeem(5), till.redeem(6)
    await send(store, till, sale, other)
    await store.revoke_till("T-1", AT)
    assert await send(store, till, till.give_back(sale)) == ["stored"]
    assert [line.state for line in await store.reversals(10)] == ["held"]
    assert await known_marks(store) == [(5, Status.USED), (6, Status.USED)]
    await store.release_held("T-1", AT)
    assert (await known_marks(store))[-1] == (5, Status.VALID)
    assert await send(store, till, till.give_back(other)) == ["stored"]
    await store.refuse_held("T-1", AT)
    assert sorted(line.state for line in await store.reversals(10)) == ["applied", "refused"]


async def test_what_was_held_when_its_return_came_is_given_back_when_it_counts(store: CloudStore) -> None:
    till, *_ = await world(store)
    await store.revoke_till("T-1", AT)
    sale = till.redeem(5)
    assert await send(store, till, sale, till.give_back(sale)) == ["stored", "stored"]
    await store.release_held("T-1", AT)
    assert [line.state for line in await store.reversals(10)] == ["applied"]
    assert await known_marks(store) == [(5, Status.USED), (5, Status.VALID)]
    late = datetime(2026, 4, 1, tzinfo=UTC)
    assert await send(store, till, till.redeem(5), at=late) == ["stored"]
