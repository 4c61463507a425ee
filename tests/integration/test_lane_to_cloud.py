"""A lane, the real uplink and the real cloud, with a line between them that breaks: equal ledgers in the
end.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from sync.backoff import Backoff
from sync.lanes import LaneRunner
from sync.uplink import HttpUplink, Identity, Timeouts
from sync.wire import Record, RecordResult
from tests.integration.cloud_server_kit import running_cloud

LANE = "redemption"
RECORDS = 400
BAD_HASH = 50
UNREADABLE = 120
TWICE = 200
LOST = 300


class MemoryOutbox:
    def __init__(self, records: Sequence[Record]) -> None:
        self.records = {record.record_id: record for record in records}
        self.settled: dict[str, RecordResult] = {}
        self.empty = asyncio.Event()
        self.asked: set[int] = set()

    async def waiting(self, _lane: str, max_records: int, _max_bytes: int) -> list[Record]:
        if not self.records:
            self.empty.set()
        return list(self.records.values())[:max_records]

    async def settle(self, _lane: str, results: Sequence[RecordResult]) -> None:
        for result in results:
            del self.records[result.record_id]
            assert result.record_id not in self.settled
            self.settled[result.record_id] = result

    async def send_again(self, lane: str, spans: Sequence[tuple[int, int]], max_records: int) -> int:
        """The cloud misses what was lost and what was damaged; neither was ever acknowledged."""
        self.asked.update(n for first, last in spans for n in range(first, last + 1))
        return 0


@contextlib.asynccontextmanager
async def breaking_line(url: str, rng: random.Random, cuts: list[int]) -> AsyncIterator[str]:
    """A TCP relay to the cloud; each connection breaks after some bytes, in one direction or the other."""
    host, port = url.removeprefix("http://").split(":")
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.add(task)
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        most = [rng.choice([50, 700, 3000, 20_000]), rng.choice([20, 400, 3000, 20_000])]
        pumps = [
            asyncio.create_task(pump(reader, far_writer, most[0])),
            asyncio.create_task(pump(far_reader, writer, most[1])),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, far_writer):
            end.transport.abort()
        cuts.append(sum(await asyncio.gather(*pumps)))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*relays)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> bool:
    """Carry at most so many bytes; whether it was us who broke off."""
    with contextlib.suppress(OSError):
        while most > 0 and (chunk := await reader.read(min(most, 65536))):
            most -= len(chunk)
            writer.write(chunk)
            await writer.drain()
    return most == 0


def damaged(number: int, event: str) -> str:
    if number == BAD_HASH:
        return event.replace('"discount_minor":3000', '"discount_minor":9000')
    if number == UNREADABLE:
        return event[:-1]
    if number == TWICE:
        return event[:-1] + ',"lane":"redemption"}'
    return event


async def test_what_the_till_and_the_cloud_hold_is_equal_after_a_line_that_breaks(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-0001")
        events = [
            json.dumps(client.till.redeem(n), ensure_ascii=False, separators=(",", ":"))
            for n in range(RECORDS)
        ]
        records = [
            Record(LANE, n, json.loads(event)["id"], damaged(n, event))
            for n, event in enumerate(events, start=1)
            if n != LOST  # a row that the till's disk lost: nothing behind it may wait for it
        ]
        bad = {f"T-0001-{n}" for n in (BAD_HASH, UNREADABLE, TWICE)}
        outbox = MemoryOutbox(records)
        identity = Identity("T-0001", "T-0001", client.till.key.sign)
        cuts: list[int] = []
        async with (
            breaking_line(cloud.url, random.Random(7), cuts) as url,
            HttpUplink(url, identity, timeouts=Timeouts(2.0, 2.0, 5.0)) as uplink,
            asyncio.timeout(60),
        ):
            lane = LaneRunner(LANE, outbox, uplink, backoff=Backoff(0.01, 0.05))
            run = asyncio.create_task(lane.run())
            await outbox.empty.wait()
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        refused = {name for name, result in outbox.settled.items() if not result.acknowledged}
        acknowledged = sorted(number_of(name) for name in outbox.settled.keys() - refused)
        assert refused == bad
        assert [line["sequence"] for line in await cloud.lines()] == acknowledged
        assert len(acknowledged) == RECORDS - len(bad) - 1
        gaps = (await cloud.admin("GET", "gaps"))[1]["gaps"]
        assert LOST in outbox.asked
        lost = (LANE, LOST, LOST, json.loads(events[LOST - 1])["hash"])
        assert [(gap["lane"], gap["first"], gap["last"], gap["hash"]) for gap in gaps] == [lost]
        assert sum(cuts) >= 5, "the line was meant to break"


def number_of(record_id: str) -> int:
    return int(record_id.rpartition("-")[2])
