"""Promo codes of receipts, from the rule to the record: who gets which, when one is active, when it goes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.domain.outcome import Outcome
from agent.domain.sale import Sale
from agent.domain.time import Anchor, BootTime
from agent.domain.token import parse
from agent.ports import LedgerUnavailable, PrintState
from agent.printing import queue as printing
from agent.printing.queue import Device, PrintQueue
from agent.promos.handed_out import Promos
from drivers.ports import Delivery, PrinterCause
from tests.core_kit import Core, check_chain, core, install, promo_codes
from tests.factory import Factory, amount_off, today
from tests.fake_printer import FakePrinter
from tests.integration.api_kit import until

NEXT, OTHER = ("acme", 2), ("acme", 3)


def rule(**changes: Any) -> dict[str, Any]:
    arms = [{"name": "all", "share": 10_000, "campaign": list(NEXT)}]
    return {"name": "r", "starts": 0, "ends": 60_000, "unit": "shopper", "arms": arms} | changes


def factory(*rules: dict[str, Any], **changes: Any) -> Factory:
    """Two pools: P000 and P001 of campaign 3, Q000 and Q001 of campaign 2."""
    made = Factory(campaigns=[amount_off(), amount_off(2), amount_off(3)], **changes)
    for number, letter in ((3, "P"), (2, "Q")):
        made.promos += [
            replace(one, token=made.coupon(100 + index, number), short=f"{letter}{index:03}")
            for index, one in enumerate(promo_codes(made, 2))
        ]
    if rules:
        made.receipt_rules = {"promos": list(rules)}
    return made


class Desk:
    def __init__(self, till: Core) -> None:
        self.till = till
        self.told = 0
        self.promos = Promos(till.state, till.ledger, till.clock, till.factory.till_key, self.count)

    def count(self) -> None:
        self.told += 1

    async def redeem(self, index: int, total_minor: int | None = None, **claims: Any) -> dict[str, Any]:
        """The data of the record of one redemption."""
        sale = None if total_minor is None else Sale("s", "CNY", total_minor)
        verdict = await self.till.redeem(self.till.factory.coupon(index, **claims), sale)
        assert verdict.outcome is Outcome.ACCEPTED, verdict
        data: dict[str, Any] = self.records("redemption")[-1]["data"]
        return data

    def records(self, lane: str) -> list[dict[str, Any]]:
        found = self.till.rows("SELECT event FROM record WHERE lane = ? ORDER BY sequence", lane)
        return [json.loads(event) for (event,) in found]

    def told_of(self, short: str) -> list[str]:
        return [
            event["data"]["state"] for event in self.records("evidence") if event["data"]["promo"] == short
        ]


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Core]:
    made = factory()
    with core(install(tmp_path / "till", made), made) as opened:
        yield opened


def opened(folder: Path, made: Factory) -> Any:
    return core(install(folder / "till", made), made)


async def test_without_rules_the_next_of_the_pool_is_taken(till: Core) -> None:
    desk = Desk(till)
    assert [(await desk.redeem(n))["promo"] for n in (1, 2, 3)] == ["P000", "P001", "Q000"]
    assert desk.records("redemption")[0]["data"]["promotion"] is None


async def test_a_damaged_code_costs_a_promotion_and_no_redemption(till: Core) -> None:
    connection = sqlite3.connect(till.path)
    connection.execute("UPDATE promo SET texts = ? WHERE short = 'P000'", ('{"title": ["\x1b", ',))
    connection.commit()
    connection.close()
    desk = Desk(till)
    assert [(await desk.redeem(n))["promo"] for n in (1, 2)] == [None, "P001"]
    assert till.rows("SELECT short FROM promo WHERE short = 'P000'") == [], "no later receipt meets it"


async def test_a_rule_decides_which_and_the_record_says_why(tmp_path: Path) -> None:
    least = rule(
        name="big", least_minor=20_000, arms=[{"name": "o", "share": 10_000, "campaign": list(OTHER)}]
    )
    with opened(tmp_path, factory(least, rule())) as till:
        desk = Desk(till)
        small, big = await desk.redeem(1, 15_000), await desk.redeem(2, 20_000)
        unknown = await desk.redeem(3)
    assert [one["promo"] for one in (small, big, unknown)] == ["Q000", "P000", "Q001"]
    assert [one["promotion"]["rule"] for one in (small, big, unknown)] == ["r", "big", "r"]
    assert small["promotion"].keys() == {"rule", "arm", "unit"}


async def test_held_out_out_of_codes_and_no_rule_print_none_and_say_which(tmp_path: Path) -> None:
    held = rule(
        name="held", stores=[7], least_minor=1, arms=[{"name": "h", "share": 10_000, "campaign": None}]
    )
    away = rule(name="away", stores=[8])
    empty = rule(
        name="empty", least_minor=30_000, arms=[{"name": "e", "share": 10_000, "campaign": ["acme", 9]}]
    )
    with opened(tmp_path, factory(empty, held, away)) as till:
        desk = Desk(till)
        records = [await desk.redeem(1, 10_000), await desk.redeem(2, 30_000), await desk.redeem(3)]
    assert [one["promo"] for one in records] == [None, None, None]
    assert [(one["promotion"] or {}).get("arm") for one in records] == ["h", "e", None]


async def test_the_same_customer_is_in_the_same_arm_at_every_till(tmp_path: Path) -> None:
    arms = [{"name": f"a{n}", "share": 2500, "campaign": None} for n in range(4)]
    holders = [bytes([n]) * 8 for n in range(12)]
    seen = []
    for name in ("one", "two"):
        with opened(tmp_path / name, factory(rule(arms=arms))) as till:
            desk = Desk(till)
            seen.append(
                [(await desk.redeem(n, holder=holder))["promotion"] for n, holder in enumerate(holders)]
            )
            (count,) = till.rows("SELECT count(DISTINCT pseudonym) FROM disclosure")
            assert count == (len(holders),), "the unit of a person stands beside the record"
    assert [one["arm"] for one in seen[0]] == [one["arm"] for one in seen[1]]
    assert len({one["arm"] for one in seen[0]}) > 1
    assert {one["unit"] for one in seen[0]}.isdisjoint(one["unit"] for one in seen[1]), "each salted anew"


async def test_a_code_that_is_over_is_not_handed_out(tmp_path: Path) -> None:
    made = factory()
    made.promos[0] = replace(made.promos[0], token=made.coupon(5, 3, expires=today() - 1))
    with opened(tmp_path, made) as till:
        assert (await Desk(till).redeem(1))["promo"] == "P001"


async def test_a_code_of_the_pool_is_no_coupon_before_it_is_printed(tmp_path: Path) -> None:
    made = factory()
    with opened(tmp_path, made) as till:
        desk = Desk(till)
        stolen = made.promos[1].token
        refused = await till.redeem(stolen)
        assert (refused.outcome, refused.detail) == (Outcome.NEVER_ISSUED, "not_printed")
        assert [(await desk.redeem(n))["promo"] for n in (1, 2)] == ["P000", "P001"]
        refused = await till.redeem(stolen)
        assert (refused.outcome, refused.detail) == (Outcome.NEVER_ISSUED, "not_printed"), (
            "the printer has no paper"
        )
        job = await till.prints.next_print()
        assert job is not None
        await till.prints.finish_print(job.job_id, PrintState.QUEUED, "paper_out")
        assert (await till.redeem(made.promos[0].token)).outcome is Outcome.NEVER_ISSUED
        await till.prints.finish_print("T-0001-2", PrintState.UNCONFIRMED, "unconfirmed")
        assert (await till.redeem(stolen)).outcome is Outcome.ACCEPTED, "it may be on paper"


async def test_a_code_that_was_used_goes_to_nobody_else(till: Core) -> None:
    """However it came back into the pool."""
    desk = Desk(till)
    await desk.redeem(1)
    await till.prints.finish_print("T-0001-1", PrintState.PRINTED, "")
    assert (await till.redeem(till.factory.promos[0].token)).outcome is Outcome.ACCEPTED
    with contextlib.closing(sqlite3.connect(till.path)) as other:
        other.execute("UPDATE promo SET redemption_id = NULL WHERE short = 'P000'")
        other.commit()
    assert (await desk.redeem(2))["promo"] == "Q000"


async def test_a_printed_code_is_told_once_with_its_coupon(till: Core) -> None:
    desk = Desk(till)
    await desk.redeem(1)
    assert await desk.promos.settle() == 0, "it only waits for the printer"
    await till.prints.finish_print("T-0001-1", PrintState.UNCONFIRMED, "unconfirmed")
    assert await desk.promos.settle("T-0001-1") == 0, "nobody knows"
    await till.prints.finish_print("T-0001-1", PrintState.PRINTED, "")
    assert await desk.promos.settle("T-0001-1") == 1
    assert await desk.promos.settle("T-0001-1") == 0
    assert desk.told == 1
    (event,) = desk.records("evidence")
    claims = parse(till.factory.promos[0].token).claims
    assert event["type"] == "redeemd.promo.v1"
    assert event["subject"] == f"acme/3/{claims.index}"
    data = event["data"]
    assert (data["state"], data["promo"], data["redemption_id"]) == ("printed", "P000", "T-0001-1")
    assert data["coupon"] == {"issuer": "acme", "campaign": 3, "index": claims.index}
    assert till.factory.promos[0].token not in json.dumps(event)
    check_chain(till.path, till.factory)


async def test_what_a_crash_left_untold_is_told_at_the_start(till: Core) -> None:
    desk = Desk(till)
    for index in (1, 2, 3):
        await desk.redeem(index)
    for job in ("T-0001-1", "T-0001-3"):
        await till.prints.finish_print(job, PrintState.PRINTED, "")
    assert await Desk(till).promos.settle() == 2
    assert (desk.told_of("P000"), desk.told_of("P001"), desk.told_of("Q000")) == (
        ["printed"],
        [],
        ["printed"],
    )


async def test_a_receipt_given_up_gives_its_code_back(till: Core) -> None:
    desk = Desk(till)
    await desk.redeem(1)
    assert await desk.promos.give_up("T-0001-1") is True
    assert await desk.promos.give_up("T-0001-1") is False
    job = await till.prints.print_job("T-0001-1")
    assert job is not None
    assert (job.state, job.cause) == (PrintState.FAILED, "given_up")
    assert await till.prints.next_print() is None
    assert (await desk.redeem(2))["promo"] == "P000", "it is free again"
    assert desk.told_of("P000") == ["returned"]
    check_chain(till.path, till.factory)


async def test_a_pool_that_had_none_left_is_looked_at_again_when_something_comes_in(till: Core) -> None:
    """The till remembers that it is empty, and must forget it: by a receipt given up, and by a bundle."""
    desk = Desk(till)
    assert [(await desk.redeem(n))["promo"] for n in range(1, 7)] == [
        "P000",
        "P001",
        "Q000",
        "Q001",
        None,
        None,
    ]
    assert await desk.promos.give_up("T-0001-2") is True
    assert [(await desk.redeem(n))["promo"] for n in (7, 8)] == ["P001", None]
    fresh = replace(till.factory.promos[0], short="R000")
    parts = till.factory.parts()
    manifest = till.factory.manifest(parts)
    await till.cache.apply(manifest, parts, [fresh], Anchor(till.factory.issued, BootTime("", 0.0)))
    assert [(await desk.redeem(n))["promo"] for n in (9, 10)] == ["R000", None]


async def test_a_receipt_given_up_is_printed_later_without_the_code(till: Core) -> None:
    """Two receipts with one code would be two customers with one coupon."""
    desk = Desk(till)
    await desk.redeem(1)
    taken = await till.prints.next_print()
    assert taken is not None
    await till.prints.keep_document(
        taken.job_id, taken.receipt
    )  # it was about to be sent, and no byte was taken
    await till.prints.finish_print(taken.job_id, PrintState.QUEUED, "unreachable")
    await desk.promos.give_up("T-0001-1")
    again = await till.prints.copy_print("T-0001-1")
    assert again is not None
    assert (again.state, again.copies, again.document) == (PrintState.QUEUED, 0, None)
    assert json.loads(again.receipt)["promo_token"] is None


@pytest.mark.parametrize("state", [PrintState.SENDING, PrintState.UNCONFIRMED, PrintState.PRINTED])
async def test_what_may_be_on_paper_is_not_given_up(state: PrintState, till: Core) -> None:
    desk = Desk(till)
    await desk.redeem(1)
    await till.prints.finish_print("T-0001-1", state, "")
    assert await desk.promos.give_up("T-0001-1") is False
    assert await desk.promos.give_up("T-0001-9") is False
    assert (await desk.redeem(2))["promo"] == "P001"
    assert desk.records("evidence") == []


async def test_a_copy_that_waits_is_not_given_up(till: Core) -> None:
    desk = Desk(till)
    await desk.redeem(1)
    await till.prints.finish_print("T-0001-1", PrintState.PRINTED, "")
    await till.prints.copy_print("T-0001-1")
    assert await desk.promos.give_up("T-0001-1") is False


async def test_the_print_queue_tells_of_what_it_printed(till: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "RETRY_LEAST_S", 0.01)
    desk, printer = Desk(till), FakePrinter()
    printer.cause = PrinterCause.PAPER_OUT
    device = Device(printer, lambda document, _copies: document.encode())
    queue = PrintQueue(till.prints, [device], lambda _job: None, printed=desk.promos.settle)
    task = asyncio.create_task(queue.run())
    await desk.redeem(1)
    queue.wake()
    await asyncio.sleep(0)
    assert desk.told_of("P000") == []
    printer.cause = None
    await until(lambda: bool(desk.told_of("P000")))
    printer.delivery = Delivery.UNCONFIRMED
    await desk.redeem(2)
    queue.wake()
    state = "SELECT state FROM print_job WHERE number = 2"
    await until(lambda: till.rows(state) == [("unconfirmed",)])
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert desk.told_of("P001") == []


async def test_a_ledger_that_fails_stops_no_printer(till: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(till)
    await desk.redeem(1)
    await till.prints.finish_print("T-0001-1", PrintState.PRINTED, "")

    async def broken(*_: Any) -> int:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(till.ledger, "write", broken)
        assert await desk.promos.settle("T-0001-1") == 0
    assert await desk.promos.settle() == 1, "found later"


async def test_rules_name_slips_and_links(tmp_path: Path) -> None:
    words = {"zh": "入会", "en": "Join us"}
    made = factory()
    made.campaigns.append(
        amount_off(4, offer={"benefit": {"kind": "gift", "skus": ["CAKE"], "value_minor": 900}})
    )
    made.receipt_rules = {
        "slips": [{"paper": "exchange", "benefit": "gift"}],
        "join": {"url": "https://m.example/join", "words": words},
        "referral": {"url": "https://m.example/friend", "words": words},
    }
    with opened(tmp_path, made) as till:
        desk = Desk(till)
        await desk.redeem(1)
        await desk.redeem(2, holder=bytes(8))
        assert (await till.redeem(made.coupon(3, 4))).outcome is Outcome.ACCEPTED
        facts = [json.loads(text) for (text,) in till.rows("SELECT receipt FROM print_job ORDER BY number")]
    stranger, member, goods = facts
    assert (stranger["papers"], goods["papers"]) == (["redemption"], ["redemption", "exchange"])
    assert stranger["join_link"] == "https://m.example/join?s=S-07"
    assert (stranger["join_words"], stranger["referral_link"]) == ("Join us", "")
    assert member["join_link"] == member["join_words"] == ""
    assert member["referral_link"].startswith("https://m.example/friend?r=")
    assert bytes(8).hex() not in member["referral_link"]
