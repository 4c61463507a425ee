"""What the cloud's store knows for those outside: what records say of people, and what left the cloud."""

from __future__ import annotations

from typing import Protocol


class OutwardStore(Protocol):
    """The part of `cloud.ports.CloudStore` that looks outwards."""

    async def events_of(self, till: str, lane: str, after: int, limit: int) -> list[tuple[int, str]]:
        """(sequence, event as it is kept) of a lane behind `after`, in that order."""

    async def disclosing(self, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
        """(till, lane, sequence, hash) of records that disclose this pseudonym, in that order."""
