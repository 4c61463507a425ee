"""A campaign: the offer behind a coupon, typed, with its wire form (a CBOR map with text keys, part of the bundle)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.domain import offer as offers
from agent.domain.fields import Fields
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.offer import Offer
from agent.domain.token import DAY_MAX, UINT32_MAX


class OfflineClass(StrEnum):
    """What a till may do alone with a code that can be copied (docs/architecture.md, "Offline risk")."""

    ONLINE = "A"  # never offline
    BOUND = "B"  # only in the store named in the coupon
    BUDGETED = "C"  # anywhere, within this till's budget
    OPEN = "D"  # low value, copies are expected


class Returns(StrEnum):
    """What comes back to the customer besides the money when all that a coupon took off is returned."""

    NOTHING = "nothing"
    COUPON = "coupon"


@dataclass(frozen=True, slots=True)
class Words:
    """One text in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What one till may accept by itself: coupons and value per business day, and since it last reached the cloud.

    soft_percent: the share of these limits that is free; past it a supervisor stands by each coupon.
    """

    count_day: int
    value_day_minor: int
    count_offline: int
    value_offline_minor: int
    soft_percent: int = 100


@dataclass(frozen=True, slots=True)
class Risk:
    """What a till looks at beside its budget.

    probe_percent: of so many scans it asks the cloud first, if there is a line. split_sales: in so many sales within
    split_minutes one member may use the campaign; the next asks for a supervisor, or is refused; 0 for no such rule.
    """

    probe_percent: int = 0
    split_sales: int = 0
    split_minutes: int = 0
    split_refuses: bool = False


NO_RISK = Risk()
SPLIT_MINUTES_MAX = 1440


@dataclass(frozen=True, slots=True)
class Campaign:
    """One offer of one issuer.

    starts, ends: days since 1970-01-01, both included. grace_days: how long after a coupon's last day it is still
    taken. stores: numbers where it counts, None for all. size: how many coupons there may be (indexes below it).
    stale_percent, expired_percent: the share of the budget that holds while the bundle is stale or expired; 0 refuses.
    prompt: for the cashier; conditions: one line for the receipt. uses: how often one coupon may be redeemed; more than
    once for a promo code that many people hold.
    """

    issuer: str
    number: int
    version: int
    title: Words
    offer: Offer
    currency: str
    starts: int
    ends: int
    grace_days: int
    stores: frozenset[int] | None
    size: int
    offline_class: OfflineClass
    budget: Budget | None
    stale_percent: int
    expired_percent: int
    prompt: Words
    conditions: Words
    uses: int = 1
    returns: Returns = Returns.NOTHING
    risk: Risk = NO_RISK


_NO_WORDS = {"zh": "", "en": ""}


def words_from_wire(value: Mapping[Any, Any], what: str) -> Words:
    fields = Fields(value, what)
    words = Words(fields.text("zh", 200), fields.text("en", 200))
    fields.done()
    return words


def texts(campaign: Campaign) -> Iterator[tuple[str, str]]:
    """(field, text) of all that a cashier or a shopper reads, such as ("title.zh", "满百立减")."""
    for name, words in (
        ("title", campaign.title),
        ("prompt", campaign.prompt),
        ("conditions", campaign.conditions),
    ):
        yield f"{name}.zh", words.zh
        yield f"{name}.en", words.en


def words_to_wire(words: Words) -> dict[str, str]:
    return {"zh": words.zh, "en": words.en}


def from_wire(value: Any) -> Campaign:
    """Read a campaign; FieldError names the field. Used on what a signed bundle holds and on what an issuer writes."""
    fields = Fields(value, "campaign")
    offline_class = OfflineClass(fields.choice("offline_class", {c.value: c.value for c in OfflineClass}))
    campaign = Campaign(
        issuer=fields.text("issuer", 32, least=1),
        number=fields.integer("number", 0, UINT32_MAX),
        version=fields.integer("version", 1, UINT32_MAX, default=1),
        title=words_from_wire(fields.mapping("title"), "title"),
        offer=offers.from_wire(fields.mapping("offer")),
        currency=fields.text("currency", 3, least=3),
        starts=fields.integer("starts", 0, DAY_MAX),
        ends=fields.integer("ends", 0, DAY_MAX),
        grace_days=fields.integer("grace_days", 0, 366, default=0),
        stores=fields.number_set("stores", UINT32_MAX),
        size=fields.integer("size", 1, 50_000_000),
        offline_class=offline_class,
        budget=_budget(fields.mapping("budget", default=None)),
        stale_percent=fields.integer("stale_percent", 0, 100, default=25),
        expired_percent=fields.integer("expired_percent", 0, 100, default=0),
        prompt=words_from_wire(fields.mapping("prompt", default=_NO_WORDS) or _NO_WORDS, "prompt"),
        conditions=words_from_wire(
            fields.mapping("conditions", default=_NO_WORDS) or _NO_WORDS, "conditions"
        ),
        uses=fields.integer("uses", 1, UINT32_MAX, default=1),
        returns=Returns(fields.choice("returns", {one.value: one.value for one in Returns}))
        if fields.has("returns")
        else Returns.NOTHING,
        risk=_risk(fields.mapping("risk", default=None)),
    )
    fields.done()
    if campaign.starts > campaign.ends:
        raise fields.error("ends", "is before starts")
    if offline_class is OfflineClass.BUDGETED and campaign.budget is None:
        raise fields.error("budget", "is needed in class C: it is what bounds the loss")
    limits = campaign.offer.conditions.limits
    if (limits.store_day or limits.till_day) and campaign.budget is None:
        raise fields.error("budget", "is needed beside limits of a day: it is what is counted")
    if limits.coupon and limits.coupon > campaign.uses:
        raise fields.error("uses", f"is below limits.coupon, {limits.coupon}")
    return campaign


def _budget(value: Mapping[Any, Any] | None) -> Budget | None:
    if value is None:
        return None
    fields = Fields(value, "budget")
    budget = Budget(
        fields.integer("count_day", 0, UINT32_MAX),
        fields.integer("value_day_minor", 0, AMOUNT_MAX_MINOR),
        fields.integer("count_offline", 0, UINT32_MAX),
        fields.integer("value_offline_minor", 0, AMOUNT_MAX_MINOR),
        fields.integer("soft_percent", 0, 100, default=100),
    )
    fields.done()
    return budget


def _risk(value: Mapping[Any, Any] | None) -> Risk:
    if value is None:
        return NO_RISK
    fields = Fields(value, "risk")
    risk = Risk(
        fields.integer("probe_percent", 0, 100, default=0),
        fields.integer("split_sales", 0, UINT32_MAX, default=0),
        fields.integer("split_minutes", 0, SPLIT_MINUTES_MAX, default=0),
        fields.boolean("split_refuses", default=False),
    )
    fields.done()
    if bool(risk.split_sales) != bool(risk.split_minutes):
        raise fields.error("split_minutes", "and split_sales need one another")
    return risk


def _budget_to_wire(budget: Budget) -> dict[str, int]:
    wire = {name: getattr(budget, name) for name in Budget.__slots__}
    if budget.soft_percent == 100:  # as tills of before it wrote and read it
        del wire["soft_percent"]
    return wire


def to_wire(campaign: Campaign) -> dict[str, Any]:
    """The map that `from_wire` reads."""
    wire: dict[str, Any] = {
        name: getattr(campaign, name)
        for name in ("issuer", "number", "version", "currency", "starts", "ends", "grace_days", "size")
    }
    wire |= {name: getattr(campaign, name) for name in ("stale_percent", "expired_percent")}
    wire |= {name: words_to_wire(getattr(campaign, name)) for name in ("title", "prompt", "conditions")}
    wire |= {"offer": offers.to_wire(campaign.offer), "offline_class": campaign.offline_class.value}
    wire["stores"] = None if campaign.stores is None else sorted(campaign.stores)
    budget = campaign.budget
    wire["budget"] = None if budget is None else _budget_to_wire(budget)
    if campaign.risk != NO_RISK:
        wire["risk"] = {name: getattr(campaign.risk, name) for name in Risk.__slots__}
    if campaign.returns is not Returns.NOTHING:
        wire["returns"] = campaign.returns.value
    return wire if campaign.uses == 1 else wire | {"uses": campaign.uses}
