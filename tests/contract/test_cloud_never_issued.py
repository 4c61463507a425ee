"""Redemptions of coupons that nobody ever issued: signed by a till's key, and yet made up. In every `CloudStore`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from agent.domain.codes import CodeKey, CodeKind, code_hash
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, signing_key_from_seed
from cloud.api.background import count_all
from cloud.codes import issue_codes
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
    handed_out,
    sealing_till,
    token_digest,
)

PERIOD = period_of(date(2026, 1, 1), date(2026, 12, 31))
SIZE = 1000
TERMS = Terms(TODAY, TODAY + 30)


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
    return till, await handed_out(store, 10, TERMS)


def coupon(index: int, **more: object) -> dict[str, object]:
    return {"issuer": ISSUER, "campaign": CAMPAIGN, "index": index, **more}


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
    return await handed_out(store, count, TERMS, order)


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


async def take(store: CloudStore, till: SealingTill, *events: dict[str, Any]) -> list[str]:
    """What is listed of them, as the feed tells it at once and as the tally lists it, in their order."""
    known = await store.till(till.name)
    assert isinstance(known, Till)
    before = await store.feed_end()
    await ingest(store, known, "redemption", batch(events), lambda: NOW)
    told = (await store.feed(before, 100, RECORD_TYPES)).events
    await count_all(store)
    reasons = {line.redemption_id: line.reason for line in await store.implausible(100)}
    found = [reasons.get(event["id"], "") for event in events]
    assert [event.event["standing"] == "implausible" for event in told] == [bool(one) for one in found]
    return found


async def test_who_makes_up_a_coupon_that_was_issued_since_does_not_know_its_token(store: CloudStore) -> None:
    """Whatever the till says of the time."""
    till, issued = await world(store)
    other = hashlib.sha256(b"whatever").hexdigest()
    made_up = [
        till.redeem(issued[0], token_sha256=other),
        till.redeem(issued[1], token_sha256=None),
        till.redeem(issued[2], token_sha256=None, coupon=coupon(issued[2], code="00" * 12)),
        till.redeem(issued[3], token_sha256=None, coupon=coupon(issued[3], code="no code")),
    ]
    assert await take(store, till, *made_up, till.redeem(issued[4])) == ["not_as_issued"] * 4 + [""]
    (row,) = await settlement(store, PERIOD)
    assert row[6:10] == (1, 3000, 4, 12000)


async def test_a_late_batch_of_a_till_whose_clock_is_behind_is_no_fault(store: CloudStore) -> None:
    till, issued = await world(store)
    assert await take(store, till, till.redeem(issued[0], clock={"wall": "2020-01-01T00:00:00Z"})) == [""]


async def test_a_code_is_known_by_its_hash(store: CloudStore) -> None:
    till, _ = await world(store)
    made = await issue_codes(store, ISSUER, CAMPAIGN, TERMS, NOW, count=3)
    secret = await store.codes.secret(ISSUER)
    key = CodeKey(secret.key_id, ISSUER, secret.key)
    hashes = [code_hash(key, CodeKind.PLAIN, one.code.replace("-", "")).hex() for one in made.codes]
    first, second, third = (one.index for one in made.codes)
    events = [
        till.redeem(first, token_sha256=None, coupon=coupon(first, code=hashes[0])),
        till.redeem(second, token_sha256=None, coupon=coupon(second, code=hashes[2])),
        till.redeem(third),
    ]
    assert await take(store, till, *events) == ["", "not_as_issued", "not_as_issued"]


async def test_codes_of_receipts_are_typed_and_what_tills_sign_is_theirs(store: CloudStore) -> None:
    till, _ = await world(store)
    pooled, other = await handed_out(store, 2, replace(TERMS, till="T-2"))
    (signed,) = await store.allot(ISSUER, CAMPAIGN, 1, replace(TERMS, till="T-2"), AT)
    events = [
        till.redeem(pooled, token_sha256=None),
        till.redeem(signed),
        till.redeem(other, token_sha256="0" * 64),
    ]
    assert await take(store, till, *events) == ["", "", "not_as_issued"]


async def test_an_order_that_was_signed_twice_is_good_either_way(store: CloudStore) -> None:
    till, issued = await world(store)
    await store.note_tokens(ISSUER, CAMPAIGN, [(issued[0], bytes(32)), (issued[1], token_digest(issued[1]))])
    events = [till.redeem(issued[0]), till.redeem(issued[1]), till.redeem(issued[2], token_sha256="00" * 32)]
    assert await take(store, till, *events) == ["", "", "not_as_issued"]


async def test_a_redemption_of_what_was_passed_over_is_of_no_coupon(store: CloudStore) -> None:
    till, issued = await world(store)
    await store.revoke(ISSUER, CAMPAIGN, other_than(issued), AT)
    await draw(store, SIZE - 11)
    assert await take(store, till, till.redeem(other_than(issued)[0])) == ["never_issued"]


async def test_what_a_restored_cloud_has_forgotten_is_not_judged(store: CloudStore) -> None:
    till, issued = await world(store)
    await store.restored(NOW)
    await store.open_issuing(ISSUER, CAMPAIGN, 20)
    kept = await draw(store, SIZE - 20)
    since = sorted(set(range(SIZE)) - {*issued, *kept})
    assert len(since) == 10
    events = [till.redeem(since[0]), till.redeem(issued[0], token_sha256="0" * 64)]
    assert await take(store, till, *events) == ["", "not_as_issued"]


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
