"""What is reported of campaigns, arms, customers and stores: rows under names, for JSON, CSV and people alike.

Periods are days, both included: of the store's calendar for what was sold, of receipt (UTC) for settlement.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from cloud.errors import Refused
from cloud.export import TABLES
from cloud.export_files import csv_line
from cloud.facts import REDEMPTION, Stored, read_fact
from cloud.intervals import newcombe, wilson
from cloud.ports import CloudStore, Offer
from cloud.rfm import LAYERS, Person, Scored, scored
from cloud.settling import period_of, settlement
from cloud.tally import AXES, ArmLine, Sums

PEOPLE_MAX = 1_000_000
"""Customers of one report: they are held in memory."""
PEOPLE_PAGE = 1000
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)

Row = dict[str, Any]


class Asked(NamedTuple):
    """since, until: days, both included. by: of AXES, for campaigns. campaign: of this one alone."""

    since: date = FIRST_DAY
    until: date = LAST_DAY
    by: str = "total"
    campaign: tuple[str, int] | None = None

    def days(self) -> tuple[str, str]:
        """The first day, and the one behind the last."""
        return self.since.isoformat(), (self.until + timedelta(days=1)).isoformat()


class Report(NamedTuple):
    """columns: in their order, the same whatever was found."""

    columns: tuple[str, ...]
    rows: list[Row]


_SUMS = (
    *("redemptions", "discount_minor", "baskets", "basket_minor", "average_basket_minor"),
    *("measured", "extra_minor", "returns", "returned_minor"),
)
_CAMPAIGN = ("issuer", "campaign", "title_zh", "title_en", "currency")
_CAMPAIGNS = (*_CAMPAIGN, "starts", "ends", "issued", *_SUMS, "conflicts", "rate_percent")
_ARMS = (
    *("rule", "arm", "receipts", "average_basket_minor", "codes", "back", "rate_percent", "low_percent"),
    *("high_percent", "against", "difference_percent", "difference_low_percent", "difference_high_percent"),
)
_LAYERS = ("layer", "people", "people_percent", "purchases", "spent_minor", "average_spent_minor")
_PEOPLE = ("pseudonym", "last", "purchases", "spent_minor", "recency", "frequency", "money", "layer")


async def campaigns(store: CloudStore, asked: Asked) -> Report:
    """The funnel of each campaign: issued, redeemed, what came off, what was sold with it.

    rate_percent: redemptions that were not in conflict of coupons issued here; None where none were. extra_minor: what
    lies above the least sale that the offer asks for, of the sales that are known (`measured`).
    """
    lines = await store.tallies("total", *asked.days(), asked.campaign)
    sums = {(line.issuer, line.campaign): line.sums for line in lines}
    conflicts = await store.conflict_counts()
    rows = []
    for offer in await store.offers():
        of = (offer.campaign.issuer, offer.campaign.number)
        if asked.campaign not in (None, of):
            continue
        found, lost = sums.get(of, Sums()), conflicts.get(of, 0)
        rate = _percent(max(found.redemptions - lost, 0), offer.issued) if offer.issued else None
        days = {"starts": _day(offer.campaign.starts), "ends": _day(offer.campaign.ends)}
        row = _named(offer) | days | {"issued": offer.issued} | _sums(found)
        rows.append(row | {"conflicts": lost, "rate_percent": rate})
    return Report(_CAMPAIGNS, rows)


async def breakdown(store: CloudStore, asked: Asked) -> Report:
    """By store, hour of the day or source (touch point). share_percent: of the campaign's redemptions."""
    if asked.by not in AXES[1:]:
        raise Refused(422, "bad_field", f"by is none of {', '.join(AXES[1:])}")
    offers = {(one.campaign.issuer, one.campaign.number): one for one in await store.offers()}
    lines = await store.tallies(asked.by, *asked.days(), asked.campaign)
    whole: dict[tuple[str, int], int] = {}
    for line in lines:
        of = (line.issuer, line.campaign)
        whole[of] = whole.get(of, 0) + line.sums.redemptions
    rows = []
    for line in lines:
        of = (line.issuer, line.campaign)
        share = _percent(line.sums.redemptions, whole[of]) if whole[of] else 0.0
        named = (
            _named(offers[of])
            if of in offers
            else dict.fromkeys(_CAMPAIGN) | {"issuer": of[0], "campaign": of[1]}
        )
        rows.append(named | {asked.by: line.value} | _sums(line.sums) | {"share_percent": share})
    return Report((*_CAMPAIGN, asked.by, *_SUMS, "share_percent"), rows)


async def arms(store: CloudStore, asked: Asked) -> Report:
    """Of each rule of receipts: how many of the codes of each arm came back, with its 95 % interval (Wilson), and the
    difference to the rule's first arm with codes, with its own (Newcombe's method 10). What is held out has no codes.
    """
    rows: list[Row] = []
    by_rule: dict[str, list[ArmLine]] = {}
    for line in await store.arms(*asked.days()):
        by_rule.setdefault(line.rule, []).append(line)
    for lines in by_rule.values():
        first = next((line for line in lines if line.sums.codes), None)
        rows += [_arm(line, first) for line in lines]
    return Report(_ARMS, rows)


def _arm(line: ArmLine, first: ArmLine | None) -> Row:
    found = line.sums
    row: Row = dict.fromkeys(_ARMS) | {"rule": line.rule, "arm": line.arm, "receipts": found.receipts}
    row |= {"average_basket_minor": _average(found.basket_minor, found.baskets), "codes": found.codes}
    row["back"] = found.back
    if not found.codes or first is None:
        return row
    low, high = wilson(found.back, found.codes)
    row |= {"rate_percent": _percent(found.back, found.codes), "low_percent": _hundredths(low)}
    row["high_percent"] = _hundredths(high)
    if first is not line:
        base = first.sums
        between = newcombe((found.back, found.codes), (base.back, base.codes))
        difference = found.back / found.codes - base.back / base.codes
        row |= {"against": first.arm, "difference_percent": _hundredths(difference)}
        row |= {"difference_low_percent": _hundredths(between.low)}
        row |= {"difference_high_percent": _hundredths(between.high)}
    return row


async def rfm(store: CloudStore, asked: Asked) -> Report:
    """How many customers, of those who consented, are in each layer of `cloud.rfm`."""
    found = await customers(store, asked)
    rows = []
    for layer in LAYERS:
        own = [one.person for one in found if one.layer == layer]
        spent = sum(one.spent_minor for one in own)
        row: Row = {"layer": layer, "people": len(own), "people_percent": _percent(len(own), len(found) or 1)}
        row |= {"purchases": sum(one.purchases for one in own), "spent_minor": spent}
        rows.append(row | {"average_spent_minor": _average(spent, len(own))})
    return Report(_LAYERS, rows)


async def people(store: CloudStore, asked: Asked) -> Report:
    """Each customer's scores, by pseudonym: for the CRM that makes the next offers."""
    rows = [
        one.person._asdict()
        | {"last": one.person.last.isoformat(), "recency": one.recency, "frequency": one.frequency}
        | {"money": one.money, "layer": one.layer}
        for one in await customers(store, asked)
    ]
    return Report(_PEOPLE, rows)


async def customers(store: CloudStore, asked: Asked) -> list[Scored]:
    """All who redeemed in the period, as far as records disclose them. Reads each of their records: a report of the
    night, not of a page. Refused(422) beyond PEOPLE_MAX.
    """
    found: list[Person] = []
    since, behind = asked.days()
    after = ("", "", 0, "", "")
    while page := await store.purchases(after, PEOPLE_PAGE):
        after = page[-1].cursor
        for line in page:
            fact = read_fact(Stored(0, REDEMPTION, line.received_at, "", 0, 0, None, line.event), 0)
            if fact is None or not line.is_members() or not since <= fact.day < behind:
                continue
            own = Person(line.pseudonym, _date(fact.day, line.received_at), 1, fact.basket_minor or 0)
            if found and found[-1].pseudonym == own.pseudonym:
                own = _together(found.pop(), own)
            found.append(own)
        if len(found) > PEOPLE_MAX:
            raise Refused(
                422, "too_many_people", f"more than {PEOPLE_MAX} customers: ask for a shorter period"
            )
    return scored(found)


def _together(one: Person, other: Person) -> Person:
    spent = one.spent_minor + other.spent_minor
    return Person(one.pseudonym, max(one.last, other.last), one.purchases + other.purchases, spent)


async def statement(store: CloudStore, asked: Asked) -> Report:
    """The settlement statement of each store: what each party pays, net of returns; days of receipt, UTC."""
    columns = tuple(TABLES["settlement"].columns)
    rows = await settlement(store, period_of(asked.since, asked.until))
    return Report(columns, [dict(zip(columns, row, strict=True)) for row in rows])


Maker = Callable[[CloudStore, Asked], Coroutine[Any, Any, Report]]
REPORTS: dict[str, tuple[Maker, str]] = {
    "campaigns": (
        campaigns,
        "each campaign's funnel: issued, redeemed, discount, baskets, extra sales, returns",
    ),
    "breakdown": (breakdown, "the same by store, hour or source"),
    "arms": (arms, "A/B arms of receipts: codes that came back, with 95 % intervals (Wilson, Newcombe)"),
    "rfm": (rfm, "customers in layers by recency and frequency"),
    "people": (people, "each customer's RFM scores, by pseudonym"),
    "settlement": (statement, "what each party pays for discounts in each store, net of returns"),
}


def sorted_page(
    rows: Iterable[Row],
    sort: str,
    *,
    descending: bool,
    keys: Sequence[str],
    after: Sequence[Any] | None,
    limit: int,
) -> list[Row]:
    """One page of rows by a column, then by `keys`; after: these values of the row before. None sorts lowest."""

    def place(value: Any) -> tuple[bool, Any]:
        return value is not None, value

    ordered = sorted(rows, key=lambda row: [place(row[key]) for key in keys])
    ordered.sort(key=lambda row: place(row[sort]), reverse=descending)
    if after is not None:
        at = [place(value) for value in after]

        def beyond(row: Row) -> bool:
            first, rest = place(row[sort]), [place(row[key]) for key in keys]
            if first != at[0]:
                return (first < at[0]) is descending
            return rest > at[1:]

        ordered = [row for row in ordered if beyond(row)]
    return ordered[:limit]


def _named(offer: Offer) -> Row:
    campaign = offer.campaign
    title = {"title_zh": campaign.title.zh, "title_en": campaign.title.en}
    return {"issuer": campaign.issuer, "campaign": campaign.number} | title | {"currency": campaign.currency}


def _sums(sums: Sums) -> Row:
    found = sums._asdict() | {"average_basket_minor": _average(sums.basket_minor, sums.baskets)}
    return {name: found[name] for name in _SUMS}


def _average(total: int, count: int) -> int | None:
    """Rounded to the nearest unit."""
    return (2 * total + count) // (2 * count) if count else None


def _percent(part: int, whole: int) -> float:
    return _hundredths(part / whole)


def _hundredths(share: float) -> float:
    return round(100 * share, 2)


def _day(number: int) -> str:
    """A day number as it is written."""
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def _date(text: str, received_at: str) -> date:
    """What a till calls a day may be none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.fromisoformat(received_at[:10])


def to_csv(report: Report) -> bytes:
    lines = (csv_line(row[name] for name in report.columns) for row in report.rows)
    return csv_line(report.columns) + b"".join(lines)
