"""What the cloud asks of its database about opaque codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.domain.codes import TableHead
from agent.domain.scan import Rule


@dataclass(frozen=True, slots=True)
class CodeSecret:
    """An issuer's secrets. key: what codes are hashed with; tills get it. seed: what codes are made from; it stays."""

    issuer: str
    key_id: bytes
    key: bytes = field(repr=False)
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListedTable:
    """A table of codes. sha256 and length: of its part, empty and 0 while it is to be made (again)."""

    issuer: str
    campaign: int
    number: int
    sha256: bytes
    length: int


class CodeStore(Protocol):
    """The cloud's memory of codes: `CloudStore.codes`. Every method is one transaction."""

    async def secret(self, issuer: str) -> CodeSecret:
        """An issuer's secrets, made when they are first asked for."""

    async def secrets(self) -> list[CodeSecret]: ...

    async def check_free(self, issuer: str, hashes: Sequence[bytes], campaign: int | None) -> None:
        """Refused(409) if this issuer lists one of the hashes already, unless it does in `campaign`."""

    async def add(self, head: TableHead, rows: Sequence[tuple[bytes, int]]) -> None:
        """List (hash, index): in the campaign's last table of this very head while there is room, else in a new one.

        The very same row again is no error. Refused(409) if this issuer lists one of the hashes for another coupon.
        """

    async def tables(self) -> list[ListedTable]:
        """All of them, in order of (issuer, campaign, number)."""

    async def rows(self, table: ListedTable) -> tuple[TableHead, list[tuple[bytes, int]]]:
        """The table's head and its (hash, index)."""

    async def put(self, table: ListedTable, count: int, content: bytes, at: str) -> ListedTable:
        """Keep the table's part, made of `count` rows."""

    async def scan_rules(self) -> list[Rule]: ...

    async def put_scan_rules(self, rules: Sequence[Rule]) -> None: ...
