"""What every `CloudStore` lists for settlement, and what it says to a record that is sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agent.domain.cose import Algorithm
from agent.domain.status import Status
from cloud.chain import CouponRef, judge
from cloud.errors import Refused
from cloud.indexes import new_index_key
from cloud.lists import NEWEST, Cursor
from cloud.ports import CloudStore
from tests.contract.test_cloud_store import TERMS, codes, entry, issuer_key, store
from tests.offers import amount_off
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, LATER, campaign, known_marks

__all__ = ["store"]


async def test_a_duplicate_of_a_coupon_with_several_uses_is_no_conflict(store: CloudStore) -> None:
    """The answer was lost and the batch comes again: the second of three uses is as good as the first."""
    await store.put_campaign(campaign(uses=3), None, new_index_key())
    tills = ("T-1", "T-2", "T-3", "T-4")
    first = [await codes(store, till, entry(1, 5)) for till in tills]
    assert first == [["store"], ["store"], ["store"], ["conflict"]]
    for _ in range(2):
        again = [await codes(store, till, entry(1, 5)) for till in tills]
        assert again == [["duplicate"], ["duplicate"], ["duplicate"], ["conflict"]]
    assert [line.till for line in await store.conflicts(10)] == ["T-4"]
    assert await known_marks(store) == [(5, Status.USED)]


async def test_what_lost_when_it_was_refused_has_lost_when_it_is_replayed(store: CloudStore) -> None:
    await store.put_campaign(campaign(uses=2), None, new_index_key())
    for till in ("T-1", "T-2"):
        assert await codes(store, till, entry(1, 5)) == ["store"]
    assert await codes(store, "T-3", entry(1), entry(3, own="c" * 64)) == ["store", "store"]
    assert await codes(store, "T-3", entry(2, 5, before="f" * 64)) == ["broken_chain"]
    assert [line.kind for line in await store.conflicts(10)] == ["broken_chain"]
    fitting = entry(2, 5)
    assert await codes(store, "T-4", entry(1), fitting) == ["store", "conflict"]
    assert await codes(store, "T-4", fitting) == ["conflict"]
    assert (await store.mark_counts(ISSUER, CAMPAIGN)).uses == 2


async def test_used_coupons_and_their_uses_are_counted_apart(store: CloudStore) -> None:
    await store.put_campaign(campaign(uses=2), None, new_index_key())
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (0, 0, 0)
    assert await codes(store, "T-1", entry(1, 5), entry(2, 6)) == ["store", "store"]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (0, 2, 0)
    assert await codes(store, "T-2", entry(1, 5), entry(2, 5)) == ["store", "conflict"]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (1, 3, 0)


async def test_the_currency_stays_once_coupons_may_be_out(store: CloudStore) -> None:
    await store.put_campaign(campaign(currency="USD"), None, new_index_key())
    await store.put_campaign(campaign(version=2), None, new_index_key())
    await store.allot(ISSUER, CAMPAIGN, 1, TERMS, AT)
    with pytest.raises(Refused) as refused:
        await store.put_campaign(campaign(version=3, currency="USD"), None, new_index_key())
    assert (refused.value.status, refused.value.code) == (409, "currency_fixed")
    await store.put_campaign(campaign(version=3), None, new_index_key())


@pytest.mark.parametrize(("scope", "fixed"), [(None, True), (frozenset({8}), True), (frozenset({9}), False)])
async def test_so_it_does_where_the_holder_of_a_key_issues(
    store: CloudStore, scope: frozenset[int] | None, fixed: bool
) -> None:
    await store.add_key(issuer_key(campaigns=scope, algorithm=Algorithm.ED25519), registered=True)
    await store.put_campaign(campaign(number=8), None, new_index_key())
    changed = campaign(number=8, version=2, currency="USD")
    if fixed:
        with pytest.raises(Refused, match="currency"):
            await store.put_campaign(changed, None, new_index_key())
    else:
        await store.put_campaign(changed, None, new_index_key())


async def test_what_cannot_be_right_is_kept_and_listed(store: CloudStore) -> None:
    await store.put_campaign(campaign(offer=amount_off(10_000, 3_000)), None, new_index_key())
    lower = campaign(version=2, offer=amount_off(10_000, 2_000))
    await store.put_campaign(lower, None, new_index_key())
    elsewhere = CouponRef("nobody", 1, 1)
    batch = [
        entry(1, 1, discount_minor=3_000),  # by the older version, which a till offline may have
        entry(2, 2, discount_minor=3_001),
        entry(3, 1_000),
        replace(entry(4, 4), coupon=elsewhere),
        entry(5, 999, discount_minor=None),
        entry(6),
        entry(7, 2_000, fault="wrong_hash"),  # signed by nobody
        replace(entry(8, 8, discount_minor=5), unsettled=True),
    ]
    said = await codes(store, "T-1", *batch)
    assert said == ["store"] * 6 + ["wrong_hash", "store"]
    assert await codes(store, "T-1", *batch[:6]) == ["duplicate"] * 6
    assert await codes(store, "T-1", entry(2, 1_001, own="b" * 64)) == ["fork"]
    lines = await store.implausible(10)
    assert [(line.sequence, line.reason, line.issuer, line.index) for line in lines] == [
        (2, "above_value", ISSUER, 2),
        (2, "no_such_coupon", ISSUER, 1_001),
        (3, "no_such_coupon", ISSUER, 1_000),
        (4, "unknown_campaign", "nobody", 1),
        (8, "wrong_shares", ISSUER, 8),
    ]
    ledger = await store.ledger(None, ("", "", 0), 10)
    assert [line.implausible for line in ledger] == [
        None,
        "above_value",
        "no_such_coupon",
        "unknown_campaign",
        None,
        None,
        "wrong_shares",
    ]


@pytest.mark.parametrize(
    "text", ['{"data":{}}', '{"data":7}', '{"data":{"store":1,"sale":[],"currency":""}}']
)
async def test_the_ledger_says_nothing_where_the_till_does_not(store: CloudStore, text: str) -> None:
    await codes(store, "T-1", entry(1, 5, text=text))
    (line,) = await store.ledger(None, ("", "", 0), 10)
    assert (line.currency, line.store, line.sale_id) == (None, None, None)


async def test_the_ledger_says_what_was_paid_where(store: CloudStore) -> None:
    sale = '"sale":{"sale_id":"118","total_minor":12800,"currency":"USD"}'
    one = entry(1, 5, text=f'{{"data":{{"store":"S-1","currency":"CNY",{sale}}}}}')
    two = entry(2, 6, text=f'{{"data":{{{sale}}}}}')
    await codes(store, "T-1", one, two)
    found = [(line.currency, line.store, line.sale_id) for line in await store.ledger(None, ("", "", 0), 10)]
    assert found == [("CNY", "S-1", "118"), ("USD", None, "118")]


async def test_every_line_of_a_list_is_read_once_page_by_page(store: CloudStore) -> None:
    """Most came at the same moment, so that only till, lane, sequence and hash tell them apart."""
    await codes(store, "T-0", *(entry(n, n) for n in range(1, 8)))
    for till in ("T-1", "T-2"):
        for n, at in ((1, AT), (3, AT), (5, LATER)):
            await store.append(till, "redemption", [entry(n, n, own=f"{n}" * 64)], judge, at)
            await store.append(till, "redemption", [entry(n, n, own="f" * 64)], judge, at)
    lists: dict[str, Callable[[int, Cursor], Awaitable[list]]] = {  # type: ignore[type-arg]  # of lines of its own
        "conflicts": store.conflicts,
        "refusals": store.refusals,
        "gaps": store.gaps,
        "implausible": store.implausible,
    }
    for name, read in lists.items():
        whole = await read(100, NEWEST)
        assert len(whole) >= 4, name
        assert len({line.cursor() for line in whole}) == len(whole)
        assert [line.cursor()[0] for line in whole] == sorted(
            (line.cursor()[0] for line in whole), reverse=True
        )
        found, after = [], NEWEST
        while page := await read(3, after):
            found += page
            after = page[-1].cursor()
        assert found == whole, name
