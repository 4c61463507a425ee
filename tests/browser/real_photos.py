"""Take docs/images/cashier-*.png from a real till: `python -m tests.browser.real_photos docs/images`.

Plays the first steps of the demo (cloud, till, three roads), then lets Chromium look at `redeemd run` while the
scanner reads a good coupon and the same one again.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright
from playwright.async_api import expect as expect_page

from agent.demo.day import Day, expect
from agent.demo.parts import free_port
from agent.demo.story import STORY, write_settings
from drivers.virtual_printer import VirtualPrinter
from drivers.virtual_scanner import VirtualScanner
from tests.browser.screenshots import LAUNCH
from tests.integration.api_kit import real_till

PAST_DEBOUNCE_S = 1.6
PREPARED = 3  # steps of the story: cloud, till, redeeming by three roads


async def _scan(day: Day, page: Page, text: str, outcome: str, to: Path) -> None:
    shown = await day.scan(text)
    expect(shown["outcome"] == outcome, f"a scan is {outcome}", shown)
    await page.wait_for_selector(f'#stage[data-scan="{shown["scan_id"]}"]')
    if shown["redemption_id"]:
        await expect_page(page.locator("#receipt-text")).to_contain_text(shown["redemption_id"])
        await expect_page(page.locator("#receipt-state")).to_have_text("已打印")
        await expect_page(page.locator(".outbox .label")).to_have_text("待上传 0")  # delivered
    await page.evaluate(
        "Promise.allSettled(document.getAnimations().map((one) => one.finished)).then(() => null)"
    )
    await page.screenshot(path=to)


async def photograph(day: Day, folder: Path) -> None:
    for _, step in STORY[:PREPARED]:
        await step(day)
    await day.till.stop()
    write_settings(day, None)  # the film is over: no camera
    await day.till.start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        page = await browser.new_page(viewport={"width": 1024, "height": 768})
        await page.goto(day.till.url)
        await page.wait_for_selector("#till:not(:empty)")
        await page.locator("#till").click()  # the gesture a browser wants before it sounds
        for kind in ("gift", "expired", "thirty", "future", "gift", "revoked"):
            await day.scan(day.take(kind))
        await day.client.put_sale(12_300)
        coupon = day.take("thirty")
        await _scan(day, page, coupon, "accepted", folder / "cashier-accepted.png")
        await asyncio.sleep(PAST_DEBOUNCE_S)
        await _scan(day, page, coupon, "already_redeemed", folder / "cashier-refused.png")
        await browser.close()


async def photograph_checkout(folder: Path) -> None:
    """A shop without a POS: scan, total, what to pay."""
    with tempfile.TemporaryDirectory() as made:
        async with (
            real_till(Path(made) / "state", without_pos=True) as till,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(**LAUNCH)
            page = await browser.new_page(viewport={"width": 1024, "height": 768})
            await page.goto(till.url)
            await page.locator("#keypad").wait_for()
            await till.call("POST", "/v1/scan", {"text": till.coupon()})
            await page.wait_for_selector('#stage[data-checkout="noted"]')
            await page.keyboard.type("128", delay=80)
            await page.keyboard.press("Enter")
            await page.wait_for_selector('#stage[data-checkout="closed"]')
            await page.evaluate(
                "Promise.allSettled(document.getAnimations().map((one) => one.finished)).then(() => null)"
            )
            await page.screenshot(path=folder / "cashier-checkout.png")
            await browser.close()


async def main(folder: Path) -> None:
    await photograph_checkout(folder)
    with tempfile.TemporaryDirectory() as made:
        state = Path(made)
        (state / "receipts").mkdir()
        with VirtualScanner(state / "scanner") as scanner:
            printer = VirtualPrinter(port=free_port(9100), on_job=lambda job: day.keep_receipt(job))
            day = Day(state, scanner, printer)
            await printer.start()
            try:
                await photograph(day, folder)
            finally:
                if hasattr(day, "client"):
                    await day.client.close()
                for name in ("till", "cloud"):
                    if hasattr(day, name):
                        await getattr(day, name).stop()
                if hasattr(day, "admin"):
                    await day.admin.__aexit__(None, None, None)
                await printer.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
