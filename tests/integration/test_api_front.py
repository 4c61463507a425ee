"""A plain `POST /v1/redeem` is answered before aiohttp: it must look the same from outside, however it is asked.

Only aiohttp's answers have a Date: that tells who answered.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import config
from agent.api import front, server, wire
from tests.integration.api_kit import WAIT_S, RealTill, real_till

TOKEN = "x" * 32
ALIKE = ("content-type", "server", "x-content-type-options", "cache-control")


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with real_till(tmp_path / "state") as made:
        yield made


def asked(till: RealTill, key: str, *more: str, version: str = "1.1") -> bytes:
    body = json.dumps({"text": till.coupon()}).encode()
    head = [
        f"POST /v1/redeem HTTP/{version}",
        f"Host: 127.0.0.1:{till.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Idempotency-Key: {key}",
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def answers(raw: bytes) -> list[tuple[str, dict[str, str], dict[str, object]]]:
    """(status line, headers in small letters, body) of each answer."""
    found = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        status, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers["content-length"])
        found.append((status, headers, json.loads(rest[:length])))
        raw = rest[length:]
    return found


async def one_answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *parts: bytes
) -> tuple[str, dict[str, str], dict[str, object]]:
    """parts: sent one after the other, each as a packet of its own."""
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        ((status, headers, body),) = answers(head + await reader.readexactly(length))
    return status, headers, body


async def test_the_answer_is_that_of_the_usual_way(till: RealTill) -> None:
    """A connection that closes goes the usual way."""
    usual = asked(till, "usual", "Connection: close")
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    hot = await one_answer(reader, writer, asked(till, "hot"))
    (slow,) = answers(await till.speak(usual))
    writer.close()
    assert hot[0] == slow[0] == "HTTP/1.1 200 OK"
    assert ("date" in hot[1], "date" in slow[1]) == (False, True)
    assert [hot[1].get(name) for name in ALIKE] == [slow[1].get(name) for name in ALIKE]
    assert all(hot[1].get(name) for name in ALIKE)
    assert hot[2].keys() == slow[2].keys()
    assert hot[2]["accepted"] is slow[2]["accepted"] is True


async def test_many_on_one_connection_each_get_their_own(till: RealTill) -> None:
    sent = b"".join(asked(till, f"k{number}") for number in range(5)) + asked(
        till, "last", "Connection: close"
    )
    said = answers(await till.speak(sent))
    assert len({one[2]["redemption_id"] for one in said}) == 6


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_old_client_and_one_that_closes(till: RealTill, version: str) -> None:
    ((status, _, body),) = answers(await till.speak(asked(till, "k", "Connection: close", version=version)))
    assert "200" in status
    assert body["accepted"] is True


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (b"Host: evil.example", "wrong_host"),
        (b"Content-Type: text/plain", "json_needed"),
        (b"Sec-Fetch-Site: cross-site\r\nContent-Type: application/json", "foreign_origin"),
        (b"Origin: http://evil.example\r\nContent-Type: application/json", "foreign_origin"),
    ],
)
async def test_it_is_guarded_as_the_rest_is(till: RealTill, change: bytes, code: str) -> None:
    request = asked(till, "k")
    name = b"Host: " if change.startswith(b"Host") else b"Content-Type: "
    start = request.index(name)
    request = request[:start] + change + request[request.index(b"\r\n", start) :]
    ((status, headers, body), _) = answers(await till.speak(request + asked(till, "z", "Connection: close")))
    assert body["code"] == code, (status, body)
    assert [headers.get(name) for name in ALIKE[1:]] == ["redeemd", "nosniff", "no-store"]


async def test_it_asks_for_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    api = config.Api(port=0, token_file=str(tmp_path / "token"))
    async with real_till(tmp_path / "state", api=api) as till:
        refused, taken = answers(
            await till.speak(
                asked(till, "a") + asked(till, "b", f"Authorization: Bearer {TOKEN}", "Connection: close")
            )
        )
        assert "401" in refused[0]
        assert taken[2]["accepted"] is True


async def test_a_body_that_comes_later_is_waited_for(till: RealTill) -> None:
    head, _, body = asked(till, "k", "Connection: close").partition(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    writer.write(head.replace(b"Connection: close", b"X: y") + b"\r\n\r\n")
    await writer.drain()
    await till.call("GET", "/v1/status")  # answered after the head was read
    writer.write(body)
    raw = await reader.readuntil(b"\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 200")
    writer.close()


async def test_who_asks_before_sending_the_body_is_told_to_go_on(till: RealTill) -> None:
    """As .NET and curl do: without the word they wait, some for seconds."""
    head, _, body = asked(till, "k", "Expect: 100-continue").partition(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    writer.write(head + b"\r\n\r\n")
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_who_hangs_up_gets_the_same_answer_later(till: RealTill) -> None:
    request = asked(till, "k")
    _, writer = await asyncio.open_connection("127.0.0.1", till.port)
    writer.write(request)
    await writer.drain()
    writer.transport.abort()
    end = request.partition(b"\r\n\r\n")[2]
    while (again := await till.call("POST", "/v1/redeem", raw=end, Idempotency_Key="k")).status == 409:
        pass  # the first is still with the disk
    assert again.json["accepted"] is True


async def test_a_longer_body_than_allowed_is_refused(till: RealTill) -> None:
    answer = await till.call("POST", "/v1/redeem", {"text": "x" * 300_000}, Idempotency_Key="k")
    assert answer.status in (400, 413)
    assert (await till.redeem(till.coupon())).json["accepted"] is True


async def test_requests_of_both_kinds_on_one_connection(till: RealTill) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    get = b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for number in range(3):
        _, headers, body = await one_answer(reader, writer, asked(till, f"k{number}"))
        assert (body["accepted"], "date" in headers) == (True, False)
        _, headers, body = await one_answer(reader, writer, get)
        assert ("sale" in body, "date" in headers) == (True, True)
    writer.close()


async def test_head_and_body_in_packets_of_their_own(till: RealTill) -> None:
    """As Python's http.client sends them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    head, _, body = asked(till, "k").partition(b"\r\n\r\n")
    _, headers, said = await one_answer(reader, writer, head + b"\r\n\r\n", body[:5], body[5:])
    assert (said["accepted"], "date" in headers) == (True, False)
    writer.close()


async def test_what_comes_before_the_answer_is_answered_after_it(till: RealTill) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    sent = [asked(till, f"k{number}") for number in range(3)]
    for request in sent:
        writer.write(request)
        await writer.drain()
    first = await one_answer(reader, writer)
    assert [(await one_answer(reader, writer))[2]["accepted"] for _ in sent[1:]] == [True, True]
    assert first[2]["accepted"] is True
    writer.close()


@pytest.mark.parametrize(
    ("was", "becomes", "code"),
    [
        (b'{"text"', b'{"test"', "bad_body"),
        (b'{"text": "', b'{"text":: ', "bad_body"),
        (b"Idempotency-Key: k", b"Idempotency-Key: " + b"k" * 129, "key_form"),
        (b"Idempotency-Key: k", b"Idempotency-Key: used", "key_reused"),
    ],
)
async def test_errors_are_those_of_the_usual_way(
    till: RealTill, was: bytes, becomes: bytes, code: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    await one_answer(reader, writer, asked(till, "used"))
    request = asked(till, "k")
    length = len(request) - request.index(b"\r\n\r\n") - 4
    request = request.replace(was, becomes)
    now = len(request) - request.index(b"\r\n\r\n") - 4
    request = request.replace(b"Content-Length: %d" % length, b"Content-Length: %d" % now)
    _, headers, body = await one_answer(reader, writer, request)
    assert (body["code"], headers["content-type"]) == (code, "application/problem+json")
    assert (await one_answer(reader, writer, asked(till, "next")))[2]["accepted"] is True
    writer.close()


async def test_a_body_that_never_comes_is_not_waited_for(
    till: RealTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "BODY_WAIT_S", 0.05)
    monkeypatch.setattr(wire, "BODY_WAIT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
    _, _, body = await one_answer(reader, writer, asked(till, "k")[:-5])
    assert body["code"] == "body_timeout"
    writer.close()


@pytest.mark.parametrize("last", ["redeem", "other", "half"])
async def test_a_connection_that_falls_silent_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.2)
    async with real_till(tmp_path / "state") as till, asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
        await one_answer(reader, writer, asked(till, "k"))
        if last == "other":
            await one_answer(reader, writer, b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n")
        elif last == "half":
            writer.write(b"GET /v1/sale HTTP/1.1\r\n")
        assert await reader.read() == b""
        writer.close()
