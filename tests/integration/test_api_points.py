"""Points of members over the API of a running till."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

import config
from agent.domain.member_list import Program
from drivers.virtual_printer import VirtualPrinter
from tests.integration.api_kit import RealTill, real_till
from tests.integration.member_kit import PROGRAM, SILENT, Counter, card, factory


@pytest_asyncio.fixture
async def shop(tmp_path: Path) -> AsyncIterator[RealTill]:
    """A till that keeps points."""
    async with real_till(tmp_path / "state", factory(PROGRAM)) as made:
        yield made


def sale(name: str, total_minor: int = 20_000) -> dict[str, Any]:
    return {"sale_id": name, "total_minor": total_minor}


async def points_shown(till: RealTill) -> int:
    """As the page shows them once the member's card was scanned."""
    till.app.till._intake.begin_anew()
    await till.call("POST", "/v1/scan", {"text": card(till)})
    shown: int = (await till.call("GET", "/v1/status")).json["member"]["points"]
    return shown


async def test_points_are_earned_and_spent_here_and_no_more_than_the_program_lets(shop: RealTill) -> None:
    counter = Counter(shop)
    who = {"card": card(shop)}
    first = await counter.redeem(7, 1, who, sale=sale("A"))
    assert (first["accepted"], first["discount_minor"]) == (True, 500)
    # 195.00 is paid: 195 points come, 500 went
    assert await points_shown(shop) == 1_200 - 500 + 195
    second = await counter.redeem(7, 2, who, sale=sale("B"))
    assert second["discount_minor"] == 300, "800 a day"
    third = await counter.redeem(7, 3, who, sale=sale("C"))
    assert (third["outcome"], third["detail"], third["next_zh"]) == ("points_limit", "count_day", "明天再试")
    kept = [(one["points_spent"], one["points_earned"]) for one in counter.data()]
    assert kept == [(500, 195), (300, 197)]
    # a return gives the day's room back with the points, and takes those that were earned
    back = {"redemption_id": first["redemption_id"]}
    answer = (await shop.call("POST", "/v1/reversals", back, Idempotency_Key="r")).json["reversals"][0]
    assert (answer["points_earned"], answer["points_spent"]) == (-195, -500)
    assert await points_shown(shop) == 1_200 - 300 + 197
    assert counter.data()[-1]["points_spent"] == -500


async def test_a_receipt_names_points_as_points_and_prints_no_line_of_zero(tmp_path: Path) -> None:
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        async with real_till(tmp_path / "state", factory(PROGRAM), printer=devices) as till:
            counter, who = Counter(till), {"card": card(till)}

            async def receipt(job: str) -> str:
                text: str = (await till.call("GET", f"/v1/prints/{job}")).json["text"]
                return text

            paid = await counter.redeem(7, 1, who, sale=sale("A"))
            text = await receipt(paid["print_job"])
            assert re.search(r"积分抵扣（500 分） +-￥5\.00\n", text)
            assert re.search(r"应付金额 +￥195\.00\n本次获得积分 +195\n", text)
            assert "券内" not in text
            more = await counter.redeem(8, 1, who, sale=sale("B"))
            text = await receipt(more["print_job"])
            assert re.search(r"消费合计 +￥200\.00\n应付金额 +￥200\.00\n本次获得积分 +600\n", text)
            assert "￥0.00" not in text
            body = {"sale": sale("C"), "coupons": [till.factory.coupon(2, 7)], "member": who}
            held = (await till.call("POST", "/v1/holds", body, Idempotency_Key="h")).json
            closing = {"total_minor": 20_000, "tenders": ["cash"]}
            path = f"/v1/holds/{held['hold_id']}/commit"
            done = (await till.call("POST", path, closing, Idempotency_Key="c")).json
            text = await receipt(done["applied"][0]["print_job"])
            assert re.search(r"积分抵扣（300 分） +-￥3\.00\n", text)
            assert re.search(r"本次获得积分 +197\n", text)


async def test_held_points_are_spent_for_everybody_else(shop: RealTill) -> None:
    async def hold(index: int, name: str) -> Any:
        body = {
            "sale": sale(name),
            "coupons": [shop.factory.coupon(index, 7)],
            "member": {"card": card(shop)},
        }
        return (await shop.call("POST", "/v1/holds", body, Idempotency_Key=name)).json

    first, second = await hold(1, "A"), await hold(2, "B")
    assert [one["paid_minor"] for one in (first, second)] == [500, 300]
    over = (await hold(3, "C"))["refused"][0]
    assert (over["reason"], over["detail"], over["missing_points"]) == ("points_limit", "points_day", 0)
    await shop.call("POST", f"/v1/holds/{first['hold_id']}/void", {}, Idempotency_Key="v")
    assert (await hold(4, "D"))["paid_minor"] == 500
    closing = {"total_minor": 20_000, "tenders": ["cash"]}
    path = f"/v1/holds/{second['hold_id']}/commit"
    done = (await shop.call("POST", path, closing, Idempotency_Key="c")).json
    assert (done["paid_minor"], done["changed"]) == (300, False)
    assert Counter(shop).data()[-1]["points_earned"] == 197


async def test_a_sale_earns_once_and_each_multiplier_so_much_more(shop: RealTill) -> None:
    counter, who = Counter(shop), {"card": card(shop)}
    await counter.redeem(8, 1, who, sale=sale("A"))
    await counter.redeem(8, 2, who, sale=sale("A"))
    await counter.redeem(1, 3, who, sale=sale("B"))
    assert [one["points_earned"] for one in counter.data()] == [600, 400, 170]
    body = {
        "sale": sale("C"),
        "coupons": [shop.factory.coupon(5, 8), shop.factory.coupon(6, 1)],
        "member": who,
    }
    held = (await shop.call("POST", "/v1/holds", body, Idempotency_Key="h")).json
    closing = {"total_minor": 20_000, "tenders": ["cash"]}
    path = f"/v1/holds/{held['hold_id']}/commit"
    await shop.call("POST", path, closing, Idempotency_Key="c")
    assert sum(one["points_earned"] for one in counter.data()[3:]) == 170 * 3


async def test_points_need_consent_and_a_member_that_is_known(shop: RealTill) -> None:
    counter = Counter(shop)
    assert (await counter.redeem(7, 1))["outcome"] == "member_needed"
    for member in ({"card": card(shop), "consent": False}, {"pseudonym": SILENT.hex(), "points": 900}):
        assert (await counter.redeem(7, 1, member))["outcome"] == "points_missing"
    assert (await counter.redeem(1, 2, {"card": card(shop), "consent": False}))["accepted"]
    assert [one["points_earned"] for one in counter.data()] == [0]
    # whom the list does not know the POS vouches for, within the program
    stranger = {"pseudonym": "ff" * 8, "points": 10_000}
    assert (await counter.redeem(7, 3, stranger, sale=sale("A")))["discount_minor"] == 500
    assert (await counter.redeem(7, 4, stranger, sale=sale("B")))["discount_minor"] == 300


async def test_a_newer_list_holds_what_was_added_up(tmp_path: Path) -> None:
    """`through` says which records the list's points hold: those are not counted twice, the day's room is."""
    for through, shown in ((0, 1_200 - 500 + 195), (1, 1_200)):
        async with real_till(tmp_path / str(through), factory(PROGRAM, through)) as till:
            await Counter(till).redeem(7, 1, {"card": card(till)}, sale=sale("A"))
            assert await points_shown(till) == shown
            more = await Counter(till).redeem(7, 2, {"card": card(till)}, key="x", sale=sale("B"))
            assert more["discount_minor"] == 300


async def test_the_limit_that_keeps_points_is_named_with_when_they_may_be_spent(tmp_path: Path) -> None:
    cases = (
        (Program(100, 5, 500, 5, 9_000), "points_day", "Try again tomorrow"),
        (Program(100, 5, 9_000, 5, 500), "points_offline", "Try again when online"),
        (Program(100, 5, 9_000, 1, 9_000), "count_offline", "Try again when online"),
        (Program(100, 1, 9_000, 1, 9_000), "count_day", "Try again tomorrow"),
        (Program(100), "not_here", "Charge the normal price"),
    )
    for place, (program, limit, later) in enumerate(cases):
        async with real_till(tmp_path / str(place), factory(program)) as till:
            counter, who = Counter(till), {"card": card(till)}
            if limit != "not_here":
                assert (await counter.redeem(7, 1, who, sale=sale("A")))["discount_minor"] == 500
            over = await counter.redeem(7, 2, who, sale=sale("B"))
            assert (over["outcome"], over["detail"], over["next_en"]) == ("points_limit", limit, later)
            assert over["transient"]
