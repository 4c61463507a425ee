"""A real cloud with a plausible fleet, for the operator page: stores, tills, campaigns, a week of records.

`python -m tests.browser.operator_kit FOLDER` photographs every page of it; one picture is in docs/images.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from agent.domain import campaign as campaigns
from agent.domain.campaign import Returns, Words
from agent.domain.parts import PromoCode
from agent.domain.time import timestamp
from cloud.access import digest
from cloud.api.background import count_all
from cloud.ingest import ingest
from cloud.ports import CloudStore, PromoRow, Terms
from cloud.seen import Seen, Word
from sync.till_health import TillHealth
from tests.browser.screenshots import LAUNCH
from tests.integration.cloud_server_kit import KEY_BODY, STORE_BODY, Running, running_cloud
from tests.unit.cloud_kit import ISSUER, SealingTill, batch, campaign, sealing_till, token_digest

NOW = datetime(2026, 11, 28, 11, 30, tzinfo=UTC)
TODAY = NOW.toordinal() - date(1970, 1, 1).toordinal()
STORES = {
    "S-0012": ("M-1", "人民广场店", "People's Square"),
    "S-0017": ("M-1", "徐家汇店", "Xujiahui"),
    "S-0031": ("M-7", "静安面馆", "Jing'an Noodles"),
}
CAMPAIGNS = {
    7: ("满100减30", "30 off 100", 4000),
    8: ("新客立减20", "20 off for new guests", 2500),
    12: ("下次再来减15", "15 off next time", 6000),
}
PROMO = 12
SIZES = {"laptop": (1366, 860), "tablet": (800, 1100), "phone": (390, 844)}


def always(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def health(**changes: Any) -> TillHealth:
    well = TillHealth(
        version="0.1.0",
        epoch=1,
        sequence=412,
        issued=timestamp(NOW - timedelta(minutes=40)),
        age="fresh",
        doubt="",
        waiting=0,
        oldest=None,
        quarantined=0,
        healthy=True,
        devices=(("scanner", "front", "ready"), ("printer", "receipts", "ready")),
    )
    return replace(well, **changes)


WRONG: dict[int, dict[str, Any]] = {
    3: {
        "waiting": 1240,
        "oldest": timestamp(NOW - timedelta(hours=31)),
        "issued": timestamp(NOW - timedelta(hours=31)),
        "age": "stale",
    },
    9: {
        "devices": (("scanner", "front", "ready"), ("printer", "receipts", "lost")),
        "issues": ("device_lost",),
    },
    14: {"doubt": "behind", "healthy": False, "issues": ("clock_doubt",)},
    21: {"quarantined": 2, "issues": ("quarantine",)},
    22: {
        "issued": timestamp(NOW - timedelta(days=9)),
        "age": "expired",
        "healthy": False,
        "issues": ("bundle_expired",),
    },
}


def offers() -> list[campaigns.Campaign]:
    return [
        campaign(
            number=number,
            title=Words(zh, en),
            starts=TODAY - 20,
            ends=TODAY + 40,
            size=20_000,
            returns=Returns.COUPON,
        )
        for number, (zh, en, _) in CAMPAIGNS.items()
    ]


async def fill(cloud: Running, tills: int = 64, records: int = 600) -> None:
    """Stores, tills that say how they are, campaigns, records of a week with conflicts, returns and refusals."""
    store = _store(cloud)
    chance = random.Random(7)
    for number, (name, (merchant, zh, en)) in enumerate(STORES.items(), 12):
        body = STORE_BODY | {
            "store": name,
            "number": number,
            "merchant": merchant,
            "title": {"zh": zh, "en": en},
        }
        assert (await cloud.admin("POST", "stores", body))[0] == 201
    assert (await cloud.admin("POST", "issuers", KEY_BODY))[0] == 201
    issued = {}
    for offer in offers():
        assert (await cloud.admin("POST", "campaigns", {"campaign": campaigns.to_wire(offer)}))[0] == 201
        count, terms = CAMPAIGNS[offer.number][2], Terms(0, TODAY + 40)
        drawn = await store.allot(ISSUER, offer.number, count, terms, timestamp(NOW))
        await store.note_tokens(ISSUER, offer.number, [(index, token_digest(index)) for index in drawn])
        issued[offer.number] = drawn
    fleet = await _enrol(store, tills)
    await _say(store, tills, chance)
    await _promos(store, fleet[0].name, issued[PROMO])
    await _sell(store, fleet[:8], records, chance, issued)
    await count_all(store)


def _store(cloud: Running) -> CloudStore:
    assert cloud.cloud is not None
    return cloud.cloud.store


async def _enrol(store: CloudStore, tills: int) -> list[SealingTill]:
    found = []
    for number in range(1, tills + 1):
        till = sealing_till(f"T-{number:04}", number % 250 + 1)
        await store.add_till(
            till.name, list(STORES)[number % 3], digest(till.name), "2027-01-01T00:00:00.000Z"
        )
        if number != tills - 1:
            await store.enrol(digest(till.name), till.key.public_key, timestamp(NOW - timedelta(days=30)))
        found.append(till)
    await store.revoke_till(fleet_name(tills), timestamp(NOW - timedelta(days=2)))
    return found


def fleet_name(number: int) -> str:
    return f"T-{number:04}"


async def _say(store: CloudStore, tills: int, chance: random.Random) -> None:
    seen = []
    for number in range(1, tills - 1):
        at = timestamp(NOW - timedelta(seconds=chance.randrange(5, 70)))
        if number in (17, 40):
            at = timestamp(NOW - timedelta(hours=number))
        off_s = 5400 if number == 14 else chance.randrange(-2, 3)
        said = health(waiting=chance.choice([0, 0, 0, 1, 3]))
        seen.append(Seen(fleet_name(number), at, Word(replace(said, **WRONG.get(number, {})), at, off_s)))
    await store.put_seen(seen)


async def _sell(
    store: CloudStore,
    tills: list[SealingTill],
    records: int,
    chance: random.Random,
    issued: dict[int, list[int]],
) -> None:
    handed = 0
    for till in tills:
        events = []
        for _ in range(records // len(tills)):
            number = chance.choice([7, 7, 7, 8])
            day = NOW - timedelta(days=chance.randrange(7))
            hour = chance.choice([11, 12, 12, 12, 13, 17, 18, 18, 18, 19, 19, 20, 21])
            total = chance.randrange(4_000, 32_000)
            more: dict[str, Any] = {"business_date": day.date().isoformat(), "hour": hour, "currency": "CNY"}
            more |= {"sale": {"sale_id": "1", "total_minor": total, "currency": "CNY"}}
            more["discount_minor"] = 3_000 if number == 7 else 2_000
            if till is tills[0]:
                arm = chance.choice(["15 yuan", "15 yuan", "gift", "none"])
                promo = None if arm == "none" else promo_code(handed)
                handed += arm != "none"
                more |= {"promo": promo, "promotion": {"rule": "weekday lunch", "arm": arm, "unit": "00"}}
            index = chance.choice(issued[number][:2_400])
            coupon = {"issuer": ISSUER, "campaign": number, "index": index}
            events.append(
                till.redeem(0, coupon=coupon | {"touch": chance.choice([1, 1, 2, 3, None])}, **more)
            )
            if chance.random() < 0.04:
                events.append(till.give_back(events[-1]))
        if till is tills[1]:
            back = [chance.randrange(handed) for _ in range(24)] if handed else []
            sold = {
                "currency": "CNY",
                "business_date": NOW.date().isoformat(),
                "hour": 12,
                "discount_minor": 1_500,
            }
            coupons = [
                {"issuer": ISSUER, "campaign": PROMO, "index": issued[PROMO][one]}
                for one in sorted(set(back))
            ]
            events += [till.redeem(0, coupon=coupon, **sold) for coupon in coupons]
        if till is tills[2]:
            events.append(till.redeem(2_500) | {"subject": "damaged on its way"})
            till.redeem(2_501)  # it never comes
            events.append(till.redeem(2_502, coupon={"issuer": ISSUER, "campaign": 99, "index": 1}))
        known = await store.till(till.name)
        assert known is not None
        for first in range(0, len(events), 100):
            body = batch(events[first : first + 100])
            at = NOW - timedelta(minutes=chance.randrange(1, 200))
            await ingest(store, known, "redemption", body, always(at))


def promo_code(number: int) -> str:
    return f"{PROMO}-{number:05}-AAAAA"


async def _promos(store: CloudStore, till: str, issued: list[int]) -> None:
    words = Words("下次再来", "Come again")
    rows = [
        PromoRow(PromoCode("RC1", promo_code(number), words, words), ISSUER, PROMO, index, TODAY + 40)
        for number, index in enumerate(issued[:200])
    ]
    await store.add_promos(till, rows)


async def log_in(page: Page, cloud: Running, token: str | None = None) -> None:
    await page.clock.set_system_time(NOW)
    await page.goto(f"{cloud.url}/operator/")
    await page.locator("#token").fill(token or cloud.token)
    await page.locator("#login-form .primary").click()
    await page.wait_for_selector("#main .tools")


PLACES = {
    "tills": "#/tills",
    "tills-problem": "#/tills?problem=any&sort=seen",
    "campaigns": "#/campaigns",
    "campaign": f"#/campaigns/{ISSUER}/7",
    "arms": "#/arms",
    "conflicts": "#/conflicts",
    "conflicts-ended": "#/conflicts?state=ended",
    "quarantine": "#/quarantine",
    "implausible": "#/quarantine?list=implausible",
    "settlement": "#/settlement",
    "acts": "#/acts",
    "nothing": "#/tills?search=nowhere",
}


async def photograph(browser: Browser, cloud: Running, folder: Path) -> None:
    for kind, (width, height) in SIZES.items():
        for language, scheme in (("zh-CN", "light"), ("en-GB", "dark")):
            options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "locale": language}
            context = await browser.new_context(**options | {"color_scheme": scheme})
            page = await context.new_page()
            await page.goto(f"{cloud.url}/operator/")
            await page.wait_for_selector("#login-form")
            await page.screenshot(path=folder / f"{kind}-{language[:2]}-login.png")
            await log_in(page, cloud)
            for name, place in PLACES.items():
                await page.evaluate("(place) => { location.hash = place; }", place)
                await page.wait_for_selector("#main > :not(.loading)")
                await page.wait_for_function("document.querySelector('.loading') === null")
                await page.wait_for_load_state("networkidle")
                await page.screenshot(path=folder / f"{kind}-{language[:2]}-{name}.png")
            await context.close()


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with running_cloud(Path(scratch) / "cloud") as cloud, async_playwright() as playwright:
            cloud.time.at = NOW
            await fill(cloud)
            browser = await playwright.chromium.launch(**LAUNCH)
            await photograph(browser, cloud, folder)
            await browser.close()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(Path(sys.argv[1])))
