"""The local API under floods, callers that never finish, listeners that do not read, and our own bugs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

import config
from agent.api import connections, server, status, wire
from agent.hub import BACKLOG_MAX, LISTENERS_MAX
from sync.wire import PROBLEM_TYPE
from tests.factory import Factory
from tests.integration.api_kit import WAIT_S, listening, real_till, refused, until


async def test_a_caller_that_sends_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    async with real_till(tmp_path / "state") as till:
        assert await till.speak(b"") == b""
        assert await till.speak(b"POST /v1/scan HTTP/1.1\r\nHost: loc") == b""
        answered = await till.speak(b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b'{"sale": null' in answered


async def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "BODY_WAIT_S", 0.05)
    head = b"POST /v1/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with real_till(tmp_path / "state") as till:
        reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
        writer.write(head + b'Content-Length: 20\r\n\r\n{"text')
        async with asyncio.timeout(WAIT_S):
            answer = await reader.readuntil(b'"}')
        assert b" 408 " in answer
        assert b'"body_timeout"' in answer
        writer.close()


REQUEST = b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


async def test_connections_are_bounded_and_the_oldest_that_waits_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 3)
    async with real_till(tmp_path / "state") as till, AsyncExitStack() as open_ones, asyncio.timeout(WAIT_S):
        lines = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
            writer.write(REQUEST)
            await reader.readuntil(b"null}")
            lines.append((reader, writer))
            open_ones.callback(writer.close)
        assert await lines[0][0].read() == b""
        await until(lambda: till.app.api.connections == 3)
        for reader, writer in lines[1:]:
            writer.write(REQUEST)
            await reader.readuntil(b"null}")


@pytest.mark.parametrize("half", [b"", REQUEST[:30], POST + b"Content-Length: 20\r\n\r\n{"])
async def test_half_requests_do_not_shut_the_till(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes
) -> None:
    """Neither for who comes anew nor for the POS that keeps its connection."""
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 3)
    async with real_till(tmp_path / "state") as till, AsyncExitStack() as open_ones, asyncio.timeout(WAIT_S):
        reader, pos = await asyncio.open_connection("127.0.0.1", till.port)
        open_ones.callback(pos.close)
        pos.write(REQUEST)
        await reader.readuntil(b"null}")
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", till.port)
            open_ones.callback(writer.close)
            writer.write(half)
            assert (
                await till.speak(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            ).endswith(b"null}")
        pos.write(REQUEST)
        await reader.readuntil(b"null}")


async def test_no_connection_is_closed_for_another_while_it_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS_MAX", 2)
    async with real_till(tmp_path / "state") as till, listening(till) as one, listening(till) as other:
        for page in (one, other):
            await page.event("status")
        assert await till.speak(REQUEST) == b""
        await till.app.till.scan("nothing", "test")
        for page in (one, other):
            assert await page.event("verdict")


async def test_listeners_are_bounded(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state") as till:
        async with AsyncExitStack() as pages:
            for _ in range(LISTENERS_MAX):
                await pages.enter_async_context(listening(till))
            answer = await till.call("GET", "/v1/events")
            refused(answer, 503, "too_many_listeners")
            assert answer.header("Retry-After") == "1"
            assert (await till.redeem(till.coupon())).json["accepted"] is True
        hub = till.app.till.hub

        def all_gone() -> bool:
            hub.publish("print", {})  # the till notices a closed page when it writes to it
            return hub.listeners == 0

        await until(all_gone)


async def test_a_listener_that_does_not_read_is_cut_off_and_slows_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "WRITE_S", 0.2)
    async with real_till(tmp_path / "state") as till:
        hub = till.app.till.hub
        deaf = socket.create_connection(("127.0.0.1", till.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with listening(till) as page, asyncio.timeout(WAIT_S):
            await page.event("status")
            await until(lambda: hub.listeners == 2)
            heavy = {"text": "x" * 200_000}
            for _ in range(BACKLOG_MAX):  # more than any socket buffers; a page that reads keeps up
                hub.publish("print", heavy)
                await page.event("print")
            accepted = await till.redeem(till.coupon())
            assert accepted.json["accepted"] is True
            assert (await page.event("verdict"))["scan_id"] == accepted.json["scan_id"]
            await until(lambda: hub.listeners == 1)
            await until(lambda: till.app.api.connections == 1)  # what waits for it in memory is gone too
        deaf.close()


async def test_the_stream_begins_with_the_status_and_stays_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "HEARTBEAT_S", 0.05)
    async with real_till(tmp_path / "state") as till, listening(till) as page:
        assert page.answer.headers["Content-Type"] == "text/event-stream"
        assert page.answer.headers["Cache-Control"] == "no-store"
        async with asyncio.timeout(WAIT_S):
            assert await page.answer.content.readline() == b"retry: 1000\n"
            assert (await page.event("status"))["till"] == "T-0001"
            await page.answer.content.readuntil(b": still here\n\n")
        await till.call("PUT", "/v1/sale", {"total_minor": 700})
        assert (await page.event("status"))["sale"]["total_minor"] == 700


async def test_many_callers_at_once_are_all_answered(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state", scan=config.Scan(queue_max=4)) as till:
        calls = [till.call("POST", "/v1/scan", {"text": f"scan {n}"}) for n in range(60)]
        async with asyncio.timeout(WAIT_S):
            answers = await asyncio.gather(*calls)
        for answer in answers:
            if answer.status != 200:
                refused(answer, 503, "busy")
        assert any(answer.status == 200 for answer in answers)


# ---- bugs -----------------------------------------------------------------------------------------------------------

BUGGY_TILL = """
import asyncio, resource, sys
from pathlib import Path
from agent.app import running
from agent.till import Till
from tests.integration.api_kit import settings

def bug(*_):
    assert sys.argv[2] != "assertion", "a bug"
    raise KeyError("a surprise")

async def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Till.explain = bug
    async with running(settings(Path(sys.argv[1]))) as app:
        print(app.api.url, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def buggy_till(folder: Path, kind: str) -> tuple[asyncio.subprocess.Process, str]:
    Factory().install(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        BUGGY_TILL,
        str(folder),
        kind,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), WAIT_S)).decode().strip()
    return process, url


async def test_a_bug_in_a_handler_ends_the_process(tmp_path: Path) -> None:
    process, url = await buggy_till(tmp_path / "state", "assertion")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(url + "/v1/verify", json={"text": "x"})
    _, stderr = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == -signal.SIGABRT
    assert b"AssertionError: a bug" in stderr


async def test_any_other_surprise_is_answered_and_logged(tmp_path: Path) -> None:
    process, url = await buggy_till(tmp_path / "state", "surprise")
    async with aiohttp.ClientSession() as session:
        async with session.post(url + "/v1/verify", json={"text": "x"}) as answer:
            assert (answer.status, (await answer.json(content_type=PROBLEM_TYPE))["code"]) == (
                500,
                "internal",
            )
        async with session.get(url + "/v1/health") as answer:
            assert answer.status == 200
    process.terminate()
    _, stderr = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert b"a surprise" in stderr
