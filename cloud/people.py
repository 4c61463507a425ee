"""Purchases by pseudonym, of those whose records disclose it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

PeopleCursor = tuple[str, str, int, str, str]
"""pseudonym, till, sequence, hash, digest."""
PEOPLE_FIRST: PeopleCursor = ("", "", 0, "", "")


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

    def is_members(self, data: Mapping[str, Any]) -> bool:
        """Whether it is who bought, not who brought the customer. data: of the event."""
        member = data.get("member")
        return isinstance(member, dict) and member.get("pseudonym") == self.digest

    def is_units(self, data: Mapping[str, Any]) -> bool:
        """Whether the receipt's promotion was decided by this customer."""
        promotion = data.get("promotion")
        return isinstance(promotion, dict) and promotion.get("unit") == self.digest


class PeopleStore(Protocol):
    """The part of `cloud.ports.CloudStore` that knows customers, by pseudonyms."""

    async def purchases(self, after: PeopleCursor, limit: int) -> list[Purchase]:
        """Those of one pseudonym together."""
