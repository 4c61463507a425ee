"""Several receivers on one PostgreSQL: as good as one, and whatever is killed, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent.domain.status import Status
from sync import wire
from sync.ports import Answer
from sync.wire import RecordResult, ResultStatus
from tests.integration.cloud_server_kit import Client, Running
from tests.integration.test_cloud_kill import new_cloud, start
from tests.postgres_server import PostgresServer, postgres_server
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, batch

Sent = dict[str, list[dict[str, Any]]]
RECEIVERS = 2
INDEXES = 1000
TRIES = 400
"""Of a batch while something is being killed: each waits a little, as a till does."""


@dataclass
class Receivers:
    """Processes on one data directory. running: speaks with the first."""

    folder: Path
    token: str
    processes: list[asyncio.subprocess.Process]
    urls: list[str]
    running: Running

    async def kill(self, number: int) -> None:
        self.processes[number].kill()
        await self.processes[number].wait()

    async def start_again(self, number: int) -> None:
        self.processes[number], self.urls[number] = await start(self.folder)
        self.running.url = self.urls[0]


@contextlib.asynccontextmanager
async def serving(folder: Path, url: str) -> AsyncIterator[Receivers]:
    token = new_cloud(folder, "--database", url)
    started = [await start(folder) for _ in range(RECEIVERS)]
    async with aiohttp.ClientSession() as session:
        urls = [address for _, address in started]
        made = Receivers(
            folder, token, [process for process, _ in started], urls, Running(urls[0], token, session)
        )
        today = int(time.time()) // 86_400  # the processes have the machine's clock
        await made.running.set_up(starts=today - 2, ends=today + 30)
        try:
            yield made
        finally:
            for process in made.processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@pytest.fixture
async def receivers(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Receivers]:
    async with serving(tmp_path / "cloud", postgres.fresh_database()) as made:
        yield made


async def post(client: Client, url: str, events: list[dict[str, Any]]) -> list[RecordResult] | None:
    """One request to that receiver; None if it was not answered, or not with results."""
    body = batch(events)
    async with Client(url, client.till, client.root).uplink() as uplink:
        answer = await uplink.post_batch("redemption", body, wire.idempotency_key(body))
    if not isinstance(answer, Answer) or answer.status != 200:
        assert not isinstance(answer, Answer) or answer.status == 503, answer
        return None
    results, faults = wire.decode_results(answer.body, [event["id"] for event in events])
    assert faults == []
    return results


class Pour(asyncio.Condition):
    """Tills that redeem and deliver until they are told to stop. sent: their records. count: how many were taken."""

    def __init__(self, receivers: Receivers, clients: list[Client]) -> None:
        super().__init__()
        self.sent: Sent = {client.till.name: [] for client in clients}
        self._count, self._stop = 0, False
        self._tasks = [
            asyncio.ensure_future(self._pour(one, receivers.urls, first)) for first, one in enumerate(clients)
        ]

    async def more(self, wanted: int) -> None:
        """Wait until so many more were taken."""
        async with self:
            goal = self._count + wanted
            await asyncio.wait_for(self.wait_for(lambda: self._count >= goal), 60)

    async def stop(self) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _pour(self, client: Client, addresses: list[str], first: int) -> None:
        mine = self.sent[client.till.name]
        while not self._stop and len(mine) < INDEXES:
            events = [client.till.redeem(index) for index in range(len(mine), len(mine) + 5)]
            mine += events
            await deliver(client, addresses, events, first)
            first += 1
            async with self:
                self._count += len(events)
                self.notify_all()


async def deliver(client: Client, addresses: list[str], events: list[dict[str, Any]], first: int = 0) -> None:
    """To one receiver after the other, until it is acknowledged."""
    for turn in range(first, first + TRIES):
        results = await post(client, addresses[turn % len(addresses)], events)
        if results is not None:
            assert all(result.acknowledged for result in results)
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no receiver took the batch")


async def check_ledger(running: Running, sent: Sent) -> None:
    """Every record once, in its order, and every coupon won once: the tills used the same ones."""
    for name, events in sent.items():
        mine = await running.lines(f"&till={name}")
        assert [line["hash"] for line in mine] == [event["hash"] for event in events], name
    _, found = await running.admin("GET", "conflicts?limit=1000")
    coupons = [event["data"]["coupon"]["index"] for events in sent.values() for event in events]
    assert len(found["conflicts"]) == len(coupons) - len(set(coupons))


async def two_tills(running: Running) -> list[Client]:
    return [await running.enrol(f"T-{number}", number) for number in (1, 2)]


async def test_tills_hop_between_receivers(receivers: Receivers) -> None:
    clients = await two_tills(receivers.running)
    pour = Pour(receivers, clients)
    await pour.more(100)
    await pour.stop()
    await check_ledger(receivers.running, pour.sent)
    client = clients[0]
    for turn in range(4):  # each manifest is read as the next of the one before
        client.url = receivers.urls[turn % RECEIVERS]
        await deliver(client, [receivers.urls[turn % RECEIVERS]], [client.till.redeem(INDEXES - 1 - turn)])
        client.url = receivers.urls[(turn + 1) % RECEIVERS]
        contents = await client.refresh()
        used = contents.status[ISSUER, CAMPAIGN]
        assert used[INDEXES - 1 - turn] is Status.USED, "what one receiver took the other tells"


async def test_what_one_receiver_is_told_counts_at_the_other_at_once(receivers: Receivers) -> None:
    client = await receivers.running.enrol("T-1")
    client.url = receivers.urls[1]
    assert (await client.fetch()).status == 200
    assert (await receivers.running.admin("POST", "tills/T-1/revoke"))[0] == 200
    assert (await client.fetch()).status == 403


async def test_one_batch_at_two_receivers_at_once_is_stored_once(receivers: Receivers) -> None:
    client = await receivers.running.enrol("T-1")
    for turn in range(25):
        events = [client.till.redeem(turn * 4 + each) for each in range(4)]
        both = await asyncio.gather(*(post(client, url, events) for url in receivers.urls))
        said = sorted(tuple(result.status for result in results or ()) for results in both)
        assert said == [(ResultStatus.DUPLICATE,) * 4, (ResultStatus.STORED,) * 4], turn


async def test_one_coupon_at_two_receivers_at_once_is_won_once(receivers: Receivers) -> None:
    clients = await two_tills(receivers.running)
    for turn in range(25):
        indexes = range(turn * 4, turn * 4 + 4)
        chosen = (list(indexes), list(reversed(indexes)))
        batches = [
            [one.till.redeem(index) for index in some] for one, some in zip(clients, chosen, strict=True)
        ]
        both = await asyncio.gather(
            *(
                post(one, url, events)
                for one, url, events in zip(clients, receivers.urls, batches, strict=True)
            )
        )
        said = sorted(tuple(result.status for result in results or ()) for results in both)
        assert said == [(ResultStatus.CONFLICT,) * 4, (ResultStatus.STORED,) * 4], turn


async def test_a_receiver_is_killed_in_the_middle_of_batches(receivers: Receivers) -> None:
    pour = Pour(receivers, await two_tills(receivers.running))
    for number in (1, 0, 1):
        await pour.more(20)
        await receivers.kill(number)
        await pour.more(20)  # the other one goes on
        await receivers.start_again(number)
    await pour.stop()
    await check_ledger(receivers.running, pour.sent)


@pytest.fixture
def mortal() -> Iterator[PostgresServer]:
    """A server that the test may kill."""
    with postgres_server() as server:
        yield server


async def test_postgres_is_killed_in_the_middle_of_batches(tmp_path: Path, mortal: PostgresServer) -> None:
    async with serving(tmp_path / "cloud", mortal.fresh_database()) as receivers:
        pour = Pour(receivers, await two_tills(receivers.running))
        for _ in range(2):
            await pour.more(30)
            await asyncio.to_thread(mortal.kill)
            await asyncio.to_thread(mortal.start)
        await pour.more(30)
        await pour.stop()
        await check_ledger(receivers.running, pour.sent)


async def answers(running: Running) -> None:
    """Until the receiver has its database again: it goes on by itself."""
    for _ in range(TRIES):
        async with running.session.get(f"{running.url}/v1/health") as response:
            if response.status == 200:
                return
            assert response.status == 503, response.status
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come back")


async def test_connections_are_cut_in_the_middle_of_batches(
    receivers: Receivers, postgres: PostgresServer
) -> None:
    import asyncpg

    pour = Pour(receivers, await two_tills(receivers.running))
    connection = await asyncpg.connect(postgres.url("postgres"))
    cut = 0
    while cut < 10:
        cut += await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'redeemd cloud' AND state <> 'idle'"
        )
        await asyncio.sleep(0)
    await connection.close()
    await pour.more(10)
    await pour.stop()
    await check_ledger(receivers.running, pour.sent)


async def test_a_database_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, mortal: PostgresServer
) -> None:
    folder = tmp_path / "cloud"
    token = new_cloud(folder, "--database", mortal.fresh_database())
    await asyncio.to_thread(mortal.kill)
    process, url = await start(folder)
    try:
        async with aiohttp.ClientSession() as session:
            running = Running(url, token, session)
            async with session.get(f"{url}/v1/health") as response:
                assert response.status == 503
            await asyncio.to_thread(mortal.start)
            await answers(running)
            await running.set_up()
    finally:
        process.kill()
        await process.wait()
