"""News end to end: a revocation reaches a till that would ask only after an hour; and what happens where it cannot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import config
from agent.app import App, running
from agent.commands.enrol import enrol
from agent.line.news import WAIT_LEAST_S, WAIT_S, NewsWatch
from cloud.indexes import new_index_key
from cloud.ingest import ingest
from cloud.main import init
from cloud.news import News
from cloud.ports import CloudStore, KeyState
from cloud.store.postgres import PostgresStore, create
from sync.backoff import Backoff
from sync.errors import WireError
from sync.news import NEWS_TYPE, SPREAD_MAX_MS, read_news
from sync.ports import Answer, Failure, FailureKind
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.contract.test_cloud_store import issuer_key
from tests.integration.api_kit import until
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.integration.test_cloud_restored import day, issue, serving
from tests.postgres_server import PostgresServer
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, NOW, batch, campaign, enrolled, sealing_till

AN_HOUR = 3600.0


async def test_what_is_news_and_what_is_not(store: CloudStore) -> None:
    one, two = sealing_till("T-1"), sealing_till("T-2", 2)
    await enrolled(store, one, two)
    said = [await store.news("T-1")]
    await store.put_campaign(campaign(), None, new_index_key())
    await store.add_key(issuer_key())
    said.append(await store.news("T-1"))
    await ingest(store, one.known(), "redemption", batch([one.redeem(1), one.redeem(2)]), lambda: NOW)
    assert await store.news("T-1") == said[-1], "a sale wakes nobody"
    await store.revoke(ISSUER, CAMPAIGN, [5], AT)
    said.append(await store.news("T-1"))
    await store.revoke(ISSUER, CAMPAIGN, [5], AT)
    assert await store.news("T-1") == said[-1], "it was revoked before"
    await store.change_key(issuer_key().kid, KeyState.WITHDRAWN)
    said.append(await store.news("T-1"))
    await store.revoke_till("T-2", AT)
    said.append(await store.news("T-1"))
    assert said == [(number, 0) for number in range(len(said))]
    await ingest(store, two.known(), "redemption", batch([two.redeem(9)]), lambda: NOW)
    await ingest(store, one.known(), "redemption", batch([one.redeem(9)]), lambda: NOW)
    assert await store.news_since(AT) == (len(said) - 1, {}), "what is held accuses nobody"
    await store.release_held("T-2", AT)
    assert await store.news("T-1") == (len(said) - 1, 1)
    assert await store.news_since(AT) == (len(said) - 1, {"T-1": 1, "T-2": 1})


async def test_what_happens_at_one_receiver_wakes_who_waits_at_another(postgres: PostgresServer) -> None:
    url = postgres.fresh_database()
    await create(url, b"first", "admin", AT)
    here, there = PostgresStore(url), PostgresStore(url)
    try:
        await here.put_campaign(campaign(), None, new_index_key())
        news = News(there, lambda: NOW)
        mark = (await news.wait("T-1", "", 0)).mark
        waits = asyncio.create_task(news.wait("T-1", mark, 30))
        await until(lambda: news.waiting == 1)
        await here.revoke(ISSUER, CAMPAIGN, [5], AT)
        assert (await waits).mark != mark
    finally:
        await here.close()
        await there.close()


async def test_the_cloud_keeps_a_question_and_answers_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")

        async def ask(query: str) -> Answer:
            async with client.uplink() as uplink:
                answer = await uplink.get(f"/v1/tills/T-1/news?{query}")
            assert isinstance(answer, Answer)
            return answer

        first = read_news((await ask("seen=&wait=0")).body)
        task = asyncio.create_task(ask(f"seen={first.mark}&wait=20"))
        await somebody_waits(cloud)
        revocation = {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [5]}
        assert (await cloud.admin("POST", "revocations", revocation))[0] in (200, 201)
        answer = await task
        assert answer.headers["content-type"] == NEWS_TYPE
        assert read_news(answer.body).mark != first.mark
        for wrong in ("seen=&wait=51", "seen=&wait=-1", "seen=&wait=x"):
            assert (await ask(wrong)).status == 422
        assert (await ask("sen=1")).status == 400
        mark = read_news((await ask("wait=0")).body).mark
        kept = asyncio.create_task(ask(f"seen={mark}&wait=50"))
        await somebody_waits(cloud)
        assert cloud.cloud is not None
        await cloud.cloud.news.close()  # as at the end of a receiver
        assert read_news((await kept).body).mark == mark


# --- a till ---


def settings(folder: Path, url: str, **sync: Any) -> config.Config:
    return config.Config(
        till=config.Till(state_dir=str(folder)),
        api=config.Api(port=0),
        cloud=config.Cloud(url=url),
        sync=config.Sync(bundle_interval_s=AN_HOUR, **sync),
    )


@asynccontextmanager
async def open_till(cloud: Running, folder: Path, url: str | None = None) -> AsyncIterator[App]:
    status, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
    assert status == 201, made
    await enrol(settings(folder, cloud.url), made["code"])
    async with running(settings(folder, url or cloud.url, backoff_base_s=0.05, backoff_cap_s=0.1)) as app:
        yield app


async def revoked(cloud: Running, coupon: dict[str, Any]) -> None:
    body = {"issuer": ISSUER, "campaign": CAMPAIGN, "indexes": [coupon["index"]]}
    status, answer = await cloud.admin("POST", "revocations", body)
    assert status in (200, 201), answer


async def until_refused(app: App, coupon: dict[str, Any]) -> None:
    await until(lambda: app.till.explain(coupon["token"], None).outcome.value == "revoked")


async def somebody_waits(cloud: Running) -> None:
    assert cloud.cloud is not None
    news = cloud.cloud.news
    await until(lambda: news.waiting > 0)


async def test_a_revocation_does_not_wait_for_the_hour(tmp_path: Path) -> None:
    token = init(tmp_path / "cloud")["admin_token"]
    async with asyncio.timeout(60), serving(tmp_path / "cloud", token) as cloud:
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        async with open_till(cloud, tmp_path / "till") as app:
            coupons = await issue(cloud, 2)
            for coupon in coupons:  # and again: the till waits anew
                await somebody_waits(cloud)
                await revoked(cloud, coupon)
                await until_refused(app, coupon)


@asynccontextmanager
async def impatient_proxy(port: int) -> AsyncIterator[tuple[int, list[float]]]:
    """Cuts a connection that was silent for a moment; counts what it cut."""
    cut: list[float] = []

    async def pipe(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                async with asyncio.timeout(0.2):
                    data = await reader.read(65536)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        for each in (writer, other):
            each.transport.abort()
        cut.append(0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, up_writer, writer), pipe(up_reader, writer, up_writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], cut


async def test_where_a_proxy_cuts_it_the_till_goes_on_and_says_nothing(tmp_path: Path) -> None:
    token = init(tmp_path / "cloud")["admin_token"]
    async with asyncio.timeout(60), serving(tmp_path / "cloud", token) as cloud:
        await cloud.set_up(starts=day() - 10, ends=day() + 60)
        async with (
            impatient_proxy(int(cloud.url.rpartition(":")[2])) as (port, cut),
            open_till(cloud, tmp_path / "till", f"http://127.0.0.1:{port}") as app,
        ):
            (coupon,) = await issue(cloud, 1)
            await until(lambda: len(cut) >= 8)
            status = await app.till.status()
            assert (status["line"]["state"], status["issues"]) == ("online", [])
            await revoked(cloud, coupon)
            await until_refused(app, coupon)  # by the mark, which the next question compares


class Scripted:
    """An uplink that gives one answer after the other and notes what was asked."""

    def __init__(self, answers: Iterator[Answer | Failure]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.ended = asyncio.Event()

    async def wait(self, path: str, max_bytes: int, wait_s: float) -> Answer | Failure:
        self.asked.append(path)
        for answer in self.answers:
            return answer
        self.ended.set()
        await asyncio.Event().wait()
        raise AssertionError("it was cancelled")


def told(mark: str, spread_ms: int = 0) -> Answer:
    body = f'{{"mark": "{mark}", "spread_ms": {spread_ms}}}'.encode()
    return Answer(200, {"content-type": NEWS_TYPE}, body)


async def play(*answers: Answer | Failure, seconds: float = 100.0) -> tuple[list[str], int]:
    """What was asked, and how often the till was woken; every question takes so many seconds by its clock."""
    clock, woken = iter(range(0, 10**9, int(seconds) or 1)), []
    uplink = Scripted(iter(answers))
    watch = NewsWatch(
        uplink.wait,
        "T-1",
        lambda: woken.append(1),
        Backoff(0.001, 0.001),
        rest_s=0.0,
        clock=lambda: float(next(clock)),
        random=lambda: 0.5,
    )
    task = asyncio.create_task(watch.run())
    await uplink.ended.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return [path.partition("?")[2] for path in uplink.asked], len(woken)


async def test_it_wakes_for_another_mark_alone() -> None:
    asked, woken = await play(told("1.0"), told("1.0"), told("2.0"), told("2.0"), told("1.0"))
    seen = ["", "1.0", "1.0", "2.0", "2.0", "1.0"]
    assert asked == [f"seen={mark}&wait={WAIT_S}" for mark in seen]
    assert woken == 2, "the first is no news, and a cloud that was restored is"


async def test_what_fails_shortens_the_wait_and_loses_no_mark() -> None:
    cut, none = Failure(FailureKind.INTERRUPTED, "cut"), Answer(404, {}, b"")
    page = Answer(200, {"content-type": "text/html"}, b"<html>")
    asked, woken = await play(told("1.0"), cut, page, none, none, told("2.0"))
    waits = [int(query.rpartition("=")[2]) for query in asked]
    assert waits == [45, 45, 22, 11, WAIT_LEAST_S, WAIT_LEAST_S, WAIT_LEAST_S]
    assert woken == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"mark": ""}',
        b'{"mark": "a b"}',
        b'{"mark": 1}',
        b'{"mark": "' + b"x" * 65 + b'"}',
    ],
)
def test_other_news_are_none(body: bytes) -> None:
    with pytest.raises(WireError):
        read_news(body)


def test_no_cloud_puts_a_till_off_for_long() -> None:
    assert read_news(b'{"mark": "1.0", "spread_ms": 99999999}').spread_ms == SPREAD_MAX_MS
    assert read_news(b'{"mark": "1.0", "spread_ms": -1}').spread_ms == 0
    assert read_news(b'{"mark": "1.0"}').spread_ms == 0
