"""What the cloud keeps of erasures: that they were, never of whom."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from agent.domain.record import ChainHead
from cloud.erasure_proof import Place

HANDED_MAX = 10_000
"""Records that an erasure names to who asked for it."""


class Done(NamedTuple):
    """A till erased, and says so in this record."""

    till: str
    record_id: str
    hash: str
    received_at: str
    removed: int


class Erasure(NamedTuple):
    """disclosures: how many the cloud had. names: digests of what was erased, in hex. done: by tills.

    records_digest: of the records that named the person and the salt, None where nothing was kept of them. handed: that
    salt and those records, HANDED_MAX at most, told once and kept nowhere: they would join for ever what was erased.
    """

    number: int
    at: str
    disclosures: int
    names: tuple[str, ...]
    done: tuple[Done, ...]
    records_digest: bytes | None = None
    handed: tuple[bytes, tuple[Place, ...]] | None = None


class ErasedRecord(NamedTuple):
    """text: of the record, "" where it is not here. heads: by lane, of those that have a record."""

    text: str
    heads: dict[str, ChainHead]


class ErasureStore(Protocol):
    """The part of `cloud.ports.CloudStore` that erases."""

    async def erase(self, pseudonym: bytes, at: str) -> Erasure:
        """Erase it, with what follows from it. One that was erased before: that erasure again."""

    async def erasures(self, limit: int) -> list[Erasure]:
        """The newest first."""

    async def erasure(self, number: int) -> Erasure | None: ...

    async def erased_records(self, number: int) -> dict[str, ErasedRecord]:
        """Of each till that says that it erased up to `number`: what it says so with, and where its lanes ended."""

    async def erased_names(self, since: str) -> tuple[int, list[bytes]]:
        """The number of the last erasure, 0 for none, and the names of those since then."""
