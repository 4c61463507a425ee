"""The cashier page where a supervisor is asked: amber and what to do, then green by a badge on the scanner."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

import config
from agent.domain.shop import StaffRole
from drivers.virtual_scanner import VirtualScanner
from tests.browser.screenshots import LAUNCH
from tests.factory import Factory, amount_off, today
from tests.integration.api_kit import real_till

BOSS = "EMP-BOSS-4711"
BUDGET = {
    "count_day": 1,
    "value_day_minor": 10**6,
    "count_offline": 1,
    "value_offline_minor": 10**6,
    "soft_percent": 0,
}


@pytest.mark.browser
@pytest.mark.skipif(not Path(LAUNCH["executable_path"]).exists(), reason="Chromium is not installed")
async def test_a_badge_turns_amber_to_green_and_never_past_the_cap(tmp_path: Path) -> None:
    factory = Factory(
        campaigns=[amount_off(1, budget=BUDGET)], badges={BOSS: (StaffRole.MANAGER, today(), today() + 1)}
    )
    with VirtualScanner() as scanner:
        devices = (config.SerialScanner(name="counter", port=scanner.port),)
        async with (
            real_till(tmp_path / "state", factory, scanner=devices) as till,
            async_playwright() as playwright,
        ):
            chromium = await playwright.chromium.launch(**LAUNCH)
            page = await chromium.new_page()
            await page.goto(till.url)
            await expect(page.get_by_role("button", name="扫码枪: 正常")).to_be_visible()
            stage = page.locator("#stage")
            scanner.scan(factory.coupon(1))
            await expect(stage).to_have_attribute("data-tone", "warn")
            await expect(stage.locator(".word")).to_have_text("请主管确认")
            await expect(stage).to_contain_text("请主管在一分钟内扫员工卡")
            scanner.scan(BOSS)
            await expect(stage).to_have_attribute("data-tone", "good")
            await expect(stage.locator(".word")).to_have_text("可用")
            scanner.scan(factory.coupon(2))
            await expect(stage.locator(".word")).to_have_text("额度已满")
            await chromium.close()
