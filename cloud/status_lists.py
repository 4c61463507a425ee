"""The status lists as tills get them: for each campaign a snapshot and deltas, the same for every till.

A list is brought up to date once for each change, when a bundle is asked for, from the marks that came since; whoever
asks next finds it ready. Deltas are merged so that each is at least twice as long as the next: a till that asks often
fetches little, one that was away fetches a few parts, and there are never many. When the deltas come to half of the
snapshot, a new snapshot takes their place.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.domain import cbor, status, status_delta
from agent.domain.bundle import BundleError
from agent.domain.campaign import Campaign
from agent.domain.status import StatusList
from agent.domain.status_delta import Delta
from agent.domain.status_parts import (
    Coupons,
    delta_name,
    delta_to_wire,
    read_delta,
    read_lists,
    snapshot_name,
    snapshot_to_wire,
)
from cloud.errors import StoreUnavailable
from cloud.ports import CloudStore, StatusPart

log = logging.getLogger(__name__)

DELTAS_MOST = 8
"""Deltas of one list."""
PARTS_MOST = 1900
"""Parts of all lists: a manifest names 2000 parts at most, and has others to name."""
CACHE_BYTES = 256 * 1024 * 1024
MARKS_AT_ONCE = 50_000
CHANGES_MOST = 200_000
"""More at once make a snapshot and no delta is tried."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Chain:
    """A list and the parts that lead to it: the snapshot, then the deltas. change: of the last mark in it."""

    listed: StatusList
    parts: tuple[StatusPart, ...]

    @property
    def change(self) -> int:
        return self.parts[-1].change

    def is_ready(self, change: int, most: int) -> bool:
        """Whether mark `change` is in it and it has at most so many deltas."""
        return self.change >= change and len(self.parts) <= 1 + most

    def named(self, coupons: Coupons) -> dict[str, StatusPart]:
        """The parts by their names in a bundle."""
        named = {snapshot_name(*coupons): self.parts[0]}
        return named | {delta_name(*coupons, place): part for place, part in enumerate(self.parts[1:], 1)}


class StatusLists:
    """Every campaign's list over one store; several receivers may share it."""

    def __init__(self, store: CloudStore) -> None:
        self._store = store
        self._kept: OrderedDict[Coupons, Chain] = OrderedDict()
        self._bytes = 0
        self._locks: weakref.WeakValueDictionary[Coupons, asyncio.Lock] = weakref.WeakValueDictionary()

    async def parts(self, offers: Sequence[Campaign], lists: int, at: str) -> dict[str, StatusPart]:
        """The parts of these offers' lists with every mark known now. lists: of how many campaigns tills are told."""
        numbers = await self._store.mark_numbers()
        most = max(0, min(DELTAS_MOST, PARTS_MOST // max(1, lists) - 1))
        named: dict[str, StatusPart] = {}
        for offer in offers:
            coupons = offer.issuer, offer.number
            chain = self._kept.get(coupons)
            if chain is None or not chain.is_ready(numbers.get(coupons, 0), most):
                async with self._locks.setdefault(coupons, asyncio.Lock()):
                    chain = await self._updated(offer, numbers.get(coupons, 0), most, at)
            self._kept.move_to_end(coupons)
            named |= chain.named(coupons)
        return named

    async def _updated(self, offer: Campaign, change: int, most: int, at: str) -> Chain:
        coupons = offer.issuer, offer.number
        for _ in range(_ATTEMPTS):
            chain = self._kept.get(coupons)
            before = None if chain is None else chain.change or None
            if chain is None and change:
                stored = await self._store.status_parts(*coupons)
                chain = await asyncio.to_thread(_read, coupons, stored)
                before = stored[-1].change if stored else None
            if chain is not None and chain.is_ready(change, most):
                self._keep(coupons, chain)
                return chain
            new = await self._advanced(offer, chain, most)
            # A list of which nothing is known is the same wherever it is made, and not stored.
            if not new.change or await self._store.put_status_parts(*coupons, before, new.parts, at):
                self._keep(coupons, new)
                return new
            self._drop(coupons)  # another receiver was faster: what it made is the list now
        raise StoreUnavailable(f"the status list of {coupons} is being written by others all the time")

    async def _advanced(self, offer: Campaign, chain: Chain | None, most: int) -> Chain:
        """`chain` with all marks that came since."""
        coupons = offer.issuer, offer.number
        before, change = (status.make(offer.size, []), 0) if chain is None else (chain.listed, chain.change)
        base = chain
        changes: dict[int, int] = {}
        while marks := await self._store.marks(*coupons, change, MARKS_AT_ONCE):
            change = marks[-1][0]
            # A till may report the use of an index beyond the size: recorded, but there is no bit for it.
            known = [(index, mark) for _, index, mark in marks if index < offer.size]
            if base is not None:
                known = [*changes.items(), *known]
                changes = await asyncio.to_thread(status_delta.changes, before, known)
            if base is None or len(changes) >= CHANGES_MOST:
                before, changes, base = await asyncio.to_thread(status.after, before, known), {}, None
        return await asyncio.to_thread(_next, coupons, base, before, changes, change, most)

    def _keep(self, coupons: Coupons, chain: Chain) -> None:
        self._drop(coupons)
        self._kept[coupons] = chain
        self._bytes += _size(chain)
        while self._bytes > CACHE_BYTES and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, coupons: Coupons) -> None:
        chain = self._kept.pop(coupons, None)
        if chain is not None:
            self._bytes -= _size(chain)


def _size(chain: Chain) -> int:
    return len(chain.listed.bits) + sum(len(part.content) for part in chain.parts)


def _read(coupons: Coupons, stored: Sequence[StatusPart]) -> Chain | None:
    """What was stored, read as a till reads it; None, and so a new snapshot, if no till could."""
    if not stored:
        return None
    chain = Chain(StatusList(0, b""), tuple(stored))
    try:
        lists = read_lists({name: part.content for name, part in chain.named(coupons).items()})
    except BundleError as error:
        log.error("the stored status list of %s is made anew: %s", coupons, error)
        return None
    return Chain(lists[coupons], chain.parts)


def _next(
    coupons: Coupons,
    chain: Chain | None,
    before: StatusList,
    changes: dict[int, int],
    change: int,
    most: int,
) -> Chain:
    """The chain after `changes` on the list `before`; without a chain, or where that is shorter, a new snapshot."""
    if chain is None:
        return _snapshot(coupons, status.after(before, changes.items()), change)
    if most == 0 or (not changes and len(chain.parts) > 1 + most):
        return _snapshot(coupons, status.after(before, changes.items()), change)
    if not changes:  # marks of no consequence: only their number moves
        return Chain(before, _known_to(change, *chain.parts))
    delta, after = status_delta.make_delta(*coupons, before, changes.items())
    deltas = _merged(list(chain.parts[1:]), delta, change, most)
    if 2 * sum(len(part.content) for part in deltas) > len(chain.parts[0].content):
        return _snapshot(coupons, after, change)
    return Chain(after, _known_to(change, chain.parts[0], *deltas))


def _known_to(change: int, *parts: StatusPart) -> tuple[StatusPart, ...]:
    """The same parts, of which the last knows mark `change`."""
    return *parts[:-1], replace(parts[-1], change=change)


def _merged(deltas: list[StatusPart], delta: Delta, change: int, most: int) -> list[StatusPart]:
    """`deltas` with `delta` behind them: each at least twice as long as the next, and at most `most`."""
    content = cbor.encode(delta_to_wire(delta))
    while deltas and (len(deltas[-1].content) < 2 * len(content) or len(deltas) >= most):
        delta = status_delta.merge(read_delta(deltas.pop().content), delta)
        if not delta.changes():  # what was used came back
            return deltas
        content = cbor.encode(delta_to_wire(delta))
    return [*deltas, _part(change, content)]


def _snapshot(coupons: Coupons, listed: StatusList, change: int) -> Chain:
    return Chain(listed, (_part(change, cbor.encode(snapshot_to_wire(*coupons, listed))),))


def _part(change: int, content: bytes) -> StatusPart:
    return StatusPart(change, hashlib.sha256(content).digest(), content)
