"""What a receiver does beside answering, each duty failing alone. Several receivers may do it at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from cloud.api.http import CLOUD, Cloud
from cloud.errors import CloudError
from cloud.ports import CloudStore
from cloud.retention import tidy

log = logging.getLogger("redeemd.cloud")

SEEN_EVERY_S = 5.0
TALLY_EVERY_S = 10.0
FORGET_EVERY_S = 3600.0
TILLS_AT_ONCE = 50
RECORDS_AT_ONCE = 500
"""Of one transaction: the writer of an embedded database is busy for some tens of milliseconds."""


async def write_seen(cloud: Cloud) -> None:
    """Write what was gathered of tills; what cannot be written is kept for the next time."""
    taken = cloud.seen.take()
    if taken:
        try:
            await cloud.store.put_seen(taken)
        except BaseException:
            cloud.seen.put_back(taken)
            raise


async def count_all(store: CloudStore) -> int:
    """Bring the tally up to what is stored; how many records were counted."""
    counted = 0
    while tills := await store.behind(TILLS_AT_ONCE * 10):
        for first in range(0, len(tills), TILLS_AT_ONCE):
            chunk, done = tills[first : first + TILLS_AT_ONCE], RECORDS_AT_ONCE
            while done >= RECORDS_AT_ONCE:
                done = await store.count_up(chunk, RECORDS_AT_ONCE)
                counted += done
    return counted


async def count(cloud: Cloud) -> None:
    await count_all(cloud.store)


async def forget(cloud: Cloud) -> None:
    gone = await tidy(cloud.store, cloud.keep, cloud.now())
    if any(gone.values()):
        log.info("forgotten by age: %s", gone)


DUTIES: dict[str, tuple[Callable[[Cloud], Awaitable[None]], float]] = {
    "seen": (write_seen, SEEN_EVERY_S),
    "tally": (count, TALLY_EVERY_S),
    "retention": (forget, FORGET_EVERY_S),
}
"""Name -> what is done, and after how many seconds again."""


async def duties(app: web.Application) -> AsyncIterator[None]:
    """Run while the application does; what was gathered is written at the end."""
    cloud = app[CLOUD]
    tasks = [asyncio.create_task(_repeat(cloud, name), name=f"cloud {name}") for name in DUTIES]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(CloudError):
        await write_seen(cloud)


async def _repeat(cloud: Cloud, name: str) -> None:
    work, every_s = DUTIES[name]
    while True:
        await asyncio.sleep(every_s * (0.75 + 0.5 * random.random()))
        try:
            await work(cloud)
        except CloudError as error:
            log.error("%s: %s", name, error)
        except Exception:  # a bug in one duty ends none of the others, nor the answers
            log.exception("%s failed", name)
