"""Webhooks as staff keeps them: over HTTP, and by command on the cloud's machine."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud import main
from tests.integration.cloud_server_kit import running_cloud
from tests.integration.webhook_kit import LOOPBACK, Endpoint, endpoint

REDEMPTION = "redeemd.redemption.v1"


@pytest.fixture
async def to() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        yield made


async def test_over_http_and_by_command(
    tmp_path: Path, to: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_cloud(tmp_path / "cloud", webhook_networks=LOOPBACK) as cloud:
        status, made = await cloud.admin("POST", "webhooks", {"url": to.url, "types": [REDEMPTION]})
        assert status == 201
        one = f"webhooks/{made['webhook']}"
        status, tried = await cloud.admin("POST", f"{one}/test")
        assert (status, tried["verdict"], to.got[0][1]["type"]) == (200, "taken", "redeemd.test.v1")
        assert to.signed_by(made["secret"])
        for action, state in (("disable", "disabled"), ("enable", "active")):
            status, said = await cloud.admin("POST", f"{one}/{action}")
            assert (status, said["state"]) == (200, state)
        assert (await cloud.admin("GET", "webhooks"))[0] == 200
        assert (await cloud.admin("GET", one))[0] == 200
        assert (await cloud.admin("POST", f"{one}/rotate"))[0] == 200
        assert (await cloud.admin("POST", f"{one}/replay"))[0] == 200
        for body, word in (({"url": "http://erp.example"}, "https"), ({"url": to.url, "x": 1}, "x")):
            status, said = await cloud.admin("POST", "webhooks", body)
            assert (status, word in said["detail"]) == (422, True)
        _, weak = await cloud.admin("POST", "tokens", {"role": "settlement", "name": "erp"})
        assert (await cloud.admin("GET", "webhooks", token=weak["token"]))[0] == 403
        assert (await cloud.admin("DELETE", one))[0] == 200
        assert (await cloud.admin("GET", one))[0] == 404

    async def command(*words: str) -> list[dict[str, Any]]:
        arguments = ["webhook", words[0], str(tmp_path / "cloud"), *words[1:]]
        assert await asyncio.to_thread(main.run, parser().parse_args(arguments)) == 0, capsys.readouterr()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    (made,) = await command("add", to.url, "--type", REDEMPTION, "--after", "0.0")
    assert [one["webhook"] for one in await command("list")] == [made["webhook"]]
    await command("test", made["webhook"], "--webhook-net", "127.0.0.0/8")
    assert to.got[-1][1]["data"] == {"webhook": made["webhook"]}
    for action in ("disable", "enable", "rotate", "replay", "show", "remove"):
        (said,) = await command(action, made["webhook"])
        assert said["webhook"] == made["webhook"]
    assert await command("list") == []
    wrong = parser().parse_args(["webhook", "add", str(tmp_path / "cloud"), "http://erp.example/"])
    assert await asyncio.to_thread(main.run, wrong) == 1
    assert "plain http is for this machine alone" in capsys.readouterr().err


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    main.add_arguments(made)
    return made
