"""The customer's receipt for one redemption: what was redeemed, what it saved, and the promotion for the next visit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.receipts.model import Align, Columns, Cut, Element, Feed, Qr, Receipt, ReceiptError, Rule, Text
from agent.receipts.money import format_money

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class RedemptionFacts:
    """Plain values only; no personal data. Amounts are in minor units of `currency`, None where not known.

    printed_at: the store's local time as it shall be read. redemption_number: till and sequence, as store staff quote
    it. benefit_text: the offer in a few words (满100减30). promo_token: text of the QR code, None for no promotion;
    promo_short: what can be typed instead. copy_number: 0 for the original, n for the n-th reprint.
    """

    language: Language
    store_name: str
    till: str
    printed_at: str
    redemption_number: str
    campaign_title: str
    benefit_text: str
    currency: str
    sale_total_minor: int | None = None
    discount_minor: int | None = None
    payable_minor: int | None = None
    offline: bool = False
    promo_token: str | None = None
    promo_title: str = ""
    promo_conditions: str = ""
    promo_short: str = ""
    copy_number: int = 0


_WORDS: dict[str, dict[str, str]] = {
    "zh": {
        "title": "优惠核销凭证",
        "copy": "重打 第{n}次",
        "number": "核销编号",
        "till": "收银台",
        "time": "时间",
        "campaign": "活动",
        "benefit": "优惠内容",
        "total": "消费合计",
        "discount": "优惠抵扣",
        "payable": "应付金额",
        "saved": "本次为您节省",
        "redeemed": "已核销",
        "offline": "离线核销，联网后自动登记",
        "promo": "下次光临专享",
        "scan": "结账时出示此码",
        "short": "券号",
        "privacy": "本凭证不含个人信息",
        "thanks": "谢谢惠顾，欢迎再来",
    },
    "en": {
        "title": "Coupon receipt",
        "copy": "COPY {n}",
        "number": "Redemption",
        "till": "Till",
        "time": "Time",
        "campaign": "Campaign",
        "benefit": "Offer",
        "total": "Sale total",
        "discount": "Discount",
        "payable": "To pay",
        "saved": "You saved",
        "redeemed": "Redeemed",
        "offline": "Redeemed offline; registered when back online",
        "promo": "For your next visit",
        "scan": "Show this code at the till",
        "short": "Code",
        "privacy": "This receipt holds no personal data",
        "thanks": "Thank you, see you again soon",
    },
}


def redemption_receipt(facts: RedemptionFacts) -> Receipt:
    """Pure; the same facts give the same receipt. Raises ReceiptError for facts that cannot be printed."""
    words = _words(facts.language)
    receipt = Receipt(
        (
            *_head(facts, words),
            *_amounts(facts, words),
            *_promotion(facts, words),
            *_foot(words),
            Cut(),
        )
    )
    return marked_copy(receipt, facts.copy_number, facts.language) if facts.copy_number else receipt


def marked_copy(receipt: Receipt, copy_number: int, language: str) -> Receipt:
    """The same receipt marked as its n-th copy, on both ends: a copy torn in two is still known as one."""
    if copy_number < 1:
        raise ReceiptError(f"copy_number is {copy_number}; it must be 1 or more")
    text = _words(language)["copy"].format(n=copy_number)
    mark = Text(f"*** {text} ***", Align.CENTER, bold=True, size=2)
    end = -1 if receipt.elements and isinstance(receipt.elements[-1], Cut) else len(receipt.elements)
    return Receipt((mark, *receipt.elements[:end], mark, *receipt.elements[end:]))


def _words(language: str) -> dict[str, str]:
    words = _WORDS.get(language)
    if words is None:
        raise ReceiptError(f"receipt language is {language!r}; it must be zh or en")
    return words


def _head(facts: RedemptionFacts, words: dict[str, str]) -> Iterator[Element]:
    yield Feed(1)
    yield Text(facts.store_name, Align.CENTER, bold=True, size=2)
    yield Text(words["title"], Align.CENTER)
    yield Feed(1)
    yield Rule()
    yield Columns(words["number"], facts.redemption_number)
    yield Columns(words["till"], facts.till)
    yield Columns(words["time"], facts.printed_at)
    yield Rule()


def _amounts(facts: RedemptionFacts, words: dict[str, str]) -> Iterator[Element]:
    def money(amount_minor: int) -> str:
        return format_money(amount_minor, facts.currency)

    yield Columns(words["campaign"], facts.campaign_title)
    yield Columns(words["benefit"], facts.benefit_text)
    if facts.sale_total_minor is not None:
        yield Columns(words["total"], money(facts.sale_total_minor))
    if facts.discount_minor is not None and facts.sale_total_minor is not None:
        yield Columns(words["discount"], money(-facts.discount_minor))
    if facts.payable_minor is not None:
        yield Columns(words["payable"], money(facts.payable_minor), bold=True)
    yield Rule()
    yield Feed(1)
    if facts.discount_minor:
        yield Text(words["saved"], Align.CENTER)
        yield Text(money(facts.discount_minor), Align.CENTER, bold=True, size=3)
    else:
        yield Text(words["redeemed"], Align.CENTER, bold=True, size=2)
    if facts.offline:
        yield Feed(1)
        yield Text(words["offline"], Align.CENTER)
    yield Feed(1)


def _promotion(facts: RedemptionFacts, words: dict[str, str]) -> Iterator[Element]:
    if facts.promo_token is None:
        return
    yield Rule()
    yield Feed(1)
    yield Text(words["promo"], Align.CENTER)
    if facts.promo_title:
        yield Text(facts.promo_title, Align.CENTER, bold=True, size=2)
    yield Qr(facts.promo_token)
    yield Text(words["scan"], Align.CENTER)
    if facts.promo_short:
        yield Text(f"{words['short']} {facts.promo_short}", Align.CENTER, bold=True)
    if facts.promo_conditions:
        yield Text(facts.promo_conditions, Align.CENTER)
    yield Feed(1)


def _foot(words: dict[str, str]) -> Iterator[Element]:
    yield Rule()
    yield Text(words["thanks"], Align.CENTER)
    yield Text(words["privacy"], Align.CENTER)
    yield Feed(1)
