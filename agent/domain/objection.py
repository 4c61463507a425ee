"""Why a coupon does not count in a sale: a closed list of reasons, each with a sentence and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.domain.campaign import Words
from agent.domain.money import short
from agent.domain.tenders import names_of

Key = tuple[str, int, int]
"""A coupon's identity: issuer, campaign, index."""


class Reason(StrEnum):
    """Stable codes, in the order in which they are looked for: the first that holds is the answer."""

    # what was presented
    PRESENTED_TWICE = "presented_twice"
    WRONG_CURRENCY = "wrong_currency"
    # where and when
    OTHER_MERCHANT = "other_merchant"
    OTHER_STORE = "other_store"
    OTHER_CHANNEL = "other_channel"
    OTHER_DAY = "other_day"
    OTHER_HOUR = "other_hour"
    # who
    MEMBER_NEEDED = "member_needed"
    OTHER_HOLDER = "other_holder"
    LEVEL_TOO_LOW = "level_too_low"
    NOT_FIRST_VISIT = "not_first_visit"
    NOT_ABSENT = "not_absent"
    LIMIT_REACHED = "limit_reached"
    # how it is paid
    OTHER_TENDER = "other_tender"
    # the basket
    LINES_NEEDED = "lines_needed"
    ITEM_MISSING = "item_missing"
    PIECES_MISSING = "pieces_missing"
    SPEND_MISSING = "spend_missing"
    OUT_OF_STOCK = "out_of_stock"
    POINTS_MISSING = "points_missing"
    POINTS_LIMIT = "points_limit"
    BALANCE_EMPTY = "balance_empty"
    NOTHING_CHEAPER = "nothing_cheaper"
    # the other coupons
    TOO_MANY = "too_many"
    NOT_TOGETHER = "not_together"
    TOO_LITTLE_LEFT = "too_little_left"
    BETTER_WITHOUT = "better_without"


@dataclass(frozen=True, slots=True)
class Objection:
    """missing_minor, missing_pieces, missing_points: with so much more of the eligible articles (points) it counts.

    because: the coupons that stand in its way. detail: the rule's name or what it asks for, for support. tenders: the
    means of payment that it takes, in the POS's words.
    """

    reason: Reason
    missing_minor: int = 0
    missing_pieces: int = 0
    missing_points: int = 0
    because: tuple[Key, ...] = ()
    detail: str = ""
    tenders: tuple[str, ...] = ()


_NORMAL = ("请按原价结账", "Charge the normal price")
_MEMBER = ("请先扫会员卡", "Scan the member card first")

SAYINGS: Mapping[Reason, tuple[str, str, str, str]] = {
    # what is wrong, what to do: in Chinese, then in English
    Reason.PRESENTED_TWICE: ("同一张券扫了两次", "已计入一次", "The same coupon twice", "It is counted once"),
    Reason.WRONG_CURRENCY: ("币种不符", _NORMAL[0], "Wrong currency", _NORMAL[1]),
    Reason.OTHER_MERCHANT: ("本商户不参加", _NORMAL[0], "Not an offer of this merchant", _NORMAL[1]),
    Reason.OTHER_STORE: (
        "本店不参加",
        "请到活动门店使用",
        "Not in this store",
        "Use it in one of the offer's stores",
    ),
    Reason.OTHER_CHANNEL: ("此渠道不能用", _NORMAL[0], "Not for this kind of sale", _NORMAL[1]),
    Reason.OTHER_DAY: ("今天不能用", "请在活动日使用", "Not today", "Use it on a day of the offer"),
    Reason.OTHER_HOUR: (
        "现在不是活动时段",
        "请在活动时段使用",
        "Not at this hour",
        "Use it in the hours of the offer",
    ),
    Reason.MEMBER_NEEDED: ("会员专享", _MEMBER[0], "For members", _MEMBER[1]),
    Reason.OTHER_HOLDER: ("此券属于另一位会员", _NORMAL[0], "It belongs to another member", _NORMAL[1]),
    Reason.LEVEL_TOO_LOW: ("会员等级不够", _NORMAL[0], "For members of a higher level", _NORMAL[1]),
    Reason.NOT_FIRST_VISIT: ("仅限首次到店", _NORMAL[0], "For a first visit only", _NORMAL[1]),
    Reason.NOT_ABSENT: ("仅限久未到店的会员", _NORMAL[0], "For members who have been away", _NORMAL[1]),
    Reason.LIMIT_REACHED: ("次数已用完", _NORMAL[0], "Used as often as allowed", _NORMAL[1]),
    Reason.OTHER_TENDER: (
        "此付款方式不能用",
        "请换付款方式：{tenders}",
        "Not with this means of payment",
        "Pay by {tenders}",
    ),
    Reason.LINES_NEEDED: (
        "需要商品明细",
        "请在收银软件里扫商品",
        "It needs the articles",
        "Scan them in the POS",
    ),
    Reason.ITEM_MISSING: (
        "缺少活动商品",
        "请先扫活动商品",
        "None of its articles is here",
        "Scan one of them first",
    ),
    Reason.PIECES_MISSING: (
        "件数不够",
        "再买 {pieces} 件就能用",
        "Too few pieces",
        "{pieces} more and it applies",
    ),
    Reason.SPEND_MISSING: (
        "金额还不够",
        "再买 {missing} 就能用",
        "Not enough yet",
        "{missing} more and it applies",
    ),
    Reason.OUT_OF_STOCK: (
        "暂时缺货",
        "券未使用，下次可用",
        "Out of stock",
        "The coupon stays unused: take it next time",
    ),
    Reason.POINTS_MISSING: (
        "积分不够",
        "还差 {points} 积分",
        "Not enough points",
        "{points} more points and it applies",
    ),
    Reason.POINTS_LIMIT: (
        "积分使用已达上限",
        "{again}",
        "No more points may be spent here now",
        "{again}",
    ),
    Reason.BALANCE_EMPTY: ("余额已用完", _NORMAL[0], "Its balance is used up", _NORMAL[1]),
    Reason.NOTHING_CHEAPER: (
        "没有商品会更便宜",
        "券未使用，下次可用",
        "Nothing gets cheaper by it",
        "The coupon stays unused: take it next time",
    ),
    Reason.TOO_MANY: (
        "一次最多算 8 张券",
        "券未使用，下次可用",
        "Only 8 coupons are weighed at a time",
        "The coupon stays unused: take it next time",
    ),
    Reason.NOT_TOGETHER: (
        "不能与已用的券同用",
        "券未使用，下次可用",
        "Not together with a coupon that saves more",
        "The coupon stays unused: take it next time",
    ),
    Reason.TOO_LITTLE_LEFT: (
        "用了其他券后不够条件",
        "券未使用，下次可用",
        "The other coupons leave too little for it",
        "The coupon stays unused: take it next time",
    ),
    Reason.BETTER_WITHOUT: (
        "不用此券更优惠",
        "券未使用，下次可用",
        "The customer saves more without it",
        "The coupon stays unused: take it next time",
    ),
}
_BOTH_MISSING = (
    "件数和金额都不够",
    "再买 {pieces} 件、共 {missing} 就能用",
    "Too few pieces and not enough yet",
    "{pieces} more, worth {missing}, and it applies",
)
assert set(SAYINGS) == set(Reason), "every reason has its sentence"


_AGAIN = {
    "day": Words("明天再试", "Try again tomorrow"),
    "offline": Words("联网后再试", "Try again when online"),
}


def again(objection: Objection) -> Words:
    """When points may be spent again, where the program's limit is reached (`agent.points`: the detail names it)."""
    return _AGAIN.get(objection.detail.rpartition("_")[2], Words(_NORMAL[0], _NORMAL[1]))


def sentences(objection: Objection, currency: str) -> tuple[Words, Words]:
    """What the cashier and the customer read: what is wrong, and what to do."""
    names = {
        "missing": short(objection.missing_minor, currency),
        "pieces": objection.missing_pieces,
        "points": objection.missing_points,
    }
    tenders, later = names_of(objection.tenders), again(objection)
    saying = SAYINGS[objection.reason]
    if objection.reason is Reason.PIECES_MISSING and objection.missing_minor:
        saying = _BOTH_MISSING
    zh, next_zh = (text.format_map(names | {"tenders": tenders.zh, "again": later.zh}) for text in saying[:2])
    en, next_en = (text.format_map(names | {"tenders": tenders.en, "again": later.en}) for text in saying[2:])
    return Words(zh, en), Words(next_zh, next_en)
