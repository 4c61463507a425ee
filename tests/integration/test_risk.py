"""What is at risk, in money: the report of a running till, of a stopped one, and the command that shows it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from tests.factory import Factory, amount_off
from tests.integration.api_kit import RealTill, real_till

BUDGET = {
    "count_day": 10,
    "value_day_minor": 20_000,
    "count_offline": 5,
    "value_offline_minor": 100_000,
    "soft_percent": 40,
}


def offers() -> list[Any]:
    return [
        amount_off(1, budget=BUDGET),
        amount_off(2, offline_class="D", budget=None),
        amount_off(3, offline_class="A", budget=None),
        amount_off(4, starts=0, ends=1),  # over: nothing of it is taken any more
    ]


def of(said: Any, number: int) -> Any:
    (found,) = [one for one in said["campaigns"] if one["campaign"] == number]
    return found


async def risk(till: RealTill, query: str = "") -> Any:
    answer = await till.call("GET", f"/v1/risk{query}")
    assert answer.status == 200, answer.raw
    return answer.json


async def test_what_was_accepted_is_at_risk_and_what_is_left_shrinks(tmp_path: Path) -> None:
    factory = Factory(campaigns=offers())
    async with real_till(tmp_path / "state", factory) as till:
        before = of(await risk(till), 1)
        assert before["accepted_day"] == before["accepted_unseen"] == {"count": 0, "value_minor": 0}
        # five coupons of 30.00 fit, and 20 000 a day bounds them before 100 000 unseen does
        assert (before["left"], before["exposed_minor"]) == ({"count": 5, "value_minor": 15_000}, 15_000)
        assert before["left_alone"] == {"count": 2, "value_minor": 6_000}
        assert (await till.redeem(factory.coupon(1, 1), total_minor=20_000)).json["accepted"]
        assert (await till.redeem(factory.coupon(1, 2), total_minor=20_000)).json["accepted"]
        body = {"sale": {"total_minor": 20_000}, "coupons": [factory.coupon(7, 1)]}
        assert (await till.call("POST", "/v1/holds", body, Idempotency_Key="h")).status == 201

        said = await risk(till)
        one, open_, online = (of(said, number) for number in (1, 2, 3))
        assert [found["campaign"] for found in said["campaigns"]] == [2, 1, 3]  # not bounded, most, least
        assert one["accepted_day"] == one["accepted_unseen"] == {"count": 2, "value_minor": 6_000}
        assert one["limits"]["count_day"] == {"limit": 10, "holds": 10, "used": 2}
        assert (one["left"], one["left_alone"]) == (
            {"count": 3, "value_minor": 9_000},
            {"count": 0, "value_minor": 0},
        )
        assert (one["exposed_minor"], one["most_day_minor"], one["most_unseen_minor"]) == (
            15_000,
            20_000,
            15_000,
        )
        # no budget counts for it: its records do
        assert open_["accepted_unseen"] == {"count": 1, "value_minor": 3_000}
        assert (open_["left"], open_["exposed_minor"]) == ({"count": None, "value_minor": None}, None)
        assert (online["left"], online["exposed_minor"]) == ({"count": 0, "value_minor": 0}, 0)
        (total,) = said["totals"]
        assert (total["accepted_unseen_minor"], total["exposed_minor"], total["not_bounded"]) == (
            9_000,
            None,
            1,
        )
        alone = await risk(till, "?campaign=acme/1")
        assert [found["campaign"] for found in alone["campaigns"]] == [1]
        assert alone["totals"][0]["exposed_minor"] == 15_000


async def test_what_the_cloud_has_seen_is_at_risk_no_more(tmp_path: Path) -> None:
    factory = Factory(campaigns=offers())
    async with real_till(tmp_path / "state", factory) as till:
        for number in (1, 2):
            assert (await till.redeem(factory.coupon(1, number), total_minor=20_000)).json["accepted"]
        await till.app._database.run(
            lambda db: (
                db.execute("UPDATE redemption_record SET state = 'acknowledged'"),
                db.execute("DELETE FROM budget WHERE day = -1"),
            )
        )
        said = await risk(till)
    for number in (1, 2):
        found = of(said, number)
        assert found["accepted_day"] == {"count": 1, "value_minor": 3_000}
        assert found["accepted_unseen"] == {"count": 0, "value_minor": 0}
    assert of(said, 1)["left"] == {"count": 5, "value_minor": 15_000}


def test_the_command_of_a_stopped_till(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Factory(campaigns=offers()).install(tmp_path / "state")
    file = tmp_path / "till.toml"
    file.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n[api]\nport = 1\n', "utf-8")
    assert main(["risk", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert "may still be accepted without the cloud now: NOT BOUNDED" in said
    assert (
        "left now             5 coupons, at most 150.00 CNY; 2 coupons, at most 60.00 CNY of it without"
        in said
    )
    assert main(["risk", "--campaign", "acme/1", "--config", str(file)]) == 0
    assert "value a day          0.00 CNY of 200.00 CNY (limit 200.00 CNY)" in capsys.readouterr().out
    assert main(["risk", "--json", "--campaign", "acme/3", "--config", str(file)]) == 0
    assert of(json.loads(capsys.readouterr().out), 3)["offline_class"] == "A"
    for named, code, why in (("acme/9", 1, "no campaign acme/9"), ("acme", 2, "ISSUER/NUMBER")):
        assert main(["risk", "--campaign", named, "--config", str(file)]) == code
        assert why in capsys.readouterr().err


async def test_the_command_asks_a_running_till(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factory = Factory(campaigns=offers())
    async with real_till(tmp_path / "state", factory) as till:
        assert (await till.redeem(factory.coupon(1), total_minor=20_000)).json["accepted"]
        file = tmp_path / "till.toml"
        file.write_text(f'[till]\nstate_dir = "{tmp_path}/elsewhere"\n[api]\nport = {till.port}\n', "utf-8")
        assert await asyncio.to_thread(main, ["risk", "--config", str(file)]) == 0
    assert "accepted today 30.00 CNY" in capsys.readouterr().out
