"""The local API under callers that mean harm: foreign pages, wrong bodies, floods, callers that never finish."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import config
from agent.api import security, server, status, wire
from agent.api.errors import PROBLEMS, ApiError
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.hub import BACKLOG_MAX, LISTENERS_MAX
from tests.factory import Factory
from tests.integration.api_kit import WAIT_S, Answer, RealTill, listening, real_till, until

POS = "https://pos.example:8443"
TOKEN = "0123456789abcdef-token"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def till(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealTill]:
    """One till for all that leaves no trace on it."""
    api = config.Api(port=0, allowed_origins=(POS,))
    async with real_till(tmp_path_factory.mktemp("till") / "state", api=api) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealTill]:
    """A till that asks for a token."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(TOKEN + "\n")
    api = config.Api(port=0, token_file=str(folder / "token"), allowed_origins=(POS,))
    async with real_till(folder / "state", api=api) as made:
        yield made


module_loop = pytest.mark.asyncio(loop_scope="module")


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.raw
    assert set(answer.json["error"]) == {"code", "zh", "en"}


# ---- who may call ---------------------------------------------------------------------------------------------------


@module_loop
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example",
        "192.168.0.9",
        "0.0.0.0",
        "[::2]:80",
        "::1",
        "127.1",
    ],
)
async def test_a_foreign_host_is_refused(till: RealTill, host: str) -> None:
    for path in ("/", "/v1/status", "/nothing"):
        refused(await till.call("GET", path, Host=host), 403, "wrong_host")


@module_loop
@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:99", "127.0.0.1", "127.0.0.5:8321", "[::1]", "[::1]:8321"]
)
async def test_every_loopback_name_is_ours(till: RealTill, host: str) -> None:
    assert (await till.call("GET", "/v1/sale", Host=host)).status == 200


@module_loop
async def test_a_request_without_host_is_refused(till: RealTill) -> None:
    for version in (b"1.0", b"1.1"):
        answer = await till.speak(b"GET /v1/status HTTP/" + version + b"\r\nConnection: close\r\n\r\n")
        assert answer.split(b" ", 2)[1] in (b"400", b"403")


@module_loop
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", POS + "0", "", "\u00ff"]
)
async def test_a_foreign_origin_is_refused(till: RealTill, origin: str) -> None:
    for method, path in (
        ("GET", "/v1/status"),
        ("POST", "/v1/scan"),
        ("DELETE", "/v1/sale"),
        ("OPTIONS", "/v1/scan"),
    ):
        answer = await till.call(method, path, Origin=origin)
        refused(answer, 403, "foreign_origin")
        assert answer.header("Access-Control-Allow-Origin") is None


@module_loop
async def test_our_own_origin_may_call(till: RealTill) -> None:
    assert (await till.call("GET", "/v1/sale", Origin=till.url)).status == 200


@module_loop
async def test_another_sites_plain_get_is_refused(till: RealTill) -> None:
    """A browser sends <img src> and fetch(no-cors) without Origin: they could take every place of the event stream."""
    for site in ("cross-site", "same-site"):
        for path in ("/v1/events", "/v1/status", "/app.js"):
            foreign = await till.call("GET", path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
            refused(foreign, 403, "foreign_origin")
        link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
        assert (await till.call("GET", "/", headers=link)).status == 200
        refused(await till.call("GET", "/v1/status", headers=link), 403, "foreign_origin")
    assert (await till.call("GET", "/v1/sale", Sec_Fetch_Site="same-origin")).status == 200
    assert (await till.call("GET", "/v1/sale", Sec_Fetch_Site="none")).status == 200


@module_loop
async def test_a_browser_pos_may_call(till: RealTill) -> None:
    asked = {
        "Origin": POS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
        "Access-Control-Request-Private-Network": "true",
    }
    preflight = await till.call("OPTIONS", "/v1/redeem", headers=asked)
    assert preflight.status == 204
    assert preflight.header("Access-Control-Allow-Origin") == POS
    assert preflight.header("Vary") == "Origin"
    assert preflight.header("Access-Control-Allow-Private-Network") == "true"
    allowed = (preflight.header("Access-Control-Allow-Headers") or "").lower().split(", ")
    assert {"content-type", "idempotency-key", "authorization"} <= set(allowed)
    assert {"GET", "POST", "PUT", "DELETE"} == set(
        (preflight.header("Access-Control-Allow-Methods") or "").split(", ")
    )
    good = await till.call("POST", "/v1/verify", {"text": "x"}, Origin=POS)
    wrong = await till.call("POST", "/v1/redeem", {"text": "x"}, Origin=POS)
    assert (good.status, wrong.status) == (200, 400)
    for answer in (good, wrong, await till.call("GET", "/v1/nothing", Origin=POS)):
        assert answer.header("Access-Control-Allow-Origin") == POS, "errors can be read too"
    async with listening(till, Origin=POS) as stream:
        assert stream.answer.headers["Access-Control-Allow-Origin"] == POS


@module_loop
async def test_only_allowed_origins_are_answered_preflight(till: RealTill) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    refused(await till.call("OPTIONS", "/v1/redeem", headers=asked), 405, "method_not_allowed")
    refused(await till.call("OPTIONS", "/v1/redeem", Origin=POS), 405, "method_not_allowed")


# ---- the token ------------------------------------------------------------------------------------------------------


@module_loop
async def test_the_token_is_wanted_on_every_route(guarded: RealTill) -> None:
    routes = {
        (route.method, route.resource.canonical.replace("{job}", "x"))
        for route in server.make_app(guarded.app.till, "", ()).router.routes()
        if route.resource is not None
    }
    assert ("GET", "/") in routes
    assert ("POST", "/v1/redeem") in routes
    for method, path in routes | {("GET", "/nothing")}:
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{security.COOKIE}=wrong"}):
            answer = await guarded.call(method, path, headers=wrong)
            assert answer.status == 401, (method, path)
            assert answer.header("WWW-Authenticate") == "Bearer"
            if method != "HEAD":
                assert answer.code == "token_needed"


@module_loop
@pytest.mark.parametrize(
    "said",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer \u00e9\u00ff",
    ],
)
async def test_a_wrong_token_is_401(guarded: RealTill, said: str) -> None:
    refused(await guarded.call("GET", "/v1/status", Authorization=said), 401, "token_needed")


@module_loop
async def test_bytes_that_are_no_text_are_no_token(guarded: RealTill) -> None:
    head = b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    for header in (b"Authorization: Bearer \xff\xfe", b"Cookie: redeemd_token=\xff\xfe"):
        assert (await guarded.speak(head + header + b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")


@module_loop
async def test_the_token_opens_by_header_and_by_cookie(guarded: RealTill) -> None:
    for said in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        assert (await guarded.call("GET", "/v1/sale", Authorization=said)).status == 200
    assert (await guarded.call("GET", "/v1/sale", Cookie=f"{security.COOKIE}={TOKEN}")).status == 200


@module_loop
async def test_the_pages_first_address_sets_a_cookie_no_script_can_read(guarded: RealTill) -> None:
    answer = await guarded.call("GET", f"/?token={TOKEN}")
    assert (answer.status, answer.header("Location")) == (303, "/")
    assert answer.header("Referrer-Policy") == "no-referrer"
    cookie = answer.header("Set-Cookie") or ""
    assert cookie.startswith(f"{security.COOKIE}={TOKEN};")
    assert {part.strip() for part in cookie.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Strict"}
    assert (await guarded.call("GET", "/", Cookie=cookie.partition(";")[0])).status == 200
    refused(await guarded.call("GET", "/?token=wrong"), 401, "token_needed")
    refused(await guarded.call("GET", f"/v1/status?token={TOKEN}"), 401, "token_needed")


@module_loop
async def test_preflight_needs_no_token(guarded: RealTill) -> None:
    asked = {"Origin": POS, "Access-Control-Request-Method": "POST"}
    assert (await guarded.call("OPTIONS", "/v1/redeem", headers=asked)).status == 204
    assert (await guarded.call("POST", "/v1/verify", {"text": "x"}, Origin=POS)).status == 401


@pytest.mark.parametrize("content", [b"short", b"x" * 4097, "ключключключключ".encode(), b""])
async def test_an_unfit_token_file_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(server.ApiStartError, match="token_file"):
        async with real_till(tmp_path / "state", api=config.Api(port=0, token_file=str(tmp_path / "token"))):
            pass


async def test_a_taken_port_says_so(till: RealTill, tmp_path: Path) -> None:
    with pytest.raises(server.ApiStartError, match=r"cannot listen on 127\.0\.0\.1:\d+.*api\.port"):
        async with real_till(tmp_path / "state", api=config.Api(port=till.port)):
            pass


# ---- bodies ---------------------------------------------------------------------------------------------------------

FORMS = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "text/json", "", "x"]


@module_loop
@pytest.mark.parametrize("kind", FORMS)
async def test_what_a_form_can_send_is_refused(till: RealTill, kind: str) -> None:
    for method, path in (
        ("POST", "/v1/scan"),
        ("POST", "/v1/redeem"),
        ("PUT", "/v1/sale"),
        ("POST", "/v1/prints/x/reprint"),
    ):
        answer = await till.call(method, path, raw=b'{"text": "x"}', Content_Type=kind)
        refused(answer, 415, "json_needed")


@module_loop
async def test_a_packed_body_is_refused(till: RealTill) -> None:
    answer = await till.call("POST", "/v1/scan", raw=b"\x1f\x8b", Content_Encoding="gzip")
    refused(answer, 415, "json_needed")


@module_loop
async def test_a_large_body_is_refused(till: RealTill) -> None:
    large = b'{"text": "' + b"x" * wire.BODY_BYTES_MAX + b'"}'
    refused(await till.call("POST", "/v1/scan", raw=large), 413, "too_large")


def sale(**changes: Any) -> dict[str, Any]:
    return {"text": "x", "sale": {"total_minor": 1, **changes}}


LINE = {"sku": "A", "quantity": 1, "unit_price_minor": 1}
WRONG_BODIES: list[bytes | dict[str, Any] | list[Any] | str | int | None] = [
    b"",
    b"x",
    b"null",
    b"[" * 100_000,
    b'{"text": ' + b"[" * 100_000,
    b'{"text": "x", "sale": ' + b'{"a": ' * 20_000,
    b'{"text": "x", "text": "y"}',
    b'{"text": "x", "sale": {"total_minor": 1, "total_minor": 2}}',
    b'{"text": "\\ud800"}',
    b'{"text": "\xff"}',
    b'\xef\xbb\xbf{"text": "x"}',
    b'{"text": "x"} {}',
    b'{"text": "x",}',
    b'{"text": "x", "sale": {"total_minor": NaN}}',
    b'{"text": "x", "sale": {"total_minor": Infinity}}',
    b'{"text": "x", "sale": {"total_minor": 1e400}}',
    b'{"text": "x", "sale": {"total_minor": 1.0}}',
    b'{"text": "x", "sale": {"total_minor": ' + b"9" * 5_000 + b"}}",
    {},
    [],
    "x",
    1,
    {"text": None},
    {"text": ""},
    {"text": 1},
    {"text": ["x"]},
    {"text": "x" * 4097},
    {"text": "x", "sale": []},
    {"text": "x", "sale": {}},
    {"text": "x", "note": ""},
    {"text": "x", "y" * 100_000: 1},
    sale(total_minor=-1),
    sale(total_minor=12.5),
    sale(total_minor=True),
    sale(total_minor="1"),
    sale(total_minor=None),
    sale(total_minor=AMOUNT_MAX_MINOR + 1),
    sale(total_minor=2**63),
    sale(total=1),
    sale(currency="cny"),
    sale(currency="CNY\n"),
    sale(currency=""),
    sale(sale_id=""),
    sale(sale_id="x" * 65),
    sale(sale_id="a\x1b@"),
    sale(sale_id="a\n"),
    sale(sale_id="\u0085"),
    sale(lines=[{}]),
    sale(lines=[LINE | {"quantity": 1.5}]),
    sale(lines=[LINE | {"unit_price_minor": -1}]),
    sale(lines=[LINE | {"sku": "\x00"}]),
    sale(lines=[LINE | {"quantity": wire.QUANTITY_MAX + 1}]),
    sale(lines=[LINE] * 501),
    sale(lines=None),
]


@module_loop
@pytest.mark.parametrize("body", WRONG_BODIES, ids=[str(body)[:40] for body in WRONG_BODIES])
async def test_a_wrong_body_is_refused_and_told_why(till: RealTill, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    for path in ("/v1/redeem", "/v1/verify"):
        answer = await till.call("POST", path, raw=raw, Idempotency_Key="wrong")
        refused(answer, 400, "bad_body")
        assert len(answer.json["error"]["en"]) <= 250, "a caller's own text is not sent back at length"


@module_loop
async def test_the_field_at_fault_is_named(till: RealTill) -> None:
    answer = await till.call("POST", "/v1/verify", sale(lines=[LINE, LINE | {"quantity": "2"}]))
    assert "$.sale.lines[1].quantity" in answer.json["error"]["en"]
    assert answer.json["error"]["zh"].startswith("请求内容有误：")


@module_loop
@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "\x1b@\n\r\t", "\u202e", "🎫" * 4096, "x" * 4096, " ", "RC1" + "A" * 4000]
)
async def test_any_text_is_a_scan(till: RealTill, text: str) -> None:
    """What a scanner may read, a page may type: it is judged, refused with a sentence and remembered as evidence."""
    answer = await till.redeem(text, f"text-{hash(text)}", total_minor=AMOUNT_MAX_MINOR)
    assert answer.status == 200
    assert answer.json["accepted"] is False
    assert answer.json["zh"]


@module_loop
@pytest.mark.parametrize("key", ["", "k" * 129, "ключ", "a\tb", "\u00ff"])
async def test_a_wrong_key_is_refused(till: RealTill, key: str) -> None:
    answer = await till.redeem("x", key)
    refused(answer, 400, "key_form" if key else "key_missing")


@module_loop
async def test_a_key_is_needed_and_only_one(till: RealTill) -> None:
    refused(await till.call("POST", "/v1/redeem", {"text": "x"}), 400, "key_missing")
    head = b"POST /v1/redeem HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    two = b'Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 13\r\n\r\n{"text": "x"}'
    assert b'"key_form"' in await till.speak(head + two)
    assert (await till.redeem("x", "~" * 128)).status == 200


@module_loop
async def test_any_job_name_is_an_unknown_job(till: RealTill) -> None:
    for job in (
        "x",
        "%00",
        "%ff%fe",
        "%F0%9F%8E%AB",
        "..",
        "x" * 4000,
        "a%2Fb",
        "'; DROP TABLE print_job; --".replace(" ", "%20"),
    ):
        for method, path in (("GET", f"/v1/prints/{job}"), ("POST", f"/v1/prints/{job}/reprint")):
            answer = await till.call(method, path, {} if method == "POST" else None)
            assert answer.status == 404, job
            assert answer.code in ("unknown_job", "not_found")


@module_loop
async def test_wrong_methods_and_addresses_have_the_one_form(till: RealTill) -> None:
    wrong = await till.call("DELETE", "/v1/status")
    refused(wrong, 405, "method_not_allowed")
    assert set((wrong.header("Allow") or "").split(",")) == {"GET", "HEAD"}
    refused(await till.call("GET", "/v1/redeem"), 405, "method_not_allowed")
    refused(await till.call("OPTIONS", "/v1/status"), 405, "method_not_allowed")
    refused(await till.call("GET", "/v2/status"), 404, "not_found")
    refused(await till.call("GET", "/../../etc/passwd"), 404, "not_found")
    assert (await till.call("HEAD", "/v1/status")).raw == b""
    assert (await till.call("HEAD", "/v1/events")).status == 405, "it would hold a place and read nothing"


@module_loop
async def test_every_answer_is_kept_by_nobody_and_names_no_version(till: RealTill) -> None:
    for answer in (
        await till.call("GET", "/"),
        await till.call("GET", "/v1/status"),
        await till.call("GET", "/x"),
    ):
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("Server") == "redeemd"


@module_loop
@pytest.mark.parametrize(
    "request_line",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9",
        b"GET /v1/sale" + b"x" * 20_000 + b" HTTP/1.1",
        b"\x00" * 100,
    ],
)
async def test_what_is_no_http_is_closed(till: RealTill, request_line: bytes) -> None:
    answer = await till.speak(request_line + b"\r\nHost: localhost\r\n\r\n")
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")) or answer == b""
    assert b"Traceback" not in answer


def test_errors_are_new_each_time_and_all_have_sentences() -> None:
    for code, problem in PROBLEMS.items():
        assert problem.zh, code
        assert problem.en, code
        assert ApiError(code).response().status == problem.status
    with pytest.raises(KeyError):
        ApiError("new_code").response()


# ---- floods and callers that never finish ---------------------------------------------------------------------------


async def test_a_caller_that_sends_nothing_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    async with real_till(tmp_path / "state") as till:
        assert await till.speak(b"") == b""
        assert await till.speak(b"POST /v1/scan HTTP/1.1\r\nHost: loc") == b""
        answered = await till.speak(b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answered.endswith(b'{"sale": null}')


async def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "BODY_WAIT_S", 0.05)
    head = b"POST /v1/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with real_till(tmp_path / "state") as till:
        reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
        writer.write(head + b'Content-Length: 20\r\n\r\n{"text')
        async with asyncio.timeout(WAIT_S):
            answer = await reader.readuntil(b"}}")
        assert b" 408 " in answer
        assert b'"body_timeout"' in answer
        writer.close()


async def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 3)
    async with real_till(tmp_path / "state") as till, AsyncExitStack() as open_ones:
        request = b"GET /v1/sale HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", till.port)
            open_ones.callback(writer.close)
            writer.write(request)
            await reader.readuntil(b"null}")
        async with asyncio.timeout(WAIT_S):
            fourth, writer = await asyncio.open_connection("127.0.0.1", till.port)
            open_ones.callback(writer.close)
            assert await fourth.read() == b""


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
            assert (answer.status, (await answer.json())["error"]["code"]) == (500, "internal")
        async with session.get(url + "/v1/health") as answer:
            assert answer.status == 200
    process.terminate()
    _, stderr = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert b"a surprise" in stderr
