"""The line for real: aiohttp against real servers on loopback. What a good cloud gets, TLS, configuration."""

import datetime
import gzip
import ipaddress
import json
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sync import wire
from sync.errors import UplinkConfigError
from sync.ports import Answer, FailureKind
from sync.uplink import HttpUplink
from sync.wire import Record, RecordResult, ResultStatus
from tests.integration.uplink_kit import (
    BODY,
    IDENTITY,
    QUICK,
    accept,
    failure_kind,
    http_server,
    post,
    post_to,
    signed_by_till,
)

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


# --- TLS ---


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, -1, 1)


def make_certificate(tmp_path: Path, first: int, last: int) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file; its days counted from today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + datetime.timedelta(days=first))
        .not_valid_after(now + datetime.timedelta(days=last))
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
        assert failure_kind(await post(base)) is FailureKind.TLS_CA
        elsewhere = base.replace("127.0.0.1", "localhost")
        assert failure_kind(await post(elsewhere, ca_file=certificate)) is FailureKind.TLS_NAME
        assert isinstance(await post(base, ca_file=certificate), Answer)


@pytest.mark.parametrize("days", [(-20, -10), (10, 20)], ids=["over", "not yet"])
async def test_a_certificate_that_does_not_count_by_this_tills_date(
    tmp_path: Path, days: tuple[int, int]
) -> None:
    """Nine times in ten it is the till's clock."""
    expired = make_certificate(tmp_path, *days)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(expired)
    async with http_server(accept, tls) as base:
        assert failure_kind(await post(base, ca_file=expired)) is FailureKind.CLOCK


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
