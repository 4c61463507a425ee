"""What the tests of the line share: servers on loopback that behave or do not, and a batch sent to them."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync import wire
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
    handler: Handler, tls: ssl.SSLContext | None = None, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """A real HTTP server that hands every request to one handler; the value is its base URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    # The digest covers the bytes sent: aiohttp must not unpack them first (and would do so without a bound).
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
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


async def post(
    base: str, limits: Limits | None = None, ca_file: Path | None = None, proxy: str | None = None
) -> Answer | Failure:
    async with HttpUplink(
        base, IDENTITY, timeouts=QUICK, limits=limits or Limits(), ca_file=ca_file, proxy=proxy
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
