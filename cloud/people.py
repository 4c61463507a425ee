"""Purchases by pseudonym, of those whose records disclose it."""

from __future__ import annotations

import json
from typing import NamedTuple, Protocol

PeopleCursor = tuple[str, str, int, str, str]
"""pseudonym, till, sequence, hash, digest."""


class Purchase(NamedTuple):
    """A redemption that discloses this pseudonym, in whatever part of it."""

    pseudonym: str
    till: str
    sequence: int
    hash: str
    digest: str
    received_at: str
    event: str

    @property
    def cursor(self) -> PeopleCursor:
        return self[:5]

    def is_members(self) -> bool:
        """Whether it is who bought, not who brought the customer."""
        data = json.loads(self.event).get("data")
        member = data.get("member") if isinstance(data, dict) else None
        return isinstance(member, dict) and member.get("pseudonym") == self.digest


class PeopleStore(Protocol):
    """The part of `cloud.ports.CloudStore` that knows customers, by pseudonyms."""

    async def purchases(self, after: PeopleCursor, limit: int) -> list[Purchase]:
        """Those of one pseudonym together."""
