"""What a means of payment is called for the cashier."""

from __future__ import annotations

import pytest

from agent.domain.campaign import Words
from agent.domain.tenders import name_of, names_of


@pytest.mark.parametrize(
    ("word", "zh", "en"),
    [
        ("cash", "现金", "cash"),
        ("CASH", "现金", "cash"),
        ("WECHAT_PAY", "微信支付", "WeChat Pay"),
        ("WeChat Pay", "微信支付", "WeChat Pay"),
        ("wx-pay", "微信支付", "WeChat Pay"),
        ("微信支付", "微信支付", "WeChat Pay"),
        ("alipay", "支付宝", "Alipay"),
        ("card", "银行卡", "bank card"),
        ("e-CNY", "数字人民币", "e-CNY"),
        ("TENDER_07", "“TENDER_07”（收银软件里的名称）", "“TENDER_07” (as the POS calls it)"),
    ],
)
def test_usual_words_have_names_and_others_are_marked_as_the_pos_s(word: str, zh: str, en: str) -> None:
    assert name_of(word) == Words(zh, en)


def test_several_are_named_once_each() -> None:
    assert names_of({"weixin", "WECHAT", "cash"}) == Words("微信支付、现金", "WeChat Pay, cash")
    assert names_of(()) == Words("", "")
