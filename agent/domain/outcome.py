"""The closed list of what can come of a scan, and what each one says to the cashier.

The order is the order of precedence: the first that applies is the answer. `ACCEPTED` alone is a yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.domain import objection
from agent.domain.objection import Reason


class Outcome(StrEnum):
    """Stable codes: POS vendors and the cloud match these, never the sentences."""

    # the text
    NOT_A_COUPON = "not_a_coupon"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    # something else: not coupons, and nothing is recorded of them
    MEMBER_CARD = "member_card"
    STAFF_BADGE = "staff_badge"
    PICKUP_CODE = "pickup_code"
    PAYMENT_CODE = "payment_code"
    PRODUCT_BARCODE = "product_barcode"
    WEB_ADDRESS = "web_address"
    # codes without a signature
    UNSUPPORTED_CODE = "unsupported_code"
    UNKNOWN_CODE = "unknown_code"
    # trust
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    BEYOND_KEY_LIMIT = "beyond_key_limit"
    KEY_NOT_VALID = "key_not_valid"
    # the offer and the coupon
    UNKNOWN_CAMPAIGN = "unknown_campaign"
    NEVER_ISSUED = "never_issued"
    REVOKED = "revoked"
    ALREADY_REDEEMED = "already_redeemed"
    HELD = "held"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_STORE = "wrong_store"
    OTHER_MERCHANT = "other_merchant"
    # what this till may do now
    TILL_STOPPED = "till_stopped"
    BUNDLE_EXPIRED = "bundle_expired"
    CLOCK_UNTRUSTED = "clock_untrusted"
    ONLINE_ONLY = "online_only"
    # the sale
    WRONG_CURRENCY = "wrong_currency"
    OTHER_CHANNEL = "other_channel"
    OTHER_DAY = "other_day"
    OTHER_HOUR = "other_hour"
    MEMBER_NEEDED = "member_needed"
    OTHER_HOLDER = "other_holder"
    LEVEL_TOO_LOW = "level_too_low"
    NOT_FIRST_VISIT = "not_first_visit"
    NOT_ABSENT = "not_absent"
    LIMIT_REACHED = "limit_reached"
    OTHER_TENDER = "other_tender"
    TOTAL_NEEDED = "total_needed"
    ITEM_MISSING = "item_missing"
    PIECES_MISSING = "pieces_missing"
    SALE_TOO_SMALL = "sale_too_small"
    OUT_OF_STOCK = "out_of_stock"
    POINTS_MISSING = "points_missing"
    POINTS_LIMIT = "points_limit"
    BALANCE_EMPTY = "balance_empty"
    NOTHING_CHEAPER = "nothing_cheaper"
    # risk
    BUDGET_REACHED = "budget_reached"
    SPLIT_SALE = "split_sale"
    SUPERVISOR_NEEDED = "supervisor_needed"
    ONLINE_NEEDED = "online_needed"
    # yes
    ACCEPTED = "accepted"
    # outside the rules: the ledger could not answer, so nobody knows yet
    UNKNOWN_RESULT = "unknown_result"


_OTHERWISE_CALLED = {Reason.OTHER_STORE: "wrong_store", Reason.SPEND_MISSING: "sale_too_small"}
_OF_SEVERAL = frozenset(
    {
        Reason.PRESENTED_TWICE,
        Reason.LINES_NEEDED,
        Reason.TOO_MANY,
        Reason.NOT_TOGETHER,
        Reason.TOO_LITTLE_LEFT,
        Reason.BETTER_WITHOUT,
    }
)
"""A single coupon is never refused for these: where its articles are not known, the cashier looks."""
OUTCOME_OF: Mapping[Reason, Outcome] = {
    reason: Outcome(_OTHERWISE_CALLED.get(reason, reason.value))
    for reason in Reason
    if reason not in _OF_SEVERAL
}
"""What the engine objects to a single coupon, as the answer to a scan."""

SOMETHING_ELSE = frozenset(
    {
        Outcome.MEMBER_CARD,
        Outcome.STAFF_BADGE,
        Outcome.PICKUP_CODE,
        Outcome.PAYMENT_CODE,
        Outcome.PRODUCT_BARCODE,
        Outcome.WEB_ADDRESS,
    }
)
"""No coupon was refused: the cashier is told what it is. Who holds a card is nobody's business: no record is made."""


class Tone(StrEnum):
    """How the page looks and sounds: good, warn (can be mended at the till), bad."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Saying:
    """transient: the same coupon may be accepted later. zh, en: the sentence. next_*: what to do, may be empty.

    Names in braces are filled by `sentences`; a saying uses only what its outcome always knows.
    """

    tone: Tone
    transient: bool
    zh: str
    en: str
    next_zh: str = ""
    next_en: str = ""


_ASK_AGAIN = ("请顾客出示完整的二维码再扫一次", "Ask for the whole code and scan again")
_KEEP_PRICE = ("请按原价结账", "Charge the normal price")
_TELL_IT = ("请通知门店 IT", "Tell store IT")
_TYPE_AGAIN = ("请核对后重新输入", "Check it and type it again")

_LASTING = frozenset(
    {Reason.WRONG_CURRENCY, Reason.OTHER_MERCHANT, Reason.OTHER_HOLDER, Reason.BALANCE_EMPTY}
)


def _of_reason(reason: Reason) -> Saying:
    zh, next_zh, en, next_en = objection.SAYINGS[reason]
    return Saying(Tone.WARN, reason not in _LASTING, zh, en, next_zh, next_en)


SAYINGS: Mapping[Outcome, Saying] = {
    **{outcome: _of_reason(reason) for reason, outcome in OUTCOME_OF.items()},
    Outcome.NOT_A_COUPON: Saying(Tone.WARN, False, "这不是优惠券", "This is not a coupon", *_ASK_AGAIN),
    Outcome.TRUNCATED: Saying(Tone.WARN, True, "扫描不完整", "Only part of the code was read", *_ASK_AGAIN),
    Outcome.MALFORMED: Saying(Tone.BAD, False, "券码损坏", "The code is damaged", *_ASK_AGAIN),
    Outcome.MEMBER_CARD: Saying(
        Tone.WARN,
        False,
        "这是会员卡，不是优惠券",
        "This is a member card, not a coupon",
        "请在收银软件里扫会员卡",
        "Scan it in the POS",
    ),
    Outcome.STAFF_BADGE: Saying(
        Tone.WARN,
        False,
        "这是员工卡，不是优惠券",
        "This is a staff badge, not a coupon",
        "请在收银软件里扫员工卡",
        "Scan it in the POS",
    ),
    Outcome.PICKUP_CODE: Saying(
        Tone.WARN,
        False,
        "这是取货码，不是优惠券",
        "This is a pickup code, not a coupon",
        "请在收银软件里办理取货",
        "Hand the order over in the POS",
    ),
    Outcome.PAYMENT_CODE: Saying(
        Tone.WARN,
        False,
        "这是付款码，不是优惠券",
        "This is a payment code, not a coupon",
        "请在收银软件里收款",
        "Take the payment in the POS",
    ),
    Outcome.PRODUCT_BARCODE: Saying(
        Tone.WARN,
        False,
        "这是商品条码，不是优惠券",
        "This is a product's barcode, not a coupon",
        "请在收银软件里扫商品",
        "Scan the product in the POS",
    ),
    Outcome.WEB_ADDRESS: Saying(
        Tone.WARN,
        False,
        "这是网址，不是优惠券",
        "This is a web address, not a coupon",
        "请顾客打开网页，出示里面的券码",
        "Ask for the coupon behind the address",
    ),
    Outcome.UNSUPPORTED_CODE: Saying(
        Tone.WARN,
        False,
        "这种券本机不支持",
        "This till cannot take coupons of this kind",
        "请按原价结账，或在收银软件里处理",
        "Charge the normal price, or use the POS",
    ),
    Outcome.UNKNOWN_CODE: Saying(Tone.WARN, True, "没有这个券码", "No such code", *_TYPE_AGAIN),
    Outcome.UNKNOWN_KEY: Saying(
        Tone.BAD,
        True,
        "不认识的发券方",
        "Issuer not known here",
        "更新数据后再试",
        "Try again after the next update",
    ),
    Outcome.BAD_SIGNATURE: Saying(Tone.BAD, False, "伪造的优惠券", "Forged coupon", *_KEEP_PRICE),
    Outcome.KEY_NOT_VALID: Saying(
        Tone.BAD, True, "发券方的密钥不在有效期", "The issuer's key is not valid now", *_TELL_IT
    ),
    Outcome.BEYOND_KEY_LIMIT: Saying(
        Tone.BAD, False, "超出发券方的权限", "The issuer may not promise this", *_KEEP_PRICE
    ),
    Outcome.UNKNOWN_CAMPAIGN: Saying(
        Tone.BAD,
        True,
        "本店没有这个活动",
        "Offer not known here",
        "更新数据后再试",
        "Try again after the next update",
    ),
    Outcome.NEVER_ISSUED: Saying(
        Tone.BAD, False, "没有发过这张券", "This coupon was never issued", *_KEEP_PRICE
    ),
    Outcome.REVOKED: Saying(Tone.BAD, False, "此券已作废", "Coupon was withdrawn", *_KEEP_PRICE),
    Outcome.ALREADY_REDEEMED: Saying(
        Tone.BAD, False, "此券已用过：{first_use}", "Already used: {first_use}", *_KEEP_PRICE
    ),
    Outcome.HELD: Saying(
        Tone.WARN,
        True,
        "此券正在另一笔交易中使用",
        "Held for another sale",
        "{until} 后可再试",
        "Try again after {until}",
    ),
    Outcome.EXPIRED: Saying(Tone.BAD, False, "已过期：{expires}", "Expired on {expires}", *_KEEP_PRICE),
    Outcome.NOT_YET_VALID: Saying(
        Tone.WARN, True, "还没到使用日期", "Not valid yet", "{starts} 起可用", "Valid from {starts}"
    ),
    Outcome.WRONG_STORE: Saying(
        Tone.WARN,
        False,
        "本店不能用此券",
        "Not valid in this store",
        "请顾客到指定门店使用",
        "Valid in another store",
    ),
    Outcome.TILL_STOPPED: Saying(
        Tone.BAD, True, "本机暂停收券", "This till does not take coupons", *_TELL_IT
    ),
    Outcome.BUNDLE_EXPIRED: Saying(
        Tone.WARN,
        True,
        "离线太久，暂停收券",
        "Offline too long for this offer",
        "联网后再试",
        "Try again when online",
    ),
    Outcome.CLOCK_UNTRUSTED: Saying(
        Tone.WARN,
        True,
        "本机时间不对",
        "The till's clock is wrong",
        "请核对时间并联网",
        "Set the clock and go online",
    ),
    Outcome.ONLINE_ONLY: Saying(
        Tone.WARN,
        False,
        "此券只能联网核验，本机不支持",
        "This coupon needs an online check that this till cannot make",
        *_KEEP_PRICE,
    ),
    Outcome.TOTAL_NEEDED: Saying(
        Tone.WARN,
        True,
        "需要知道消费金额",
        "It pays a part: the total is needed",
        "请先输入消费金额，再扫一次",
        "Key in the total, then scan again",
    ),
    Outcome.BUDGET_REACHED: Saying(
        Tone.WARN,
        True,
        "本机额度已用完",
        "This till's limit is reached",
        "联网后或明天再试",
        "Try when online or tomorrow",
    ),
    Outcome.SPLIT_SALE: Saying(
        Tone.WARN,
        True,
        "此会员刚在其他交易中用过此活动",
        "This member has just used the offer in other sales",
        *_KEEP_PRICE,
    ),
    Outcome.SUPERVISOR_NEEDED: Saying(
        Tone.WARN,
        True,
        "需要主管确认",
        "A supervisor must allow this",
        "请主管在一分钟内扫员工卡",
        "Ask a supervisor to scan a badge within a minute",
    ),
    Outcome.ONLINE_NEEDED: Saying(
        Tone.WARN,
        True,
        "此券须联网核验，现在没有网络应答",
        "This coupon must be checked online, and the cloud does not answer",
        "网络恢复后再试",
        "Try again when the line is back",
    ),
    Outcome.ACCEPTED: Saying(Tone.GOOD, False, "可用：{benefit}", "Accepted: {benefit}"),
    Outcome.UNKNOWN_RESULT: Saying(
        Tone.BAD,
        True,
        "结果未知，请勿重复使用",
        "Result unknown: do not use it twice",
        "请稍候再扫同一张券",
        "Wait, then scan the same coupon",
    ),
}
assert set(SAYINGS) == set(Outcome), "every outcome has its sentence"


class Sentences(NamedTuple):
    """What the page and the API show."""

    zh: str
    en: str
    next_zh: str
    next_en: str


def sentences(outcome: Outcome, zh: Mapping[str, str], en: Mapping[str, str]) -> Sentences:
    """The saying of `outcome` with its names filled from `zh` and `en`."""
    saying = SAYINGS[outcome]
    return Sentences(
        saying.zh.format_map(zh),
        saying.en.format_map(en),
        saying.next_zh.format_map(zh),
        saying.next_en.format_map(en),
    )
