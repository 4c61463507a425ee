"""For how long the cloud keeps what names people: pseudonyms beside records, notes of what staff did, dead deliveries.

Records themselves are what settlement and every chain stand on: they are kept, without anybody's name in them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from agent.domain.time import timestamp


class Keep(NamedTuple):
    """In days. pseudonyms: beside a record, from when it was received. acts: of staff. deliveries: dead ones of
    webhooks.
    """

    pseudonyms: int = 400
    acts: int = 730
    deliveries: int = 90


class RetentionStore(Protocol):
    """The part of `cloud.ports.CloudStore` that forgets by age. Each: a bounded step; how many rows are gone."""

    async def lanes_disclosing(self) -> list[tuple[str, str]]:
        """(till, lane) of those that disclose anybody."""

    async def forget_pseudonyms(self, till: str, lane: str, before: str) -> int:
        """Of the oldest records of a lane, those that were received before."""

    async def forget_acts(self, before: str) -> int: ...

    async def forget_deliveries(self, before: str) -> int: ...


async def tidy(store: RetentionStore, keep: Keep, now: datetime) -> dict[str, int]:
    """Forget what is past its time; rows gone by kind."""

    def before(days: int) -> str:
        return timestamp(now - timedelta(days=days))

    gone = {"pseudonyms": 0, "acts": 0, "deliveries": 0}
    for till, lane in await store.lanes_disclosing():
        while count := await store.forget_pseudonyms(till, lane, before(keep.pseudonyms)):
            gone["pseudonyms"] += count
    while count := await store.forget_acts(before(keep.acts)):
        gone["acts"] += count
    while count := await store.forget_deliveries(before(keep.deliveries)):
        gone["deliveries"] += count
    return gone
