"""Who may do what: bearer tokens, enrolment codes, and a limit on wrong guesses.

Tokens and codes are stored as SHA-256 only. Both are random (256 and 60 bits), so a plain hash gives nothing away.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address, ip_network

TOKEN_PREFIX = "rca_"  # what scanners find leaked tokens by
ENROL_CONTEXT = b"redeemd/enrol/v1\0"
CODE_HOURS = 24
_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing is mistaken when read out
_CODE_CHARS = 12
_LOOKALIKES = str.maketrans("ILO", "110")


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a token or a code."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def new_code() -> str:
    """An enrolment code to type: XXXX-XXXX-XXXX."""
    chars = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_CHARS))
    return "-".join(chars[at : at + 4] for at in range(0, _CODE_CHARS, 4))


def plain_code(typed: str) -> str:
    """A code as typed, without what people add or mistake: case, spaces, dashes, I and L for 1, O for 0."""
    return typed.upper().replace("-", "").replace(" ", "").translate(_LOOKALIKES)


def neighbourhood(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 host has to itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((int(parsed) >> 64 << 64, 64)))


class Attempts:
    """Guesses at enrolment codes, a bucket for each address: `most` at once, one more every `refill_s` seconds.

    A guess is taken before the code is looked up, or many at the same moment would count as none, and given back when
    the code was right. So no number of wrong codes holds up the tills behind one address for longer than `refill_s`,
    and no address makes more than 86400 / refill_s guesses a day. Forgets the oldest beyond `addresses`.
    """

    def __init__(
        self, most: int, refill_s: float, monotonic: Callable[[], float], addresses: int = 10_000
    ) -> None:
        self._most = most
        self._refill_s = refill_s
        self._monotonic = monotonic
        self._addresses = addresses
        self._owed: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Seconds until the bucket is full again, and since when."""

    def take(self, address: str) -> float:
        """0 when this address may guess, which is then counted; else the seconds until it may."""
        place, now = neighbourhood(address), self._monotonic()
        owed_s, since = self._owed.get(place, (0.0, now))
        owed_s = max(0.0, owed_s - (now - since)) + self._refill_s
        wait_s = owed_s - self._most * self._refill_s
        if wait_s > 0:
            return wait_s
        self._owed[place] = owed_s, now
        self._owed.move_to_end(place)
        if len(self._owed) > self._addresses:
            self._owed.popitem(last=False)
        return 0.0

    def give_back(self, address: str) -> None:
        """The guess that was taken is not to be counted: the code was right, or was not looked up after all."""
        place = neighbourhood(address)
        if place in self._owed:
            owed_s, since = self._owed[place]
            self._owed[place] = owed_s - self._refill_s, since
