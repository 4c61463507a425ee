"""The feed over HTTP: pages, types, waiting, and who may read it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cloud.api import feed
from cloud.feed import MEDIA_TYPE, TYPES
from tests import cloud_contract
from tests.cloud_stores import database as database  # the fixture, for every store
from tests.integration.cloud_server_kit import Running, running_cloud


async def events(cloud: Running, query: str = "", token: str | None = None) -> tuple[int, Any, str]:
    """(status, JSON answer, Next-After)"""
    headers = {"Authorization": f"Bearer {cloud.token if token is None else token}"}
    async with cloud.session.get(f"{cloud.url}/v1/events{query}", headers=headers) as response:
        if response.status == 200:
            assert response.headers["Content-Type"] == MEDIA_TYPE
        return response.status, json.loads(await response.text()), response.headers.get("Next-After", "")


async def test_a_page_says_where_the_next_begins(tmp_path: Any, database: str | None) -> None:
    async with running_cloud(tmp_path / "cloud", database=database) as cloud:
        await cloud.set_up()
        till = await cloud.enrol("T-1")
        await till.post(*(till.till.redeem(index) for index in range(5)))
        found, after = [], "0.0"
        while True:
            status, page, next_after = await events(cloud, f"?after={after}&limit=2")
            assert status == 200
            if next_after == after:
                break
            found += page
            after = next_after
        assert [one["id"] for one in found[1:]] == [f"T-1-{n}" for n in range(1, 6)]
        assert (await events(cloud, "?type=redeemd.till.enrolled.v1"))[1] == found[:1]
        _, none, end = await events(cloud, "?after=latest")
        assert none == []
        waiting = asyncio.create_task(events(cloud, f"?after={end}&wait=30"))
        await till.post(till.till.redeem(9))
        status, (late,), _ = await waiting
        assert (status, late["id"]) == (200, "T-1-6")


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("?after=1", 422, "Next-After"),
        ("?after=-1.0", 422, "Next-After"),
        ("?after=01.0", 422, "Next-After"),
        (f"?after={10**16}.0", 422, "Next-After"),
        ("?after=7.0", 409, "backup"),
        ("?limit=0", 422, "limit is not 1 to 500"),
        ("?limit=501", 422, "limit"),
        ("?wait=31", 422, "wait"),
        ("?wait=1.5", 422, "wait"),
        ("?type=", 422, "there is no type"),
        ("?type=redeemd.redemption.v1,x", 422, "there is no type 'x'"),
        ("?since=1", 400, "there are: after, limit, type, wait"),
    ],
)
async def test_a_query_that_is_none_is_refused(tmp_path: Any, query: str, status: int, word: str) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        found, answer, _ = await events(cloud, query)
        assert (found, word in answer["detail"]) == (status, True), answer


async def test_nobody_reads_it_without_a_token(tmp_path: Any) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        assert (await events(cloud, token="x"))[0] == 401
        _, made = await cloud.admin("POST", "tokens", {"role": "viewer", "name": "board"})
        assert (await events(cloud, token=made["token"]))[0] == 403
        _, made = await cloud.admin("POST", "tokens", {"role": "settlement", "name": "erp"})
        assert (await events(cloud, token=made["token"]))[0] == 200


async def test_a_reader_beyond_those_that_may_wait_is_answered_at_once(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "WAITERS_MAX", 0)
    async with running_cloud(tmp_path / "cloud") as cloud:
        async with asyncio.timeout(20):
            assert (await events(cloud, "?wait=30"))[:2] == (200, [])


def test_the_list_of_types_is_closed_and_documented() -> None:
    document = (feed.__file__ or "").rpartition("/cloud/")[0] + "/docs/integration.md"
    with open(document, encoding="utf-8") as page:
        text = page.read()
    assert {kind for kind in TYPES if f"`{kind}`" not in text} == set()
    assert (
        set(cloud_contract.document()["components"]["schemas"]["OutwardEvent"]["properties"]["type"]["enum"])
        == TYPES
    )
