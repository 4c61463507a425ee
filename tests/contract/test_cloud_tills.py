"""What every `CloudStore` keeps of tills: their keys one after the other, and where their lanes go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.record import GENESIS, LANES, REDEMPTION_LANE
from agent.domain.statement import KeyChange
from cloud.access import digest
from cloud.chain import JUMP_MAX
from cloud.errors import Refused
from cloud.ports import CloudStore
from cloud.store import sql_tills
from cloud.store.sql_tills import ROOM
from cloud.tills import KeyStanding, LaneStart, Till, TillState
from tests.cloud_stores import STORES
from tests.contract.test_cloud_store import codes, entry
from tests.unit.cloud_kit import AT, LATER, enrolled, sealing_till

OLD, NEW, THIRD = (signing_key_from_seed(bytes([seed]) * 32) for seed in (1, 2, 3))


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudStore]:
    opened = await STORES[request.param](request, tmp_path)
    await enrolled(opened, sealing_till("T-1", 1))
    yield opened
    await opened.close()


def change(old: SigningKey = OLD, new: SigningKey = NEW, redemption: int = 2, till: str = "T-1") -> KeyChange:
    return KeyChange(till, old.public_key, new.public_key, {"redemption": redemption, "evidence": 0})


async def found(store: CloudStore) -> Till:
    till = await store.till("T-1")
    assert till is not None
    return till


async def code_of(answer: object) -> str:
    with pytest.raises(Refused) as refused:
        await answer  # type: ignore[misc]  # any of the store's coroutines
    return refused.value.code


async def test_a_first_key_signs_from_the_beginning(store: CloudStore) -> None:
    till = await found(store)
    assert till.public_key == OLD.public_key
    assert {lane: till.keys[0].lanes[lane] for lane in LANES} == dict.fromkeys(
        LANES, LaneStart(0, 0, GENESIS)
    )
    assert till.keys_of(REDEMPTION_LANE, 1) == till.keys_of(REDEMPTION_LANE, 999) == [OLD.public_key]


async def test_an_announced_key_counts_beside_the_old_one_until_it_is_used(store: CloudStore) -> None:
    till = await store.change_till_key(change())
    assert [key.standing for key in till.keys] == [KeyStanding.CURRENT, KeyStanding.ANNOUNCED]
    assert till.keys_of(REDEMPTION_LANE, 2) == [OLD.public_key]
    assert till.keys_of(REDEMPTION_LANE, 3) == [NEW.public_key, OLD.public_key]
    await store.confirm_till_key("T-1", THIRD.public_key)
    assert (await found(store)).public_key == OLD.public_key, "no key that was not announced"
    await store.confirm_till_key("T-1", NEW.public_key)
    await store.confirm_till_key("T-1", NEW.public_key)
    await store.confirm_till_key("T-1", OLD.public_key)
    till = await found(store)
    assert till.public_key == NEW.public_key
    assert till.keys_of(REDEMPTION_LANE, 2) == [OLD.public_key]
    assert till.keys_of(REDEMPTION_LANE, 3) == [NEW.public_key]


async def test_an_announcement_is_made_anew_until_it_counts(store: CloudStore) -> None:
    await store.change_till_key(change())
    till = await store.change_till_key(change(redemption=5))
    assert len(till.keys) == 2
    assert till.keys_of(REDEMPTION_LANE, 5) == [OLD.public_key]
    till = await store.change_till_key(change(new=THIRD))
    assert [(key.public_key, key.standing) for key in till.keys] == [
        (OLD.public_key, KeyStanding.CURRENT),
        (NEW.public_key, KeyStanding.DROPPED),
        (THIRD.public_key, KeyStanding.ANNOUNCED),
    ], "what the till may have signed with the other one is still known"
    assert await code_of(store.change_till_key(change())) == "other_key"
    await store.confirm_till_key("T-1", THIRD.public_key)
    again = await store.change_till_key(change(new=THIRD, redemption=9))
    assert again == await found(store)
    assert again.keys_of(REDEMPTION_LANE, 3) == [THIRD.public_key], "what counts is not moved"


async def test_only_the_present_key_names_the_next(store: CloudStore) -> None:
    assert await code_of(store.change_till_key(change(old=THIRD))) == "other_key"
    assert await code_of(store.change_till_key(change(till="T-9"))) == "not_enrolled"
    await store.change_till_key(change())
    await store.confirm_till_key("T-1", NEW.public_key)
    assert await code_of(store.change_till_key(change(new=THIRD))) == "other_key"
    assert await code_of(store.change_till_key(change(NEW, OLD))) == "other_key"


async def test_a_key_that_signs_already_may_name_the_next_before_it_is_heard_of(store: CloudStore) -> None:
    await store.change_till_key(change())
    till = await store.change_till_key(change(NEW, THIRD, redemption=3))
    assert [key.standing for key in till.keys] == [
        KeyStanding.REPLACED,
        KeyStanding.CURRENT,
        KeyStanding.ANNOUNCED,
    ]


async def test_whether_a_lost_disk_had_begun_with_its_announced_key_is_left_open(store: CloudStore) -> None:
    await store.change_till_key(change())
    await store.renew_code("T-1", digest("again"), LATER)
    till = await store.enrol(digest("again"), THIRD.public_key, AT)
    assert till is not None
    assert [key.standing for key in till.keys] == [
        KeyStanding.REPLACED,
        KeyStanding.DROPPED,
        KeyStanding.CURRENT,
    ]
    assert till.keys_of(REDEMPTION_LANE, 2) == [OLD.public_key]
    assert till.keys_of(REDEMPTION_LANE, 3) == [NEW.public_key, OLD.public_key]
    assert till.keys_of(REDEMPTION_LANE, ROOM + 1) == [THIRD.public_key]
    await store.confirm_till_key("T-1", NEW.public_key)
    assert (await found(store)).public_key == THIRD.public_key, "it is too late for that one"


async def test_a_record_that_is_here_keeps_its_key(store: CloudStore) -> None:
    assert await codes(store, "T-1", entry(1, 5), entry(2, 6), entry(3, 7)) == ["store"] * 3
    assert await code_of(store.change_till_key(change())) == "lane_behind"
    assert (await store.change_till_key(change(redemption=3))).keys[-1].public_key == NEW.public_key


async def test_a_new_key_begins_no_further_ahead_than_a_till_can_be(store: CloudStore) -> None:
    await codes(store, "T-1", entry(1, 5), entry(2, 6))
    assert await code_of(store.change_till_key(change(redemption=3 + JUMP_MAX))) == "lane_ahead"
    assert (await store.change_till_key(change(redemption=2 + JUMP_MAX))).keys[
        -1
    ].public_key == NEW.public_key


async def test_a_till_announces_only_so_many_keys_and_can_still_be_enrolled(
    store: CloudStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_tills, "KEYS_MAX", 2)
    await store.change_till_key(change())
    assert await code_of(store.change_till_key(change(new=THIRD))) == "too_many_keys"
    await store.confirm_till_key("T-1", NEW.public_key)
    assert (await store.change_till_key(change())).public_key == NEW.public_key, "a lost answer"
    await store.renew_code("T-1", digest("again"), LATER)
    assert await store.enrol(digest("again"), THIRD.public_key, AT) is not None


async def test_a_lane_whose_sequences_are_used_up_begins_nowhere(
    store: CloudStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_tills, "START_MAX", 2 * ROOM)
    for number, key in enumerate((NEW, THIRD)):
        await store.renew_code("T-1", digest(f"again {number}"), LATER)
        assert await store.enrol(digest(f"again {number}"), key.public_key, AT) is not None
    await store.renew_code("T-1", digest("once more"), LATER)
    fourth = signing_key_from_seed(bytes([4]) * 32)
    assert await code_of(store.enrol(digest("once more"), fourth.public_key, AT)) == "lane_full"


async def test_a_new_disk_begins_behind_room_for_what_was_lost(store: CloudStore) -> None:
    await codes(store, "T-1", entry(1, 5), entry(2, 6))
    assert await store.renew_code("T-1", digest("again"), LATER)
    assert (await found(store)).state is TillState.ENROLLED, "until the code is used nothing changes"
    till = await store.enrol(digest("again"), NEW.public_key, AT)
    assert till is not None
    assert till == await store.enrol(digest("again"), NEW.public_key, AT), "a lost answer"
    assert till.keys[-1].lanes == {
        "redemption": LaneStart(2, 2 * ROOM, f"{2:064d}"),
        "evidence": LaneStart(0, ROOM, GENESIS),
    }
    assert [key.standing for key in till.keys] == [KeyStanding.REPLACED, KeyStanding.CURRENT]
    assert till.keys_of(REDEMPTION_LANE, 2 * ROOM) == [OLD.public_key]
    assert till.keys_of(REDEMPTION_LANE, 2 * ROOM + 1) == [NEW.public_key]
    first = entry(2 * ROOM + 1, 7, before=f"{2:064d}")
    assert await codes(store, "T-1", first) == ["store"]
    assert await codes(store, "T-1", entry(3, 8), entry(4, 7)) == ["store", "conflict"], (
        "the old disk turned up"
    )
    (gap,) = await store.gaps(10)
    assert (gap.first, gap.last, gap.kind) == (5, 2 * ROOM, "replaced")


async def test_a_key_that_was_the_tills_before_is_not_enrolled_again(store: CloudStore) -> None:
    await store.renew_code("T-1", digest("again"), LATER)
    assert await code_of(store.enrol(digest("again"), OLD.public_key, AT)) == "key_used"
    assert (await store.enrol(digest("again"), NEW.public_key, AT)) is not None, (
        "the code is not lost with it"
    )


async def test_a_revoked_till_comes_back_with_a_code_and_a_key(store: CloudStore) -> None:
    assert await store.renew_code("T-1", digest("before"), LATER)
    assert await store.revoke_till("T-1", LATER) == 0
    assert await store.revoke_till("T-1", "2027-01-01T00:00:00.000Z") == 0
    till = await found(store)
    assert (till.state, till.revoked_at) == (TillState.REVOKED, LATER)
    assert await store.enrol(digest("before"), NEW.public_key, AT) is None, "its code is dead too"
    assert await code_of(store.change_till_key(change())) == "not_enrolled"
    assert await store.renew_code("T-1", digest("again"), LATER)
    back = await store.enrol(digest("again"), NEW.public_key, AT)
    assert back is not None
    assert (back.state, back.revoked_at) == (TillState.ENROLLED, None)
    assert not await store.renew_code("T-9", digest("x"), LATER)


async def test_a_time_statement_is_kept_for_a_till(store: CloudStore) -> None:
    assert await store.time_statement("T-1") is None
    assert await store.put_time_statement("T-1", b"one")
    assert await store.put_time_statement("T-1", b"two")
    assert await store.time_statement("T-1") == b"two"
    assert not await store.put_time_statement("T-9", b"x")
    assert await store.time_statement("T-9") is None
