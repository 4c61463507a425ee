"""`redeemd cloud till`: beside a running server, which acts on it with the next request."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent import cli
from tests.integration.cloud_server_kit import STORE_BODY, enrolment, running_cloud
from tests.unit.cloud_kit import sealing_till


async def till(*arguments: object) -> int:
    """A command has an event loop of its own."""
    return await asyncio.to_thread(cli.main, ["cloud", "till", *(str(argument) for argument in arguments)])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


async def test_a_till_is_added_revoked_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cloud"
    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        assert await till("add", folder, "T-1", "--store", STORE_BODY["store"]) == 0
        code = said(capsys).split("--code ")[1].strip()
        first = sealing_till("T-1", 1)
        assert (await cloud.post_enrolment(enrolment(first, code)))[0] == 200
        assert await till("revoke", folder, "T-1") == 0
        assert "revoked" in said(capsys)
        client_status = [line["state"] for line in (await cloud.admin("GET", "tills"))[1]["tills"]]
        assert client_status == ["revoked"]
        assert await till("code", folder, "T-1") == 0
        code = said(capsys).split("--code ")[1].split()[0]
        status, problem = await cloud.post_enrolment(enrolment(first, code))
        assert (status, problem["code"]) == (409, "key_used")
        status, answer = await cloud.post_enrolment(enrolment(sealing_till("T-1", 2), code))
        assert (status, answer["lanes"]["redemption"]["sequence"] > 0) == (200, True)
        assert await till("list", folder) == 0
        assert "T-1  store S-0012  enrolled" in said(capsys)


@pytest.mark.parametrize("action", ["revoke", "code"])
async def test_a_till_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert await till(action, tmp_path / "none", "T-1") == 1
    assert "redeemd cloud init" in capsys.readouterr().err
    async with running_cloud(tmp_path / "cloud"):
        assert await till(action, tmp_path / "cloud", "T-9") == 1
    assert "there is no till T-9" in capsys.readouterr().err
