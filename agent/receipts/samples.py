"""Facts to try a template with: what a long evening at a till would bring, nothing left out."""

from __future__ import annotations

from collections.abc import Mapping

_CODE = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6
"""As long as a coupon's token and of its alphabet; no till takes it."""

_SHARED = {
    "till": "T-0001",
    "time": "2026-11-22 18:04:31",
    "number": "T-0001-4711",
    "number_code": "T-0001-4711",
    "total": "￥128.00",
    "discount": "-￥30.00",
    "paid": "-￥20.00",
    "points": "1,000",
    "points_paid": "-￥10.00",
    "points_earned": "60",
    "others": "-￥8.00",
    "payable": "￥60.00",
    "balance": "￥100.00",
    "left": "￥80.00",
    "saved": "￥30.00",
    "offline": "1",
    "promo_code": _CODE,
    "promo_short": "2-048151-QK7XD",
    "join_link": "https://member.example/join?s=0007",
    "referral_link": "https://member.example/friend?r=5f1d0c3a9b7e2468",
}
SAMPLES: Mapping[str, Mapping[str, str]] = {
    "zh": {
        **_SHARED,
        "store": "南山路旗舰店",
        "campaign": "秋季满减",
        "benefit": "满 100 减 30",
        "promo_title": "鲜萃咖啡免费一杯",
        "promo_conditions": "任意消费可用，有效期至 2026-12-31，限用一次",
        "join_words": "扫码成为会员",
        "referral_words": "请朋友扫码，到店使用后您也有一份心意",
        "conflict": "此券已在门店 S-18 的收银机 T-0002 核销（T-0002-881），那一笔先到云端，以那一笔为准。"
        "本笔已给的优惠暂不结算，由总部决定。",
    },
    "en": {
        **_SHARED,
        "store": "Harbour Street",
        "campaign": "Autumn savings",
        "benefit": "30 off from 100",
        "promo_title": "A free coffee",
        "promo_conditions": "With any purchase, once, until 2026-12-31",
        "join_words": "Scan to become a member",
        "referral_words": "Let a friend scan this: both of you get something",
        "conflict": "This coupon was redeemed at till T-0002 of store S-18 too (T-0002-881); that one reached the "
        "cloud first and counts. What was given here is not paid until head office has decided.",
    },
}
"""By language; every fact of `receipt_facts.FACTS`."""
