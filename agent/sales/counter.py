"""The counter of a shop without a POS: the current sale, whose it is, and what a scan means for them."""

from __future__ import annotations

import secrets
from dataclasses import replace

from agent.appeal import Appeal
from agent.domain import time
from agent.domain.campaign import Words
from agent.domain.eligibility import Member
from agent.domain.member_card import CardRefused, is_card
from agent.domain.outcome import Outcome, Tone
from agent.domain.reasons import CARDS
from agent.domain.sale import Sale
from agent.domain.scan import route
from agent.domain.shop import StaffRole
from agent.domain.verdict import Verdict
from agent.intake import Arrival
from agent.members import Customer, Members, Told
from agent.ports import Clock
from agent.redeem import Redeemer
from agent.request import Request
from agent.sales.checkout import Checkout
from agent.state import TillState

MEMBER_S = 600.0
TAKEN = "taken"
"""The detail of a member card that counts; else it says why it does not."""


class Counter:
    """Scans are judged against the current sale; one that is accepted ends it. checkout: what they are given to instead
    where there is no POS."""

    def __init__(
        self,
        state: TillState,
        redeemer: Redeemer,
        members: Members,
        clock: Clock,
        checkout: Checkout | None = None,
    ) -> None:
        self._state, self._redeemer, self._members, self._clock = state, redeemer, members, clock
        self.checkout = checkout
        self._until = 0.0
        self.assistant = ""
        """The badge, as the bundle names it, of the cashier who was scanned last: sales are theirs from then on."""
        self.appeal = Appeal(state, clock)

    @property
    def member(self) -> Member | None:
        """Whose sale it is; a card that was shown counts for MEMBER_S seconds."""
        if self._clock.monotonic() > self._until:
            self._state.member = None
        return self._state.member

    async def begin(self, sale: Sale | None, member: Member | None) -> list[Verdict]:
        """The sale that the next scans belong to, and whose it is: without a member, still that of the card that was
        shown before the total was keyed in. No sale: the next customer. Gives and raises what `Checkout.total` does."""
        if sale is None or member is not None:
            self._name(member)
        if sale is not None and not sale.assistant:
            sale = replace(sale, assistant=self.assistant)
        if self.checkout is None:
            self._state.sale = sale
        elif sale is None:
            await self.checkout.clear()
        else:
            return await self.checkout.total(sale, Customer(member=self.member))
        return []

    def _name(self, member: Member | None) -> None:
        self._state.member, self._until = member, self._clock.monotonic() + MEMBER_S

    async def judge(self, arrival: Arrival) -> Verdict:
        """A card says whose sale it is; all else is redeemed for that sale."""
        text = route(arrival.text).text
        if is_card(text):
            return await self._show_card(text, arrival)
        serves = self._notice_badge(text)
        state = self._state
        sale, member = state.sale, self.member
        customer = Customer(member=member)
        if self.checkout is not None:
            found = await self.checkout.scan(Request(arrival.text, arrival.source, sale, customer=customer))
            return _without_pos(found, serves=serves)
        scan = self.appeal.heard(Request(arrival.text, arrival.source, sale, customer=customer))
        verdict = await self._redeemer.redeem(scan)
        self.appeal.note(scan, verdict)
        if verdict.redemption_id is not None and state.sale is sale and state.member is member:
            state.sale = state.member = None  # this sale is served: the next customer begins afresh
        return verdict

    def _notice_badge(self, text: str) -> bool:
        """A cashier's badge says who serves; a manager's stands by a coupon and is nobody's sale. Whether it did."""
        trust = self._state.trust
        badge = None if trust is None else trust.contents.shop.badges.find(text)
        if trust is None or badge is None or badge.role is not StaffRole.CASHIER:
            return False
        if not badge.counts(time.day_number(self._state.now(self._clock).now, trust.zone)):
            return False
        self.assistant = badge.digest.hex()
        return True

    async def _show_card(self, text: str, arrival: Arrival) -> Verdict:
        """Nothing is recorded of a card."""
        try:
            member = await self._members.shown(self._members.known(Told(card=text)))
            assert member is not None, "a card names somebody"
            self._name(member)
            words, next_words, tone, detail = self._words(member), NOTHING, Tone.GOOD, TAKEN
        except CardRefused as refused:
            why = CARDS[refused.code]
            words = Words(f"{REFUSED.zh}：{why.zh}", f"{REFUSED.en}: {why.en}")
            next_words, tone, detail = Words(why.next_zh, why.next_en), Tone.BAD, refused.code
        return Verdict(
            scan_id=secrets.token_hex(16),
            at=self._state.now(self._clock).now,
            source=arrival.source,
            outcome=Outcome.MEMBER_CARD,
            zh=words.zh,
            en=words.en,
            next_zh=next_words.zh,
            next_en=next_words.en,
            detail=detail,
            currency=self._state.currency(),
            offline=not self._state.online,
            tone=tone,
        )

    def _words(self, member: Member) -> Words:
        if member.as_of is None:
            return Words(f"会员 {member.level} 级", f"Member, level {member.level}")
        when = time.day_text(time.day_number(member.as_of, self._state.zone()))
        return Words(
            f"会员 {member.level} 级，{member.points} 积分（截至 {when}）",
            f"Member, level {member.level}, {member.points} points as of {when}",
        )


def _without_pos(verdict: Verdict, *, serves: bool) -> Verdict:
    """Where there is no POS nobody is sent to one; a badge that says who serves was understood. serves: it does."""
    if serves and verdict.outcome is Outcome.STAFF_BADGE:
        return replace(verdict, zh=SERVES.zh, en=SERVES.en, next_zh="", next_en="", tone=Tone.GOOD)
    words = INSTEAD.get(verdict.outcome)
    return verdict if words is None else replace(verdict, next_zh=words.zh, next_en=words.en)


SERVES = Words("之后的销售算这张员工卡", "The next sales are this badge's")
INSTEAD = {
    Outcome.STAFF_BADGE: Words("没有券在等主管，请扫券", "Nothing waits for a supervisor: scan the coupon"),
    Outcome.PRODUCT_BARCODE: Words("请直接输入金额", "Key in the total instead"),
    Outcome.PAYMENT_CODE: Words("请用收款设备收款", "Take the payment as usual"),
    Outcome.PICKUP_CODE: Words("请查订单并交货", "Look up the order and hand it over"),
    Outcome.UNSUPPORTED_CODE: Words("请按原价结账", "Charge the normal price"),
}
"""What to do where the sentence for a till with a POS sends somebody there."""
NOTHING = Words("", "")
REFUSED = Words("会员卡无效", "This member card does not count")
