"""The cashier page in a real Chromium: what stands around the verdict, and a daemon that is lost and found."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import BrowserContext, Page, Route, expect

from agent.ports import PrintState
from tests.browser.page_kit import IN_CHROMIUM, show, visit
from tests.browser.screenshots import HARM, OFFLINE, PAPER_OUT
from tests.browser.till_stand_in import TillStandIn, accepted, ago, status, used, wrong_store

pytestmark = IN_CHROMIUM

NO_BUNDLE = {"epoch": 0, "sequence": 0, "issued": None, "age": "none", "campaigns": 0}


# ---- health, receipt, language --------------------------------------------------------------------------------------


async def test_offline_with_records_waiting(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await expect(page.locator(".line .label")).to_have_text("在线")
    await till.push("status", status(**OFFLINE))
    await expect(page.locator(".line .label")).to_have_text(re.compile(r"^离线 (\d\d-\d\d )?\d\d:\d\d 起$"))
    await expect(page.locator(".outbox .label")).to_have_text("待上传 37")
    await page.locator(".line .pill").focus()
    await expect(page.locator(".line .tip")).to_contain_text("连不上云端")
    await expect(page.locator(".line .tip")).to_be_visible()


async def test_everything_wrong_at_once_is_said(page: Page, till: TillStandIn) -> None:
    till.status = status(**HARM)
    await visit(page, till)
    health = page.locator("#health")
    for words in ("隔离 2", "活动数据较旧", "时钟存疑"):
        await expect(health.get_by_text(words, exact=True)).to_be_visible()
    await expect(page.locator(".issue").first).to_contain_text("打印机缺纸装上纸卷并合上盖子")
    printer = health.locator("li", has=page.get_by_role("button", name="打印机: 连接不上"))
    await printer.locator("button").hover()
    await expect(printer.locator(".tip")).to_be_visible()
    await expect(printer.locator(".tip")).to_contain_text("缺纸：请装纸卷")


async def test_printing_is_followed_and_reprinted(page: Page, till: TillStandIn) -> None:
    till.prints["job-1"]["state"] = "queued"
    await visit(page, till)
    await expect(page.locator("#reprint")).to_be_disabled()
    await show(till, page, accepted())
    await expect(page.locator("#receipt-text")).to_contain_text("优惠券核销凭证")
    await till.push("print", {"job": "job-1", "state": "failed", "cause_zh": "缺纸", "cause_en": "Paper out"})
    await expect(page.locator("#receipt-state")).to_have_text("没有打印")
    await expect(page.locator("#receipt-note")).to_have_text("缺纸")
    await page.locator("#reprint").click()
    await expect(page.locator("#receipt-note")).to_have_text("已交给打印机：第 1 份副本")
    assert till.calls[-1][:2] == ("POST", "/v1/prints/job-1/reprint")
    till.refuse = {"code": "print_unknown", "zh": "找不到这张小票", "en": "No such receipt"}
    await page.locator("#reprint").click()
    await expect(page.locator("#receipt-note")).to_have_text("找不到这张小票")


async def test_language_is_the_tills_until_somebody_chooses(page: Page, till: TillStandIn) -> None:
    till.status = status(language="en", **PAPER_OUT)
    till.verdicts = [wrong_store(at=ago(seconds=2))]
    await visit(page, till)
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#stage .word")).to_have_text("WRONG STORE")
    await expect(page.locator(".issue")).to_contain_text("The printer is out of paper")
    await page.locator("#language").click()
    await expect(page.locator("#stage .word")).to_have_text("非本店")
    await page.reload()
    await expect(page.locator("#store")).to_have_text("南京西路店")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


async def test_print_states_and_an_unenrolled_till_have_words(page: Page, till: TillStandIn) -> None:
    till.status = status(store={"code": "", "name_zh": "", "name_en": ""}, currency="", bundle=NO_BUNDLE)
    await visit(page, till)
    await expect(page.locator("#store")).to_have_text("redeemd")
    await expect(page.locator(".bundle .label")).to_have_text("没有活动数据")
    words = await page.evaluate(
        "async (states) => { const { printState } = await import('/words.js'); return states.map(printState); }",
        [state.value for state in PrintState],
    )
    assert all(not word.isascii() for word in words), words


# ---- the line to the daemon -----------------------------------------------------------------------------------------


async def test_lost_daemon_is_said_and_found_again(context: BrowserContext, till: TillStandIn) -> None:
    page = await context.new_page()
    await page.clock.install()
    await visit(page, till)
    await show(till, page, accepted())
    await till.stop()
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.locator("#lost")).to_contain_text("请不要以本屏为准")
    await expect(page.locator("#stage")).to_have_class(re.compile("calm"))  # no green is left standing
    missed = used()
    till.verdicts.insert(0, missed)
    till.status = status(**OFFLINE)
    await till.start()
    await page.clock.run_for(3000)
    await expect(page.locator("#lost")).to_be_hidden()
    await expect(page.locator("#stage")).to_have_attribute("data-scan", missed["scan_id"])
    await expect(page.locator(".outbox .label")).to_have_text("待上传 37")
    await show(till, page, accepted())


async def test_silent_daemon_is_noticed(context: BrowserContext, till: TillStandIn) -> None:
    """The stream stays open and silent; only asking shows that nobody answers."""
    page = await context.new_page()
    await page.clock.install()
    await visit(page, till)
    await page.route("**/v1/status", lambda route: route.abort())
    await page.clock.run_for(21000)
    await expect(page.locator("#lost")).to_be_visible()
    await page.unroute("**/v1/status")
    await page.clock.run_for(4000)
    await expect(page.locator("#lost")).to_be_hidden()


async def test_old_list_never_overwrites_a_newer_verdict(context: BrowserContext, till: TillStandIn) -> None:
    """A coupon scanned while the page still loads its state: the state is older than the event and comes in later."""
    till.verdicts = [accepted(at=ago(seconds=1))]
    page = await context.new_page()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        response = await route.fetch()
        asked.set()
        await answer.wait()
        await route.fulfill(response=response)

    await page.route("**/v1/verdicts*", hold)
    await page.goto(till.url)
    await asked.wait()
    newer = used()
    await till.push("verdict", newer)
    answer.set()
    await expect(page.locator("#stage")).to_have_attribute("data-scan", newer["scan_id"])
    await expect(page.locator(".chip")).to_have_count(2)
