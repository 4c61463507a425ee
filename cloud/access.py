"""Who may do what: bearer tokens, enrolment codes, and a limit on wrong guesses.

Tokens and codes are stored as SHA-256 only. Both are random (256 and 60 bits), so a plain hash gives nothing away.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable

from cloud.ports import Role

TOKEN_PREFIX = "rca_"  # what scanners find leaked tokens by
ENROL_CONTEXT = b"redeemd/enrol/v1\0"
CODE_HOURS = 24
_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing is mistaken when read out
_CODE_CHARS = 12
_LOOKALIKES = str.maketrans("ILO", "110")
_ALLOWED: dict[Role, frozenset[Role]] = {
    Role.READER: frozenset(Role),
    Role.ISSUER: frozenset({Role.ISSUER, Role.ADMIN}),
    Role.ADMIN: frozenset({Role.ADMIN}),
}


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored of a token or a code."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def may(role: Role, needed: Role) -> bool:
    """Whether a token with `role` may do what needs `needed`."""
    return role in _ALLOWED[needed]


def new_code() -> str:
    """An enrolment code to type: XXXX-XXXX-XXXX."""
    chars = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_CHARS))
    return "-".join(chars[at : at + 4] for at in range(0, _CODE_CHARS, 4))


def plain_code(typed: str) -> str:
    """A code as typed, without what people add or mistake: case, spaces, dashes, I and L for 1, O for 0."""
    return typed.upper().replace("-", "").replace(" ", "").translate(_LOOKALIKES)


class Attempts:
    """Wrong guesses per address: `most` within `window_s` seconds, then wait. Forgets the oldest beyond `addresses`."""

    def __init__(
        self, most: int, window_s: float, monotonic: Callable[[], float], addresses: int = 10_000
    ) -> None:
        self._most = most
        self._window_s = window_s
        self._monotonic = monotonic
        self._addresses = addresses
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may guess again, 0 if it may now."""
        recent = self._recent(address)
        if len(recent) < self._most:
            return 0.0
        return max(0.0, recent[0] + self._window_s - self._monotonic())

    def failed(self, address: str) -> None:
        self._failures[address] = [*self._recent(address), self._monotonic()][-self._most :]
        self._failures.move_to_end(address)
        if len(self._failures) > self._addresses:
            self._failures.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = self._monotonic() - self._window_s
        return [moment for moment in self._failures.get(address, ()) if moment > since]
