"""A supervisor's badge over the API and at the counter of a running till, and sales that a member splits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio

from agent.appeal import WAITS_S
from agent.domain.risk import BADGE_USES_DAY
from agent.domain.shop import StaffRole
from tests.core_kit import HandClock, files_hold, rows
from tests.factory import Factory, amount_off, today
from tests.integration.api_kit import RealTill, real_till
from tests.integration.test_api_sales import Pos

BOSS, CLERK, FORMER = "EMP-BOSS-4711", "EMP-CLERK-0815", "EMP-FORMER-1"
BUDGET = {
    "count_day": 6,
    "value_day_minor": 10**6,
    "count_offline": 6,
    "value_offline_minor": 10**6,
    "soft_percent": 34,
}
WIDE = {**BUDGET, "count_day": 200, "count_offline": 200, "soft_percent": 0}
MEMBER = {"pseudonym": "a1a2a3a4a5a6a7a8"}
OTHER = {"pseudonym": "b1b2b3b4b5b6b7b8"}


def factory() -> Factory:
    joint = {
        "benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]},
        "stacking": {"mode": "joint", "per_sale": 5},
    }
    split = {"split_sales": 2, "split_minutes": 30}
    return Factory(
        campaigns=[
            amount_off(1, budget=BUDGET, offer=joint),
            amount_off(2, budget=WIDE),
            amount_off(3, risk=split),
            amount_off(4, risk=split | {"split_refuses": True}),
        ],
        badges={
            BOSS: (StaffRole.MANAGER, today(), today() + 1),
            CLERK: (StaffRole.CASHIER, today(), today() + 1),
            FORMER: (StaffRole.MANAGER, today() - 9, today() - 1),
        },
    )


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with real_till(tmp_path / "state", factory()) as made:
        yield made


class Counter:
    """Redemptions over the API and scans at the counter."""

    def __init__(self, till: RealTill) -> None:
        self.till = till
        self._keys = iter(range(10**6))

    async def redeem(self, index: int, campaign: int = 1, sale: str | None = None, **more: Any) -> Any:
        number = next(self._keys)
        body = {
            "text": self.till.factory.coupon(index, campaign),
            "sale": {"total_minor": 20_000, "sale_id": sale or f"S{number}"},
        } | more
        answer = await self.till.call("POST", "/v1/redeem", body, Idempotency_Key=f"k{number}")
        assert answer.status == 200, answer.raw
        return answer.json

    async def scan(self, text: str) -> Any:
        answer = await self.till.call("POST", "/v1/scan", {"text": text})
        assert answer.status == 200, answer.raw
        return answer.json

    def events(self, lane: str = "redemption") -> list[Any]:
        path = Path(self.till.app._database.path)
        return [
            json.loads(text) for (text,) in rows(path, f"SELECT event FROM {lane}_record ORDER BY sequence")
        ]


async def test_a_badge_lets_a_coupon_through_once_and_the_record_names_it(
    till: RealTill, tmp_path: Path
) -> None:
    counter = Counter(till)
    for index in (1, 2):
        assert (await counter.redeem(index))["accepted"]
    asked = await counter.redeem(3)
    assert (asked["outcome"], asked["detail"], asked["tone"], asked["transient"]) == (
        "supervisor_needed",
        "soft_cap",
        "warn",
        True,
    )
    assert "supervisor" in asked["next_en"]
    assert asked["next_zh"]
    for badge, why in (
        (CLERK, "badge_no_supervisor"),
        (FORMER, "badge_other_day"),
        ("EMP-NOBODY", "badge_unknown"),
    ):
        said = await counter.redeem(3, supervisor=badge)
        assert (said["outcome"], said["detail"]) == ("supervisor_needed", why)
    let = await counter.redeem(3, supervisor=BOSS)
    assert (let["outcome"], let["discount_minor"]) == ("accepted", 3_000)
    record = counter.events()[-1]["data"]
    found = till.factory.contents().shop.badges.find(BOSS)
    assert found is not None
    assert record["supervisor"] == {"badge": found.digest.hex(), "asked": "soft_cap"}
    assert "supervisor" not in counter.events()[0]["data"], "nobody was asked"
    # the next coupon asks again; a badge shown where nobody asks is not used
    assert (await counter.redeem(4))["outcome"] == "supervisor_needed"
    assert (await counter.redeem(3, supervisor=BOSS))["outcome"] == "already_redeemed"
    for index in (4, 5, 6):
        assert (await counter.redeem(index, supervisor=BOSS))["accepted"]
    assert (await counter.redeem(7, supervisor=BOSS))["outcome"] == "budget_reached", (
        "no badge moves the hard cap"
    )
    assert (await counter.redeem(7))["outcome"] == "budget_reached"
    assert files_hold(tmp_path, BOSS) == [], "the badge's text is nowhere"


async def test_the_same_request_again_uses_no_badge_twice(till: RealTill) -> None:
    body = {"text": till.factory.coupon(1, 2), "sale": {"total_minor": 20_000}, "supervisor": BOSS}
    first, again = [
        (await till.call("POST", "/v1/redeem", body, Idempotency_Key="one")).json for _ in range(2)
    ]
    assert (first["accepted"], again["replayed"]) == (True, True)
    assert rows(Path(till.app._database.path), "SELECT count FROM badge_use") == [(1,)]
    other = await till.call("POST", "/v1/redeem", body | {"supervisor": ""}, Idempotency_Key="one")
    assert (other.status, other.code) == (422, "key_reused")


async def test_a_badge_lets_so_many_through_in_a_day(till: RealTill) -> None:
    counter = Counter(till)
    for index in range(BADGE_USES_DAY):
        assert (await counter.redeem(index, 2, supervisor=BOSS))["accepted"]
    over = await counter.redeem(BADGE_USES_DAY, 2, supervisor=BOSS)
    assert (over["outcome"], over["detail"]) == ("supervisor_needed", "badge_used_up")


async def test_badges_cannot_be_guessed_without_end(till: RealTill) -> None:
    statuses = []
    for index in range(30):
        body = {
            "text": till.factory.coupon(1, 2),
            "sale": {"total_minor": 20_000},
            "supervisor": f"EMP-{index}",
        }
        answer = await till.call("POST", "/v1/redeem", body, Idempotency_Key=f"guess{index}")
        statuses.append(answer.status)
    assert statuses[0] == 200
    assert statuses[-1] == 429


async def test_at_the_counter_the_badge_is_scanned_after_the_coupon(till: RealTill) -> None:
    counter, coupon = Counter(till), till.factory.coupon
    await till.call("PUT", "/v1/sale", {"total_minor": 20_000})
    assert (await counter.scan(coupon(1, 2)))["outcome"] == "supervisor_needed"
    assert (await counter.scan(CLERK))["outcome"] == "staff_badge"
    let = await counter.scan(BOSS)
    assert (let["outcome"], let["coupon"]["index"], let["discount_minor"]) == ("accepted", 1, 3_000)
    assert counter.events()[-1]["data"]["supervisor"]["asked"] == "soft_cap"
    # the badge was for that one: with nothing waiting it is a badge
    till.app.till._intake.begin_anew()
    assert (await counter.scan(BOSS))["outcome"] == "staff_badge"


async def test_a_waiting_coupon_is_forgotten(till: RealTill) -> None:
    counter, coupon = Counter(till), till.factory.coupon
    appeal = till.app.till.counter.appeal
    clock = HandClock()
    appeal._clock = clock
    # another coupon came between
    assert (await counter.scan(coupon(1, 2)))["outcome"] == "supervisor_needed"
    assert (await counter.scan(coupon(2, 1)))["outcome"] == "accepted"
    assert (await counter.scan(BOSS))["outcome"] == "staff_badge"
    # the next customer
    till.app.till._intake.begin_anew()
    assert (await counter.scan(coupon(1, 2)))["outcome"] == "supervisor_needed"
    await till.call("PUT", "/v1/sale", {"total_minor": 20_000})
    assert (await counter.scan(BOSS))["outcome"] == "staff_badge"
    # too late
    till.app.till._intake.begin_anew()
    assert (await counter.scan(coupon(1, 2)))["outcome"] == "supervisor_needed"
    clock.advance(timedelta(seconds=WAITS_S + 1))
    till.app.till._intake._seen.pop(BOSS, None)
    assert (await counter.scan(BOSS))["outcome"] == "staff_badge"
    # in time
    till.app.till._intake.begin_anew()
    assert (await counter.scan(coupon(1, 2)))["outcome"] == "supervisor_needed"
    clock.advance(timedelta(seconds=WAITS_S - 1))
    assert (await counter.scan(BOSS))["outcome"] == "accepted"


async def test_a_held_sale_needs_the_badge_once(till: RealTill) -> None:
    pos, counter, coupon = Pos(till), Counter(till), till.factory.coupon
    await counter.redeem(1)
    texts = [coupon(index, 1) for index in (2, 3, 4)]
    asked = await pos.hold(*texts)
    assert [one["coupon"]["index"] for one in asked["applied"]] == [2]
    assert [(one["reason"], one["detail"]) for one in asked["refused"]] == [
        ("supervisor_needed", "soft_cap")
    ] * 2
    await pos.void(asked)
    clerk = await pos.hold(*texts, supervisor=CLERK)
    assert [one["detail"] for one in clerk["refused"]] == ["badge_no_supervisor"] * 2
    await pos.void(clerk)
    quoted = await till.call(
        "POST", "/v1/quotes", {"sale": {"total_minor": 20_000}, "coupons": texts, "supervisor": BOSS}
    )
    assert len(quoted.json["applied"]) == 3
    assert pos.rows("SELECT * FROM badge_use") == [], "a quote uses no badge"
    held = await pos.hold(*texts, supervisor=BOSS)
    assert (len(held["applied"]), held["refused"]) == (3, [])
    assert pos.rows("SELECT count FROM badge_use") == [(2,)]
    done = await pos.commit(held)
    assert (done.status, len(done.json["applied"]), done.json["changed"]) == (200, 3, False)
    stood = [event["data"].get("supervisor", {}).get("asked") for event in counter.events()[1:]]
    assert stood == [None, "soft_cap", "soft_cap"]
    # priced anew at the commit, what was let through stays so
    held = await pos.hold(coupon(5, 1), supervisor=BOSS)
    changed = await pos.commit(held, total_minor=30_000)
    assert [one["coupon"]["index"] for one in changed.json["applied"]] == [5]
    assert counter.events()[-1]["data"]["supervisor"]["asked"] == "soft_cap"


async def test_a_sale_that_a_member_splits(till: RealTill) -> None:
    counter, pos = Counter(till), Pos(till)
    assert (await counter.redeem(1, 3, "A", member=MEMBER))["accepted"]
    assert (await counter.redeem(2, 3, "A", member=MEMBER))["accepted"], "the same sale"
    held = await pos.hold(
        till.factory.coupon(3, 3), sale={"sale_id": "B", "total_minor": 20_000}, member=MEMBER
    )
    third = await counter.redeem(4, 3, "C", member=MEMBER)
    assert (third["outcome"], third["detail"]) == ("supervisor_needed", "split_sale")
    assert (await counter.redeem(5, 3, "C", member=OTHER))["accepted"], "somebody else"
    assert (await counter.redeem(6, 3, "C"))["accepted"], "nobody known"
    await pos.void(held)
    assert (await counter.redeem(4, 3, "C", member=MEMBER))["accepted"], "the held sale did not come about"
    again = await pos.hold(
        till.factory.coupon(7, 3), sale={"sale_id": "D", "total_minor": 20_000}, member=MEMBER
    )
    assert [one["detail"] for one in again["refused"]] == ["split_sale"]
    let = await counter.redeem(7, 3, "D", member=MEMBER, supervisor=BOSS)
    assert let["accepted"]
    assert counter.events()[-1]["data"]["supervisor"]["asked"] == "split_sale"
    for index, sale in ((1, "E"), (2, "F")):
        assert (await counter.redeem(index, 4, sale, member=MEMBER))["accepted"]
    refused = await counter.redeem(3, 4, "G", member=MEMBER, supervisor=BOSS)
    assert (refused["outcome"], refused["tone"]) == ("split_sale", "warn")
    assert files_hold(Path(till.app._database.path).parent, MEMBER["pseudonym"].upper()) == []


async def test_after_the_window_a_member_is_as_any_other(till: RealTill) -> None:
    counter = Counter(till)
    for index, sale in ((1, "A"), (2, "B")):
        assert (await counter.redeem(index, 3, sale, member=MEMBER))["accepted"]
    assert (await counter.redeem(3, 3, "C", member=MEMBER))["outcome"] == "supervisor_needed"
    await till.app._database.run(
        lambda db: db.execute(
            "UPDATE member_sale SET at = strftime('%Y-%m-%dT%H:%M:%fZ', at, '-31 minutes') WHERE sale_id = 'A'"
        )
    )
    assert (await counter.redeem(3, 3, "C", member=MEMBER))["accepted"]


async def test_who_asks_for_none_of_it_pays_for_none_of_it(till: RealTill) -> None:
    counter = Counter(till)
    said: list[str] = []
    await till.app._database.run(lambda db: db.set_trace_callback(said.append))

    def asked() -> list[str]:
        """But for housekeeping, which sweeps every table now and then."""
        return [
            text
            for text in said
            if ("badge_use" in text or "member_sale" in text) and not text.startswith("DELETE")
        ]

    assert (await counter.redeem(1, 1, member=MEMBER))["accepted"]
    assert (await counter.redeem(2, 1))["accepted"]
    assert said
    assert asked() == []
    assert (await counter.redeem(3, 3, member=MEMBER))["accepted"]
    assert asked(), "it would be seen"
