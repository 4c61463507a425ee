"""What `redeemd cloud export` takes out of a cloud: tables whose rows come page by page, whatever their number.

A period counts by when records came in, not by when they say they happened: a till that was offline for a week brings
last week's redemptions today, and what was settled once does not change any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.domain.basket import spread
from agent.domain.campaign import Campaign
from agent.domain.offer import PARTIES, Funding
from cloud.lists import NEWEST, LedgerLine
from cloud.ports import CloudStore

PAGE = 500
"""Records of a till may be 64 KiB long."""
Row = tuple[Any, ...]
Pages = AsyncIterator[list[Row]]


class Period(NamedTuple):
    """Records received from `since` on and before `until`, as the cloud writes times."""

    since: str
    until: str

    def has(self, received_at: str) -> bool:
        return self.since <= received_at < self.until


class Table(NamedTuple):
    """columns: name -> text, integer or moment. help: what a row is."""

    columns: dict[str, str]
    pages: Callable[[CloudStore, Period], Pages]
    help: str


_COUPON = {"issuer": "text", "campaign": "integer", "index": "integer"}
_RECORD = {"till": "text", "lane": "text", "sequence": "integer", "hash": "text", "redemption_id": "text"}


async def _redemptions(store: CloudStore, period: Period) -> Pages:
    places = _Places(store)
    async for lines in _ledger(store, period):
        yield [
            (
                *(
                    line.till,
                    line.lane,
                    line.sequence,
                    line.hash,
                    line.redemption_id,
                    line.time,
                    line.received_at,
                ),
                *(line.issuer, line.campaign, line.index, line.discount_minor, line.currency),
                *(*await places.of(line.till), line.sale_id, line.standing, line.conflict, line.implausible),
            )
            for line in lines
        ]


async def _conflicts(store: CloudStore, period: Period) -> Pages:
    after = NEWEST
    while lines := await store.conflicts(PAGE, after):
        after = lines[-1].cursor()
        yield [
            (
                *(line.issuer, line.campaign, line.index),
                *(
                    line.till,
                    line.lane,
                    line.sequence,
                    line.hash,
                    line.redemption_id,
                    line.received_at,
                    line.kind,
                ),
                *(line.winner.till, line.winner.redemption_id, line.winner.time, line.winner.received_at),
            )
            for line in lines
            if period.has(line.received_at)
        ]
        if lines[-1].received_at < period.since:
            return  # the newest come first


@dataclass(slots=True)
class _Sum:
    """payable: nothing is wrong with them. open: in conflict, held, of
    an unknown campaign or another currency, or cannot be right: a person decides."""

    payable: int = 0
    payable_minor: list[int] = field(default_factory=lambda: [0] * len(PARTIES))
    open: int = 0
    open_minor: list[int] = field(default_factory=lambda: [0] * len(PARTIES))


async def _settlement(store: CloudStore, period: Period) -> Pages:
    """One sum for each store and known campaign is kept, however many redemptions there are, and whatever tills say."""
    places, sums = _Places(store), dict[Row, _Sum]()
    known = {(one.campaign.issuer, one.campaign.number): one.campaign for one in await store.offers()}
    async for lines in _ledger(store, period):
        for line in lines:
            campaign = known.get((line.issuer or "", line.campaign or 0))
            of = (
                (None, None, None)
                if campaign is None
                else (campaign.issuer, campaign.number, campaign.currency)
            )
            _add(sums.setdefault((*await places.of(line.till), *of), _Sum()), line, campaign)
    rows = sorted(sums.items(), key=lambda item: [str(part) for part in item[0]])
    for first in range(0, len(rows), PAGE):
        yield [row for key, summed in rows[first : first + PAGE] for row in _parties(key, summed)]


def _add(summed: _Sum, line: LedgerLine, campaign: Campaign | None) -> None:
    """Each redemption is shared by itself, so that parts add up to what came off."""
    minor = line.discount_minor or 0
    funding = Funding() if campaign is None else campaign.offer.funding
    parts = spread(minor, [getattr(funding, party) * minor for party in PARTIES])
    as_promised = campaign is not None and line.currency in (None, campaign.currency)
    if as_promised and line.standing == "counts" and line.conflict is None and line.implausible is None:
        summed.payable += 1
        into = summed.payable_minor
    else:
        summed.open += 1
        into = summed.open_minor
    for place, part in enumerate(parts):
        into[place] += part


def _parties(key: Row, summed: _Sum) -> Iterator[Row]:
    """A row for each party that pays something; the issuer has one in any case."""
    for party, payable, waiting in zip(PARTIES, summed.payable_minor, summed.open_minor, strict=True):
        if party == PARTIES[0] or payable or waiting:
            yield (*key, party, summed.payable, payable, summed.open, waiting)


async def _ledger(store: CloudStore, period: Period) -> AsyncIterator[list[LedgerLine]]:
    """Redemptions of the period, in order of (till, lane, sequence)."""
    after = ("", "", 0)
    while page := await store.ledger(None, after, PAGE):
        after = (page[-1].till, page[-1].lane, page[-1].sequence)
        yield [line for line in page if line.index is not None and period.has(line.received_at)]


class _Places:
    """Where tills stand, as the cloud knows it: (store, merchant)."""

    def __init__(self, store: CloudStore) -> None:
        self._store = store
        self._known: dict[str, tuple[str | None, str | None]] = {}

    async def of(self, till: str) -> tuple[str | None, str | None]:
        if till not in self._known:
            found = await self._store.till(till)
            place = None if found is None else await self._store.place(found.store)
            self._known[till] = (None, None) if place is None else (place.store, place.merchant)
        return self._known[till]


TABLES = {
    "redemptions": Table(
        {
            **_RECORD,
            "time": "text",
            "received_at": "moment",
            **_COUPON,
            "discount_minor": "integer",
            "currency": "text",
            "store": "text",
            "merchant": "text",
            **dict.fromkeys(("sale_id", "standing", "conflict", "implausible"), "text"),
        },
        _redemptions,
        "each stored redemption",
    ),
    "conflicts": Table(
        {
            **_COUPON,
            **_RECORD,
            "received_at": "moment",
            "kind": "text",
            "winner_till": "text",
            "winner_redemption_id": "text",
            "winner_time": "text",
            "winner_received_at": "moment",
        },
        _conflicts,
        "each redemption of a coupon that another record had used before",
    ),
    "settlement": Table(
        {
            "store": "text",
            "merchant": "text",
            "issuer": "text",
            "campaign": "integer",
            "currency": "text",
            "party": "text",
            "redemptions": "integer",
            "amount_minor": "integer",
            "open_redemptions": "integer",
            "open_minor": "integer",
        },
        _settlement,
        "what each party pays for a campaign's discounts in a store; open: in conflict, held or implausible",
    ),
}
