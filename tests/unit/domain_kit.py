"""What the tests of the domain share: keys from fixed seeds, a small world to decide in, and how many examples to try.

REDEEMD_EXAMPLES=20 tries twenty times as many random examples as usual, each run other ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings

from agent.domain import decide, status, time
from agent.domain.budget import BudgetUse
from agent.domain.bundle import Age
from agent.domain.campaign import Budget, Campaign, OfflineClass, Words
from agent.domain.cose import Algorithm
from agent.domain.decide import Decision, Held, LedgerView, PriorUse, Setting
from agent.domain.eligibility import Member
from agent.domain.keys import IssuerKey, SigningKey, signing_key_from_seed
from agent.domain.online import Checked
from agent.domain.parts import Contents, Place, PromoCode
from agent.domain.sale import Line, Sale
from agent.domain.status import Status
from agent.domain.time import EffectiveTime
from agent.domain.token import Claims, Coupon, sign, to_text
from tests.offers import amount_off

_FACTOR = int(os.environ.get("REDEEMD_EXAMPLES", "1"))
MANY = _FACTOR > 1


def examples(count: int) -> Callable[[Any], Any]:
    """Hypothesis settings: `count` examples, the same ones in each usual run."""
    return settings(
        max_examples=count * _FACTOR,
        derandomize=not MANY,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def key(number: int) -> SigningKey:
    """The signing key of seed `number` repeated."""
    return signing_key_from_seed(bytes([number]) * 32)


ISSUER_KEY = key(1)
TODAY = 20_000  # 2024-10-04
NOON = datetime(2024, 10, 4, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
SHANGHAI = ZoneInfo("Asia/Shanghai")
PLACE = Place("S-0012", 12, frozenset({1, 3}), "M-1", Words("一店", "Store 1"), "Asia/Shanghai", "CNY")

UNUSED = BudgetUse()
SALE = Sale("1", "CNY", 12_000, (Line("A", 1, 12_000),))


def issuer_key(**changes: Any) -> IssuerKey:
    """The bundle's record of ISSUER_KEY."""
    usual: dict[str, Any] = {
        "kid": ISSUER_KEY.kid,
        "issuer": "acme",
        "algorithm": Algorithm.ED25519,
        "public_key": ISSUER_KEY.public_key,
        "campaigns": None,
        "not_before": TODAY - 500,
        "expires": TODAY + 500,
        "value_max_minor": 10_000,
    }
    return IssuerKey(**usual | changes)


def campaign(**changes: Any) -> Campaign:
    """30 off from 100, class C, in all stores."""
    usual: dict[str, Any] = {
        "issuer": "acme",
        "number": 7,
        "version": 1,
        "title": Words("秋季", "Autumn"),
        "offer": amount_off(10_000, 3_000),
        "currency": "CNY",
        "starts": TODAY - 10,
        "ends": TODAY + 10,
        "grace_days": 0,
        "stores": None,
        "size": 100,
        "offline_class": OfflineClass.BUDGETED,
        "budget": Budget(100, 300_000, 200, 600_000),
        "stale_percent": 25,
        "expired_percent": 0,
        "prompt": Words("", ""),
        "conditions": Words("", ""),
    }
    return Campaign(**usual | changes)


def claims(**changes: Any) -> Claims:
    """Coupon 5 of campaign 7, good for three days around TODAY."""
    usual: dict[str, Any] = {"campaign": 7, "index": 5, "not_before": TODAY - 1, "expires": TODAY + 1}
    return Claims(**usual | changes)


def text(**changes: Any) -> str:
    """A signed coupon's text."""
    return to_text(sign(claims(**changes), ISSUER_KEY))


def contents(
    *, keys: tuple[IssuerKey, ...] = (), offers: tuple[Campaign, ...] = (), promos: tuple[PromoCode, ...] = ()
) -> Contents:
    """A bundle's contents with ISSUER_KEY and campaign 7 unless others are given."""
    return Contents(
        PLACE,
        {key.kid: key for key in keys or (issuer_key(),)},
        {(offer.issuer, offer.number): offer for offer in offers or (campaign(),)},
        {},
        promos,
        (),
    )


@dataclass(frozen=True, slots=True)
class World:
    """Everything one decision depends on; the usual one is accepted with 30 off."""

    key: IssuerKey = field(default_factory=issuer_key)
    campaign: Campaign | None = field(default_factory=campaign)
    claims: Claims = field(default_factory=claims)
    status: Status | None = None  # None: no list at all
    prior: PriorUse | None = None
    used: BudgetUse = UNUSED
    held: Held | None = None
    sale: Sale | None = SALE
    now: datetime = NOON
    doubt: str = ""
    age: Age = Age.FRESH
    place: Place = PLACE
    zone: tzinfo = SHANGHAI
    member: Member | None = None
    sales: int = 0
    supervised: bool = False
    checked: Checked | None = None

    def but(self, **changes: Any) -> World:
        return replace(self, **changes)

    def with_campaign(self, **changes: Any) -> World:
        return self if self.campaign is None else replace(self, campaign=replace(self.campaign, **changes))

    def with_claims(self, **changes: Any) -> World:
        return replace(self, claims=replace(self.claims, **changes))

    @property
    def today(self) -> int:
        return time.day_number(self.now, self.zone)

    def decide(self) -> Decision:
        offers = (
            {} if self.campaign is None else {(self.campaign.issuer, self.campaign.number): self.campaign}
        )
        lists = {}
        if self.status is not None:
            marks = [(self.claims.index, self.status)] if self.claims.index < 1000 else []
            lists["acme", self.claims.campaign] = status.make(1000, marks)
        known = Contents(self.place, {self.key.kid: self.key}, offers, lists, (), ())
        coupon = Coupon(self.key.issuer, self.claims, self.key.kid)
        setting = Setting(EffectiveTime(self.now, self.now, self.doubt), self.zone, self.place, self.age)
        view = LedgerView(self.prior, self.used, held=self.held, sales=self.sales)
        beside: dict[str, Any] = {"supervised": self.supervised, "checked": self.checked}
        return decide.decide(coupon, known, self.sale, view, setting, self.member, **beside)
