"""Who brought the customer, who serves, and where one becomes a member: what a record says of a sale's way here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import config
from agent.domain.shop import BADGE_KEY_BYTES, badge_digest
from drivers.virtual_printer import VirtualPrinter
from tests.integration.api_kit import RealTill, real_till
from tests.integration.member_kit import MEMBER, SALE, Counter, card, factory

TOUCHES = ["poster/12", "https://acme.example/a_b-1", "wx.msg:7"]


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        async with real_till(tmp_path / "state", factory(), printer=devices) as made:
            yield made


async def test_a_record_says_all_of_the_way_here(till: RealTill) -> None:
    counter = Counter(till)
    sale = SALE | {
        "touches": TOUCHES,
        "assistant": "A-7",
        "lines": [{"sku": "A", "quantity": 1, "unit_price_minor": 20_000}],
    }
    text = till.factory.coupon(1, source=3, referrer=b"friend-1")
    body = {"text": text, "sale": sale, "member": MEMBER}
    assert (await till.call("POST", "/v1/redeem", body, Idempotency_Key="k")).json["accepted"]
    held = {"sale": sale, "coupons": [till.factory.coupon(2)]}
    hold = (await till.call("POST", "/v1/holds", held, Idempotency_Key="h")).json["hold_id"]
    closing = {"total_minor": 20_000, "tenders": ["cash"]}
    await till.call("POST", f"/v1/holds/{hold}/commit", closing, Idempotency_Key="c")
    first, second = counter.data()
    for one in (first, second):
        assert (one["touches"], one["assistant"], one["store"]) == (TOUCHES, "A-7", "S-07")
        assert one["basket"]["total_minor"] == 20_000
        assert one["hour"] in range(24)
    assert first["coupon"]["touch"] == 3
    assert len(first["coupon"]["referrer"]) == 64
    assert first["promotion"]["arm"] == "all"


@pytest.mark.parametrize("touches", [["a b"], [""], ["x" * 65], ["电话"], ["a"] * 17, "a", [1]])
async def test_touches_are_bounded_and_no_free_text(till: RealTill, touches: Any) -> None:
    body = {"text": till.coupon(), "sale": SALE | {"touches": touches}}
    assert (await till.call("POST", "/v1/verify", body)).code == "bad_body"


async def test_a_cashiers_badge_says_whose_sales_come_next(till: RealTill) -> None:
    async def scan(text: str) -> Any:
        till.app.till._intake.begin_anew()
        return (await till.call("POST", "/v1/scan", {"text": text})).json

    async def sell(index: int) -> None:
        await till.call("PUT", "/v1/sale", {"total_minor": 20_000})
        assert (await scan(till.factory.coupon(index)))["accepted"]

    ann, bob = (badge_digest(b"b" * BADGE_KEY_BYTES, text).hex() for text in ("9900-ann", "9900-bob"))
    await sell(1)
    for text in ("9900-ann", "9900-boss"):  # a manager stands by a coupon and serves nobody
        assert (await scan(text))["outcome"] == "staff_badge"
        assert (await till.call("GET", "/v1/status")).json["assistant"] == ann
    await sell(2)
    await sell(3)
    await scan("9900-bob")
    await sell(4)
    assert [one["assistant"] for one in Counter(till).data()] == [None, ann, ann, bob]
    today = (await till.call("GET", "/v1/status")).json["today"]
    assert today["assistants"] == [
        {"assistant": ann, "sales": 2, "redemptions": 2, "discount_minor": 6_000, "earned_minor": 0},
        {"assistant": bob, "sales": 1, "redemptions": 1, "discount_minor": 3_000, "earned_minor": 0},
    ]


async def test_whoever_is_no_member_is_shown_where_to_become_one(till: RealTill) -> None:
    """On the screen and on the receipt, and not to who is one already."""
    join = {"url": "https://acme.example/join?s=S-07", "zh": "扫码入会", "en": "Become a member"}
    assert (await till.call("GET", "/v1/status")).json["join"] == join
    drawn = await till.call("GET", "/v1/join")
    assert (drawn.status, drawn.header("Content-Type")) == (200, "image/svg+xml; charset=utf-8")
    assert b'xmlns="http://www.w3.org/2000/svg"' in drawn.raw
    await till.call("POST", "/v1/scan", {"text": card(till)})
    assert (await till.call("GET", "/v1/status")).json["join"] is None
    assert (await till.call("GET", "/v1/join")).code == "no_join"
    counter = Counter(till)
    receipts = []
    for index, member in ((1, None), (2, MEMBER)):
        job = (await counter.redeem(1, index, member))["print_job"]

        receipts.append((await till.call("GET", f"/v1/prints/{job}")).json["html"])
    assert [join["url"].replace("&", "&amp;") in one for one in receipts] == [True, False]
