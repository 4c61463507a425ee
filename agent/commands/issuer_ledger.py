"""An issuer's own ledger: coupons signed with its key and no server at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from agent.commands.errors import CommandError
from agent.commands.issue_order import Order, Signed
from agent.commands.keyfile import HeldHere
from agent.domain.campaign import Campaign
from agent.domain.cose import Algorithm
from agent.domain.keys import SigningKey
from cloud import issue as issuing
from cloud.errors import SetupError
from cloud.indexes import new_index_key
from cloud.ports import CloudStore


async def from_ledger(store: CloudStore, held: HeldHere, order: Order) -> AsyncIterator[list[Signed]]:
    """The coupons, signed here; the ledger remembers which indexes were given out."""
    keys = _OneKey(held)
    for name, count in order.portions():
        made = await issuing.issue(
            store, keys, order.issuer, order.campaign, count, order.terms(), datetime.now(UTC), name
        )
        yield [(coupon.index, coupon.text) for coupon in made]


@dataclass(frozen=True, slots=True)
class _OneKey:
    """`cloud.issue.PrivateKeys` over the one key of a file."""

    held: HeldHere

    def load(self, prefix: str, kid: bytes, algorithm: Algorithm) -> SigningKey:
        if kid != self.held.record.kid:
            raise SetupError(f"key {kid.hex()} is not in the file that was named")
        return self.held.signing


@asynccontextmanager
async def open_ledger(
    path: Path, held: HeldHere, campaign: Campaign, *, new: bool
) -> AsyncIterator[CloudStore]:
    """The issuer's own ledger: the cloud's database without a cloud, with this key and this campaign in it.

    A ledger that is lost and begun anew gives out indexes a second time; so `new` must be said.
    """
    from cloud.store.sqlite_store import SqliteStore

    _check_ledger(path, new)
    store, blank = SqliteStore(path), False
    try:
        before = {known.key.kid: known.key for known in await store.held_keys()}
        if held.record.kid not in before:
            await store.add_key(held.record)
        elif before[held.record.kid] != held.record:
            raise CommandError(
                "the key's record was changed since it was made, and tills hold the old: put it back"
            )
        offer = await store.offer(campaign.issuer, campaign.number)
        if offer is None:
            await store.put_campaign(campaign, None, new_index_key())
        elif replace(offer.campaign, version=campaign.version) != campaign:
            await store.put_campaign(replace(campaign, version=offer.campaign.version + 1), None, offer.key)
        yield store
    except BaseException:
        offer = await store.offer(campaign.issuer, campaign.number) if new else None
        blank = new and (offer is None or not offer.issued)
        raise
    finally:
        await store.close()
        if blank:  # what was refused begins no ledger: the next try says --new-ledger again
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)


def _check_ledger(path: Path, new: bool) -> None:
    if new and path.exists():
        raise CommandError(f"the ledger {path} exists: leave out --new-ledger")
    if not new and not path.exists():
        raise CommandError(
            f"there is no ledger {path}: name the one that knows which coupons were issued with --ledger FILE. "
            "If none was ever issued of this campaign, say --new-ledger"
        )
