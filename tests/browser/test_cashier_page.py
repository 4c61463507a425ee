"""The cashier page in a real Chromium, against a server that speaks the local API and sets the strict CSP."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Page,
    Route,
    async_playwright,
    expect,
)

from agent.domain.outcome import SAYINGS, Outcome
from agent.ports import PrintState
from tests.browser.screenshots import HARM, LAUNCH, OFFLINE, PAPER_OUT
from tests.browser.till_stand_in import (
    TillStandIn,
    accepted,
    ago,
    status,
    truncated,
    used,
    verdict,
    wrong_store,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not Path(LAUNCH["executable_path"]).exists(), reason="Chromium is not installed"),
]

NO_BUNDLE = {"epoch": 0, "sequence": 0, "issued": None, "age": "none", "campaigns": 0}

# Notes every tone the page starts, as [Hz, seconds from now, wave]; the audio itself is Chromium's own.
LISTEN = """
window.tones = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (when) {
  window.tones.push([this.frequency.value, when - this.context.currentTime, this.type]);
  return start.call(this, when);
};
"""


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


async def watched(browser: Browser, wrong: list[str]) -> BrowserContext:
    """A fresh browser profile at 1024x768; policy violations and uncaught errors of its pages land in `wrong`."""

    def heard(message: ConsoleMessage) -> None:
        if (
            message.type == "error"
            and "net::ERR" not in message.text
            and "409 (Conflict)" not in message.text
        ):
            wrong.append(message.text)

    made = await browser.new_context(viewport={"width": 1024, "height": 768}, reduced_motion="reduce")
    made.on("console", heard)
    made.on("weberror", lambda error: wrong.append(str(error.error)))
    made.set_default_timeout(5000)
    await made.add_init_script(LISTEN)
    return made


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


# ---- the verdict ----------------------------------------------------------------------------------------------------


async def test_before_the_first_scan_the_page_rests(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await expect(page.locator("#stage")).to_have_attribute("data-tone", "idle")
    await expect(page.locator("#stage .word")).to_have_text("请扫券")


async def test_accepted_shows_word_shape_and_amount(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await show(till, page, accepted(3000, offline=True))
    stage = page.locator("#stage")
    await expect(stage).to_have_attribute("data-tone", "good")
    await expect(stage).to_have_attribute("aria-live", "assertive")
    await expect(stage.locator(".mark .icon-good")).to_be_visible()
    await expect(stage.locator(".word")).to_have_text("可用")
    await expect(stage.locator(".amount")).to_have_text("−¥30.00")
    await expect(stage.locator(".tag")).to_have_text("离线判定")
    await expect(page).to_have_title("✓ −¥30.00")
    amount = await stage.locator(".amount").bounding_box()
    assert amount is not None
    assert amount["height"] > 120, "the amount is read from a metre away"


async def test_duplicate_says_when_and_where_it_was_used(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    shown = used(first_use={"at": ago(seconds=0), "till": "T-0003"}, detail="seen_here")
    await show(till, page, shown)
    stage = page.locator("#stage")
    await expect(stage.locator(".mark .icon-bad")).to_be_visible()
    await expect(stage.locator(".word")).to_have_text("已用过")
    await expect(stage.locator(".facts")).to_have_text(re.compile(r"首次使用\d\d:\d\d，收银台 T-0003"))
    await expect(stage.locator(".next")).to_have_text(shown["next_zh"])
    await expect(stage.locator(".support")).to_contain_text("already_redeemed · seen_here · acme/3/4711")
    await expect(stage.locator(".amount")).to_have_count(0)


async def test_every_outcome_has_its_own_word(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    table = await page.evaluate(
        """async (outcomes) => {
             const words = await import("/words.js");
             const read = () => outcomes.map((outcome) => words.bigWord({ outcome, tone: "none" }));
             words.setLanguage("zh"); const zh = read();
             words.setLanguage("en"); return [zh, read()];
           }""",
        [outcome.value for outcome in Outcome],
    )
    for words, nothing_known in zip(table, ("不可用", "REFUSED"), strict=True):
        assert nothing_known not in words
        assert max(map(len, words)) <= 12
    assert (table[0][list(Outcome).index(Outcome.ACCEPTED)], table[0].count("可用")) == ("可用", 1)


async def test_tone_follows_the_daemon(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    for outcome in (Outcome.NOT_YET_VALID, Outcome.ACCEPTED, Outcome.UNKNOWN_RESULT):
        shown = verdict(outcome, works_from="2037-03-01T09:30:00+08:00")
        await show(till, page, shown)
        await expect(page.locator("#stage")).to_have_attribute("data-tone", SAYINGS[outcome].tone.value)
        await expect(page.locator(f"#stage .mark .icon-{SAYINGS[outcome].tone.value}")).to_be_visible()
        await expect(page.locator("#stage .headline")).to_have_text(shown["zh"])
        await expect(page.locator("#stage .facts dd")).to_have_text(re.compile(r"2037-0\d-\d\d \d\d:\d0"))


async def test_unknown_tone_is_never_green(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await show(till, page, {**accepted(), "tone": "splendid", "outcome": "new_in_2031"})
    await expect(page.locator("#stage")).to_have_attribute("data-tone", "bad")
    await expect(page.locator("#stage .amount")).to_have_count(0)


async def test_hostile_text_stays_text(page: Page, till: TillStandIn) -> None:
    evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    named = dict.fromkeys(["title_zh", "title_en", "benefit_zh", "benefit_en"], evil)
    said: dict[str, Any] = dict.fromkeys(["zh", "en", "next_zh", "next_en", "detail", "outcome"], evil)
    till.prints["job-1"]["text"] = evil
    till.status = status(
        store={"code": evil, "name_zh": evil, "name_en": evil},
        line={"state": "offline", "since": None, "last_success": None, "zh": evil, "en": evil},
        issues=[
            {"code": evil, "severity": evil, "zh": evil, "en": evil, "action_zh": evil, "action_en": evil}
        ],
        devices=[{"name": evil, "kind": evil, "role": evil, "state": evil, "detail": evil}],
    )
    await visit(page, till)
    await show(till, page, {**accepted(campaign=named), **said})
    await expect(page.locator("#stage .campaign b")).to_have_text(evil)
    await expect(page.locator("#stage .headline")).to_have_text(evil)
    await expect(page.locator("#receipt-text")).to_have_text(evil)
    await expect(page.locator("#store")).to_have_text(evil)
    assert await page.locator("img, main script, header script").count() == 0
    assert await page.evaluate("window.owned") is None


async def test_verdict_rests_after_twenty_seconds(context: BrowserContext, till: TillStandIn) -> None:
    page = await context.new_page()
    await page.clock.install()
    await visit(page, till)
    await show(till, page, used())
    await page.clock.fast_forward(19000)
    await expect(page.locator("#stage")).not_to_have_class(re.compile("calm"))
    await page.clock.fast_forward(1500)
    await expect(page.locator("#stage")).to_have_class(re.compile("calm"))
    await expect(page.locator("#stage .word")).to_have_text("已用过")
    await show(till, page, accepted())
    await expect(page.locator("#stage")).not_to_have_class(re.compile("calm"))


async def test_strip_keeps_the_last_eight(page: Page, till: TillStandIn) -> None:
    till.verdicts = [accepted(100 * n, at=ago(minutes=n)) for n in range(1, 12)]
    await visit(page, till)
    await expect(page.locator("#stage")).to_have_class(re.compile("calm"))
    await expect(page.locator(".chip")).to_have_count(8)
    await show(till, page, truncated())
    await expect(page.locator(".chip")).to_have_count(8)
    await expect(page.locator(".chip b").nth(0)).to_have_text("没扫全")
    await expect(page.locator(".chip b").nth(1)).to_have_text("−¥1")


async def test_amounts(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    for currency, minor, written in (
        ("JPY", 300, "−¥300"),
        ("CNY", 123456789, "−¥1,234,567.89"),
        ("CNY", 5, "−¥0.05"),
        ("x<b>", 1250, "−12.50"),
    ):
        await show(till, page, accepted(minor, currency=currency))
        await expect(page.locator("#stage .amount")).to_have_text(written)


# ---- around it ------------------------------------------------------------------------------------------------------


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


# ---- sale, typed code, keys -----------------------------------------------------------------------------------------


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
    for typed in ("12.345", "1..2", "abc", "-5", "0", "", "9999999999", "1e3"):
        await page.locator("#sale-total").fill(typed)
        await page.locator("#sale .primary").click()
        await expect(page.locator("#sale-note")).to_have_text("请输入金额，例如 123.50")
    assert till.calls == []


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
    till.refuse = {"code": "store_closed", "zh": "数据库没有打开", "en": "The database is not open"}
    await page.locator("#manual-text").fill("RC1ABC")
    await page.locator("#manual button").click()
    await expect(page.locator("#manual-note")).to_have_text("数据库没有打开")
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


# ---- sound ----------------------------------------------------------------------------------------------------------


async def test_three_sounds_and_mute(context: BrowserContext, till: TillStandIn) -> None:
    page = await context.new_page()
    await visit(page, till)
    await expect(page.locator("#sound-hint")).to_be_visible()
    await show(till, page, accepted())
    assert await tones(page) == [], "no gesture yet: silent, and not queued for later"
    await page.locator("#sound-hint").click()
    await expect(page.locator("#sound-hint")).to_be_hidden()

    await show(till, page, accepted())
    good = await tones(page)
    assert [len(good), good[0][0] < good[1][0], good[0][1] < good[1][1]] == [2, True, True]
    await show(till, page, used())
    bad = await tones(page)
    assert [tone[0] < 200 and tone[2] == "square" for tone in bad] == [True, True]
    await show(till, page, wrong_store())
    warn = await tones(page)
    assert len(warn) == 1
    assert bad[0][0] < warn[0][0] < good[0][0]

    await page.locator("#mute").click()
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await show(till, page, used())
    assert await tones(page) == []
    await page.reload()
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")


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


# ---- the page as a whole --------------------------------------------------------------------------------------------


OUTSIDE = """() => {
  const box = document.getElementById("stage").getBoundingClientRect();
  const out = (r) => r.top < box.top || r.bottom > box.bottom || r.right > box.right + 1;
  const lines = [...document.querySelectorAll(".verdict > :not(.stamp, .again), .word, .amount small")];
  return lines.filter((n) => n.offsetParent && out(n.getBoundingClientRect())).map((n) => n.className);
}"""


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_nothing_is_cut_off(page: Page, till: TillStandIn, language: str) -> None:
    """Every line of the fullest verdict lies inside the stage, and the page never scrolls sideways."""
    till.status = {**status(**HARM), "language": language}
    await visit(page, till)
    long = {
        "title_zh": "很长的活动名称" * 9,
        "title_en": "A long campaign title " * 9,
        "benefit_zh": "满 9 减 1",
    }
    for shown in (used(campaign=long, works_from=ago(days=-2)), accepted(123456789, campaign=long)):
        await show(till, page, shown)
        for width, height in ((1024, 768), (1366, 768), (800, 1280), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            assert await page.evaluate(OUTSIDE) == [], (width, height)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, height)
