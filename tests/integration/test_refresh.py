"""Refresh: the old bundle or the new one, whole, and never an older one. Over the real cache and a cloud in memory."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from agent.bundles.refresh import Refresher
from agent.domain.bundle import BundleError
from agent.domain.parts import read_parts
from agent.domain.status import Status
from agent.ports import LedgerUnavailable
from sync.ports import Answer, Failure, FailureKind
from sync.wire import bundle_path, part_path
from tests.core_kit import Core, core, install, promo_codes, rows
from tests.factory import TILL, Factory, amount_off

OCTETS = {"content-type": "application/octet-stream"}


class FakeCloud:
    """`sync.ports.Uplink` that serves what the factory makes. asked: every path. answers: what to say instead."""

    def __init__(self, factory: Factory) -> None:
        self.factory = factory
        self.asked: list[str] = []
        self.answers: dict[str, Answer | Failure] = {}

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        raise AssertionError("refresh sends nothing")

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        path = path.removesuffix("?newer=1")
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        made = self.factory.parts()
        if path == bundle_path(TILL):
            tag = f'"{self.factory.sequence}"'
            if etag == tag:
                return Answer(304, {}, b"")
            return Answer(200, OCTETS | {"etag": tag}, self.factory.manifest(made))
        if path.startswith("/v1/roots/"):
            return Answer(404, {}, b"")
        by_path = {part_path(hashlib.sha256(content).hexdigest()): content for content in made.values()}
        content = by_path[path]
        assert max_bytes == len(content), "no more is read than the manifest promised"
        return Answer(200, OCTETS, content)

    def path_of(self, part: str) -> str:
        return part_path(hashlib.sha256(self.factory.parts()[part]).hexdigest())


@pytest.fixture
def factory() -> Factory:
    return Factory(campaigns=[amount_off(size=1000)])


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


@pytest.fixture
def cloud(factory: Factory) -> FakeCloud:
    return FakeCloud(factory)


@pytest.fixture
def refresher(till: Core, cloud: FakeCloud) -> Refresher:
    return Refresher(till.cache, cloud, till.state, till.clock)


def publish(factory: Factory) -> None:
    """A second campaign in the next bundle."""
    factory.sequence += 1
    factory.issued += timedelta(minutes=10)
    factory.campaigns = [factory.campaigns[0], amount_off(2, size=1000)]


def force(till: Core) -> tuple[int, list[int]]:
    """Sequence and campaigns of the bundle in force."""
    trust = till.state.trust
    assert trust is not None
    return trust.manifest.sequence, sorted(number for _, number in trust.contents.campaigns)


async def stored(till: Core) -> list[int]:
    return sorted(number for _, number in read_parts(await till.cache.parts()).campaigns)


async def test_the_stored_bundle_is_put_in_force_at_the_start(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    till.state.trust = till.state.mark = None
    await refresher.load()
    assert force(till) == (1, [1])
    assert till.state.mark == factory.issued


async def test_a_newer_bundle_is_fetched_stored_and_put_in_force(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    publish(factory)
    factory.promos = promo_codes(factory, 2, first=500)
    assert await refresher.fetch() is True
    assert force(till) == (2, [1, 2])
    assert await stored(till) == [1, 2]
    assert till.rows("SELECT count(*) FROM promo") == [(2,)]
    assert (await till.redeem(factory.coupon(1, number=2))).outcome == "accepted"


async def test_only_changed_parts_are_fetched(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    publish(factory)
    await refresher.fetch()
    wanted = {
        bundle_path(TILL),
        cloud.path_of("campaigns"),
    }  # the new status list is as empty as the old one's
    wanted |= {cloud.path_of("status/acme/2")}
    assert set(cloud.asked) == wanted
    assert len(cloud.asked) == len(wanted)


async def test_an_unchanged_bundle_costs_one_question(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    assert await refresher.fetch() is False
    assert await refresher.fetch() is False
    assert cloud.asked == [bundle_path(TILL)] * 2
    publish(factory)
    assert await refresher.fetch() is True
    assert await refresher.fetch() is False


async def test_a_rollback_is_refused_and_the_newer_one_kept(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    publish(factory)
    await refresher.fetch()
    factory.sequence, factory.campaigns = 1, [amount_off(3, size=1000)]
    till.clock.advance(timedelta(hours=1))
    refused = await refresher.fetch()
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.OUTDATED
    assert "rollback" in refused.detail
    since = till.clock.monotonic()
    till.clock.advance(timedelta(hours=1))
    await refresher.fetch()
    assert till.state.outdated_since == since, "the first time counts"
    assert force(till) == (2, [1, 2])
    assert await stored(till) == [1, 2]


async def test_a_bundle_of_another_key_or_till_is_refused(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    stranger = Factory(campaigns=[amount_off(9, size=1000)], sequence=5)
    path = bundle_path(TILL)
    for document in (stranger.manifest(stranger.parts()), b"", b"\x00" * 100, b"<html>"):
        cloud.answers[path] = Answer(200, OCTETS, document)
        assert isinstance(await refresher.fetch(), Failure)
    assert force(till) == (1, [1])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Failure(FailureKind.DNS, "no name"), FailureKind.DNS),
        (Answer(401, {}, b""), FailureKind.NOT_ADMITTED),
        (Answer(503, {}, b""), FailureKind.BUSY),
        (Answer(200, {"content-type": "text/html"}, b"sign in"), FailureKind.CAPTIVE_PORTAL),
    ],
)
@pytest.mark.parametrize("at_part", [False, True])
async def test_a_line_that_fails_leaves_the_old_bundle(
    till: Core,
    refresher: Refresher,
    cloud: FakeCloud,
    factory: Factory,
    answer: Answer | Failure,
    kind: FailureKind,
    at_part: bool,
) -> None:
    publish(factory)
    cloud.answers[cloud.path_of("campaigns") if at_part else bundle_path(TILL)] = answer
    outcome = await refresher.fetch()
    assert isinstance(outcome, Failure)
    assert outcome.kind is kind
    assert force(till) == (1, [1])
    assert await stored(till) == [1]
    cloud.answers.clear()
    assert await refresher.fetch() is True, "and the next try succeeds"


async def test_a_part_that_is_missing_or_tampered_with_is_refused(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    publish(factory)
    path = cloud.path_of("campaigns")
    content = factory.parts()["campaigns"]
    for wrong in (b"", content[:-1], content + b"\0", content[:-1] + bytes([content[-1] ^ 1])):
        cloud.answers[path] = Answer(200, OCTETS, wrong)
        outcome = await refresher.fetch()
        assert isinstance(outcome, Failure)
        assert "campaigns is not what the manifest names" in outcome.detail
    cloud.answers[path] = Answer(404, {}, b"")
    outcome = await refresher.fetch()
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.NOT_FOUND
    assert force(till) == (1, [1])


async def test_a_bundle_that_cannot_be_used_is_not_stored(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    """A zone that nobody knows would stop the till at every start."""
    publish(factory)
    factory.zone = "Mars/Olympus"
    outcome = await refresher.fetch()
    assert isinstance(outcome, Failure)
    assert "no time zone" in outcome.detail
    assert await stored(till) == [1]


async def test_a_store_that_cannot_answer_is_a_failure_to_try_again(
    till: Core, refresher: Refresher, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk must not end the process."""
    publish(factory)

    async def full(*_arguments: object) -> None:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(till.cache, "apply", full)
        outcome = await refresher.fetch()
        assert isinstance(outcome, Failure)
        assert outcome.kind is FailureKind.OUTBOX
        assert force(till) == (1, [1])
    assert await refresher.fetch() is True


async def test_a_damaged_cache_is_said_and_replaced(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    await till.database.run(
        lambda db: db.execute("UPDATE part SET content = x'00' WHERE name = 'campaigns'") and None
    )
    till.state.trust = None
    with pytest.raises(BundleError):
        await refresher.load()
    assert await refresher.fetch() is True, "the same bundle, fetched again"
    assert force(till) == (1, [1])
    assert await stored(till) == [1]


async def test_one_changed_bit_of_a_stored_status_list_is_noticed(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    """It could give back what was revoked."""
    (good,) = till.rows("SELECT content FROM part WHERE name = 'status/acme/1'")[0]
    factory.marked = {1: [(5, Status.REVOKED)]}
    other = factory.parts()["status/acme/1"]
    assert other != good
    await till.database.run(
        lambda db: db.execute("UPDATE part SET content = ? WHERE name = 'status/acme/1'", (other,)) and None
    )
    with pytest.raises(BundleError, match="status/acme/1 is not what the manifest names"):
        await refresher.load()


async def test_a_till_that_is_not_enrolled_has_nothing_to_load(tmp_path: Path, factory: Factory) -> None:
    (tmp_path / "till").mkdir()
    with core(tmp_path / "till" / "till.db", factory) as till:
        refresher = Refresher(till.cache, FakeCloud(factory), till.state, till.clock)
        await refresher.load()
        assert till.state.trust is None
        outcome = await refresher.fetch()
        assert isinstance(outcome, Failure)
        assert "not_enrolled" in outcome.detail


def test_killed_while_it_is_stored_it_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """kill -9 of a process that stores one bundle after the other; every look finds one of them, whole."""
    factory = Factory(campaigns=[amount_off(size=1000)])
    path = install(tmp_path / "till", factory)
    script = f"""
import sqlite3, sys
from pathlib import Path
from agent.store.bundle_cache import store_bundle
from agent.store.database import connect
connection = connect(Path({str(path)!r}))
from datetime import UTC, datetime
from agent.domain.time import Anchor, BootTime
mark = Anchor(datetime(2026, 1, 1, tzinfo=UTC), BootTime("", 0.0))
print("open", flush=True)
number = 0
while True:
    number += 1
    name = str(number).encode()
    connection.execute("BEGIN IMMEDIATE")
    made = {{"a": name * 3000, "b" + str(number % 3): name}}
    store_bundle(connection, name, made, [], mark)
    connection.execute("COMMIT")
    print(number, flush=True)
"""
    for life in range(5):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3 + life)]
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        said = int(([*lines, *rest.split("\n")[:-1]])[-1])
        ((manifest,),) = rows(path, "SELECT manifest FROM bundle")
        parts = dict(rows(path, "SELECT name, content FROM part"))
        number = int(manifest)
        assert number >= said, "an acknowledged bundle is there"
        assert parts == {"a": manifest * 3000, f"b{number % 3}": manifest}


async def test_a_clock_that_was_ahead_does_not_close_the_till_for_weeks(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    """Forty days ahead for one scan; then the clock is set right and a newer bundle comes."""
    right = till.clock.wall
    till.clock.wall = right + timedelta(days=40)
    await till.redeem("anything")
    assert till.state.mark is not None
    assert till.state.mark > right + timedelta(days=39), "without a line the clock is all there is"
    till.clock.wall = right
    assert till.state.time(right).doubt == "behind"
    publish(factory)
    factory.issued = right.replace(microsecond=0)
    assert await refresher.fetch() is True
    assert till.state.time(right).doubt == ""
    assert till.state.time(right).now == right
    assert (await till.redeem(factory.coupon(1))).outcome.value == "accepted"
    assert await till.cache.mark() == factory.issued


async def test_a_newer_bundle_never_brings_the_mark_before_its_own_time(
    till: Core, refresher: Refresher, factory: Factory
) -> None:
    publish(factory)
    assert await refresher.fetch() is True
    assert till.state.mark is not None
    assert till.state.mark >= factory.issued


async def test_a_clock_ahead_is_noticed_at_the_next_contact(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    """The bundle was signed minutes ago and the cloud's own time says so too: the clock is not believed."""
    till.clock.wall = factory.issued + timedelta(days=40)
    date = format_datetime(factory.issued, usegmt=True)
    cloud.answers[bundle_path(TILL)] = Answer(304, {"date": date}, b"")
    assert await refresher.fetch() is False
    assert till.state.time(till.clock.wall).doubt == "ahead"
    assert till.state.time(till.clock.wall).now < factory.issued + timedelta(hours=1)
    before = till.state.mark
    await till.redeem("anything")
    assert till.state.mark == before, "a clock that is not believed moves nothing"
    till.clock.wall = factory.issued + timedelta(hours=1)
    assert await refresher.fetch() is False
    assert till.state.time(till.clock.wall).doubt == ""


async def test_an_old_bundle_alone_does_not_make_a_right_clock_ahead(
    till: Core, refresher: Refresher, cloud: FakeCloud, factory: Factory
) -> None:
    """A cloud that has signed nothing for a week, or a date nobody can read, proves nothing against the clock."""
    till.clock.wall = factory.issued + timedelta(days=7)
    for date in (format_datetime(till.clock.wall, usegmt=True), "yesterday", ""):
        cloud.answers[bundle_path(TILL)] = Answer(304, {"date": date}, b"")
        assert await refresher.fetch() is False
        assert till.state.time(till.clock.wall).doubt == ""
