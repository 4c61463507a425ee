"""What is typed into the operator page while an answer is on its way stays; conflicts name both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, expect

from agent.domain.campaign import Returns, Words
from cloud.access import digest
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from tests.browser.operator_kit import NOW, log_in
from tests.browser.page_kit import IN_CHROMIUM, watched
from tests.integration.cloud_server_kit import Running, running_cloud
from tests.unit.cloud_kit import AT, LATER, STORE, batch, campaign, enrolled, sealing_till

pytestmark = IN_CHROMIUM
NOODLES = replace(STORE, store="S-0031", number=31, merchant="M-7", title=Words("静安面馆", "Noodles"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Two stores with a till each, which redeemed three coupons both; one of the goods came back."""
    async with running_cloud(tmp_path_factory.mktemp("operator") / "cloud") as running:
        running.time.at = NOW
        assert running.cloud is not None
        store, one, two = running.cloud.store, sealing_till("T-0001", 1), sealing_till("T-0002", 2)
        await enrolled(store, one)
        await store.put_place(NOODLES)
        await store.add_till(two.name, NOODLES.store, digest(two.name), LATER)
        assert await store.enrol(digest(two.name), two.key.public_key, AT) is not None
        await store.put_campaign(campaign(returns=Returns.COUPON), None, new_index_key())
        first = [one.redeem(index, currency="CNY") for index in range(3)]
        second = [two.redeem(index, currency="CNY") for index in range(3)]
        for till, events, at in (
            (one, first, NOW - timedelta(hours=3)),
            (two, [*second, two.give_back(second[0])], NOW - timedelta(hours=2)),
        ):
            known = await store.till(till.name)
            assert known is not None
            await ingest(store, known, "redemption", batch(events), lambda at=at: at)  # type: ignore[misc]  # bound
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, cloud: Running) -> AsyncIterator[Page]:
    wrong: list[str] = []
    context = await watched(browser, wrong)
    made = await context.new_page()
    await log_in(made, cloud)
    yield made
    await context.close()
    assert [one for one in wrong if "401" not in one] == []


class Held:
    """The next answer to this question is held back until it is let go."""

    def __init__(self, page: Page, question: str) -> None:
        self._page = page
        self._question = question
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __aenter__(self) -> Held:
        await self._page.route(self._question, self._hold)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.let_go.set()
        await self._page.unroute(self._question)

    async def _hold(self, route: Route, _: Request) -> None:
        self.asked.set()
        await self.let_go.wait()
        await route.continue_()


def fleet(**query: str) -> Any:
    """Whether a request asks for exactly these of the list's words."""

    def fits(request: Request) -> bool:

        parts = urlsplit(request.url)
        return parts.path.endswith("/v1/admin/fleet") and dict(parse_qsl(parts.query)) == query

    return fits


async def shown_text(page: Page) -> list[Any]:
    found: list[Any] = await page.evaluate(
        "(() => { const field = document.getElementById('search');"
        " return [field.value, document.activeElement === field, field.selectionStart]; })()"
    )
    return found


async def test_what_is_typed_while_a_list_loads_stays(page: Page) -> None:
    """Focus, caret, text and the very field; and the filter chosen meanwhile counts."""
    await expect(page.locator("tbody tr")).to_have_count(2)
    await page.evaluate("document.getElementById('search').dataset.mine = 'yes'")
    async with Held(page, "**/v1/admin/fleet?**") as held:
        await page.locator(".chip").nth(1).click()
        await asyncio.wait_for(held.asked.wait(), 30)
        await page.locator("#search").click()
        async with page.expect_request(
            fleet(search="T-0001", problem="any")
        ):  # the filter that was chosen since
            await page.keyboard.type("T-0001")
            await page.keyboard.press("ArrowLeft")
        async with page.expect_request_finished(fleet(search="T-00001", problem="any")):
            await page.keyboard.type("0")
            assert await shown_text(page) == ["T-00001", True, 6]
            held.let_go.set()
    await expect(page.locator(".empty strong")).to_be_visible()
    assert await shown_text(page) == ["T-00001", True, 6]
    assert await page.locator("#search").get_attribute("data-mine") == "yes"
    await page.keyboard.press("Backspace")
    await page.locator(".chip").nth(0).click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody tr")).to_contain_text("T-0001")


async def test_half_a_word_asks_for_nothing(page: Page) -> None:
    """An input method tells the letters of a Chinese word before the word."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    line = await page.context.new_cdp_session(page)
    await page.locator("#search").click()
    await line.send("Input.imeSetComposition", {"text": "jing", "selectionStart": 4, "selectionEnd": 4})
    async with page.expect_request(fleet()):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
    assert await shown_text(page) == ["jing", True, 4]
    async with page.expect_request(fleet(search="静")):
        await line.send("Input.insertText", {"text": "静"})
    assert not [url for url in asked if "search=jing" in url]


async def test_the_address_fills_a_field_that_nobody_types_into(page: Page) -> None:
    await page.evaluate("location.hash = '#/tills?search=t-0002'")
    await expect(page.locator("#search")).to_have_value("t-0002")
    await page.go_back()
    await expect(page.locator("#search")).to_have_value("")


async def test_conflicts_say_who_keeps_the_coupon_and_who_bears_it(page: Page) -> None:
    await page.evaluate("location.hash = '#/conflicts'")
    row = page.locator("tbody tr").first
    chinese = await page.evaluate("document.documentElement.lang === 'zh-CN'")
    await expect(page.locator("tbody tr")).to_have_count(2)
    for side, store, title, hour in (
        (3, "S-0012", STORE.title, "08:30"),
        (4, "S-0031", NOODLES.title, "09:30"),
    ):
        cell = row.locator(f"td:nth-child({side})")
        await expect(cell.locator("strong")).to_have_text(store)
        for said in (title.zh if chinese else title.en, "¥30.00", hour):
            await expect(cell).to_contain_text(said)
    await expect(row.locator(".sentence")).to_contain_text(
        "商户 M-7 承担" if chinese else "merchant M-7 bears it"
    )
    await page.locator(".chip").nth(1).click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator(".sentence").nth(1)).to_contain_text("T-0002-4")


async def test_a_campaign_of_which_nothing_was_issued_here_accuses_no_issuer(page: Page) -> None:
    """Its coupons may be the issuer's own, or not made yet: the cloud knows that none are its own."""
    await page.evaluate("location.hash = '#/campaigns'")
    chinese = await page.evaluate("document.documentElement.lang === 'zh-CN'")
    issued = page.locator("tbody tr td:nth-child(2)")
    await expect(issued).to_have_text("本云未发行" if chinese else "none by this cloud")
