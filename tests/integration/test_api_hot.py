"""`POST /v1/redeem` goes past the router: it must look the same from outside, however it is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import config
from tests.integration.api_kit import RealTill, real_till

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


async def test_the_answer_is_that_of_the_usual_way(till: RealTill) -> None:
    """A connection that closes goes the usual way."""
    usual = asked(till, "usual", "Connection: close")
    hot, slow = answers(await till.speak(asked(till, "hot") + usual))
    assert hot[0] == slow[0] == "HTTP/1.1 200 OK"
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
