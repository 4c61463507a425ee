"""The tables of opaque codes of a bundle: fetched one by one, put in place before the manifest that names them.

They are kept beside the ledger (`agent.ports.CodeShelf`). A table that is missing or damaged costs its own codes and is
fetched again at the next contact; it keeps no till from starting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from agent.domain.bundle import CODES_PREFIX, Part
from agent.domain.parts import Contents
from agent.ports import CodeShelf, LedgerUnavailable

log = logging.getLogger(__name__)

Fetch = Callable[[Part], Awaitable[bytes]]


def code_parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Those of a manifest that are tables of codes."""
    return tuple(part for part in parts if part.name.startswith(CODES_PREFIX))


class CodeTables:
    """What `Refresher` does for the tables. complete: every one of the bundle in force is there, as far as is known."""

    def __init__(self, shelf: CodeShelf) -> None:
        self._shelf = shelf
        self._checked = False
        self.complete = True

    async def collect(self, parts: Iterable[Part], fetch: Fetch) -> None:
        """Have every table in place. Raises BundleError, LedgerUnavailable (the disk) and what `fetch` raises."""
        for part in code_parts(parts):
            if await asyncio.to_thread(self._shelf.has, part):
                continue
            content = await fetch(part)
            try:
                await asyncio.to_thread(self._shelf.add, part, content)
            except OSError as error:
                raise LedgerUnavailable(f"{part.name} cannot be stored: {error.strerror}") from error
        self.complete = True

    async def put_into(self, contents: Contents, parts: Iterable[Part]) -> Contents:
        """`contents` with the tables that are there. BundleError if one has no key."""
        named = code_parts(parts)
        there = [part for part in named if await asyncio.to_thread(self._shelf.has, part)]
        missing = len(named) - len(there)
        if missing:
            self.complete = False
            log.error("tables of codes are missing", extra={"count": missing})
        tables = await asyncio.to_thread(self._shelf.open_tables, there, contents.code_keys)
        return replace(contents, codes=tables, codes_missing=missing)

    async def keep_only(self, parts: Iterable[Part]) -> None:
        """Remove the files of other bundles. What cannot be removed stays until the next time."""
        try:
            await asyncio.to_thread(self._shelf.keep_only, code_parts(parts))
        except OSError as error:
            log.warning("old tables of codes stay: %s", error.strerror)

    async def check(self, parts: Iterable[Part]) -> None:
        """Once after a start: take away the tables that are not what was stored, so that they are fetched again."""
        if self._checked:
            return
        self._checked = True
        named = code_parts(parts)
        damaged = await asyncio.to_thread(self._shelf.damaged, named)
        if damaged:
            self.complete = False
            log.error("tables of codes are damaged", extra={"parts": [part.name for part in damaged]})
            await self.keep_only(part for part in named if part not in damaged)
