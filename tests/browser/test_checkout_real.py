"""A shop without a POS in a real Chromium on a real till: scan, key in the total, done, in either order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

import config
from agent.sales import checkout
from drivers.virtual_scanner import VirtualScanner
from tests.browser.page_kit import IN_CHROMIUM
from tests.browser.test_cashier_real import browser, page
from tests.factory import Factory, amount_off
from tests.integration.api_kit import RealTill, real_till

__all__ = ["browser", "page"]
pytestmark = IN_CHROMIUM


class Shop:
    """A till without a POS, and its scanner."""

    def __init__(self, till: RealTill, scanner: VirtualScanner) -> None:
        self.till, self.scanner = till, scanner

    async def visit(self, page: Page) -> None:
        await page.goto(self.till.url)
        await expect(page.locator("#till")).to_have_text("T-0001")
        await expect(page.locator("#keypad")).to_be_visible()
        await expect(page.get_by_role("button", name="扫码枪: 正常")).to_be_visible()

    async def shows(self, page: Page, state: str) -> None:
        await expect(page.locator("#stage")).to_have_attribute("data-checkout", state)

    async def accepted(self) -> int:
        return int((await self.till.call("GET", "/v1/status")).json["today"]["accepted"])


@pytest_asyncio.fixture(loop_scope="module")
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    with VirtualScanner() as scanner:
        serial = config.SerialScanner(name="counter", port=scanner.port)
        wallet = {"benefit": {"kind": "stored_value", "cap_minor": 20_000}}
        factory = Factory(campaigns=[amount_off(), amount_off(2, offer=wallet, uses=9)])
        async with real_till(
            tmp_path / "state", factory, scanner=(serial,), scan=config.Scan(debounce_ms=0), without_pos=True
        ) as till:
            yield Shop(till, scanner)


async def test_scan_and_total_are_all_it_takes(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    await shop.shows(page, "idle")
    shop.scanner.scan(shop.till.coupon())
    await shop.shows(page, "noted")
    await expect(page.locator("#stage")).to_contain_text("满百减三十")
    await expect(page.locator("#sale-note")).to_have_text("已记下 1 张券，等待金额")
    assert await shop.accepted() == 0
    await page.keyboard.type("128", delay=80)
    await page.keyboard.press("Enter")
    await shop.shows(page, "closed")
    await expect(page.locator("#stage .amount")).to_have_text("¥98.00")
    await expect(page.locator("#stage .facts")).to_contain_text("−¥30.00")
    await expect(page.locator("#stage")).to_have_attribute("data-tone", "good")
    await expect(page.locator("#sale-total")).to_have_value("")
    await expect(page.locator(".chip")).to_have_count(1)
    assert await shop.accepted() == 1


async def test_a_stored_value_that_pays_shows_what_is_left_of_it(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    text = shop.till.factory.coupon(1, 2)
    for total, left in (("128", "¥72.00"), ("50", "¥22.00")):
        await page.keyboard.type(total, delay=80)
        await page.keyboard.press("Enter")
        await expect(page.locator("#stage")).to_contain_text(f"本单 ¥{total}.00")
        shop.scanner.scan(text)
        await shop.shows(page, "closed")
        await expect(page.locator("#stage .amount")).to_have_text("¥0.00")
        await expect(page.locator("#stage .facts")).to_contain_text(f"余额（本机记录）{left}")


async def test_number_keys_by_hand_and_the_total_first(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    for key in "1289":
        await page.locator(f'#keypad [data-key="{key}"]').click()
    await page.locator('#keypad [data-key="back"]').click()
    await expect(page.locator("#sale-total")).to_have_value("128")
    await page.locator('#sale button[type="submit"]').click()
    await expect(page.locator("#stage")).to_contain_text("本单 ¥128.00，请扫券")
    shop.scanner.scan(shop.till.coupon())
    await shop.shows(page, "closed")
    await expect(page.locator("#stage .amount")).to_have_text("¥98.00")


async def test_a_number_pad_works_wherever_the_page_has_the_focus(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    await page.locator("#stage").click()
    for key in ("Numpad8", "Numpad7", "NumpadDecimal", "Numpad5", "NumpadEnter"):
        await page.keyboard.press(key, delay=80)
    await expect(page.locator("#stage")).to_contain_text("本单 ¥87.50")


async def test_too_little_says_what_is_missing_and_more_does_it(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    shop.scanner.scan(shop.till.coupon())
    await shop.shows(page, "noted")
    await page.keyboard.type("87.5", delay=80)
    await page.keyboard.press("Enter")
    await shop.shows(page, "refused")
    await expect(page.locator("#stage .next")).to_have_text("满百减三十 · 金额还不够：再买 12.50 就能用")
    await expect(page.locator("#stage .amount")).to_have_text("¥87.50")
    await page.locator("#language").click()
    await expect(page.locator("#stage")).to_contain_text("12.50 more and it applies")
    await page.keyboard.type("100", delay=80)
    await page.keyboard.press("Enter")
    await shop.shows(page, "closed")
    await expect(page.locator("#stage .amount")).to_have_text("¥70.00")
    await expect(page.locator("#stage .word")).to_have_text("TO PAY")


async def test_a_second_coupon_joins_and_a_used_one_is_red_without_ending_it(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    used = shop.till.coupon()
    await shop.till.redeem(used, total_minor=20_000)
    for _ in range(2):
        shop.scanner.scan(shop.till.coupon())
    await expect(page.locator("#sale-note")).to_have_text("已记下 2 张券，等待金额")
    shop.scanner.scan(used)
    await expect(page.locator("#stage")).to_have_attribute("data-tone", "bad")
    await expect(page.locator("#sale-note")).to_have_text("已记下 2 张券，等待金额")
    await page.keyboard.press("Escape")
    await shop.shows(page, "idle")
    assert await shop.accepted() == 1


async def test_the_last_sale_is_taken_back_with_two_taps(page: Page, shop: Shop) -> None:
    await shop.visit(page)
    await expect(page.locator("#undo")).to_be_hidden()
    shop.scanner.scan(shop.till.coupon())
    await shop.shows(page, "noted")
    await page.keyboard.type("128", delay=80)
    await page.keyboard.press("Enter")
    await shop.shows(page, "closed")
    await page.locator("#undo").click()
    await expect(page.locator("#undo")).to_have_text("再按一次确认")
    await shop.shows(page, "closed")
    await page.locator("#undo").click()
    await shop.shows(page, "undone")
    await expect(page.locator("#undo")).to_be_hidden()
    listed = await shop.till.call("POST", "/v1/reversals", {"redemption_id": "T-0001-1"}, Idempotency_Key="u")
    assert listed.code == "nothing_left"


async def test_what_waits_too_long_is_let_go_visibly(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "WAIT_S", 0.5)
    async with real_till(tmp_path / "state", without_pos=True) as till:
        await page.goto(till.url)
        await expect(page.locator("#keypad")).to_be_visible()
        assert (await till.call("POST", "/v1/scan", {"text": till.coupon()})).status == 200
        await expect(page.locator("#stage")).to_have_attribute("data-checkout", "timed_out")
        await expect(page.locator("#stage")).to_contain_text("没有使用任何券")


async def test_a_page_that_is_opened_late_shows_what_waits(page: Page, shop: Shop) -> None:
    await shop.till.call("POST", "/v1/scan", {"text": shop.till.coupon()})
    await shop.visit(page)
    await shop.shows(page, "noted")
    await expect(page.locator("#stage .wait")).to_be_attached()


async def test_it_fits_the_screen_and_fingers(browser: Browser, shop: Shop) -> None:
    """1024x768 without scrolling, a phone without sideways scrolling; every key of a finger's size."""
    for width, height in ((1024, 768), (390, 844)):
        context = await browser.new_context(viewport={"width": width, "height": height})
        page = await context.new_page()
        await shop.visit(page)
        wide, high = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert wide <= width
        assert high <= height or width < 1024
        for key in await page.locator('#keypad button, #sale button[type="submit"]').all():
            box = await key.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 48
        overlap = await page.evaluate(
            "document.getElementById('receipt').getBoundingClientRect().bottom"
            " - document.getElementById('strip').getBoundingClientRect().top"
        )
        assert overlap <= 0, "the side does not run into the strip"
        await context.close()


async def test_a_small_screen_holds_keys_and_verdict_and_says_how_it_must_be_paid(
    page: Page, tmp_path: Path
) -> None:
    off = {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}
    offer = {"benefit": off, "conditions": {"tenders": ["cash"]}}
    factory = Factory(campaigns=[amount_off(offer=offer)])
    async with real_till(tmp_path / "state", factory, without_pos=True) as till:
        await page.set_viewport_size({"width": 800, "height": 600})
        await page.goto(till.url)
        await till.call("POST", "/v1/scan", {"text": factory.coupon(1)})
        await expect(page.locator("#stage")).to_have_attribute("data-checkout", "noted")
        await page.keyboard.type("200", delay=80)
        await page.keyboard.press("Enter")
        await expect(page.locator("#stage")).to_contain_text("仅限付款方式：现金")
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        await expect(page.locator("#keypad button").last).to_be_in_viewport(ratio=1)
