"""A campaign: the offer behind a coupon, typed, with its wire form (a CBOR map with text keys, part of the bundle)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agent.domain.fields import Fields
from agent.domain.money import AMOUNT_MAX_MINOR, short
from agent.domain.sale import Sale
from agent.domain.token import DAY_MAX, UINT32_MAX


class OfflineClass(StrEnum):
    """What a till may do alone with a code that can be copied (docs/architecture.md, "Offline risk")."""

    ONLINE = "A"  # never offline
    BOUND = "B"  # only in the store named in the coupon
    BUDGETED = "C"  # anywhere, within this till's budget
    OPEN = "D"  # low value, copies are expected


@dataclass(frozen=True, slots=True)
class Words:
    """One text in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Benefit:
    """discount_minor: the amount off, None where the till does not know the sale. missing: see `Missing`."""

    discount_minor: int | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a sale does not earn the benefit. spend_minor: how much more to spend; sku: the article that is not there."""

    spend_minor: int | None = None
    sku: str | None = None


@dataclass(frozen=True, slots=True)
class AmountOff:
    """Spend `threshold_minor`, get `amount_minor` off."""

    threshold_minor: int
    amount_minor: int

    def apply(self, sale: Sale | None) -> Benefit | Missing:
        if sale is None:
            return Benefit(None)
        least = max(self.threshold_minor, 1)  # a coupon is not used up for nothing
        if sale.total_minor < least:
            return Missing(spend_minor=least - sale.total_minor)
        return Benefit(min(self.amount_minor, sale.total_minor))

    def exposure_minor(self) -> int:
        """The most that one coupon can cost."""
        return self.amount_minor

    def words(self, currency: str) -> Words:
        threshold, amount = short(self.threshold_minor, currency), short(self.amount_minor, currency)
        if not self.threshold_minor:
            return Words(f"立减 {amount}", f"{amount} off")
        return Words(f"满 {threshold} 减 {amount}", f"{amount} off from {threshold}")


@dataclass(frozen=True, slots=True)
class PercentOff:
    """`percent` off, rounded down to the minor unit, at most `cap_minor`, from `threshold_minor` on."""

    percent: int
    cap_minor: int
    threshold_minor: int

    def apply(self, sale: Sale | None) -> Benefit | Missing:
        if sale is None:
            return Benefit(None)
        least = max(self.threshold_minor, -(-100 // self.percent))  # below it, rounding leaves nothing off
        if sale.total_minor < least:
            return Missing(spend_minor=least - sale.total_minor)
        return Benefit(min(sale.total_minor * self.percent // 100, self.cap_minor))

    def exposure_minor(self) -> int:
        return self.cap_minor

    def words(self, currency: str) -> Words:
        cap = short(self.cap_minor, currency)
        pay = 100 - self.percent  # 八折 is "pay 80 %"
        rate = f"{pay // 10} 折" if pay % 10 == 0 else f"{pay / 10:g} 折"
        return Words(f"{rate}，最高减 {cap}", f"{self.percent}% off, at most {cap}")


@dataclass(frozen=True, slots=True)
class FreeItem:
    """One piece of one of `skus` is free, up to `value_max_minor`. The cheapest one counts."""

    skus: tuple[str, ...]
    value_max_minor: int

    def apply(self, sale: Sale | None) -> Benefit | Missing:
        if sale is None or not sale.lines:
            return Benefit(None)
        kept: Counter[str] = Counter()  # a piece that goes back in the same sale is not bought
        for line in sale.lines:
            kept[line.sku] += line.quantity
        prices = [
            line.unit_price_minor
            for line in sale.lines
            if line.sku in self.skus and line.quantity > 0 and kept[line.sku] > 0
        ]
        if not prices:
            return Missing(sku=self.skus[0])
        if not sale.total_minor:
            return Missing(spend_minor=1)
        return Benefit(min(min(prices), self.value_max_minor, sale.total_minor))

    def exposure_minor(self) -> int:
        return self.value_max_minor

    def words(self, currency: str) -> Words:
        return Words("免费兑换一件", "one piece free")


BenefitRule = AmountOff | PercentOff | FreeItem


def personal(rule: BenefitRule, value_minor: int | None) -> BenefitRule:
    """The rule as one coupon states it: a personal value lowers what the campaign gives and never raises it."""
    if value_minor is None or value_minor >= rule.exposure_minor():
        return rule
    match rule:
        case AmountOff():
            return replace(rule, amount_minor=value_minor)
        case PercentOff():
            return replace(rule, cap_minor=value_minor)
        case FreeItem():
            return replace(rule, value_max_minor=value_minor)


@dataclass(frozen=True, slots=True)
class Budget:
    """What one till may accept by itself: coupons and value per business day, and since it last reached the cloud."""

    count_day: int
    value_day_minor: int
    count_offline: int
    value_offline_minor: int


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
    benefit: BenefitRule
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


def _amount_off(fields: Fields) -> AmountOff:
    return AmountOff(
        fields.integer("threshold_minor", 0, AMOUNT_MAX_MINOR),
        fields.integer("amount_minor", 1, AMOUNT_MAX_MINOR),
    )


def _percent_off(fields: Fields) -> PercentOff:
    return PercentOff(
        fields.integer("percent", 1, 100),
        fields.integer("cap_minor", 1, AMOUNT_MAX_MINOR),
        fields.integer("threshold_minor", 0, AMOUNT_MAX_MINOR, default=0),
    )


def _free_item(fields: Fields) -> FreeItem:
    skus = tuple(fields.texts("skus", 1, 200, 64))
    return FreeItem(skus, fields.integer("value_max_minor", 1, AMOUNT_MAX_MINOR))


_BENEFITS: dict[str, Callable[[Fields], BenefitRule]] = {
    "amount_off": _amount_off,
    "percent_off": _percent_off,
    "free_item": _free_item,
}
_KIND_OF = {AmountOff: "amount_off", PercentOff: "percent_off", FreeItem: "free_item"}


def kind_of(rule: BenefitRule) -> str:
    """The benefit's kind as the wire names it."""
    return _KIND_OF[type(rule)]


def from_wire(value: Any) -> Campaign:
    """Read a campaign; FieldError names the field. Used on what a signed bundle holds and on what an issuer writes."""
    fields = Fields(value, "campaign")
    benefit = Fields(fields.mapping("benefit"), "benefit")
    rule = benefit.choice("kind", _BENEFITS)(benefit)
    benefit.done()
    offline_class = OfflineClass(fields.choice("offline_class", {c.value: c.value for c in OfflineClass}))
    campaign = Campaign(
        issuer=fields.text("issuer", 32, least=1),
        number=fields.integer("number", 0, UINT32_MAX),
        version=fields.integer("version", 1, UINT32_MAX, default=1),
        title=words_from_wire(fields.mapping("title"), "title"),
        benefit=rule,
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
    )
    fields.done()
    if campaign.starts > campaign.ends:
        raise fields.error("ends", "is before starts")
    if offline_class is OfflineClass.BUDGETED and campaign.budget is None:
        raise fields.error("budget", "is needed in class C: it is what bounds the loss")
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
    )
    fields.done()
    return budget


def to_wire(campaign: Campaign) -> dict[str, Any]:
    """The map that `from_wire` reads."""
    benefit: dict[str, Any] = {"kind": _KIND_OF[type(campaign.benefit)]}
    for name in type(campaign.benefit).__slots__:
        value = getattr(campaign.benefit, name)
        benefit[name] = list(value) if isinstance(value, tuple) else value
    wire: dict[str, Any] = {
        name: getattr(campaign, name)
        for name in ("issuer", "number", "version", "currency", "starts", "ends", "grace_days", "size")
    }
    wire |= {name: getattr(campaign, name) for name in ("stale_percent", "expired_percent")}
    wire |= {name: words_to_wire(getattr(campaign, name)) for name in ("title", "prompt", "conditions")}
    wire |= {"benefit": benefit, "offline_class": campaign.offline_class.value}
    wire["stores"] = None if campaign.stores is None else sorted(campaign.stores)
    budget = campaign.budget
    wire["budget"] = None if budget is None else {name: getattr(budget, name) for name in Budget.__slots__}
    return wire if campaign.uses == 1 else wire | {"uses": campaign.uses}
