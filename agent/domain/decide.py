"""Verify a scan and decide on a coupon: pure functions of what is known, in the order of precedence of `Outcome`.

Long because that order is read in one place.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from agent.domain import time, token
from agent.domain.balance import balance_minor, left_minor
from agent.domain.basket import basket_of
from agent.domain.benefit import PointsSpend, StoredValue, most_minor
from agent.domain.budget import NOTHING_USED, BudgetUse, share_percent
from agent.domain.bundle import Age
from agent.domain.campaign import Campaign, OfflineClass
from agent.domain.codes import CodeKind, Found
from agent.domain.eligibility import Facts, Member, Presented, Uses, objection_to
from agent.domain.keys import IssuerKey
from agent.domain.objection import Objection, Reason
from agent.domain.online import Checked, Word
from agent.domain.outcome import OUTCOME_OF, Outcome
from agent.domain.parts import Contents, Place
from agent.domain.pricing import Applied, quote_one
from agent.domain.risk import Asked, weigh
from agent.domain.sale import Sale
from agent.domain.scan import Kind, route
from agent.domain.status import Status
from agent.domain.token import Claims, Coupon, TokenFault

ELSEWHERE = "elsewhere"
"""The detail of `already_redeemed` and `held` where others say it and this till's ledger does not."""
DOUBT_CLASSES = frozenset({OfflineClass.BUDGETED, OfflineClass.OPEN})
"""What it takes at all then: where a budget or a low value bounds what a wrong date can cost."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A scan that is no verified coupon. detail: the fault or the kid, for evidence and support; may be empty."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class PriorUse:
    """The last redemption of this coupon here. uses: how many there were. spent_minor: what they took off together."""

    redemption_id: str
    at: datetime
    till: str
    uses: int = 1
    spent_minor: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What open holds keep of one coupon: uses, what those take off together, until when the last of them lasts."""

    uses: int
    amount_minor: int
    until: datetime


class LedgerView(NamedTuple):
    """What the till's ledger says about one coupon, read in the transaction that will record the answer.

    used: what open holds reserve included. member_day, member_month: how often the member used the campaign
    here or is about to, where it limits that. sales: in how many other sales within its window, where it asks for that.
    unprinted: it is a promo code of this till's pool that is on no paper yet.
    """

    prior: PriorUse | None = None
    used: BudgetUse = NOTHING_USED
    unprinted: bool = False
    held: Held | None = None
    member_day: int = 0
    member_month: int = 0
    sales: int = 0

    @property
    def uses(self) -> int:
        """Redeemed or held."""
        return (self.prior.uses if self.prior else 0) + (self.held.uses if self.held else 0)

    @property
    def spent_minor(self) -> int:
        """Taken off by it so far, or about to be."""
        return (self.prior.spent_minor if self.prior else 0) + (self.held.amount_minor if self.held else 0)


class Setting(NamedTuple):
    """Where and when the decision is made."""

    time: time.EffectiveTime
    zone: tzinfo
    place: Place
    age: Age


class Decision(NamedTuple):
    """The answer. discount_minor: what comes off, None where the till does not know. charge_minor: what it takes from
    the budget. works_from: when a refused coupon starts to count. objection: what the offer's rules have against it.
    applied: what it does to a known sale, line by line. asked: what a supervisor's badge was needed for. left_minor: on
    a stored value afterwards, as this till knows it; None of any other coupon.
    """

    outcome: Outcome
    discount_minor: int | None = None
    charge_minor: int = 0
    works_from: datetime | None = None
    detail: str | None = None
    objection: Objection | None = None
    applied: Applied | None = None
    asked: Asked = Asked.NOTHING
    left_minor: int | None = None

    @property
    def missing_minor(self) -> int | None:
        """How much more to spend on the offer's articles."""
        return (self.objection.missing_minor or None) if self.objection else None


_FAULT_OUTCOME = {
    TokenFault.NOT_A_TOKEN: Outcome.NOT_A_COUPON,
    TokenFault.INCOMPLETE: Outcome.TRUNCATED,
}


_KIND_OUTCOME = {
    Kind.MEMBER_CARD: Outcome.MEMBER_CARD,
    Kind.STAFF_BADGE: Outcome.STAFF_BADGE,
    Kind.PICKUP_CODE: Outcome.PICKUP_CODE,
    Kind.PAYMENT_CODE: Outcome.PAYMENT_CODE,
    Kind.PRODUCT: Outcome.PRODUCT_BARCODE,
    Kind.LINK: Outcome.WEB_ADDRESS,
    Kind.UNSUPPORTED: Outcome.UNSUPPORTED_CODE,
    Kind.DAMAGED: Outcome.MALFORMED,
    Kind.OTHER: Outcome.NOT_A_COUPON,
}
_CODE_KIND = {Kind.GCN: CodeKind.GCN, Kind.OFFER: CodeKind.OFFER}
assert {Kind.TOKEN, *_KIND_OUTCOME, *_CODE_KIND} == set(Kind), "every kind of scan has its way"


def verify_scan(text: str, contents: Contents) -> Coupon | Refusal:
    """The coupon behind a scanned text, or why there is none. Trust only; no rule is applied.

    A token is trusted for its signature. An opaque code is trusted because the signed bundle lists its hash: whatever
    else it looks like (a product, a member card), a code that is listed is a coupon.
    """
    routed = route(text, contents.scan_rules)
    if routed.kind is Kind.TOKEN:
        return _verify_token(routed.text, contents)
    kind = _CODE_KIND.get(routed.kind, CodeKind.PLAIN)
    found = contents.codes.find(kind, routed.text)
    if found is not None:
        return _coupon_of(found)
    if (
        badge := contents.shop.badges.find(routed.text)
    ) is not None:  # listed, whatever rules say of its form
        return Refusal(Outcome.STAFF_BADGE, badge.role.value)
    if kind is not CodeKind.PLAIN or (routed.kind is Kind.OTHER and contents.codes.fits(routed.text)):
        return Refusal(Outcome.UNKNOWN_CODE, kind.value)
    detail = TokenFault.NOT_A_TOKEN.value if routed.kind is Kind.OTHER else routed.detail
    return Refusal(_KIND_OUTCOME[routed.kind], detail)


def _coupon_of(found: Found) -> Coupon:
    head = found.head
    claims = Claims(
        head.campaign,
        found.index,
        head.not_before,
        head.expires,
        store=head.store,
        store_group=head.store_group,
        value_minor=head.value_minor,
    )
    return Coupon(head.issuer, claims, b"", found.digest)


def _verify_token(text: str, contents: Contents) -> Coupon | Refusal:
    try:
        parsed = token.parse(text)
    except token.TokenError as error:
        return Refusal(_FAULT_OUTCOME.get(error.fault, Outcome.MALFORMED), error.fault.value)
    key = contents.keys.get(parsed.envelope.kid)
    if key is None:
        return Refusal(Outcome.UNKNOWN_KEY, parsed.envelope.kid.hex())
    if parsed.envelope.algorithm is not key.algorithm:
        return Refusal(Outcome.BAD_SIGNATURE, "wrong_algorithm")
    if not token.verify(parsed, key):
        return Refusal(Outcome.BAD_SIGNATURE, parsed.envelope.kid.hex())
    claims = parsed.claims
    if key.campaigns is not None and claims.campaign not in key.campaigns:
        return Refusal(Outcome.BEYOND_KEY_LIMIT, "campaign")
    if key.delegation is not None and not _is_listed(claims.index, key.delegation.indexes[claims.campaign]):
        return Refusal(Outcome.BEYOND_KEY_LIMIT, "index")
    if claims.value_minor is not None and claims.value_minor > key.value_max_minor:
        return Refusal(Outcome.BEYOND_KEY_LIMIT, "value")
    return Coupon(key.issuer, claims, key.kid)


def _is_listed(index: int, ascending: tuple[int, ...]) -> bool:
    place = bisect_left(ascending, index)
    return place < len(ascending) and ascending[place] == index


def find_status(coupon: Coupon, contents: Contents) -> Status | None:
    """What the status list says of the coupon; None where it lies outside the list: it was never issued."""
    claims = coupon.claims
    listed = contents.status.get((coupon.issuer, claims.campaign))
    if listed is None:
        return Status.VALID
    try:
        return listed[claims.index]
    except IndexError:
        return None


def decide(
    coupon: Coupon,
    contents: Contents,
    sale: Sale | None,
    view: LedgerView,
    setting: Setting,
    member: Member | None = None,
    *,
    supervised: bool = False,
    checked: Checked | None = None,
) -> Decision:
    """Whether this coupon counts here and now. The first objection in the order of `Outcome` is the answer.

    supervised: a supervisor stands by it. checked: what came of asking the cloud; None where there is none to ask, or
    it was not asked.
    """
    against = admit(coupon, contents, view, setting, checked)
    if against is not None:
        return against
    campaign = contents.campaigns[coupon.identity[:2]]
    decision = _price(coupon, campaign, sale, view, setting, member, supervised=supervised)
    return decision if decision.outcome is not Outcome.ACCEPTED else unheard(campaign, checked) or decision


def unheard(campaign: Campaign, checked: Checked | None) -> Decision | None:
    """Class A without the cloud's yes. Found last: the cloud need not be asked about what is refused anyway."""
    if campaign.offline_class is OfflineClass.ONLINE and (checked is None or checked.word is not Word.YES):
        return Decision(Outcome.ONLINE_NEEDED)
    return None


def admit(
    coupon: Coupon, contents: Contents, view: LedgerView, setting: Setting, checked: Checked | None = None
) -> Decision | None:
    """What speaks against this coupon whatever is bought; None if nothing does."""
    # An opaque code has no issuer's key: the bundle itself speaks for it.
    key = None if coupon.code_hash else contents.keys[coupon.kid]
    campaign = contents.campaigns.get((coupon.issuer, coupon.claims.campaign))
    if campaign is None:
        return _window_objection(key, setting) or Decision(Outcome.UNKNOWN_CAMPAIGN)
    most = most_minor(campaign.offer.benefit, coupon.claims.value_minor)
    if key is not None and most > key.value_max_minor:
        return Decision(Outcome.BEYOND_KEY_LIMIT, detail="campaign_value")
    key_starts = 0 if key is None else key.not_before
    return (
        _window_objection(key, setting)
        or _use_objection(coupon, contents, campaign, view, checked)
        or _date_objection(coupon, campaign, setting)
        or _place_objection(coupon, campaign, setting.place)
        or _till_objection(max(key_starts, _first_day(coupon, campaign)), campaign, setting, checked)
    )


def _window_objection(key: IssuerKey | None, setting: Setting) -> Decision | None:
    if key is None:
        return None
    today = time.day_number(setting.time.now, setting.zone)
    too_early = today < key.not_before and not setting.time.doubt  # as with a coupon's first day
    return Decision(Outcome.KEY_NOT_VALID) if too_early or today > key.expires else None


def _use_objection(
    coupon: Coupon, contents: Contents, campaign: Campaign, view: LedgerView, checked: Checked | None
) -> Decision | None:
    known, word = find_status(coupon, contents), None if checked is None else checked.word
    if known is None or coupon.claims.index >= campaign.size or word is Word.UNKNOWN:
        return Decision(Outcome.NEVER_ISSUED)
    if known is Status.REVOKED or word is Word.REVOKED:
        return Decision(Outcome.REVOKED)
    if view.unprinted:
        return Decision(Outcome.NEVER_ISSUED, detail="not_printed")
    if view.prior is not None and view.prior.uses >= campaign.uses:
        return Decision(Outcome.ALREADY_REDEEMED)
    if known is Status.USED or word is Word.USED:
        return Decision(Outcome.ALREADY_REDEEMED, detail=ELSEWHERE)
    if checked is not None and word is Word.RESERVED:
        return Decision(Outcome.HELD, works_from=checked.until, detail=ELSEWHERE)
    if view.held is not None and view.uses >= campaign.uses:
        return Decision(Outcome.HELD, works_from=view.held.until)
    return None


def _date_objection(coupon: Coupon, campaign: Campaign, setting: Setting) -> Decision | None:
    today = time.day_number(setting.time.now, setting.zone)
    starts = _first_day(coupon, campaign)
    last = min(coupon.claims.expires, campaign.ends) + campaign.grace_days
    if today > last or starts > last:  # over before it begins: "not yet" would promise a day that never comes
        return Decision(Outcome.EXPIRED)
    if today < starts and not setting.time.doubt:
        return Decision(Outcome.NOT_YET_VALID, works_from=time.day_start(starts, setting.zone))
    return None


def _first_day(coupon: Coupon, campaign: Campaign) -> int:
    return max(coupon.claims.not_before, campaign.starts)


def _place_objection(coupon: Coupon, campaign: Campaign, place: Place) -> Decision | None:
    claims = coupon.claims
    if claims.store is not None and claims.store != place.number:
        return Decision(Outcome.WRONG_STORE)
    if claims.store_group is not None and claims.store_group not in place.groups:
        return Decision(Outcome.WRONG_STORE)
    if campaign.stores is not None and place.number not in campaign.stores:
        return Decision(Outcome.WRONG_STORE)
    asked = campaign.offer.conditions
    if (asked.stores and place.number not in asked.stores) or (
        asked.groups and asked.groups.isdisjoint(place.groups)
    ):
        return Decision(Outcome.WRONG_STORE)
    if asked.merchants and place.merchant not in asked.merchants:
        return Decision(Outcome.OTHER_MERCHANT)
    if campaign.offline_class is OfflineClass.BOUND and claims.store is None:
        return Decision(Outcome.WRONG_STORE, detail="a coupon of class B names its store")
    return None


def _till_objection(
    first_day: int, campaign: Campaign, setting: Setting, checked: Checked | None
) -> Decision | None:
    if not percent_of(campaign, setting):
        return Decision(Outcome.BUNDLE_EXPIRED, detail=setting.age.value)
    if time.day_number(setting.time.now, setting.zone) < first_day:
        # A clock in doubt could not say "not yet" among the dates: the coupon is refused for what is wrong.
        return Decision(Outcome.CLOCK_UNTRUSTED, detail=setting.time.doubt)
    if campaign.offline_class is OfflineClass.ONLINE and checked is None:
        return Decision(Outcome.ONLINE_ONLY)
    if setting.time.doubt and campaign.offline_class not in DOUBT_CLASSES:
        return Decision(Outcome.CLOCK_UNTRUSTED, detail=setting.time.doubt)
    return None


def percent_of(campaign: Campaign, setting: Setting) -> int:
    """The share of the campaign's budget that holds here and now."""
    return share_percent(campaign, setting.age, setting.time.doubt)


def _price(
    coupon: Coupon,
    campaign: Campaign,
    sale: Sale | None,
    view: LedgerView,
    setting: Setting,
    member: Member | None,
    *,
    supervised: bool,
) -> Decision:
    """What the engine says of this coupon alone, and whether the till may bear it."""
    presented, facts = presented_of(coupon, campaign, view), facts_of(setting, sale, member)
    benefit = campaign.offer.benefit
    found: Applied | Objection | None
    if sale is not None:
        found = quote_one(basket_of(sale), presented, facts)
    else:
        found = objection_to(presented, facts)
        if found is None and isinstance(benefit, StoredValue | PointsSpend):
            left = left_minor(coupon, campaign, view.uses, view.spent_minor)
            return Decision(Outcome.TOTAL_NEEDED, left_minor=left)
    if isinstance(found, Objection) and found.reason is Reason.LINES_NEEDED:
        found = None  # only the total is known: the cashier looks at the articles
    if isinstance(found, Objection):
        return Decision(OUTCOME_OF[found.reason], detail=found.detail or None, objection=found)
    # Without the sale the discount is not known: the budget pays the most it can be.
    most = most_minor(benefit, coupon.claims.value_minor)
    charge = most if found is None else min(found.amount_minor + found.hand_over_minor, most)
    percent = percent_of(campaign, setting)
    weighed = weigh(campaign, view.used, charge, percent, view.sales, supervised=supervised)
    if weighed.outcome is not Outcome.ACCEPTED:
        return Decision(weighed.outcome, detail=weighed.asked or None, asked=weighed.asked)
    discount = None if found is None else found.amount_minor
    left = None
    if discount is not None and isinstance(benefit, StoredValue):
        left = left_minor(coupon, campaign, view.uses + 1, view.spent_minor + discount)
    return Decision(Outcome.ACCEPTED, discount, charge, applied=found, asked=weighed.asked, left_minor=left)


def presented_of(coupon: Coupon, campaign: Campaign, view: LedgerView) -> Presented:
    """The coupon as the engine takes it."""
    claims = coupon.claims
    return Presented(
        coupon.identity,
        campaign.offer,
        campaign.currency,
        min(claims.expires, campaign.ends),
        claims.value_minor,
        balance_minor(coupon, campaign, view.spent_minor),
        claims.holder if campaign.offer.conditions.holder_only else None,
        Uses(view.uses, view.member_day, view.member_month, view.used.count_day, view.used.count_day),
    )


def facts_of(setting: Setting, sale: Sale | None, member: Member | None) -> Facts:
    """Where, when and for whom, as the engine takes it."""
    place, local = setting.place, setting.time.now.astimezone(setting.zone)
    return Facts(
        time.day_number(setting.time.now, setting.zone),
        local.hour * 60 + local.minute,
        place.number,
        place.merchant,
        place.groups,
        "" if sale is None else sale.channel,
        None if sale is None else sale.tenders,
        member,
        frozenset() if sale is None else sale.out_of_stock,
    )
