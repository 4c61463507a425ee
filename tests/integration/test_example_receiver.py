"""docs/examples/webhook_receiver.py as it stands, in a process of its own, behind a real cloud's webhook."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from cloud import webhook_desk
from cloud.access import digest
from cloud.feed import TYPES
from cloud.ingest import ingest
from cloud.store.schema import create
from cloud.store.sqlite_store import SqliteStore
from cloud.webhooks import secret_text, signature
from tests.integration.cloud_server_kit import Time
from tests.integration.webhook_kit import sender
from tests.unit.cloud_kit import AT, NOW, batch, sealing_till

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "webhook_receiver.py"


@contextlib.asynccontextmanager
async def receiver(secret: str, database: Path) -> AsyncIterator[str]:
    """Its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLE, "0", database),
        env=os.environ | {"WEBHOOK_SECRET": secret},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield line.decode().strip().rpartition(" ")[2]
    finally:
        process.kill()
        await process.wait()


def booked(database: Path) -> list[str]:
    db = sqlite3.connect(database)
    try:
        return [json.loads(event)["id"] for (event,) in db.execute("SELECT event FROM event ORDER BY rowid")]
    finally:
        db.close()


async def test_it_books_each_event_of_a_cloud_once(tmp_path: Path) -> None:
    create(tmp_path / "cloud.db", digest("first"), "admin", AT)
    store, database = SqliteStore(tmp_path / "cloud.db"), tmp_path / "events.db"
    till, clock = sealing_till("T-1"), Time()
    clock.at = datetime.now(UTC)
    try:
        events = [till.redeem(index) for index in range(12)]
        await ingest(store, till.known(), "redemption", batch(events), lambda: NOW)
        made = await webhook_desk.add(store, "http://127.0.0.1:9/hook", (), "0.0", clock())
        hook = await webhook_desk.found(store, made["webhook"])
        told = (await store.feed(hook.cursor, 100, TYPES)).events
        other = secret_text(secrets.token_bytes(32))
        async with sender(store, clock) as sends:
            for known, answer in ((other, "401"), (f"{other} {made['secret']}", "204")):
                async with receiver(known, database) as url:
                    for event in (*told, *told):
                        sent = await sends.sending.send(replace(hook, url=f"{url}/hook"), event)
                        assert sent.said == answer
        assert booked(database) == [f"T-1-{n}" for n in range(1, 13)]
    finally:
        await store.close()


async def test_it_takes_nothing_that_was_not_signed_now(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    secret, body = "whsec_" + base64.b64encode(key).decode(), b'{"type": "x"}'

    def signed(age_s: int, **changes: str) -> dict[str, str]:
        stamp = int(time.time()) - age_s
        good = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(stamp),
            "webhook-signature": f"v1,x {signature(key, 'evt_1', stamp, body)}",
        }
        return good | {name.replace("_", "-"): value for name, value in changes.items()}

    async with receiver(secret, tmp_path / "events.db") as url, aiohttp.ClientSession() as session:

        async def status(headers: dict[str, str], content: bytes = body) -> int:
            async with session.post(url, data=content, headers=headers) as response:
                return response.status

        assert await status(signed(0)) == 204
        assert await status(signed(301)) == 401
        assert await status(signed(0, webhook_id="evt_2")) == 401
        assert await status(signed(0, webhook_timestamp="now")) == 401
        assert await status(signed(0, webhook_signature="")) == 401
        assert await status(signed(0), b'{"type": "y"}') == 401
        assert await status({}) == 401
        assert await status(signed(0), b"x" * 200_000) == 413
