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


@pytest.mark.parametrize("name", ["-x", ".hidden", "a b", "a/../b", "一", "x" * 33, ""])
async def test_a_name_that_the_api_refuses_is_no_tills_name_here_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / "cloud"
    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        assert await till("add", "--store", STORE_BODY["store"], folder, "--", name) == 1
        assert "1 to 32" in capsys.readouterr().err
        assert (await cloud.admin("GET", "tills"))[1]["tills"] == []


async def test_what_a_revoked_till_reports_is_listed_refused_and_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cloud"
    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        client = await cloud.enrol("T-1")
        assert await till("revoke", folder, "T-1", "--keep-promos") == 0
        assert "0 promo codes" in said(capsys)
        assert await till("held", folder, "T-1") == 0
        assert said(capsys) == "nothing is held of till T-1\n"
        await client.post(client.till.redeem(3))
        kid = client.till.key.kid.hex()
        assert await till("list", folder) == 0
        assert "1 uses held" in said(capsys)
        assert await till("held", folder, "T-1") == 0
        line = said(capsys)
        assert f"T-1-1  acme/7/3  key {kid}  stored\n" in line
        assert await till("refuse", folder, "T-1", "--key", "0" * 16) == 0
        assert said(capsys).startswith("0 uses")
        assert await till("refuse", folder, "T-1", "--key", kid) == 0
        assert said(capsys).startswith("1 uses")
        assert await till("held", folder, "T-1") == 0
        assert "stored  refused\n" in said(capsys)
        assert await till("release", folder, "T-1") == 0
        assert said(capsys).startswith("1 uses count now, 0 of them")
        assert await till("release", folder, "T-1", "--key", "x") == 1
        assert "--key: kid is not 16 digits" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["revoke", "code", "held", "release", "refuse"])
async def test_a_till_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert await till(action, tmp_path / "none", "T-1") == 1
    assert "redeemd cloud init" in capsys.readouterr().err
    async with running_cloud(tmp_path / "cloud"):
        assert await till(action, tmp_path / "cloud", "T-9") == 1
    assert "there is no till T-9" in capsys.readouterr().err


async def test_a_till_moves_and_a_store_changes_only_if_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cloud"
    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        other = STORE_BODY | {"store": "S-0013", "number": 13}
        assert (await cloud.admin("POST", "stores", other))[0] == 201
        assert await till("add", folder, "T-1", "--store", STORE_BODY["store"]) == 0
        assert await till("add", folder, "T-1", "--store", STORE_BODY["store"]) == 0, "a new code"
        assert await till("add", folder, "T-1", "--store", "S-0013") == 1
        assert f"known in store {STORE_BODY['store']}" in capsys.readouterr().err
        assert await till("add", folder, "T-1", "--store", "S-0013", "--move") == 0
        assert (await cloud.admin("GET", "tills"))[1]["tills"][0]["store"] == "S-0013"

        titled = other | {"title": {"zh": "新店", "en": "New"}}
        assert (await cloud.admin("POST", "stores", titled))[0] == 201, "a name is only a name"
        status, problem = await cloud.admin("POST", "stores", other | {"currency": "EUR"})
        assert (status, problem["code"]) == (409, "store_known")
        assert "currency CNY (now EUR)" in problem["detail"]
        assert (await cloud.admin("POST", "stores", other | {"currency": "EUR", "change": True}))[0] == 201
        status, problem = await cloud.admin("POST", "stores", other | {"currency": "ABC", "change": True})
        assert (status, "ISO 4217" in problem["detail"]) == (422, True)
