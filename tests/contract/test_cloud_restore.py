"""What every `CloudStore` does when an older copy of its data was put back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.domain.campaign import Words
from agent.domain.parts import PromoCode
from cloud.access import digest
from cloud.chain import judge
from cloud.errors import Refused
from cloud.indexes import new_index_key
from cloud.ports import CloudStore, PromoPlan, PromoRow, Published
from cloud.restore import Closed
from cloud.store.sql_restore import CLOCK_MAX, SEQUENCE_JUMP
from tests.contract.test_cloud_store import TERMS, entry, issuer_key
from tests.contract.test_cloud_store import store as store  # the fixture, for every store
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, LATER, campaign, enrolled, sealing_till

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
OF = (ISSUER, CAMPAIGN)


async def offered(store: CloudStore) -> None:
    await store.put_campaign(campaign(), PromoPlan(5, 30), new_index_key())


def published(sequence: int, epoch: int = 1) -> Published:
    return Published("T-1", epoch, sequence, 1, b"key", b"manifest")


async def allot(store: CloudStore, count: int, order: str | None = None) -> list[int]:
    return await store.allot(*OF, count, TERMS, AT, order)


async def test_no_index_is_given_twice(store: CloudStore) -> None:
    """Closed until somebody says how many were issued; then behind all of them."""
    await offered(store)
    before = await allot(store, 5, "known")
    _, closed = await store.restored(NOW)
    assert closed == await store.closed() == [Closed(*OF, 5, 1000)]
    with pytest.raises(Refused) as refused:
        await allot(store, 1)
    assert (refused.value.status, refused.value.code) == (409, "restored")
    assert f"--issued {ISSUER}/{CAMPAIGN}=N" in refused.value.sentence
    assert await allot(store, 5, "known") == before, "an order of before is still the same coupons"
    await store.open_issuing(*OF, 25)
    assert await store.closed() == []
    offer = await store.offer(*OF)
    assert offer is not None
    assert offer.issued == 25
    assert len({*before, *await allot(store, 975)}) == 980, "all the others but those that were lost"
    with pytest.raises(Refused, match="are left"):
        await allot(store, 1)


@pytest.mark.parametrize(("issued", "code"), [(4, "bad_count"), (1001, "bad_count")])
async def test_a_count_that_cannot_be_is_refused(store: CloudStore, issued: int, code: str) -> None:
    await offered(store)
    await allot(store, 5)
    await store.restored(NOW)
    with pytest.raises(Refused) as refused:
        await store.open_issuing(*OF, issued)
    assert refused.value.code == code
    assert len(await store.closed()) == 1


async def test_only_what_is_closed_is_opened(store: CloudStore) -> None:
    """Whoever states counts without having run the command has not raised the sequences."""
    await offered(store)
    with pytest.raises(Refused) as refused:
        await store.open_issuing(*OF, 25)
    assert refused.value.code == "not_closed"
    with pytest.raises(Refused) as refused:
        await store.open_issuing(ISSUER, CAMPAIGN + 1, 25)
    assert refused.value.code == "unknown_campaign"


async def test_a_registered_key_may_not_sign_what_was_perhaps_issued_here(store: CloudStore) -> None:
    await offered(store)
    await store.restored(NOW)
    with pytest.raises(Refused) as refused:
        await store.add_key(issuer_key(), registered=True)
    assert refused.value.code == "issued_here"


async def test_promo_codes_that_may_be_handed_out_are_set_aside(store: CloudStore) -> None:
    await offered(store)
    await enrolled(store, sealing_till("T-1"))
    code = PromoCode("RC1X", "7-1", Words("", ""), Words("", ""))
    await store.add_promos("T-1", [PromoRow(code, *OF, 1, TERMS.expires)])
    assert len(await store.promos("T-1")) == 1
    await store.restored(NOW)
    assert await store.promos("T-1") == []


async def test_bundles_go_on_far_behind_those_that_tills_have(store: CloudStore) -> None:
    assert await store.sequence_floor() == 0
    assert await store.publish(published(1), {}, AT)
    floor, _ = await store.restored(NOW)
    assert floor == await store.sequence_floor() >= 1 + SEQUENCE_JUMP
    assert not await store.publish(published(2), {}, AT)
    assert await store.publish(published(floor + 1), {}, AT)
    assert await store.publish(published(floor + 2), {}, AT)
    assert await store.publish(published(floor + 1, epoch=2), {}, AT)


async def test_a_copy_that_is_put_back_twice_jumps_further(store: CloudStore) -> None:
    """The second time it knows nothing of the first: only the clock is further on."""
    first, _ = await store.restored(NOW)
    assert first == int(NOW.timestamp())
    again, _ = await store.restored(NOW)
    assert again == first + SEQUENCE_JUMP


async def test_a_clock_far_ahead_leaves_sequences(store: CloudStore) -> None:
    floor, _ = await store.restored(datetime(2900, 1, 1, tzinfo=UTC))
    assert floor == CLOCK_MAX
    assert await store.publish(published(2**32 - 2 * SEQUENCE_JUMP, epoch=9), {}, AT)
    with pytest.raises(Refused) as refused:
        await store.restored(NOW)
    assert refused.value.code == "sequences_used_up"
    assert await store.sequence_floor() == CLOCK_MAX


async def test_what_is_missing_of_a_lane(store: CloudStore) -> None:
    """The highest first, of this till and lane alone; without the room left when a disk was lost."""
    await enrolled(store, sealing_till("T-1"))
    await store.append("T-1", "redemption", [entry(2), entry(5), entry(9)], judge, AT)
    assert await store.missing("T-1", "redemption", 16) == [(6, 8), (3, 4), (1, 1)]
    assert await store.missing("T-1", "redemption", 1) == [(6, 8)]
    assert await store.missing("T-1", "evidence", 16) == await store.missing("T-2", "redemption", 16) == []
    await store.append("T-1", "redemption", [entry(7)], judge, AT)
    assert await store.missing("T-1", "redemption", 16) == [(8, 8), (6, 6), (3, 4), (1, 1)]
    await store.renew_code("T-1", digest("new"), "2030-01-01T00:00:00.000Z")
    till = await store.enrol(digest("new"), sealing_till("T-1", 2).key.public_key, AT)
    assert till is not None
    start = till.keys[-1].lanes["redemption"].after
    signer = till.keys[-1].public_key
    first = entry(start + 1, before=entry(9).hash, signer=signer)
    await store.append("T-1", "redemption", [first], judge, AT)
    assert await store.missing("T-1", "redemption", 16) == [(8, 8), (6, 6), (3, 4), (1, 1)]


async def test_a_lost_end_is_listed_at_once_and_until_it_came(store: CloudStore) -> None:
    await enrolled(store, sealing_till("T-1"))
    await store.append("T-1", "redemption", [entry(1)], judge, AT)

    async def hears(at: str, **delivered: int) -> list[tuple[str, int, int, str]]:
        await store.note_unheard("T-1", await store.unheard("T-1", delivered), at)
        lines = await store.gaps(10)
        assert (await store.wrong_counts())["gaps"] == len(lines)
        assert {line.kind for line in lines} <= {"missing"}
        return sorted((line.lane, line.first, line.last, line.noticed_at) for line in lines)

    assert await hears(AT, redemption=1, evidence=0) == []
    assert await hears(AT, redemption=5, evidence=2) == [("evidence", 1, 2, AT), ("redemption", 2, 5, AT)]
    assert await hears(LATER, redemption=5) == [("evidence", 1, 2, AT), ("redemption", 2, 5, AT)], (
        "since the first"
    )
    await store.append("T-1", "redemption", [entry(2)], judge, AT)
    assert (await hears(LATER, redemption=5))[1:] == [("redemption", 3, 5, AT)], (
        "what came is missing no more"
    )
    await store.append("T-1", "redemption", [entry(7)], judge, LATER)
    assert [line.last for line in await store.gaps(10, till="T-1") if line.lane == "redemption"] == [6], (
        "a hole now"
    )
    await store.append("T-1", "evidence", [entry(1), entry(2)], judge, AT)
    assert {line.lane for line in await store.gaps(10)} == {"redemption"}


async def test_what_lies_behind_all_that_came(store: CloudStore) -> None:
    """Without the room that was given away when the till was enrolled anew, or what was refused for good."""
    await enrolled(store, sealing_till("T-1"))
    assert await store.unheard("T-1", {"redemption": 3, "evidence": 0, "other": 9}) == {"redemption": (1, 3)}
    await store.append("T-1", "redemption", [entry(1), entry(2)], judge, AT)
    assert await store.unheard("T-1", {"redemption": 2, "evidence": 1}) == {"evidence": (1, 1)}
    assert await store.unheard("T-1", {"redemption": 9}) == {"redemption": (3, 9)}
    await store.append("T-1", "redemption", [replace(entry(3), fault="malformed")], judge, AT)
    assert await store.unheard("T-1", {"redemption": 3}) == {}
    await store.renew_code("T-1", digest("new"), "2030-01-01T00:00:00.000Z")
    till = await store.enrol(digest("new"), sealing_till("T-1", 2).key.public_key, AT)
    assert till is not None
    start = till.keys[-1].lanes["redemption"].after
    assert await store.unheard("T-1", {"redemption": start}) == {}
    assert await store.unheard("T-1", {"redemption": start + 2}) == {"redemption": (start + 1, start + 2)}
