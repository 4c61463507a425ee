"""The cashier page in a real Chromium: what stands around the verdict, and a daemon that is lost and found."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import BrowserContext, Page, Route, expect

from agent.ports import PrintState
from tests.browser.page_kit import IN_CHROMIUM, show, visit
from tests.browser.screenshots import HARM, OFFLINE, PAPER_OUT
from tests.browser.till_stand_in import (
    TillStandIn,
    accepted,
    ago,
    printing,
    problem,
    receipt,
    status,
    used,
    wrong_store,
)

pytestmark = IN_CHROMIUM

NO_BUNDLE = {"epoch": 0, "sequence": 0, "issued": None, "age": "none", "campaigns": 0, "zh": "", "en": ""}


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


async def test_what_head_office_says_stands_above_the_problems(page: Page, till: TillStandIn) -> None:
    said = {"zh": "今晚七点闭店", "en": "We close at seven"}
    till.status = status(messages=[said], issues=HARM["issues"])
    await visit(page, till)
    await expect(page.locator(".issue").first).to_have_text("今晚七点闭店")
    await till.push("status", status(messages=[]))
    await expect(page.locator("#issues")).to_be_hidden()


async def test_a_coupon_redeemed_twice_is_said_until_somebody_has_seen_it(
    page: Page, till: TillStandIn
) -> None:
    conflict = {
        "id": 3,
        "kind": "conflict",
        "redemption_id": "T-0001-7",
        "standing": "kept",
        "follows": "paid",
        "coupon": {"issuer": "acme", "campaign": 3, "index": 4711},
        "other": {
            "till": "T-0018",
            "store": "S-18",
            "redemption_id": "T-0018-2",
            "received_at": ago(minutes=9),
        },
        "found_at": ago(minutes=8),
        "taken_at": ago(minutes=30),
        "seen_at": None,
        "zh": "此券也在门店 S-18 核销",
        "en": "also redeemed at store S-18",
    }
    till.status = status(conflicts=[conflict])
    await visit(page, till)
    item = page.locator(".issue")
    await expect(item).to_contain_text("重复核销 T-0001-7")
    await expect(item).to_contain_text("此券也在门店 S-18 核销")
    await item.locator("button").click()
    await expect(page.locator("#issues")).to_be_hidden()


async def test_the_age_of_the_offers_says_what_it_means(page: Page, till: TillStandIn) -> None:
    bundle = status()["bundle"] | {
        "age": "stale",
        "zh": "活动数据已有 3 天：1 / 3 个活动暂停，其余只开放部分额度",
        "en": "The offers are 3 days old: 1 of 3 campaigns are paused, the others give less",
    }
    till.status = status(bundle=bundle)
    await visit(page, till)
    await page.locator(".bundle .pill").focus()
    await expect(page.locator(".bundle .tip")).to_contain_text(
        "1 / 3 个活动暂停，其余只开放部分额度。共 3 个活动"
    )


async def test_everything_wrong_at_once_is_said(page: Page, till: TillStandIn) -> None:
    till.status = status(**HARM)
    await visit(page, till)
    health = page.locator("#health")
    for words in ("隔离 2", "活动数据较旧", "时钟存疑"):
        await expect(health.get_by_text(words, exact=True)).to_be_visible()
    await expect(page.locator(".issue").first).to_contain_text(
        "打印机「receipts」缺纸请换纸，等待的小票随后自动打印"
    )
    printer = health.locator("li", has=page.get_by_role("button", name="打印机「receipts」缺纸"))
    await printer.locator("button").hover()
    await expect(printer.locator(".tip")).to_be_visible()
    await expect(printer.locator(".tip")).to_contain_text("out of paper: put in a new roll")


async def test_printing_is_followed_and_reprinted(page: Page, till: TillStandIn) -> None:
    till.prints.clear()
    await visit(page, till)
    await expect(page.locator("#reprint")).to_be_disabled()
    till.prints["job-1"] = receipt("job-1", "queued")
    await show(till, page, accepted())
    await expect(page.locator("#receipt-text")).to_contain_text("优惠券核销凭证")
    await till.push(
        "print", printing("job-1", "queued", cause="paper_out", cause_zh="缺纸", cause_en="Paper out")
    )
    await expect(page.locator("#receipt-state")).to_have_text("排队中")
    await expect(page.locator("#receipt-note")).to_have_text("缺纸")
    await expect(page.locator("#reprint")).to_be_hidden()
    await page.locator("#language").click()
    boxes = [await page.locator(name).bounding_box() for name in ("#receipt-state", "#give-up")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    needed = await page.locator("#receipt-state").evaluate("node => node.scrollWidth")
    assert boxes[0]["x"] + needed <= boxes[1]["x"], "the state can be read beside the button"
    await page.locator("#language").click()
    till.prints["job-1"] = receipt("job-1", "printed")
    await till.push("print", printing("job-1", "printed"))
    await page.locator("#reprint").click()
    await expect(page.locator("#receipt-note")).to_have_text("已交给打印机：重打 第1次")
    assert till.calls[-1][:2] == ("POST", "/v1/prints/job-1/reprint")
    till.refuse = problem("receipt_gone", "小票已过保存期", "The receipt is gone", 410)
    await page.locator("#reprint").click()
    await expect(page.locator("#receipt-note")).to_have_text("小票已过保存期")


async def test_what_is_told_of_a_receipt_once_it_is_on_paper_is_shown_then(
    page: Page, till: TillStandIn
) -> None:
    till.prints["job-1"] = receipt("job-1", "queued", text="no code yet")
    await visit(page, till)
    await expect(page.locator("#receipt-text")).to_have_text("no code yet")
    till.prints["job-1"] = receipt("job-1", "printed", text="code 2-048151-QK7XD")
    await till.push("print", printing("job-1", "printed"))
    await expect(page.locator("#receipt-text")).to_have_text("code 2-048151-QK7XD")
    await expect(page.locator("#receipt-state")).to_have_text("已打印")


async def test_the_page_opens_with_the_newest_receipt(page: Page, till: TillStandIn) -> None:
    """After a restart the daemon remembers no verdict, but every receipt."""
    till.prints = {job: receipt(job, text=f"receipt of {job}") for job in ("job-1", "job-2")}
    await visit(page, till)
    await expect(page.locator("#receipt-text")).to_have_text("receipt of job-2")
    await expect(page.locator("#doubt")).to_be_hidden()
    await page.locator("#reprint").click()
    await expect(page.locator("#receipt-note")).to_have_text("已交给打印机：重打 第1次")


async def test_unconfirmed_receipts_are_shown_in_turn_and_confirmed(page: Page, till: TillStandIn) -> None:
    states = ["unconfirmed", "printed", "unconfirmed", "printed"]
    till.prints = {f"job-{n}": receipt(f"job-{n}", state) for n, state in enumerate(states, 1)}
    await visit(page, till)
    await till.tell_unconfirmed()
    show_next, there, note = (
        page.locator(name) for name in ("#doubt-next", "#doubt-confirm", "#receipt-note")
    )
    await expect(show_next).to_have_text("未确认 2 张，点这里查看")
    await expect(there).to_be_hidden()
    for job in ("job-3", "job-1", "job-3"):
        await show_next.click()
        await expect(note).to_have_text(re.compile(rf"^{job} · .*\d\d:\d\d · 小票出来了吗？$"))
    await there.click()
    await expect(page.locator("#receipt-state")).to_have_text("已打印")
    assert till.calls[-1][:2] == ("POST", "/v1/prints/job-3/confirm")
    await page.locator("#language").click()
    await expect(show_next).to_have_text("1 receipt unconfirmed: show")
    await show_next.click()
    await expect(note).to_have_text(re.compile(r"^job-1 · .* · Is it there\?$"))
    await there.click()
    await expect(page.locator("#doubt")).to_be_hidden()


async def test_a_late_answer_undoes_no_event_even_when_another_receipt_follows(
    page: Page, till: TillStandIn
) -> None:
    till.prints = {"job-1": receipt("job-1", "sending")}
    held, released = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        held.set()
        await released.wait()
        await route.fulfill(response=answer)

    await page.route("**/v1/prints/job-1", late)
    await visit(page, till)
    await held.wait()
    await till.push("print", printing("job-1", "printed"))
    await till.push("print", printing("job-0", "queued"))
    await till.push("status", status(till="T-0002"))  # when it shows, both events have been taken
    await expect(page.locator("#till")).to_have_text("T-0002")
    released.set()
    await expect(page.locator("#receipt-text")).to_contain_text("优惠券核销凭证")
    await expect(page.locator("#receipt-state")).to_have_text("已打印")
    await page.unroute("**/v1/prints/job-1")


async def test_a_wrong_amount_stays_said_until_the_field_changes(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    total, note = page.locator("#sale-total"), page.locator("#sale-note")
    for typed in ("12.345", ""):
        await total.fill(typed)
        await total.press("Enter")
        await expect(note).to_have_text("请输入金额，例如 123.50")
        await till.push("status", status(today=status()["today"] | {"accepted": 47 + len(typed)}))
        await expect(page.locator("#today")).to_contain_text(f"可用 {47 + len(typed)}")
        await expect(note).to_have_text("请输入金额，例如 123.50")
    await total.fill("12")
    await expect(note).to_have_text("尚未生效，请按确定")


async def test_language_is_the_tills_until_somebody_chooses(page: Page, till: TillStandIn) -> None:
    till.status = status(language="en", **PAPER_OUT)
    till.verdicts = [wrong_store(at=ago(seconds=2))]
    await visit(page, till)
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#stage .word")).to_have_text("WRONG STORE")
    await expect(page.locator(".issue")).to_contain_text("The printer 'receipts' is out of paper")
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
