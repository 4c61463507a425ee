"""Opaque codes from the cloud: made or taken over, listed as hashes, carried to a till, used up."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain.bundle import CODES_PREFIX
from agent.domain.campaign import OfflineClass
from agent.domain.codes import CodeKind, Codes, MemoryTable
from agent.domain.decide import Refusal, verify_scan
from agent.domain.outcome import Outcome
from agent.domain.parts import Contents
from agent.domain.record import REDEMPTION_LANE
from agent.domain.status import Status
from cloud.publish import Ages
from cloud.store import sql_codes
from sync import wire
from sync.ports import Answer
from sync.uplink import HttpUplink, Identity
from tests.cloud_stores import database as database  # the fixture, for every store
from tests.core_kit import files_hold
from tests.integration.attack_kit import SALE, played
from tests.integration.cloud_server_kit import Client, Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, STORE, TODAY, campaign

PROMO, LEAFLET = 12, 13
DIGITS = {"alphabet": "0123456789", "least": 16, "most": 16, "separators": "-"}
WORDS = {"alphabet": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "least": 4, "most": 16, "any_case": True}


@pytest.fixture
async def cloud(tmp_path: Path, database: str | None) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud", Ages(refresh_s=300), database=database) as running:
        await running.set_up()
        for number, uses in ((PROMO, 3), (LEAFLET, 1)):
            offer = campaign(number=number, size=10, uses=uses, offline_class=OfflineClass.OPEN)
            status, answer = await running.admin("POST", "campaigns", {"campaign": campaigns.to_wire(offer)})
            assert status == 201, answer
        yield running


async def order(cloud: Running, *, status: int = 201, campaign: int = CAMPAIGN, **body: Any) -> Any:
    usual = {"issuer": ISSUER, "campaign": campaign, "not_before": TODAY, "expires": TODAY + 30}
    found, answer = await cloud.admin("POST", "codes", usual | body)
    assert found == status, answer
    return answer


async def contents_of(client: Client) -> Contents:
    """The bundle with its tables, verified as a till does."""
    read = await client.refresh()
    assert client.manifest is not None
    tables = []
    async with client.uplink() as uplink:
        for part in client.manifest.parts:
            if part.name.startswith(CODES_PREFIX):
                answer = await uplink.get(wire.part_path(part.sha256.hex()), max_bytes=part.length)
                assert isinstance(answer, Answer)
                tables.append(MemoryTable(answer.body))
    object.__setattr__(read, "codes", Codes(read.code_keys, tables))
    return read


async def test_codes_that_are_made_reach_a_till(cloud: Running, tmp_path: Path) -> None:
    made = await order(cloud, count=50)
    assert all(
        re.fullmatch("([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", c["code"]) for c in made["codes"]
    )
    assert len({c["code"] for c in made["codes"]}) == len({c["index"] for c in made["codes"]}) == 50
    assert made["guess_bits"] == made["thief_bits"] == pytest.approx(80 - 5.64, abs=0.1)
    contents = await contents_of(await cloud.enrol("T-1"))
    for code in made["codes"]:
        found = verify_scan(code["code"].lower().replace("-", " ").replace("0", "o"), contents)
        assert not isinstance(found, Refusal)
        assert found.identity == (ISSUER, CAMPAIGN, code["index"])
        assert (found.claims.not_before, found.claims.expires, found.kid) == (TODAY, TODAY + 30, b"")
    assert cloud.cloud is not None
    await cloud.cloud.store.close()
    plain = made["codes"][0]["code"].replace("-", "")
    assert files_hold(tmp_path / "cloud", plain) == [], "no code is stored"
    assert files_hold(tmp_path / "cloud", made["codes"][0]["code"]) == []


async def test_the_same_order_gives_the_same_codes(cloud: Running) -> None:
    first = await order(cloud, count=5, order="spring")
    assert (await order(cloud, count=5, order="spring"))["codes"] == first["codes"]
    other = await order(cloud, count=5, order="summer")
    assert not {c["code"] for c in other["codes"]} & {c["code"] for c in first["codes"]}
    await order(cloud, count=6, order="spring", status=409)


async def test_codes_of_somebody_else_are_taken_over(cloud: Running) -> None:
    given = ["1234-5678-9012-3456", "1111222233334444"]
    made = await order(cloud, codes=given, form=DIGITS, store=STORE.number, value_minor=500)
    assert [c["code"] for c in made["codes"]] == ["1234567890123456", "1111222233334444"]
    assert made["guess_bits"] == pytest.approx(52.2, abs=0.1)
    found = verify_scan("1111-2222-3333-4444", await contents_of(await cloud.enrol("T-1")))
    assert not isinstance(found, Refusal)
    assert (found.claims.store, found.claims.value_minor) == (STORE.number, 500)


async def test_gs1_numbers_are_taken_over(cloud: Running) -> None:
    gcn, offer = "9501101530003" + "123456789012", "001234561234569123456789012345"
    await order(cloud, codes=[gcn], kind="gcn")
    await order(cloud, codes=[offer], kind="offer")
    contents = await contents_of(await cloud.enrol("T-1"))
    for text in (f"]C1255{gcn}", f"https://id.gs1.org/255/{gcn}", f"(8112){offer}"):
        assert not isinstance(verify_scan(text, contents), Refusal)
    assert verify_scan(gcn, contents) == Refusal(Outcome.NOT_A_COUPON, "not_a_token")


async def test_what_no_till_could_take_is_refused(cloud: Running) -> None:
    refused: list[tuple[dict[str, Any], str | None]] = [
        ({"count": 1, "codes": ["A"]}, "bad_field"),
        ({}, "bad_field"),
        ({"codes": ["SPRING"]}, "form_needed"),
        ({"codes": ["spring!"], "form": WORDS}, "bad_code"),
        ({"codes": ["SPRING26SPRING26", "spring26spring26"], "form": WORDS}, "code_twice"),
        ({"codes": ["WORD", "WARD"], "form": WORDS}, "too_guessable"),
        ({"codes": ["12345678"], "form": DIGITS | {"least": 8}}, None),  # alone it is one in 10^8
        ({"codes": [f"{n:04}" for n in range(9)], "form": DIGITS | {"least": 4}}, "too_guessable"),
        ({"codes": ["9501101530004"], "kind": "gcn"}, "bad_code"),
        ({"codes": ["9501101530003"], "kind": "gcn"}, "too_guessable"),
        ({"count": 5, "kind": "gcn"}, "gs1_numbers"),
        ({"count": 5, "form": WORDS}, "made_form"),
        ({"count": 10_001}, "bad_field"),
        ({"count": 1, "campaign": 99}, "unknown_campaign"),
        ({"count": 1, "not_before": 0, "expires": 1}, "outside_campaign"),
        ({"count": 1, "store": 77}, "unknown_store"),
        ({"codes": ["A" * 16], "form": WORDS | {"lookalikes": True}}, "bad_field"),
    ]
    for body, code in refused:
        usual = {"issuer": ISSUER, "campaign": CAMPAIGN, "not_before": TODAY, "expires": TODAY + 30}
        status, answer = await cloud.admin("POST", "codes", usual | body)
        assert (status == 201) == (code is None), answer
        assert code is None or answer["code"] == code, answer


async def test_a_code_stands_for_one_coupon(cloud: Running) -> None:
    """And no coupon is spent on one that is taken."""
    await order(cloud, campaign=PROMO, codes=["SUMMER26"], form=WORDS, order="first")
    again = await order(cloud, campaign=PROMO, codes=["summer26"], form=WORDS, order="first")
    assert [c["code"] for c in again["codes"]] == ["SUMMER26"]
    for number in (PROMO, LEAFLET):
        answer = await order(cloud, status=409, campaign=number, codes=["AUTUMN26", "SUMMER26"], form=WORDS)
        assert answer["code"] == "code_exists"
    status, offer = await cloud.admin("GET", f"campaigns/{ISSUER}/{PROMO}")
    assert (status, offer["issued"]) == (200, 1)


async def test_a_promo_code_is_used_up_by_all_tills_together(cloud: Running) -> None:
    (made,) = (await order(cloud, campaign=PROMO, codes=["SUMMER26"], form=WORDS))["codes"]
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    coupon = {"issuer": ISSUER, "campaign": PROMO, "index": made["index"]}

    async def status() -> Status:
        return (await contents_of(one)).status[ISSUER, PROMO][made["index"]]

    first = one.till.redeem(0, coupon=coupon)
    await one.post(first)
    await two.post(two.till.redeem(0, coupon=coupon))
    await one.post(first)  # the same record again is no use
    assert await status() is Status.VALID
    await two.post(two.till.redeem(0, coupon=coupon))
    assert await status() is Status.USED
    assert (await cloud.admin("GET", "conflicts"))[1]["conflicts"] == []
    await one.post(one.till.redeem(0, coupon=coupon))
    (conflict,) = (await cloud.admin("GET", "conflicts"))[1]["conflicts"]
    assert (conflict["index"], conflict["till"], conflict["kind"]) == (made["index"], "T-1", "double")


async def test_the_number_of_uses_stays(cloud: Running) -> None:
    changed = campaigns.to_wire(campaign(number=PROMO, size=10, uses=4, version=2))
    status, answer = await cloud.admin("POST", "campaigns", {"campaign": changed})
    assert (status, answer["code"]) == (409, "uses_fixed")


async def test_only_the_last_table_changes(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_codes, "TABLE_CODES_MAX", 100)
    client = await cloud.enrol("T-1")
    made = await order(cloud, count=150)
    await client.refresh()
    assert client.manifest is not None
    before = {part.name: part.sha256 for part in client.manifest.parts if part.name.startswith(CODES_PREFIX)}
    assert sorted(before) == [f"codes/{ISSUER}/{CAMPAIGN}/{number}" for number in range(2)]
    made["codes"] += (await order(cloud, count=70))["codes"]
    await order(cloud, count=1, expires=TODAY + 20)  # other terms, another table
    contents = await contents_of(client)
    after = {part.name: part.sha256 for part in client.manifest.parts if part.name.startswith(CODES_PREFIX)}
    assert [name[-1] for name in after if after[name] != before.get(name)] == ["1", "2", "3"]
    assert all(contents.codes.find(CodeKind.PLAIN, c["code"]) is not None for c in made["codes"])


async def test_an_unchanged_table_is_made_once(cloud: Running) -> None:
    await order(cloud, count=5)
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    await one.refresh()
    assert cloud.cloud is not None

    async def never(*_: object) -> None:
        raise AssertionError("made again")

    cloud.cloud.store.codes.put = never  # type: ignore[method-assign,assignment]  # whoever makes it puts it
    await two.refresh()
    cloud.time.pass_s(400)
    await one.refresh()


async def test_tills_of_other_stores_get_no_tables(cloud: Running) -> None:
    offer = campaign(number=20, stores=frozenset({99}))
    await cloud.admin("POST", "campaigns", {"campaign": campaigns.to_wire(offer)})
    await order(cloud, campaign=20, count=1)
    contents = await (await cloud.enrol("T-1")).refresh()
    assert contents.code_keys == {}


async def test_scan_rules_reach_a_till(cloud: Running) -> None:
    rule = {"kind": "member_card", "prefix": "88", "least": 16, "most": 16, "alphabet": "digits"}
    status, answer = await cloud.admin("POST", "scan-rules", {"rules": [rule]})
    assert (status, answer) == (200, {"rules": [rule]})
    assert (await cloud.admin("GET", "scan-rules")) == (200, {"rules": [rule]})
    contents = await (await cloud.enrol("T-1")).refresh()
    assert verify_scan("8800000000000001", contents) == Refusal(Outcome.MEMBER_CARD, "")
    status, answer = await cloud.admin("POST", "scan-rules", {"rules": [rule | {"alphabet": ".*"}]})
    assert (status, answer["code"]) == (422, "bad_field")
    await cloud.admin("POST", "scan-rules", {"rules": []})
    assert (await cloud.admin("GET", "scan-rules")) == (200, {"rules": []})


async def test_from_the_issuer_to_the_ledger_of_the_cloud(tmp_path: Path) -> None:
    """The whole way over a real line: listed, carried to a real till, typed by a cashier, delivered, used up."""
    async with played(tmp_path) as scene:
        offer = campaign(number=PROMO, size=1, uses=2)
        await scene.cloud.admin("POST", "campaigns", {"campaign": campaigns.to_wire(offer)})
        await order(scene.cloud, campaign=PROMO, codes=["SUMMER26"], form=WORDS)
        (made,) = (await order(scene.cloud, count=1))["codes"]
        assert await scene.refresher.fetch() is True
        texts = ["summer26", made["code"].lower(), made["code"], "Summer26\r", "SUMMER26"]
        said = [(await scene.till.redeem(text, SALE)).outcome.value for text in texts]
        assert said == ["accepted", "accepted", "already_redeemed", "accepted", "already_redeemed"]
        events = [
            text for (text,) in scene.till.rows("SELECT event FROM redemption_record ORDER BY sequence")
        ]
        body = f"[{','.join(events)}]".encode()
        key, name = scene.till.factory.till_key, scene.till.state.till
        async with HttpUplink(scene.cloud.url, Identity(name, name, key.sign)) as uplink:
            answer = await uplink.post_batch(REDEMPTION_LANE, body, wire.idempotency_key(body))
        assert isinstance(answer, Answer)
        results, _ = wire.decode_results(answer.body, [json.loads(event)["id"] for event in events])
        assert [result.status.value for result in results] == ["stored"] * 3
        assert await scene.refresher.fetch() is True
        trust = scene.till.state.trust
        assert trust is not None
        assert trust.contents.status[ISSUER, PROMO][0] is Status.USED
        assert trust.contents.status[ISSUER, CAMPAIGN][made["index"]] is Status.USED
