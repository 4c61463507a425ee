"""Where deliveries may go, how they are signed, what answers mean."""

from __future__ import annotations

import base64
import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain.fields import FieldError
from cloud.addresses import carried_by, may_reach
from cloud.feed import FeedCursor, FeedEvent
from cloud.webhooks import Verdict, check_url, message_id, signature, verdict_of

PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]
PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
    *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"),
    *("64:ff9b::a00:1", "64:ff9b::7f00:1", "2001:db8::1"),
    *("64:ff9b:1::a00:1", "64:ff9b:1:a00:0:100::", "2001:0:a00:1::", "2001::f5ff:fffe", "::10.0.0.1"),
]


def test_the_signature_is_that_of_the_standard() -> None:
    """The example that its reference libraries are tested with."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def forms(inner: int) -> list[str]:
    """RFC 4291, 6052, 3056, 4380: each way to carry an IPv4 address, written by hand."""
    high, low = f"{inner >> 16:x}", f"{inner & 0xFFFF:x}"
    turned = inner ^ 0xFFFFFFFF
    return [
        f"::ffff:{high}:{low}",
        f"::{high}:{low}",
        f"64:ff9b::{high}:{low}",
        f"64:ff9b:1::{high}:{low}",
        f"2002:{high}:{low}::1",
        f"2001:0:{high}:{low}::{turned >> 16:x}:{turned & 0xFFFF:x}",
        f"2001:0:5db8:d70e::{turned >> 16:x}:{turned & 0xFFFF:x}",
    ]


@given(st.integers(2**24, 2**32 - 1))
def test_what_an_address_carries_must_be_public_too(inner: int) -> None:
    bare = ipaddress.IPv4Address(inner)
    for form in forms(inner):
        address = ipaddress.ip_address(form)
        carried = carried_by(address)
        assert carried is not None
        assert bare in carried, form
        if not may_reach(bare, ()):
            assert not may_reach(address, ()), form


def test_nothing_is_read_into_other_addresses() -> None:
    for address in ("::", "::1", "2606:2800:21f:cb07::1", "fe80::1", "10.0.0.1"):
        assert carried_by(ipaddress.ip_address(address)) is None
    assert may_reach(ipaddress.ip_address("::1"), (ipaddress.ip_network("::1/128"),))


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_may_be_reached(address: str) -> None:
    assert may_reach(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_may_not(address: str) -> None:
    assert not may_reach(ipaddress.ip_address(address), ())
    assert not may_reach(ipaddress.ip_address(address), (ipaddress.ip_network("203.0.113.0/24"),))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_unless_the_operator_named_it(address: str) -> None:
    assert may_reach(ipaddress.ip_address(address), (ipaddress.ip_network("10.1.2.0/24"),))


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://erp.example/", "not https"),
        ("http://127.0.0.1.nip.io/", "not https"),
        ("ftp://erp.example/", "neither https"),
        ("https://", "names no host"),
        ("https:///x", "names no host"),
        ("erp.example", "names no host"),
        ("https://me:secret@erp.example/", "user name"),
        ("https://erp.example/#x", "fragment"),
        ("https://erp.example:x/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://erp.example/" + "x" * 500, "500"),
        ("https://érp.example/", "ASCII"),
        ("https://erp.example/\n", "ASCII"),
    ],
)
def test_what_is_no_address_of_a_webhook(url: str, wrong: str) -> None:
    with pytest.raises(FieldError, match=wrong):
        check_url(url)


@pytest.mark.parametrize("url", ["https://erp.example/hook?x=1", "http://localhost:8080/", "http://[::1]:1/"])
def test_addresses_of_webhooks(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 204, 299), Verdict.TAKEN),
        ((410,), Verdict.GONE),
        ((400, 401, 404, 413, 422), Verdict.REJECTED),
        ((301, 302, 304, 307, 408, 425, 429, 500, 502, 503), Verdict.FAILED),
    ],
)
def test_what_an_answer_means(statuses: tuple[int, ...], verdict: Verdict) -> None:
    assert {verdict_of(status) for status in statuses} == {verdict}


def test_an_event_has_one_name_wherever_it_stands_in_the_feed() -> None:
    def event(position: int, **said: Any) -> FeedEvent:
        return FeedEvent(FeedCursor(position), {"source": "/tills/T-1", "id": "T-1-1"} | said)

    assert message_id(event(1)) == message_id(event(2, data={}))
    assert message_id(event(1)) != message_id(event(1, source="/cloud"))
    assert "." not in message_id(event(1))
