"""Chromium, a till to show and a tab, for every test of the cashier page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.page_kit import watched
from tests.browser.screenshots import LAUNCH
from tests.browser.till_stand_in import TillStandIn


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(**LAUNCH)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def till() -> AsyncIterator[TillStandIn]:
    server = TillStandIn()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser, till: TillStandIn) -> AsyncIterator[BrowserContext]:
    """A profile of its own, for a test that moves the page's clock or minds what a browser remembers."""
    wrong: list[str] = []
    made = await watched(browser, wrong)
    yield made
    await made.close()
    assert wrong == []


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(browser: Browser) -> AsyncIterator[tuple[Page, list[str]]]:
    wrong: list[str] = []
    made = await watched(browser, wrong)
    yield await made.new_page(), wrong
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(shared: tuple[Page, list[str]], till: TillStandIn) -> AsyncIterator[Page]:
    """The quick way: one tab for all tests. Each till has a port, so an origin, so a localStorage of its own."""
    tab, wrong = shared
    await tab.set_viewport_size({"width": 1024, "height": 768})
    yield tab
    await tab.goto("about:blank")
    noted = wrong.copy()
    wrong.clear()
    assert noted == []
