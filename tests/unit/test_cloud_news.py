"""Tills that wait for news: any number of them cost one look, and none is told a thing twice or never."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from cloud import news as news_module
from cloud.errors import Refused, StoreUnavailable
from cloud.news import FETCHES_S, SPREAD_MAX_MS, News
from tests.integration.api_kit import until

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Store:
    """The two numbers, and how often they were looked at."""

    def __init__(self) -> None:
        self.number = 0
        self.verdicts: dict[str, int] = {}
        self.looks = 0
        self.away = False

    async def news(self, till: str) -> tuple[int, int]:
        return self.number, self.verdicts.get(till, 0)

    async def news_since(self, at: str) -> tuple[int, dict[str, int]]:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.number, dict(self.verdicts)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def news(store: Store, monkeypatch: pytest.MonkeyPatch) -> News:
    monkeypatch.setattr(news_module, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(news_module, "WAIT_MAX_S", 10)
    return News(store, lambda: NOW)


async def waiting(news: News, count: int) -> None:
    await until(lambda: news.waiting == count)


async def test_whoever_has_not_heard_is_told_at_once(store: Store, news: News) -> None:
    assert (await news.wait("T-1", "", 5)).mark == "0.0"
    store.number = 4
    assert (await news.wait("T-1", "0.0", 5)).mark == "4.0"
    assert (await news.wait("T-1", "4.0", 0)).mark == "4.0", "nothing new, and it does not want to wait"
    store.number = 2  # a cloud that was restored
    assert (await news.wait("T-1", "4.0", 5)).mark == "2.0"
    assert store.looks == 0


async def test_who_waits_hears_of_what_concerns_it(store: Store, news: News) -> None:
    one, two = (asyncio.create_task(news.wait(till, "0.0", 9)) for till in ("T-1", "T-2"))
    await waiting(news, 2)
    store.verdicts["T-1"] = 3
    heard = await one
    assert (heard.mark, heard.spread_ms) == ("0.3", 0)
    assert not two.done()
    store.number = 1
    assert (await two).mark == "1.0"
    assert news.waiting == 0


async def test_ten_thousand_are_one_look_and_spread_themselves(store: Store, news: News) -> None:
    tills = [asyncio.create_task(news.wait(f"T-{number}", "0.0", 9)) for number in range(10_000)]
    await waiting(news, 10_000)
    looks, store.number = store.looks, 1
    heard = await asyncio.gather(*tills)
    assert store.looks <= looks + 1
    assert {one.mark for one in heard} == {"1.0"}
    assert {one.spread_ms for one in heard} == {min(10_000 * 1000 // FETCHES_S, SPREAD_MAX_MS)}


async def test_one_request_of_a_till_waits(store: Store, news: News) -> None:
    first = asyncio.create_task(news.wait("T-1", "0.0", 9))
    await waiting(news, 1)
    second = asyncio.create_task(news.wait("T-1", "0.0", 9))
    assert (await first).mark == "0.0", "nobody reads it any more"
    assert news.waiting == 1
    store.number = 1
    assert (await second).mark == "1.0"


async def test_it_ends_and_nobody_looks_any_more(store: Store, news: News) -> None:
    assert (await news.wait("T-1", "0.0", 0.01)).mark == "0.0"
    looks = store.looks
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert store.looks <= looks + 1, "nobody waits"
    assert news.waiting == 0


async def test_a_database_that_is_away_for_a_while_loses_nothing(
    store: Store, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "WAIT_MAX_S", 0.5)
    store.away = True
    task = asyncio.create_task(news.wait("T-1", "0.0", 0.4))
    await until(lambda: store.looks > 0)
    store.number, store.away = 1, False
    assert (await task).mark == "1.0"


async def test_too_many_are_told_so_and_a_stop_answers_all(
    store: Store, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_module, "WAITERS_MAX", 1)
    first = asyncio.create_task(news.wait("T-1", "0.0", 9))
    await waiting(news, 1)
    with pytest.raises(Refused) as refused:
        await news.wait("T-2", "0.0", 9)
    assert refused.value.status == 503
    await news.close()
    assert (await first).mark == "0.0"
    assert (await news.wait("T-1", "0.0", 9)).mark == "0.0", "a receiver that stops keeps no question"
