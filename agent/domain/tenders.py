"""What a means of payment is called for the cashier. An offer and a sale name it by the POS's own word, for matching.

Usual words have their name in both languages, however they are spelled (WECHAT_PAY, WeChat Pay, 微信支付). Any other is
shown as it is and marked as the POS's: the cashier looks for it there.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.domain.campaign import Words

# The name in Chinese and in English, and what else POS software calls it.
_KNOWN = (
    ("现金", "cash", "rmb", "人民币"),
    ("银行卡", "bank card", "card", "pos_card", "刷卡"),
    ("信用卡", "credit card", "credit", "cc"),
    ("借记卡", "debit card", "debit"),
    ("微信支付", "WeChat Pay", "wechat", "weixin", "weixin_pay", "wxpay", "wx_pay", "微信"),
    ("支付宝", "Alipay", "ali_pay", "zhifubao"),
    ("云闪付", "UnionPay QuickPass", "quickpass", "quick_pass", "yunshanfu"),
    ("银联", "UnionPay", "union_pay", "cup", "yinlian"),
    ("数字人民币", "e-CNY", "ecny", "dcep", "digital_rmb", "digital_yuan", "digital_cny"),
    ("Apple Pay", "Apple Pay", "applepay"),
    ("Google Pay", "Google Pay", "googlepay", "gpay"),
    ("PayPal", "PayPal"),
    ("礼品卡", "gift card", "giftcard"),
    ("储值卡", "prepaid card", "prepaid", "stored_value", "stored_value_card", "会员卡余额"),
    ("代金券", "voucher", "vouchers"),
    ("积分", "points"),
    ("支票", "cheque", "check"),
    ("银行转账", "bank transfer", "transfer"),
    ("挂账", "on account", "account", "invoice"),
)


def _folded(word: str) -> str:
    return "".join(one for one in word.casefold() if one.isalnum())


_NAMES = {_folded(word): Words(row[0], row[1]) for row in _KNOWN for word in row}
assert len(_NAMES) == sum(len({_folded(word) for word in row}) for row in _KNOWN), "each word means one thing"


def name_of(word: str) -> Words:
    """What the cashier reads for the POS's word."""
    known = _NAMES.get(_folded(word))
    return known or Words(f"“{word}”（收银软件里的名称）", f"“{word}” (as the POS calls it)")


def names_of(words: Iterable[str]) -> Words:
    """Several of them, each name once."""
    found = dict.fromkeys(map(name_of, sorted(words)))
    return Words("、".join(one.zh for one in found), ", ".join(one.en for one in found))
