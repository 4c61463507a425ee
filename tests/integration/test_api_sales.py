"""A POS's sale over the API of a running till: quote, hold, commit or void, and returns."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import config
from tests.core_kit import check_chain, files_hold, rows
from tests.factory import Factory, amount_off
from tests.integration.api_kit import Answer, RealTill, real_till

SALE = {"sale_id": "S1", "total_minor": 20_000}
CASH = ["cash"]
LINES = [
    {"sku": "A", "quantity": 3, "unit_price_minor": 5_000, "line": "a"},
    {"sku": "B", "quantity": 1, "unit_price_minor": 5_000, "line": "b"},
]
JOINT = {"mode": "joint"}


def offered(number: int, offer: dict[str, Any], **more: Any) -> Any:
    return amount_off(number, offer={"stacking": JOINT, **offer}, **more)


def campaigns() -> list[Any]:
    off = {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}
    budget = {
        "count_day": 1,
        "value_day_minor": 10**6,
        "count_offline": 1,
        "value_offline_minor": 10**6,
    }
    return [
        amount_off(1),
        offered(2, {"benefit": off}, returns="coupon"),
        offered(3, {"benefit": {"kind": "stored_value", "cap_minor": 10_000}}, uses=99, returns="coupon"),
        offered(4, {"benefit": off, "conditions": {"tenders": ["card"]}}),
        offered(5, {"benefit": off}, budget=budget),
        offered(6, {"benefit": {"kind": "gift", "skus": ["G"], "pieces": 1, "value_minor": 500}}),
    ]


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with real_till(tmp_path / "state", Factory(campaigns=campaigns())) as made:
        yield made


class Pos:
    """Calls with a new key each, unless one is given."""

    def __init__(self, till: RealTill) -> None:
        self.till = till
        self._keys = iter(range(10**6))

    async def post(self, path: str, body: Any, key: str | None = None) -> Answer:
        return await self.till.call("POST", path, body, Idempotency_Key=key or f"pos-{next(self._keys)}")

    async def hold(self, *coupons: str, sale: Any = SALE, **more: Any) -> Any:
        answer = await self.post("/v1/holds", {"sale": sale, "coupons": coupons, **more})
        assert answer.status == 201, answer.raw
        return answer.json

    async def commit(self, hold: Any, key: str | None = None, **changes: Any) -> Answer:
        body = {"total_minor": hold["total_minor"], "tenders": CASH} | changes
        return await self.post(f"/v1/holds/{hold['hold_id']}/commit", body, key)

    async def void(self, hold: Any, key: str | None = None) -> Answer:
        return await self.post(f"/v1/holds/{hold['hold_id']}/void", {}, key)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return rows(Path(self.till.app._database.path), statement)


@pytest.fixture
def pos(till: RealTill) -> Pos:
    return Pos(till)


async def test_a_quote_has_no_side_effect(till: RealTill, pos: Pos) -> None:
    coupons = [till.factory.coupon(1, 2), till.factory.coupon(2, 2), "hello"]
    for _ in range(2):
        answer = await till.call("POST", "/v1/quotes", {"sale": SALE, "coupons": coupons})
        assert answer.status == 200, answer.raw
        assert (answer.json["discount_minor"], answer.json["due_minor"]) == (3_000, 17_000)
        assert [one["place"] for one in answer.json["applied"]] == [0]
        assert [(one["place"], one["reason"]) for one in answer.json["refused"]] == [
            (1, "not_together"),
            (2, "not_a_coupon"),
        ]
    assert [*pos.rows("SELECT * FROM record"), *pos.rows("SELECT * FROM hold")] == []
    small = await till.call("POST", "/v1/quotes", {"sale": {"total_minor": 8_750}, "coupons": coupons[:1]})
    (refused,) = small.json["refused"]
    assert (refused["reason"], refused["missing_minor"]) == ("sale_too_small", 1_250)


async def test_hold_then_commit(till: RealTill, pos: Pos, tmp_path: Path) -> None:
    text = till.factory.coupon(1, 2)
    held = await pos.hold(text, sale={**SALE, "lines": LINES})
    assert (held["state"], held["due_minor"]) == ("open", 17_000)
    assert {one["line"]: one["amount_minor"] for one in held["applied"][0]["lines"]} == {"a": 2_250, "b": 750}
    # to everybody else it is held, and they hear until when
    assert (await pos.hold(text))["refused"][0]["reason"] == "held"
    other = (await till.redeem(text, total_minor=20_000)).json
    assert (other["outcome"], other["works_from"]) == ("held", held["expires_at"])
    assert (await till.call("POST", "/v1/scan", {"text": text})).json["outcome"] == "held"
    assert pos.rows("SELECT * FROM coupon_use") == []

    done = (await pos.commit(held, key="c")).json
    assert (done["state"], done["late"], done["changed"], done["due_minor"]) == (
        "committed",
        False,
        False,
        17_000,
    )
    assert [one["redemption_id"] for one in done["applied"]] == ["T-0001-1"]
    again = (await pos.commit(held, key="c")).json
    assert again == {**done, "replayed": True}
    assert (await pos.commit(held)).json["applied"] == done["applied"], "another key, the same commit"
    assert (await pos.commit(held, total_minor=1)).code == "hold_committed"
    assert (await pos.commit(held, key="c", total_minor=1)).code == "key_reused"
    assert (await pos.void(held)).code == "hold_committed"
    assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "already_redeemed"
    shown = (await till.call("GET", f"/v1/holds/{held['hold_id']}")).json
    assert shown["state"] == "committed"
    (event,) = [json.loads(one) for (one,) in pos.rows("SELECT event FROM redemption_record")]
    data = event["data"]
    assert (data["hold_id"], data["discount_minor"], data["sale"]["sale_id"]) == (
        held["hold_id"],
        3_000,
        "S1",
    )
    assert pos.rows("SELECT * FROM held_coupon") == []
    check_chain(tmp_path / "state" / "till.db", till.factory)
    assert files_hold(tmp_path, text[3:60]) == [], "no coupon's text is kept"


async def test_a_void_lets_the_coupon_go(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 2)
    held = await pos.hold(text)
    voided = await pos.void(held, "v")
    assert (voided.status, voided.json["state"]) == (200, "voided")
    assert (await pos.void(held, "v")).json["replayed"] is True
    assert (await pos.void(held)).json["state"] == "voided"
    assert (await pos.commit(held)).code == "hold_voided"
    assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "accepted"


async def expired(pos: Pos, *coupons: str) -> Any:
    """A hold whose time is over."""
    held = await pos.hold(*coupons, lasts_s=1)
    async with asyncio.timeout(20):
        path = f"/v1/holds/{held['hold_id']}"
        while (await pos.till.call("GET", path)).json["state"] != "expired":
            pass
    return held


async def test_a_commit_after_the_end_is_settled_by_rule(till: RealTill, pos: Pos) -> None:
    free, taken = till.factory.coupon(1, 2), till.factory.coupon(2, 2)
    late = (await pos.commit(await expired(pos, free))).json
    assert (late["late"], late["changed"], len(late["applied"])) == (True, False, 1)

    held = await expired(pos, taken)
    winner = (await till.redeem(taken, total_minor=20_000)).json
    assert winner["outcome"] == "accepted", "what is over keeps nobody out"
    lost = (await pos.commit(held)).json
    assert (lost["state"], lost["late"], lost["applied"], lost["due_minor"]) == (
        "committed",
        True,
        [],
        20_000,
    )
    assert [one["reason"] for one in lost["conflicts"]] == ["already_redeemed"]
    event = json.loads(
        pos.rows(
            "SELECT event FROM evidence_record WHERE json_extract(event, '$.data.outcome') = 'late_conflict'"
        )[0][0]
    )
    assert event["data"]["taken_by"] == winner["redemption_id"]
    assert event["data"]["held_minor"] == 3_000
    assert (await pos.void(held)).code == "hold_committed"


async def test_another_total_is_priced_anew(till: RealTill, pos: Pos) -> None:
    held = await pos.hold(till.factory.coupon(1, 2), sale={"total_minor": 20_000})
    less = (await pos.commit(held, total_minor=9_000)).json
    assert (less["changed"], less["applied"], less["due_minor"]) == (True, [], 9_000)
    assert [(one["reason"], one["missing_minor"]) for one in less["refused"]] == [("sale_too_small", 1_000)]
    assert (await till.redeem(till.factory.coupon(1, 2), total_minor=20_000)).json["outcome"] == "accepted"


async def test_a_coupon_for_a_means_of_payment(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 4)
    held = await pos.hold(text)
    assert held["applied"][0]["if_tenders"] == ["card"]
    assert held["applied"][0]["if_tenders_en"] == "bank card"
    cash = (await pos.commit(held)).json
    assert [(one["reason"], one["next_zh"], one["next_en"]) for one in cash["refused"]] == [
        ("other_tender", "请换付款方式：银行卡", "Pay by bank card")
    ]
    card = (await pos.commit(await pos.hold(text), tenders=["card"])).json
    assert len(card["applied"]) == 1


async def test_how_it_is_paid_must_be_said_where_a_coupon_asks_for_it(till: RealTill, pos: Pos) -> None:
    held = await pos.hold(till.factory.coupon(1, 4))
    silent = await pos.commit(held, tenders=[])
    assert (silent.status, silent.code) == (400, "bad_body")
    assert "left to pay" in silent.json["en"]
    assert len((await pos.commit(held, tenders=["card"])).json["applied"]) == 1, "nothing was lost"


async def test_a_coupon_that_was_used_here_says_when(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 2)
    assert (await till.redeem(text, total_minor=20_000)).json["accepted"]
    (refused,) = (await till.call("POST", "/v1/quotes", {"sale": SALE, "coupons": [text]})).json["refused"]
    assert refused["reason"] == "already_redeemed"
    assert re.fullmatch(r"Already used: \d\d:\d\d", refused["en"]), refused["en"]


async def test_out_of_stock_leaves_the_coupon_unused(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 6)
    held = await pos.hold(text)
    assert held["applied"][0]["hand_over"] == {"skus": ["G"], "pieces": 1}
    done = (await pos.commit(held, out_of_stock=["G"])).json
    assert [one["reason"] for one in done["refused"]] == ["out_of_stock"]
    assert pos.rows("SELECT json_extract(event, '$.data.outcome') FROM evidence_record") == [
        ("out_of_stock",)
    ]
    assert len((await pos.commit(await pos.hold(text))).json["applied"]) == 1


async def test_a_fund_is_spent_in_parts(till: RealTill, pos: Pos) -> None:
    fund = till.factory.coupon(1, 3)
    one = await pos.hold(fund, sale={"sale_id": "F", "total_minor": 4_000})
    assert (one["paid_minor"], one["due_minor"]) == (4_000, 0)
    two = await pos.hold(fund, sale={"total_minor": 20_000})
    assert two["paid_minor"] == 6_000, "what another sale holds is not there twice"
    await pos.void(two)
    await pos.commit(one, tenders=[])
    rest = await pos.hold(fund, sale={"total_minor": 20_000})
    assert rest["paid_minor"] == 6_000
    await pos.void(rest)
    back = await pos.post("/v1/reversals", {"sale_id": "F"})
    assert (back.status, back.json["amount_minor"]) == (201, 4_000), back.raw
    assert (await pos.hold(fund, sale={"total_minor": 20_000}))["paid_minor"] == 10_000


async def test_a_hold_reserves_the_budget(till: RealTill, pos: Pos) -> None:
    first = await pos.hold(till.factory.coupon(1, 5))
    second = await pos.hold(till.factory.coupon(2, 5))
    assert [one["reason"] for one in second["refused"]] == ["budget_reached"]
    assert (await till.redeem(till.factory.coupon(3, 5), total_minor=20_000)).json[
        "outcome"
    ] == "budget_reached"
    await pos.void(first)
    third = await pos.hold(till.factory.coupon(2, 5))
    assert len((await pos.commit(third)).json["applied"]) == 1
    assert pos.rows("SELECT count, value_minor FROM budget WHERE day >= 0") == [(1, 3_000)]


async def test_a_return_by_line_gives_back_exactly_its_share(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 2)
    held = await pos.hold(text, sale={**SALE, "lines": LINES})
    done = (await pos.commit(held)).json
    number = done["applied"][0]["redemption_id"]

    async def back(key: str | None = None, **body: Any) -> Answer:
        return await pos.post("/v1/reversals", {"redemption_id": number, **body}, key)

    one = await back("r", lines=[{"line": "a", "quantity": 1}])
    assert (one.status, one.json["amount_minor"]) == (201, 750)
    assert (await back("r", lines=[{"line": "a", "quantity": 1}])).json == {**one.json, "replayed": True}
    assert (await back(lines=[{"line": "a", "quantity": 3}])).code == "too_many_returned"
    assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "already_redeemed"
    rest = (await back()).json
    (reversal,) = rest["reversals"]
    assert (rest["amount_minor"], reversal["whole"], reversal["coupon_returns"]) == (2_250, True, True)
    assert (await back()).code == "nothing_left"
    assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "accepted"
    kinds = pos.rows("SELECT json_extract(event, '$.type') FROM redemption_record ORDER BY sequence")
    assert [kind for (kind,) in kinds] == [
        "redeemd.redemption.v1",
        "redeemd.reversal.v1",
        "redeemd.reversal.v1",
        "redeemd.redemption.v1",
    ]


async def test_a_coupon_that_does_not_come_back(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1)
    number = (await till.redeem(text, total_minor=20_000)).json["redemption_id"]
    by_line = {"redemption_id": number, "lines": [{"line": "1", "quantity": 1}]}
    assert (await pos.post("/v1/reversals", by_line)).code == "lines_unknown"
    whole = (await pos.post("/v1/reversals", {"redemption_id": number})).json
    assert (whole["amount_minor"], whole["reversals"][0]["coupon_returns"]) == (3_000, False)
    assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "already_redeemed"


async def test_what_is_not_there_or_not_said(till: RealTill, pos: Pos) -> None:
    assert (await till.call("GET", "/v1/holds/none")).code == "unknown_hold"
    nothing = {"hold_id": "none", "total_minor": 1}
    assert (await pos.commit(nothing)).code == "unknown_hold"
    assert (await pos.void(nothing)).code == "unknown_hold"
    assert (await pos.post("/v1/reversals", {"redemption_id": "T-0001-9"})).code == "unknown_redemption"
    assert (await pos.post("/v1/reversals", {"sale_id": "none"})).code == "unknown_sale"
    assert (await pos.post("/v1/reversals", {})).code == "bad_body"
    assert (await till.call("POST", "/v1/holds", {"sale": SALE})).code == "key_missing"


async def test_a_restart_keeps_a_live_hold(tmp_path: Path) -> None:
    factory = Factory(campaigns=campaigns())
    text = factory.coupon(1, 2)
    async with real_till(tmp_path / "state", factory) as till:
        held = await Pos(till).hold(text)
    async with real_till(tmp_path / "state", factory, enrolled=False) as till:
        assert (await till.redeem(text, total_minor=20_000)).json["outcome"] == "held"
        assert len((await Pos(till).commit(held, "c")).json["applied"]) == 1


async def test_two_sales_with_one_stored_value_each_say_what_is_left_of_it(till: RealTill, pos: Pos) -> None:
    text = till.factory.coupon(1, 3)
    quoted = await till.call("POST", "/v1/quotes", {"sale": {"total_minor": 3_000}, "coupons": [text]})
    assert quoted.json["applied"][0]["left_minor"] == 7_000
    first = await pos.hold(text, sale={"sale_id": "A", "total_minor": 3_000})
    second = await pos.hold(text, sale={"sale_id": "B", "total_minor": 2_000})
    assert [one["applied"][0]["left_minor"] for one in (first, second)] == [7_000, 5_000], (
        "what is held is gone"
    )
    # whichever is closed first, and at whatever price: what the till knows at that moment
    assert (await pos.commit(second)).json["applied"][0]["left_minor"] == 5_000
    third = await pos.hold(text, sale={"sale_id": "C", "total_minor": 500})
    done = (await pos.commit(first, total_minor=1_000)).json
    assert (done["applied"][0]["amount_minor"], done["applied"][0]["left_minor"]) == (1_000, 6_500)
    await pos.void(third)
    # a part that goes back is there again
    await pos.post("/v1/reversals", {"redemption_id": done["applied"][0]["redemption_id"]})
    quoted = await till.call("POST", "/v1/quotes", {"sale": {"total_minor": 100}, "coupons": [text]})
    assert quoted.json["applied"][0]["left_minor"] == 7_900
    other = await pos.hold(till.factory.coupon(2, 2), sale={"sale_id": "D", "total_minor": 20_000})
    assert other["applied"][0]["left_minor"] is None, "no stored value"


async def test_a_receipt_says_what_paid_what_others_took_and_what_is_left(tmp_path: Path) -> None:
    printer = config.TcpPrinter(name="p", host="127.0.0.1", port=1)
    async with real_till(tmp_path / "state", Factory(campaigns=campaigns()), printer=(printer,)) as till:
        pos = Pos(till)
        held = await pos.hold(till.factory.coupon(1, 3), till.factory.coupon(2, 2))
        done = (await pos.commit(held)).json
        assert (done["discount_minor"], done["paid_minor"], done["due_minor"]) == (3_000, 10_000, 7_000)
        texts = {}
        for one in done["applied"]:
            preview = await till.call("GET", f"/v1/prints/{one['print_job']}")
            texts[one["payment"]] = preview.json["html"]
        for payment, has, has_not in (
            (True, ("-￥100.00", "-￥30.00", "￥70.00", "￥0.00"), ("节省",)),
            (False, ("-￥30.00", "-￥100.00", "￥70.00", "节省"), ("余额",)),
        ):
            for word in has:
                assert word in texts[payment], (payment, word)
            assert not any(word in texts[payment] for word in has_not)
