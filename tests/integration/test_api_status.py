"""The till's status over the API: the line, and what it says when the ledger or a device is in trouble."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import config
from agent.domain.time import from_timestamp
from sync.lane_state import LaneState
from tests.integration.api_kit import listening, real_till, until


async def test_the_line_says_when_the_cloud_last_answered(tmp_path: Path) -> None:
    """Lane states count in the monotonic clock; the page wants a time of day, the same one at every question."""
    async with real_till(tmp_path / "state", cloud=config.Cloud(url="http://127.0.0.1:9")) as till:
        assert (await till.call("GET", "/v1/status")).json["line"]["last_success"] is None
        ago = till.app.till._w.clock.monotonic() - 90
        lane = LaneState("redemption", "idle", ago, None, 0, None, None)
        till.app.till._w = replace(till.app.till._w, lanes=lambda: [lane])
        await until(lambda: till.app.till._line[0] == "online")
        first = (await till.call("GET", "/v1/status")).json["line"]
        again = (await till.call("GET", "/v1/status")).json["line"]
        assert (first["state"], first["last_success"]) == ("online", again["last_success"])
        off = datetime.now(UTC) - timedelta(seconds=90) - from_timestamp(first["last_success"])
        assert abs(off) < timedelta(seconds=20)


async def test_a_till_without_a_cloud_is_off_line_by_choice(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state") as till:
        line = (await till.call("GET", "/v1/status")).json["line"]
        assert line == {"state": "off", "since": None, "last_success": None, "zh": "", "en": ""}


async def test_a_missing_scanner_is_an_issue_and_no_harm(tmp_path: Path) -> None:
    missing = config.SerialScanner(name="counter", port=str(tmp_path / "none"))
    async with real_till(tmp_path / "state", scanner=(missing,)) as till, listening(till) as page:
        while not (told := await page.event("status"))["issues"]:
            pass
        assert {issue["code"] for issue in told["issues"]} == {"device_lost"}
        assert (await till.call("GET", "/v1/health")).status == 200
        assert (await till.redeem(till.coupon())).json["accepted"] is True


async def test_nothing_is_told_while_nothing_changes(tmp_path: Path) -> None:
    """A status that differs by a clock's jitter would wake every page twice a second for ever."""
    async with real_till(tmp_path / "state", cloud=config.Cloud(url="http://127.0.0.1:9")) as till:
        lane = LaneState("bundle", "idle", till.app.till._w.clock.monotonic(), None, 0, None, None)
        till.app.till._w = replace(till.app.till._w, lanes=lambda: [lane])
        await until(lambda: till.app.till._line[0] == "online")
        one = await till.app.till.status()
        two = await till.app.till.status()
        assert one | {"time": ""} == two | {"time": ""}
