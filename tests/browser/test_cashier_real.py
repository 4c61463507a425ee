"""The real cashier page on a real till in a real Chromium: scans over a serial line, sales, receipts, the line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Route, async_playwright, expect

import config
from agent.domain.member_card import Card, sign
from drivers.virtual_printer import Fault, VirtualPrinter
from drivers.virtual_scanner import VirtualScanner
from tests.browser.screenshots import LAUNCH
from tests.factory import today
from tests.integration.api_kit import RealTill, real_till, until
from tests.receipt_samples import LOGO

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not Path(LAUNCH["executable_path"]).exists(), reason="Chromium is not installed"),
]
TOKEN = "0123456789abcdef-token"


@dataclass
class Counter:
    """A till with what stands around it on the counter."""

    till: RealTill
    scanner: VirtualScanner
    printer: VirtualPrinter

    async def visit(self, page: Page) -> None:
        """Open the page and wait until it shows the till with its scanner ready."""
        await page.goto(self.till.url)
        await expect(page.locator("#till")).to_have_text("T-0001")
        await expect(page.get_by_role("button", name="扫码枪: 正常")).to_be_visible()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(**LAUNCH)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A fresh profile; what the console calls an error fails the test, but for a till that closed before the page."""
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "net::ERR_" not in message.text:
            wrong.append(message.text)

    context = await browser.new_context(viewport={"width": 1024, "height": 768}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    context.on("console", heard)
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield await context.new_page()
    await context.close()
    assert wrong == []


@pytest_asyncio.fixture(loop_scope="module")
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    with VirtualScanner() as scanner:
        async with (
            VirtualPrinter() as printer,
            real_till(
                tmp_path / "state",
                scanner=(config.SerialScanner(name="counter", port=scanner.port),),
                printer=(config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),),
                # a cloud that is not there: nothing listens on this port
                cloud=config.Cloud(url="http://127.0.0.1:9", connect_timeout_s=1),
                scan=config.Scan(debounce_ms=0),
            ) as till,
        ):
            yield Counter(till, scanner, printer)


async def test_a_scan_shows_its_verdict_and_prints(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    stage = page.locator("#stage")
    await expect(stage).to_have_attribute("data-tone", "idle")
    counter.scanner.scan(counter.till.coupon())
    await expect(stage).to_have_attribute("data-tone", "good")
    await expect(stage.locator(".word")).to_have_text("可用")
    await expect(page.locator("#receipt-text")).to_contain_text("T-0001-1")
    assert len(await counter.printer.wait_for_jobs(1)) == 1
    await expect(page.locator("#receipt-state")).to_have_text("已打印")
    await expect(page.locator("#today")).to_contain_text("可用 1")


async def test_a_refused_scan_shows_its_sentence(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    stage = page.locator("#stage")
    coupon = counter.till.coupon()
    said = [("expired", counter.till.factory.coupon(7, not_before=1, expires=2)), ("accepted", coupon)]
    for outcome, text in [*said, ("already_redeemed", coupon), ("product_barcode", "6901234567892")]:
        counter.scanner.scan(text)
        shown = await _next_verdict(counter, outcome)
        await expect(stage).to_have_attribute("data-scan", shown["scan_id"])
        await expect(stage).to_have_attribute("data-tone", shown["tone"])
        if outcome != "accepted":
            sentence = "首次使用" if outcome == "already_redeemed" else shown["zh"]
            await expect(stage).to_contain_text(sentence)
            await expect(stage).to_contain_text(shown["next_zh"])
    await expect(page.locator(".chip")).to_have_count(4)


async def test_half_a_scan_puts_out_the_green_before_it(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    stage, coupon = page.locator("#stage"), counter.till.coupon()
    counter.scanner.scan(coupon)
    await expect(stage).to_have_attribute("data-tone", "good")
    counter.scanner.send(counter.till.coupon()[:60].encode())
    await expect(stage).to_have_attribute("data-tone", "warn")
    await expect(stage.locator(".word")).to_have_text("没扫全")
    await expect(stage.locator(".support")).to_contain_text("incomplete · counter")
    await expect(page.locator(".chip")).to_have_count(1)
    counter.scanner.scan(counter.till.coupon())
    await expect(stage).to_have_attribute("data-tone", "good")


async def _next_verdict(counter: Counter, outcome: str) -> dict[str, Any]:
    kept = counter.till.app.till.hub.verdicts
    await until(lambda: bool(kept) and kept[0]["outcome"] == outcome)
    return kept[0]


async def test_the_sale_panel_sets_the_sale_that_a_scan_ends(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    total = page.locator("#sale-total")
    await total.fill("99.50")
    await total.press("Enter")
    await expect(page.locator("#sale")).to_have_class(re.compile(r"\bon\b"))
    assert (await counter.till.call("GET", "/v1/sale")).json["sale"]["total_minor"] == 9950
    counter.scanner.scan(counter.till.factory.coupon(900))
    await expect(page.locator("#stage .next")).to_have_text("再买 0.50 就能用")
    await page.locator("#sale-clear").click()
    await expect(total).to_have_value("")
    assert (await counter.till.call("GET", "/v1/sale")).json["sale"] is None
    await total.fill("128")
    await total.press("Enter")
    await expect(page.locator("#sale")).to_have_class(re.compile(r"\bon\b"))
    counter.scanner.scan(counter.till.factory.coupon(901))
    await expect(page.locator("#stage .amount")).to_have_text("−¥30.00")
    await expect(total).to_have_value("")
    await expect(page.locator("#receipt-text")).to_contain_text("98.00")


async def test_a_scanned_member_card_is_shown_without_a_name_and_stays_for_the_total(
    page: Page, counter: Counter
) -> None:
    await counter.visit(page)
    shown = page.locator("#sale-member")
    await expect(shown).to_be_hidden()
    card = Card(b"somebody", today() - 1, today() + 1, 2)
    counter.scanner.scan(sign(card, counter.till.factory.issuer_key))
    await expect(shown).to_have_text("会员 2 级")
    await expect(page.locator("#stage .headline")).to_have_text("会员 2 级")
    await page.locator("#sale-total").fill("128")
    await page.locator("#sale-total").press("Enter")
    await expect(page.locator("#sale")).to_have_class(re.compile(r"\bon\b"))
    await expect(shown).to_have_text("会员 2 级")
    await page.locator("#sale-clear").click()
    await expect(shown).to_be_hidden()


async def test_a_receipt_is_printed_again_as_a_copy(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    counter.printer.set_fault(Fault.PAPER_OUT)
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator("#stage .word")).to_have_text("可用")
    await expect(page.locator("#receipt-note")).to_contain_text("缺纸")
    counter.printer.set_fault(Fault.PAPER_OUT, on=False)
    await counter.printer.wait_for_jobs(1)
    await expect(page.locator("#receipt-state")).to_have_text("已打印", timeout=15_000)
    await page.locator("#reprint").click()
    jobs = await counter.printer.wait_for_jobs(2)
    await expect(page.locator("#receipt-state")).to_have_text("已打印", timeout=15_000)
    assert "重打".encode("gb18030") in jobs[1]
    assert "重打".encode("gb18030") not in jobs[0]


async def test_low_paper_is_a_calm_word_beside_the_verdict_until_there_is_a_new_roll(
    page: Page, counter: Counter
) -> None:
    await counter.visit(page)
    counter.printer.set_fault(Fault.PAPER_LOW)
    counter.scanner.scan(counter.till.coupon())
    stage, issue = page.locator("#stage"), page.locator(".issue")
    await expect(issue).to_contain_text("打印机「receipts」纸快用完了")
    await expect(issue).to_contain_text("请备好新纸卷，小票照常打印")
    await expect(issue).to_have_class("issue good")  # the tone of what is no trouble
    pill = page.get_by_role("button", name="打印机「receipts」纸快用完了")
    await expect(pill).to_have_class("pill warn")
    await expect(page.locator("#receipt-state")).to_have_text("已打印")
    await expect(page.locator("#receipt-note")).to_have_text(
        ""
    )  # the receipt is whole; the roll is the printer's
    await expect(stage).to_have_attribute("data-tone", "good")
    covered = """node => { const { left, right, top, bottom } = node.getBoundingClientRect();
      return [[left + 9, top + 9], [right - 9, bottom - 9], [(left + right) / 2, (top + bottom) / 2]].some(
        (at) => !node.contains(document.elementFromPoint(...at))); }"""
    assert not await stage.evaluate(covered)
    await page.locator("#language").click()
    await expect(issue).to_contain_text("The printer 'receipts' is low on paper")
    await expect(issue).to_contain_text("Have a new roll ready; receipts are printed as before")
    counter.printer.set_fault(Fault.PAPER_LOW, on=False)
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator("#issues")).to_be_hidden()
    await expect(page.get_by_role("button", name="Printer: ready")).to_be_visible()


async def test_a_receipt_in_doubt_says_what_to_do_and_not_what_is_mended_long_since(
    page: Page, counter: Counter
) -> None:
    await counter.visit(page)
    counter.printer.set_fault(Fault.PAPER_OUT, in_job=True)
    counter.scanner.scan(counter.till.coupon())
    note, issues = page.locator("#receipt-note"), page.locator("#issues")
    await expect(note).to_contain_text("打印时缺纸")
    await expect(note).to_contain_text("请看小票是否已出")
    await expect(issues).to_contain_text("打印机「receipts」缺纸")
    await expect(issues).to_contain_text("请换纸，等待的小票随后自动打印")
    counter.printer.set_fault(Fault.PAPER_OUT, on=False)
    await expect(issues).not_to_contain_text("请换纸", timeout=15_000)
    await expect(issues).to_contain_text("请看小票是否已出")
    await expect(note).not_to_contain_text("请换纸")


async def test_a_late_answer_about_a_receipt_undoes_no_newer_event(page: Page, counter: Counter) -> None:
    """GET /v1/prints/{job} is answered from before the printing and arrives after the event that says printed."""
    released = asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await released.wait()
        await route.fulfill(response=answer)

    await counter.visit(page)
    await page.route("**/v1/prints/T-0001-1", late)
    await page.evaluate(
        """new EventSource("/v1/events").addEventListener("print", (event) => {
             if (JSON.parse(event.data).state === "printed") document.title = "printed";
           })"""
    )
    await until(lambda: counter.till.app.till.hub.listeners == 2)
    counter.printer.set_fault(Fault.PAPER_OUT)
    async with page.expect_request("**/v1/prints/T-0001-1"):
        counter.scanner.scan(counter.till.coupon())
    counter.printer.set_fault(Fault.PAPER_OUT, on=False)
    await expect(page).to_have_title("printed", timeout=15_000)
    released.set()
    await expect(page.locator("#receipt-text")).to_contain_text("T-0001-1")
    await expect(page.locator("#receipt-state")).to_have_text("已打印")


async def test_a_waiting_receipt_is_not_called_a_copy(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    counter.printer.set_fault(Fault.PAPER_OUT)
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator("#receipt-text")).to_contain_text("T-0001-1")
    await expect(page.locator("#receipt-state")).to_have_text("排队中")
    await expect(page.locator("#reprint")).to_be_hidden()
    await expect(page.locator("#receipt-note")).not_to_contain_text("重打")
    receipt = page.locator("#receipt-text")
    assert await receipt.evaluate("node => node.scrollWidth <= node.clientWidth"), "no line is cut off"


async def test_a_waiting_receipt_is_given_up(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    counter.printer.set_fault(Fault.PAPER_OUT)
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator("#receipt-note")).to_contain_text("缺纸")
    await page.locator("#give-up").click()
    await expect(page.locator("#receipt-state")).to_have_text("已取消")
    await expect(page.locator("#give-up")).to_be_hidden()


async def test_a_receipt_is_drawn_with_its_code_and_no_markup_of_its_own(
    page: Page, counter: Counter
) -> None:
    await counter.visit(page)
    counter.scanner.scan(counter.till.coupon())
    paper = page.locator("#receipt-text .paper")
    await expect(paper).to_contain_text("T-0001-1")
    await expect(paper.locator(".columns").first).to_have_css("display", "flex")
    assert await paper.locator("script, img, [style], [onclick]").count() == 0


async def test_the_image_of_a_receipt_is_shown(page: Page, tmp_path: Path) -> None:
    """It stands in the receipt itself, and the page's Content-Security-Policy lets it in."""
    folder = tmp_path / "receipts"
    folder.mkdir()
    (folder / "logo.png").write_bytes(LOGO)
    (folder / "mine.receipt").write_text(
        "receipt 1 redemption\nimage logo.png: Acme\ntext: {number}\n", "utf-8"
    )
    async with (
        VirtualPrinter() as printer,
        real_till(
            tmp_path / "state",
            printer=(config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),),
            receipt=config.Receipt(templates=str(folder)),
        ) as till,
    ):
        await page.goto(till.url)
        await expect(page.locator("#till")).to_have_text("T-0001")
        assert (await till.redeem(till.coupon())).status == 200
        logo = page.get_by_role("img", name="Acme")
        await expect(logo).to_be_visible()
        assert await logo.evaluate("node => node.decode().then(() => node.naturalWidth)") == 384


async def test_a_coupon_typed_by_hand_is_judged(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    await page.locator("#manual-text").fill(counter.till.coupon())
    await page.locator("#manual-text").press("Enter")
    await expect(page.locator("#stage .word")).to_have_text("可用")
    assert counter.till.app.till.hub.verdicts[0]["source"] == "screen"


async def test_offline_is_shown_with_what_waits(page: Page, counter: Counter) -> None:
    await counter.visit(page)
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator("#stage .tag")).to_have_text("离线判定")
    await expect(page.locator(".line .label")).to_have_text(re.compile(r"^离线"))
    await expect(page.locator(".outbox .label")).to_have_text("待上传 1")
    await page.locator(".line .pill").focus()
    await expect(page.locator(".line .tip")).to_be_visible()
    counter.scanner.scan(counter.till.coupon())
    await expect(page.locator(".outbox .label")).to_have_text("待上传 2")
    await expect(page.locator(".line .tip")).to_be_visible()


async def test_a_page_opened_later_shows_what_happened(page: Page, counter: Counter) -> None:
    accepted = (await counter.till.redeem(counter.till.coupon(), total_minor=12_000)).json
    await counter.visit(page)
    await expect(page.locator("#stage")).to_have_attribute("data-scan", accepted["scan_id"])
    await expect(page.locator("#stage .amount")).to_have_text("−¥30.00")


async def test_the_page_opens_with_the_token_once(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    api = config.Api(port=0, token_file=str(tmp_path / "token"))
    async with real_till(tmp_path / "state", api=api) as till:
        context = await browser.new_context()
        page = await context.new_page()
        assert (refused := await page.goto(till.url)) is not None
        assert refused.status == 401
        await page.goto(f"{till.url}/?token={TOKEN}")
        assert page.url == f"{till.url}/"
        await expect(page.locator("#till")).to_have_text("T-0001")
        await page.locator("#manual-text").fill(till.coupon())
        await page.locator("#manual-text").press("Enter")
        await expect(page.locator("#stage .word")).to_have_text("可用")
        assert await page.evaluate("document.cookie") == ""
        await context.close()


async def test_another_pages_script_cannot_call_the_till(
    browser: Browser, tmp_path: Path, counter: Counter
) -> None:
    """A page of another origin, real requests by a real browser: nothing is read, nothing is redeemed."""
    attack = """async ([till, text]) => {
      const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }) };
      const form = { method: "POST", mode: "no-cors", body: JSON.stringify({ text }) };
      const tries = [fetch(`${till}/v1/scan`, json), fetch(`${till}/v1/scan`, form), fetch(`${till}/v1/status`),
        fetch(`${till}/v1/events`, { mode: "no-cors" }), fetch(`${till}/v1/sale`, { method: "DELETE" })];
      return (await Promise.allSettled(tries)).map((one) => one.value?.type ?? "failed");
    }"""
    async with real_till(tmp_path / "other") as other:
        context = await browser.new_context()
        page = await context.new_page()
        # some page of another site, with no policy of its own in the way
        await page.goto(f"http://localhost:{other.port}/v1/sale")
        outcome = await page.evaluate(attack, [counter.till.url, counter.till.coupon()])
        await context.close()
    assert set(outcome) <= {"failed", "opaque"}
    assert list(counter.till.app.till.hub.verdicts) == []
    assert counter.till.app.till.hub.listeners == 0
