"""Reports and exports over HTTP and on the command line, in figures worked out by hand."""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.domain import campaign as campaigns
from agent.domain.campaign import Words
from agent.domain.disclosure import MEMBER, disclosure, pair_text
from agent.domain.parts import PromoCode
from cloud import main, reports
from cloud.api.background import count_all
from cloud.intervals import newcombe
from cloud.ports import CloudStore, PromoRow
from cloud.reports import REPORTS
from tests.cloud_stores import database as database  # the fixture: both engines
from tests.integration.cloud_server_kit import Client, Running, running_cloud
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, STORE, TODAY, campaign


@pytest.fixture
async def cloud(tmp_path: Path, database: str | None) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud", database=database) as running:
        await running.set_up()
        yield running


def stored(cloud: Running) -> CloudStore:
    assert cloud.cloud is not None
    return cloud.cloud.store


async def ask(cloud: Running, path: str, token: str | None = None) -> tuple[int, str, dict[str, str]]:
    headers = {"Authorization": f"Bearer {token or cloud.token}"}
    async with cloud.session.get(f"{cloud.url}/v1/admin/{path}", headers=headers) as response:
        return response.status, await response.text(), dict(response.headers)


async def rows(cloud: Running, path: str) -> list[dict[str, Any]]:
    await count_all(stored(cloud))
    status, text, _ = await ask(cloud, path)
    assert status == 200, text
    found: list[dict[str, Any]] = json.loads(text)["rows"]
    return found


def sale(minor: int) -> dict[str, Any]:
    return {"sale": {"sale_id": "s", "total_minor": minor, "currency": "CNY"}, "currency": "CNY"}


def scanned(client: Client, coupon: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A redemption of a coupon as it was issued."""
    digest = hashlib.sha256(coupon["token"].encode()).hexdigest()
    return client.till.redeem(coupon["index"], token_sha256=digest, **more)


async def a_day(cloud: Running) -> tuple[Client, Client]:
    """Ten coupons issued; T-1 redeems three and gives one back, T-2 one more and one that T-1 had used."""
    order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 10, "not_before": TODAY, "expires": TODAY}
    status, made = await cloud.admin("POST", "coupons", order)
    assert status == 201
    a, b, c, d = made["coupons"][:4]
    one, two = await cloud.enrol("T-1"), await cloud.enrol("T-2", 2)
    first = [
        scanned(one, a, business_date="2026-03-01", hour=9, **sale(12_000)),
        scanned(one, b, business_date="2026-03-01", hour=21, **sale(9_000)),
        scanned(one, c, business_date="2026-03-02", hour=9),
    ]
    await one.post(*first, one.till.give_back(first[1]))
    await two.post(
        scanned(two, d, business_date="2026-03-02", hour=9, **sale(30_001)),
        scanned(two, a, **sale(10_000)),
    )
    return one, two


async def test_the_funnel_of_a_campaign(cloud: Running) -> None:
    await a_day(cloud)
    (row,) = await rows(cloud, "reports/campaigns")
    assert row == {
        "issuer": ISSUER,
        "campaign": CAMPAIGN,
        "title_zh": campaign().title.zh,
        "title_en": campaign().title.en,
        "currency": "CNY",
        "starts": "2026-01-30",
        "ends": "2026-04-30",
        "issued": 10,
        "redemptions": 5,
        "discount_minor": 15_000,
        "baskets": 4,
        "basket_minor": 61_001,
        "average_basket_minor": 15_250,
        "measured": 4,
        "extra_minor": 2_000 + 0 + 20_001 + 0,
        "returns": 1,
        "returned_minor": 3_000,
        "net_minor": 12_000,
        "conflicts": 1,
        "rate_percent": 40.0,
    }
    (march,) = await rows(cloud, "reports/campaigns?since=2026-03-02&until=2026-03-02")
    assert (march["redemptions"], march["basket_minor"]) == (2, 30_001)
    hours = await rows(
        cloud, f"reports/breakdown?by=hour&campaign={ISSUER}/{CAMPAIGN}&sort=redemptions&order=down"
    )
    assert [(row["hour"], row["redemptions"], row["share_percent"]) for row in hours] == [
        ("09", 3, 60.0),
        ("", 1, 20.0),
        ("21", 1, 20.0),
    ] or [row["redemptions"] for row in hours] == [3, 1, 1]
    (store,) = await rows(cloud, "reports/breakdown?by=store")
    assert (store["store"], store["redemptions"]) == (STORE.store, 5)


async def test_settlement_by_sums_is_that_of_the_export(cloud: Running) -> None:
    await a_day(cloud)
    made = await rows(cloud, "reports/settlement")
    status, text, headers = await ask(cloud, "exports/settlement.csv?until=2026-12-31")
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="settlement.csv"'
    exported = list(csv.DictReader(io.StringIO(text)))
    assert [{name: str(value) for name, value in row.items()} for row in made] == exported
    assert (made[0]["redemptions"], made[0]["amount_minor"], made[0]["open_minor"]) == (4, 9_000, 3_000)
    status, text, _ = await ask(cloud, "exports/redemptions.csv?since=2026-03-01&until=2026-03-02")
    assert len(text.splitlines()) == 6
    _, acts = await cloud.admin("GET", "acts")
    taken = [act for act in acts["acts"] if act["act"] == "GET /v1/admin/exports/{table}"]
    assert [act["status"] for act in taken] == [200, 200], "who takes an export is noted"


async def test_what_cannot_be_asked_says_why(cloud: Running) -> None:
    for path, status, words in (
        ("reports/none", 404, "campaigns, breakdown"),
        ("reports/campaigns?since=yesterday", 422, "2026-11-28"),
        ("reports/campaigns?sort=price", 422, "sort"),
        ("reports/breakdown?by=moon", 422, "store, hour, source, merchant, group"),
        ("reports/campaigns?campaign=7", 422, "ISSUER/NUMBER"),
        ("reports/campaigns?after=[1]", 422, "Next-After"),
        ("reports/campaigns?after=[[],{},null]", 422, "Next-After"),
        ("reports/campaigns?limit=0", 422, "limit"),
        ("exports/none.csv", 404, "redemptions"),
        ("exports/redemptions.csv?since=2026-03-01T00:00:00", 422, "zone"),
        ("fleet?sort=price", 422, "sort"),
        ("fleet?problem=moon", 422, "problem"),
        ('fleet?after=["a"]', 422, "Next-After"),
        ("fleet?sort=waiting&after=[99999999999999999999,%22T%22]", 422, "Next-After"),
        ("fleet?search=" + "x" * 65, 422, "64"),
        ("fleet?limt=1", 400, "limt"),
    ):
        found, text, _ = await ask(cloud, path)
        assert (found, words in text) == (status, True), (path, text)


async def test_who_may_read_what(cloud: Running) -> None:
    tokens = {}
    for role in ("viewer", "settlement"):
        _, made = await cloud.admin("POST", "tokens", {"role": role, "name": role})
        tokens[role] = made["token"]
    for path, viewer in (
        ("overview", 200),
        ("fleet", 200),
        ("reports/campaigns", 200),
        ("reports/arms", 200),
        ("reports/settlement", 403),
        ("reports/people", 403),
        ("exports/redemptions.csv", 403),
    ):
        assert (await ask(cloud, path, tokens["viewer"]))[0] == viewer, path
        assert (await ask(cloud, path, tokens["settlement"]))[0] == 200, path


async def test_the_fleet_and_the_overview(cloud: Running) -> None:
    await a_day(cloud)
    _, text, headers = await ask(cloud, "fleet?limit=1&sort=seen&order=down")
    (first,) = json.loads(text)["tills"]
    _, text, _ = await ask(cloud, f"fleet?limit=5&sort=seen&order=down&after={headers['Next-After']}")
    (second,) = json.loads(text)["tills"]
    assert {first["till"], second["till"]} == {"T-1", "T-2"}
    assert first["seen_at"] is not None, "what was gathered is written before it is read"
    _, text, _ = await ask(cloud, "overview")
    seen = json.loads(text)
    assert (seen["tills"]["all"], seen["wrong"]["conflicts"], seen["uncounted"]) == (2, 1, 2)


async def test_campaigns_are_paged_and_searched(cloud: Running) -> None:
    for number in range(20, 25):
        body = {"campaign": campaigns.to_wire(campaign(number=number))}
        assert (await cloud.admin("POST", "campaigns", body))[0] == 201
    found: list[int] = []
    after = ""
    while True:
        status, text, headers = await ask(cloud, f"reports/campaigns?limit=4&sort=rate_percent{after}")
        assert status == 200, text
        found += [row["campaign"] for row in json.loads(text)["rows"]]
        if "Next-After" not in headers:
            break
        after = f"&after={headers['Next-After']}"
    assert found == [CAMPAIGN, *range(20, 25)]
    assert len(await rows(cloud, f"reports/campaigns?search={ISSUER.upper()}")) == 6
    assert await rows(cloud, "reports/campaigns?search=nowhere") == []


async def test_layers_of_customers_who_consented(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five customers, the nth with n purchases and the last of them n days later; a referrer is no purchaser."""
    client = await cloud.enrol("T-1")
    events: list[dict[str, Any]] = []
    for person in range(1, 6):
        for purchase in range(person):
            pseudonym, salt = bytes([person] * 8), bytes([person, purchase] * 8)
            member, friend = disclosure(salt, pseudonym), disclosure(salt, bytes([99] * 8))
            coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": len(events), "referrer": friend.digest}
            more = {"member": {"pseudonym": member.digest, "level": 1, "consent": True}, "coupon": coupon}
            day = f"2026-03-{person:02}"
            sealed = client.till.redeem(len(events), business_date=day, **sale(1000 * person), **more)
            events.append(sealed | {MEMBER: pair_text([member, friend])})
    await client.post(*events)
    found = await rows(cloud, "reports/people")
    assert [(row["last"], row["purchases"], row["spent_minor"]) for row in found] == [
        (f"2026-03-{person:02}", person, 1000 * person * person) for person in range(1, 6)
    ]
    assert [(row["recency"], row["frequency"], row["money"]) for row in found] == [
        (n, n, n) for n in range(1, 6)
    ]
    assert {row["layer"] for row in found} == {"too_few"}, "ranks of five customers say nothing"
    (few,) = await rows(cloud, "reports/rfm")
    assert (few["layer"], few["people"], few["people_percent"], few["purchases"]) == ("too_few", 5, 100.0, 15)
    monkeypatch.setattr(reports, "RANKED_LEAST", 5)
    layers = {row["layer"]: (row["people"], row["purchases"]) for row in await rows(cloud, "reports/rfm")}
    assert layers == {"best": (2, 9), "steady": (1, 3), "new": (0, 0), "leaving": (0, 0), "gone": (2, 3)}
    assert len(await rows(cloud, "reports/people?since=2026-03-04&until=2026-03-04")) == 1


async def test_arms_against_what_is_held_out(cloud: Running) -> None:
    """Of 4 in arm A 3 came back on a later day for 50 each, of 4 that were held out 1 did for 10."""
    client = await cloud.enrol("T-1")
    words = Words("", "")
    rule = PromoRow(PromoCode("RC1", "7-500-AAAAA", words, words), ISSUER, CAMPAIGN, 500, TODAY)
    await stored(cloud).add_promos("T-1", [rule])
    events: list[dict[str, Any]] = []
    for person in range(8):
        arm, pseudonym = "A" if person < 4 else "none", bytes([person] * 8)
        for visit in range(2 if person in (0, 1, 2, 4) else 1):
            hidden = disclosure(bytes([person, visit] * 8), pseudonym)
            promotion = {"rule": "march", "arm": arm, "unit": hidden.digest}
            spent = sale(5000 if arm == "A" else 1000)
            more = {"promotion": promotion, "promo": None if events else "7-500-AAAAA"}
            sealed = client.till.redeem(len(events), business_date=f"2026-03-{visit + 1:02}", **spent, **more)
            events.append(sealed | {MEMBER: pair_text([hidden])})
    await client.post(*events)
    found = {row["arm"]: row for row in await rows(cloud, "reports/lift")}
    assert (found["none"]["people"], found["none"]["returned"], found["none"]["spent_each_minor"]) == (
        4,
        1,
        250,
    )
    assert found["none"]["against"] is None
    lifted = found["A"]
    assert (lifted["people"], lifted["returned"], lifted["spent_each_minor"], lifted["extra_each_minor"]) == (
        4,
        3,
        3750,
        3500,
    )
    assert (lifted["rate_percent"], lifted["against"], lifted["difference_percent"]) == (75.0, "none", 50.0)
    low, high = newcombe((3, 4), (1, 4))
    assert (lifted["difference_low_percent"], lifted["difference_high_percent"]) == (
        round(100 * low, 2),
        round(100 * high, 2),
    )
    assert lifted["extra_low_minor"] is None, "of so few no interval is shown"


async def test_stores_are_summed_up_by_merchant_and_group(cloud: Running) -> None:
    await a_day(cloud)
    for by, value in (
        ("merchant", STORE.merchant),
        *(("group", str(group)) for group in sorted(STORE.groups)[:1]),
    ):
        found = await rows(cloud, f"reports/breakdown?by={by}")
        assert (found[0][by], found[0]["redemptions"], found[0]["share_percent"]) == (value, 5, 100.0)


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    main.add_arguments(parser)
    return main.run(parser.parse_args(arguments))


async def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cloud"
    async with running_cloud(folder) as cloud:
        await cloud.set_up()
        await a_day(cloud)
    for name in REPORTS:
        assert await asyncio.to_thread(command, "report", str(folder), name, "--json") == 0
        assert await asyncio.to_thread(command, "report", str(folder), name) == 0
    capsys.readouterr()
    assert await asyncio.to_thread(command, "report", str(folder), "campaigns", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["redemptions"], row["extra_minor"]) == (5, 22_001), "it counts up what is there first"
    assert await asyncio.to_thread(command, "report", str(folder), "breakdown", "--by", "hour", "--csv") == 0
    hours = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["hour"]: row["redemptions"] for row in hours} == {"": "1", "09": "3", "21": "1"}
    assert await asyncio.to_thread(command, "report", str(folder), "campaigns") == 0
    assert "average_basket_minor" in capsys.readouterr().out
    assert await asyncio.to_thread(command, "report", str(folder), "campaigns", "--campaign", "seven") == 1


async def test_an_export_knows_at_once_what_was_never_issued(cloud: Running) -> None:
    order = {"issuer": ISSUER, "campaign": CAMPAIGN, "count": 1, "not_before": TODAY, "expires": TODAY}
    status, made = await cloud.admin("POST", "coupons", order)
    assert status == 201
    one = await cloud.enrol("T-1")
    (issued,) = made["coupons"]
    await one.post(scanned(one, issued), one.till.redeem((issued["index"] + 1) % 1000))
    _, text, _ = await ask(cloud, "exports/redemptions.csv?until=2026-12-31")
    assert [row["implausible"] for row in csv.DictReader(io.StringIO(text))] == ["", "never_issued"]
