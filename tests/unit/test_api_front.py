"""What the front of a connection takes for a plain request to redeem, and for one whole request of any kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.api.front import HEAD_BYTES_MAX, head_of, is_whole

BODY = b'{"text":"x"}'
HEAD = (
    b"POST /v1/redeem HTTP/1.1\r\nHost: 127.0.0.1:8765\r\nContent-Type: application/json\r\nContent-Length: 12\r\n"
    b"Idempotency-Key: k-1\r\n"
)
PLAIN = HEAD + b"\r\n" + BODY


def test_the_plain_form() -> None:
    more = b"user-agent: pos/1 (x)\r\nACCEPT: */*\r\nConnection:Keep-Alive\r\nAuthorization: Bearer abc\r\n"
    found = head_of(HEAD + more + b"\r\n" + BODY)
    assert found is not None
    headers, start = found
    assert (HEAD + more + b"\r\n" + BODY)[start:] == BODY
    assert headers["host"] == "127.0.0.1:8765"
    assert headers["idempotency-key"] == "k-1"
    assert headers["authorization"] == "Bearer abc"


def test_a_body_that_is_not_here_yet() -> None:
    assert head_of(HEAD + b"\r\n") is not None


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"POST", b"post"),
        (b"POST", b"GET"),
        (b"/v1/redeem", b"/v1/redeem?x=1"),
        (b"/v1/redeem", b"/v1/scan"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"\r\n", b"\n"),
        (b"Host: ", b"Host : "),
        (b"Host: ", b" Host: "),
        (b"Host: 127.0.0.1:8765\r\n", b""),
        (b"Content-Type: application/json", b"Content-Type: application/json; charset=utf-8"),
        (b"Content-Type: application/json\r\n", b""),
        (b"Content-Length: 12\r\n", b""),
        (b"Content-Length: 12", b"Content-Length: 0"),
        (b"Content-Length: 12", b"Content-Length: +12"),
        (b"Content-Length: 12", b"Content-Length: 12 "),
        (b"Content-Length: 12", b"Content-Length: 9999999"),
        (b"Content-Length: 12", b"Content-Length: 12\r\nContent-Length: 12"),
        (b"Idempotency-Key: k-1\r\n", b""),
        (b"Idempotency-Key: k-1", b"Idempotency-Key: "),
        (b"Idempotency-Key: k-1", b"Idempotency-Key: k-1\r\nIdempotency-Key: k-2"),
        (b"Idempotency-Key: k-1", b"Idempotency-Key: k\xc3\xa9"),
        (b"k-1\r\n", b"k-1\r\nTransfer-Encoding: chunked\r\n"),
        (b"k-1\r\n", b"k-1\r\nExpect: 100-continue\r\n"),
        (b"k-1\r\n", b"k-1\r\nOrigin: http://evil.example\r\n"),
        (b"k-1\r\n", b"k-1\r\nSec-Fetch-Site: cross-site\r\n"),
        (b"k-1\r\n", b"k-1\r\nCookie: redeemd_token=x\r\n"),
        (b"k-1\r\n", b"k-1\r\nContent-Encoding: gzip\r\n"),
        (b"k-1\r\n", b"k-1\r\nConnection: close\r\n"),
        (b"k-1\r\n", b"k-1\r\n folded\r\n"),
        (b"k-1\r\n", b"k-1\r\nAccept: " + b"x" * HEAD_BYTES_MAX + b"\r\n"),
    ],
)
def test_whatever_else_is_not_plain(was: bytes, becomes: bytes) -> None:
    assert was in PLAIN
    assert head_of(PLAIN.replace(was, becomes)) is None


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_a_changed_byte_is_not_plain_or_means_what_it_says(place: int, byte: int) -> None:
    changed = PLAIN[:place] + bytes([byte]) + PLAIN[place + 1 :]
    if (found := head_of(changed)) is not None:
        headers, start = found
        assert changed[:start].endswith(b"\r\n\r\n")
        assert {"host", "content-type", "content-length", "idempotency-key"} <= headers.keys()
        assert headers["content-type"] == "application/json"


GET = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("request_", [PLAIN, GET])
def test_one_whole_request_and_no_more(request_: bytes) -> None:
    assert is_whole(request_)
    assert not is_whole(request_[:-1])
    assert not is_whole(request_ + b"x")
    assert not is_whole(request_ + request_)


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\r\n\r\n",
        GET.replace(b"GET", b"CONNECT"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"\r\n\r\n", b"\r\nUpgrade: websocket\r\n\r\n"),
        GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length : 5\r\n\r\n"),
        GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"),
        b"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_only_a_parser_can_divide(request_: bytes) -> None:
    assert not is_whole(request_)
