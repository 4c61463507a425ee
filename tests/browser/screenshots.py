"""Photograph every state of the cashier page, to be looked at: `python -m tests.browser.screenshots FOLDER [NAME...]`.

The pictures in docs/images are of a real till: tests/browser/real_photos.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from agent.domain.outcome import Outcome
from tests.browser.till_stand_in import (
    TillStandIn,
    accepted,
    ago,
    campaign,
    printer,
    printer_issue,
    receipt,
    status,
    truncated,
    used,
    verdict,
    wrong_store,
)

LAUNCH: dict[str, Any] = {
    "executable_path": "/usr/bin/chromium",
    "args": ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
}
SMALL, WIDE, TABLET, PHONE = (1024, 768), (1366, 768), (800, 1280), (390, 844)

OFFLINE = {
    "line": {
        "state": "offline",
        "since": ago(hours=1, minutes=7),
        "last_success": ago(hours=1, minutes=7),
        "zh": "连不上云端，网线或路由器可能断开",
        "en": "The cloud does not answer; the router may be off",
    },
    "outbox": {"waiting": 37, "oldest": ago(hours=1, minutes=6), "quarantined": 0, "conflicts": 0},
}
PAPER_OUT = {
    "devices": [*status()["devices"][:2], printer("paper_out", "out of paper: put in a new roll")],
    "prints": {"waiting": 1, "unconfirmed": 0},
    "issues": [printer_issue("paper_out")],
}
PAPER_LOW = {
    "devices": [*status()["devices"][:2], printer("paper_low", "the paper roll is nearly used up")],
    "issues": [printer_issue("paper_low")],
}
HARM = {
    **OFFLINE,
    **PAPER_OUT,
    "outbox": {"waiting": 412, "oldest": ago(hours=30), "quarantined": 2, "conflicts": 0},
    "bundle": status()["bundle"] | {"issued": ago(hours=50), "age": "stale"},
    "clock": {"doubt": True, "zh": "系统时间比记录早 2 小时", "en": "The clock is 2 hours behind"},
}
HARM["issues"] = [
    *PAPER_OUT["issues"],
    {
        "code": "clock_doubt",
        "severity": "warning",
        "zh": "时钟倒退了 2 小时",
        "en": "The clock went back by 2 hours",
        "action_zh": "请联系门店技术支持校准时间",
        "action_en": "Ask store support to set it",
    },
]


def history() -> list[dict[str, Any]]:
    """Seven older verdicts, newest first, long past."""
    made = [
        accepted(1250),
        truncated(),
        accepted(3000),
        used(),
        accepted(None),
        accepted(12000),
        verdict(Outcome.EXPIRED),
    ]
    return [{**old, "at": ago(minutes=3 + 4 * place)} for place, old in enumerate(made)]


Scene = Callable[[TillStandIn, Page], Awaitable[None]]
SALE = {"sale": {"sale_id": "s1", "total_minor": 12300, "currency": "CNY"}}


async def _show(till: TillStandIn, page: Page, shown: dict[str, Any]) -> None:
    await till.push("verdict", shown)
    await page.wait_for_selector(f'#stage[data-scan="{shown["scan_id"]}"]')


def showing(make: Callable[[], dict[str, Any]]) -> Scene:
    async def scene(till: TillStandIn, page: Page) -> None:
        await _show(till, page, make())

    return scene


async def nothing(till: TillStandIn, page: Page) -> None:
    await page.wait_for_selector("#till:not(:empty)")


async def lost(till: TillStandIn, page: Page) -> None:
    await _show(till, page, accepted())
    await till.stop()
    await page.wait_for_selector("#lost:not([hidden])")


async def calm(till: TillStandIn, page: Page) -> None:
    await _show(till, page, used())
    await page.clock.fast_forward(21000)


async def doubt(till: TillStandIn, page: Page) -> None:
    till.prints = {f"T-0001-{n}": receipt(f"T-0001-{n}", "unconfirmed") for n in (117, 118)}
    await till.tell_unconfirmed()
    await page.locator("#doubt-next").click()
    await page.wait_for_selector("#doubt-confirm:not([hidden])")


def checkout(state: str, **changes: Any) -> dict[str, Any]:
    """The sale of a shop without a POS."""
    waits = state in ("noted", "total", "refused")
    return {
        "state": state,
        "at": ago(),
        "until": ago(seconds=-120) if waits else None,
        "wait_s": 120.0,
        "coupons": [{"title_zh": "满百减三十", "title_en": "30 off 100"}]
        if state in ("noted", "refused")
        else [],
        "priced": None,
        "reversed": None,
        "undoable": state == "closed",
        **changes,
    }


def priced(total: int, off: int, **changes: Any) -> dict[str, Any]:
    one = {
        "place": 0,
        "coupon": {"issuer": "acme", "campaign": 1, "index": 4711},
        "title_zh": "满百减三十",
        "title_en": "30 off 100",
        "prompt_zh": "",
        "prompt_en": "",
        "amount_minor": off,
        "payment": False,
        "left_minor": None,
        "lines": [],
        "hand_over": None,
        "points_spent": 0,
        "points_percent": 100,
        "if_tenders": [],
        "if_tenders_zh": "",
        "if_tenders_en": "",
        "hint": None,
    }
    return {
        "sale_id": "s",
        "currency": "CNY",
        "total_minor": total,
        "discount_minor": off,
        "paid_minor": 0,
        "due_minor": total - off,
        "applied": [one] if off else [],
        "refused": [],
        **changes,
    }


TURNED: dict[str, Any] = {"place": 1, "coupon": None, "works_from": None, "detail": None}
TURNED |= {"title_zh": "咖啡买一送一", "title_en": "Coffee two for one"}
TURNED |= {"missing_minor": 0, "missing_pieces": 0, "missing_points": 0}
TOO_LITTLE = {
    **TURNED,
    "reason": "sale_too_small",
    "missing_minor": 1250,
    "zh": "金额还不够",
    "en": "The sale is too small",
    "next_zh": "再买 12.50 就能用",
    "next_en": "12.50 more and it applies",
}
TOGETHER = {
    **TURNED,
    "reason": "not_together",
    "zh": "不能与其他券同用",
    "en": "Not together with the other coupons",
    "next_zh": "",
    "next_en": "",
}


def selling(state: str, **changes: Any) -> Scene:
    async def scene(till: TillStandIn, page: Page) -> None:
        await till.push("sale", checkout(state, **changes))
        await page.wait_for_selector(f'#stage[data-checkout="{state}"]')

    return scene


TAKEN_BACK = {
    "amount_minor": 3000,
    "currency": "CNY",
    "replayed": False,
    "reversals": [
        {
            "reversal_id": "T-0001-9",
            "redemption_id": "T-0001-8",
            "coupon": {"issuer": "acme", "campaign": 1, "index": 4711},
            "amount_minor": 3000,
            "currency": "CNY",
            "whole": True,
            "coupon_returns": True,
            "points_earned": 0,
            "points_spent": 0,
            "lines": [],
        }
    ],
}
WITHOUT_POS = {"checkout": checkout("idle", at=ago(hours=1))}


async def tip(till: TillStandIn, page: Page) -> None:
    await nothing(till, page)
    await page.locator("#health li").last.hover()


LONG = {
    "campaign": campaign(
        title_zh="超级无敌长的活动名称" * 6,
        title_en="A very long campaign title " * 6,
        benefit_zh="满减",
        benefit_en="off",
    )
}

SCENES: dict[str, tuple[Scene, tuple[int, int], dict[str, Any], dict[str, Any]]] = {
    # name: (what happens, size, changes to the status, browser options)
    "idle": (nothing, SMALL, {}, {}),
    "accepted": (showing(accepted), SMALL, SALE, {}),
    "accepted-wide": (showing(accepted), WIDE, SALE, {}),
    "accepted-item": (showing(lambda: accepted(None)), SMALL, {}, {}),
    "accepted-large": (showing(lambda: accepted(1234567, offline=True, **LONG)), SMALL, OFFLINE, {}),
    "duplicate": (showing(used), SMALL, {}, {}),
    "duplicate-wide": (showing(used), WIDE, {}, {}),
    "wrong-store": (showing(wrong_store), SMALL, {}, {}),
    "not-yet": (
        showing(lambda: verdict(Outcome.NOT_YET_VALID, works_from=ago(days=-9))),
        SMALL,
        {},
        {},
    ),
    "truncated": (showing(truncated), SMALL, {}, {}),
    "forged": (showing(lambda: verdict(Outcome.BAD_SIGNATURE, campaign=None)), SMALL, {}, {}),
    "too-little": (showing(lambda: verdict(Outcome.SALE_TOO_SMALL)), SMALL, SALE, {}),
    "offline": (showing(lambda: accepted(offline=True)), SMALL, OFFLINE, {}),
    "offline-wide": (showing(lambda: accepted(offline=True)), WIDE, OFFLINE, {}),
    "paper-out": (showing(accepted), SMALL, PAPER_OUT, {}),
    "paper-low": (showing(accepted), SMALL, PAPER_LOW, {}),
    "paper-low-calm": (calm, SMALL, PAPER_LOW, {}),
    "paper-low-english": (showing(accepted), SMALL, PAPER_LOW | {"language": "en"}, {}),
    "paper-low-dark": (showing(used), SMALL, PAPER_LOW, {"color_scheme": "dark"}),
    "paper-low-phone": (showing(accepted), PHONE, PAPER_LOW, {"has_touch": True, "is_mobile": True}),
    "harm": (showing(used), SMALL, HARM, {}),
    "lost": (lost, SMALL, {}, {}),
    "calm": (calm, SMALL, {}, {}),
    "doubt": (doubt, SMALL, {}, {}),
    "doubt-english": (doubt, SMALL, {"language": "en"}, {}),
    "doubt-phone": (doubt, PHONE, {}, {"has_touch": True, "is_mobile": True}),
    "tip": (tip, SMALL, PAPER_OUT, {}),
    "english": (showing(accepted), SMALL, {"language": "en"}, {}),
    "english-duplicate": (showing(used), WIDE, {"language": "en", **OFFLINE}, {}),
    "english-wrong-store": (showing(wrong_store), SMALL, {"language": "en"}, {}),
    "english-harm": (showing(wrong_store), SMALL, {"language": "en", **HARM}, {}),
    "dark": (showing(accepted), SMALL, OFFLINE, {"color_scheme": "dark"}),
    "dark-calm": (calm, SMALL, PAPER_OUT, {"color_scheme": "dark"}),
    "checkout-idle": (nothing, SMALL, WITHOUT_POS, {}),
    "checkout-noted": (selling("noted"), SMALL, WITHOUT_POS, {}),
    "checkout-closed": (
        selling("closed", priced=priced(12800, 3000, refused=[TOGETHER])),
        SMALL,
        WITHOUT_POS,
        {},
    ),
    "checkout-refused": (
        selling("refused", priced=priced(8750, 0, refused=[TOO_LITTLE])),
        SMALL,
        WITHOUT_POS,
        {},
    ),
    "checkout-dark": (
        selling("closed", priced=priced(12800, 3000)),
        SMALL,
        WITHOUT_POS | {"language": "en"},
        {"color_scheme": "dark"},
    ),
    "checkout-dark-noted": (selling("noted"), SMALL, WITHOUT_POS, {"color_scheme": "dark"}),
    "checkout-undone": (
        selling("undone", priced=priced(12800, 3000), reversed=TAKEN_BACK),
        SMALL,
        WITHOUT_POS,
        {},
    ),
    "checkout-phone": (
        selling("noted"),
        PHONE,
        WITHOUT_POS,
        {"has_touch": True, "is_mobile": True},
    ),
    "checkout-phone-closed": (
        selling("closed", priced=priced(12800, 3000)),
        PHONE,
        WITHOUT_POS | {"language": "en"},
        {"has_touch": True, "is_mobile": True},
    ),
    "tablet": (showing(used), TABLET, OFFLINE, {}),
    "phone": (showing(accepted), PHONE, OFFLINE, {"has_touch": True, "is_mobile": True}),
    "phone-duplicate": (showing(used), PHONE, {}, {}),
}


async def photograph(browser: Browser, till: TillStandIn, name: str, folder: Path) -> None:
    scene, (width, height), changes, options = SCENES[name]
    till.reset()
    till.status = status(**changes)
    till.verdicts = history() if name != "idle" else []
    context = await browser.new_context(viewport={"width": width, "height": height}, **options)
    page = await context.new_page()
    await page.clock.install()
    await page.goto(till.url)
    await page.wait_for_selector("#till:not(:empty)")
    await page.locator("#till").click()  # the gesture a browser wants before it sounds
    await scene(till, page)
    await page.evaluate(
        "Promise.allSettled(document.getAnimations().filter((one) => one.effect.getTiming().duration < 5000)"
        ".map((one) => one.finished)).then(() => null)"
    )
    await page.screenshot(path=folder / f"{name}.png", full_page=width < height)
    if name in ("accepted", "duplicate"):
        session = await context.new_cdp_session(page)
        for vision in ("deuteranopia", "achromatopsia"):
            await session.send("Emulation.setEmulatedVisionDeficiency", {"type": vision})
            await page.screenshot(path=folder / f"{name}-{vision}.png")
    await context.close()
    if scene is lost:
        await till.start()


async def main(folder: Path, names: list[str]) -> None:
    till = TillStandIn()
    await till.start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**LAUNCH)
        for name in names or SCENES:
            await photograph(browser, till, name, folder)
        await browser.close()
    await till.stop()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
