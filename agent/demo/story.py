"""The steps of one day: issue, enrol, redeem by three roads, lose the line, refuse, be killed, come back, settle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from agent.commands.admin import CloudAdmin
from agent.commands.issue import issue_pictures
from agent.commands.issue_order import Order
from agent.demo.day import TILL, Day, expect
from agent.demo.film import shoot
from agent.demo.ledgers import cloud_line, till_line
from agent.demo.offers import ISSUER, PROMO, SIZE, STORE, campaigns, issuer_key
from agent.demo.parts import Daemon, TillClient, command, free_port
from agent.domain import token
from agent.domain.keys import new_signing_key

Step = Callable[[Day], Awaitable[str]]

ZONE = ZoneInfo(STORE["zone"])


async def open_cloud(day: Day) -> str:
    """1. The reference cloud starts; an issuer key, three campaigns and 40 coupons are made."""
    folder = day.folder / "cloud"
    made = json.loads(await command("cloud", "init", str(folder), "--json"))
    token_file = day.folder / "admin.token"
    token_file.touch(0o600)
    token_file.write_text(made["admin_token"], "ascii")
    port = free_port(8420)
    day.cloud = Daemon(
        day.folder / "cloud.log", f"http://127.0.0.1:{port}", "/v1/health",
        "cloud", "serve", str(folder), "--port", str(port),
    )  # fmt: skip
    await day.cloud.start()
    day.admin = CloudAdmin(day.cloud.url, made["admin_token"])
    await day.admin.__aenter__()
    await day.admin.post("/v1/admin/stores", STORE)
    await day.admin.post("/v1/admin/stores", STORE | {"store": "S-99", "number": 99})  # "elsewhere"
    await day.admin.post("/v1/admin/issuers", issuer_key())
    for campaign in campaigns():
        await day.admin.post(
            "/v1/admin/campaigns", {"campaign": campaign, "promo": PROMO[campaign["number"]]}
        )
    await _issue_all(day)
    count = sum(len(tokens) for tokens in day.tokens.values())
    expect(count == 40, "40 coupons were issued", count)
    return f"3 campaigns, {count} coupons as QR pictures in {day.relative(day.folder / 'coupons')}"


async def _issue_all(day: Day) -> None:
    """40 coupons: good ones of each campaign, and one for each reason to refuse."""
    today = datetime.now(ZONE).date()
    month = timedelta(days=30)
    wanted = {
        "thirty": Order(ISSUER, 1, 14, today, today + month),
        "fifth": Order(ISSUER, 2, 12, today, today + month),
        "gift": Order(ISSUER, 3, 10, today, today + month),
        "expired": Order(ISSUER, 1, 1, today - month, today - timedelta(days=1)),
        "future": Order(ISSUER, 2, 1, today + timedelta(days=3), today + month),
        "elsewhere": Order(ISSUER, 3, 1, today, today + month, store=99),
        "revoked": Order(ISSUER, 1, 1, today, today + month),
    }
    for kind, order in wanted.items():
        made = await issue_pictures(day.admin, order, SIZE, day.folder / "coupons" / kind)
        day.tokens[kind] = [coupon.token for coupon in made]
        if kind == "revoked":
            body = {"issuer": ISSUER, "campaign": order.campaign, "indexes": [made[0].index]}
            await day.admin.post("/v1/admin/revocations", body)


async def open_till(day: Day) -> str:
    """2. A till enrols with a one-time code, pulls its signed bundle and starts."""
    code = (await day.admin.post("/v1/admin/tills", {"till": TILL, "store": STORE["store"]}))["code"]
    film = day.folder / "camera.avi"
    day.tokens["filmed"] = [day.take("thirty"), day.take("fifth"), day.take("gift")]
    await asyncio.to_thread(shoot, day.tokens["filmed"], film)
    day.api_port = port = free_port(8321)
    settings = write_settings(day, film)
    await command("enrol", "--config", str(settings), "--code", code)
    day.till = Daemon(
        day.folder / "till.log", f"http://127.0.0.1:{port}", "/v1/status",
        "run", "--config", str(settings),
    )  # fmt: skip
    await day.till.start()
    day.client = TillClient(day.till.url)
    status = await day.client.wait_status(
        lambda status: status["bundle"]["campaigns"] == 3 and status["line"]["state"] == "online",
        "the bundle with three campaigns",
    )
    return f"{status['till']} in store {status['store']['name_zh']}, bundle {status['bundle']['age']}"


def write_settings(day: Day, film: Path | None) -> Path:
    """The till's till.toml; without `film` it has no camera."""
    camera = (
        ""
        if film is None
        else f"""
[[camera]]
name = "camera"
source = "{film.resolve()}"
"""
    )
    path = day.folder / "till.toml"
    path.write_text(
        f"""# Written by `redeemd demo`.
[till]
state_dir = "{(day.folder / "till").resolve()}"
language = "zh"

[cloud]
url = "{day.cloud.url}"

[api]
port = {day.api_port}

[[scanner]]
name = "counter"
kind = "serial"
port = "{day.scanner.port}"
{camera}
[[printer]]
name = "receipts"
kind = "tcp"
host = "127.0.0.1"
port = {day.printer.port}

[sync]
bundle_interval_s = 1.0
upload_interval_s = 0.5
backoff_cap_s = 2.0
""",
        "utf-8",
    )
    return path


async def redeem_by_three_roads(day: Day) -> str:
    """3. Coupons come by scanner, camera and API; good ones are accepted and receipts are printed."""
    filmed = [verdict["outcome"] for verdict in await day.client.wait_count("camera", 3)]
    expect(filmed == ["accepted"] * 3, "three filmed coupons are accepted, each once", filmed)
    await day.client.put_sale(12_800)
    verdict = await day.scan(day.take("thirty"))
    expect(verdict["discount_minor"] == 3_000, "30 off 128.00", verdict)
    for kind in ("fifth", "gift"):
        verdict = await day.scan(day.take(kind))
        expect(verdict["accepted"], f"a scanned coupon ({kind}) is accepted", verdict)
    text, sale = day.take("fifth"), {"total_minor": 50_000}
    verdict = await day.client.redeem(text, "pos-1", sale)
    expect(verdict["discount_minor"] == 5_000, "20 % of 500.00, at most 50", verdict)
    again = await day.client.redeem(text, "pos-1", sale)
    same = again["replayed"] and again["redemption_id"] == verdict["redemption_id"]
    expect(same, "the same key gives the same answer", again)
    small = await day.client.redeem(day.tokens["thirty"][0], "pos-2", {"total_minor": 8_750})
    expect(small["outcome"] == "sale_too_small", "87.50 is not 100", small)
    await _printed(day, 7)
    _check_promo(day)
    return f"7 accepted by scanner, camera and API; {len(day.receipts)} receipts printed"


async def _printed(day: Day, count: int) -> None:
    """Wait until `count` receipts are on paper."""
    await day.client.wait_status(
        lambda _: len(day.receipts) >= count, f"{count} printed receipts (printed: {len(day.receipts)})"
    )


def _check_promo(day: Day) -> None:
    """The first receipt's picture holds a QR code that is a coupon."""
    from drivers.pictures import read_paths

    for reading in read_paths([day.receipts[0]["png"]]):
        expect(len(reading["texts"]) == 1, "the receipt's QR code is read from its picture", reading)
        expect(
            token.parse(reading["texts"][0]).claims.campaign in PROMO, "it is a coupon of a promo campaign"
        )


async def lose_the_line(day: Day) -> str:
    """4. The cloud is stopped. Scanning goes on; what is not good is refused, each with its own code and sentence."""
    await day.client.wait_status(lambda status: status["outbox"]["waiting"] == 0, "an empty outbox")
    await day.cloud.stop()
    await day.client.wait_status(lambda status: status["line"]["state"] == "offline", "the till noticing it")
    used = day.take("gift")
    verdict = await day.scan(used)
    expect(verdict["accepted"] and verdict["offline"], "a coupon is accepted offline", verdict)
    await _past_debounce()
    refused = {
        "already_redeemed": used,
        "expired": day.take("expired"),
        "not_yet_valid": day.take("future"),
        "wrong_store": day.take("elsewhere"),
        "revoked": day.take("revoked"),
        "bad_signature": _forged(day.tokens["thirty"][0]),
        "truncated": day.tokens["thirty"][0][:90],
        "not_a_coupon": "Happy Hour",
    }
    sentences = []
    for outcome, text in refused.items():
        verdict = await day.scan(text)
        expect(verdict["outcome"] == outcome, f"a scan is refused as {outcome}", verdict)
        sentences.append(verdict["zh"])
    expect(len(set(sentences)) == len(refused), "each refusal has its own sentence", sentences)
    status = await day.client.status()
    return (
        f"1 accepted offline, 8 refused: {', '.join(sentences)}; {status['outbox']['waiting']} records wait"
    )


async def _past_debounce() -> None:
    """The same code again within 1.5 s would be the same scan."""
    await asyncio.sleep(1.6)


def _forged(text: str) -> str:
    """A coupon as a forger makes it: everything is right, the issuer's key id too, but not the signature."""
    genuine = token.parse(text)
    forger = replace(new_signing_key(), kid=genuine.envelope.kid)
    return token.to_text(token.sign(genuine.claims, forger))


async def kill_the_till(day: Day) -> str:
    """5. The till is killed in the middle of a redemption and started again: nothing lost, nothing doubled."""
    write_settings(day, None)  # the film is over: the till starts again without a camera
    committed = 0
    for number, moment in enumerate((_at_once, _ledger_moves, _hardly_answered)):
        text, key = day.take("fifth"), f"killed-{number}"
        asked = asyncio.create_task(day.client.redeem(text, key, {"total_minor": 20_000}))
        await moment(day, asked)
        day.till.kill()
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await asked
        await day.till.stop()
        await day.till.start()
        verdict = await day.client.redeem(text, key, {"total_minor": 20_000})
        expect(verdict["outcome"] == "accepted", "asked again, the answer is yes", verdict)
        committed += verdict["replayed"]
        second = await day.client.redeem(text, f"again-{number}")
        expect(second["outcome"] == "already_redeemed", "and it is used up once", second)
    return f"SIGKILL within 3 redemptions ({committed} committed, {3 - committed} not): none lost or doubled"


async def _at_once(_day: Day, _asked: asyncio.Task[Any]) -> None:
    """As soon as the request is on its way."""
    await asyncio.sleep(0)


async def _ledger_moves(day: Day, asked: asyncio.Task[Any]) -> None:
    """As soon as the till's ledger file is written: committed or about to be, and hardly answered yet."""
    wal = day.folder / "till" / "till.db-wal"

    def stamp() -> int:
        return wal.stat().st_mtime_ns if wal.exists() else 0

    # No event tells of another process's write, and a pause between two looks would miss it.
    before, deadline = stamp(), time.monotonic() + 5
    while stamp() == before and time.monotonic() < deadline:
        if asked.done():
            break
        await asyncio.sleep(0)


async def _hardly_answered(day: Day, asked: asyncio.Task[Any]) -> None:
    """A moment after the ledger was written: mostly committed, the answer on its way or not yet."""
    await _ledger_moves(day, asked)
    await asyncio.sleep(0.002)


async def come_back(day: Day) -> str:
    """6. The cloud returns: everything is delivered once; both ledgers are compared line by line."""
    await day.cloud.start()
    await day.client.wait_status(
        lambda status: status["line"]["state"] == "online" and status["outbox"]["waiting"] == 0,
        "every record delivered",
    )
    settings = str(day.folder / "till.toml")
    listing = await command("outbox", "--all", "--json", "--limit", "100000", "--config", settings)
    local = [json.loads(line) for line in listing.splitlines()]
    here = sorted(till_line(row) for row in local)
    there = sorted(cloud_line(row) for row in await day.admin.ledger(TILL))
    day.ledgers_equal = here == there
    expect(day.ledgers_equal, "the ledgers are equal", f"{len(here)} lines here, {len(there)} there")
    expect(all(row["state"] == "acknowledged" for row in local), "every record is acknowledged")
    redemptions = [line for line in here if line[1] == "redemption"]
    coupons = {line[4] for line in redemptions}
    expect(len(coupons) == len(redemptions), "no coupon was redeemed twice", redemptions)
    return f"{len(here)} records ({len(redemptions)} redemptions) in both ledgers, line by line the same"


STORY: tuple[tuple[str, Step], ...] = (
    ("cloud, issuer, campaigns, coupons", open_cloud),
    ("till enrols and starts", open_till),
    ("redeem by scanner, camera and API", redeem_by_three_roads),
    ("the line is lost", lose_the_line),
    ("the till is killed", kill_the_till),
    ("the line returns", come_back),
)
