"""Members over the API of a running till: who the customer is, by pseudonym alone, and what follows from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import config
from agent.domain.keys import new_signing_key
from agent.domain.member_card import Card, sign
from agent.domain.sale import Sale
from agent.domain.time import day_number
from agent.folder import StartError
from agent.members import Members, Told
from agent.request import Request
from agent.store.housekeeping import Retention, tidy
from drivers.virtual_printer import VirtualPrinter
from tests.core_kit import SECRET, HandClock, core, files_hold, install
from tests.factory import today
from tests.integration.api_kit import RealTill, real_till
from tests.integration.member_kit import LISTED, MEMBER, SALE, SILENT, WHO, Counter, card, factory


@pytest_asyncio.fixture
async def till(tmp_path: Path) -> AsyncIterator[RealTill]:
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        async with real_till(tmp_path / "state", factory(), printer=devices) as made:
            yield made


async def test_a_member_of_the_level_gets_the_promotion_of_that_level(till: RealTill) -> None:
    counter = Counter(till)
    for index, member in enumerate((None, MEMBER | {"level": 1}, MEMBER)):
        assert (await counter.redeem(1, index + 1, member))["accepted"]
    kept = counter.data()
    assert [one["promotion"] and one["promotion"]["rule"] for one in kept] == [None, None, "gold"]
    assert [one["promo"] is None for one in kept] == [True, True, False]
    assert kept[0]["member"] is None
    assert kept[2]["member"] == {"pseudonym": counter.hidden(3), "level": 2, "consent": True}


async def test_rules_about_members_count_on_redeem_and_verify(till: RealTill) -> None:
    counter = Counter(till)
    asked = [
        (2, None, "member_needed"),
        (2, {"pseudonym": WHO, "level": 1}, "level_too_low"),
        (2, {"pseudonym": WHO, "level": 2}, "accepted"),
        (3, {"pseudonym": WHO, "visits": 1}, "not_first_visit"),
        (3, {"pseudonym": WHO}, "accepted"),
        (4, {"pseudonym": WHO, "visits": 3, "absent_days": 29}, "not_absent"),
        (4, {"pseudonym": WHO, "visits": 3, "absent_days": 30}, "accepted"),
        (5, {"pseudonym": "ff" * 8}, "other_holder"),
        (5, {"pseudonym": WHO}, "accepted"),
    ]
    for index, (number, member, outcome) in enumerate(asked):
        holder = bytes.fromhex(WHO) if number == 5 else None
        text = till.factory.coupon(index, number, holder=holder)
        body = {"text": text, "sale": SALE, "member": member}
        assert (await till.call("POST", "/v1/verify", body)).json["outcome"] == outcome
        assert (await counter.redeem(number, index, member, holder=holder))["outcome"] == outcome
    refused = [one for one in counter.data("evidence") if "outcome" in one]
    assert [one["member"] and one["member"]["level"] for one in refused] == [None, 1, 0, 0, 0]


async def test_another_member_is_another_request(till: RealTill) -> None:
    counter = Counter(till)
    first = await counter.redeem(1, 1, MEMBER, key="k")
    again = await counter.redeem(1, 1, MEMBER, key="k")
    assert (again["replayed"], again["redemption_id"]) == (True, first["redemption_id"])
    body = {"text": till.factory.coupon(1), "sale": SALE, "member": MEMBER | {"level": 3}}
    assert (await till.call("POST", "/v1/redeem", body, Idempotency_Key="k")).code == "key_reused"


async def test_the_member_of_the_current_sale_is_that_of_the_next_scan_alone(till: RealTill) -> None:
    text = till.factory.coupon(1, 2)
    assert (await till.call("POST", "/v1/scan", {"text": text})).json["outcome"] == "member_needed"
    said = (await till.call("PUT", "/v1/sale", {"total_minor": 20_000, "member": MEMBER})).json
    assert said["member"] == {"level": 2, "points": 1200, "as_of": None}
    status = (await till.call("GET", "/v1/status")).json
    assert status["member"] == said["member"]
    assert (await till.call("POST", "/v1/scan", {"text": text})).json["outcome"] == "accepted"
    assert (await till.call("GET", "/v1/sale")).json == {"sale": None, "member": None, "checkout": None}
    other = till.factory.coupon(2, 2)
    assert (await till.call("POST", "/v1/scan", {"text": other})).json["outcome"] == "member_needed"


async def test_a_hold_keeps_the_member_for_rule_and_record(till: RealTill) -> None:
    body = {"sale": SALE, "coupons": [till.factory.coupon(1, 2)], "member": MEMBER}
    held = (await till.call("POST", "/v1/holds", body, Idempotency_Key="h")).json
    closing = {"total_minor": 20_000, "tenders": ["cash"]}
    path = f"/v1/holds/{held['hold_id']}/commit"
    assert len((await till.call("POST", path, closing, Idempotency_Key="c")).json["applied"]) == 1
    (kept,) = Counter(till).data()
    assert (kept["member"]["pseudonym"], kept["promotion"]["rule"]) == (Counter(till).hidden(1), "gold")


async def test_without_consent_the_pseudonym_is_nowhere(till: RealTill, tmp_path: Path) -> None:
    """Neither in a record nor anywhere else on disk; the level is no name."""
    counter = Counter(till)
    silent = MEMBER | {"consent": False}
    assert (await counter.redeem(2, 1, silent))["accepted"]
    assert (await counter.redeem(3, 2, silent | {"visits": 2}))["outcome"] == "not_first_visit"
    (kept,) = counter.data()
    assert kept["member"] == {"pseudonym": None, "level": 2, "consent": False}
    assert kept["promotion"]["rule"] == "gold"
    assert counter.data("evidence")[0]["member"]["pseudonym"] is None
    for form in (WHO, bytes.fromhex(WHO).hex().upper()):
        assert files_hold(tmp_path, form) == []


async def test_a_members_uses_count_on_both_roads_and_holds_keep_theirs(till: RealTill) -> None:
    """One a day: by whichever call it was; a void, an end and a return with the coupon give the use back."""
    counter = Counter(till)
    other = MEMBER | {"pseudonym": "ff" * 8}

    async def hold(index: int, key: str, **more: Any) -> Any:
        body = {"sale": SALE, "coupons": [till.factory.coupon(index, 6)], "member": MEMBER, **more}
        return (await till.call("POST", "/v1/holds", body, Idempotency_Key=key)).json

    def limited(priced: Any) -> list[tuple[str, str]]:
        return [(one["reason"], one["detail"]) for one in priced["refused"]]

    held = await hold(1, "h1")
    assert len(held["applied"]) == 1
    refused = await counter.redeem(6, 2, MEMBER)
    assert (refused["outcome"], refused["detail"]) == ("limit_reached", "member_day")
    assert limited(await hold(3, "h2")) == [("limit_reached", "member_day")]
    assert (await counter.redeem(6, 4, other))["accepted"]
    assert (await counter.redeem(6, 5))["outcome"] == "member_needed"
    await till.call("POST", f"/v1/holds/{held['hold_id']}/void", {}, Idempotency_Key="v")
    first = await counter.redeem(6, 2, MEMBER)
    assert first["accepted"]
    assert limited(await hold(3, "h3")) == [("limit_reached", "member_day")]
    back = {"redemption_id": first["redemption_id"]}
    answer = await till.call("POST", "/v1/reversals", back, Idempotency_Key="r")
    assert answer.json["reversals"][0]["coupon_returns"], answer.raw
    again = await hold(2, "h4")
    closing = {"total_minor": 20_000, "tenders": ["cash"]}
    path = f"/v1/holds/{again['hold_id']}/commit"
    assert len((await till.call("POST", path, closing, Idempotency_Key="c")).json["applied"]) == 1
    assert (await counter.redeem(6, 7, MEMBER))["detail"] == "member_day"


async def test_a_day_and_a_month_later_a_member_may_again(tmp_path: Path) -> None:
    made, clock = factory(), HandClock(datetime(2026, 11, 27, 12, tzinfo=UTC))
    made.issued = clock.wall
    with core(install(tmp_path / "till", made), made, clock) as till:
        known = Members(till.state, clock, till.ledger, SECRET).customer(Told(bytes.fromhex(WHO)))

        async def redeem(index: int) -> tuple[str, str | None]:
            text = made.coupon(index, 6, not_before=20_000, expires=30_000)
            sale = Sale(f"S{index}", "CNY", 20_000)
            verdict = await till.redeemer.redeem(Request(text, "test", sale, customer=known))
            return verdict.outcome.value, verdict.detail

        said = []
        for index in range(5):
            said += [await redeem(2 * index), await redeem(2 * index + 1)]
            clock.advance(timedelta(days=1))
        day = till.state.now(clock).now
        await tidy(till.database, day, day_number(day, UTC), Retention(30, 1000))
        kept = till.rows("SELECT day, member FROM member_use")
    yes, today, month = ("accepted", None), ("limit_reached", "member_day"), ("limit_reached", "member_month")
    # 27th and 28th are the month's two; the 29th and 30th have none left; December begins anew
    assert said == [yes, today, yes, today, month, month, month, month, yes, today]
    assert [day for day, _ in kept] == [day_number(datetime(2026, 12, 1, tzinfo=UTC), UTC)]
    assert kept[0][1] != bytes.fromhex(WHO)
    assert len(kept[0][1]) == 16


async def test_a_scanned_card_says_whose_sale_it_is_and_is_kept_nowhere(
    till: RealTill, tmp_path: Path
) -> None:
    text = card(till)
    shown = (await till.call("POST", "/v1/scan", {"text": text})).json
    assert (shown["outcome"], shown["detail"], shown["tone"]) == ("member_card", "taken", "good")
    assert (shown["zh"], shown["en"]) == (
        "会员 2 级，1200 积分（截至 2026-03-01）",
        "Member, level 2, 1200 points as of 2026-03-01",
    )
    said = {"level": 2, "points": 1200, "as_of": "2026-03-01T08:00:00.000Z"}
    assert (await till.call("GET", "/v1/status")).json["member"] == said
    assert Counter(till).data("evidence") == []
    assert files_hold(tmp_path, text[4:60]) + files_hold(tmp_path, LISTED.hex()) == []
    # level 2, absent for 40 days: what the bundle says counts for the next coupon alone
    assert (await till.call("POST", "/v1/scan", {"text": till.factory.coupon(1, 4)})).json["accepted"]
    assert (await till.call("GET", "/v1/sale")).json["member"] is None
    other = (await till.call("POST", "/v1/scan", {"text": till.factory.coupon(2, 4)})).json
    assert other["outcome"] == "member_needed"
    assert Counter(till).data()[0]["member"]["level"] == 2


async def test_a_card_that_does_not_count_says_why_and_changes_nothing(till: RealTill) -> None:
    await till.call("PUT", "/v1/sale", {"total_minor": 20_000, "member": MEMBER})
    stranger = sign(Card(LISTED, 0, 60_000), new_signing_key())
    refused = {
        card(till, first=-9, last=-1): ("expired", "已过期", "请顾客刷新会员码再扫"),
        card(till, first=1, last=2): ("not_yet_valid", "还没到生效日期", "请顾客刷新会员码再扫"),
        stranger: ("unknown_key", "本机不认识发卡方", "请联网更新后再试，或不用会员卡结账"),
        card(till)[:-9]: ("incomplete", "没有扫完整", "请再扫一次"),
    }
    for text, (code, why, what_next) in refused.items():
        shown = (await till.call("POST", "/v1/scan", {"text": text})).json
        assert (shown["outcome"], shown["detail"], shown["tone"]) == ("member_card", code, "bad")
        assert (shown["zh"], shown["next_zh"]) == (f"会员卡无效：{why}", what_next)
        problem = (await till.call("PUT", "/v1/sale", {"total_minor": 1, "member": {"card": text}})).json
        assert (problem["code"], problem["zh"]) == ("card_refused", f"会员卡无效：{why}。{what_next}")
        assert problem["detail"].endswith(f" ({code})"), "support reads the code"
    assert (await till.call("GET", "/v1/sale")).json["member"]["points"] == 1200
    told = {"total_minor": 20_000, "member": {"card": stranger}}
    assert (await till.call("PUT", "/v1/sale", told)).code == "card_refused"
    body = {"text": till.factory.coupon(1), "sale": SALE, "member": {"card": stranger}}
    assert (await till.call("POST", "/v1/redeem", body, Idempotency_Key="k")).code == "card_refused"
    assert (await till.call("POST", "/v1/verify", body)).code == "card_refused"
    held = {"sale": SALE, "coupons": [], "member": {"card": stranger}}
    assert (await till.call("POST", "/v1/quotes", held)).code == "card_refused"
    assert (await till.call("POST", "/v1/holds", held, Idempotency_Key="h")).code == "card_refused"
    both = body | {"member": {"card": card(till), "pseudonym": WHO}}
    assert (await till.call("POST", "/v1/verify", both)).code == "bad_body"
    assert (await till.call("POST", "/v1/verify", body | {"member": {}})).code == "bad_body"


async def test_a_pos_sends_the_card_and_what_the_bundle_says_of_it_counts(till: RealTill) -> None:
    """Not what the POS says beside it, unless the bundle does not list the member."""
    counter = Counter(till)
    boast = {"level": 9, "visits": 0, "absent_days": 0, "consent": True}
    assert (await counter.redeem(4, 3, {"card": card(till), **boast}))["accepted"], "absent, says the bundle"
    assert (await counter.redeem(2, 1, {"card": card(till), **boast}))["accepted"]
    assert (await counter.redeem(3, 2, {"card": card(till), **boast}))["outcome"] == "not_first_visit"
    assert (await counter.redeem(2, 4, {"card": card(till, b"nobody-1", level=2)}))["accepted"]
    assert (await counter.redeem(2, 5, {"card": card(till, b"nobody-1")}))["outcome"] == "level_too_low"
    await counter.redeem(1, 6, {"pseudonym": SILENT.hex(), **boast})
    await counter.redeem(1, 7, {"pseudonym": LISTED.hex(), "consent": False})
    kept = [one["member"] for one in counter.data()]
    assert [one["level"] for one in kept] == [2, 2, 2, 3, 2]
    # nobody-1 did not say; SILENT refused, says the bundle; LISTED refuses at the counter
    assert [one["consent"] for one in kept] == [True, True, False, False, False]


async def test_a_repeated_request_gets_its_answer_though_its_card_is_over(tmp_path: Path) -> None:
    made, clock = factory(), HandClock(datetime.now(UTC))
    made.issued = clock.wall.replace(microsecond=0)
    with core(install(tmp_path / "till", made), made, clock) as till:
        members = Members(till.state, clock, till.ledger, SECRET)
        told = Told(card=sign(Card(LISTED, today() - 1, today()), made.issuer_key))

        async def redeem() -> Any:
            sale = Sale("S", "CNY", 20_000)
            request = Request(made.coupon(1, 2), "api", sale, "key", members.customer(told))
            return (await till.redeemer.redeem(request)).to_json()

        first = await redeem()
        clock.advance(timedelta(days=2))
        assert members.customer(told).fault == "expired"
        again = await redeem()
    assert (again["replayed"], again["redemption_id"]) == (True, first["redemption_id"])


async def test_a_pos_wins_where_it_is_configured_so(tmp_path: Path) -> None:
    async with real_till(tmp_path / "state", factory(), members=config.Members(pos_wins=True)) as till:
        member = {"pseudonym": LISTED.hex(), "level": 1, "points": 7}
        said = (await till.call("PUT", "/v1/sale", {"total_minor": 1, "member": member})).json["member"]
        assert said == {"level": 1, "points": 7, "as_of": None}


async def test_a_first_visit_is_one_though_the_list_does_not_know_of_it_yet(till: RealTill) -> None:
    """The list of the bundle is older than the member's sale here a minute ago, or the one that is held."""
    counter, who = Counter(till), {"card": card(till, SILENT)}
    assert (await counter.redeem(3, 1, who))["accepted"], "the list says that there was no visit"
    assert (await counter.redeem(3, 2, who))["outcome"] == "not_first_visit"
    back = {"card": card(till)}
    body = {"sale": SALE, "coupons": [till.factory.coupon(3, 4)], "member": back}
    held = (await till.call("POST", "/v1/holds", body, Idempotency_Key="h")).json
    assert len(held["applied"]) == 1, "absent for 40 days"
    assert (await counter.redeem(4, 4, back))["outcome"] == "not_absent"
    await till.call("POST", f"/v1/holds/{held['hold_id']}/void", {}, Idempotency_Key="v")
    assert (await counter.redeem(4, 4, back))["accepted"]


async def test_what_was_counted_and_answered_outlives_the_tills_key(tmp_path: Path) -> None:
    folder, made = tmp_path / "state", factory()
    async with real_till(folder, made) as till:
        first = await Counter(till).redeem(6, 1, MEMBER, key="first")
        hold = {"sale": SALE, "coupons": [made.coupon(9, 1)]}
        held = await till.call("POST", "/v1/holds", hold, Idempotency_Key="held")
    secret = folder / "till.secret"
    assert (secret.stat().st_mode & 0o777, len(secret.read_text())) == (0o600, 65)
    (folder / "till.key").write_bytes(new_signing_key().to_pem())  # as `redeemd key rotate` does
    async with real_till(folder, made, enrolled=False) as till:
        again = await Counter(till).redeem(6, 1, MEMBER, key="first")
        assert (again["replayed"], again["redemption_id"]) == (True, first["redemption_id"])
        kept = await till.call("POST", "/v1/holds", hold, Idempotency_Key="held")
        assert kept.json == held.json | {"replayed": True}
        refused = await Counter(till).redeem(6, 2, MEMBER, key="second")
        assert (refused["outcome"], refused["detail"]) == ("limit_reached", "member_day")


@pytest.mark.parametrize("content", ["", "0" * 63 + "\n", "x" * 64, "0" * 64 + "\n0"])
async def test_a_damaged_secret_is_told_and_never_replaced(tmp_path: Path, content: str) -> None:
    factory().install(tmp_path)
    secret = tmp_path / "till.secret"
    secret.write_text(content)
    secret.chmod(0o600)
    with pytest.raises(StartError, match="is damaged"):
        async with real_till(tmp_path, enrolled=False):
            pass
    assert secret.read_text() == content
    secret.chmod(0o640)
    with pytest.raises(StartError, match="chmod 600"):
        async with real_till(tmp_path, enrolled=False):
            pass
