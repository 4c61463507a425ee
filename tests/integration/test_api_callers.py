"""Who may call the local API: foreign hosts, foreign pages, a browser POS, and the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import config
from agent.api import security, server
from tests.integration.api_kit import RealTill, listening, real_till, refused

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
