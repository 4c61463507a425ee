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
from tests.unit.domain_kit import examples

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


V4 = st.one_of(
    st.ip_addresses(v=4),
    *(
        st.ip_addresses(network=one)
        for one in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10")
    ),
)
REST = st.binary(min_size=16, max_size=16)


def v6(*parts: bytes | str) -> ipaddress.IPv6Address:
    """Of these bytes (hexadecimal digits or raw), and zeros behind them."""
    octets = b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in parts)
    return ipaddress.IPv6Address(octets[:16].ljust(16, b"\0"))


CARRIES: dict[str, Any] = {
    "mapped": lambda v4, rest: v6("00" * 10, "ffff", v4),
    "compatible": lambda v4, rest: v6("00" * 12, v4),
    "NAT64": lambda v4, rest: v6("0064ff9b", "00" * 8, v4),
    "local NAT64 /48": lambda v4, rest: v6("0064ff9b0001", v4[:2], rest[:1], v4[2:], rest[1:6]),
    "local NAT64 /56": lambda v4, rest: v6("0064ff9b0001", rest[:1], v4[:1], rest[1:2], v4[1:], rest[2:6]),
    "local NAT64 /64": lambda v4, rest: v6("0064ff9b0001", rest[:2], rest[2:3], v4, rest[3:6]),
    "local NAT64 /96": lambda v4, rest: v6("0064ff9b0001", rest[:6], v4),
    "6to4": lambda v4, rest: v6("2002", v4, rest),
    "Teredo server": lambda v4, rest: v6("20010000", v4, rest),
    "Teredo client": lambda v4, rest: v6("20010000", rest[:8], bytes(255 - one for one in v4)),
}
WAYS_OUT = {"mapped", "NAT64", "6to4"}
"""What is nothing but another way to its IPv4 address, and so goes where that may go."""
THEIRS = (ipaddress.ip_network("10.0.0.0/9"), ipaddress.ip_network("::/0"))


@examples(400)
@given(st.sampled_from(sorted(CARRIES)), V4, REST, st.sampled_from([(), THEIRS]))
def test_what_carries_an_address_goes_no_further_than_that(
    how: str, v4: ipaddress.IPv4Address, rest: bytes, allowed: Any
) -> None:
    address = CARRIES[how](v4.packed, rest)
    nobody = v4.packed[0] == 0 and how not in WAYS_OUT
    assert nobody or v4 in (carried_by(address) or ())
    if not may_reach(v4, allowed):
        assert nobody or not may_reach(address, allowed), address
    elif how in WAYS_OUT:
        assert may_reach(address, allowed), address
    elif not allowed:
        assert not may_reach(address, ()), "no address of the public Internet"


@examples(200)
@given(st.ip_addresses(v=6))
def test_what_carries_nothing_goes_by_itself(address: ipaddress.IPv6Address) -> None:
    if not carried_by(address):
        assert may_reach(address, ()) == (
            address.is_global and not address.is_multicast and not address.is_reserved
        )


@pytest.mark.parametrize(
    "address", ["64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "2001:0:808:808::f7f7:f7f7"]
)
def test_a_network_of_the_operators_that_carries_public_addresses(address: str) -> None:
    mine = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "2001::/32")))
    assert not may_reach(ipaddress.ip_address(address), ())
    assert may_reach(ipaddress.ip_address(address), mine)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100::",
        "64:ff9b:1:a00:0:100:808:808",
        "2001:0:a00:1::f7f7:f7f7",
        "::10.0.0.1",
    ],
)
def test_naming_the_outer_network_names_nothing_within(address: str) -> None:
    assert not may_reach(ipaddress.ip_address(address), (ipaddress.ip_network("::/0"),))


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
