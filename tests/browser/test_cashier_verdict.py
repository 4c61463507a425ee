"""The cashier page in a real Chromium: the verdict, as it is seen from a metre away and heard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from agent.domain.outcome import SAYINGS, Outcome
from tests.browser.page_kit import IN_CHROMIUM, show, tones, visit
from tests.browser.screenshots import HARM
from tests.browser.till_stand_in import (
    TillStandIn,
    accepted,
    ago,
    campaign,
    status,
    truncated,
    used,
    verdict,
    wrong_store,
)

pytestmark = IN_CHROMIUM


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


async def test_a_stored_value_shows_what_this_till_knows_to_be_left(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await show(till, page, accepted(3000, left_minor=0))
    await expect(page.locator("#stage .facts")).to_have_text("余额（本机记录）¥0.00")
    await show(till, page, accepted(2000))
    await expect(page.locator("#stage .amount")).to_have_text("−¥20.00")
    await expect(page.locator("#stage .facts")).to_have_count(0)


async def test_duplicate_says_when_and_where_it_was_used(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    shown = used(
        first_use={"at": ago(seconds=0), "till": "T-0003", "redemption_id": "T-0003-41"}, detail="seen_here"
    )
    await show(till, page, shown)
    stage = page.locator("#stage")
    await expect(stage.locator(".mark .icon-bad")).to_be_visible()
    await expect(stage.locator(".word")).to_have_text("已用过")
    await expect(stage.locator(".facts")).to_have_text(re.compile(r"首次使用\d\d:\d\d，收银台 T-0003"))
    await expect(stage.locator(".next")).to_have_text(shown["next_zh"])
    await expect(stage.locator(".support")).to_contain_text("already_redeemed · seen_here · acme/3/4711")
    await expect(stage.locator(".amount")).to_have_count(0)


async def times_said(page: Page, *words: str) -> list[int]:
    text = await page.locator("#stage").inner_text()
    return [text.count(word) for word in words]


async def test_nothing_is_said_twice(page: Page, till: TillStandIn) -> None:
    await visit(page, till)
    await show(till, page, accepted(3000))
    assert await times_said(page, "可用", "30.00", "满 100 减 30") == [1, 1, 1]
    await show(till, page, accepted(None))
    assert await times_said(page, "可用", "满 100 减 30", "秋季满减") == [1, 1, 1]
    await expect(page.locator("#stage .next")).to_have_text("请核对：满 100 减 30")
    await show(till, page, accepted(None, next_zh="请收走购物券"))
    assert await times_said(page, "可用", "满 100 减 30", "请收走购物券") == [1, 1, 1]
    await show(till, page, used())
    assert await times_said(page, "用过", "首次使用", "T-0003") == [1, 1, 1]
    await show(till, page, verdict(Outcome.WRONG_CURRENCY))
    assert await times_said(page, "币种不符") == [1]
    await show(till, page, accepted(0, zh="可用：减 ¥0"))
    await expect(page.locator("#stage .headline")).to_have_text("可用：减 ¥0")


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
        headline = page.locator("#stage .headline")
        if outcome is Outcome.ACCEPTED:
            await expect(headline).to_have_count(0)
        else:
            await expect(headline).to_have_text(shown["zh"])
        await expect(page.locator("#stage .facts dd")).to_have_text(re.compile(r"2037-0\d-\d\d \d\d:\d0"))


async def test_unknown_tone_is_never_green(page: Page, till: TillStandIn) -> None:
    till.held = False  # a later till
    await visit(page, till)
    await show(till, page, {**accepted(), "tone": "splendid", "outcome": "new_in_2031"})
    await expect(page.locator("#stage")).to_have_attribute("data-tone", "bad")
    await expect(page.locator("#stage .amount")).to_have_count(0)


async def test_hostile_text_stays_text(page: Page, till: TillStandIn) -> None:
    evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    named = dict.fromkeys(["title_zh", "title_en", "benefit_zh", "benefit_en"], evil)
    till.held = False  # no till says this; a program that passes for one may
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
    till.held = False  # not all of them are currencies
    await visit(page, till)
    for currency, minor, written in (
        ("JPY", 300, "−¥300"),
        ("CNY", 123456789, "−¥1,234,567.89"),
        ("CNY", 5, "−¥0.05"),
        ("x<b>", 1250, "−12.50"),
    ):
        await show(till, page, accepted(minor, currency=currency))
        await expect(page.locator("#stage .amount")).to_have_text(written)


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
        **campaign(),
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
