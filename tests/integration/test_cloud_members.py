"""Members from the cloud to a running till and back: list, card, points offline, the new balance in the next bundle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

import config
from agent.app import App, running
from agent.cli import main
from agent.commands.enrol import enrol
from agent.domain.benefit import PointsSpend
from agent.domain.offer import Offer
from agent.domain.time import day_number
from cloud.api.background import count_all
from cloud.main import init
from cloud.publish import Ages
from tests.core_kit import files_hold
from tests.factory import Factory
from tests.integration.api_kit import RealTill
from tests.integration.cloud_server_kit import STORE_BODY, Running, running_cloud
from tests.integration.test_cloud_restored import day, serving
from tests.unit.cloud_kit import CAMPAIGN, ISSUER

WHO = "a1a2a3a4a5a6a7a8"
PROGRAM = {"earn_minor": 100, "count_day": 5, "points_day": 900, "count_offline": 5, "points_offline": 900}


def shop_day() -> int:
    """Today where the store is: in its evening that is another day than in UTC."""
    return day_number(datetime.now(UTC), ZoneInfo(str(STORE_BODY["zone"])))


async def until(app: App, holds: Callable[[], bool]) -> None:
    """Poll and send until it holds; the test's own time-out bounds it."""
    while not holds():
        app._line.poll_now()
        app._line.wake()
        await asyncio.sleep(0.02)


async def set_up(cloud: Running) -> str:
    """A campaign that points pay for, a member with 1200 points, a program; returns the member's card."""
    pays = Offer(PointsSpend(100, 100, 500))
    await cloud.set_up(starts=day() - 10, ends=day() + 60, offer=pays)
    member = {"pseudonym": WHO, "level": 2, "consent": True, "points": 1_200, "visits": 3}
    for path, body in (
        ("members", {"members": [member]}),
        ("member-program", {"program": PROGRAM}),
    ):
        status, answer = await cloud.admin("POST", path, body)
        assert status == 201, answer
    cards = [{"pseudonym": WHO, "not_before": day() - 1, "expires": day() + 1, "level": 1}]
    status, made = await cloud.admin("POST", "member-cards", {"issuer": ISSUER, "cards": cards})
    assert status == 201, made
    card: str = made["cards"][0]
    return card


async def test_points_are_spent_offline_and_the_next_list_holds_them(tmp_path: Path) -> None:
    token, folder = init(tmp_path / "cloud")["admin_token"], tmp_path / "T-1"
    async with serving(tmp_path / "cloud", token, ages=Ages(refresh_s=1, members_s=0)) as cloud:
        card = await set_up(cloud)
        _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
        settings = config.Config(
            till=config.Till(state_dir=str(folder)), api=config.Api(port=0), cloud=config.Cloud(url=cloud.url)
        )
        await enrol(settings, made["code"])
        order = {
            "issuer": ISSUER,
            "campaign": CAMPAIGN,
            "count": 2,
            "not_before": day() - 1,
            "expires": day() + 9,
        }
        _, issued = await cloud.admin("POST", "coupons", order)
        coupon = issued["coupons"][0]["token"]
        async with running(settings) as app, aiohttp.ClientSession() as session:
            till = RealTill(app, Factory(), session)

            def listed() -> Any:
                trust = app._state.trust
                return None if trust is None else trust.contents.members

            async def shown() -> int:
                app.till._intake.begin_anew()
                said = (await till.call("POST", "/v1/scan", {"text": card})).json
                assert said["detail"] == "taken", said
                found: int = (await till.call("GET", "/v1/status")).json["member"]["points"]
                return found

            await until(app, lambda: bool(listed()))
            assert await shown() == 1_200
            body = {"text": coupon, "sale": {"sale_id": "A", "total_minor": 20_000}, "member": {"card": card}}
            verdict = (await till.call("POST", "/v1/redeem", body, Idempotency_Key="k")).json
            assert (verdict["outcome"], verdict["discount_minor"]) == ("accepted", 500)
            left = 1_200 - 500 + 195
            assert await shown() == left, "before the cloud knows"

            async def counted() -> None:
                assert cloud.cloud is not None
                while not listed().through:
                    await count_all(cloud.cloud.store)
                    app._line.poll_now()
                    app._line.wake()
                    await asyncio.sleep(0.05)

            await counted()
            found = listed().find(bytes.fromhex(WHO))
            assert (found.points, found.visits, found.last_day) == (left, 4, shop_day())
            assert (listed().through, await shown()) == ({"T-1": 1}, left), "not counted twice"
        (line,) = (await cloud.admin("GET", "members"))[1]["members"]
        assert (line["points"], line["level"]) == (left, 2)
    # the till knows the member by what records disclose, and by nothing else
    assert files_hold(folder / "till.db-wal", card[4:40]) == []


async def test_the_routes_of_members_read_strictly(tmp_path: Path) -> None:
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        good = {"pseudonym": WHO, "consent": True}
        card = {"pseudonym": WHO, "not_before": 1, "expires": 2}
        for path, body, code in (
            ("members", {"members": [good | {"pseudonym": "A1" * 8}]}, "bad_field"),
            ("members", {"members": [good | {"name": "Ann"}]}, "bad_field"),
            ("members", {"members": [good | {"level": 101}]}, "bad_field"),
            ("members", {"members": [{"pseudonym": WHO}]}, "bad_field"),
            ("members", {"members": [good | {"store": "S-9"}]}, "unknown_store"),
            ("member-program", {"program": {"gift": 1}}, "bad_field"),
            ("member-program", {"program": None, "store": "S-9"}, "unknown_store"),
            ("member-cards", {"issuer": "nobody", "cards": [card]}, "no_private_key"),
            ("member-cards", {"issuer": ISSUER, "cards": [card | {"expires": 0}]}, "bad_field"),
            ("member-cards", {"issuer": ISSUER, "cards": [card | {"pseudonym": "zz" * 8}]}, "bad_field"),
        ):
            status, answer = await cloud.admin("POST", path, body)
            assert (answer["code"], status >= 400) == (code, True), (path, body, answer)
        assert (await cloud.admin("POST", "members", {"members": [good]}))[0] == 201
        status, answer = await cloud.admin("GET", "members?overdrawn=1")
        assert (status, answer) == (200, {"members": [], "next": None})
        assert (await cloud.admin("GET", "members?overdrawn=2"))[0] == 422
        status, answer = await cloud.admin("GET", "members")
        assert answer["members"][0]["pseudonym"] == WHO


def test_the_loyalty_systems_file_is_taken_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "cloud")
    init(tmp_path / "cloud")
    lines = tmp_path / "members.jsonl"

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["cloud", "member", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    lines.write_text(f'{{"pseudonym": "{WHO}", "consent": true, "points": 7}}\n\n', "utf-8")
    assert run("import", folder, str(lines))[:2] == (
        0,
        "1 members are known; 0 were erased and stay unknown\n",
    )
    assert json.loads(run("list", folder)[1])["points"] == 7
    assert run("list", folder, "--overdrawn")[1] == ""
    assert run("program", folder, json.dumps(PROGRAM))[0] == 0
    lines.write_text("{}\n{", "utf-8")
    for arguments, said in (
        (("import", folder, str(lines)), "line 2: is no JSON object"),
        (("import", folder, str(tmp_path / "none")), "cannot be read"),
        (("program", folder, "{"), "is no JSON"),
        (("program", folder, '{"x": 1}'), "program.x"),
    ):
        code, _, complaint = run(*arguments)
        assert (code, said in complaint) == (1, True), complaint
