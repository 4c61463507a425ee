"""The operator page in Chromium, over a real cloud with a fleet of 64 tills."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from cloud.seen import Seen, Word
from tests.browser.operator_kit import NOW, fill, health, log_in
from tests.browser.page_kit import IN_CHROMIUM, watched
from tests.integration.cloud_server_kit import Running, running_cloud

pytestmark = IN_CHROMIUM
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path_factory.mktemp("operator") / "cloud") as running:
        running.time.at = NOW
        await fill(running, records=160)
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def profile(browser: Browser) -> AsyncIterator[BrowserContext]:
    wrong: list[str] = []
    made = await watched(browser, wrong)
    yield made
    await made.close()
    assert [one for one in wrong if "401" not in one] == []


@pytest_asyncio.fixture(loop_scope="module")
async def page(profile: BrowserContext, cloud: Running) -> AsyncIterator[Page]:
    made = await profile.new_page()
    await log_in(made, cloud)
    yield made


async def to(page: Page, place: str) -> None:
    """Go there and wait until it is shown: what the place before shows must not pass for it."""
    await page.evaluate(
        """(place) => new Promise((gone) => {
            if (location.hash === place) return gone();
            addEventListener("hashchange", () => gone(), { once: true });
            location.hash = place;
        })""",
        place,
    )
    await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")


async def names(page: Page) -> list[str]:
    return await page.locator("tbody tr td:first-child strong").all_inner_texts()


async def test_a_token_opens_a_session_that_no_script_reads(profile: BrowserContext, cloud: Running) -> None:
    page = await profile.new_page()
    await page.goto(f"{cloud.url}/operator")
    await expect(page.locator("#login")).to_be_visible()
    assert page.url == f"{cloud.url}/operator/"
    for wrong in ("", "rca_wrong"):
        await page.locator("#token").fill(wrong)
        await page.keyboard.press("Enter")
        await expect(page.locator("#login-note")).not_to_be_empty()
    await log_in(page, cloud)
    await expect(page.locator("#who")).to_contain_text("first")
    assert await page.evaluate("document.cookie") == ""
    stored = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert cloud.token not in stored
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.locator("#logout").click()
    await expect(page.locator("#login")).to_be_visible()
    await expect(page.locator("#main")).to_be_empty()
    await page.reload()
    await expect(page.locator("#login")).to_be_visible()


async def test_tills_are_filtered_sorted_and_paged(page: Page) -> None:
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.get_by_text("下一页").or_(page.get_by_text("Next")).click()
    await expect(page.locator("tbody tr")).to_have_count(14)
    assert (await names(page))[0] == "T-0051"
    await page.go_back()
    await expect(page.locator("tbody tr")).to_have_count(50)
    await to(page, "#/tills?sort=waiting&order=down")
    await expect(page.locator("th[aria-sort=descending]")).to_have_count(1)
    await expect(page.locator("tbody tr").first).to_contain_text("T-0003")
    await page.locator(".chip").nth(1).click()
    await expect(page.locator("tbody tr")).to_have_count(6)
    assert {"T-0003", "T-0014", "T-0017", "T-0021", "T-0022", "T-0040"} == set(await names(page))
    silent = page.locator("tbody tr", has_text="T-0017").locator(".badge.bad").first
    await expect(silent).to_be_visible()
    await page.locator(".chip").nth(0).click()
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.locator("#search").press_sequentially("s-0031")
    await expect(page.locator("tbody tr")).to_have_count(21)
    await expect(page.locator("#search")).to_be_focused()
    await page.locator("#search").fill("nowhere")
    await expect(page.locator(".empty strong")).to_be_visible()


async def test_what_a_till_calls_its_devices_is_text(page: Page, cloud: Running) -> None:
    assert cloud.cloud is not None
    said = Word(health(devices=(("scanner", HOSTILE, "lost"),)), "2026-11-28T11:30:01.000Z", 0)
    await cloud.cloud.store.put_seen([Seen("T-0050", said.at, said)])
    await to(page, "#/tills?search=t-0050")
    await expect(page.locator("tbody")).to_contain_text(HOSTILE)
    assert await page.locator("main img").count() == 0


async def test_a_campaign_by_hour_store_and_channel(page: Page) -> None:
    await to(page, "#/campaigns")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.locator("tbody tr").first.locator("a.title").click()
    await expect(page.locator(".tile")).to_have_count(8)
    await expect(page.locator(".hours li")).to_have_count(24)
    await expect(page.locator("section.card")).to_have_count(5)
    heights = await page.evaluate(
        "[...document.querySelectorAll('.column')].map((one) => one.getBoundingClientRect().height)"
    )
    counts = [int(text) for text in await page.locator(".track b").all_inner_texts()]
    ratio = [height / count for height, count in zip(heights, counts, strict=True)]
    assert max(ratio) < 1.2 * min(ratio), "columns are as high as their numbers"


async def test_arms_conflicts_quarantine_and_acts(page: Page) -> None:
    await to(page, "#/arms")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await to(page, "#/conflicts")
    await expect(page.locator("tbody tr").first).to_contain_text("acme/")
    await page.locator("#till").fill("T-9999")
    await page.keyboard.press("Enter")
    await expect(page.locator(".empty")).to_be_visible()
    await to(page, "#/quarantine")
    await page.locator("summary").click()
    await expect(page.locator("pre")).to_contain_text("damaged on its way")
    for place in ("implausible", "gaps"):
        await to(page, f"#/quarantine?list={place}")
        await expect(page.locator("tbody tr")).to_have_count(1)
    await to(page, "#/quarantine?list=held")
    await expect(page.locator(".empty.good")).to_be_visible()
    await to(page, "#/acts")
    await expect(page.locator("tbody tr").first).to_contain_text("first")


async def test_settlement_is_downloaded(page: Page) -> None:
    await to(page, "#/settlement")
    await expect(page.locator("tbody tr").first).to_contain_text("S-00")
    for link in (page.locator(".tools a[download]"), page.locator(".exports a[download]").nth(0)):
        async with page.expect_download() as started:
            await link.click()
        path = await (await started.value).path()
        rows = list(csv.DictReader(io.StringIO(Path(path).read_text("utf-8"))))  # noqa: ASYNC240 - a small file
        assert rows
        assert "store" in rows[0]


async def test_a_role_sees_what_it_may(profile: BrowserContext, cloud: Running) -> None:
    _, made = await cloud.admin("POST", "tokens", {"role": "viewer", "name": "wall"})
    page = await profile.new_page()
    await log_in(page, cloud, made["token"])
    assert await page.locator("nav a").count() == 5
    await to(page, "#/settlement")
    await expect(page.locator(".empty")).to_contain_text(
        "管理员" if await _chinese(page) else "administrator"
    )


async def _chinese(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.lang === 'zh-CN'"))


async def test_both_languages(page: Page) -> None:
    for _ in range(2):
        chinese = await _chinese(page)
        await expect(page.locator("main h1")).to_have_text("收银机" if chinese else "Tills")
        await page.locator("header .language").click()
        await expect(page.locator("main h1")).to_have_text("Tills" if chinese else "收银机")


async def test_a_cloud_that_is_gone_leaves_what_it_said_last(page: Page) -> None:
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.route("**/v1/**", lambda route: route.abort())
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(50)
    await to(page, "#/campaigns")
    await expect(page.locator(".empty button")).to_be_visible()
    await page.unroute("**/v1/**")
    await page.locator(".empty button").click()
    await expect(page.locator("tbody tr")).to_have_count(3)
    await expect(page.locator("#lost")).to_be_hidden()


async def test_a_session_that_is_over_asks_for_a_token(page: Page, cloud: Running) -> None:
    before = cloud.time.at
    try:
        cloud.time.pass_s(13 * 3600)
        await to(page, "#/campaigns")
        await expect(page.locator("#login")).to_be_visible()
        await expect(page.locator("#login-note")).not_to_be_empty()
    finally:
        cloud.time.at = before


PLACES = ("tills", "campaigns", "campaigns/acme/7", "arms", "conflicts", "quarantine", "settlement", "acts")
# What is wider than its place: the page, a table, or something that hangs out of a card or a cell.
TOO_WIDE = """
() => {
    const wide = (one) => one.scrollWidth > one.clientWidth + 1;
    const found = [...document.querySelectorAll("main .table, main td > div")].filter(wide);
    if (wide(document.documentElement)) found.push(document.documentElement);
    return found.map((one) => `${one.className || one.tagName} ${one.textContent.slice(0, 40)}`);
}
"""


async def test_nothing_is_wider_than_its_place(page: Page, cloud: Running) -> None:
    """A phone, a tablet both ways, a small laptop; both languages; with a till that says much of its devices."""
    assert cloud.cloud is not None
    said = Word(health(devices=(("scanner", HOSTILE * 2, "lost"),)), "2026-11-28T11:30:01.000Z", 0)
    await cloud.cloud.store.put_seen([Seen("T-0049", said.at, said)])
    for _ in range(2):
        await page.locator("header .language").click()
        for place in PLACES:
            await to(page, f"#/{place}")
            await expect(page.locator("main > :not(.loading)").first).to_be_visible()
            for width in (390, 800, 1040, 1041, 1280):
                await page.set_viewport_size({"width": width, "height": 800})
                assert await page.evaluate(TOO_WIDE) == [], (place, width)


async def test_a_tablet_has_the_whole_menu_and_sorts(page: Page) -> None:
    await page.set_viewport_size({"width": 800, "height": 1100})
    nav = page.locator("nav")
    assert await nav.evaluate("(nav) => nav.scrollWidth <= nav.clientWidth")
    await page.locator("th .sort").nth(3).click()
    await expect(page.locator("th[aria-sort]")).to_have_count(1)
    await page.set_viewport_size({"width": 390, "height": 844})
    await to(page, "#/acts")
    box = await nav.locator("[aria-current]").bounding_box()
    assert box is not None
    assert box["x"] >= 0, "the page that is shown is in sight in the menu"
    assert box["x"] + box["width"] <= 390


FOCUSED = "document.activeElement.dataset.key ?? document.activeElement.getAttribute('href')"


async def test_the_focus_stays_when_a_list_is_renewed(page: Page) -> None:
    for selector, key in ((".chip >> nth=2", "problem silent"), ("th .sort >> nth=0", "sort till")):
        await page.locator(selector).focus()
        before = await page.locator("tbody").element_handle()
        await page.keyboard.press("Enter")
        await page.wait_for_function("(before) => !before.isConnected", arg=before)
        assert await page.evaluate(FOCUSED) == key


async def test_the_focus_goes_with_who_opens_another_page(page: Page) -> None:
    await page.locator("nav a").nth(1).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("a.title")).to_have_count(3)
    assert await page.evaluate(FOCUSED) == "#/campaigns"
    await page.locator("a.title").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".tile")).to_have_count(8)
    assert await page.evaluate("document.activeElement.id") == "main"
