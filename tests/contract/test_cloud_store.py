"""What every `CloudStore` keeps. Add a store to tests/cloud_stores.py and it is held to all of it."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from agent.domain.campaign import Words
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, signing_key_from_seed
from agent.domain.parts import PromoCode
from agent.domain.record import GENESIS
from agent.domain.status import Status
from cloud.access import digest
from cloud.chain import CouponRef, Entry, judge
from cloud.errors import Refused
from cloud.indexes import new_index_key
from cloud.ports import CloudStore, Offer, PromoPlan, PromoRow, Published, StatusPart, Terms
from cloud.tills import TillState
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import (
    AT,
    CAMPAIGN,
    ISSUER,
    LATER,
    STORE,
    TODAY,
    campaign,
    enrolled,
    known_marks,
    sealing_till,
)

TERMS = Terms(TODAY, TODAY + 30)


def issuer_key(seed: int = 1, **changes: object) -> IssuerKey:
    key = signing_key_from_seed(bytes([seed]) * 32)
    usual = IssuerKey(key.kid, ISSUER, Algorithm.ED25519, key.public_key, None, 0, 60_000, 10_000)
    return replace(usual, **changes)  # type: ignore[arg-type]  # the fields of the test's choice


def entry(sequence: int, index: int | None = None, own: str = "", before: str = "", **more: object) -> Entry:
    own = own or f"{sequence:064d}"
    before = before or (GENESIS if sequence == 1 else f"{sequence - 1:064d}")
    coupon = None if index is None else CouponRef(ISSUER, CAMPAIGN, index)
    usual = Entry(
        f"id-{sequence}", sequence, own, before, '{"a":1}', "redeemd.redemption.v1", AT, coupon, 3000
    )
    return replace(usual, **more)  # type: ignore[arg-type]  # the fields of the test's choice


def named(*contents: bytes) -> dict[bytes, bytes]:
    return {hashlib.sha256(content).digest(): content for content in contents}


def status_parts(*parts: tuple[int, bytes]) -> list[StatusPart]:
    return [StatusPart(change, hashlib.sha256(content).digest(), content) for change, content in parts]


async def codes(
    store: CloudStore, till: str, *entries: Entry, lane: str = "redemption", at: str = AT
) -> list[str]:
    done = await store.append(till, lane, entries, judge, at)
    return [each.ruling.code or ("conflict" if each.won_by else each.ruling.fate.value) for each in done]


async def test_it_answers(store: CloudStore) -> None:
    await store.ping()


async def test_places_are_replaced_by_name_and_numbers_are_unique(store: CloudStore) -> None:
    await store.put_place(STORE)
    moved = replace(STORE, title=Words("新店", "New"), number=13, groups=frozenset())
    await store.put_place(moved)
    assert await store.place(STORE.store) == moved
    assert await store.place("none") is None
    assert await store.store_of_number(13) == STORE.store
    assert await store.store_of_number(12) is None
    with pytest.raises(Refused) as refused:
        await store.put_place(replace(STORE, store="S-2", number=13))
    assert (refused.value.status, refused.value.code) == (409, "number_taken")
    assert await store.place("S-2") is None


async def test_keys_come_back_as_they_were_and_no_kid_twice(store: CloudStore) -> None:
    keys = [issuer_key(1), issuer_key(2, campaigns=frozenset({7, 9}), issuer="zeta")]
    for key in keys:
        await store.add_key(key)
    assert await store.issuer_keys() == keys
    with pytest.raises(Refused, match="exists"):
        await store.add_key(issuer_key(1, issuer="other"))


async def test_a_campaign_rises_by_version_and_keeps_its_size_and_key(store: CloudStore) -> None:
    first, plan = campaign(stores=frozenset({12}), budget=campaign().budget), PromoPlan(50, 30)
    key = new_index_key()
    await store.put_campaign(first, plan, key)
    assert await store.offers() == [Offer(first, plan, key, 0)]
    with pytest.raises(Refused, match="version"):
        await store.put_campaign(first, plan, key)
    with pytest.raises(Refused, match="size"):
        await store.put_campaign(replace(first, version=2, size=2000), plan, key)
    second = replace(first, version=2, title=Words("冬季", "Winter"))
    await store.put_campaign(second, None, new_index_key())
    assert await store.offer(ISSUER, CAMPAIGN) == Offer(second, None, key, 0)
    assert await store.offer(ISSUER, 8) is None


async def test_indexes_are_given_once_and_end_with_the_size(store: CloudStore) -> None:
    await store.put_campaign(campaign(size=100), None, new_index_key())
    drawn = await asyncio.gather(*(store.allot(ISSUER, CAMPAIGN, 30, TERMS, AT) for _ in range(3)))
    given = [index for indexes in drawn for index in indexes]
    assert len(set(given)) == 90
    with pytest.raises(Refused, match="10 coupons are left"):
        await store.allot(ISSUER, CAMPAIGN, 11, TERMS, AT)
    given += await store.allot(ISSUER, CAMPAIGN, 10, TERMS, AT)
    assert sorted(given) == list(range(100))
    with pytest.raises(Refused) as refused:
        await store.allot(ISSUER, 8, 1, TERMS, AT)
    assert refused.value.status == 404


async def test_revocations_are_marked_also_before_issue(store: CloudStore) -> None:
    await store.put_campaign(campaign(size=10), None, new_index_key())
    assert await store.revoke(ISSUER, CAMPAIGN, [3, 4], AT) == 2
    assert sorted(await store.allot(ISSUER, CAMPAIGN, 8, TERMS, AT)) == [0, 1, 2, 5, 6, 7, 8, 9]
    with pytest.raises(Refused, match="0 coupons are left"):
        await store.allot(ISSUER, CAMPAIGN, 1, TERMS, AT)
    assert await store.revoke(ISSUER, CAMPAIGN, [4, 5], AT) == 1
    with pytest.raises(Refused) as refused:
        await store.revoke(ISSUER, CAMPAIGN, [6, 10], AT)
    assert refused.value.status == 422
    assert await known_marks(store) == [(index, Status.REVOKED) for index in (3, 4, 5)]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (0, 0, 3)


async def test_a_code_enrols_once_and_the_same_key_again(store: CloudStore) -> None:
    till, other = sealing_till("T-1"), sealing_till("T-2", 2)
    await store.put_place(STORE)
    await store.add_till("T-1", STORE.store, digest("old"), LATER)
    await store.add_till("T-1", STORE.store, digest("code"), LATER)
    assert await store.enrol(digest("old"), till.key.public_key, AT) is None, "a new code kills the old one"
    assert await store.enrol(digest("code"), till.key.public_key, LATER) is None, "too late"
    made = await store.enrol(digest("code"), till.key.public_key, AT)
    assert made is not None
    assert (made.state, made.public_key, made.store) == (TillState.ENROLLED, till.key.public_key, STORE.store)
    assert await store.enrol(digest("code"), till.key.public_key, AT) == made, (
        "a lost answer is asked for again"
    )
    assert await store.enrol(digest("code"), other.key.public_key, AT) is None
    assert await store.till("T-1") == made
    with pytest.raises(Refused, match="enrolled already"):
        await store.add_till("T-1", STORE.store, digest("more"), LATER)
    with pytest.raises(Refused, match="no store"):
        await store.add_till("T-3", "nowhere", digest("x"), LATER)


async def test_a_revoked_till_stays_revoked(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    assert await store.revoke_till("T-1", LATER) == 0
    assert await store.revoke_till("T-9", LATER) is None
    found = await store.till("T-1")
    assert found is not None
    assert found.state is TillState.REVOKED
    assert await store.enrol(digest("T-1"), till.key.public_key, AT) is None
    assert [each.till for each in await store.tills()] == ["T-1"]


async def test_records_are_kept_per_till_and_lane(store: CloudStore) -> None:
    assert await codes(store, "T-1", entry(1, 5), entry(2, 6)) == ["store", "store"]
    assert await codes(store, "T-1", entry(1), lane="evidence") == ["store"]
    assert await codes(store, "T-2", entry(1, 7)) == ["store"]
    assert await codes(store, "T-1", entry(2, 6), entry(3, 8)) == ["duplicate", "store"]
    lines = await store.ledger(None, ("", "", 0), 10)
    assert [(line.till, line.lane, line.sequence) for line in lines] == [
        ("T-1", "evidence", 1),
        ("T-1", "redemption", 1),
        ("T-1", "redemption", 2),
        ("T-1", "redemption", 3),
        ("T-2", "redemption", 1),
    ]
    first = lines[1]
    assert (first.redemption_id, first.hash, first.issuer, first.campaign) == (
        "id-1",
        f"{1:064d}",
        ISSUER,
        CAMPAIGN,
    )
    assert (first.index, first.discount_minor, first.received_at, first.time) == (5, 3000, AT, AT)
    assert await store.ledger("T-1", ("T-1", "redemption", 1), 1) == [lines[2]]
    assert await store.ledger("T-2", ("", "", 0), 10) == [lines[4]]


async def test_the_first_use_wins_and_the_second_is_kept_as_a_conflict(store: CloudStore) -> None:
    assert await codes(store, "T-1", entry(1, 5)) == ["store"]
    done = await store.append("T-2", "redemption", [entry(1, 5, own="b" * 64)], judge, LATER)
    win = done[0].won_by
    assert win is not None
    assert (win.till, win.sequence, win.redemption_id, win.received_at) == ("T-1", 1, "id-1", AT)
    again = await store.append("T-2", "redemption", [entry(1, 5, own="b" * 64)], judge, LATER)
    assert again[0].won_by == win, "said again, and recorded once"
    assert await codes(store, "T-1", entry(1, 5)) == ["duplicate"], "the winner has no conflict"
    conflicts = await store.conflicts(10)
    assert [(line.till, line.index, line.received_at, line.winner) for line in conflicts] == [
        ("T-2", 5, LATER, win)
    ]
    assert await known_marks(store) == [(5, Status.USED)]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (1, 1, 0)
    assert len(await store.ledger(None, ("", "", 0), 10)) == 2


async def test_two_uses_in_one_batch_conflict_too(store: CloudStore) -> None:
    assert await codes(store, "T-1", entry(1, 5), entry(2, 5)) == ["store", "conflict"]


async def test_refused_records_are_kept_beside_the_ledger(store: CloudStore) -> None:
    bad = entry(2, fault="wrong_hash", sentence="not what was hashed")
    assert await codes(store, "T-1", entry(1), bad, entry(3)) == ["store", "wrong_hash", "store"]
    assert await codes(store, "T-1", bad) == ["wrong_hash"]
    kept = await store.refusals(10)
    assert [(line.sequence, line.code, line.redemption_id, line.event) for line in kept] == [
        (2, "wrong_hash", "id-2", '{"a":1}')
    ]


async def test_concurrent_batches_store_each_record_once(store: CloudStore) -> None:
    batches = [[entry(sequence, sequence) for sequence in range(1, last + 1)] for last in (5, 9, 7, 9, 3, 8)]
    said = await asyncio.gather(*(codes(store, "T-1", *batch) for batch in batches))
    assert sum(answer == "store" for answers in said for answer in answers) == 9
    assert {answer for answers in said for answer in answers} == {"store", "duplicate"}


async def test_a_judge_that_fails_leaves_nothing_behind(store: CloudStore) -> None:
    def failing(*_: object) -> list[object]:
        raise Refused(422, "test", "no")

    with pytest.raises(Refused):
        await store.append("T-1", "redemption", [entry(1)], failing, AT)  # type: ignore[arg-type]  # it never returns
    assert await store.ledger(None, ("", "", 0), 10) == []
    assert await codes(store, "T-1", entry(1)) == ["store"]


async def test_manifests_follow_one_another(store: CloudStore) -> None:
    first = Published("T-1", 1, 1, 1000, b"k" * 32, b"manifest 1")
    assert await store.published("T-1") is None
    assert await store.publish(first, named(b"one", b"two"), AT)
    assert not await store.publish(replace(first, manifest=b"late"), {}, AT), "another receiver was faster"
    assert await store.published("T-1") == first
    second = replace(first, sequence=2, manifest=b"manifest 2")
    assert await store.publish(second, named(b"two", b"three"), LATER)
    assert await store.published("T-1") == second
    for content in (b"one", b"two", b"three"):
        assert await store.part(hashlib.sha256(content).digest()) == content
    assert await store.part(b"0" * 32) is None
    months_later = "2026-06-01T00:00:00.000Z"
    assert await store.publish(replace(second, sequence=3), named(b"three"), months_later)
    assert await store.part(hashlib.sha256(b"one").digest()) is None, "nobody was given it for a month"
    assert await store.part(hashlib.sha256(b"three").digest()) == b"three"


async def test_marks_are_numbered_in_each_campaign(store: CloudStore) -> None:
    await store.put_campaign(campaign(size=10), None, new_index_key())
    await store.put_campaign(campaign(number=8, size=10), None, new_index_key())
    assert await store.mark_numbers() == {}
    await codes(store, "T-1", entry(1, 5), entry(2, 9), entry(3, 5))
    await store.revoke(ISSUER, CAMPAIGN, [5, 1, 5], AT)
    await store.revoke(ISSUER, 8, [2], AT)
    assert await store.mark_numbers() == {(ISSUER, CAMPAIGN): 4, (ISSUER, 8): 1}
    expected = [(1, 5, Status.USED), (2, 9, Status.USED), (3, 5, Status.REVOKED), (4, 1, Status.REVOKED)]
    for after in range(5):
        for limit in (1, 2, 9):
            assert await store.marks(ISSUER, CAMPAIGN, after, limit) == expected[after:][:limit]


async def test_the_parts_of_a_status_list_are_replaced_by_whoever_saw_the_last_ones(
    store: CloudStore,
) -> None:
    one, two = status_parts((0, b"snapshot")), status_parts((0, b"snapshot"), (7, b"delta"))
    assert await store.status_parts(ISSUER, CAMPAIGN) == []
    assert not await store.put_status_parts(ISSUER, CAMPAIGN, 0, two, AT)
    assert await store.put_status_parts(ISSUER, CAMPAIGN, None, one, AT)
    assert not await store.put_status_parts(ISSUER, CAMPAIGN, None, two, AT)
    assert await store.put_status_parts(ISSUER, CAMPAIGN, 0, two, AT)
    assert not await store.put_status_parts(ISSUER, CAMPAIGN, 0, one, AT)
    assert await store.status_parts(ISSUER, CAMPAIGN) == two
    assert await store.status_parts(ISSUER, 8) == []
    assert await store.part(two[1].sha256) == b"delta"
    months_later = "2026-06-01T00:00:00.000Z"
    first = Published("T-1", 1, 1, 1000, b"k" * 32, b"manifest 1")
    assert await store.publish(first, {}, months_later)
    assert await store.status_parts(ISSUER, CAMPAIGN) == two, "what is part of a list is kept"
    three = status_parts((9, b"new snapshot"))
    assert await store.put_status_parts(ISSUER, CAMPAIGN, 7, three, months_later)
    assert await store.status_parts(ISSUER, CAMPAIGN) == three
    assert await store.part(two[1].sha256) == b"delta", "a slow download may still want it"
    assert await store.publish(replace(first, sequence=2), {}, months_later)
    assert await store.part(two[1].sha256) is None
    assert await store.part(three[0].sha256) == b"new snapshot"


async def test_promo_codes_leave_when_they_are_handed_out(store: CloudStore) -> None:
    rows = [
        PromoRow(
            PromoCode(f"RC1{index}", f"7-{index}", Words("券", "P"), Words("", "")), ISSUER, 7, index, TODAY
        )
        for index in (1, 2)
    ]
    await store.add_promos("T-1", rows)
    await store.add_promos("T-2", rows[:1])
    assert await store.promos("T-1") == rows
    assert await codes(store, "T-1", entry(1, 5, promo="7-1")) == ["store"]
    assert await store.promos("T-1") == rows[1:]
    assert await store.promos("T-2") == rows[:1]
    assert await codes(store, "T-3", entry(1, 2)) == ["store"], "its coupon comes back: it was handed out"
    assert await store.promos("T-1") == []


async def test_what_becomes_of_a_promo_code_may_be_told_before_that_it_was_handed_out(
    store: CloudStore,
) -> None:
    rows = [
        PromoRow(
            PromoCode(f"RC1{index}", f"7-{index}", Words("券", "P"), Words("", "")), ISSUER, 7, index, TODAY
        )
        for index in (1, 2)
    ]
    await store.add_promos("T-1", rows)

    def fate(sequence: int, short: str, state: str) -> Entry:
        return entry(sequence, kind="redeemd.promo.v1", promo=short, promo_state=state)

    told = (fate(1, "7-1", "printed"), fate(2, "7-2", "returned"))
    assert await codes(store, "T-1", *told, lane="evidence") == ["store", "store"]
    assert await store.promos("T-1") == rows[1:], "on paper; never handed out"
    handed_out = (entry(1, 5, promo="7-1"), entry(2, 6, promo="7-2"))
    assert await codes(store, "T-1", *handed_out) == ["store", "store"]
    assert await store.promos("T-1") == []
    assert await codes(store, "T-1", fate(3, "7-2", "returned"), lane="evidence") == ["store"]
    assert await store.promos("T-1") == rows[1:], "the till has it again"
    assert await codes(store, "T-1", fate(4, "7-1", "returned"), lane="evidence") == ["store"]
    assert await store.promos("T-1") == rows[1:], "what is on paper does not come back"


async def test_what_a_till_may_sign_is_kept_and_counted_like_its_promo_codes(store: CloudStore) -> None:
    rows = [
        PromoRow(PromoCode("", f"7-{index}", Words("", ""), Words("", "")), ISSUER, 7, index, TODAY)
        for index in (1, 2, 3)
    ]
    await store.add_delegation("T-1", "b", b"two", rows[:2])
    await store.add_delegation("T-1", "a", b"one", rows[2:])
    await store.add_delegation("T-1", "a", b"again", rows[2:])
    assert await store.documents("delegation") == [b"one", b"two"]
    everything = {(ISSUER, 7, index) for index in (1, 2, 3)}
    assert await store.delegated_left("T-1") == everything
    assert await store.delegated_left("T-2") == set()
    assert await store.promos("T-1") == [], "nothing that the cloud signed"
    assert await codes(store, "T-1", entry(1, 5, promo="7-1")) == ["store"]
    assert await store.delegated_left("T-1") == everything - {(ISSUER, 7, 1)}
    back = entry(1, kind="redeemd.promo.v1", promo="7-1", promo_state="returned")
    assert await codes(store, "T-1", back, lane="evidence") == ["store"]
    assert await store.delegated_left("T-1") == everything
    assert await store.promos("T-1") == []


async def test_a_promo_code_is_found_by_its_whole_name(store: CloudStore) -> None:
    await store.put_campaign(campaign(), None, new_index_key())
    index, other = await store.allot(ISSUER, CAMPAIGN, 2, Terms(TODAY, TODAY + 9, till="T-1"), AT)
    made = PromoCode("RC1X", "7-1-ABCDE", Words("券", "P"), Words("", ""))
    await store.add_promos("T-1", [PromoRow(made, ISSUER, CAMPAIGN, index, TODAY + 9)])
    stem = PromoRow(replace(made, token="", short="7-2"), ISSUER, CAMPAIGN, other, TODAY + 9)
    await store.add_delegation("T-1", "a", b"document", [stem])
    found = await store.promo_named(ISSUER, CAMPAIGN, index, "7-1-ABCDE")
    assert found == ("ready", False, False, TODAY + 9, "RC1X")
    for wrong in ((index, "7-1-ABCDF"), (other, "7-1-ABCDE"), (other, "7-2-ABCDE"), (12_345, "7-1-ABCDE")):
        assert await store.promo_named(ISSUER, CAMPAIGN, *wrong) is None
    assert await codes(store, "T-1", entry(1, 5, promo="7-2-QWERT")) == ["store"]
    assert await store.promo_named(ISSUER, CAMPAIGN, other, "7-2-QWERT") == (
        "handed_out", False, False, TODAY + 9, "",
    )  # fmt: skip
    back = entry(1, kind="redeemd.promo.v1", promo="7-2-QWERT", promo_state="returned")
    assert await codes(store, "T-1", back, lane="evidence") == ["store"]
    assert await store.promo_named(ISSUER, CAMPAIGN, other, "7-2-QWERT") is None
    assert await store.delegated_left("T-1") == {(ISSUER, CAMPAIGN, other)}


async def test_documents_of_a_kind_are_kept_by_name(store: CloudStore) -> None:
    assert await store.documents("plan") == []
    for name, document in (("2", b"x"), ("1", b"y"), ("2", b"z")):
        await store.put_document("plan", name, document)
    assert await store.documents("plan") == [b"y", b"z"]
    assert await store.documents("other") == []
