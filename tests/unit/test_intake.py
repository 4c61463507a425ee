"""Intake: order, debounce across sources, bound, cancellation; and the same against a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.domain.decide import Decision
from agent.domain.outcome import Outcome
from agent.domain.verdict import Verdict, make_verdict
from agent.intake import REMEMBERED_MAX, Arrival, Intake, Overflow
from tests.core_kit import HandClock

WINDOW_S = 1.5


def verdict_of(arrival: Arrival) -> Verdict:
    return make_verdict(
        Decision(Outcome.NOT_A_COUPON),
        scan_id=arrival.text,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        source=arrival.source,
        zone=UTC,
        currency="",
    )


class Desk:
    """An intake whose judge waits while `closed`."""

    def __init__(self, queue_max: int = 64, debounce_s: float = WINDOW_S) -> None:
        self.judged: list[Arrival] = []
        self.told: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.clock = HandClock()
        self.fails: Callable[[Arrival], None] = lambda _arrival: None
        self.intake = Intake(
            self.judge,
            lambda verdict: self.told.append(verdict.scan_id),
            self.clock,
            debounce_s=debounce_s,
            queue_max=queue_max,
        )

    async def judge(self, arrival: Arrival) -> Verdict:
        self.judged.append(arrival)
        await self.open.wait()
        self.fails(arrival)
        return verdict_of(arrival)

    def submit(self, text: str, at: float = 0.0, source: str = "front") -> asyncio.Future[Verdict]:
        return self.intake.submit(Arrival(text, source, at))


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(desk.intake.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def settle(*futures: asyncio.Future[Verdict]) -> list[Verdict]:
    async with asyncio.timeout(10):
        return await asyncio.gather(*futures)


async def test_order_is_kept_across_sources() -> None:
    desk = Desk()
    async with running(desk):
        verdicts = await settle(
            *(desk.submit(str(n), n, ("front", "camera", "screen")[n % 3]) for n in range(30))
        )
    assert [verdict.scan_id for verdict in verdicts] == [str(n) for n in range(30)]
    assert [arrival.text for arrival in desk.judged] == [str(n) for n in range(30)]
    assert desk.told == [str(n) for n in range(30)]


async def test_the_same_text_from_two_sources_is_one_scan() -> None:
    desk = Desk()
    async with running(desk):
        first, second = desk.submit("a", 10.0, "scanner"), desk.submit("a", 10.3, "camera")
        assert first is second
        await settle(first)
        late = desk.submit("a", 11.0, "screen")
        assert late.result() is first.result(), "an answer given already is given again"
    assert desk.told == ["a"]


@pytest.mark.parametrize(
    "spellings",
    [
        ("RC1ABC", "]Q1RC1ABC", "\x1dRC1ABC", " RC1ABC\r\n"),
        ("4006381333931", "]E04006381333931", "4006381333931\n"),
        ("]C12554006381333931", "(255)4006381333931", "\x1d2554006381333931", "]d2\x1d2554006381333931"),
    ],
)
async def test_one_code_is_one_scan_however_each_device_spells_it(spellings: tuple[str, ...]) -> None:
    desk = Desk()
    async with running(desk):
        sources = ("wedge", "camera", "network", "page")
        verdicts = [desk.submit(text, 10.0, source) for text, source in zip(spellings, sources, strict=False)]
        await settle(*verdicts)
    assert [(one.text, one.source) for one in desk.judged] == [(spellings[0], "wedge")], "as it came first"


async def test_a_flood_is_bounded_and_never_keeps_a_reader_waiting() -> None:
    """A hundred scans a second for ten seconds, while the judge has stopped: submit answers each at once."""
    desk = Desk(queue_max=64)
    desk.open.clear()
    async with running(desk):
        taken = [desk.submit("0")]
        await asyncio.sleep(0)  # the worker has it, and waits
        refused = 0
        for number in range(1, 1000):
            try:
                taken.append(desk.submit(str(number), number / 100, ("front", "camera")[number % 2]))
            except Overflow:
                refused += 1
        assert (len(taken), refused, desk.intake.dropped) == (65, 935, 935)
        assert len(desk.intake._seen) <= REMEMBERED_MAX
        assert not any(future.done() for future in taken)
        desk.open.set()
        await settle(*taken)
        await settle(desk.submit("after", 20.0))
    assert desk.told == [*(str(number) for number in range(65)), "after"]


async def test_a_code_held_before_the_scanner_stays_one_scan() -> None:
    desk = Desk()
    async with running(desk):
        futures = {desk.submit("a", 10 + step * (WINDOW_S - 0.1)) for step in range(20)}
        assert len(futures) == 1
        again = desk.submit("a", 10 + 19 * (WINDOW_S - 0.1) + WINDOW_S)
        await settle(*futures, again)
    assert desk.told == ["a", "a"]


async def test_a_late_report_of_an_early_scan_does_not_shorten_the_window() -> None:
    desk = Desk()
    async with running(desk):
        desk.submit("a", 10.0)
        desk.submit("a", 11.4)
        desk.submit("a", 10.5, "camera")  # a frame is read later than a line
        assert desk.submit("a", 12.5) is desk.submit("a", 12.6)
        await settle(desk.submit("a", 12.7))
    assert desk.told == ["a"]


async def test_debounce_can_be_turned_off() -> None:
    desk = Desk(debounce_s=0.0)
    async with running(desk):
        await settle(desk.submit("a", 1.0), desk.submit("a", 1.0))
    assert desk.told == ["a", "a"]


async def test_more_than_the_queue_holds_is_refused_aloud_and_can_be_scanned_again() -> None:
    desk = Desk(queue_max=3)
    desk.open.clear()
    async with running(desk):
        futures = [desk.submit("0")]
        await asyncio.sleep(0)  # the worker takes it
        futures += [desk.submit(str(n)) for n in (1, 2, 3)]
        for _ in range(2):
            with pytest.raises(Overflow, match="3 scans are waiting"):
                desk.submit("4", 0.1)
        assert desk.submit("2", 0.2) is futures[2], "a repeat needs no place"
        assert desk.intake.dropped == 2
        desk.open.set()
        await settle(*futures)
        await settle(desk.submit("4", 0.3))
    assert desk.told == ["0", "1", "2", "3", "4"]


async def test_what_is_remembered_is_bounded() -> None:
    desk = Desk(queue_max=1000)
    async with running(desk):
        held = desk.submit("held", 0.0)
        for number in range(REMEMBERED_MAX + 50):
            desk.submit(str(number), 0.1)
            assert desk.submit("held", 0.1) is held, "what is still being shown is not forgotten"
        assert len(desk.intake._seen) == REMEMBERED_MAX
        await settle(held)


async def test_the_end_of_the_till_leaves_nobody_waiting() -> None:
    desk = Desk()
    desk.open.clear()
    async with running(desk):
        futures = [desk.submit(str(n)) for n in range(3)]
        await asyncio.sleep(0)
    assert all(future.cancelled() for future in futures)


async def test_a_bug_ends_the_worker_and_leaves_nobody_waiting() -> None:
    desk = Desk()

    def bug(arrival: Arrival) -> None:
        assert arrival.text != "1", "bug"

    desk.fails = bug
    task = asyncio.create_task(desk.intake.run())
    futures = [desk.submit(str(n)) for n in range(3)]
    with pytest.raises(AssertionError, match="bug"):
        await asyncio.wait_for(task, 10)
    assert futures[0].result().scan_id == "0"
    assert futures[1].cancelled()
    assert futures[2].cancelled()


async def test_the_time_a_scan_took_is_from_its_arrival() -> None:
    desk = Desk()
    async with running(desk):
        (verdict,) = await settle(desk.submit("a", desk.clock.seconds - 0.25))
    assert verdict.ms == 250.0


Step = tuple[str, int, str]  # text, hundredths of a second since the step before, source


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 200), st.sampled_from(["scanner", "camera"])),
        max_size=40,
    ),
    queue_max=st.integers(1, 8),
    pauses=st.sets(st.integers(0, 40)),
)
def test_against_a_model(steps: list[Step], queue_max: int, pauses: set[int]) -> None:
    """Whatever arrives: judged once per window, in order, or refused and counted."""

    async def play() -> None:
        desk = Desk(queue_max=queue_max)
        expected: list[str] = []
        last: dict[str, float] = {}
        waiting, dropped, now = 0, 0, 0.0
        async with running(desk) as worker:
            await asyncio.sleep(0)
            for number, (text, gap, source) in enumerate(steps):
                now += gap / 100
                if text in last and now - last[text] < WINDOW_S:
                    last[text] = now
                    desk.submit(text, now, source)
                elif waiting == queue_max:
                    dropped += 1
                    with pytest.raises(Overflow):
                        desk.submit(text, now, source)
                else:
                    last[text] = now
                    waiting += 1
                    expected.append(text)
                    desk.submit(text, now, source)
                if number in pauses:
                    while desk.told != expected:
                        assert not worker.done()
                        await asyncio.sleep(0)
                    waiting = 0
            while desk.told != expected:
                assert not worker.done()
                await asyncio.sleep(0)
        assert [arrival.text for arrival in desk.judged] == expected
        assert desk.intake.dropped == dropped

    asyncio.run(asyncio.wait_for(play(), 20))
