"""Redeeming over the local API, on a real till: once for each key, whatever the caller repeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agent.guesses import AT_ONCE, REFILL_S
from agent.store.database import connect_read_only
from tests.factory import Factory, amount_off
from tests.integration.api_kit import WAIT_S, Answer, RealTill, listening, real_till


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with real_till(tmp_path / "state") as made:
        yield made


def redemptions(tmp_path: Path) -> int:
    """Redemption records in the ledger, read beside the till."""
    connection = connect_read_only(tmp_path / "state" / "till.db")
    try:
        found: int = connection.execute("SELECT count(*) FROM record WHERE lane = 'redemption'").fetchone()[0]
        return found
    finally:
        connection.close()


async def test_a_coupon_is_redeemed_for_a_sale(till: RealTill, tmp_path: Path) -> None:
    answer = await till.redeem(till.coupon(), total_minor=12_000, sale_id="S-1")
    said = answer.json
    assert (answer.status, said["outcome"], said["accepted"]) == (200, "accepted", True)
    assert (said["discount_minor"], said["currency"], said["source"]) == (3_000, "CNY", "api")
    assert said["redemption_id"].startswith("T-0001-")
    assert redemptions(tmp_path) == 1


async def test_the_same_key_gives_the_same_answer(till: RealTill, tmp_path: Path) -> None:
    coupon = till.coupon()
    first = (await till.redeem(coupon, "k1", total_minor=12_000)).json
    again = await till.redeem(coupon, "k1", total_minor=12_000)
    unmeasured = {"ms": first["ms"], "replayed": False}
    assert again.status == 200
    assert again.json["replayed"] is True
    assert again.json | unmeasured == first
    assert redemptions(tmp_path) == 1


async def test_an_answer_lost_on_the_way_is_had_again(tmp_path: Path) -> None:
    """The caller hangs up before the answer; another process of the till answers the retry."""
    factory = Factory()
    coupon = factory.coupon(5)
    async with real_till(tmp_path / "state", factory) as till, listening(till) as page:
        body = f'{{"text": "{coupon}"}}'.encode()
        _, writer = await asyncio.open_connection("127.0.0.1", till.port)
        writer.write(
            b"POST /v1/redeem HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Idempotency-Key: lost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        writer.close()
        told = await page.event("verdict")
    async with real_till(tmp_path / "state", factory, enrolled=False) as till:
        again = (await till.redeem(coupon, "lost")).json
    assert (again["replayed"], again["redemption_id"]) == (True, told["redemption_id"])
    assert redemptions(tmp_path) == 1


async def test_another_key_for_a_used_coupon_is_refused(till: RealTill) -> None:
    coupon = till.coupon()
    first = (await till.redeem(coupon)).json
    again = (await till.redeem(coupon)).json
    assert (again["outcome"], again["accepted"]) == ("already_redeemed", False)
    assert again["first_use"]["redemption_id"] == first["redemption_id"]


async def test_a_key_is_for_one_request(till: RealTill) -> None:
    coupon = till.coupon()
    assert (await till.redeem(coupon, "k", total_minor=12_000)).status == 200
    for other in (
        await till.redeem(coupon, "k", total_minor=12_001),
        await till.redeem(coupon, "k"),
        await till.redeem(till.coupon(), "k", total_minor=12_000),
    ):
        assert (other.status, other.code) == (422, "key_reused")
    assert (await till.redeem(coupon, "k", total_minor=12_000)).json["replayed"] is True


async def test_fifty_callers_with_one_key_make_one_redemption(till: RealTill, tmp_path: Path) -> None:
    coupon = till.coupon()
    async with asyncio.timeout(WAIT_S):
        answers = await asyncio.gather(*(till.redeem(coupon, "same", total_minor=20_000) for _ in range(50)))
    good = [answer.json for answer in answers if answer.status == 200]
    assert {answer.code for answer in answers if answer.status != 200} <= {"still_running"}
    assert {answer.header("Retry-After") for answer in answers if answer.status == 409} <= {"1"}
    assert len({said["redemption_id"] for said in good}) == 1
    assert [said["replayed"] for said in good].count(False) == 1
    assert redemptions(tmp_path) == 1


async def test_fifty_callers_with_one_coupon_make_one_redemption(till: RealTill, tmp_path: Path) -> None:
    coupon = till.coupon()
    async with asyncio.timeout(WAIT_S):
        answers = await asyncio.gather(*(till.redeem(coupon) for _ in range(50)))
    outcomes = sorted(answer.json["outcome"] for answer in answers)
    assert outcomes == ["accepted"] + ["already_redeemed"] * 49
    assert redemptions(tmp_path) == 1


async def test_a_refused_request_keeps_its_answer_too(till: RealTill) -> None:
    first = (await till.redeem("hello", "k")).json
    again = (await till.redeem("hello", "k")).json
    assert (first["outcome"], again["outcome"], again["replayed"]) == ("not_a_coupon", "not_a_coupon", True)
    assert again["scan_id"] == first["scan_id"]


async def test_a_redemption_by_the_pos_leaves_the_pages_sale_alone(till: RealTill) -> None:
    await till.call("PUT", "/v1/sale", {"total_minor": 15_000})
    assert (await till.redeem(till.coupon(), total_minor=12_000)).json["accepted"] is True
    assert (await till.call("GET", "/v1/sale")).json["sale"]["total_minor"] == 15_000


async def test_a_scan_is_judged_against_the_current_sale_and_ends_it(till: RealTill) -> None:
    put = await till.call("PUT", "/v1/sale", {"total_minor": 9_000, "sale_id": "S-9", "currency": "CNY"})
    set_to = {"sale_id": "S-9", "total_minor": 9_000, "currency": "CNY"}
    assert put.json == {"sale": set_to, "member": None, "checkout": None}
    coupon, other = till.coupon(), till.coupon()
    small = (await till.call("POST", "/v1/scan", {"text": coupon})).json
    assert (small["outcome"], small["tone"], small["source"]) == ("sale_too_small", "warn", "screen")
    assert (await till.call("GET", "/v1/sale")).json["sale"]["sale_id"] == "S-9"
    await till.call("PUT", "/v1/sale", {"total_minor": 10_000})
    assert (await till.call("POST", "/v1/scan", {"text": other})).json["discount_minor"] == 3_000
    assert (await till.call("GET", "/v1/sale")).json == {"sale": None, "member": None, "checkout": None}


async def test_the_same_scan_within_the_window_is_one_scan(till: RealTill) -> None:
    coupon = till.coupon()
    first = (await till.call("POST", "/v1/scan", {"text": coupon})).json
    again = (await till.call("POST", "/v1/scan", {"text": coupon})).json
    assert first["accepted"] is True
    assert again["scan_id"] == first["scan_id"]


@pytest.mark.parametrize("between", ["another sale", "no sale"])
async def test_another_customer_is_another_scan(till: RealTill, between: str) -> None:
    """A photocopy shown to the next sale within the window is not the first sale's yes again."""
    coupon = till.coupon()
    await till.call("PUT", "/v1/sale", {"total_minor": 12_000})
    first = (await till.call("POST", "/v1/scan", {"text": coupon})).json
    if between == "another sale":
        await till.call("PUT", "/v1/sale", {"total_minor": 15_000})
    else:
        await till.call("DELETE", "/v1/sale")
    again = (await till.call("POST", "/v1/scan", {"text": coupon})).json
    assert (first["outcome"], again["outcome"]) == ("accepted", "already_redeemed")


async def test_codes_are_not_found_out_by_asking(till: RealTill) -> None:
    """Verify, scan and redeem share one bucket; a signed coupon is answered meanwhile."""
    asked = 0
    while (answer := await ask(till, asked)).status == 200:
        assert answer.json["outcome"] == "unknown_code"
        asked += 1
        assert asked < 2 * AT_ONCE
    assert asked >= AT_ONCE
    assert (answer.status, answer.code) == (429, "too_many_guesses")
    assert 1 <= int(answer.header("Retry-After") or 0) <= REFILL_S
    for path, body in (("/v1/verify", {"text": GUESS.format(0)}), ("/v1/scan", {"text": GUESS.format(1)})):
        assert (await till.call("POST", path, body)).code == "too_many_guesses"
    assert (await till.redeem(till.coupon(), total_minor=12_000)).json["accepted"] is True


GUESS = "(255)4012345000016{:04}"


async def ask(till: RealTill, number: int) -> Answer:
    text = GUESS.format(number)
    match number % 3:
        case 0:
            return await till.call("POST", "/v1/verify", {"text": text})
        case 1:
            return await till.call("POST", "/v1/scan", {"text": text})
    return await till.redeem(text)


async def test_verify_changes_nothing(till: RealTill, tmp_path: Path) -> None:
    coupon = till.coupon()
    for _ in range(2):
        said = (await till.call("POST", "/v1/verify", {"text": coupon, "sale": {"total_minor": 12_000}})).json
        assert (said["outcome"], said["redemption_id"], said["discount_minor"]) == ("accepted", None, 3_000)
        assert said["source"] == "verify"
    assert redemptions(tmp_path) == 0
    assert (await till.call("GET", "/v1/verdicts")).json == {"verdicts": []}
    assert (await till.redeem(coupon)).json["accepted"] is True


async def test_the_last_verdicts_come_newest_first(till: RealTill) -> None:
    said = [(await till.redeem(f"no {n}")).json["scan_id"] for n in range(3)]
    shown = (await till.call("GET", "/v1/verdicts?limit=2")).json["verdicts"]
    assert [verdict["scan_id"] for verdict in shown] == [said[2], said[1]]
    for wrong in ("0", "51", "x", "-1", "1e1", "%D9%A3", ""):
        refused = await till.call("GET", f"/v1/verdicts?limit={wrong}")
        assert (refused.status, refused.code) == (400, "bad_request"), wrong


async def test_a_sale_clears_and_wants_the_stores_currency(till: RealTill) -> None:
    await till.call("PUT", "/v1/sale", {"total_minor": 100})
    cleared = await till.call("DELETE", "/v1/sale")
    assert (cleared.status, cleared.raw) == (204, b"")
    foreign = await till.call("PUT", "/v1/sale", {"total_minor": 100, "currency": "EUR"})
    assert (foreign.status, foreign.code) == (422, "wrong_currency")
    assert (await till.redeem(till.coupon(), total_minor=12_000, currency="EUR")).json["outcome"] == (
        "wrong_currency"
    )


async def test_the_lines_of_a_sale_count(tmp_path: Path) -> None:
    offer = {
        "benefit": {"kind": "item", "change": {"percent": 100}, "cap_minor": 5_000},
        "items": {"skus": ["A-1"]},
    }
    factory = Factory(campaigns=[amount_off(offer=offer)])
    async with real_till(tmp_path / "state", factory) as till:
        line = {"sku": "A-1", "quantity": 1, "unit_price_minor": 1_500}
        without = await till.redeem(till.coupon(), total_minor=9_000, lines=[{**line, "sku": "B"}])
        assert without.json["outcome"] == "item_missing"
        assert (await till.redeem(till.coupon(), total_minor=9_000, lines=[line])).json[
            "discount_minor"
        ] == 1_500
        returned = [line, {"sku": "B", "quantity": -2, "unit_price_minor": 100}]
        assert (await till.redeem(till.coupon(), total_minor=1_300, lines=returned)).json["accepted"] is True


async def test_before_enrolment_the_till_says_so(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state", enrolled=False) as till:
        verdict = (await till.redeem("RC1ABC", total_minor=1)).json
        assert (verdict["outcome"], verdict["detail"]) == ("till_stopped", "not_enrolled")
        assert (await till.redeem("RC1ABC", "key-1", total_minor=1)).json["replayed"] is False
        refused = await till.call("PUT", "/v1/sale", {"total_minor": 1})
        assert (refused.status, refused.code) == (409, "no_bundle")
        health = await till.call("GET", "/v1/health")
        assert (health.status, health.json["ok"]) == (503, False)
        assert "not_enrolled" in {issue["code"] for issue in health.json["issues"]}
