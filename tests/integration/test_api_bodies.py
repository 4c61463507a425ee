"""What callers send to the local API: wrong bodies, any text, wrong keys and addresses, refused in the one form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from agent.api import wire
from agent.api.errors import PROBLEMS, ApiError
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.sale import PIECES_MAX
from tests.integration.api_kit import RealTill, real_till, refused


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def till(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealTill]:
    """One till for all that leaves no trace on it."""
    async with real_till(tmp_path_factory.mktemp("till") / "state") as made:
        yield made


module_loop = pytest.mark.asyncio(loop_scope="module")


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
    sale(sale_id="a\u202eb"),  # what follows would be read backwards
    sale(sale_id="a\u200b"),
    sale(sale_id="a\U000e0041"),
    sale(lines=[LINE | {"sku": "\u2067A"}]),
    sale(lines=[{}]),
    sale(lines=[LINE | {"quantity": 1.5}]),
    sale(lines=[LINE | {"unit_price_minor": -1}]),
    sale(lines=[LINE | {"sku": "\x00"}]),
    sale(lines=[LINE | {"quantity": PIECES_MAX + 1}]),
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
        assert len(answer.json["en"]) <= 250, "a caller's own text is not sent back at length"


@module_loop
async def test_the_field_at_fault_is_named(till: RealTill) -> None:
    answer = await till.call("POST", "/v1/verify", sale(lines=[LINE, LINE | {"quantity": "2"}]))
    assert "$.sale.lines[1].quantity" in answer.json["en"]
    assert answer.json["zh"].startswith("请求内容有误：")


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
