"""One worked example for each kind of offer and each rule on several coupons; the amounts are worked out by hand.

A line of a basket is [name, sku, pieces, unit price] and, where they matter, category, brand and tax class.

Long because docs/campaigns.md shows them in this order, kinds first, then rules.
"""

from __future__ import annotations

from typing import Any

TODAY = 20_784  # 2026-11-27, a Friday


def _example(
    name: str,
    basket: list[list[Any]],
    offers: list[dict[str, Any]],
    expect: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """An example; offers are coupons 1, 2, ... of issuer acme unless they say otherwise."""
    coupons = [one if "offer" in one else {"offer": one} for one in offers]
    return {
        "name": name,
        "basket": basket,
        "coupons": coupons,
        **more,
        "expect": {"paid_minor": 0, "refused": []} | expect,
    }


def _one(amount: int, due: int, shares: dict[str, int], **more: Any) -> dict[str, Any]:
    """What is expected where the one coupon counts."""
    applied = {"key": ["acme", 1, 1], "amount_minor": amount, "shares": shares, **more}
    return {"discount_minor": amount, "due_minor": due, "applied": [applied]}


def _line(number: int, amount: int, shares: dict[str, int], **more: Any) -> dict[str, Any]:
    return {"key": ["acme", number, 1], "amount_minor": amount, "shares": shares, **more}


def _of(category: str) -> dict[str, Any]:
    return {"categories": [category]}


_JOINT = {"mode": "joint"}
_OFF_20 = {"benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 2_000}]}}
_TEN_PERCENT = {"benefit": {"kind": "percent_off", "steps": [{"percent": 10}], "cap_minor": 5_000}}
_COLA = {"benefit": {"kind": "gift", "skus": ["COLA"], "value_minor": 500}}

KINDS: list[dict[str, Any]] = [
    _example(
        "amount off, a ladder",
        [["1", "TEA", 2, 3_500], ["2", "CAKE", 1, 5_500]],
        [
            {
                "benefit": {
                    "kind": "amount_off",
                    "steps": [
                        {"from_minor": 10_000, "off_minor": 2_000},
                        {"from_minor": 20_000, "off_minor": 5_000},
                    ],
                }
            }
        ],
        _one(2_000, 10_500, {"2": 880, "1": 1_120}, hint={"missing_minor": 7_500, "then_minor": 5_000}),
    ),
    _example(
        "amount off, repeating",
        [["1", "RICE", 2, 6_000, {"tax_class": "9"}], ["2", "WINE", 1, 13_000, {"tax_class": "13"}]],
        [
            {
                "benefit": {
                    "kind": "amount_off",
                    "steps": [{"from_minor": 10_000, "off_minor": 3_000}],
                    "repeating": True,
                    "cap_minor": 9_000,
                }
            }
        ],
        _one(6_000, 19_000, {"1": 2_880, "2": 3_120}, hint={"missing_minor": 5_000, "then_minor": 9_000}),
    ),
    _example(
        "percentage with a cap",
        [["1", "SHIRT", 1, 19_900], ["2", "SOCKS", 3, 2_990]],
        [{"benefit": {"kind": "percent_off", "steps": [{"percent": 20}], "cap_minor": 5_000}}],
        _one(5_000, 23_870, {"1": 3_446, "2": 1_554}),
    ),
    _example(
        "percentage by number of pieces",
        [["1", "SOCKS", 2, 2_990], ["2", "HAT", 1, 4_500]],
        [
            {
                "benefit": {
                    "kind": "percent_off",
                    "steps": [{"pieces": 2, "percent": 10}, {"pieces": 3, "percent": 20}],
                    "cap_minor": 5_000,
                }
            }
        ],
        _one(2_096, 8_384, {"1": 1_196, "2": 900}),
    ),
    _example(
        "second piece at half price",
        [["1", "YOGURT", 2, 650, {"category": "dairy"}], ["2", "MILK", 2, 490, {"category": "dairy"}]],
        [
            {
                "benefit": {
                    "kind": "set_off",
                    "pieces": 2,
                    "change": {"percent": 50},
                    "cap_minor": 2_000,
                    "sets_max": 2,
                },
                "items": _of("dairy"),
            }
        ],
        _one(570, 1_710, {"1": 325, "2": 245}),
    ),
    _example(
        "buy two, get one",
        [["1", "BEER", 4, 800, {"category": "beer"}], ["2", "ALE", 2, 1_200, {"category": "beer"}]],
        [
            {
                "benefit": {
                    "kind": "set_off",
                    "pieces": 3,
                    "change": {"percent": 100},
                    "cap_minor": 3_000,
                    "sets_max": 2,
                },
                "items": _of("beer"),
            }
        ],
        _one(1_600, 4_000, {"1": 1_600}),
    ),
    _example(
        "any three for one price",
        [["1", "POLO", 1, 4_900], ["2", "BLOUSE", 1, 4_500], ["3", "TEE", 2, 3_900]],
        [{"benefit": {"kind": "set_price", "pieces": 3, "price_minor": 9_900, "cap_minor": 5_000}}],
        _one(3_400, 13_800, {"1": 1_253, "2": 1_150, "3": 997}),
    ),
    _example(
        "add-on at a special price",
        [["1", "DINNER", 1, 23_000], ["2", "UMBRELLA", 3, 2_990]],
        [
            {
                "benefit": {
                    "kind": "item",
                    "change": {"price_minor": 990},
                    "cap_minor": 6_000,
                    "target": {"skus": ["UMBRELLA"]},
                    "every_minor": 10_000,
                    "times": 2,
                }
            }
        ],
        _one(4_000, 27_970, {"2": 4_000}),
    ),
    _example(
        "buy one, get another",
        [["1", "LATTE", 2, 1_800, {"category": "coffee"}], ["2", "CAKE", 3, 1_200]],
        [
            {
                "benefit": {
                    "kind": "item",
                    "change": {"percent": 50},
                    "cap_minor": 2_000,
                    "target": {"skus": ["CAKE"]},
                    "every_pieces": 1,
                    "times": 5,
                },
                "items": _of("coffee"),
            }
        ],
        _one(1_200, 6_000, {"2": 1_200}),
    ),
    _example(
        "gift with purchase",
        [["1", "DINNER", 1, 12_000]],
        [
            {
                "benefit": {"kind": "gift", "skus": ["MUG"], "value_minor": 1_500},
                "conditions": {"min_spend_minor": 10_000},
            }
        ],
        _one(0, 12_000, {}, hand_over={"skus": ["MUG"], "pieces": 1}),
    ),
    _example(
        "item coupon, the cheapest free",
        [
            ["1", "COLA", 1, 500, {"category": "drinks"}],
            ["2", "JUICE", 1, 900, {"category": "drinks"}],
            ["3", "BREAD", 1, 400],
        ],
        [
            {
                "benefit": {
                    "kind": "item",
                    "change": {"percent": 100},
                    "cap_minor": 2_000,
                    "which": "cheapest",
                },
                "items": _of("drinks"),
            }
        ],
        _one(500, 1_300, {"1": 500}),
    ),
    _example(
        "item coupon, a fixed price",
        [["1", "JUICE", 3, 1_300]],
        [
            {
                "benefit": {"kind": "item", "change": {"price_minor": 990}, "cap_minor": 2_000, "pieces": 2},
                "items": {"skus": ["JUICE"]},
            }
        ],
        _one(620, 3_280, {"1": 620}),
    ),
    _example(
        "exchange voucher",
        [["1", "BREAD", 1, 400], ["2", "COLA", 2, 450]],
        [_COLA],
        _one(450, 850, {"2": 450}),
    ),
    _example(
        "exchange voucher, out of stock",
        [["1", "BREAD", 1, 400]],
        [_COLA],
        {
            "discount_minor": 0,
            "due_minor": 400,
            "applied": [],
            "refused": [{"key": ["acme", 1, 1], "reason": "out_of_stock"}],
        },
        facts={"out_of_stock": ["COLA"]},
    ),
    _example(
        "stored value, spent in part",
        [["1", "LUNCH", 1, 3_200]],
        [{"offer": {"benefit": {"kind": "stored_value", "cap_minor": 20_000}}, "balance_minor": 5_000}],
        {
            "discount_minor": 0,
            "paid_minor": 3_200,
            "due_minor": 0,
            "applied": [_line(1, 3_200, {"1": 3_200})],
        },
    ),
    _example(
        "points spend",
        [["1", "LUNCH", 1, 4_000]],
        [
            {
                "benefit": {
                    "kind": "points_spend",
                    "points": 100,
                    "worth_minor": 100,
                    "cap_minor": 3_000,
                    "percent_max": 50,
                }
            }
        ],
        {
            "discount_minor": 0,
            "paid_minor": 2_000,
            "due_minor": 2_000,
            "applied": [_line(1, 2_000, {"1": 2_000}, points_spent=2_000)],
        },
        facts={"member": {"pseudonym": "aa01", "points": 2_650}},
    ),
    _example(
        "points multiplier",
        [["1", "LUNCH", 1, 4_000]],
        [{"benefit": {"kind": "points_multiplier", "percent": 300}}],
        _one(0, 4_000, {}, points_percent=300),
    ),
    _example(
        "pickup with a gift",
        [],
        [{"benefit": {"kind": "pickup", "gift": {"skus": ["BAG"], "value_minor": 300}}}],
        _one(0, 0, {}, hand_over={"skus": ["BAG"], "pieces": 1}),
    ),
    _example(
        "attribution",
        [["1", "LUNCH", 1, 4_000]],
        [{"benefit": {"kind": "attribution"}}],
        _one(0, 4_000, {}),
    ),
]

RULES: list[dict[str, Any]] = [
    _example(
        "what is missing",
        [["1", "DINNER", 1, 8_750]],
        [_OFF_20],
        {
            "discount_minor": 0,
            "due_minor": 8_750,
            "applied": [],
            "refused": [{"key": ["acme", 1, 1], "reason": "spend_missing", "missing_minor": 1_250}],
        },
    ),
    _example(
        "joint, on the reduced price",
        [["1", "DINNER", 1, 15_000]],
        [_OFF_20 | {"stacking": _JOINT | {"priority": 10}}, _TEN_PERCENT | {"stacking": _JOINT}],
        {
            "discount_minor": 3_300,
            "due_minor": 11_700,
            "applied": [_line(1, 2_000, {"1": 2_000}), _line(2, 1_300, {"1": 1_300})],
        },
    ),
    _example(
        "joint, on the original price",
        [["1", "DINNER", 1, 15_000]],
        [
            _OFF_20 | {"stacking": _JOINT | {"priority": 10}},
            _TEN_PERCENT | {"stacking": _JOINT | {"base": "original"}},
        ],
        {
            "discount_minor": 3_500,
            "due_minor": 11_500,
            "applied": [_line(1, 2_000, {"1": 2_000}), _line(2, 1_500, {"1": 1_500})],
        },
    ),
    _example(
        "an exclusive coupon that saves less",
        [["1", "DINNER", 1, 15_000]],
        [
            _OFF_20 | {"stacking": _JOINT | {"priority": 10}},
            _TEN_PERCENT | {"stacking": _JOINT},
            {"benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}},
        ],
        {
            "discount_minor": 3_300,
            "due_minor": 11_700,
            "applied": [_line(1, 2_000, {"1": 2_000}), _line(2, 1_300, {"1": 1_300})],
            "refused": [
                {"key": ["acme", 3, 1], "reason": "not_together", "because": [["acme", 1, 1], ["acme", 2, 1]]}
            ],
        },
    ),
    _example(
        "by group",
        [["1", "DINNER", 1, 15_000]],
        [
            _OFF_20 | {"stacking": {"mode": "groups", "group": "house", "beside": ["bank"]}},
            _TEN_PERCENT | {"stacking": {"mode": "groups", "group": "bank", "beside": ["house"]}},
            _TEN_PERCENT | {"stacking": {"mode": "groups", "group": "mall", "beside": ["bank"]}},
        ],
        {
            "discount_minor": 3_300,
            "due_minor": 11_700,
            "applied": [_line(1, 2_000, {"1": 2_000}), _line(2, 1_300, {"1": 1_300})],
            "refused": [
                {"key": ["acme", 3, 1], "reason": "not_together", "because": [["acme", 1, 1], ["acme", 2, 1]]}
            ],
        },
    ),
    _example(
        "too little is left",
        [["1", "DINNER", 1, 10_500]],
        [
            {
                "benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]},
                "stacking": _JOINT | {"priority": 10},
            },
            _OFF_20 | {"stacking": _JOINT},
        ],
        {
            "discount_minor": 3_000,
            "due_minor": 7_500,
            "applied": [_line(1, 3_000, {"1": 3_000})],
            "refused": [{"key": ["acme", 2, 1], "reason": "too_little_left", "because": [["acme", 1, 1]]}],
        },
    ),
    _example(
        "better without",
        [["1", "DINNER", 1, 10_500]],
        [_TEN_PERCENT | {"stacking": _JOINT | {"priority": 10}}, _OFF_20 | {"stacking": _JOINT}],
        {
            "discount_minor": 2_000,
            "due_minor": 8_500,
            "applied": [_line(2, 2_000, {"1": 2_000})],
            "refused": [{"key": ["acme", 1, 1], "reason": "better_without", "because": [["acme", 2, 1]]}],
        },
    ),
    _example(
        "two of one campaign: the one that expires first",
        [["1", "DINNER", 1, 15_000]],
        [
            {"offer": _OFF_20 | {"stacking": _JOINT}, "key": ["acme", 1, 1], "expires": TODAY + 9},
            {"offer": _OFF_20 | {"stacking": _JOINT}, "key": ["acme", 1, 2], "expires": TODAY + 2},
        ],
        {
            "discount_minor": 2_000,
            "due_minor": 13_000,
            "applied": [{"key": ["acme", 1, 2], "amount_minor": 2_000, "shares": {"1": 2_000}}],
            "refused": [{"key": ["acme", 1, 1], "reason": "not_together", "because": [["acme", 1, 2]]}],
        },
    ),
    _example(
        "stored value pays what is left",
        [["1", "DINNER", 1, 15_000]],
        [
            {"offer": {"benefit": {"kind": "stored_value", "cap_minor": 20_000}}, "balance_minor": 14_000},
            _OFF_20,
        ],
        {
            "discount_minor": 2_000,
            "paid_minor": 13_000,
            "due_minor": 0,
            "applied": [_line(2, 2_000, {"1": 2_000}), _line(1, 13_000, {"1": 13_000})],
        },
    ),
    _example(
        "who pays for it",
        [["1", "A", 1, 1_000], ["2", "B", 1, 1_000], ["3", "C", 1, 1_000]],
        [
            {
                "benefit": {"kind": "amount_off", "steps": [{"from_minor": 3_000, "off_minor": 1_000}]},
                "funding": {"issuer": 500, "merchant": 300, "supplier": 200},
            }
        ],
        _one(
            1_000,
            2_000,
            {"1": 334, "2": 333, "3": 333},
            funded={"1": [167, 100, 67], "2": [167, 100, 66], "3": [166, 100, 67]},
        ),
    ),
    _example(
        "if it is paid in cash",
        [["1", "DINNER", 1, 15_000]],
        [_OFF_20 | {"conditions": {"tenders": ["cash"]}}],
        _one(2_000, 13_000, {"1": 2_000}, if_tenders=["cash"]),
    ),
    _example(
        "only the total is known",
        [["total", "", 1, 15_000]],
        [_OFF_20, _TEN_PERCENT | {"items": _of("drinks")}],
        _one(2_000, 13_000, {"total": 2_000})
        | {"refused": [{"key": ["acme", 2, 1], "reason": "lines_needed"}]},
        lines_known=False,
    ),
]

EXAMPLES = KINDS + RULES
