"""Where deliveries may go: addresses of the public Internet, and networks that the operator named. Pure.

An IPv6 address may carry an IPv4 address to which whoever connects to it is led, by a translator or a tunnel. Then what
it carries counts as well, in each way in which it can be read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_V4 = ipaddress.IPv4Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
_PREFIX_BITS = (48, 56, 64, 96)
"""RFC 6052, section 2.2: behind prefixes of so many bits the address stands, around the byte at bit 64."""


def literal(host: str) -> Address | None:
    """The address that a host is written as, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether deliveries may go to this address, with all that it carries."""
    carried = carried_by(address)
    if carried is None:
        return _reaches(address, allowed)
    stands_for_it = _stands_for(address)
    return all(_reaches(one, allowed) for one in carried) and (stands_for_it or _reaches(address, allowed))


def carried_by(address: Address) -> tuple[_V4, ...] | None:
    """The IPv4 addresses in an IPv6 one, in each way of reading it; None where it carries none.

    IPv4-mapped and IPv4-compatible (RFC 4291; :: and ::1 are neither), NAT64 (RFC 6052, 8215), 6to4 (RFC 3056), Teredo
    (RFC 4380: the server and the client).
    """
    if isinstance(address, _V4):
        return None
    bits = int(address)
    last = _V4(bits & 0xFFFFFFFF)
    if address in _NAT64_LOCAL:
        # Which prefix the translator has is its own affair. Where it is another one, what is read is 0.x.x.x: nobody.
        read = {_behind(bits, length) for length in _PREFIX_BITS}
        return tuple(sorted(one for one in read if one not in _THIS_NETWORK)) or (last,)
    if address in _TEREDO:
        return _V4((bits >> 64) & 0xFFFFFFFF), _V4(~bits & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.ipv4_mapped is not None or address in _NAT64 or (address in _COMPATIBLE and bits > 1):
        return (last,)
    return None


def _behind(bits: int, length: int) -> _V4:
    """The IPv4 address behind a NAT64 prefix of so many bits."""
    octets = bits.to_bytes(16, "big")
    without = octets[:8] + octets[9:]  # bits 64 to 71 carry nothing
    start = length // 8 if length < 96 else 11
    return _V4(without[start : start + 4])


def _stands_for(address: Address) -> bool:
    """Whether it is nothing but a way to write or to reach what it carries, so that it need not be public itself."""
    assert isinstance(address, ipaddress.IPv6Address), "an IPv4 address carries none"
    return address.ipv4_mapped is not None or address.sixtofour is not None or address in _NAT64


def _reaches(address: Address, allowed: Sequence[Network]) -> bool:
    if any(address in network for network in allowed if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved
