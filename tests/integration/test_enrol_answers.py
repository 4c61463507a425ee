"""Enrolment against a cloud that answers nonsense: a clear error, and nothing of it is kept."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import config
from agent.commands.enrol import enrol
from agent.commands.errors import CommandError
from agent.domain.record import GENESIS
from tests.core_kit import rows
from tests.factory import Factory

GOOD = {"sequence": 0, "hash": GENESIS}


def answer(**changes: Any) -> dict[str, Any]:
    root = base64.b64encode(Factory().root()).decode()
    usual = {"till": "T-1", "store": "S-1", "root": root, "lanes": {"redemption": GOOD, "evidence": GOOD}}
    return usual | changes


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        answer(root="AAAA"),
        answer(root=7),
        answer(lanes=None),
        answer(lanes={"redemption": GOOD}),
        answer(lanes={"redemption": GOOD, "evidence": []}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": True, "hash": GENESIS}}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": -1, "hash": GENESIS}}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": 10**15, "hash": GENESIS}}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": 5, "hash": GENESIS[1:]}}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": 5, "hash": GENESIS + "\n"}}),
        answer(lanes={"redemption": GOOD, "evidence": {"sequence": 5, "hash": None}}),
    ],
)
async def test_an_answer_that_cannot_be_used_enrols_nothing(tmp_path: Path, said: Any) -> None:
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(said)

    app = web.Application()
    app.router.add_post("/v1/enrol", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = config.Config(
            till=config.Till(state_dir=str(tmp_path / "till")), cloud=config.Cloud(url=url)
        )
        with pytest.raises(CommandError, match="cannot be used"):
            await enrol(settings, "AAAA-BBBB-CCCC")
    finally:
        await runner.cleanup()
    assert rows(tmp_path / "till" / "till.db", "SELECT * FROM setting") == []
