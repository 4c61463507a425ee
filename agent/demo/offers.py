"""The demo's store, issuer and three offers, in the cloud's wire form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agent.domain.time import EPOCH_DAY

ISSUER = "acme"
SIZE = 20_000
STORE: dict[str, Any] = {
    "store": "S-07",
    "number": 7,
    "groups": [70],
    "merchant": "acme",
    "title": {"zh": "人民路店", "en": "People's Road"},
    "zone": "Asia/Shanghai",
    "currency": "CNY",
}
PROMO: dict[int, dict[str, int] | None] = {1: {"per_till": 60, "valid_days": 60}, 2: None, 3: None}
"""Campaign number -> how many coupons each till gets for its receipts."""


def _today() -> int:
    return (datetime.now(UTC).date() - EPOCH_DAY).days


def issuer_key() -> dict[str, Any]:
    """An issuer key that may promise at most 100.00 a coupon, for two years."""
    return {
        "issuer": ISSUER,
        "campaigns": None,
        "not_before": _today() - 60,
        "expires": _today() + 730,
        "value_max_minor": 10_000,
    }


def campaigns() -> list[dict[str, Any]]:
    """Spend 100 get 30 off; 20 % off with a cap; a free item."""
    common = {
        "issuer": ISSUER,
        "currency": "CNY",
        "starts": _today() - 60,
        "ends": _today() + 365,
        "size": SIZE,
        "offline_class": "C",
        "budget": {
            "count_day": 200,
            "value_day_minor": 600_000,
            "count_offline": 100,
            "value_offline_minor": 300_000,
        },
    }
    return [
        common
        | {
            "number": 1,
            "title": {"zh": "满百立减", "en": "30 off 100"},
            "offer": {
                "benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}
            },
            "conditions": {"zh": "单笔满 100 元可用，每单一张", "en": "On 100 or more, one per sale"},
        },
        common
        | {
            "number": 2,
            "title": {"zh": "全场八折", "en": "20% off"},
            "offer": {"benefit": {"kind": "percent_off", "steps": [{"percent": 20}], "cap_minor": 5_000}},
            "conditions": {"zh": "最高减 50 元", "en": "At most 50 off"},
        },
        common
        | {
            "number": 3,
            "title": {"zh": "免费兑饮料一瓶", "en": "One free drink"},
            "offer": {
                "benefit": {
                    "kind": "item",
                    "change": {"percent": 100},
                    "which": "cheapest",
                    "cap_minor": 800,
                },
                "items": {"skus": ["6901234567892"]},
            },
            "prompt": {"zh": "请递上饮料一瓶", "en": "Hand over one drink"},
            "conditions": {"zh": "限指定饮料", "en": "Listed drinks only"},
        },
    ]
