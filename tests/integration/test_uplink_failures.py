"""A line that fails and a peer that lies, for real: nothing raises, all is bounded, each failure has its kind."""

import asyncio
import contextlib
import gzip
import os
import socket
import subprocess
import sys

import pytest
from aiohttp import web

from sync import wire
from sync.ports import Answer, FailureKind
from sync.status import failure_of
from sync.uplink import HttpUplink, Timeouts
from sync.wire import Limits
from tests.integration.uplink_kit import (
    BODY,
    IDENTITY,
    QUICK,
    accept,
    failure_kind,
    http_server,
    post,
    post_to,
    raw_server,
    unused_port,
)

# --- what the line does ---


async def test_nobody_listens() -> None:
    assert failure_kind(await post(f"http://127.0.0.1:{unused_port()}")) is FailureKind.REFUSED


async def test_nobody_listens_on_any_address_of_a_name() -> None:
    assert failure_kind(await post(f"http://localhost:{unused_port()}")) is FailureKind.REFUSED


async def test_a_name_that_does_not_exist() -> None:
    patient = Timeouts(connect_s=60.0)  # a machine without a resolver waits for it
    async with HttpUplink("https://cloud.invalid", IDENTITY, timeouts=patient) as uplink:
        assert failure_kind(await uplink.get(wire.bundle_path("t1"))) is FailureKind.DNS


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_a_network_that_leads_nowhere_or_is_of_the_other_ip_version() -> None:
    """In a namespace whose only interface is down: as a till with IPv6 alone sees an IPv4 address."""
    program = (
        "import asyncio; from tests.integration.uplink_kit import post, failure_kind;"
        "print(failure_kind(asyncio.run(post('http://127.0.0.1:9'))).value)"
    )
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    if "unshare failed" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.stdout == "no_route\n", done.stderr


async def test_an_address_of_ip_version_6_alone() -> None:
    async with http_server(accept, host="::1") as base:
        assert isinstance(await post(base), Answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_name_of_both_ip_versions_of_which_one_answers(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a network of IPv6 alone, or of IPv4 alone: the address that does not answer is passed over."""

    def both(_name: str, port: int, *_asked: object, **_more: object) -> list[object]:
        """What a resolver says of a name with two addresses; this machine's own may know one of localhost."""
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *kind, ("::1", port, 0, 0)),
            (socket.AF_INET, *kind, ("127.0.0.1", port)),
        ]

    async with http_server(accept, host=host) as base:
        monkeypatch.setattr(socket, "getaddrinfo", both)
        port = base.rpartition(":")[2]
        assert isinstance(await post(f"http://localhost:{port}"), Answer)


async def test_a_proxy_that_is_not_there() -> None:
    proxy = f"http://127.0.0.1:{unused_port()}"
    assert failure_kind(await post("http://127.0.0.1:9", proxy=proxy)) is FailureKind.PROXY


@pytest.mark.parametrize("base", ["http://127.0.0.1:9", "https://cloud.invalid"])
async def test_a_proxy_that_wants_a_password(base: str) -> None:
    """Asked for a tunnel (https), or to pass a request on."""
    async with raw_server(
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    ) as proxy:
        answer = await post(base, proxy=proxy)
        failure = failure_of(answer) if isinstance(answer, Answer) else answer
        assert failure is not None
        assert failure.kind is FailureKind.PROXY


async def test_a_proxy_that_works() -> None:
    """It is asked for the whole address; nothing else is at that address."""
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.url.host)
        return await accept(request)

    async with http_server(handler) as proxy:
        assert isinstance(await post("http://127.0.0.2:9", proxy=proxy), Answer)
    assert asked == ["127.0.0.2"]


async def test_a_cloud_that_takes_no_gzip_gets_the_batch_plain_from_then_on() -> None:
    sent: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Content-Encoding"))
        if sent[-1]:
            return web.Response(status=415, headers={"Accept-Encoding": "identity"})
        return await accept(request)

    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        for _ in range(2):
            assert isinstance(
                await uplink.post_batch("redemptions", BODY, wire.idempotency_key(BODY)), Answer
            )
    assert sent == ["gzip", None, None]


async def test_a_415_that_is_not_about_gzip_is_not_asked_again() -> None:
    sent = []

    async def handler(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Content-Encoding"))
        return web.Response(status=415, headers={"Accept-Encoding": "gzip"})

    answer = await post_to(handler)
    assert isinstance(answer, Answer)
    assert answer.status == 415
    assert sent == ["gzip"]


async def test_a_server_that_never_answers() -> None:
    async with raw_server(None) as base:
        assert failure_kind(await post(base)) is FailureKind.TIMEOUT


async def test_an_answer_that_drips_for_ever_ends_with_the_whole_time() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        return response

    waits = Timeouts(connect_s=2.0, idle_s=2.0, total_s=0.3)
    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=waits) as uplink:
        assert failure_kind(await uplink.get(wire.bundle_path("t1"))) is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", FailureKind.INTERRUPTED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", FailureKind.INTERRUPTED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", FailureKind.INTERRUPTED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", FailureKind.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", FailureKind.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", FailureKind.PROTOCOL),
    ],
)
async def test_a_peer_that_breaks_off_or_does_not_speak_http(said: bytes, kind: FailureKind) -> None:
    async with raw_server(said) as base:
        assert failure_kind(await post(base)) is kind


# --- hostile answers ---


@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_beyond_the_bound_is_not_read(announced: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if announced:
            return web.Response(body=bytes(20_000))
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:  # without end: only our bound stops it
                await response.write(bytes(10_000))
        return response

    assert failure_kind(await post_to(handler, Limits(answer_bytes=15_000))) is FailureKind.TOO_LARGE


async def test_a_bomb_is_not_unpacked() -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    assert failure_kind(await post_to(handler)) is FailureKind.TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
async def test_an_encoding_that_is_broken_or_was_not_asked_for(encoding: str) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=b"not packed at all", headers={"Content-Encoding": encoding})

    assert failure_kind(await post_to(handler)) is FailureKind.PROTOCOL


async def test_a_redirect_is_not_followed() -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/login"})

    assert failure_kind(await post_to(handler)) is FailureKind.CAPTIVE_PORTAL
    assert paths == ["/v1/tills/t1/batches/redemptions"]


async def test_a_web_page_in_place_of_the_cloud() -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome to FreeWifi</html>", content_type="text/html")

    assert failure_kind(await post_to(handler)) is FailureKind.CAPTIVE_PORTAL


async def test_cookies_are_not_kept() -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "track=1"})

    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        await uplink.get("/v1/a")
        await uplink.get("/v1/b")
    assert cookies == [None, None]


@pytest.mark.parametrize("most", [0, 5])
async def test_no_more_is_read_than_was_asked_for(most: int) -> None:
    """A part of no bytes has a bound too."""

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * (most + 1))

    async with http_server(handler) as base, HttpUplink(base, IDENTITY) as uplink:
        answer = await uplink.get(wire.bundle_path("t1"), max_bytes=most)
    assert failure_kind(answer) is FailureKind.TOO_LARGE
