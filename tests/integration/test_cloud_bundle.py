"""Bundles as a till gets them: signed, whole, rising only when there is something new."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.domain import campaign as campaigns
from agent.domain import token
from agent.domain.bundle import Age
from agent.domain.promo import short_name
from agent.domain.status import Status
from agent.domain.time import timestamp
from cloud.api.background import write_seen
from cloud.api.http import Cloud
from cloud.errors import StoreUnavailable
from cloud.publish import Ages
from cloud.seen import TillQuery
from sync import till_health, wire
from sync.ports import Answer
from sync.till_health import to_header
from tests.integration.cloud_server_kit import Client, Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, STORE, TODAY, campaign
from tests.unit.test_sync_till_health import WELL

PROMO = 9


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud", Ages(refresh_s=300)) as running:
        await running.set_up()
        yield running


async def add_campaign(cloud: Running, promo: dict[str, int] | None = None, **changes: object) -> None:
    wire = campaigns.to_wire(campaign(**changes))
    status, answer = await cloud.admin("POST", "campaigns", {"campaign": wire, "promo": promo})
    assert status == 201, answer


def sequence(client: Client) -> int:
    assert client.manifest is not None
    return client.manifest.sequence


async def test_a_bundle_is_what_a_till_verifies(cloud: Running) -> None:
    client = await cloud.enrol("T-1")
    contents = await client.refresh()
    assert contents.place == STORE
    assert [key.issuer for key in contents.keys.values()] == [ISSUER]
    assert contents.campaigns == {(ISSUER, CAMPAIGN): campaign()}
    assert contents.status[ISSUER, CAMPAIGN].count == campaign().size
    assert contents.skipped == ()
    manifest = client.manifest
    assert manifest is not None
    assert manifest.issued == cloud.time.at
    assert manifest.age(cloud.time.at + timedelta(hours=23)) is Age.FRESH
    assert manifest.age(cloud.time.at + timedelta(hours=24)) is Age.STALE
    assert manifest.age(cloud.time.at + timedelta(days=14)) is Age.EXPIRED


async def test_uses_and_revocations_show_in_the_status_part(cloud: Running) -> None:
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await one.refresh()
    await one.post(one.till.redeem(5), one.till.redeem(6), one.till.redeem(4_000_000_000))
    await cloud.admin("POST", "revocations", {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [6, 7]})
    for client in (one, two):
        listed = (await client.refresh()).status[ISSUER, CAMPAIGN]
        assert [listed[index] for index in (4, 5, 6, 7)] == [
            Status.VALID,
            Status.USED,
            Status.REVOKED,
            Status.REVOKED,
        ]
        assert sum(listed[index] is not Status.VALID for index in range(listed.count)) == 3
    assert (sequence(one), sequence(two)) == (2, 1)


async def test_an_unchanged_bundle_is_the_same_until_it_is_old(cloud: Running) -> None:
    client = await cloud.enrol("T-1")
    first = await client.fetch()
    cloud.time.pass_s(299)
    again = await client.fetch()
    assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])
    unchanged = await client.fetch(first.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    cloud.time.pass_s(1)
    later = await client.fetch(first.headers["etag"])
    assert later.status == 200
    await client.refresh()
    assert sequence(client) == 2
    assert client.manifest is not None
    assert client.manifest.issued == cloud.time.at


async def test_a_cloud_clock_set_back_does_not_lower_the_time_of_issue(cloud: Running) -> None:
    client = await cloud.enrol("T-1")
    await client.refresh()
    assert client.manifest is not None
    issued = client.manifest.issued
    cloud.time.pass_s(-3600)
    await cloud.admin("POST", "revocations", {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [1]})
    await client.refresh()
    assert (sequence(client), client.manifest.issued) == (2, issued)


async def test_each_till_gets_what_concerns_its_store(cloud: Running) -> None:
    await add_campaign(cloud, number=8, stores=frozenset({99}))
    await add_campaign(cloud, number=10, stores=frozenset({12}))
    await add_campaign(cloud, number=11, starts=TODAY - 90, ends=TODAY - 31)
    await add_campaign(cloud, number=12, starts=TODAY - 90, ends=TODAY - 30)
    client = await cloud.enrol("T-1")
    assert sorted(number for _, number in (await client.refresh()).campaigns) == [7, 10, 12]


async def test_a_new_version_of_a_campaign_arrives(cloud: Running) -> None:
    client = await cloud.enrol("T-1")
    await client.refresh()
    await add_campaign(cloud, version=2, ends=TODAY + 90)
    offer = (await client.refresh()).campaigns[ISSUER, CAMPAIGN]
    assert (offer.version, offer.ends, sequence(client)) == (2, TODAY + 90, 2)


async def test_promo_codes_are_allotted_to_one_till_and_topped_up(cloud: Running) -> None:
    await add_campaign(cloud, {"per_till": 10, "valid_days": 20}, number=PROMO)
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    contents = await one.refresh()
    first = {promo.short: promo for promo in contents.promos}
    others = {promo.short for promo in (await two.refresh()).promos}
    assert (len(first), len(others), first.keys() & others) == (10, 10, set())
    for short, promo in first.items():
        parsed = token.parse(promo.token)
        assert token.verify(parsed, next(iter(contents.keys.values())))
        claims = parsed.claims
        assert short == short_name(PROMO, 1000, claims.index, promo.token)
        assert short.startswith(f"{PROMO}-{claims.index:03d}-")
        assert (claims.campaign, claims.not_before, claims.expires) == (PROMO, TODAY, TODAY + 20)
        assert promo.title == campaign().title
    out = sorted(first)[:7]
    for number, short in enumerate(out[:6]):
        await one.post(one.till.redeem(number, promo=short))
    left = {promo.short for promo in (await one.refresh()).promos}
    assert left == set(first) - set(out[:6]), "four of ten are not few"
    await one.post(one.till.redeem(6, promo=out[6]))
    topped = {promo.short for promo in (await one.refresh()).promos}
    assert len(topped) == 10
    assert topped > left - {out[6]}
    assert not topped & set(out)


async def test_promo_codes_that_no_longer_count_are_replaced(cloud: Running) -> None:
    await add_campaign(cloud, {"per_till": 5, "valid_days": 1}, number=PROMO)
    client = await cloud.enrol("T-1")
    old = {promo.short for promo in (await client.refresh()).promos}
    cloud.time.pass_s(2 * 24 * 3600)
    new = {promo.short for promo in (await client.refresh()).promos}
    assert (len(new), new & old) == (5, set())


async def test_a_used_up_promo_campaign_ends_quietly(cloud: Running) -> None:
    await add_campaign(cloud, {"per_till": 10, "valid_days": 20}, number=PROMO, size=12)
    clients = [await cloud.enrol(f"T-{number}", number) for number in range(1, 4)]
    assert [len((await client.refresh()).promos) for client in clients] == [10, 2, 0]


async def test_receivers_that_share_a_store_agree_on_one_manifest(cloud: Running) -> None:
    """Two publishers over one database: the slower one takes what the faster one published."""
    client = await cloud.enrol("T-1")
    assert cloud.cloud is not None
    running: Cloud = cloud.cloud
    till = await running.store.till("T-1")
    assert till is not None
    first = await running.publisher.bundle(till)
    seen = [None, first]  # at its first look the slower one sees nothing yet

    class Stale:
        def __getattr__(self, name: str) -> object:
            return getattr(running.store, name)

        async def published(self, _: str) -> object:
            return seen.pop(0)

    running.publisher._store = Stale()  # type: ignore[assignment]  # a store whose first look is late
    assert await running.publisher.bundle(till) == first
    assert client.manifest is None
    assert replace(first, sequence=1) == first


async def test_what_a_till_says_of_itself_is_kept(cloud: Running) -> None:
    """With its question for the bundle; nonsense is passed over, and a delivery shows that it is there."""
    client, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    assert cloud.cloud is not None

    async def ask(text: str) -> None:
        async def say() -> str:
            return text

        async with client.uplink() as uplink:
            uplink.say_health = say
            answer = await uplink.get(wire.bundle_path("T-1"))
            assert isinstance(answer, Answer)
            assert answer.status == 200
            assert isinstance(await uplink.get("/v1/health"), Answer)

    await ask(to_header(WELL))
    await ask('{"version":"<script>"}')
    await other.post(other.till.redeem(1))
    await write_seen(cloud.cloud)
    await write_seen(cloud.cloud)
    now = timestamp(cloud.time())
    one, two = await cloud.cloud.store.till_lines(TillQuery("till", False, "", "", now, None, 9))
    assert (one.seen_at, one.said_at, one.waiting, one.devices) == (now, now, WELL.waiting, WELL.devices)
    assert one.clock_s is not None
    assert abs(one.clock_s) > 1000, "the test's cloud stands in another year than its till"
    assert (two.seen_at, two.said_at) == (now, None)


async def test_nobody_between_speaks_for_a_till(cloud: Running) -> None:
    """A proxy that ends TLS alters what a till said of itself, takes it away, or says something for it: refused."""
    client = await cloud.enrol("T-1")
    assert cloud.cloud is not None
    path, said = wire.bundle_path("T-1"), to_header(WELL)
    worse = to_header(replace(WELL, healthy=False, quarantined=9))

    async def ask(signed_for: str | None, sent: str | None) -> tuple[int, str]:
        headers = client.signed("GET", path, health=signed_for)
        headers |= {} if sent is None else {till_health.HEADER: sent}
        async with cloud.session.get(cloud.url + path, headers=headers) as answer:
            problem = answer.content_type == wire.PROBLEM_TYPE
            return answer.status, (await answer.json(content_type=None))["code"] if problem else ""

    assert await ask(said, said) == (200, "")
    assert await ask(None, None) == (200, "")
    assert await ask(said, worse) == (401, "bad_signature")
    assert await ask(said, None) == (401, "bad_signature_format")
    assert await ask(None, worse) == (401, "bad_signature_format")
    await write_seen(cloud.cloud)
    query = TillQuery("till", False, "", "", timestamp(cloud.time()), None, 9)
    (line,) = await cloud.cloud.store.till_lines(query)
    assert (line.healthy, line.quarantined) == (True, 0)


async def test_what_was_seen_waits_for_the_database(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await cloud.enrol("T-1")
    await client.fetch()
    assert cloud.cloud is not None

    async def broken(_seen: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(cloud.cloud.store, "put_seen", broken)
        with pytest.raises(StoreUnavailable):
            await write_seen(cloud.cloud)
    await write_seen(cloud.cloud)
    (line,) = await cloud.cloud.store.till_lines(
        TillQuery("till", False, "", "", "2026-03-01T04:00:00Z", None, 9)
    )
    assert line.seen_at is not None
