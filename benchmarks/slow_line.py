"""A bad line on loopback: a TCP proxy that is slow, late, and stalls where a segment would be lost.

Loss is told as TCP shows it to a program: what follows a lost segment arrives only after it was sent again (RFC 6298:
after a second at least). So with `loss` each segment stalls its direction for `RESEND_S` with that chance.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

SEGMENT_BYTES = 1448
RESEND_S = 1.0


@dataclass(frozen=True, slots=True)
class Quality:
    """bits_s: in each direction. delay_s: one way. loss: share of segments, 0 to 1."""

    bits_s: float
    delay_s: float = 0.0
    loss: float = 0.0


@contextlib.asynccontextmanager
async def slow_line(port: int, quality: Quality, seed: int = 1) -> AsyncIterator[int]:
    """The port of a line of this quality to `port`, both on 127.0.0.1."""
    chance, running = random.Random(seed), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        running.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_carry(reader, far_writer, quality, chance))
                ways.create_task(_carry(far_reader, writer, quality, chance))
        for end in (writer, far_writer):
            end.close()
        running.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, quality: Quality, chance: random.Random
) -> None:
    """One direction of one connection: paced by its rate, then `delay_s` on its way. Ends the other side at its end."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

    async def arrive() -> None:
        while True:
            at, segment = await under_way.get()
            await asyncio.sleep(at - loop.time())
            if not segment:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            writer.write(segment)
            await writer.drain()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(arrive())
        free_at = loop.time()
        while True:
            segment = await reader.read(SEGMENT_BYTES)
            stall_s = RESEND_S if segment and chance.random() < quality.loss else 0.0
            free_at = max(free_at, loop.time()) + len(segment) * 8 / quality.bits_s + stall_s
            await asyncio.sleep(free_at - loop.time())
            await under_way.put((free_at + quality.delay_s, segment))
            if not segment:
                return
