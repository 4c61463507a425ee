"""A till's bundle: its parts, and a manifest that rises only when they change or its time of issue grows old."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from agent.domain import bundle, campaign, cbor, codes, erasure
from agent.domain.bundle import Manifest, Part
from agent.domain.campaign import Campaign
from agent.domain.parts import (
    Place,
    PromoCode,
    key_to_wire,
    place_to_wire,
    promo_to_wire,
)
from agent.domain.promo import short_name
from agent.domain.scan import rule_to_wire
from agent.domain.statement import TIME_PART, open_time
from agent.domain.status_parts import LISTS_BYTES_MAX, LISTS_MAX, list_bytes
from agent.domain.time import day_number, timestamp
from cloud import delegation
from cloud.codes import CodeTables
from cloud.errors import Refused, StoreUnavailable
from cloud.indexes import new_index_key
from cloud.issue import issue
from cloud.keyring import Keyring
from cloud.member_parts import member_part
from cloud.ports import CloudStore, Offer, PromoPlan, PromoRow, Published, Terms
from cloud.roots import InForce, Roots
from cloud.shop import shop_parts
from cloud.status_lists import StatusLists
from cloud.tills import Till

log = logging.getLogger("redeemd.cloud")

KEEP_ENDED_DAYS = 30
"""How long after its end and grace a campaign stays in bundles, so that its coupons are called expired, not unknown."""
PROMO_LOW_PERCENT = 40
"""Below this share of its promo codes left a till gets more."""
ISSUER_PERCENT = 50
"""Of the room that a till has for status lists, how much one issuer's campaigns may take at most."""
ROOM_WARN_PERCENT = 80
"""Of that room: from here on the log says with each campaign what is left."""
NEWER_S = 5
TIME_SLACK_S = 600
"""Other receivers' clocks may be ahead of this one's by so much."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Ages:
    """refresh_s: how old an unchanged manifest may grow before it is issued anew. members_s: how old
    a list of members, which each record changes. The others go into the manifest.
    """

    refresh_s: int = 300
    stale_after_s: int = 24 * 3600
    expires_after_s: int = 14 * 24 * 3600
    members_s: int = 900


ERASED_KEEP = timedelta(days=400)
"""For so long tills are told of an erasure: longer than they keep anything by which they would know the person."""


class _Content(NamedTuple):
    """A part's bytes, hashed once; None where they are in the store already."""

    content: bytes | None
    sha256: bytes
    length: int


class Publisher:
    """Builds bundles, signed by the manifest key of the newest root."""

    def __init__(
        self,
        store: CloudStore,
        keyring: Keyring,
        roots: Roots,
        now: Callable[[], datetime],
        ages: Ages | None = None,
        issuer_percent: int = ISSUER_PERCENT,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._roots = roots
        self._now = now
        self._ages = ages or Ages()
        self._issuer_percent = issuer_percent
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._status = StatusLists(store)
        self._codes = CodeTables(store.codes)

    async def offer(self, campaign: Campaign, promo: PromoPlan | None) -> None:
        """Add a campaign, or its next version. Refused where it is no next version or no till could hold it."""
        today = day_number(self._now(), UTC) - 1
        # Two that fit alone need not fit together, whichever receivers they come to.
        await self._store.put_campaign(
            campaign,
            promo,
            new_index_key(),
            lambda known: check_room(campaign, known, today, self._issuer_percent),
        )

    async def bundle(self, till: Till, *, newer: bool = False) -> Published:
        """The newest manifest of an enrolled till; its parts are in the store. Raises StoreUnavailable.

        newer: one that is no older than NEWER_S, which a till asks for whose clock and memory disagree.
        """
        # Two requests of one till at once must not both top up its promo codes.
        async with self._locks.setdefault(till.till, asyncio.Lock()):
            return await self._bundle(
                till, min(self._ages.refresh_s, NEWER_S) if newer else self._ages.refresh_s
            )

    async def _bundle(self, till: Till, refresh_s: int) -> Published:
        place = await self._store.place(till.store)
        assert place is not None, "a till stands in a store that is known"
        for _ in range(_ATTEMPTS):
            now = self._now().astimezone(UTC)
            in_force = self._roots.newest()
            current = await self._store.published(till.till)
            floor = await self._store.sequence_floor()
            parts = await self._parts(till, place, now)
            if (
                current is not None
                and current.sequence > floor
                and self._good_enough(current, in_force, parts, now, refresh_s)
            ):
                return current
            new = self._sign(till, current, floor, in_force, parts, now)
            contents = {made.sha256: made.content for made in parts.values() if made.content is not None}
            if await self._store.publish(new, contents, timestamp(now)):
                return new
        raise StoreUnavailable(f"the bundle of {till.till} is being published by others all the time")

    def _good_enough(
        self, current: Published, in_force: InForce, parts: dict[str, _Content], now: datetime, refresh_s: int
    ) -> bool:
        age_s = now.timestamp() - current.issued
        return (
            current.epoch == in_force.root.epoch
            and current.parts_key == _parts_key(parts)
            and age_s < refresh_s
            and not _may_go_back(current, parts, now)
        )

    def _sign(
        self,
        till: Till,
        current: Published | None,
        floor: int,
        in_force: InForce,
        parts: dict[str, _Content],
        now: datetime,
    ) -> Published:
        sequence, issued = floor + 1, int(now.timestamp())
        if current is not None and current.epoch == in_force.root.epoch:
            # The cloud's own clock may be set back; what a till compares only rises. A new epoch begins afresh: it is
            # how tills come back from a stolen key. From a clock that was ahead a word of the root keys leads back.
            sequence = max(current.sequence, floor) + 1
            back = _may_go_back(current, parts, now)
            issued = max(issued, back) if back else max(issued, current.issued)
        manifest = Manifest(
            till.till,
            in_force.root.epoch,
            sequence,
            datetime.fromtimestamp(issued, UTC),
            timedelta(seconds=self._ages.stale_after_s),
            timedelta(seconds=self._ages.expires_after_s),
            tuple(Part(name, made.length, made.sha256) for name, made in parts.items()),
        )
        signed = bundle.sign_manifest(manifest, in_force.manifest_key)
        return Published(till.till, manifest.epoch, sequence, issued, _parts_key(parts), signed)

    async def _parts(self, till: Till, place: Place, now: datetime) -> dict[str, _Content]:
        today = day_number(now, ZoneInfo(place.zone))
        all_offers = await self._store.offers()
        offers = [offer for offer in all_offers if _concerns(offer.campaign, place, today)]
        keys = await self._store.issuer_keys()
        promos = await self._promos(till, offers, today)
        keys += await delegation.keys_for(self._store, self._keyring, till, offers, keys, today, now)
        parts = {
            "place": cbor.encode(place_to_wire(place)),
            "keys": cbor.encode([key_to_wire(key) for key in keys]),
            "campaigns": cbor.head(4, len(offers)) + b"".join(_encoded(offer.campaign) for offer in offers),
            "promos": cbor.encode([promo_to_wire(row.code) for row in promos]),
        }
        if (statement := await self._store.time_statement(till.till)) is not None:
            parts[TIME_PART] = statement
        parts |= await shop_parts(self._store, place.store)
        parts |= await member_part(self._store, place.store, now, self._ages.members_s)
        number, names = await self._store.erased_names(timestamp(now - ERASED_KEEP))
        if number:
            parts[erasure.PART] = erasure.to_part(number, names)
        listed = await self._status.parts(
            [offer.campaign for offer in offers], len(all_offers), timestamp(now)
        )
        tables = await self._codes.parts(
            [(offer.campaign.issuer, offer.campaign.number) for offer in offers], timestamp(now)
        )
        if tables:
            code_keys = await self._codes.keys({table.issuer for table in tables.values()})
            parts["code_keys"] = cbor.encode([codes.key_to_wire(key) for key in code_keys])
        if rules := await self._store.codes.scan_rules():
            parts["scan_rules"] = cbor.encode([rule_to_wire(rule) for rule in rules])
        made = {name: _content(content) for name, content in parts.items()}
        made |= {
            name: _Content(part.content, part.sha256, len(part.content)) for name, part in listed.items()
        }
        return made | {name: _Content(None, table.sha256, table.length) for name, table in tables.items()}

    async def _promos(self, till: Till, offers: list[Offer], today: int) -> list[PromoRow]:
        """The till's promo codes that still count, after topping up where few are left."""
        rows = await self._usable_promos(till, today)
        added = False
        for offer in offers:
            plan, identity = offer.promo, (offer.campaign.issuer, offer.campaign.number)
            if plan is None or not offer.campaign.starts <= today <= offer.campaign.ends:
                continue
            left = sum((row.issuer, row.campaign) == identity for row in rows)
            if left * 100 < plan.per_till * PROMO_LOW_PERCENT:
                added |= await self._top_up(till, offer, plan.per_till - left, today)
        return await self._usable_promos(till, today) if added else rows

    async def _usable_promos(self, till: Till, today: int) -> list[PromoRow]:
        return [row for row in await self._store.promos(till.till) if row.expires >= today]

    async def _top_up(self, till: Till, offer: Offer, count: int, today: int) -> bool:
        assert offer.promo is not None, "only a promo campaign is topped up"
        holder = offer.campaign
        expires = min(today + offer.promo.valid_days, holder.ends)
        count = min(count, holder.size - offer.issued)
        if count <= 0:
            return False  # the campaign is used up: receipts go without
        terms = Terms(today, expires, till=till.till)
        try:
            issued = await issue(
                self._store, self._keyring, holder.issuer, holder.number, count, terms, self._now()
            )
        except Refused:  # no key may sign it, or others took the last ones: receipts go without
            return False
        rows = [
            PromoRow(
                PromoCode(
                    coupon.text,
                    short_name(holder.number, holder.size, coupon.index, coupon.text),
                    holder.title,
                    holder.conditions,
                ),
                holder.issuer,
                holder.number,
                coupon.index,
                expires,
            )
            for coupon in issued
        ]
        await self._store.add_promos(till.till, rows)
        return True


def _may_go_back(current: Published, parts: dict[str, _Content], now: datetime) -> int | None:
    """The time (seconds since 1970) that the root keys state in these parts, where what was signed last lies beyond it
    and beyond this cloud's clock; None where nothing is to be set back.
    """
    part = parts.get(TIME_PART)
    if part is None or part.content is None or current.issued <= now.timestamp() + TIME_SLACK_S:
        return None
    stated = int(open_time(part.content).time.timestamp())
    return stated if stated < current.issued else None


@lru_cache(maxsize=4096)
def _encoded(offer: Campaign) -> bytes:
    """A campaign's item of the part, made once for all tills."""
    return cbor.encode(campaign.to_wire(offer))


def _content(content: bytes) -> _Content:
    return _Content(content, hashlib.sha256(content).digest(), len(content))


def _concerns(offer: Campaign, place: Place, today: int) -> bool:
    here = offer.stores is None or place.number in offer.stores
    return here and today <= _told_until(offer)


def check_room(new: Campaign, known: Iterable[Campaign], today: int, issuer_percent: int = 100) -> None:
    """Refused where some store's tills would be told of more status lists than a till holds, and so take no bundle; or
    where one issuer's would take more of that room than it may. Who has more already may change what takes no more.

    today: in the last time zone of the earth.
    """
    told = [one for one in known if today <= _told_until(one)]
    others = [one for one in told if (one.issuer, one.number) != (new.issuer, new.number)]
    size, count = _most(new.stores, [*others, new])
    if size > LISTS_BYTES_MAX:
        sentence = (
            f"a till would hold the status of {4 * size} coupons ({_shares(new, [*others, new])}), and"
            f" {4 * LISTS_BYTES_MAX} is the most"
        )
        raise Refused(
            422, "too_many_coupons", f"{sentence}: give this campaign a smaller size or fewer stores"
        )
    if count > LISTS_MAX:
        sentence = f"a till would be told of {count} campaigns, and {LISTS_MAX} is the most"
        raise Refused(
            422, "too_many_campaigns", f"{sentence}: give this one fewer stores, or let others end first"
        )
    full = max(100 * size // LISTS_BYTES_MAX, 100 * count // LISTS_MAX)
    if full >= ROOM_WARN_PERCENT:
        log.warning(
            "campaign %s/%d leaves %d %% of what a till can be told of (%s): let others end, or give them fewer stores",
            new.issuer, new.number, 100 - full, _shares(new, [*others, new]),
        )  # fmt: skip
    size, count = _most(new.stores, [one for one in (*others, new) if one.issuer == new.issuer])
    size_before, count_before = _most(new.stores, [one for one in told if one.issuer == new.issuer])
    for what, most, asked, before in (
        ("the status of {} coupons", 4 * LISTS_BYTES_MAX, 4 * size, 4 * size_before),
        ("{} campaigns", LISTS_MAX, count, count_before),
    ):
        share = most * issuer_percent // 100
        if asked > max(share, before):
            sentence = f"a till would hold {what.format(asked)} of {new.issuer}, and {share} is the most for one issuer"
            do = "give this campaign a smaller size or fewer stores, or let others of this issuer end first"
            raise Refused(422, "issuer_room", f"{sentence} (cloud serve --issuer-room-percent): {do}")


def _shares(new: Campaign, told: Iterable[Campaign]) -> str:
    """Whose coupons a till of these stores holds: the three issuers with the most."""
    own: dict[str, list[Campaign]] = {}
    for one in told:
        own.setdefault(one.issuer, []).append(one)
    most = sorted(
        ((4 * _most(new.stores, offers)[0], issuer) for issuer, offers in own.items()), reverse=True
    )
    return ", ".join(f"{size} of {issuer}" for size, issuer in most[:3] if size)


def _most(concerned: Iterable[int] | None, offers: Iterable[Campaign]) -> tuple[int, int]:
    """(bytes, lists) that a till of these stores holds of these offers, the most of them. concerned: None for all."""
    size, lists = Counter[int](), Counter[int]()  # of each store, beside what all stores have
    size_of_all = lists_of_all = 0
    for one in offers:
        if one.stores is None:
            size_of_all, lists_of_all = size_of_all + list_bytes(one.size), lists_of_all + 1
        for store in one.stores or ():
            size[store] += list_bytes(one.size)
            lists[store] += 1
    stores = size if concerned is None else concerned
    most_bytes = size_of_all + max((size[store] for store in stores), default=0)
    most_lists = lists_of_all + max((lists[store] for store in stores), default=0)
    return most_bytes, most_lists


def _told_until(offer: Campaign) -> int:
    return offer.ends + offer.grace_days + KEEP_ENDED_DAYS


def _parts_key(parts: dict[str, _Content]) -> bytes:
    digest = hashlib.sha256()
    for name, made in sorted(parts.items()):
        digest.update(f"{name}\0{made.length}\0".encode() + made.sha256)
    return digest.digest()
