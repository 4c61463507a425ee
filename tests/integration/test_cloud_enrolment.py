"""Enrolment with one-time codes: what they are good for, what is refused, and what guessing costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.domain.record import GENESIS, LANES
from tests.integration.cloud_server_kit import STORE_BODY, Running, enrolment, running_cloud
from tests.unit.cloud_kit import sealing_till


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud") as running:
        yield running


async def test_an_enrolment_code_works_once(cloud: Running) -> None:
    await cloud.set_up()
    _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
    first, second = sealing_till("T-1"), sealing_till("T-1", 2)
    typed = made["code"].lower().replace("-", " ")
    status, answer = await cloud.post_enrolment(enrolment(first, typed))
    assert (status, sorted(answer)) == (200, ["lanes", "root", "store", "till"])
    assert answer["lanes"] == {lane: {"sequence": 0, "hash": GENESIS} for lane in LANES}
    assert await cloud.post_enrolment(enrolment(first, made["code"])) == (200, answer), "the answer was lost"
    status, problem = await cloud.post_enrolment(enrolment(second, made["code"]))
    assert (status, problem["code"]) == (403, "wrong_code")


async def test_a_code_is_dead_after_a_day(cloud: Running) -> None:
    await cloud.set_up()
    _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
    cloud.time.pass_s(24 * 3600 + 1)
    status, problem = await cloud.post_enrolment(enrolment(sealing_till("T-1"), made["code"]))
    assert (status, problem["code"]) == (403, "wrong_code")


async def test_an_enrolment_needs_the_private_key_and_a_sound_form(cloud: Running) -> None:
    till = sealing_till("T-1")
    good = enrolment(till, "AAAA-BBBB-CCCC")
    for change, code in (
        ({"code": "DDDD-BBBB-CCCC"}, "bad_proof"),
        ({"till_public_key": enrolment(sealing_till("x", 2), "c")["till_public_key"]}, "bad_proof"),
        ({"till_public_key": "A" * 43}, "bad_key"),
        ({"till_public_key": good["till_public_key"] + "="}, "bad_field"),
        ({"proof": "*"}, "bad_field"),
        ({"extra": "1"}, "bad_field"),
    ):
        status, problem = await cloud.post_enrolment(good | change)
        assert (status, problem["code"]) == (422, code), change


async def test_guessing_codes_ends_with_429_and_a_right_code_still_works(cloud: Running) -> None:
    assert cloud.cloud is not None
    clock = [0.0]
    cloud.cloud.attempts._monotonic = lambda: clock[0]
    await cloud.set_up()
    _, made = await cloud.admin("POST", "tills", {"till": "T-1", "store": STORE_BODY["store"]})
    till = sealing_till("T-1")
    guess, right = enrolment(till, "AAAA-BBBB-CCCC"), enrolment(till, made["code"])
    many = await asyncio.gather(*(cloud.post_enrolment(guess) for _ in range(30)))
    assert sorted(status for status, _ in many) == [403] * 10 + [429] * 20, "at the same moment, too"
    async with cloud.session.post(f"{cloud.url}/v1/enrol", json=right) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "6")
        assert "try again in 6 s" in (await response.json(content_type=None))["detail"]
    clock[0] += 6
    assert (await cloud.post_enrolment(right))[0] == 200


async def test_a_whole_store_enrols_behind_one_address(cloud: Running) -> None:
    assert cloud.cloud is not None
    cloud.cloud.attempts._monotonic = lambda: 0.0
    await cloud.set_up()
    for number in range(9):
        mistyped = enrolment(sealing_till("x"), f"{number}AAA-BBBB-CCCC")
        assert (await cloud.post_enrolment(mistyped))[0] == 403
    for number in range(30):
        await cloud.enrol(f"T-{number}", number)
