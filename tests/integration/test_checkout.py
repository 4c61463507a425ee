"""The sale of a shop without a POS, over the API of a running till: coupons and total in either order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import config
from agent.sales import checkout
from tests.factory import Factory, amount_off
from tests.integration.api_kit import RealTill, listening, real_till
from tests.integration.member_kit import card
from tests.integration.member_kit import factory as members
from tests.integration.test_supervisor import BOSS, CLERK
from tests.integration.test_supervisor import factory as guarded


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with shop(tmp_path / "state") as made:
        yield made


def shop(folder: Path, factory: Factory | None = None) -> Any:
    """A shop without a POS; the debounce is off, so that a test's second scan is one."""
    return real_till(folder, factory, without_pos=True, scan=config.Scan(debounce_ms=0))


async def scan(till: RealTill, text: str) -> dict[str, Any]:
    found = (await till.call("POST", "/v1/scan", {"text": text})).json
    assert isinstance(found, dict)
    return found


async def total(till: RealTill, minor: int) -> dict[str, Any]:
    answer = await till.call("PUT", "/v1/sale", {"total_minor": minor})
    assert answer.status == 200, answer.raw
    found = answer.json["checkout"]
    assert isinstance(found, dict)
    return found


async def now(till: RealTill) -> dict[str, Any]:
    found = (await till.call("GET", "/v1/sale")).json["checkout"]
    assert isinstance(found, dict)
    return found


async def accepted(till: RealTill) -> int:
    return int((await till.call("GET", "/v1/status")).json["today"]["accepted"])


async def test_a_scan_asks_for_the_total_and_the_total_closes(till: RealTill) -> None:
    noted = await scan(till, till.coupon())
    assert (noted["outcome"], noted["detail"], noted["accepted"]) == ("total_needed", "noted", False)
    shown = await now(till)
    assert (shown["state"], len(shown["coupons"]), shown["priced"]) == ("noted", 1, None)
    assert await accepted(till) == 0
    closed = await total(till, 12_800)
    assert (closed["state"], closed["coupons"], closed["undoable"]) == ("closed", [], True)
    assert {name: closed["priced"][name] for name in ("total_minor", "discount_minor", "due_minor")} == {
        "total_minor": 12_800,
        "discount_minor": 3_000,
        "due_minor": 9_800,
    }
    assert await accepted(till) == 1
    (verdict,) = (await till.call("GET", "/v1/verdicts")).json["verdicts"]
    assert (verdict["accepted"], verdict["discount_minor"]) == (True, 3_000)
    assert verdict["redemption_id"] == "T-0001-1"


async def test_a_total_waits_for_its_coupon(till: RealTill) -> None:
    assert (await total(till, 12_800))["state"] == "total"
    verdict = await scan(till, till.coupon())
    assert (verdict["accepted"], verdict["discount_minor"], verdict["redemption_id"]) == (
        True,
        3_000,
        "T-0001-1",
    )
    shown = await now(till)
    assert (shown["state"], shown["priced"]["due_minor"]) == ("closed", 9_800)
    assert (await till.call("GET", "/v1/sale")).json["sale"] is None, "the next customer begins afresh"


async def test_a_second_scan_joins_and_the_same_one_is_one(till: RealTill) -> None:
    coupons = [till.coupon(), till.coupon()]
    for text in (*coupons, coupons[0]):
        assert (await scan(till, text))["outcome"] == "total_needed"
    assert len((await now(till))["coupons"]) == 2
    closed = (await total(till, 30_000))["priced"]
    assert len(closed["applied"]) + len(closed["refused"]) == 2
    assert await accepted(till) == len(closed["applied"]) >= 1


async def test_too_little_says_what_is_missing_and_another_total_does(till: RealTill) -> None:
    text = till.coupon()
    await scan(till, text)
    refused = await total(till, 8_750)
    assert (refused["state"], len(refused["coupons"])) == ("refused", 1)
    (why,) = refused["priced"]["refused"]
    assert (why["reason"], why["missing_minor"]) == ("sale_too_small", 1_250)
    assert (why["title_zh"], why["title_en"]) == ("满百减三十", "30 off 100"), "which of them it is"
    assert refused["priced"]["due_minor"] == 8_750
    assert await accepted(till) == 0
    closed = await total(till, 10_000)
    assert (closed["state"], closed["priced"]["due_minor"]) == ("closed", 7_000)


async def test_a_used_coupon_is_refused_at_once_and_recorded(till: RealTill) -> None:
    text = till.coupon()
    await scan(till, text)
    await total(till, 12_800)
    again = await scan(till, text)
    assert (again["outcome"], again["first_use"]["redemption_id"]) == ("already_redeemed", "T-0001-1")
    assert (await now(till))["state"] == "closed"
    assert (await scan(till, "hello"))["outcome"] == "not_a_coupon"
    assert (await scan(till, "6901234567892"))["outcome"] == "product_barcode"
    assert (await till.call("GET", "/v1/status")).json["today"]["refused"] >= 1


async def test_what_waits_is_forgotten_and_nothing_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "WAIT_S", 0.2)
    async with shop(tmp_path / "state") as till, listening(till) as page:
        text = till.coupon()
        await scan(till, text)
        states = [(await page.event("sale"))["state"] for _ in range(2)]
        assert states == ["noted", "timed_out"]
        assert await accepted(till) == 0
        assert (await scan(till, text))["outcome"] == "total_needed", "it is as good as before"


async def test_clearing_forgets_the_noted(till: RealTill) -> None:
    await scan(till, till.coupon())
    assert (await till.call("DELETE", "/v1/sale")).status == 204
    assert (await now(till))["state"] == "idle"
    assert (await total(till, 12_800))["state"] == "total"
    assert await accepted(till) == 0


async def test_the_last_sale_is_taken_back_once(till: RealTill) -> None:
    nothing = await till.call("POST", "/v1/sale/undo", {})
    assert (nothing.status, nothing.code) == (409, "nothing_to_undo")
    text = till.coupon()
    await scan(till, text)
    await total(till, 12_800)
    undone = await till.call("POST", "/v1/sale/undo", {})
    assert (undone.status, undone.json["amount_minor"]) == (200, 3_000)
    shown = await now(till)
    assert (shown["state"], shown["undoable"], shown["priced"]["due_minor"]) == ("undone", False, 9_800)
    assert (await till.call("POST", "/v1/sale/undo", {})).code == "nothing_to_undo"
    returns = undone.json["reversals"][0]["coupon_returns"]
    assert (await scan(till, text))["outcome"] == ("total_needed" if returns else "already_redeemed")


async def test_the_last_sale_stays_once_the_next_is_begun(till: RealTill) -> None:
    await scan(till, till.coupon())
    await total(till, 12_800)
    await scan(till, till.coupon())
    assert (await till.call("POST", "/v1/sale/undo", {})).code == "nothing_to_undo"
    await till.call("DELETE", "/v1/sale")
    assert (await till.call("POST", "/v1/sale/undo", {})).status == 200


async def test_what_needs_the_lines_is_checked_by_the_cashier(tmp_path: Path) -> None:
    half = {"kind": "item", "change": {"percent": 50}, "target": {"skus": ["1"]}, "cap_minor": 10_000}
    offer = {"benefit": half}
    factory = Factory(campaigns=[amount_off(offer=offer)])
    async with shop(tmp_path / "state", factory) as till:
        verdict = await scan(till, factory.coupon(1))
        assert (verdict["accepted"], verdict["discount_minor"]) == (True, None), verdict
        assert verdict["next_en"].startswith("Check: ")


async def test_a_percentage_waits_for_the_total_and_counts_beside_another(tmp_path: Path) -> None:
    joint = {"stacking": {"mode": "joint"}}
    off = {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}
    tenth = {"kind": "percent_off", "steps": [{"percent": 10}], "cap_minor": 5_000}
    campaigns = [
        amount_off(1, offer={"benefit": off} | joint),
        amount_off(2, offer={"benefit": tenth} | joint),
    ]
    factory = Factory(campaigns=campaigns)
    async with shop(tmp_path / "state", factory) as till:
        for number in (1, 2):
            noted = await scan(till, factory.coupon(1, number))
            assert (noted["outcome"], noted["detail"]) == ("total_needed", "noted"), noted
        assert await accepted(till) == 0
        closed = await total(till, 20_000)
        assert closed["priced"]["due_minor"] == 20_000 - 3_000 - 1_700
        assert await accepted(till) == 2


async def test_who_serves_is_said_and_no_pos_is_named_where_there_is_none(tmp_path: Path) -> None:
    async with shop(tmp_path / "state", guarded()) as till:
        served = await scan(till, CLERK)
        assert (served["tone"], served["en"]) == ("good", "The next sales are this badge's")
        assert (await till.call("GET", "/v1/status")).json["assistant"]
        for text in (BOSS, "6901234567892"):
            told = await scan(till, text)
            assert told["tone"] == "warn"
            assert "POS" not in told["next_en"], told
            assert told["next_en"]
            assert "收银软件" not in told["next_zh"]


async def test_total_and_scan_at_once_use_the_coupon_once(till: RealTill) -> None:
    text = till.coupon()
    await asyncio.gather(scan(till, text), total(till, 12_800), scan(till, text))
    shown = await now(till)
    assert (shown["state"], shown["priced"]["due_minor"]) == ("closed", 9_800)
    assert await accepted(till) == 1


async def test_a_ledger_that_fails_is_said_and_the_same_total_again_does_it(
    till: RealTill, tmp_path: Path
) -> None:
    await scan(till, till.coupon())
    beside = sqlite3.connect(tmp_path / "state" / "till.db")
    beside.execute("ALTER TABLE hold RENAME TO gone")
    beside.commit()
    failed = await till.call("PUT", "/v1/sale", {"total_minor": 12_800})
    assert (failed.status, failed.code) == (503, "ledger_unavailable")
    stopped = await scan(till, till.coupon())
    assert (stopped["outcome"], stopped["accepted"]) == ("till_stopped", False)
    beside.execute("ALTER TABLE gone RENAME TO hold")
    beside.commit()
    beside.close()
    closed = await total(till, 12_800)
    assert (closed["state"], closed["priced"]["due_minor"]) == ("closed", 9_800)
    assert await accepted(till) == 1


async def test_with_a_pos_there_is_no_checkout(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state") as till:
        assert (await till.call("GET", "/v1/sale")).json["checkout"] is None
        assert (await till.call("POST", "/v1/sale/undo", {})).code == "nothing_to_undo"


async def test_a_supervisors_badge_closes_the_sale_that_asks_for_one(tmp_path: Path) -> None:
    async with shop(tmp_path / "state", guarded()) as till:
        for index in (1, 2):
            assert (await till.redeem(till.factory.coupon(index), total_minor=20_000)).json["accepted"]
        await scan(till, till.factory.coupon(3))
        asked = await total(till, 20_000)
        assert (asked["state"], asked["priced"]["refused"][0]["reason"]) == ("refused", "supervisor_needed")
        assert (await scan(till, CLERK))["accepted"] is False
        assert (await now(till))["state"] == "refused"
        verdict = await scan(till, BOSS)
        assert (verdict["accepted"], verdict["discount_minor"]) == (True, 3_000)
        assert (await now(till))["state"] == "closed"
        assert (await scan(till, BOSS))["outcome"] == "staff_badge", "no sale asks for it now"


async def test_a_member_card_is_for_the_sale_that_is_closed_next(tmp_path: Path) -> None:
    async with shop(tmp_path / "state", members()) as till:
        assert (await scan(till, card(till)))["outcome"] == "member_card"
        await scan(till, till.coupon())
        assert (await till.call("GET", "/v1/sale")).json["member"] is not None
        assert (await total(till, 12_800))["state"] == "closed"
        assert (await till.call("GET", "/v1/sale")).json["member"] is None
