"""A till's identity over a real cloud: its key replaced, revoked, and a new disk under the old name."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import config
from agent.app import App, running
from agent.clock import SystemClock
from agent.commands import till_key
from agent.commands.enrol import enrol
from agent.commands.errors import CommandError
from agent.domain.keys import SigningKey, new_signing_key
from agent.domain.reasons import Stop
from agent.domain.record import LANES, REDEMPTION_LANE, ChainHead, record_id
from agent.domain.statement import sign_key_change
from agent.domain.time import EPOCH_DAY
from agent.folder import key_path, load_key, next_key_path
from cloud.store.sql_tills import ROOM
from sync import wire
from sync.ports import Answer
from sync.uplink import HttpUplink, Identity
from tests.core_kit import rows
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, SealingTill, batch


def day() -> int:
    """Yesterday, in whatever zone."""
    return (SystemClock().now().date() - EPOCH_DAY).days - 1


@dataclass
class Shop:
    """A cloud, and the state directory of one till of it."""

    cloud: Running
    folder: Path

    @property
    def settings(self) -> config.Config:
        return config.Config(
            till=config.Till(state_dir=str(self.folder), language="en"),
            api=config.Api(port=0),
            cloud=config.Cloud(url=self.cloud.url),
            sync=config.Sync(
                bundle_interval_s=5.0, upload_interval_s=5.0, backoff_base_s=0.1, backoff_cap_s=0.2
            ),
        )

    @property
    def alone(self) -> config.Config:
        """The same till where no line reaches the cloud."""
        return replace(self.settings, cloud=config.Cloud(url="http://127.0.0.1:1"))

    @property
    def database(self) -> Path:
        return self.folder / "till.db"

    async def code(self, till: str = "T-1") -> str:
        status, made = await self.cloud.admin("POST", f"tills/{till}/code")
        assert status == 201, made
        code: str = made["code"]
        return code

    async def coupons(self, count: int) -> list[str]:
        order = {
            "issuer": ISSUER,
            "campaign": CAMPAIGN,
            "count": count,
            "not_before": day(),
            "expires": day() + 50,
        }
        status, made = await self.cloud.admin("POST", "coupons", order)
        assert status == 201, made
        return [coupon["token"] for coupon in made["coupons"]]

    async def ledger(self, lane: str = REDEMPTION_LANE) -> list[int]:
        """The sequences that the cloud has."""
        return [line["sequence"] for line in await self.cloud.lines() if line["lane"] == lane]

    async def gaps(self) -> list[dict[str, Any]]:
        gaps: list[dict[str, Any]] = (await self.cloud.admin("GET", "gaps"))[1]["gaps"]
        return gaps

    async def conflicts(self) -> int:
        return len((await self.cloud.admin("GET", "conflicts"))[1]["conflicts"])

    async def refusals(self) -> list[str]:
        return [line["code"] for line in (await self.cloud.admin("GET", "refusals"))[1]["refusals"]]

    def waiting(self) -> int:
        return int(rows(self.database, "SELECT count(*) FROM record WHERE state = 'waiting'")[0][0])

    async def delivered(self, app: App) -> None:
        """Until the outbox is empty; the test's own time-out bounds it."""
        app._line.wake()
        while self.waiting():
            app._line.back()
            await asyncio.sleep(0.02)

    async def revoked(self, app: App) -> None:
        while app._state.stopped != Stop.REVOKED:
            app._line.poll_now()
            await asyncio.sleep(0.02)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with running_cloud(tmp_path / "cloud") as cloud:
        cloud.time.at = SystemClock().now()
        await cloud.set_up(starts=day() - 400, ends=day() + 400)
        _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        opened = Shop(cloud, tmp_path / "till")
        assert await enrol(opened.settings, made["code"]) == ("T-1", "")
        yield opened


async def redeem(app: App, *coupons: str) -> list[str]:
    return [(await app.till.redeem(coupon, None, coupon[-30:])).outcome.value for coupon in coupons]


# --- the key replaced ---


async def test_a_new_key_goes_on_where_the_old_one_ended(shop: Shop) -> None:
    """Records of both keys are delivered after the change, each judged by the key of its place."""
    one, two, three = await shop.coupons(3)
    async with running(shop.alone) as app:
        assert await redeem(app, one, two) == ["accepted", "accepted"]
    old = load_key(key_path(shop.settings))
    kid = await till_key.rotate(shop.settings)
    new = load_key(key_path(shop.settings))
    assert new.kid == kid != old.kid
    assert not next_key_path(key_path(shop.settings)).exists()
    assert shop.waiting() == 2
    async with running(shop.settings) as app:
        assert await redeem(app, three) == ["accepted"]
        await shop.delivered(app)
    assert await shop.ledger() == [1, 2, 3]
    assert await shop.refusals() == []
    answer = await ask_for_the_bundle(shop, old)
    assert answer.status == 403, "the old key counts no more"
    assert wire.REVOCATION_HEADER.lower() in answer.headers


async def ask_for_the_bundle(shop: Shop, key: SigningKey) -> Answer:
    async with HttpUplink(shop.cloud.url, Identity("T-1", "T-1", key.sign)) as uplink:
        answer = await uplink.get(wire.bundle_path("T-1"))
    assert isinstance(answer, Answer), answer
    return answer


async def test_a_change_that_did_not_reach_the_cloud_is_taken_up_again(shop: Shop) -> None:
    (one,) = await shop.coupons(1)
    old = load_key(key_path(shop.settings))
    with pytest.raises(CommandError, match="The old key still counts"):
        await till_key.rotate(shop.alone)
    waiting = load_key(next_key_path(key_path(shop.settings)))
    assert load_key(key_path(shop.settings)).kid == old.kid
    assert len(till_key.show(key_path(shop.settings))) == 2
    async with running(shop.settings) as app:
        assert await redeem(app, one) == ["accepted"]
        await shop.delivered(app)
    assert await till_key.rotate(shop.settings) == waiting.kid, "the same next key"
    assert len(till_key.show(key_path(shop.settings))) == 1
    assert (await ask_for_the_bundle(shop, load_key(key_path(shop.settings)))).status == 200


@pytest.mark.parametrize("line", [True, False])
async def test_killed_before_the_switch_either_key_works(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, line: bool
) -> None:
    """The cloud knows the new key and the till still has the old one, which goes on recording."""
    one, two, three = await shop.coupons(3)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(till_key, "_put_in_place", killed)
        with pytest.raises(KeyboardInterrupt):
            await till_key.rotate(shop.settings)
    async with running(shop.settings if line else shop.alone) as app:
        assert await redeem(app, one, two) == ["accepted", "accepted"]
        if line:
            await shop.delivered(app)
    await till_key.rotate(shop.settings)
    async with running(shop.settings) as app:
        assert await redeem(app, three) == ["accepted"]
        await shop.delivered(app)
    assert await shop.ledger() == [1, 2, 3]
    assert await shop.refusals() == []


async def test_nobody_changes_a_tills_key_but_the_till(shop: Shop) -> None:
    lanes = dict.fromkeys(LANES, 0)
    thief, old = new_signing_key(), load_key(key_path(shop.settings))
    kid = await till_key.rotate(shop.settings)
    new = load_key(key_path(shop.settings))
    assert (await ask_for_the_bundle(shop, new)).status == 200
    async with HttpUplink(shop.cloud.url) as uplink:
        for till, one, other, status in (
            ("T-1", thief, new_signing_key(), 409),
            ("T-1", old, thief, 409),  # who kept a copy of the old key
            ("T-1", new, old, 409),  # back to what was replaced
            ("T-2", new, thief, 409),
        ):
            answer = await uplink.announce_key(till, sign_key_change(till, one, other, lanes))
            assert isinstance(answer, Answer), answer
            assert answer.status == status, answer.body
        foreign = await uplink.announce_key("T-1", sign_key_change("T-2", new, thief, lanes))
        replayed = await uplink.announce_key("T-1", sign_key_change("T-1", old, new, lanes))
    assert isinstance(foreign, Answer)
    assert foreign.status == 422
    assert isinstance(replayed, Answer)
    assert (replayed.status, json.loads(replayed.body)["standing"]) == (200, "current"), (
        "no news, and no harm"
    )
    assert load_key(key_path(shop.settings)).kid == kid
    assert (await ask_for_the_bundle(shop, new)).status == 200


async def test_a_record_of_the_new_key_does_not_stand_in_the_place_of_the_old_one(shop: Shop) -> None:
    """The old key's places are closed to the new key, and the new key's places to the old one; the uses count."""
    (one,) = await shop.coupons(1)
    async with running(shop.alone) as app:
        assert await redeem(app, one) == ["accepted"]
    old = load_key(key_path(shop.settings))
    await till_key.rotate(shop.settings)
    new = load_key(key_path(shop.settings))
    assert (await ask_for_the_bundle(shop, new)).status == 200
    first = SealingTill("T-1", new)
    second = SealingTill("T-1", old, {REDEMPTION_LANE: ChainHead(1, "1" * 64)})
    body = batch([first.redeem(7), second.redeem(8)])
    async with HttpUplink(shop.cloud.url, Identity("T-1", "T-1", new.sign)) as uplink:
        answer = await uplink.post_batch(REDEMPTION_LANE, body, wire.idempotency_key(body))
    assert isinstance(answer, Answer)
    results, faults = wire.decode_results(answer.body, ["T-1-1", "T-1-2"])
    assert [result.code for result in results] == ["wrong_key", "wrong_key"]
    assert faults == []
    _, campaign = await shop.cloud.admin("GET", f"campaigns/{ISSUER}/{CAMPAIGN}")
    assert campaign["used"] == 2


# --- revoked ---


async def test_a_revoked_till_stops_wipes_and_delivers(shop: Shop) -> None:
    one, two, three = await shop.coupons(3)
    async with running(shop.alone) as app:
        assert await redeem(app, one, two) == ["accepted", "accepted"]
    before = rows(shop.database, "SELECT count(*) FROM part")[0][0]
    assert before > 0
    assert (await shop.cloud.admin("POST", "tills/T-1/revoke"))[0] == 200
    async with running(shop.settings) as app:
        await shop.revoked(app)
        assert await redeem(app, three) == ["till_stopped"]
        await shop.delivered(app)
        status = await app.till.status()
        assert status["issues"][0]["code"] == "till_revoked"
        assert not status["healthy"]
    assert await shop.ledger() == [1, 2]
    assert rows(shop.database, "SELECT count(*) FROM part") == [(0,)]
    assert rows(shop.database, "SELECT manifest FROM bundle") == [(None,)]
    assert rows(shop.database, "SELECT count(*) FROM coupon_use") == [(2,)], "what was used stays used"
    async with running(shop.alone) as app:  # it needs no line to stay stopped
        assert app._state.stopped == Stop.REVOKED
        assert await redeem(app, three) == ["till_stopped"]
    with pytest.raises(CommandError, match="move the state directory away"):
        await enrol(shop.settings, await shop.code())
    with pytest.raises(CommandError, match="revoked"):
        await till_key.rotate(shop.settings)


async def test_a_revoked_till_comes_back_with_a_new_key(shop: Shop, tmp_path: Path) -> None:
    one, two = await shop.coupons(2)
    async with running(shop.settings) as app:
        assert await redeem(app, one) == ["accepted"]
        await shop.delivered(app)
        assert (await shop.cloud.admin("POST", "tills/T-1/revoke"))[0] == 200
        await shop.revoked(app)
    shutil.move(shop.folder, tmp_path / "old")
    assert await enrol(shop.settings, await shop.code()) == ("T-1", "")
    async with running(shop.settings) as app:
        assert await redeem(app, two) == ["accepted"]
        await shop.delivered(app)
    assert await shop.ledger() == [1, 2 * ROOM + 1]


# --- a new disk ---


async def test_a_new_disk_goes_on_without_a_clash_and_the_old_one_may_still_deliver(
    shop: Shop, tmp_path: Path
) -> None:
    one, two, lost, new = await shop.coupons(4)
    async with running(shop.settings) as app:
        assert await redeem(app, one, two) == ["accepted", "accepted"]
        await shop.delivered(app)
    async with running(shop.alone) as app:
        assert await redeem(app, lost) == ["accepted"]
    shutil.move(shop.folder, tmp_path / "old")  # the disk is gone, with one record that nobody saw
    assert await enrol(shop.settings, await shop.code()) == ("T-1", "")
    async with running(shop.settings) as app:
        assert await redeem(app, new) == ["accepted"]
        await shop.delivered(app)
    first = 2 * ROOM + 1
    assert await shop.ledger() == [1, 2, first]
    assert await shop.refusals() == []
    (gap,) = await shop.gaps()
    assert (gap["first"], gap["last"], gap["kind"]) == (3, first - 1, "replaced")
    event = json.loads(rows(shop.database, "SELECT event FROM redemption_record")[0][0])
    assert event["id"] == record_id("T-1", REDEMPTION_LANE, first)
    assert event["prevhash"] == (await shop.cloud.lines())[1]["hash"], "it goes on from what the cloud knew"
    old = Shop(shop.cloud, tmp_path / "old")
    async with running(old.settings) as app:  # the disk turned up
        await old.revoked(app)
        await old.delivered(app)
    assert await shop.ledger() == [1, 2, 3, first]
    assert (await shop.refusals(), await shop.conflicts()) == ([], 0)
    assert [gap["first"] for gap in await shop.gaps()] == [4]


async def test_a_second_swap_leaves_room_again(shop: Shop, tmp_path: Path) -> None:
    for number in (1, 2):
        (coupon,) = await shop.coupons(1)
        shutil.move(shop.folder, tmp_path / f"old-{number}")
        assert await enrol(shop.settings, await shop.code()) == ("T-1", "")
        async with running(shop.settings) as app:
            assert await redeem(app, coupon) == ["accepted"]
            await shop.delivered(app)
    assert await shop.ledger() == [ROOM + 1, 3 * ROOM + 1]
    assert {(gap["lane"], gap["kind"]) for gap in await shop.gaps()} == {(REDEMPTION_LANE, "replaced")}


async def test_the_same_disk_is_not_enrolled_over_its_own_ledger(shop: Shop) -> None:
    (one,) = await shop.coupons(1)
    async with running(shop.settings) as app:
        assert await redeem(app, one) == ["accepted"]
        await shop.delivered(app)
    code = await shop.code()
    with pytest.raises(CommandError, match="had that key before"):
        await enrol(shop.settings, code)
    key_path(shop.settings).unlink()
    with pytest.raises(CommandError, match="Move the state directory away"):
        await enrol(shop.settings, code)
    assert rows(shop.database, "SELECT count(*) FROM setting WHERE name LIKE 'start_%'") == [(0,)]


async def test_a_lost_answer_to_an_enrolment_is_asked_for_again(shop: Shop, tmp_path: Path) -> None:
    shutil.move(shop.folder, tmp_path / "old")
    code = await shop.code()
    assert await enrol(shop.settings, code) == ("T-1", "")
    starts = rows(shop.database, "SELECT * FROM setting WHERE name LIKE 'start_%'")
    assert await enrol(shop.settings, code) == ("T-1", "")
    assert rows(shop.database, "SELECT * FROM setting WHERE name LIKE 'start_%'") == starts
    assert len(starts) == 2


async def test_a_till_put_back_from_an_old_backup_says_so(shop: Shop, tmp_path: Path) -> None:
    """Its key is known, its numbers are taken: to the cloud its records are others of the same numbers."""
    one, two = await shop.coupons(2)
    shutil.copytree(shop.folder, tmp_path / "backup")
    async with running(shop.settings) as app:
        assert await redeem(app, one) == ["accepted"]
        await shop.delivered(app)
    shutil.rmtree(shop.folder)
    shutil.copytree(tmp_path / "backup", shop.folder)
    async with running(shop.settings) as app:
        assert await redeem(app, two) == ["accepted"]
        await shop.delivered(app)
        found = {issue["code"]: issue for issue in (await app.till.status())["issues"]}
    assert "enrol this till anew" in found["records_forked"]["action_en"]
