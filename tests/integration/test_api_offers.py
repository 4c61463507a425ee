"""Every kind of benefit through the API of a running till: what comes off, what is said, what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.domain.benefit_wire import KIND_OF
from agent.domain.disclosure import disclosure
from agent.domain.settlement import unsettled
from tests.core_kit import rows
from tests.factory import Factory, amount_off
from tests.integration.api_kit import real_till

TEA = {"sku": "TEA", "quantity": 2, "unit_price_minor": 3_000, "category": "drinks"}
CAKE = {"sku": "CAKE", "quantity": 1, "unit_price_minor": 6_000, "category": "cakes", "line": "own"}
SALE: dict[str, Any] = {"total_minor": 12_000, "lines": [TEA, CAKE]}
LADDER = [{"from_minor": 9_000, "off_minor": 2_000}, {"from_minor": 20_000, "off_minor": 5_000}]
POINTS = {"kind": "points_spend", "points": 100, "worth_minor": 100, "cap_minor": 500}
# (offer, outcome, what comes off, what the cashier reads)
KINDS: list[tuple[dict[str, Any], str, int | None, str]] = [
    (
        {"kind": "amount_off", "steps": LADDER},
        "accepted",
        2_000,
        "80 more and it is 50 off",
    ),
    (
        {"kind": "percent_off", "steps": [{"pieces": 3, "percent": 20}], "cap_minor": 5_000},
        "accepted",
        2_400,
        "",
    ),
    ({"kind": "set_off", "pieces": 2, "change": {"percent": 50}, "cap_minor": 3_000}, "accepted", 1_500, ""),
    ({"kind": "set_price", "pieces": 3, "price_minor": 9_900, "cap_minor": 5_000}, "accepted", 2_100, ""),
    (
        {"kind": "item", "change": {"percent": 100}, "which": "cheapest", "cap_minor": 9_000},
        "accepted",
        3_000,
        "",
    ),
    ({"kind": "gift", "skus": ["MUG"], "value_minor": 800}, "accepted", 0, "Hand over 1: MUG"),
    ({"kind": "stored_value", "cap_minor": 5_000}, "accepted", 5_000, ""),
    (
        POINTS,
        "member_needed",
        None,
        "Scan the member",
    ),
    ({"kind": "points_multiplier", "percent": 300}, "accepted", 0, ""),
    ({"kind": "pickup", "gift": {"skus": ["MUG"], "value_minor": 800}}, "accepted", 0, "Hand over 1: MUG"),
    ({"kind": "attribution"}, "accepted", 0, ""),
]


def test_every_kind_is_here() -> None:
    assert [benefit["kind"] for benefit, *_ in KINDS] == list(KIND_OF.values())


async def test_each_kind_of_benefit(tmp_path: Path) -> None:
    offers = [amount_off(number, offer={"benefit": one}) for number, (one, *_) in enumerate(KINDS, 1)]
    factory, accepted = Factory(campaigns=offers), 0
    async with real_till(tmp_path / "state", factory) as till:
        for number, (benefit, outcome, off, prompt) in enumerate(KINDS, 1):
            said = (await till.redeem(factory.coupon(1, number), **SALE)).json
            assert (said["outcome"], said["discount_minor"]) == (outcome, off), benefit
            assert said["next_en"].startswith(prompt), benefit
            accepted += outcome == "accepted"
            blind = (await till.redeem(factory.coupon(2, number))).json
            asks = {"stored_value": "total_needed", "points_spend": "total_needed"}
            assert blind["outcome"] == asks.get(benefit["kind"], "accepted"), benefit
            assert blind["discount_minor"] is None
    found = rows(tmp_path / "state" / "till.db", "SELECT event FROM redemption_record ORDER BY sequence")
    told = [data for (text,) in found if (data := json.loads(str(text))["data"])["sale"]]
    assert len(told) == accepted
    for data in told:
        assert unsettled(data) == ""
        assert data["basket"]["pieces"] == 3
        assert sum(data["funded_minor"].values()) == data["discount_minor"]
        assert 0 <= data["hour"] <= 23


async def test_what_a_pos_says_of_a_sale_counts_and_is_recorded(tmp_path: Path) -> None:
    offer = {
        "benefit": {"kind": "percent_off", "steps": [{"percent": 10}], "cap_minor": 5_000},
        "items": {"categories": ["cakes"]},
        "conditions": {"channels": ["counter"], "tenders": ["cash"]},
        "funding": {"issuer": 400, "merchant": 600},
        "incentives": {"assistant": {"minor": 100}, "referrers": [{"permille": 10, "cap_minor": 50}]},
    }
    factory = Factory(campaigns=[amount_off(offer=offer)])
    async with real_till(tmp_path / "state", factory) as till:
        text = factory.coupon(1, referrer=bytes(range(8)), source=3)
        assert (await till.redeem(text, **SALE)).json["outcome"] == "other_channel"
        sale = SALE | {"channel": "counter"}
        by_card = (await till.redeem(text, **sale, tenders=["card"])).json
        assert (by_card["outcome"], by_card["next_en"]) == ("other_tender", "Pay by cash")
        good = (await till.redeem(text, **sale, tenders=["cash"], assistant="B-7")).json
        assert (good["outcome"], good["discount_minor"]) == ("accepted", 600)
    ((event,),) = rows(tmp_path / "state" / "till.db", "SELECT event FROM redemption_record")
    data = json.loads(str(event))["data"]
    assert data["lines"] == [
        {"line": "own", "quantity": 1, "share_minor": 600, "funded_minor": [240, 360, 0]}
    ]
    assert (data["assistant"], data["tenders"]) == ("B-7", ["cash"])
    assert [(one["party"], one["amount_minor"]) for one in data["incentives"]] == [
        ("assistant", 100),
        ("referrer", 50),
    ]
    assert data["coupon"]["touch"] == 3
    assert "0001020304050607" not in str(event), "what is signed holds no pseudonym"
    disclosed = "SELECT digest, salt, pseudonym FROM disclosure WHERE lane = 'redemption'"
    ((digest, salt, pseudonym),) = rows(tmp_path / "state" / "till.db", disclosed)
    assert data["coupon"]["referrer"] == data["incentives"][1]["who"] == digest
    assert disclosure(bytes.fromhex(str(salt)), bytes(range(8))) == (digest, salt, pseudonym)


@pytest.mark.parametrize(
    ("sale", "word"),
    [
        ({"total_minor": 1, "lines": [CAKE, CAKE]}, "two lines have the name own"),
        (
            {"total_minor": 1, "lines": [CAKE | {"unit_price_minor": 10**12, "quantity": 2}]},
            "lines cost more than",
        ),
    ],
)
async def test_a_sale_that_cannot_be_is_refused(tmp_path: Path, sale: dict[str, Any], word: str) -> None:
    async with real_till(tmp_path / "state", Factory()) as till:
        refused = await till.redeem(till.coupon(), **sale)
        assert (refused.status, refused.code) == (400, "bad_body")
        assert word in str(refused.json)
        put = await till.call("PUT", "/v1/sale", sale)
        assert (put.status, put.code) == (400, "bad_body")


async def test_stored_value_is_spent_in_parts_and_never_twice(tmp_path: Path) -> None:
    offer = {"benefit": {"kind": "stored_value", "cap_minor": 5_000}}
    factory = Factory(campaigns=[amount_off(offer=offer, uses=9)])
    async with real_till(tmp_path / "state", factory) as till:
        text = factory.coupon(1)
        asked = await till.call("POST", "/v1/redeem", {"text": text}, Idempotency_Key="no total")
        assert (asked.json["outcome"], asked.json["left_minor"]) == ("total_needed", 5_000)
        said = [(await till.redeem(text, total_minor=2_000)).json for _ in range(3)]
        assert [one["discount_minor"] for one in said] == [2_000, 2_000, 1_000]
        assert [one["left_minor"] for one in said] == [3_000, 1_000, 0]
        assert (said[0]["zh"], said[0]["en"]) == (
            "可用：付 20，本机记录余额 30",
            "Accepted: 20 paid, 30 left as this till knows",
        )
        empty = (await till.redeem(text, total_minor=2_000)).json
        assert (empty["outcome"], empty["left_minor"]) == ("balance_empty", None)
        # what the ledger knows, a look without the ledger does not say
        asked = await till.call("POST", "/v1/verify", {"text": text, "sale": {"total_minor": 900}})
        assert (asked.json["accepted"], asked.json["left_minor"]) == (True, None)


async def test_a_stored_value_says_nothing_is_left_after_its_last_use(tmp_path: Path) -> None:
    offer = {"benefit": {"kind": "stored_value", "cap_minor": 5_000}}
    async with real_till(tmp_path / "state", Factory(campaigns=[amount_off(offer=offer, uses=2)])) as till:
        text = till.factory.coupon(1)
        left = [(await till.redeem(text, total_minor=1_000)).json["left_minor"] for _ in range(2)]
        assert left == [4_000, 0], "30.00 stand on it, and no use is left to spend them"
