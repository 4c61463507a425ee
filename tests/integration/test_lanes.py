"""Lanes and pollers over the real line: each drains, backs off and recovers by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from aiohttp import web

from sync.backoff import Backoff
from sync.errors import OutboxUnavailable
from sync.lanes import LaneRunner, Poller
from sync.ports import Failure, FailureKind
from sync.uplink import HttpUplink
from sync.wire import Record, RecordResult
from tests.integration.uplink_kit import IDENTITY, QUICK, accept, http_server, unused_port


class MemoryOutbox:
    """The port in memory, with a store that fails when told to."""

    def __init__(self, *numbers: int) -> None:
        self.waiting_records = {n: Record("redemptions", n, f"r-{n}", f'{{"id":"r-{n}"}}') for n in numbers}
        self.settled: list[RecordResult] = []
        self.failures_left = 0
        self.empty = asyncio.Event()
        self.reads = 0

    def add(self, number: int) -> None:
        self.empty.clear()
        self.waiting_records[number] = Record("redemptions", number, f"r-{number}", f'{{"id":"r-{number}"}}')

    async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
        self.reads += 1
        if self.failures_left:
            self.failures_left -= 1
            raise OutboxUnavailable("disk full")
        if not self.waiting_records:
            self.empty.set()
        return [record for record in self.waiting_records.values() if record.lane == lane][:max_records]

    async def settle(self, lane: str, results: Sequence[RecordResult]) -> None:
        self.settled += results
        for result in results:
            del self.waiting_records[int(result.record_id.removeprefix("r-"))]

    async def send_again(self, lane: str, spans: Sequence[tuple[int, int]], max_records: int) -> int:
        raise AssertionError("nothing was ever missing")


@contextlib.asynccontextmanager
async def running(*runners: LaneRunner | Poller) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
        for task in tasks:
            assert not task.done(), "a lane runs until it is cancelled"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds; the test's own timeout bounds it."""
    while not holds():  # noqa: ASYNC110 - a status page polls as well, there is nothing to wait for
        await asyncio.sleep(0.01)


async def test_a_lane_drains_at_start_and_at_each_wake() -> None:
    outbox = MemoryOutbox(*range(1, 101))
    async with http_server(accept) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, interval_s=3600)
        async with running(lane), asyncio.timeout(20):
            await outbox.empty.wait()
            outbox.add(101)
            lane.wake()
            await outbox.empty.wait()
            state = lane.state()
    assert [result.record_id for result in outbox.settled] == [f"r-{n}" for n in range(1, 102)]
    assert (state.consecutive_failures, state.failure, state.set_aside) == (0, None, 0)
    assert state.last_success_at is not None


async def test_a_lane_survives_a_cloud_that_is_away_and_a_store_that_fails() -> None:
    outbox = MemoryOutbox(1, 2, 3)
    outbox.failures_left = 2
    port = unused_port()
    base = f"http://127.0.0.1:{port}"
    async with HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, backoff=Backoff(0.02, 0.05))
        async with running(lane), asyncio.timeout(20):
            await until(
                lambda: (lane.state().failure or Failure(FailureKind.OUTBOX, "")).kind is FailureKind.REFUSED
            )
            assert lane.state().consecutive_failures > 2
            async with http_server(accept, port=port):
                await outbox.empty.wait()
    assert len(outbox.settled) == 3
    assert lane.state().consecutive_failures == 0


async def test_retry_now_ends_a_long_back_off() -> None:
    outbox = MemoryOutbox(1)
    port = unused_port()
    async with HttpUplink(f"http://127.0.0.1:{port}", IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, backoff=Backoff(3600, 3600), random=lambda: 0.9)
        async with running(lane), asyncio.timeout(20):
            await until(lambda: lane.state().state == "waiting")
            reads = outbox.reads
            lane.wake()  # does not end it
            await asyncio.sleep(0)
            assert (lane.state().state, outbox.reads) == ("waiting", reads)
            async with http_server(accept, port=port):
                lane.retry_now()
                await outbox.empty.wait()
    assert len(outbox.settled) == 1


async def test_one_lane_that_is_refused_does_not_hold_another() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("evidence"):
            return web.Response(status=401)
        return await accept(request)

    class Both(MemoryOutbox):
        async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
            if lane == "evidence":
                return [Record("evidence", 1, "e-1", '{"id":"e-1"}')]
            return await super().waiting(lane, max_records, max_bytes)

    outbox = Both(1, 2)
    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        good = LaneRunner("redemptions", outbox, uplink)
        bad = LaneRunner("evidence", outbox, uplink, backoff=Backoff(3600, 3600))
        async with running(good, bad), asyncio.timeout(20):
            await until(lambda: bad.state().failure is not None)
            await outbox.empty.wait()
        failure = bad.state().failure
    assert failure is not None
    assert failure.kind is FailureKind.NOT_ADMITTED
    assert [result.record_id for result in outbox.settled] == ["r-1", "r-2"]


async def test_a_poller_backs_off_recovers_and_answers_a_request_at_once() -> None:
    outcomes: list[bool | Failure] = [
        Failure(FailureKind.DNS, "x"),
        Failure(FailureKind.BUSY, "y"),
        True,
        False,
    ]
    seen: list[int] = []
    called = asyncio.Event()

    async def fetch() -> bool | Failure:
        called.set()
        seen.append(poller.state().consecutive_failures)
        return outcomes.pop(0)

    poller = Poller("bundle", fetch, interval_s=3600, backoff=Backoff(0.01, 0.02))
    async with running(poller), asyncio.timeout(20):
        await until(lambda: poller.state().last_success_at is not None)
        state = poller.state()
        called.clear()
        poller.poll_now()
        await called.wait()
    assert seen == [0, 1, 2, 0]
    assert (state.state, state.consecutive_failures) == ("idle", 0)
    assert state.failure == Failure(FailureKind.BUSY, "y")
    assert state.next_try_at is not None
    assert state.last_success_at is not None
    assert 3200 < state.next_try_at - state.last_success_at < 4000
