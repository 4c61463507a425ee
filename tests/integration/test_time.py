"""Time at a till: set back while it runs, across a restart and a power cut, and repaired by the root keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from agent import clock
from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.domain.bundle import BundleError, Part
from agent.domain.statement import TIME_PART, TimeStatement, sign_time
from sync.ports import Answer
from sync.wire import bundle_path
from tests.core_kit import Core, HandClock, core, install
from tests.factory import TILL, Factory, amount_off, today
from tests.integration.test_refresh import FakeCloud

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def factory() -> Factory:
    return Factory(campaigns=[amount_off(size=1000)])


@pytest.fixture
def path(tmp_path: Path, factory: Factory) -> Path:
    return install(tmp_path / "till", factory)


@pytest.fixture
def till(path: Path, factory: Factory) -> Iterator[Core]:
    with core(path, factory, hand_clock()) as opened:
        yield opened


def hand_clock() -> HandClock:
    """On a whole second, as statements are, and as milliseconds are kept."""
    return HandClock(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1))


def refresher(till: Core, cloud: FakeCloud | None = None) -> Refresher:
    return Refresher(till.cache, cloud, till.state, till.clock)


def statement(factory: Factory, number: int, at: datetime, till: str = TILL) -> bytes:
    return sign_time(TimeStatement(till, number, at, at), [factory.root_key])


def test_this_machine_counts_from_its_start() -> None:
    this = SystemClock()
    first, second = this.boot_time(), this.boot_time()
    assert first.boot == second.boot == SystemClock().boot_time().boot
    assert 0 < first.elapsed_s <= second.elapsed_s


@pytest.mark.parametrize(
    ("kernel", "unit", "same"),
    [
        ("6ba3c1e0-1111-4222-8333-0123456789ab\n", None, True),
        (
            None,
            "6ba3c1e01111422283330123456789ab",
            True,
        ),  # as the unit gives it, for /proc/sys is hidden there
        (None, None, False),
        (None, "%b", False),
        ("", None, False),
    ],
)
def test_two_processes_of_one_boot_know_it_or_do_not_mix_their_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str | None, unit: str | None, same: bool
) -> None:
    said = tmp_path / "boot_id"
    if kernel is not None:
        said.write_text(kernel)
    monkeypatch.setattr(clock, "_KERNELS", said)
    monkeypatch.delenv("REDEEMD_BOOT_ID", raising=False)
    if unit is not None:
        monkeypatch.setenv("REDEEMD_BOOT_ID", unit)
    one, other = SystemClock(), SystemClock()
    assert one.boot_time().boot == one.boot_time().boot != ""
    assert (one.boot_time().boot == other.boot_time().boot) is same
    if same:
        assert one.boot_time().boot == "6ba3c1e01111422283330123456789ab"


async def test_a_clock_set_back_while_the_till_runs_is_seen_and_moves_nothing_back(
    till: Core, factory: Factory
) -> None:
    await refresher(till).load()
    till.clock.advance(3 * HOUR)
    right = till.clock.wall
    till.clock.wall -= 2 * DAY  # no scan came since the start: only the count of this boot knows
    now = till.state.now(till.clock)
    assert now.doubt == "behind"
    assert abs(now.now - right) < timedelta(seconds=1)
    ended = factory.coupon(1, not_before=today() - 9, expires=today() - 1)
    assert (await till.redeem(ended)).outcome == "expired"
    assert till.state.mark is not None
    assert abs(till.state.mark - right) < timedelta(seconds=1), "what has elapsed is kept across a power cut"


async def test_a_restart_within_one_boot_goes_on_counting(path: Path, factory: Factory) -> None:
    clock = hand_clock()
    clock.advance(HOUR)
    with core(path, factory, clock) as till:
        assert (await till.redeem(factory.coupon(1))).outcome == "accepted"
        right = clock.wall
    clock.seconds += 5 * 3600
    clock.wall = right - DAY
    with core(path, factory, clock) as till:
        await refresher(till).load()
        now = till.state.now(clock)
        assert now.doubt == "behind"
        assert abs(now.now - (right + 5 * HOUR)) < timedelta(seconds=1)


async def test_across_a_power_cut_the_mark_is_the_floor(path: Path, factory: Factory) -> None:
    clock = hand_clock()
    clock.advance(HOUR)
    with core(path, factory, clock) as till:
        assert (await till.redeem(factory.coupon(1))).outcome == "accepted"
        mark = till.state.mark
    clock.boot, clock.seconds = "second", 5 * 3600.0  # how long it was off is not known
    clock.wall -= DAY
    with core(path, factory, clock) as till:
        await refresher(till).load()
        now = till.state.now(clock)
        assert now.doubt == "behind"
        assert now.now == mark == till.state.mark


async def test_a_clock_ahead_at_the_start_is_forgotten_with_the_newer_bundle(
    till: Core, factory: Factory
) -> None:
    """What the count of this boot goes on from is corrected as the mark is."""
    right = till.clock.wall
    till.clock.wall += 40 * DAY
    cloud = FakeCloud(factory)
    refresh = refresher(till, cloud)
    await refresh.load()
    till.clock.wall = right
    assert till.state.now(till.clock).doubt == "behind"
    factory.sequence += 1
    assert await refresh.fetch() is True
    assert till.state.now(till.clock).doubt == ""


async def test_an_answer_without_a_newer_bundle_moves_no_mark(till: Core, factory: Factory) -> None:
    """Its Date is signed by nobody: whoever sits in the line could turn a till's time back with it."""
    cloud = FakeCloud(factory)
    refresh = refresher(till, cloud)
    await refresh.load()
    await poison(till)
    mark = till.state.mark
    date = format_datetime(till.clock.wall, usegmt=True)
    cloud.answers[bundle_path(TILL)] = Answer(304, {"date": date}, b"")
    assert await refresh.fetch() is False
    assert (till.state.mark, await till.cache.mark()) == (mark, mark)
    cloud.answers.clear()
    factory.sequence += 1
    assert await refresh.fetch() is True
    assert till.state.trust is not None
    assert till.state.mark == till.state.trust.manifest.issued


# --- the repair statement ---


async def poison(till: Core) -> None:
    """A clock ten days ahead raises the mark, for which any scan will do; then it is set right."""
    till.clock.wall += 10 * DAY
    assert (await till.redeem("any code")).redemption_id is None
    till.clock.wall -= 10 * DAY
    assert till.state.now(till.clock).doubt == "behind"


async def test_a_statement_of_the_root_keys_repairs_a_poisoned_mark(path: Path, factory: Factory) -> None:
    clock = hand_clock()
    with core(path, factory, clock) as till:
        await poison(till)
        good = factory.coupon(1, expires=today() + 2)
        assert (await till.redeem(good)).outcome == "expired"
        await refresher(till).repair_time(statement(factory, 1, clock.wall))
        assert till.state.now(clock).doubt == ""
        assert (await till.redeem(good)).outcome == "accepted"
    with core(path, factory, clock) as till:  # it is durable
        await refresher(till).load()
        assert till.state.now(clock).doubt == ""


async def test_a_statement_counts_once(path: Path, factory: Factory) -> None:
    clock = hand_clock()
    data = statement(factory, 7, clock.wall)
    with core(path, factory, clock) as till:
        await refresher(till).repair_time(data)
    with core(path, factory, clock) as till:
        await poison(till)
        mark = till.state.mark
        for again in (data, statement(factory, 6, clock.wall)):
            with pytest.raises(BundleError, match="used"):
                await refresher(till).repair_time(again)
        assert till.state.mark == mark == await till.cache.mark()


@pytest.mark.parametrize("wrong", ["till", "key", "bytes"])
async def test_a_statement_that_is_not_the_roots_moves_nothing(
    till: Core, factory: Factory, wrong: str
) -> None:
    await poison(till)
    mark = till.state.mark
    data = {
        "till": statement(factory, 1, till.clock.wall, "T-0002"),
        "key": statement(replace(factory, root_key=factory.manifest_key), 1, till.clock.wall),
        "bytes": b"\xa0",
    }[wrong]
    with pytest.raises(BundleError):
        await refresher(till).repair_time(data)
    assert till.state.mark == mark == await till.cache.mark()
    assert await till.cache.last_time_statement() == 0


async def test_no_statement_goes_below_the_signed_time_of_the_bundle(till: Core, factory: Factory) -> None:
    await poison(till)
    await refresher(till).repair_time(statement(factory, 1, factory.issued - 30 * DAY))
    assert till.state.mark == factory.issued


async def test_number_and_mark_are_stored_together(till: Core, factory: Factory) -> None:
    """Two of one number at the same moment: one of them counts."""
    await poison(till)
    mark = till.state.mark
    await till.database.run(  # the second write fails: neither is there
        lambda db: db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON setting WHEN new.name = 'time_anchor'"
            " BEGIN SELECT raise(ABORT, 'disk full'); END"
        )
    )
    data = statement(factory, 3, till.clock.wall)
    with pytest.raises(Exception, match="disk full"):
        await refresher(till).repair_time(data)
    assert await till.cache.last_time_statement() == 0
    assert till.state.mark == mark == await till.cache.mark()
    await till.database.run(lambda db: db.execute("DROP TRIGGER full"))
    await refresher(till).repair_time(data)
    assert await till.cache.last_time_statement() == 3


async def test_a_bundle_brings_the_statement(
    till: Core, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carried on a stick: such a bundle itself lowers nothing."""
    await poison(till)
    data = statement(factory, 2, till.clock.wall)
    usual = factory.parts
    monkeypatch.setattr(factory, "parts", lambda: usual() | {TIME_PART: data})
    factory.sequence += 1
    made = factory.parts()
    stick = Stick(made)
    assert await refresher(till).take(factory.manifest(made), stick) is True
    assert till.state.now(till.clock).doubt == ""
    assert await till.cache.last_time_statement() == 2
    await poison(till)  # the same statement in the next bundle is no news, and no error
    factory.sequence += 1
    assert await refresher(till).take(factory.manifest(made), stick) is True
    assert till.state.now(till.clock).doubt == "behind"


class Stick:
    """A `Source` that was carried here."""

    def __init__(self, parts: dict[str, bytes]) -> None:
        self.parts = {len(content): content for content in parts.values()}

    async def root(self, epoch: int) -> bytes | None:
        return None

    async def part(self, part: Part) -> bytes:
        return self.parts[part.length]
