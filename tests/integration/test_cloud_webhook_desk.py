"""Webhooks as staff keeps them: over HTTP, and by command on the cloud's machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
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


async def test_an_address_that_nothing_answers_is_said_before_and_after(
    tmp_path: Path, to: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/hook"
    async with running_cloud(tmp_path / "cloud", webhook_networks=LOOPBACK) as cloud:
        await cloud.set_up()
        _, well = await cloud.admin("POST", "webhooks", {"url": to.url})
        assert (well["answer"], well["warning"]) == ("405", None), "it takes POST alone, and it answers"
        assert to.got == [], "nothing is sent to find out"
        _, made = await cloud.admin("POST", "webhooks", {"url": nowhere, "types": [REDEMPTION]})
        assert made["answer"] == "no_connection"
        assert "nothing answers at its address and port" in made["warning"]
        _, shown = await cloud.admin("GET", f"webhooks/{made['webhook']}")
        assert (shown["state"], shown["events_waiting"], shown["next_at"]) == ("unreached", 0, None)
        assert shown["problem"].endswith("0 events wait, no event waits for it")
        till = await cloud.enrol("T-1")
        await till.post(till.till.redeem(1), till.till.redeem(2))
        async with asyncio.timeout(60):
            while shown["failures"] < 2 or to.ids.count("T-1-2") == 0:  # the cloud sends by itself
                await asyncio.sleep(0.05)
                _, shown = await cloud.admin("GET", f"webhooks/{made['webhook']}")
        assert (shown["state"], shown["events_waiting"], shown["last"]) == ("failing", 2, "no_connection")
        for word in ("nothing answers", "since 20", "2 events wait", "next attempt"):
            assert word in shown["problem"]
        _, shown = await cloud.admin("GET", f"webhooks/{well['webhook']}")
        assert (shown["state"], shown["problem"], shown["events_waiting"]) == ("active", None, 0)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    main.add_arguments(made)
    return made
