"""Webhooks against a real endpoint, on both engines: taken once and in order, or later, or known not to be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from cloud import webhook_desk
from cloud.api import deliver
from cloud.errors import Refused, StoreUnavailable
from cloud.ingest import ingest
from cloud.outbound import ANSWER_BYTES, Bounds
from cloud.ports import CloudStore
from cloud.webhooks import ASIDE_MAX, LEASE, PAUSE, PAUSE_AFTER, WEBHOOKS_MAX
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.integration.webhook_kit import DAY_S, Endpoint, Sender, answers, endpoint, sender, takes
from tests.unit.cloud_kit import NOW, SealingTill, batch, sealing_till

REDEMPTION = "redeemd.redemption.v1"


@pytest.fixture
async def to() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        yield made


@pytest.fixture
async def sends(store: CloudStore) -> AsyncIterator[Sender]:
    async with sender(store) as made:
        yield made


async def redeem(store: CloudStore, till: SealingTill, count: int) -> list[str]:
    """Their ids."""
    first = till.heads["redemption"].sequence if till.heads else 0
    events = [till.redeem(first + number) for number in range(count)]
    await ingest(store, till.known(), "redemption", batch(events), lambda: NOW)
    return [event["id"] for event in events]


async def test_events_are_sent_once_in_their_order_and_signed(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    ids = await redeem(store, sealing_till("T-1"), 25)
    name, secret = await sends.add(to)
    await sends.turns(3, 1)
    assert to.ids == ids
    assert len({one for one, _ in to.got}) == 25
    assert all(to.signed_by(secret, place) for place in range(25))
    assert not to.signed_by("whsec_AAAA")
    assert to.headers[0]["Content-Type"] == "application/cloudevents+json"
    said = await sends.state(name)
    assert (said["state"], said["behind"], said["waiting"], said["last"]) == ("active", 0, 0, "204")
    assert "secret" not in said


async def test_only_the_types_that_were_asked_for(store: CloudStore, sends: Sender, to: Endpoint) -> None:
    till = sealing_till("T-1")
    await redeem(store, till, 3)
    name, _ = await sends.add(to, "redeemd.conflict.v1")
    await sends.turn()
    assert (to.got, (await sends.state(name))["behind"]) == ([], 0)
    late, _ = await sends.add(to, REDEMPTION, after="latest")
    ids = await redeem(store, till, 2)
    await sends.turn()
    assert (to.ids, (await sends.state(late))["types"]) == (ids, [REDEMPTION])


async def test_a_lost_answer_brings_the_same_again(store: CloudStore, sends: Sender, to: Endpoint) -> None:
    ids = await redeem(store, sealing_till("T-1"), 3)

    async def cut(request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
        if event["id"] == ids[1]:
            to.how = takes
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    to.how = cut
    name, _ = await sends.add(to)
    await sends.turn()
    assert to.ids == ids
    assert (await sends.state(name))["waiting"] == 1
    await sends.turns(2, 20)
    assert to.ids == [*ids, ids[1]]
    assert to.got[3] == to.got[1], "under the same webhook-id"
    assert (await sends.state(name))["waiting"] == 0


@pytest.mark.parametrize("status", [500, 503, 302, 429])
async def test_an_endpoint_that_takes_nothing_is_left_alone_and_nothing_is_lost(
    store: CloudStore, sends: Sender, to: Endpoint, status: int
) -> None:
    ids = await redeem(store, sealing_till("T-1"), 40)
    to.how = answers(status, Location=f"{to.url}/elsewhere")
    name, _ = await sends.add(to)
    await sends.turn()
    assert to.ids == ids[:PAUSE_AFTER], "no redirect is followed, nothing further is tried"
    await sends.turn()
    assert len(to.got) == PAUSE_AFTER, "it waits"
    said = await sends.state(name)
    assert (said["state"], said["failures"], said["last"]) == ("failing", PAUSE_AFTER, str(status))
    await sends.turns(20, PAUSE.cap_s)
    assert len(to.got) == PAUSE_AFTER + 19, "one probe after each pause"
    assert (await sends.state(name))["waiting"] == PAUSE_AFTER, "what was not sent stays in the feed"
    to.how, before = takes, len(to.got)
    await sends.turns(10, DAY_S / 4)
    assert sorted(to.ids[before:]) == sorted(ids), "each once"
    assert (await sends.state(name))["state"] == "active"


async def test_retry_after_is_honoured(store: CloudStore, sends: Sender, to: Endpoint) -> None:
    await redeem(store, sealing_till("T-1"), 3)
    to.how = answers(503, Retry_After="1800")
    await sends.add(to)
    await sends.turns(17, 100)
    assert len(to.got) == 1
    to.how = takes
    await sends.turns(3, 200)
    assert len(to.got) == 4


async def test_an_event_that_is_rejected_holds_up_none_and_ends_dead_and_replayable(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    ids = await redeem(store, sealing_till("T-1"), 6)

    async def rejects(_request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=422 if event["id"] == ids[2] else 200)

    to.how = rejects
    name, _ = await sends.add(to)
    await sends.turn()
    assert to.ids == ids
    await sends.turns(40, DAY_S / 8)
    attempts = to.ids.count(ids[2])
    assert attempts > 5
    (dead,) = await webhook_desk.asides(store, name)
    assert (dead["dead"], dead["last"], dead["attempts"], dead["webhook_id"]) == (
        True,
        "422",
        attempts,
        to.got[2][0],
    )
    await sends.turns(2, DAY_S)
    assert to.ids.count(ids[2]) == attempts, "no more by itself"
    to.how = takes
    assert await webhook_desk.replay(store, name, sends.clock()) == 1
    await sends.turn()
    assert to.got[-1] == to.got[2]
    assert await webhook_desk.asides(store, name) == []


async def test_an_endpoint_that_rejects_everything_is_not_sent_everything(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    await redeem(store, sealing_till("T-1"), ASIDE_MAX + 20)
    to.how = answers(401)
    name, _ = await sends.add(to)
    await sends.turns(4, 1)
    assert len(to.got) == ASIDE_MAX
    assert (await sends.state(name))["waiting"] == ASIDE_MAX


async def test_gone_disables_at_once_and_enabled_it_goes_on(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    ids = await redeem(store, sealing_till("T-1"), 4)
    to.how = answers(410)
    name, _ = await sends.add(to)
    await sends.turns(3, DAY_S)
    said = await sends.state(name)
    assert (len(to.got), said["state"], said["reason"]) == (1, "disabled", "gone")
    to.how = takes
    await webhook_desk.set_disabled(store, name, False, sends.clock())
    await sends.turn()
    assert to.ids == [ids[0], *ids], "none was passed over"


async def test_five_days_of_nothing_disable(store: CloudStore, sends: Sender, to: Endpoint) -> None:
    ids = await redeem(store, sealing_till("T-1"), 9)
    to.how = answers(500)
    name, _ = await sends.add(to)
    await sends.turns(60, DAY_S / 10)
    said = await sends.state(name)
    assert (said["state"], said["reason"]) == ("disabled", "failing")
    to.how, before = takes, len(to.got)
    await webhook_desk.set_disabled(store, name, False, sends.clock())
    await webhook_desk.replay(store, name, sends.clock())
    await sends.turns(10, DAY_S / 4)
    assert sorted(to.ids[before:]) == sorted(ids)


async def test_a_slow_endpoint_holds_up_no_other(store: CloudStore, to: Endpoint) -> None:
    ids = await redeem(store, sealing_till("T-1"), 3)
    hangs, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request, _event: dict[str, Any]) -> web.StreamResponse:
        hangs.set()
        await go.wait()
        return web.Response()

    async with endpoint() as other, sender(store, bounds=Bounds(total_s=60)) as sends:
        to.how = slow
        slow_one, _ = await sends.add(to)
        await sends.sending.look()
        await hangs.wait()
        await sends.add(other)
        await sends.sending.look()
        (served,) = (task for name, task in sends.sending.turns.items() if name != slow_one)
        await served
        assert other.ids == ids
        assert len(to.got) == 1, "it still waits for its answer"
        assert await redeem(store, sealing_till("T-2", 2), 1), "nor is ingest"
        go.set()


async def test_an_answer_takes_no_longer_and_no_more_than_its_bounds(store: CloudStore, to: Endpoint) -> None:
    await redeem(store, sealing_till("T-1"), 2)
    gone = asyncio.Event()

    async def never(_request: web.Request, _event: dict[str, Any]) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    async def endless(request: web.Request, _event: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * ANSWER_BYTES)
        return response

    async with sender(store, bounds=Bounds(total_s=0.2)) as sends:
        to.how = never
        name, _ = await sends.add(to)
        await sends.turn()
        assert (await sends.state(name))["last"] == "timeout"
        gone.set()
    async with sender(store, sends.clock) as again:
        to.how = endless
        again.clock.pass_s(DAY_S)
        await again.turn()
        assert (await again.state(name))["last"] == "200"


async def test_of_two_receivers_one_sends(store: CloudStore, to: Endpoint) -> None:
    ids = await redeem(store, sealing_till("T-1"), 30)
    async with sender(store) as one, sender(store) as two:
        await one.add(to)
        await asyncio.gather(one.turn(), two.turn())
        await asyncio.gather(one.turn(), two.turn())
        assert to.ids == ids


async def test_a_receiver_that_died_is_followed_once_its_lease_is_over(
    store: CloudStore, to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await redeem(store, sealing_till("T-1"), 30)
    dead = asyncio.Event()

    async def dies(_request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
        if event["id"] == ids[17]:
            dead.set()
            await asyncio.sleep(3600)
        return web.Response()

    async def unheard(*_args: object) -> bool:
        raise StoreUnavailable("this receiver is dead")

    async with sender(store) as one, sender(store, one.clock) as two:
        to.how = dies
        await one.add(to)
        await one.sending.look()
        await dead.wait()
        with monkeypatch.context() as patch:
            patch.setattr(type(store), "save_turn", unheard)
            await one.sending.close()
        to.how = takes
        await two.turn()
        assert len(to.got) == 18, "the lease is not over"
        two.clock.pass_s(LEASE.total_seconds() + 1)
        await two.turn()
        assert to.ids[18:] == ids[10:], "from the last saved place"
        assert to.got[18:25] == to.got[10:17], "what comes again is the same"


async def test_a_turn_that_lost_its_lease_stops(store: CloudStore, to: Endpoint) -> None:
    ids = await redeem(store, sealing_till("T-1"), 30)
    async with sender(store) as one:
        name, _ = await one.add(to)

        async def disabled_meanwhile(_request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
            if event["id"] == ids[3]:
                await webhook_desk.set_disabled(store, name, True, one.clock())
            return web.Response()

        to.how = disabled_meanwhile
        await one.turns(2, 1)
        assert len(to.got) == deliver.SAVE_EVERY
        said = await one.state(name)
        assert (said["state"], said["reason"]) == ("disabled", "by_staff")


async def test_a_rotated_secret_and_the_old_one_both_sign_for_a_day(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    till = sealing_till("T-1")
    name, old = await sends.add(to)
    new = (await webhook_desk.rotate(store, name, sends.clock()))["secret"]
    await redeem(store, till, 1)
    await sends.turn()
    assert new != old
    assert to.signed_by(new)
    assert to.signed_by(old)
    sends.clock.pass_s(DAY_S + 1)
    await redeem(store, till, 1)
    await sends.turn()
    assert (to.signed_by(new), to.signed_by(old)) == (True, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_nothing_is_sent_where_it_may_not_go(store: CloudStore, to: Endpoint, host: str) -> None:
    await redeem(store, sealing_till("T-1"), 1)
    async with sender(store, networks=()) as sends:
        name, _ = await sends.add(replace(to, url=to.url.replace("127.0.0.1", host)))
        await sends.turn()
        assert (to.got, (await sends.state(name))["last"]) == ([], "address_not_allowed")


async def test_what_is_no_webhook_or_too_many_is_refused(
    store: CloudStore, sends: Sender, to: Endpoint
) -> None:
    with pytest.raises(Refused, match="there is no type 'x'"):
        await sends.add(to, "x")
    with pytest.raises(Refused, match="neither latest nor a cursor"):
        await sends.add(to, after="now")
    for action in (webhook_desk.rotate, webhook_desk.replay):
        with pytest.raises(Refused, match="there is no webhook"):
            await action(store, "wh_x", sends.clock())
    first, _ = await sends.add(to)
    for _ in range(WEBHOOKS_MAX - 1):
        await sends.add(to)
    with pytest.raises(Refused, match="remove one first"):
        await sends.add(to)
    await webhook_desk.remove(store, first)
    await sends.add(to)
