"""The line for real: aiohttp against real servers on loopback, good and hostile. Nothing raises, all is
bounded.
"""

import asyncio
import contextlib
import datetime
import gzip
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from sync import wire
from sync.backoff import Backoff
from sync.errors import OutboxUnavailable, UplinkConfigError
from sync.lanes import LaneRunner, Poller
from sync.ports import Answer, Failure, FailureKind
from sync.uplink import HttpUplink, Identity, Timeouts
from sync.wire import Limits, Record, RecordResult, ResultStatus

KEY = Ed25519PrivateKey.generate()
IDENTITY = Identity("t1", "t1", KEY.sign)
QUICK = Timeouts(connect_s=2.0, idle_s=0.2, total_s=5.0)
BODY = wire.encode_batch([Record("redemptions", 1, "r-1", json.dumps({"id": "r-1", "pad": "x" * 1000}))])

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def http_server(
    handler: Handler, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[str]:
    """A real HTTP server that hands every request to one handler; the value is its base URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    # The digest covers the bytes sent: aiohttp must not unpack them first (and would do so without a bound).
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    try:
        yield site.name.replace("0.0.0.0", "127.0.0.1")
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_server(answer: bytes | None) -> AsyncIterator[str]:
    """A TCP server that reads something, says these bytes and closes; with None it stays silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if answer is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(answer)
            with contextlib.suppress(OSError):
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await ended.wait()


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def post(base: str, limits: Limits | None = None, ca_file: Path | None = None) -> Answer | Failure:
    async with HttpUplink(
        base, IDENTITY, timeouts=QUICK, limits=limits or Limits(), ca_file=ca_file
    ) as uplink:
        return await uplink.post_batch("redemptions", BODY, wire.idempotency_key(BODY))


async def post_to(handler: Handler, limits: Limits | None = None) -> Answer | Failure:
    async with http_server(handler) as base:
        return await post(base, limits)


def failure_kind(outcome: Answer | Failure) -> FailureKind:
    assert isinstance(outcome, Failure), outcome
    assert outcome.detail.isprintable()
    return outcome.kind


async def accept(request: web.Request) -> web.Response:
    """What a cloud does first: check the signature over the bytes received, then unpack within the bound."""
    sent = await request.read()
    parts = wire.parse_signature(request.headers)
    wire.verify(parts, request.method, request.raw_path, sent, signed_by_till)
    if request.headers.get("Content-Encoding") == "gzip":
        sent = wire.gunzip_bounded(sent, Limits().batch_bytes)
    ids = [event["id"] for event in wire.decode_batch(sent)]
    assert request.headers["Idempotency-Key"] == f'"{wire.idempotency_key(sent)}"'
    results = [RecordResult(record_id, ResultStatus.STORED) for record_id in ids]
    return web.Response(body=wire.encode_results(results), content_type=wire.RESULTS_TYPE)


def signed_by_till(signature: bytes, message: bytes) -> bool:
    try:
        KEY.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


# --- what a good cloud sees and says ---


@pytest.mark.parametrize("prefix", ["", "/coupons", "/a%20b"])
async def test_a_signed_and_compressed_batch_arrives_and_its_results_return(prefix: str) -> None:
    seen: list[tuple[str, str, int]] = []

    async def handler(request: web.Request) -> web.Response:
        sent = await request.read()
        seen.append((request.raw_path, request.headers["Content-Encoding"], len(sent)))
        return await accept(request)

    async with http_server(handler) as base:
        outcome = await post(base + prefix + "/")
    assert isinstance(outcome, Answer)
    assert wire.decode_results(outcome.body, ["r-1"]) == ([RecordResult("r-1", ResultStatus.STORED)], [])
    assert seen[0][:2] == (prefix + "/v1/tills/t1/batches/redemptions", "gzip")
    assert seen[0][2] < len(BODY)


async def test_a_get_is_signed_conditional_and_unpacked() -> None:
    async def handler(request: web.Request) -> web.Response:
        wire.verify(wire.parse_signature(request.headers), "GET", request.raw_path, b"", signed_by_till)
        if request.headers.get("If-None-Match") == '"7"':
            return web.Response(status=304, headers={"ETag": '"7"'})
        return web.Response(
            body=gzip.compress(b"manifest"), headers={"Content-Encoding": "gzip", "ETag": '"7"'}
        )

    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        first = await uplink.get(wire.bundle_path("t1"))
        assert isinstance(first, Answer)
        assert (first.status, first.body, first.headers["etag"]) == (200, b"manifest", '"7"')
        again = await uplink.get(wire.bundle_path("t1"), first.headers["etag"])
        assert isinstance(again, Answer)
        assert again.status == 304


async def test_long_bodies_travel_both_ways() -> None:
    """Long enough that both are packed and unpacked beside the loop, and the answer comes in many pieces."""
    long = wire.encode_batch(
        [Record("redemptions", 1, "r-1", json.dumps({"id": "r-1", "pad": "x" * 500_000}))]
    )
    part = bytes(range(256)) * 4096

    async def handler(request: web.Request) -> web.Response:
        if request.method == "POST":
            return await accept(request)
        return web.Response(body=gzip.compress(part), headers={"Content-Encoding": "gzip"})

    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        posted = await uplink.post_batch("redemptions", long, wire.idempotency_key(long))
        fetched = await uplink.get(wire.part_path("0" * 64))
    assert isinstance(posted, Answer)
    assert posted.status == 200
    assert isinstance(fetched, Answer)
    assert fetched.body == part


async def test_enrolment_is_not_signed_and_needs_no_identity() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "Signature" not in request.headers
        assert request.path == wire.ENROL_PATH
        return web.json_response({"till_id": (await request.json())["code"]})

    async with http_server(handler) as base, HttpUplink(base, timeouts=QUICK) as uplink:
        outcome = await uplink.enrol(b'{"code":"abc"}')
    assert isinstance(outcome, Answer)
    assert json.loads(outcome.body) == {"till_id": "abc"}


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503])
async def test_a_status_is_an_answer_and_not_judged_here(status: int) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(
            status=status, headers={"Retry-After": "9"}, text="<html>", content_type="text/html"
        )

    outcome = await post_to(handler)
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.headers["retry-after"]) == (status, "9")


# --- what the line does ---


async def test_nobody_listens() -> None:
    assert failure_kind(await post(f"http://127.0.0.1:{unused_port()}")) is FailureKind.REFUSED


async def test_nobody_listens_on_any_address_of_a_name() -> None:
    assert failure_kind(await post(f"http://localhost:{unused_port()}")) is FailureKind.REFUSED


async def test_a_name_that_does_not_exist() -> None:
    patient = Timeouts(connect_s=60.0)  # a machine without a resolver waits for it
    async with HttpUplink("https://cloud.invalid", IDENTITY, timeouts=patient) as uplink:
        assert failure_kind(await uplink.get(wire.bundle_path("t1"))) is FailureKind.DNS


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


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "cert.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


async def test_tls_is_trusted_through_the_ca_file_and_not_otherwise(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with http_server(accept, tls) as base:
        assert base.startswith("https://")
        assert failure_kind(await post(base)) is FailureKind.TLS
        assert isinstance(await post(base, ca_file=certificate), Answer)


async def test_a_server_that_speaks_no_tls() -> None:
    async with http_server(accept) as base:
        assert failure_kind(await post(base.replace("http:", "https:"))) is FailureKind.TLS


# --- configuration ---


@pytest.mark.parametrize(
    "base",
    [
        "",
        "cloud.example",
        "ftp://cloud.example",
        "https://",
        "http://cloud.example",
        "http://10.0.0.1",
        "https://user:pw@cloud.example",
        "https://cloud.example/?x=1",
        "https://cloud.example/#x",
        "https://cloud.example:99999",
        "https://[::1",
    ],
)
def test_an_address_that_cannot_work_is_named(base: str) -> None:
    with pytest.raises(UplinkConfigError, match="cloud's address"):
        HttpUplink(base, IDENTITY)


def test_a_ca_file_that_cannot_work_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(UplinkConfigError, match=path.name):
            HttpUplink("https://cloud.example", IDENTITY, ca_file=path)


# --- lanes over the real line ---


class MemoryOutbox:
    """The port in memory, with a store that fails when told to."""

    def __init__(self, *numbers: int) -> None:
        self.waiting_records = {n: Record("redemptions", n, f"r-{n}", f'{{"id":"r-{n}"}}') for n in numbers}
        self.settled: list[RecordResult] = []
        self.failures_left = 0
        self.empty = asyncio.Event()
        self.reads = 0

    def add(self, number: int) -> None:
        self.empty.clear()
        self.waiting_records[number] = Record("redemptions", number, f"r-{number}", f'{{"id":"r-{number}"}}')

    async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
        self.reads += 1
        if self.failures_left:
            self.failures_left -= 1
            raise OutboxUnavailable("disk full")
        if not self.waiting_records:
            self.empty.set()
        return [record for record in self.waiting_records.values() if record.lane == lane][:max_records]

    async def settle(self, lane: str, results: Sequence[RecordResult]) -> None:
        self.settled += results
        for result in results:
            del self.waiting_records[int(result.record_id.removeprefix("r-"))]


@contextlib.asynccontextmanager
async def running(*runners: LaneRunner | Poller) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
        for task in tasks:
            assert not task.done(), "a lane runs until it is cancelled"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds; the test's own timeout bounds it."""
    while not holds():  # noqa: ASYNC110 - a status page polls as well, there is nothing to wait for
        await asyncio.sleep(0.01)


async def test_a_lane_drains_at_start_and_at_each_wake() -> None:
    outbox = MemoryOutbox(*range(1, 101))
    async with http_server(accept) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, interval_s=3600)
        async with running(lane), asyncio.timeout(20):
            await outbox.empty.wait()
            outbox.add(101)
            lane.wake()
            await outbox.empty.wait()
            state = lane.state()
    assert [result.record_id for result in outbox.settled] == [f"r-{n}" for n in range(1, 102)]
    assert (state.consecutive_failures, state.failure, state.set_aside) == (0, None, 0)
    assert state.last_success_at is not None


async def test_a_lane_survives_a_cloud_that_is_away_and_a_store_that_fails() -> None:
    outbox = MemoryOutbox(1, 2, 3)
    outbox.failures_left = 2
    port = unused_port()
    base = f"http://127.0.0.1:{port}"
    async with HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, backoff=Backoff(0.02, 0.05))
        async with running(lane), asyncio.timeout(20):
            await until(
                lambda: (lane.state().failure or Failure(FailureKind.OUTBOX, "")).kind is FailureKind.REFUSED
            )
            assert lane.state().consecutive_failures > 2
            async with http_server(accept, port=port):
                await outbox.empty.wait()
    assert len(outbox.settled) == 3
    assert lane.state().consecutive_failures == 0


async def test_retry_now_ends_a_long_back_off() -> None:
    outbox = MemoryOutbox(1)
    port = unused_port()
    async with HttpUplink(f"http://127.0.0.1:{port}", IDENTITY, timeouts=QUICK) as uplink:
        lane = LaneRunner("redemptions", outbox, uplink, backoff=Backoff(3600, 3600), random=lambda: 0.9)
        async with running(lane), asyncio.timeout(20):
            await until(lambda: lane.state().state == "waiting")
            reads = outbox.reads
            lane.wake()  # does not end it
            await asyncio.sleep(0)
            assert (lane.state().state, outbox.reads) == ("waiting", reads)
            async with http_server(accept, port=port):
                lane.retry_now()
                await outbox.empty.wait()
    assert len(outbox.settled) == 1


async def test_one_lane_that_is_refused_does_not_hold_another() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("evidence"):
            return web.Response(status=401)
        return await accept(request)

    class Both(MemoryOutbox):
        async def waiting(self, lane: str, max_records: int, max_bytes: int) -> list[Record]:
            if lane == "evidence":
                return [Record("evidence", 1, "e-1", '{"id":"e-1"}')]
            return await super().waiting(lane, max_records, max_bytes)

    outbox = Both(1, 2)
    async with http_server(handler) as base, HttpUplink(base, IDENTITY, timeouts=QUICK) as uplink:
        good = LaneRunner("redemptions", outbox, uplink)
        bad = LaneRunner("evidence", outbox, uplink, backoff=Backoff(3600, 3600))
        async with running(good, bad), asyncio.timeout(20):
            await until(lambda: bad.state().failure is not None)
            await outbox.empty.wait()
        failure = bad.state().failure
    assert failure is not None
    assert failure.kind is FailureKind.NOT_ADMITTED
    assert [result.record_id for result in outbox.settled] == ["r-1", "r-2"]


async def test_a_poller_backs_off_recovers_and_answers_a_request_at_once() -> None:
    outcomes: list[bool | Failure] = [
        Failure(FailureKind.DNS, "x"),
        Failure(FailureKind.BUSY, "y"),
        True,
        False,
    ]
    seen: list[int] = []
    called = asyncio.Event()

    async def fetch() -> bool | Failure:
        called.set()
        seen.append(poller.state().consecutive_failures)
        return outcomes.pop(0)

    poller = Poller("bundle", fetch, interval_s=3600, backoff=Backoff(0.01, 0.02))
    async with running(poller), asyncio.timeout(20):
        await until(lambda: poller.state().last_success_at is not None)
        state = poller.state()
        called.clear()
        poller.poll_now()
        await called.wait()
    assert seen == [0, 1, 2, 0]
    assert (state.state, state.consecutive_failures) == ("idle", 0)
    assert state.failure == Failure(FailureKind.BUSY, "y")
    assert state.next_try_at is not None
    assert state.last_success_at is not None
    assert 3200 < state.next_try_at - state.last_success_at < 4000
