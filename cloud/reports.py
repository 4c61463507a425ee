"""What is reported of campaigns, arms, customers and stores: rows under names, for JSON, CSV and people alike.

Periods are days, both included: of the store's calendar for what was sold, of receipt (UTC) for settlement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from agent.domain.parts import Place
from cloud.errors import Refused
from cloud.export import TABLES
from cloud.export_files import csv_line
from cloud.facts import REDEMPTION, Stored, read_data, read_fact
from cloud.intervals import newcombe, wilson
from cloud.lift import Outcome, Visit, mean_difference, outcomes
from cloud.people import PEOPLE_FIRST
from cloud.ports import CloudStore, Offer
from cloud.rfm import LAYERS, Person, Scored, scored
from cloud.settling import period_of, settlement
from cloud.tally import AXES, ArmLine, Sums, TallyLine

PEOPLE_MAX = 1_000_000
"""Customers of one report: they are held in memory."""
PEOPLE_PAGE = 1000
RANKED_LEAST = 25
"""Customers by whose ranks layers mean something: five for each score."""
TOO_FEW = "too_few"
"""Stands in place of a layer where there are fewer."""
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


_OF_STORES: dict[str, Callable[[Place], Sequence[str]]] = {
    "merchant": lambda place: (place.merchant,),
    "group": lambda place: tuple(map(str, sorted(place.groups))),
}
BREAKDOWNS = (*AXES[1:], *_OF_STORES)
"""group: of stores, such as a region, by its number."""
_SUMS = (
    *("redemptions", "discount_minor", "baskets", "basket_minor", "average_basket_minor"),
    *("measured", "extra_minor", "returns", "returned_minor", "net_minor"),
)
_CAMPAIGN = ("issuer", "campaign", "title_zh", "title_en", "currency")
_CAMPAIGNS = (*_CAMPAIGN, "starts", "ends", "issued", *_SUMS, "conflicts", "rate_percent")
_ARMS = (
    *("rule", "arm", "receipts", "average_basket_minor", "codes", "back", "rate_percent", "low_percent"),
    *("high_percent", "against", "difference_percent", "difference_low_percent", "difference_high_percent"),
)
_LAYERS = ("layer", "people", "people_percent", "purchases", "spent_minor", "average_spent_minor")
_LIFT = (
    *("rule", "arm", "people", "returned", "rate_percent", "low_percent", "high_percent"),
    *("spent_minor", "spent_each_minor", "against", "difference_percent", "difference_low_percent"),
    *("difference_high_percent", "extra_each_minor", "extra_low_minor", "extra_high_minor"),
)
_PEOPLE = ("pseudonym", "last", "purchases", "spent_minor", "recency", "frequency", "money", "layer")


async def campaigns(store: CloudStore, asked: Asked) -> Report:
    """The funnel of each campaign: issued, redeemed, what came off, what was sold with it.

    rate_percent: redemptions that were not in conflict of coupons issued here; None where none were. extra_minor: what
    lies above the least sale that the offer asks for, of the sales that are known (`measured`). net_minor: what came
    off less what went back.
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
    """By one of BREAKDOWNS. share_percent: of the campaign's redemptions; a store in several groups counts in each."""
    if asked.by not in BREAKDOWNS:
        raise Refused(422, "bad_field", f"by is none of {', '.join(BREAKDOWNS)}")
    offers = {(one.campaign.issuer, one.campaign.number): one for one in await store.offers()}
    axis = "store" if asked.by in _OF_STORES else asked.by
    lines = await store.tallies(axis, *asked.days(), asked.campaign)
    whole: dict[tuple[str, int], int] = {}
    for line in lines:
        of = (line.issuer, line.campaign)
        whole[of] = whole.get(of, 0) + line.sums.redemptions
    if asked.by in _OF_STORES:
        lines = _rolled_up(lines, {one.store: _OF_STORES[asked.by](one) for one in await store.places()})
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


def _rolled_up(lines: Iterable[TallyLine], wholes: Mapping[str, Sequence[str]]) -> list[TallyLine]:
    """Sums of stores as sums of what they belong to. wholes: of each store; one that is not known belongs to ""."""
    found: dict[tuple[str, int, str], Sums] = {}
    for line in lines:
        for whole in wholes.get(line.value) or ("",):
            key = (line.issuer, line.campaign, whole)
            found[key] = found.get(key, Sums()).plus(line.sums)
    return [TallyLine(*key, sums) for key, sums in sorted(found.items())]


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
    """How many customers, of those who consented, are in each layer of `cloud.rfm`; few are in one row."""
    found = await customers(store, asked)
    layers = _layers(found)
    rows = []
    for layer in LAYERS if TOO_FEW not in layers else (TOO_FEW,):
        own = [one.person for one, of in zip(found, layers, strict=True) if of == layer]
        spent = sum(one.spent_minor for one in own)
        row: Row = {"layer": layer, "people": len(own), "people_percent": _percent(len(own), len(found) or 1)}
        row |= {"purchases": sum(one.purchases for one in own), "spent_minor": spent}
        rows.append(row | {"average_spent_minor": _average(spent, len(own))})
    return Report(_LAYERS, rows)


def _layers(found: Sequence[Scored]) -> list[str]:
    return [TOO_FEW if len(found) < RANKED_LEAST else one.layer for one in found]


async def people(store: CloudStore, asked: Asked) -> Report:
    """Each customer's scores, by pseudonym: for the CRM that makes the next offers."""
    found = await customers(store, asked)
    rows = [
        one.person._asdict()
        | {"last": one.person.last.isoformat(), "recency": one.recency, "frequency": one.frequency}
        | {"money": one.money, "layer": layer}
        for one, layer in zip(found, _layers(found), strict=True)
    ]
    return Report(_PEOPLE, rows)


async def customers(store: CloudStore, asked: Asked) -> list[Scored]:
    """All who redeemed in the period, as far as records disclose them. Refused(422) beyond PEOPLE_MAX."""
    found: list[Person] = []
    async for pseudonym, visits in _histories(store, asked):
        last = max(_date(visit.day) for visit in visits)
        found.append(Person(pseudonym, last, len(visits), sum(visit.spent_minor for visit in visits)))
        if len(found) > PEOPLE_MAX:
            raise Refused(
                422, "too_many_people", f"more than {PEOPLE_MAX} customers: ask for a shorter period"
            )
    return scored(found)


async def lift(store: CloudStore, asked: Asked) -> Report:
    """Of each rule of receipts: how many customers of each arm came back on a later day (Wilson), what they spent then,
    and both against the arm that is held out (Newcombe; Welch's normal interval from 30 customers on).
    """
    held_out = _held_out(await store.arms(*asked.days()))
    found = outcomes([visits async for _, visits in _histories(store, asked)])
    rows = []
    for (rule, arm), own in sorted(found.items()):
        base = found.get((rule, held_out.get(rule, "")))
        rows.append(_lifted(rule, arm, own, None if arm == held_out.get(rule) else base, held_out.get(rule)))
    return Report(_LIFT, rows)


def _held_out(lines: Iterable[ArmLine]) -> dict[str, str]:
    """Of each rule the one arm that gave no codes; none where that is not clear."""
    without: dict[str, list[str]] = {}
    for line in lines:
        if not line.sums.codes:
            without.setdefault(line.rule, []).append(line.arm)
    return {rule: found[0] for rule, found in without.items() if len(found) == 1}


def _lifted(rule: str, arm: str, own: Outcome, base: Outcome | None, held_out: str | None) -> Row:
    low, high = wilson(own.returned, own.people)
    row: Row = dict.fromkeys(_LIFT) | {
        "rule": rule,
        "arm": arm,
        "people": own.people,
        "returned": own.returned,
    }
    row |= {"rate_percent": _percent(own.returned, own.people), "low_percent": _hundredths(low)}
    row |= {"high_percent": _hundredths(high), "spent_minor": own.spent_minor}
    row["spent_each_minor"] = round(own.mean_minor)
    if base is None:
        return row
    between = newcombe((own.returned, own.people), (base.returned, base.people))
    row |= {"against": held_out, "difference_low_percent": _hundredths(between.low)}
    row["difference_percent"] = _hundredths(own.returned / own.people - base.returned / base.people)
    row |= {"difference_high_percent": _hundredths(between.high)}
    row["extra_each_minor"] = round(own.mean_minor - base.mean_minor)
    if (interval := mean_difference(own, base)) is not None:
        row |= {"extra_low_minor": round(interval.low), "extra_high_minor": round(interval.high)}
    return row


async def _histories(store: CloudStore, asked: Asked) -> AsyncIterator[tuple[str, list[Visit]]]:
    """Each customer's redemptions in the period. Reads each of their records: a report of the night, not of a page."""
    since, behind = asked.days()
    after, pseudonym, visits = PEOPLE_FIRST, "", list[Visit]()
    while page := await store.purchases(after, PEOPLE_PAGE):
        after = page[-1].cursor
        for line in page:
            if line.pseudonym != pseudonym:
                if visits:
                    yield pseudonym, visits
                pseudonym, visits = line.pseudonym, []
            data = read_data(line.event)
            fact = read_fact(Stored(0, REDEMPTION, line.received_at, "", 0, 0, None, line.event), data, 0)
            decided = line.is_units(data)
            if fact is None or not (decided or line.is_members(data)) or not since <= fact.day < behind:
                continue
            rule = (fact.rule, fact.arm) if decided else ("", "")
            visits.append(Visit(fact.day, fact.basket_minor or 0, *rule))
    if visits:
        yield pseudonym, visits


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
    "breakdown": (breakdown, "the same by store, merchant, group of stores, hour or source"),
    "arms": (arms, "A/B arms of receipts: codes that came back, with 95 % intervals (Wilson, Newcombe)"),
    "lift": (lift, "arms against what is held out: customers that came back, and extra sales of each"),
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
    found["net_minor"] = sums.discount_minor - sums.returned_minor
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


def _date(text: str) -> date:
    """What a till calls a day may be none: it counts as long ago."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return FIRST_DAY


def to_csv(report: Report) -> bytes:
    lines = (csv_line(row[name] for name in report.columns) for row in report.rows)
    return csv_line(report.columns) + b"".join(lines)
