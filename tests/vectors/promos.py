"""Promotion vectors: the digests of units, the arm of each, and which rule decides, which is written by hand."""

from __future__ import annotations

from typing import Any

TODAY = 20_784
ARMS = [
    {"name": "coffee", "share": 4500, "campaign": ["acme", 2]},
    {"name": "tea", "share": 4500, "campaign": ["acme", 3]},
    {"name": "hold-out", "share": 1000, "campaign": None},
]
RULES: list[dict[str, Any]] = [
    {
        "name": "after-lunch",
        "starts": TODAY,
        "ends": TODAY + 30,
        "unit": "area",
        "after": [["acme", 1]],
        "least_minor": 5000,
        "arms": [{"name": "all", "share": 10000, "campaign": ["acme", 4]}],
        "groups": [3],
    },
    {
        "name": "pastry",
        "starts": TODAY,
        "ends": TODAY + 30,
        "unit": "store",
        "items": {"skus": ["CAKE"]},
        "arms": ARMS,
    },
    {"name": "gold", "starts": TODAY, "ends": TODAY + 30, "unit": "sale", "level": 2, "arms": ARMS},
    {
        "name": "everybody",
        "starts": TODAY - 10,
        "ends": TODAY + 30,
        "unit": "shopper",
        "stores": [12],
        "arms": ARMS,
    },
]

# name, what differs from the usual occasion, the rule that decides (None: none does), the unit by which it is hashed
_OCCASIONS: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("the holder stays in one arm", {"holder": "0011223344556677"}, "everybody", "holder/0011223344556677"),
    ("without a holder the coupon is the unit", {}, "everybody", "coupon/acme/1/7"),
    ("the first rule that fits decides", {"groups": [1, 3], "total_minor": 5000}, "after-lunch", "area/1"),
    ("a sale below the least", {"groups": [1, 3], "total_minor": 4999}, "everybody", "coupon/acme/1/7"),
    ("a sale that is not known", {"groups": [3]}, "everybody", "coupon/acme/1/7"),
    (
        "another campaign was redeemed",
        {"campaign": 9, "groups": [3], "total_minor": 9000},
        "everybody",
        "coupon/acme/9/7",
    ),
    ("an article in the basket", {"skus": ["TEA", "CAKE"], "total_minor": 900}, "pastry", "store/12"),
    ("another article", {"skus": ["TEA"], "total_minor": 900}, "everybody", "coupon/acme/1/7"),
    ("a member of the level", {"level": 2, "total_minor": 900}, "gold", "sale/12/S-1"),
    ("a member who agreed", {"member": "a1" * 8, "total_minor": 900}, "everybody", "holder/" + "a1" * 8),
    ("a holder and a member", {"holder": "b2" * 8, "member": "a1" * 8}, "everybody", "holder/" + "b2" * 8),
    ("a member without a sale", {"level": 3}, "gold", "sale/12/T-0001-5"),
    ("a day before the others begin", {"day": TODAY - 1, "level": 3}, "everybody", "coupon/acme/1/7"),
    ("no store of any rule", {"store": 99}, None, ""),
    ("over", {"day": TODAY + 31}, None, ""),
]

# Units whose arms under the rule "everybody" are stated; the test computes them again from the words of the format.
_PLACES = [f"holder/{number:016x}" for number in range(16)]


TILL_SEED = bytes([9]) * 32
LISTED = (3, 130, 20_000)
# index, value_minor, what is said of the coupon (None: it is trusted)
_SIGNED = [(130, None, None), (131, None, "index"), (20_000, 3_001, "value"), (3, 3_000, None)]


def _delegation() -> dict[str, Any]:
    """A till's key as the part "keys" lists it, and coupons that it signed."""
    from agent.domain import cbor, token
    from agent.domain.keys import Delegation, IssuerKey, signing_key_from_seed
    from agent.domain.parts import key_to_wire
    from agent.domain.token import Claims

    key = signing_key_from_seed(TILL_SEED)
    given = Delegation("T-0001", {4: LISTED}, {4: 14})
    record = IssuerKey(
        key.kid, "acme", key.algorithm, key.public_key, frozenset({4}), TODAY, TODAY + 74, 3_000, given
    )

    def signed(index: int, value_minor: int | None) -> str:
        claims = Claims(4, index, TODAY, TODAY + 14, value_minor=value_minor)
        return token.to_text(token.sign(claims, key))

    return {
        "till": "T-0001",
        "seed": TILL_SEED.hex(),
        "key": cbor.encode(key_to_wire(record)).hex(),
        "indexes": list(LISTED),
        "coupons": [{"token": signed(index, value), "beyond": beyond} for index, value, beyond in _SIGNED],
    }


def vectors() -> dict[str, Any]:
    from agent.domain import promo

    everybody = promo.read_rule(RULES[-1])

    def arm(unit: str) -> dict[str, str]:
        digest = promo.unit_digest(unit)
        return {"unit": unit, "digest": digest.hex(), "arm": promo.arm_of(everybody, digest).name}

    return {
        "about": "Promotion rules of receipts: docs/bundle-format.md, part receipt_rules",
        "rules": RULES,
        "usual": {
            "issuer": "acme", "campaign": 1, "index": 7, "holder": None, "day": TODAY, "store": 12,
            "groups": [], "level": 0, "member": None, "redemption_id": "T-0001-5", "sale_id": "S-1",
        },
        "occasions": [
            {"name": name, "changes": changes, "rule": rule, "unit": unit}
            for name, changes, rule, unit in _OCCASIONS
        ],
        "arms": {"rule": "everybody", "of": [arm(unit) for unit in _PLACES]},
        "delegation": _delegation(),
    }  # fmt: skip
