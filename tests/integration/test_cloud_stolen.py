"""What the cloud makes of a stolen or copied till: its sequences, its unsent records, its late uses, its promo codes.

Each test plays the thief over the real line, with the key that the till had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain.keys import new_signing_key
from agent.domain.record import EVIDENCE_LANE, LANES, REDEMPTION_LANE, SEQUENCE_MAX, ChainHead
from agent.domain.statement import sign_key_change
from agent.domain.status import Status
from cloud.chain import JUMP_MAX
from sync import wire
from tests.cloud_stores import database as database  # the fixture, for every store
from tests.integration.cloud_server_kit import Client, Running, enrolment, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, SealingTill, campaign

DAY_S = 86_400
PROMO = 9


@pytest.fixture
async def cloud(tmp_path: Path, database: str | None) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud", database=database) as running:
        await running.set_up()
        yield running


async def said(client: Client, *events: dict[str, Any], lane: str = REDEMPTION_LANE) -> list[str]:
    """The result of each record in one word, `!` behind a refusal that is not permanent."""
    return [
        result.code + ("" if result.permanent else "!") if result.code else result.status.value
        for result in await client.post(*events, lane=lane)
    ]


async def announce(
    cloud: Running, client: Client, lanes: dict[str, int]
) -> tuple[int, dict[str, Any], Client]:
    """(status, answer, who goes on with the new key)."""
    key = new_signing_key()
    document = sign_key_change(client.till.name, client.till.key, key, lanes)
    async with cloud.session.post(
        f"{cloud.url}/v1/tills/{client.till.name}/key",
        data=document,
        headers={"Content-Type": wire.STATEMENT_TYPE},
    ) as response:
        answer = await response.json(content_type=None)
        return (
            response.status,
            answer,
            Client(cloud.url, SealingTill(client.till.name, key, dict(client.till.heads)), client.root),
        )


async def revoke(cloud: Running, name: str = "T-1", query: str = "") -> dict[str, Any]:
    status, answer = await cloud.admin("POST", f"tills/{name}/revoke{query}")
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def new_disk(cloud: Running, old: Client) -> Client:
    """The till enrolled anew, with a key of its own."""
    name = old.till.name
    _, made = await cloud.admin("POST", f"tills/{name}/code")
    till = SealingTill(name, new_signing_key())
    status, answer = await cloud.post_enrolment(enrolment(till, made["code"]))
    assert status == 200, answer
    till.heads = {
        lane: ChainHead(start["sequence"], start["hash"]) for lane, start in answer["lanes"].items()
    }
    return Client(cloud.url, till, old.root)


async def used(client: Client, *indexes: int, number: int = CAMPAIGN) -> list[str]:
    """What a till is told of these coupons."""
    listed = (await client.refresh()).status[ISSUER, number]
    return [listed[index].name for index in indexes]


async def held(cloud: Running, query: str = "") -> list[dict[str, Any]]:
    _, answer = await cloud.admin("GET", f"held{query}")
    found: list[dict[str, Any]] = answer["held"]
    return found


def move(client: Client, sequence: int, digest: str = "ab" * 32) -> None:
    client.till.heads[REDEMPTION_LANE] = ChainHead(sequence, digest)


# --- sequences ---


@pytest.mark.parametrize("lane", LANES)
async def test_a_record_at_the_end_of_all_sequences_takes_none_from_the_next_disk(
    cloud: Running, lane: str
) -> None:
    thief = await cloud.enrol("T-1")
    assert await said(thief, thief.till.redeem(1)) == ["stored"]
    thief.till.heads[lane] = ChainHead(SEQUENCE_MAX - 1, "ab" * 32)
    kind = "redemption" if lane == REDEMPTION_LANE else "evidence"
    last = thief.till.redeem(5) if lane == REDEMPTION_LANE else thief.till.seal({"outcome": "x"}, lane, kind)
    assert await said(thief, last, lane=lane) == ["too_far!"]
    assert await said(thief, last | {"subject": "x"}, lane=lane) == ["wrong_hash"]
    await revoke(cloud)
    assert await said(thief, last, last | {"id": "x", "subject": "x"}, lane=lane) == [
        "too_far!",
        "wrong_hash",
    ]
    honest = await new_disk(cloud, thief)
    event = (
        honest.till.redeem(2) if lane == REDEMPTION_LANE else honest.till.seal({"outcome": "x"}, lane, kind)
    )
    assert await said(honest, event, lane=lane) == ["stored"]
    assert int(event["sequence"]) < JUMP_MAX
    assert {gap["kind"] for gap in (await cloud.admin("GET", "gaps"))[1]["gaps"]} == {"replaced"}


async def test_a_key_change_far_ahead_is_refused_and_one_that_may_be_true_is_not(cloud: Running) -> None:
    thief = await cloud.enrol("T-1")
    assert await said(thief, thief.till.redeem(1)) == ["stored"]
    for far in (SEQUENCE_MAX, 2 + JUMP_MAX):
        for lanes in ({"redemption": far, "evidence": 0}, {"redemption": 1, "evidence": far}):
            status, answer, _ = await announce(cloud, thief, lanes)
            assert (status, answer["code"]) == (409, "lane_ahead"), lanes
    status, answer, _ = await announce(cloud, thief, {"redemption": 1 + JUMP_MAX, "evidence": JUMP_MAX})
    assert (status, answer["standing"]) == (200, "announced")


async def test_a_revoked_key_holds_up_no_record_of_the_new_one(cloud: Running) -> None:
    """It puts its own at the places that the new disk comes to next."""
    thief = await cloud.enrol("T-1")
    assert await said(thief, thief.till.redeem(1)) == ["stored"]
    await revoke(cloud)
    honest = await new_disk(cloud, thief)
    start = honest.till.heads[REDEMPTION_LANE].sequence
    for place in (start - 1, start, start + 1):
        move(thief, place)
        assert await said(thief, thief.till.redeem(900 + place - start)) in (["stored"], ["wrong_key"])
    assert await said(honest, *(honest.till.redeem(index) for index in range(2, 6))) == ["stored"] * 4


# --- unsent records ---


async def test_a_copied_key_that_changes_the_key_loses_no_record_of_the_till(cloud: Running) -> None:
    till, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    assert await said(till, till.till.redeem(1)) == ["stored"]
    assert await said(other, other.till.redeem(4)) == ["stored"]
    first, *unsent = [till.till.redeem(index) for index in (2, 3, 4)]
    status, _, thief = await announce(cloud, till, {"redemption": 1, "evidence": 0})
    assert status == 200
    assert await said(till, first) == ["stored"]
    assert (await thief.fetch()).status == 200
    for _ in range(2):
        assert await said(till, first, *unsent) == ["duplicate", "wrong_key", "wrong_key"]
    assert await used(other, 2, 3, 4) == ["USED"] * 3
    assert await said(other, other.till.redeem(3)) == ["conflict"]
    _, listed = await cloud.admin("GET", "conflicts")
    assert {(line["till"], line["index"], line["kind"]) for line in listed["conflicts"]} == {
        ("T-1", 4, "wrong_key"),
        ("T-2", 3, "double"),
    }
    _, refused = await cloud.admin("GET", "refusals")
    assert {(line["code"], line["hash"]) for line in refused["refusals"]} == {
        ("wrong_key", event["hash"]) for event in unsent
    }


async def test_a_key_announced_over_that_of_the_till_loses_no_record(cloud: Running) -> None:
    """The till signs with the key that it announced; before any of it arrives, the copied key announces its own."""
    till, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    _, _, rotated = await announce(cloud, till, {"redemption": 0, "evidence": 0})
    unsent = [rotated.till.redeem(index) for index in (1, 2)]
    status, _, thief = await announce(cloud, till, {"redemption": 0, "evidence": 0})
    assert status == 200
    assert await said(rotated, unsent[0]) == ["stored"]
    assert (await thief.fetch()).status == 200
    assert await said(rotated, *unsent) == ["duplicate", "wrong_key"]
    assert await used(other, 1, 2) == ["USED", "USED"]


async def test_what_no_key_of_the_till_signed_uses_no_coupon(cloud: Running) -> None:
    till, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await new_disk(cloud, till)
    stranger = SealingTill("T-1", new_signing_key())
    assert await said(till, stranger.redeem(5)) == ["bad_signature"]
    assert await used(other, 5) == ["VALID"]


# --- late uses ---


async def test_a_revoked_till_burns_no_coupon_until_somebody_says_so(cloud: Running) -> None:
    thief, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    assert await said(thief, thief.till.redeem(0)) == ["stored"]
    await revoke(cloud)
    cloud.time.pass_s(30 * DAY_S)
    events = [thief.till.redeem(index) for index in range(1, 41)]
    assert await said(thief, *events) == ["stored"] * 40
    assert await said(thief, *events) == ["duplicate"] * 40
    assert await used(other, *range(41)) == ["USED"] + ["VALID"] * 40
    assert {(line["till"], line["held"]) for line in (await cloud.admin("GET", "tills"))[1]["tills"]} == {
        ("T-1", 40),
        ("T-2", 0),
    }
    lines = await cloud.lines("&till=T-1")
    assert [line["standing"] for line in lines] == ["counts"] + ["held"] * 40
    assert await said(other, other.till.redeem(7)) == ["stored"], "what is held takes nothing from anybody"
    assert {line["code"] for line in await held(cloud, "?till=T-1")} == {"stored"}
    assert await held(cloud, "?till=T-2") == []
    assert (await cloud.admin("POST", "tills/T-1/release")) == (
        200,
        {"till": "T-1", "released": 40, "conflicts": 1},
    )
    assert await used(other, *range(42)) == ["USED"] * 41 + ["VALID"]
    assert [line["standing"] for line in await cloud.lines("&till=T-1")] == ["counts"] * 41
    (conflict,) = (await cloud.admin("GET", "conflicts"))[1]["conflicts"]
    assert (conflict["till"], conflict["index"], conflict["kind"]) == ("T-1", 7, "double")
    assert (await cloud.admin("POST", "tills/T-1/release"))[1]["released"] == 0
    assert await held(cloud) == []


async def test_what_is_refused_counts_nowhere_and_can_still_be_released(cloud: Running) -> None:
    thief, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await revoke(cloud)
    event = thief.till.redeem(1)
    assert await said(thief, event) == ["stored"]
    assert await cloud.admin("POST", "tills/T-1/refuse") == (200, {"till": "T-1", "refused": 1})
    assert (await cloud.admin("POST", "tills/T-1/refuse"))[1]["refused"] == 0
    assert await said(thief, event) == ["duplicate"]
    assert [line["standing"] for line in await cloud.lines()] == ["refused"]
    assert [line["refused_at"] is not None for line in await held(cloud)] == [True]
    assert [line["held"] for line in (await cloud.admin("GET", "tills"))[1]["tills"]] == [0, 0]
    assert await used(other, 1) == ["VALID"]
    assert (await cloud.admin("POST", "tills/T-1/release"))[1]["released"] == 1
    assert await used(other, 1) == ["USED"]
    assert await said(thief, event) == ["duplicate"]


async def test_a_copy_with_another_signature_hides_no_record(cloud: Running) -> None:
    """The hash says nothing of the signature: whoever knows a record can send it with a wrong one first."""
    till, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    honest = await new_disk(cloud, till)
    move(till, honest.till.heads[REDEMPTION_LANE].sequence)
    event = till.till.redeem(1)
    assert await said(till, event | {"signature": "A" * 86}, lane=REDEMPTION_LANE) == ["bad_signature"]
    assert await said(till, event) == ["wrong_key"]
    ((kept,),) = [(await cloud.admin("GET", "refusals"))[1]["refusals"]]
    assert (kept["code"], event["signature"] in kept["event"]) == ("wrong_key", True)
    await revoke(cloud)
    late = till.till.redeem(2)
    assert await said(till, late | {"signature": "A" * 86}) == ["bad_signature"]
    assert await said(till, late) == ["wrong_key"]
    assert [line["index"] for line in await held(cloud)] == [2]
    assert await used(other, 1, 2) == ["USED", "VALID"]


async def test_a_key_that_was_revoked_stays_so_when_the_till_is_enrolled_anew(cloud: Running) -> None:
    thief, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await revoke(cloud)
    honest = await new_disk(cloud, thief)
    assert await said(honest, honest.till.redeem(1)) == ["stored"]
    assert await said(thief, thief.till.redeem(2)) == ["stored"], "at a place of its own time"
    move(thief, honest.till.heads[REDEMPTION_LANE].sequence + 10)
    assert await said(thief, thief.till.redeem(3)) == ["wrong_key"]
    assert await used(other, 1, 2, 3) == ["USED", "VALID", "VALID"]
    assert {(line["index"], line["code"]) for line in await held(cloud)} == {(2, "stored"), (3, "wrong_key")}
    assert (await cloud.admin("POST", "tills/T-1/release"))[1] == {
        "till": "T-1",
        "released": 2,
        "conflicts": 0,
    }
    assert await used(other, 1, 2, 3) == ["USED"] * 3


async def test_of_two_revoked_keys_one_can_be_released(cloud: Running) -> None:
    """The thief changed the key; the till's own key signed what it had not sent."""
    till, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    _, _, thief = await announce(cloud, till, {"redemption": 0, "evidence": 0})
    assert (await thief.fetch()).status == 200
    await revoke(cloud)
    assert await said(thief, thief.till.redeem(1)) == ["stored"]
    assert await said(till, till.till.redeem(2)) == ["wrong_key"]
    kids = {client.till.key.kid.hex(): index for client, index in ((thief, 1), (till, 2))}
    assert {line["kid"]: line["index"] for line in await held(cloud)} == kids
    own, stolen = till.till.key.kid.hex(), thief.till.key.kid.hex()
    assert (await cloud.admin("POST", f"tills/T-1/release?key={own}"))[1]["released"] == 1
    assert (await cloud.admin("POST", f"tills/T-1/refuse?key={stolen}"))[1]["refused"] == 1
    assert await used(other, 1, 2) == ["VALID", "USED"]
    for action, query, code in (
        ("release", "?key=x", (422, "bad_field")),
        ("refuse", "?key=x", (422, "bad_field")),
    ):
        status, problem = await cloud.admin("POST", f"tills/T-1/{action}{query}")
        assert (status, problem["code"]) == code
        status, problem = await cloud.admin("POST", f"tills/T-9/{action}")
        assert (status, problem["code"]) == (404, "unknown_till")


async def test_a_coupon_of_several_uses_is_counted_when_it_is_released_and_once(cloud: Running) -> None:
    body = {"campaign": campaigns.to_wire(campaign(number=8, uses=2)), "promo": None}
    assert (await cloud.admin("POST", "campaigns", body))[0] == 201
    coupon = {"issuer": ISSUER, "campaign": 8, "index": 3}
    thief, other = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await revoke(cloud)
    assert await said(thief, thief.till.redeem(3, coupon=coupon)) == ["stored"]
    move(thief, 0, "cd" * 32)
    forked = thief.till.redeem(3, coupon=coupon, scan_id="again")
    assert await said(thief, forked) == ["fork"]
    assert await said(other, other.till.redeem(3, coupon=coupon)) == ["stored"]
    assert await used(other, 3, number=8) == ["VALID"]
    assert (await cloud.admin("POST", "tills/T-1/release"))[1] == {
        "till": "T-1",
        "released": 2,
        "conflicts": 1,
    }
    assert await used(other, 3, number=8) == ["USED"]
    assert await said(thief, forked) == ["fork"]
    assert await held(cloud) == [], "what counts is not held again"


async def test_evidence_of_a_revoked_till_is_kept_and_not_held(cloud: Running) -> None:
    thief = await cloud.enrol("T-1")
    await revoke(cloud)
    evidence = thief.till.seal({"outcome": "expired"}, EVIDENCE_LANE, "evidence")
    assert await said(thief, evidence, lane=EVIDENCE_LANE) == ["stored"]
    assert await held(cloud) == []


# --- promo codes ---


async def with_promos(cloud: Running, name: str = "T-1", seed: int = 1) -> tuple[Client, list[str]]:
    """A till that holds promo codes, and their short names."""
    body = {
        "campaign": campaigns.to_wire(campaign(number=PROMO)),
        "promo": {"per_till": 10, "valid_days": 30},
    }
    assert (await cloud.admin("POST", "campaigns", body))[0] in (201, 409)
    till = await cloud.enrol(name, seed)
    return till, [promo.short for promo in (await till.refresh()).promos]


def index_of(short: str) -> int:
    return int(short.split("-")[1])


async def test_the_promo_codes_of_a_stolen_till_are_revoked_but_those_handed_out(cloud: Running) -> None:
    till, shorts = await with_promos(cloud)
    other, theirs = await with_promos(cloud, "T-2", 2)
    assert len(shorts) == len(theirs) == 10
    assert await said(till, till.till.redeem(1, promo=shorts[0])) == ["stored"]
    answer = await revoke(cloud)
    assert answer["promos_revoked"] == 9
    assert await used(other, *map(index_of, shorts), number=PROMO) == ["VALID"] + ["REVOKED"] * 9
    assert await used(other, *map(index_of, theirs), number=PROMO) == ["VALID"] * 10
    assert (await revoke(cloud))["promos_revoked"] == 0


async def test_the_promo_codes_of_a_revoked_till_can_be_kept(cloud: Running) -> None:
    till, shorts = await with_promos(cloud)
    other = await cloud.enrol("T-2", 2)
    assert (await revoke(cloud, query="?promos=keep"))["promos_revoked"] == 0
    assert await used(other, *map(index_of, shorts), number=PROMO) == ["VALID"] * 10
    assert await said(till, till.till.redeem(1, promo=shorts[0])) == ["stored"]
    assert (await cloud.admin("POST", "tills/T-1/release"))[1]["released"] == 1
    assert (await revoke(cloud))["promos_revoked"] == 9, "one was handed out, somebody found"
    assert (await cloud.admin("POST", "tills/T-1/revoke?promos=burn"))[1]["code"] == "bad_field"


async def test_the_promo_codes_of_a_lost_disk_are_revoked_with_the_till(cloud: Running) -> None:
    """They were set aside when the till was enrolled anew; whoever has the disk has them still."""
    till, shorts = await with_promos(cloud)
    honest = await new_disk(cloud, till)
    fresh = [promo.short for promo in (await honest.refresh()).promos]
    assert not set(fresh) & set(shorts)
    other = await cloud.enrol("T-2", 2)
    back = {"issuer": ISSUER, "campaign": PROMO, "index": index_of(shorts[0])}
    assert await said(other, other.till.redeem(0, coupon=back)) == ["stored"], "a customer had got this one"
    assert (await revoke(cloud))["promos_revoked"] == 19
    listed = (await other.refresh()).status[ISSUER, PROMO]
    assert listed[index_of(shorts[0])] is Status.USED
    assert {listed[index_of(short)] for short in [*shorts[1:], *fresh]} == {Status.REVOKED}
