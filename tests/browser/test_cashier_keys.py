"""The cashier page in a real Chromium: the sale, a code typed by hand, and a scanner that types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.page_kit import IN_CHROMIUM, Keyboard, tones, visit
from tests.browser.screenshots import OFFLINE
from tests.browser.till_stand_in import TillStandIn, accepted, problem, status, truncated

pytestmark = IN_CHROMIUM


async def test_total_typed_without_focus_becomes_the_sale(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    keyboard = await Keyboard.of(page)
    await keyboard.person("1123.5")
    await expect(page.locator("#sale")).to_have_class(re.compile("pending"))
    await keyboard.person("\n")
    await expect(page.locator("#sale")).to_have_class(re.compile("on"))
    assert till.calls == [("PUT", "/v1/sale", {"total_minor": 112350})]
    await expect(page.locator("#sale-total")).to_have_value("1123.50")
    await expect(page.locator("#sale-total")).not_to_be_focused()
    await keyboard.person("88")  # the next total replaces, it is not appended
    await expect(page.locator("#sale-total")).to_have_value("88")
    await keyboard.person("\x1b")
    await expect(page.locator("#sale-total")).to_have_value("")
    assert till.calls[1:] == [("DELETE", "/v1/sale", None)]


async def test_what_is_no_amount_is_not_sent(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    for typed in ("12.345", "1..2", "abc", "-5", "0", "", "9999999999", "1e3", "30,5", "1,2,3", "1,23.00"):
        await page.locator("#sale-total").fill(typed)
        await page.locator("#sale .primary").click()
        await expect(page.locator("#sale-note")).to_have_text("请输入金额，例如 123.50")
    assert till.calls == []


async def test_thousands_may_be_grouped(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    for typed, minor in (("1,234.5", 123450), ("12，345", 1234500), ("1 234", 123400)):
        await page.locator("#sale-total").fill(typed)
        await page.locator("#sale .primary").click()
        await expect(page.locator("#sale")).to_have_class(re.compile("on"))
        assert till.calls[-1] == ("PUT", "/v1/sale", {"total_minor": minor})


async def test_the_next_sale_puts_the_last_verdict_to_rest(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await till.push("verdict", accepted())
    await expect(page.locator("#stage")).not_to_have_class(re.compile("calm"))
    await (await Keyboard.of(page)).person("200\n")
    await expect(page.locator("#stage")).to_have_class(re.compile("calm"))


async def test_status_does_not_take_away_a_half_typed_total(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    keyboard = await Keyboard.of(page)
    await keyboard.person("45")
    await till.push("status", status(**OFFLINE))
    await expect(page.locator(".outbox .label")).to_have_text("待上传 37")
    await expect(page.locator("#sale-total")).to_have_value("45")


async def test_typed_code_is_judged_once(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    keyboard = await Keyboard.of(page)
    await page.locator("#till").click()
    till.scan_answer = truncated(source="screen")
    await keyboard.person("/")
    await expect(page.locator("#manual-text")).to_be_focused()
    await keyboard.person("RC1AB 2")
    await keyboard.person("\n")
    await expect(page.locator("#stage .word")).to_have_text("没扫全")
    await expect(page.locator("#manual-text")).to_have_value("")
    assert till.calls == [("POST", "/v1/scan", {"text": "RC1AB 2"})]
    assert len(await tones(page)) == 1, "the answer and its event are one verdict"
    await expect(page.locator(".chip")).to_have_count(1)


async def test_refused_call_is_explained_and_keeps_the_text(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    till.refuse = problem("busy", "扫码太快，请再扫一次", "Too many scans at once", 503)
    await page.locator("#manual-text").fill("RC1ABC")
    await page.locator("#manual button").click()
    await expect(page.locator("#manual-note")).to_have_text("扫码太快，请再扫一次")
    await expect(page.locator("#manual-text")).to_have_value("RC1ABC")


async def test_scanner_that_types_is_a_scan(page: Page, till: TillStandIn) -> None:
    """A keyboard-wedge scanner nobody grabbed: its burst is a scan, whole, whatever has the focus."""
    await visit(page, till)
    keyboard = await Keyboard.of(page)
    text = "RC1A2B3C4/765432ABCDEF 234567"
    for focused in (None, "#sale-total", "#manual-text", "#language"):
        if focused:
            await page.locator(focused).focus()
        till.scan_answer = accepted(source="screen")
        await keyboard.scanner(text + "\n")
        await expect(page.locator("#stage")).to_have_attribute("data-scan", till.scan_answer["scan_id"])
        await expect(page.locator("#sale-total")).to_have_value("")
        await expect(page.locator("#manual-text")).to_have_value("")
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert till.calls == [("POST", "/v1/scan", {"text": text})] * 4


TEXT = "RC1A2B3C4/765432ABCDEF 234567"


async def scans(page: Page, till: TillStandIn, keys: Sequence[tuple[str, float]]) -> list[Any]:
    """What was sent as scans after `keys`, each with its gap in ms, and one fast scan at the end that is left out."""
    keyboard = await Keyboard.of(page)
    till.scan_answer = accepted(source="screen")
    for struck, gap_ms in keys:
        await keyboard.strike(struck, gap_ms)
    till.scan_answer = accepted(source="screen")
    await keyboard.strike("R", 1000)  # a second later
    await keyboard.scanner("C1LAST77\n")
    await expect(page.locator("#stage")).to_have_attribute("data-scan", till.scan_answer["scan_id"])
    assert till.calls.pop() == ("POST", "/v1/scan", {"text": "RC1LAST77"})
    return [body["text"] for method, path, body in till.calls if path == "/v1/scan"]


async def test_scanner_that_pauses_within_a_code_is_one_scan(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await page.locator("#sale-total").focus()
    paused = [(TEXT[:9], 4), (TEXT[9], 200), (TEXT[10:20], 4), (TEXT[20], 240), (TEXT[21:], 4), ("\n", 200)]
    assert await scans(page, till, paused) == [TEXT]
    await expect(page.locator("#sale-total")).to_have_value("")


async def test_two_quick_scans_stay_two(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    quick = [(f"{TEXT}\n", 4), ("S", 20), (f"{TEXT}\n", 4)]
    assert await scans(page, till, quick) == [TEXT, f"S{TEXT}"]


async def test_key_of_a_person_is_no_part_of_the_scan_behind_it(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await page.locator("#sale-total").focus()
    assert await scans(page, till, [("4", 500), (TEXT[0], 100), (f"{TEXT[1:]}\n", 4)]) == [TEXT]
    await expect(page.locator("#sale-total")).to_have_value("4")


async def test_code_given_up_in_the_middle_is_no_part_of_the_next(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    assert await scans(page, till, [(TEXT[:9], 4), (TEXT[0], 300), (f"{TEXT[1:]}\n", 4)]) == [TEXT]


async def test_person_who_rolls_over_keys_is_no_scanner(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await page.locator("#sale-total").focus()
    rolled = [("1", 500), ("2", 40), ("3", 90), ("4", 40), (".", 110), ("5", 40), ("0", 40), ("\n", 150)]
    assert await scans(page, till, rolled) == []
    assert till.calls == [("PUT", "/v1/sale", {"total_minor": 123450})]
