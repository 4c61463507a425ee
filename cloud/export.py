"""What `redeemd cloud export` takes out of a cloud: tables whose rows come page by page, whatever their number.

A period counts by when records came in, not by when they say they happened: a till that was offline for a week brings
last week's redemptions today, and what was settled once does not change any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent.domain.campaign import Campaign
from agent.domain.offer import PARTIES, Funding
from agent.domain.record import record_id
from cloud.conflicts import shown
from cloud.lists import NEWEST, LedgerLine, ReversalLine
from cloud.places import Places
from cloud.ports import CloudStore, Offer
from cloud.returns import Part, shares_of
from cloud.rewards import read_reward

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

_CONFLICT = {
    **_COUPON,
    **_RECORD,
    "received_at": "moment",
    "kind": "text",
    **dict.fromkeys(("winner_till", "winner_redemption_id", "winner_time"), "text"),
    "winner_received_at": "moment",
    **dict.fromkeys(("time", "store", "merchant"), "text"),
    "discount_minor": "integer",
    **dict.fromkeys(("currency", "winner_store", "winner_merchant"), "text"),
    "winner_discount_minor": "integer",
    "winner_currency": "text",
    "listed_at": "moment",
    "revoked_at": "moment",
    **dict.fromkeys(("state", "follows"), "text"),
    "ended_at": "moment",
    **dict.fromkeys(("ended_back", "ended_by", "zh", "en"), "text"),
}


async def _redemptions(store: CloudStore, period: Period) -> Pages:
    places = Places(store)
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
    """Those that last, then those that a return has ended, each from the newest."""
    places = Places(store)
    for ended in (False, True):
        after = NEWEST
        while lines := await store.conflicts(PAGE, after, ended=ended):
            after = lines[-1].cursor()
            told = await shown(places, [line for line in lines if period.has(line.received_at)])
            yield [_conflict_row(one) for one in told]
            if lines[-1].received_at < period.since:
                break  # the newest come first


def _conflict_row(said: dict[str, Any]) -> Row:
    flat = dict(said)
    for part in ("winner", "ended"):
        flat |= {f"{part}_{key}": value for key, value in (said[part] or {}).items()}
    return tuple(flat.get(name) for name in _CONFLICT)


@dataclass(slots=True)
class Sum:
    """payable: nothing is wrong with them. open: in conflict, held, of
    an unknown campaign or another currency, or cannot be right: a person decides. Amounts are net of what went back.
    returns: of which something went back; goods that carried no discount come back for nothing here.
    """

    payable: int = 0
    payable_minor: list[int] = field(default_factory=lambda: [0] * len(PARTIES))
    open: int = 0
    open_minor: list[int] = field(default_factory=lambda: [0] * len(PARTIES))
    returns: int = 0
    returned_minor: list[int] = field(default_factory=lambda: [0] * len(PARTIES))

    def add(self, payable: bool, parts: Sequence[int], count: int = 1) -> None:
        self.payable += count * payable
        self.open += count * (not payable)
        add_parts(self.payable_minor if payable else self.open_minor, parts)


class StoreSums:
    """One sum for each store and known campaign is kept, however many redemptions there are, and whatever tills say."""

    def __init__(self, places: Places, offers: Sequence[Offer]) -> None:
        self._places = places
        self._known = {(one.campaign.issuer, one.campaign.number): one.campaign for one in offers}
        self._sums = dict[Row, Sum]()

    async def of(self, line: LedgerLine | ReversalLine) -> tuple[Sum, Campaign | None]:
        """Where it counts: where the redemption was, for a return too."""
        till = line.of_till if isinstance(line, ReversalLine) else line.till
        campaign = self._known.get((line.issuer or "", line.campaign or 0))
        return self.at(await self._places.of(till), campaign), campaign

    def at(self, place: tuple[str | None, str | None], campaign: Campaign | None) -> Sum:
        of = (None, None, None) if campaign is None else (campaign.issuer, campaign.number, campaign.currency)
        return self._sums.setdefault((*place, *of), Sum())

    def campaign(self, issuer: str, number: int) -> Campaign | None:
        return self._known.get((issuer, number))

    async def add(self, line: LedgerLine) -> None:
        summed, campaign = await self.of(line)
        summed.add(is_payable(line, campaign), parties_of(line_parts(line, campaign)))

    async def give_back(self, back: ReversalLine) -> None:
        summed, campaign = await self.of(back)
        parts = parties_of(back.parts)
        add_parts(
            summed.payable_minor if is_payable(back, campaign) else summed.open_minor, [-one for one in parts]
        )
        summed.returns += any(parts)
        add_parts(summed.returned_minor, parts)

    def rows(self) -> list[tuple[Row, Sum]]:
        return sorted(self._sums.items(), key=lambda item: [str(part) for part in item[0]])


async def _settlement(store: CloudStore, period: Period) -> Pages:
    sums = StoreSums(Places(store), await store.offers())
    async for lines in _ledger(store, period):
        for line in lines:
            await sums.add(line)
    async for returned in returns_in(store, period):
        for back in returned:
            await sums.give_back(back)
    rows = sums.rows()
    for first in range(0, len(rows), PAGE):
        yield [row for key, summed in rows[first : first + PAGE] for row in party_rows(key, summed)]


def add_parts(into: list[int], parts: Sequence[int]) -> None:
    for place, part in enumerate(parts):
        into[place] += part


def parties_of(parts: Sequence[Part]) -> list[int]:
    """What each party gives for all lines together."""
    return [sum(part.funded_minor[place] for part in parts) for place in range(len(PARTIES))]


def is_payable(line: LedgerLine | ReversalLine, campaign: Campaign | None) -> bool:
    """Of a return: whether its redemption is."""
    as_promised = campaign is not None and line.currency in (None, campaign.currency)
    return as_promised and line.standing == "counts" and line.conflict is None and line.implausible is None


def line_parts(line: LedgerLine, campaign: Campaign | None) -> list[Part]:
    """Each redemption is shared by itself, so that parts add up to what came off."""
    funding = Funding() if campaign is None else campaign.offer.funding
    said = {"lines": list(line.lines), "discount_minor": line.discount_minor}
    return list(shares_of(said, line.discount_minor or 0, funding).values())


def party_rows(key: Row, summed: Sum) -> Iterator[Row]:
    """A row for each party that pays something; the issuer has one in any case."""
    amounts = zip(PARTIES, summed.payable_minor, summed.open_minor, summed.returned_minor, strict=True)
    for party, payable, waiting, back in amounts:
        if party == PARTIES[0] or payable or waiting or back:
            yield (*key, party, summed.payable, payable, summed.open, waiting, summed.returns, back)


async def _shares_by_line(store: CloudStore, period: Period) -> Pages:
    """Redemptions in order of (till, lane, sequence), then returns, the newest first."""
    places = Places(store)
    known = {(one.campaign.issuer, one.campaign.number): one.campaign for one in await store.offers()}
    async for lines in _ledger(store, period):
        rows: list[Row] = []
        for line in lines:
            campaign = known.get((line.issuer or "", line.campaign or 0))
            of = (*await places.of(line.till), line.redemption_id, line.redemption_id, line.received_at)
            rows += _line_rows(of, "redemption", line_parts(line, campaign), 1, is_payable(line, campaign))
        yield rows
    async for returned in returns_in(store, period):
        rows = []
        for back in returned:
            campaign = known.get((back.issuer, back.campaign))
            number = record_id(back.till, back.lane, back.sequence)
            of = (*await places.of(back.of_till), back.redemption_id, number, back.received_at)
            rows += _line_rows(of, "return", back.parts, -1, is_payable(back, campaign))
        yield rows


@dataclass(slots=True)
class _Reward:
    """As `Sum`, of what one party earns."""

    count: int = 0
    minor: int = 0
    open: int = 0
    open_minor: int = 0


async def _rewards(store: CloudStore, period: Period) -> Pages:
    """One sum for each who earns. Open, so that a person decides: what settlement leaves open, a redemption of which
    something was given back, and more than the offer promises.
    """
    places, found = Places(store), dict[Row, _Reward]()
    known = {(one.campaign.issuer, one.campaign.number): one.campaign for one in await store.offers()}
    after = ("", "", 0)
    while page := await store.earning(after, PAGE):
        after = (page[-1].line.till, page[-1].line.lane, page[-1].line.sequence)
        for line, incentives, returned, disclosed in page:
            campaign = known.get((line.issuer or "", line.campaign or 0))
            if campaign is None or not period.has(line.received_at):
                continue
            of = (*await places.of(line.till), campaign.issuer, campaign.number, campaign.currency)
            for reward in filter(None, (read_reward(one, campaign.offer.incentives) for one in incentives)):
                who = reward.who if reward.party != "referrer" else disclosed.get(reward.who or "")
                summed = found.setdefault((*of, reward.party, reward.tier, who), _Reward())
                payable = reward.promised and not returned and is_payable(line, campaign)
                summed.count += payable
                summed.minor += reward.amount_minor if payable else 0
                summed.open += not payable
                summed.open_minor += 0 if payable else reward.amount_minor
    rows = sorted(found.items(), key=lambda item: [str(part) for part in item[0]])
    for first in range(0, len(rows), PAGE):
        some = rows[first : first + PAGE]
        yield [(*key, one.count, one.minor, one.open, one.open_minor) for key, one in some]


def _line_rows(of: Row, kind: str, parts: Sequence[Part], sign: int, payable: bool) -> Iterator[Row]:
    for part in parts:
        for party, minor in zip(PARTIES, part.funded_minor, strict=True):
            if minor or party == PARTIES[0]:
                yield (
                    *of,
                    kind,
                    part.line,
                    sign * part.pieces,
                    party,
                    sign * minor,
                    "payable" if payable else "open",
                )


async def returns_in(store: CloudStore, period: Period) -> AsyncIterator[list[ReversalLine]]:
    """What went back in the period, the newest first."""
    after = NEWEST
    while page := await store.reversals(PAGE, after):
        after = page[-1].cursor()
        yield [line for line in page if line.state == "applied" and period.has(line.received_at)]
        if page[-1].received_at < period.since:
            return


async def _ledger(store: CloudStore, period: Period) -> AsyncIterator[list[LedgerLine]]:
    """Redemptions of the period, in order of (till, lane, sequence)."""
    after = ("", "", 0)
    while page := await store.ledger(None, after, PAGE):
        after = (page[-1].till, page[-1].lane, page[-1].sequence)
        yield [line for line in page if line.index is not None and period.has(line.received_at)]


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
        _CONFLICT,
        _conflicts,
        "each redemption of a coupon that another record had used before, and what follows",
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
            "returns": "integer",
            "returned_minor": "integer",
        },
        _settlement,
        "what each party pays for discounts in a store, net of returns; open: in conflict, held or implausible",
    ),
    "rewards": Table(
        {
            **dict.fromkeys(("store", "merchant", "issuer"), "text"),
            "campaign": "integer",
            **dict.fromkeys(("currency", "party"), "text"),
            "tier": "integer",
            "who": "text",
            **dict.fromkeys(("redemptions", "amount_minor", "open_redemptions", "open_minor"), "integer"),
        },
        _rewards,
        "what assistants, stores and referrers earned, by the rules of offers; open: a person decides",
    ),
    "shares": Table(
        {
            **dict.fromkeys(("store", "merchant", "redemption_id", "record_id"), "text"),
            "received_at": "moment",
            **dict.fromkeys(("kind", "line"), "text"),
            "pieces": "integer",
            "party": "text",
            "amount_minor": "integer",
            "state": "text",
        },
        _shares_by_line,
        "what each party pays for each line of a sale; what went back of it is below zero",
    ),
}
