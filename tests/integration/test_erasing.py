"""A till forgets whom the bundle says was erased: once, completely, and says so in its chain, which stays whole."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from agent.domain.disclosure import read_disclosed
from agent.domain.receipt_rules import referrer
from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE
from agent.domain.time import Anchor, BootTime
from agent.store.outbox import SqlOutbox
from tests.core_kit import check_chain, core, rows
from tests.factory import TILL, Factory
from tests.integration.api_kit import RealTill, real_till, until
from tests.integration.member_kit import factory

ANN, BOB = bytes.fromhex("a1a2a3a4a5a6a7a8"), bytes.fromhex("b1b2b3b4b5b6b7b8")
LINK = {"url": "https://member.example/friend", "words": {"zh": "请朋友", "en": "Bring a friend"}}


def member(who: bytes) -> dict[str, Any]:
    return {"pseudonym": who.hex(), "level": 2, "points": 1200, "consent": True}


async def sell(till: RealTill, index: int, who: bytes, by: bytes, number: int = 6) -> None:
    """A redemption, and a sale held and committed, of `who` with coupons that `by` brought; each names both."""
    made = till.factory
    sale = {"total_minor": 20_000, "sale_id": f"S{index}"}
    body = {"text": made.coupon(index, number, holder=who, referrer=by), "sale": sale, "member": member(who)}
    answer = await till.call("POST", "/v1/redeem", body, Idempotency_Key=f"r{index}")
    assert answer.status == 200, answer.raw
    assert answer.json["outcome"] == "accepted", answer.json
    held = {"coupons": [made.coupon(index + 1, 1, holder=who, referrer=by)], "sale": {"total_minor": 20_000}}
    opened = await till.call("POST", "/v1/holds", held | {"member": member(who)}, Idempotency_Key=f"h{index}")
    assert opened.status == 201, opened.json
    path = f"/v1/holds/{opened.json['hold_id']}/commit"
    done = await till.call(
        "POST", path, {"total_minor": 17_000, "tenders": ["cash"]}, Idempotency_Key=f"c{index}"
    )
    assert done.status == 200, done.json


def with_links() -> Factory:
    made = factory()
    made.receipt_rules |= {"referral": LINK}
    return made


async def new_bundle(path: Path, made: Factory) -> None:
    made.sequence += 1
    with core(path, made) as opened:
        parts = made.parts()
        await opened.cache.apply(made.manifest(parts), parts, [], Anchor(made.issued, BootTime("", 0.0)))


def reports(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(str(event)) for (event,) in rows(path, "SELECT event FROM evidence_record")]
    return [event["data"] for event in found if event["type"] == "redeemd.erasure.v1"]


def named(path: Path) -> set[str]:
    return {str(pseudonym) for (pseudonym,) in rows(path, "SELECT DISTINCT pseudonym FROM disclosure")}


async def test_whom_the_bundle_says_is_forgotten_and_nobody_else(tmp_path: Path) -> None:
    state, made = tmp_path / "state", with_links()
    path = state / "till.db"
    async with real_till(state, made) as till:
        await sell(till, 1, ANN, BOB)
        await sell(till, 11, BOB, ANN)
    before = rows(path, "SELECT sequence, event, hash FROM redemption_record")
    assert {ANN.hex(), BOB.hex()} <= named(path)
    uses = rows(path, "SELECT DISTINCT member FROM member_use")
    assert len(uses) == 2
    made.erased.append(ANN)
    await new_bundle(path, made)
    async with real_till(state, made, enrolled=False) as till:
        await until(lambda: bool(reports(path)))
        await until(
            lambda: not any(ANN.hex().encode() in file.read_bytes() for file in state.glob("till.db*"))
        )
        assert any(BOB.hex().encode() in file.read_bytes() for file in state.glob("till.db*"))
        await sell(till, 21, ANN, ANN, 1)
        await sell(till, 31, BOB, BOB, 1)
    (report,) = reports(path)
    assert report["erasure"] == 1
    assert report["removed"] > 5
    assert named(path) & {ANN.hex(), referrer(ANN).hex()} == set()
    assert BOB.hex() in named(path)
    assert rows(path, "SELECT sequence, event, hash FROM redemption_record LIMIT 4") == before, (
        "what is signed"
    )
    check_chain(path, made)
    held = [str(text) for (text,) in rows(path, "SELECT held FROM hold ORDER BY opened_at")]

    ann, bob = (base64.b64encode(who).decode() for who in (ANN, BOB))
    assert [ann in text for text in held[:2]] == [False, False]
    assert [bob in text for text in held[:2]] == [True, True]
    with core(path, made) as opened:
        outbox = SqlOutbox(opened.database, TILL)
        for lane in (REDEMPTION_LANE, EVIDENCE_LANE):
            for sent in await outbox.waiting(lane, 100, 10**6):
                found = read_disclosed(json.loads(sent.event), sent.event)
                assert ANN.hex() not in {one.pseudonym for one in found}, "not even from an old coupon"


async def test_a_till_that_knows_nobody_says_so_once(tmp_path: Path) -> None:
    state, made = tmp_path / "state", with_links()
    path = state / "till.db"
    made.erased += [ANN]
    for _ in range(2):
        async with real_till(state, made, enrolled=not path.exists()):
            await until(lambda: bool(reports(path)))
    assert [(one["erasure"], one["removed"]) for one in reports(path)] == [(1, 0)]
    made.erased.append(BOB)
    await new_bundle(path, made)
    async with real_till(state, made, enrolled=False):
        await until(lambda: len(reports(path)) == 2)
    assert reports(path)[1]["erasure"] == 2


async def test_receipts_forget_the_link_for_friends(tmp_path: Path) -> None:
    state, made = tmp_path / "state", with_links()
    path = state / "till.db"
    with core(_installed(state, made), made) as opened:
        for index, who in ((1, ANN), (2, BOB)):
            await opened.redeem(made.coupon(index, holder=who))
    link = "SELECT json_extract(receipt, '$.referral_link') FROM print_job ORDER BY number"
    first, second = (str(text) for (text,) in rows(path, link))
    assert referrer(ANN).hex() in first
    made.erased.append(ANN)
    await new_bundle(path, made)
    async with real_till(state, made, enrolled=False):
        await until(lambda: bool(reports(path)))
    assert rows(path, link) == [("",), (second,)]


def _installed(state: Path, made: Factory) -> Path:
    made.install(state)
    return state / "till.db"
