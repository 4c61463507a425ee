"""Why a till takes no coupon at all, and why a member card counts for nothing: closed lists of stable codes, each with
a sentence that a cashier understands and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from agent.domain.token import TokenFault


class Why(NamedTuple):
    """What is wrong, and what to do, in Chinese and in English; sentences without their full stop."""

    zh: str
    next_zh: str
    en: str
    next_en: str


class Stop(StrEnum):
    """Why no coupon is taken: the `detail` of `till_stopped`."""

    NOT_ENROLLED = "not_enrolled"
    NO_BUNDLE = "no_bundle"
    REVOKED = "till_revoked"
    LEDGER_DAMAGED = "ledger_damaged"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    CODES_UNREADABLE = "codes_unreadable"


_TELL_IT = ("请通知门店 IT", "Tell store IT")
STOPS: Mapping[str, Why] = {
    Stop.NOT_ENROLLED: Why("本机尚未登记", _TELL_IT[0], "it is not enrolled", "Tell store IT: redeemd enrol"),
    Stop.NO_BUNDLE: Why(
        "还没有活动数据",
        "请联网一次，稍候再试",
        "no offers are loaded",
        "Bring it online once, then try again",
    ),
    Stop.REVOKED: Why("本机的密钥已失效", _TELL_IT[0], "its key was revoked", _TELL_IT[1]),
    Stop.LEDGER_DAMAGED: Why(
        "本机数据库已损坏",
        "请勿删除文件，请通知门店 IT",
        "its records are damaged",
        "Delete nothing and tell store IT",
    ),
    Stop.LEDGER_UNAVAILABLE: Why(
        "本机数据库写不进去",
        "请稍候再试；仍不行请通知门店 IT",
        "the disk took no record",
        "Try again in a moment; if it stays, tell store IT",
    ),
    Stop.CODES_UNREADABLE: Why(
        "本机的券码表读不出来",
        "请稍候再试；仍不行请通知门店 IT",
        "its tables of codes cannot be read",
        "Try again in a moment; if it stays, tell store IT",
    ),
}
assert set(STOPS) == set(Stop), "every stop has its sentence"

_REFRESH = ("请顾客刷新会员码再扫", "Ask for a fresh card and scan it again")
_WITHOUT = ("请不用会员卡结账", "Close the sale without the card")
_DAMAGED = Why("卡码损坏", _REFRESH[0], "its code is damaged", _REFRESH[1])
CARDS: Mapping[str, Why] = {
    **dict.fromkeys(map(str, TokenFault), _DAMAGED),
    TokenFault.INCOMPLETE: Why(
        "没有扫完整", "请再扫一次", "only part of its code was read", "Scan it once more"
    ),
    TokenFault.NOT_A_TOKEN: Why("这不是会员卡", _REFRESH[0], "this is no member card", _REFRESH[1]),
    "unknown_key": Why(
        "本机不认识发卡方",
        "请联网更新后再试，或不用会员卡结账",
        "its issuer is not known here",
        "Try again after the next update, or close the sale without the card",
    ),
    "bad_signature": Why("卡是伪造的", _WITHOUT[0], "it is forged", _WITHOUT[1]),
    "beyond_key_limit": Why(
        "发卡方无权签发会员卡", _WITHOUT[0], "its issuer may sign no member cards", _WITHOUT[1]
    ),
    "key_not_valid": Why(
        "发卡方的密钥不在有效期", _TELL_IT[0], "the issuer's key is not valid now", _TELL_IT[1]
    ),
    "not_yet_valid": Why("还没到生效日期", _REFRESH[0], "its days are still to come", _REFRESH[1]),
    "expired": Why("已过期", _REFRESH[0], "its days are over", _REFRESH[1]),
}
"""By the code of `member_card.CardRefused`."""
