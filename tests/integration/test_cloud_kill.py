"""The served process: it starts, stops on SIGTERM, and loses nothing acknowledged when it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

from sync import wire
from sync.ports import Answer
from tests import cloud_witness
from tests.integration.cloud_server_kit import Client, Running
from tests.unit.cloud_kit import batch

ROUNDS = 3
SERVE = [sys.executable, "-m", "cloud.main"]


def new_cloud(folder: Path, *options: str) -> str:
    """A data directory; its admin token."""
    done = subprocess.run(
        [*SERVE, "init", str(folder), "--json", *options], capture_output=True, check=True, timeout=30
    )
    token = json.loads(done.stdout)["admin_token"]
    assert isinstance(token, str)
    return token


async def start(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        *SERVE,
        "serve",
        str(folder),
        "--port",
        "0",
        env=os.environ | cloud_witness.environment(folder.parent / "answers"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    assert line.startswith("redeemd cloud listens on http://127.0.0.1:"), line
    return process, line.split()[-1]


async def pour(
    client: Client, events: list[dict[str, Any]], acknowledged: set[str], enough: asyncio.Event
) -> None:
    """Send batches of five, one after the other, until the line breaks; note what was acknowledged."""
    async with client.uplink() as uplink:
        for at in range(0, len(events), 5):
            part = events[at : at + 5]
            body = batch(part)
            answer = await uplink.post_batch("redemption", body, wire.idempotency_key(body))
            if not isinstance(answer, Answer) or answer.status != 200:
                return
            results, _ = wire.decode_results(answer.body, [event["id"] for event in part])
            acknowledged |= {result.record_id for result in results if result.acknowledged}
            if at >= 25:
                enough.set()


async def test_kill_in_the_middle_of_batches_loses_nothing_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    admin = new_cloud(folder)
    process, url = await start(folder)
    async with aiohttp.ClientSession() as session:
        running = Running(url, admin, session)
        await running.set_up()
        clients = [await running.enrol(f"T-{number}", number) for number in (1, 2)]
        events = {client.till.name: [client.till.redeem(index) for index in range(400)] for client in clients}
        acknowledged: set[str] = set()
        for _ in range(ROUNDS):
            enough = asyncio.Event()
            pours = [
                asyncio.ensure_future(pour(client, events[client.till.name], acknowledged, enough))
                for client in clients
            ]
            await asyncio.wait_for(enough.wait(), 30)
            process.kill()
            await process.wait()
            await asyncio.gather(*pours)
            process, running.url = await start(folder)
            stored = {line["redemption_id"] for line in await running.lines()}
            assert acknowledged <= stored, "what was acknowledged is there"
            for client in clients:
                client.url = running.url
                mine = await running.lines(f"&till={client.till.name}")
                assert [line["sequence"] for line in mine] == list(range(1, len(mine) + 1)), "without a gap"
        for client in clients:  # everything again, from the start: nothing is doubled
            for at in range(0, 400, 200):
                results = await client.post(*events[client.till.name][at : at + 200])
                assert all(result.acknowledged for result in results)
            mine = await running.lines(f"&till={client.till.name}")
            assert [line["hash"] for line in mine] == [event["hash"] for event in events[client.till.name]]
        for path in (folder, *folder.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, f"{path} is readable by others"
        _, conflicts = await running.admin("GET", "conflicts?limit=1000")
        assert len(conflicts["conflicts"]) == 400, "both used the same coupons: each is won once"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert not (folder / "cloud.db-wal").exists(), "a clean stop checkpoints"
    assert cloud_witness.faults(tmp_path / "answers") == []
