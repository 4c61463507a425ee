"""What the cloud's store knows for those outside: what records say of people, and what left the cloud."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloud.feed import FeedCursor, FeedPage


class OutwardStore(Protocol):
    """The part of `cloud.ports.CloudStore` that looks outwards."""

    async def events_of(self, till: str, lane: str, after: int, limit: int) -> list[tuple[int, str]]:
        """(sequence, event as it is kept) of a lane behind `after`, in that order."""

    async def disclosing(self, pseudonym: str, limit: int) -> list[tuple[str, str, int, str]]:
        """(till, lane, sequence, hash) of records that disclose this pseudonym, in that order."""

    async def feed(self, after: FeedCursor, limit: int, types: Collection[str]) -> FeedPage:
        """Events of these types behind `after`; all that was committed before the call is in the order by then.

        Refused(409) for a cursor ahead of the feed.
        """

    async def feed_behind(self, after: FeedCursor, types: Collection[str], most: int) -> int:
        """How many events of these types are behind `after`; `most` for so many or more."""

    async def feed_end(self) -> FeedCursor:
        """Behind all that was committed before the call."""
