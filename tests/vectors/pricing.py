"""Pricing vectors: what baskets cost with coupons. What is expected is written by hand.

docs/campaigns.md shows the same examples; a test keeps the two alike.
"""

from __future__ import annotations

from typing import Any

from agent.domain import offer
from agent.domain.basket import Basket, BasketLine
from agent.domain.eligibility import Facts, Member, Presented, Uses
from agent.domain.pricing import Applied, Quote, Refused
from tests.vectors.pricing_examples import EXAMPLES, TODAY

FACTS: dict[str, Any] = {
    "day": TODAY,
    "minute": 660,
    "store": 12,
    "merchant": "M-1",
    "groups": [1, 3],
    "channel": "counter",
    "tenders": None,
    "member": None,
    "out_of_stock": [],
}
MEMBER: dict[str, Any] = {"pseudonym": "aa01", "level": 2, "visits": 5, "absent_days": 40, "points": 0}
_NEW = MEMBER | {"visits": 0, "absent_days": None}


def _condition(
    reason: str | None,
    asked: dict[str, Any],
    facts: dict[str, Any] | None = None,
    **coupon: Any,
) -> dict[str, Any]:
    return {"conditions": asked, "facts": facts or {}, "coupon": coupon, "reason": reason}


CONDITIONS: list[dict[str, Any]] = [
    _condition(None, {}),
    _condition(None, {"merchants": ["M-1", "M-2"]}),
    _condition("other_merchant", {"merchants": ["M-2"]}),
    _condition("other_merchant", {"merchants": ["M-2"], "stores": [13]}),
    _condition(None, {"stores": [12, 13]}),
    _condition("other_store", {"stores": [13]}),
    _condition(None, {"groups": [3, 4]}),
    _condition("other_store", {"groups": [2, 4]}),
    _condition(None, {"channels": ["counter"]}),
    _condition("other_channel", {"channels": ["delivery"]}),
    _condition(None, {"days": [TODAY]}),
    _condition("other_day", {"days": [TODAY + 1]}),
    _condition("other_day", {"blackout_days": [TODAY]}),
    _condition(None, {"weekdays": [5]}),
    _condition("other_day", {"weekdays": [1, 2, 3, 4, 6, 7]}),
    _condition(None, {"hours": [{"from_minute": 660, "to_minute": 661}]}),
    _condition("other_hour", {"hours": [{"from_minute": 600, "to_minute": 660}]}),
    _condition(
        "other_hour",
        {"hours": [{"from_minute": 0, "to_minute": 360}, {"from_minute": 1320, "to_minute": 1440}]},
    ),
    _condition("member_needed", {"member_level": 2}),
    _condition(None, {"member_level": 2}, {"member": MEMBER}),
    _condition("level_too_low", {"member_level": 3}, {"member": MEMBER}),
    _condition("member_needed", {"first_visit": True}),
    _condition(None, {"first_visit": True}, {"member": _NEW}),
    _condition("not_first_visit", {"first_visit": True}, {"member": MEMBER}),
    _condition(None, {"absent_days": 40}, {"member": MEMBER}),
    _condition("not_absent", {"absent_days": 41}, {"member": MEMBER}),
    _condition("not_absent", {"absent_days": 30}, {"member": _NEW}),
    _condition("member_needed", {}, holder="aa01"),
    _condition(None, {}, {"member": MEMBER}, holder="aa01"),
    _condition("other_holder", {}, {"member": MEMBER}, holder="bb02"),
    _condition("limit_reached", {"limits": {"coupon": 2}}, uses={"coupon": 2}),
    _condition(None, {"limits": {"coupon": 2}}, uses={"coupon": 1}),
    _condition("member_needed", {"limits": {"member_day": 1}}),
    _condition("limit_reached", {"limits": {"member_day": 1}}, {"member": MEMBER}, uses={"member_day": 1}),
    _condition(
        "limit_reached", {"limits": {"member_month": 3}}, {"member": MEMBER}, uses={"member_month": 3}
    ),
    _condition("limit_reached", {"limits": {"store_day": 50}}, uses={"store_day": 50}),
    _condition("limit_reached", {"limits": {"till_day": 9}}, uses={"till_day": 10}),
    _condition(None, {"limits": {"till_day": 9}}, uses={"till_day": 8, "store_day": 900}),
    _condition(None, {"tenders": ["cash"]}),
    _condition(None, {"tenders": ["cash", "card"]}, {"tenders": ["card"]}),
    _condition("other_tender", {"tenders": ["cash"]}, {"tenders": ["card"]}),
    _condition("other_tender", {"tenders": ["cash"]}, {"tenders": ["cash", "card"]}),
    _condition("wrong_currency", {}, currency="EUR"),
    _condition("spend_missing", {"min_spend_minor": 1001}),
    _condition(None, {"min_spend_minor": 1000}),
    _condition("pieces_missing", {"min_pieces": 3}),
    _condition(None, {"min_pieces": 2}),
]
"""A coupon of 1.00 off a basket of two pieces at 5.00 each, with these conditions, facts and coupon fields."""

_PLAIN = {"kind": "amount_off", "steps": [{"from_minor": 0, "off_minor": 100}]}


def condition_case(condition: dict[str, Any]) -> dict[str, Any]:
    """The example that a line of CONDITIONS stands for."""
    coupon = {"offer": {"benefit": _PLAIN, "conditions": condition["conditions"]}} | condition["coupon"]
    return {"basket": [["1", "A", 2, 500]], "coupons": [coupon], "facts": condition["facts"]}


def read_case(example: dict[str, Any]) -> tuple[Basket, list[Presented], Facts]:
    """An example as the engine takes it."""
    lines = tuple(
        BasketLine(name, sku, quantity, price, **(more[0] if more else {}))
        for name, sku, quantity, price, *more in example["basket"]
    )
    coupons = [_coupon(number, one) for number, one in enumerate(example["coupons"], 1)]
    return Basket("CNY", lines, example.get("lines_known", True)), coupons, _facts(example.get("facts", {}))


def _coupon(number: int, one: dict[str, Any]) -> Presented:
    return Presented(
        tuple(one.get("key", ("acme", number, 1))),
        offer.from_wire(one["offer"]),
        one.get("currency", "CNY"),
        one.get("expires", TODAY + 10),
        one.get("value_minor"),
        one.get("balance_minor", 0),
        bytes.fromhex(one["holder"]) if "holder" in one else None,
        Uses(**one.get("uses", {})),
    )


def _facts(changes: dict[str, Any]) -> Facts:
    facts = FACTS | changes
    member = facts["member"]
    if member is not None:
        member = Member(**(member | {"pseudonym": bytes.fromhex(member["pseudonym"])}))
    tenders = facts["tenders"]
    return Facts(
        **facts
        | {
            "groups": frozenset(facts["groups"]),
            "tenders": None if tenders is None else frozenset(tenders),
            "member": member,
            "out_of_stock": frozenset(facts["out_of_stock"]),
        }
    )


def result(answer: Quote) -> dict[str, Any]:
    """A quote as the vectors write it: what is empty or as usual is left out."""
    return {
        "discount_minor": answer.discount_minor,
        "paid_minor": answer.paid_minor,
        "due_minor": answer.due_minor,
        "applied": [_applied(one) for one in answer.applied],
        "refused": [_refused(one) for one in answer.refused],
    }


def _applied(one: Applied) -> dict[str, Any]:
    found: dict[str, Any] = {"key": list(one.key), "amount_minor": one.amount_minor}
    found["shares"] = {share.line: share.amount_minor for share in one.shares}
    if any(share.funded_minor[0] != share.amount_minor for share in one.shares):
        found["funded"] = {share.line: list(share.funded_minor) for share in one.shares}
    if one.hand_over:
        found["hand_over"] = {"skus": list(one.hand_over.skus), "pieces": one.hand_over.pieces}
    if one.hint:
        names = ("missing_minor", "missing_pieces", "then_minor", "then_percent")
        found["hint"] = {name: getattr(one.hint, name) for name in names if getattr(one.hint, name)}
    if one.points_spent:
        found["points_spent"] = one.points_spent
    if one.points_percent != 100:
        found["points_percent"] = one.points_percent
    if one.if_tenders:
        found["if_tenders"] = sorted(one.if_tenders)
    return found


def _refused(one: Refused) -> dict[str, Any]:
    objection = one.objection
    found: dict[str, Any] = {"key": list(one.key), "reason": objection.reason.value}
    for name in ("missing_minor", "missing_pieces", "missing_points"):
        if getattr(objection, name):
            found[name] = getattr(objection, name)
    return found | ({"because": [list(key) for key in objection.because]} if objection.because else {})


def vectors() -> dict[str, Any]:
    return {
        "format": "redeemd pricing vectors 1",
        "currency": "CNY",
        "facts": FACTS,
        "examples": EXAMPLES,
        "conditions": [condition_case(one) | {"reason": one["reason"]} for one in CONDITIONS],
    }
