"""What the SQL of the cloud is written against, so that one text serves both engines.

The text is what SQLite and PostgreSQL have in common: `?` or `?1` for values, ON CONFLICT with its target, RETURNING,
row values. Where they have no word in common Python does the work. The last row by a key is asked for as ORDER BY
... DESC LIMIT 1, not as max(): without statistics of a table PostgreSQL would read all of a till.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from cloud.errors import StoreUnavailable

T = TypeVar("T")
Row = tuple[Any, ...]
Lock = tuple[str, ...]
"""What a transaction works on: ("till", name) or ("campaign", issuer, number)."""
LOCK_SLOTS = 1024
"""Locks are folded to so many numbers, so that a batch of very many campaigns cannot fill the engine's lock table."""


class Rows(Protocol):
    """What a statement gave. rowcount: rows that it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Db(Protocol):
    """An open transaction. Rows are tuples."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object: ...

    def matching(self, sql: str, values: Sequence[Any], keys: Sequence[int]) -> list[Row]:
        """Run `sql`, with `keys` in place of its `{keys}`, which comes last: ... WHERE till = ? AND sequence {keys}."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Add whole rows, in the order of the table's columns, that are known to be new."""


class Threads(Protocol):
    """A database behind threads of its own."""

    async def write(self, work: Callable[[Db], T], *locks: Lock) -> T:
        """Run `work` in one transaction; on disk when this returns. What `work` raises rolls it back.

        locks: all that it reads and changes; without any it runs alone. `work` may run again from the start, so it
        changes nothing but the database.
        """

    async def read(self, work: Callable[[Db], T]) -> T:
        """Run `work` on one snapshot."""

    async def scrub(self) -> None:
        """Leave nothing of what was deleted on the disk, as far as it is this program's to decide."""

    async def close(self) -> None: ...


def till_lock(till: str) -> Lock:
    return ("till", till)


def campaign_lock(issuer: str, campaign: int) -> Lock:
    return ("campaign", issuer, str(campaign))


def lock_numbers(locks: Iterable[Lock]) -> list[int]:
    """From 1, in the order in which every transaction takes them. The same in every process and for ever."""
    return sorted({1 + zlib.crc32("\0".join(lock).encode()) % LOCK_SLOTS for lock in locks})


async def run_in(pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
    """`work` in a thread of `pool`; StoreUnavailable once the store was closed."""
    try:
        future = pool.submit(work, *arguments)
    except RuntimeError as error:  # shut down
        raise StoreUnavailable(f"the database is closed: {error}") from error
    return await asyncio.wrap_future(future)
