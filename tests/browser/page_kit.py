"""What the tests of the cashier page share: when they run, a watched browser profile, what a hand or a scanner does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, expect

from tests.browser.screenshots import LAUNCH
from tests.browser.till_stand_in import TillStandIn

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not Path(LAUNCH["executable_path"]).exists(), reason="Chromium is not installed"),
]

# Notes every tone the page starts, as [Hz, seconds from now, wave]; the audio itself is Chromium's own.
LISTEN = """
window.tones = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (when) {
  window.tones.push([this.frequency.value, when - this.context.currentTime, this.type]);
  return start.call(this, when);
};
"""


REFUSED = ("409 (Conflict)", "410 (Gone)", "503 (Service Unavailable)")
"""How Chromium notes a call that a till refuses; the page tells it to the cashier."""


async def watched(browser: Browser, wrong: list[str]) -> BrowserContext:
    """A fresh browser profile at 1024x768; policy violations and uncaught errors of its pages land in `wrong`."""

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "net::ERR" not in message.text and not message.text.endswith(REFUSED):
            wrong.append(message.text)

    made = await browser.new_context(viewport={"width": 1024, "height": 768}, reduced_motion="reduce")
    made.on("console", heard)
    made.on("weberror", lambda error: wrong.append(str(error.error)))
    made.set_default_timeout(5000)
    await made.add_init_script(LISTEN)
    return made


async def visit(page: Page, till: TillStandIn) -> None:
    """Load the page and wait until it is connected."""
    await page.goto(till.url)
    await expect(page.locator("#till")).to_have_text("T-0001")


async def show(till: TillStandIn, page: Page, shown: dict[str, Any]) -> None:
    await till.push("verdict", shown)
    await expect(page.locator("#stage")).to_have_attribute("data-scan", shown["scan_id"])


async def tones(page: Page) -> list[list[Any]]:
    heard: list[list[Any]] = await page.evaluate("window.tones.splice(0)")
    return heard


class Keyboard:
    """Keys with the time of each one given, as the kernel stamps them: a busy test machine changes nothing."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page = page
        self._session = session
        self._at = time.time()

    @classmethod
    async def of(cls, page: Page) -> Keyboard:
        return cls(page, await page.context.new_cdp_session(page))

    async def strike(self, keys: str, gap_ms: float) -> None:
        """Strike `keys` (a line end is Enter, U+001B is Esc), each `gap_ms` after the one before."""
        for key in keys:
            self._at += gap_ms / 1000
            name = {"\n": "Enter", "\x1b": "Escape"}.get(key, key)
            down: dict[str, Any] = {"type": "keyDown", "key": name, "timestamp": self._at}
            if name != "Escape":
                down["text"] = key.replace("\n", "\r")
            if name == "Enter":
                down["windowsVirtualKeyCode"] = 13
            await self._session.send("Input.dispatchKeyEvent", down)
            await self._session.send("Input.dispatchKeyEvent", {**down, "type": "keyUp", "text": ""})

    async def person(self, keys: str) -> None:
        await self.strike(keys, gap_ms=120)

    async def scanner(self, keys: str) -> None:
        await self.strike(keys, gap_ms=4)
