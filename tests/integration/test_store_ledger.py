"""The ledger on real SQLite: one transaction per redemption, gap-free chained lanes, one yes per coupon."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from agent.domain.record import ChainHead
from agent.domain.sale import Sale
from agent.domain.time import Anchor, BootTime, day_number
from agent.ports import PrintState
from agent.store.database import Database
from agent.store.inspect import SqlNumbers
from agent.store.ledger import OFFLINE_DAY, SqlTransaction
from sync.wire import RecordResult, ResultStatus
from tests.core_kit import Core, check_chain, core, files_hold, install, promo_codes
from tests.factory import STORE_NUMBER, Factory, amount_off, today

SALE = Sale("S-1", "CNY", 12_000)
TABLES = ("coupon_use", "budget", "record", "print_job", "request")


@pytest.fixture
def factory() -> Factory:
    made = Factory()
    made.promos = promo_codes(made, 3)
    return made


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


async def test_one_redemption_is_use_budget_record_print_job_tally_promo_and_answer(
    till: Core, factory: Factory
) -> None:
    verdict = await till.redeem(factory.coupon(5), SALE, "key-1")
    assert verdict.outcome == "accepted"
    number = "T-0001-1"
    assert (verdict.redemption_id, verdict.print_job, verdict.discount_minor) == (number, number, 3_000)
    assert till.rows("SELECT issuer, campaign, idx, redemption_id, forget_after FROM coupon_use") == [
        ("acme", 1, 5, number, today() + 30)
    ]
    assert set(till.rows("SELECT day, count, value_minor FROM budget")) == {
        (today(), 1, 3_000),
        (OFFLINE_DAY, 1, 3_000),
    }
    _, tally = await till.numbers.counts(today())
    assert tally == {"accepted": 1, "refused": 0, "discount_minor": 3_000, "assistants": []}
    assert till.rows("SELECT job_id, redemption_id, state FROM print_job") == [(number, number, "queued")]
    assert till.rows("SELECT redemption_id FROM promo ORDER BY short") == [(number,), (None,), (None,)]
    assert till.rows("SELECT request_id FROM request") == [("key-1",)]
    heads = check_chain(till.path, factory)
    assert {lane: head.sequence for lane, head in heads.items()} == {"redemption": 1}


BREAKS = {
    "use": "BEFORE INSERT ON coupon_use",
    "budget": "BEFORE INSERT ON budget",
    "record": "BEFORE INSERT ON redemption_record",
    "promo": "BEFORE UPDATE ON promo",
    "print job": "BEFORE INSERT ON print_job",
    "request": "BEFORE INSERT ON request",
}


@pytest.mark.parametrize("where", BREAKS)
async def test_all_of_it_or_nothing(till: Core, factory: Factory, where: str) -> None:
    """One statement of the transaction fails: nothing of the others is there, and the till says "not taken"."""
    broken = f"CREATE TRIGGER broken {BREAKS[where]} BEGIN SELECT RAISE(FAIL, 'broken'); END"
    await till.database.run(lambda db: db.execute(broken) and None)
    verdict = await till.redeem(factory.coupon(5), SALE, "key-1")
    assert (verdict.outcome, verdict.redemption_id) == ("till_stopped", None)
    assert [till.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES] == [0] * len(TABLES)
    assert till.rows("SELECT count(*) FROM promo WHERE redemption_id IS NOT NULL") == [(0,)]
    await till.database.run(lambda db: db.execute("DROP TRIGGER broken") and None)
    assert (await till.redeem(factory.coupon(5), SALE, "key-1")).redemption_id == "T-0001-1"
    check_chain(till.path, factory)


async def test_two_scans_of_one_coupon_at_the_same_moment_give_one_yes(till: Core, factory: Factory) -> None:
    text = factory.coupon(5)
    verdicts = await asyncio.gather(*(till.redeem(text) for _ in range(20)))
    outcomes = [verdict.outcome.value for verdict in verdicts]
    assert sorted(outcomes) == ["accepted"] + ["already_redeemed"] * 19
    first = verdicts[outcomes.index("accepted")]
    assert {verdict.first_use.redemption_id for verdict in verdicts if verdict.first_use} == {
        first.redemption_id
    }


async def test_a_coupon_is_its_identity_not_its_text(till: Core, factory: Factory) -> None:
    """Two signed texts of one (issuer, campaign, index) are one coupon."""
    first, second = factory.coupon(5), factory.coupon(5, expires=today() + 31)
    assert first != second
    assert (await till.redeem(first)).outcome == "accepted"
    assert (await till.redeem(second)).outcome == "already_redeemed"


async def test_lanes_are_gap_free_chained_and_go_on_after_a_restart(tmp_path: Path, factory: Factory) -> None:
    path = install(tmp_path / "till", factory)
    with core(path, factory) as till:
        for index in range(5):
            await till.redeem(factory.coupon(index))
            await till.redeem(factory.coupon(index))
            await till.redeem("hello")
        before = check_chain(path, factory)
    with core(path, factory) as till:
        assert (await till.redeem(factory.coupon(0))).outcome == "already_redeemed"
        assert (await till.redeem(factory.coupon(9))).redemption_id == "T-0001-6"
        after = check_chain(path, factory)
    assert [before[lane].sequence for lane in ("redemption", "evidence")] == [5, 10]
    assert [after[lane].sequence for lane in ("redemption", "evidence")] == [6, 11]


async def test_the_chain_check_of_these_tests_can_fail(till: Core, factory: Factory) -> None:
    for index in range(3):
        await till.redeem(factory.coupon(index))
    await till.database.run(
        lambda db: db.execute("DELETE FROM redemption_record WHERE sequence = 2") and None
    )
    with pytest.raises(AssertionError, match="a gap in redemption before 3"):
        check_chain(till.path, factory)


async def test_refusals_are_evidence_and_no_coupon_text_stays_anywhere(
    tmp_path: Path, till: Core, factory: Factory
) -> None:
    stranger = Factory()
    texts = [
        factory.coupon(5),  # accepted, and then used
        factory.coupon(5),
        factory.coupon(6, expires=today() - 1),
        factory.coupon(7, not_before=today() + 3),
        factory.coupon(8, store=STORE_NUMBER + 1),
        factory.coupon(9, number=77),
        factory.coupon(300_000),
        stranger.coupon(1),
        factory.coupon(10)[:-20],
        factory.coupon(11)[:-3] + "AAA",
        "RC1" + "7" * 190,
        "a customer's telephone number 13912345678",
    ]
    outcomes = [(await till.redeem(text, SALE)).outcome.value for text in texts]
    assert outcomes[:2] == ["accepted", "already_redeemed"]
    assert "accepted" not in outcomes[1:]
    assert till.rows("SELECT count(*) FROM record WHERE lane = 'evidence'") == [(len(texts) - 1,)]
    stored = till.rows(
        "SELECT json_extract(event, '$.data.outcome') FROM record WHERE lane = 'evidence' ORDER BY sequence"
    )
    assert [row[0] for row in stored] == outcomes[1:]
    for text in texts:
        assert files_hold(tmp_path, text[3:80]) == [], text[:12]
    assert files_hold(tmp_path, factory.promos[0].token[3:80]), "the search finds what is there"
    check_chain(till.path, factory)


async def test_budgets_bound_what_a_till_accepts(tmp_path: Path) -> None:
    limits = {"count_day": 2, "value_day_minor": 10**6, "count_offline": 10, "value_offline_minor": 10**6}
    factory = Factory(campaigns=[amount_off(budget=limits), amount_off(2)])
    with core(install(tmp_path / "till", factory), factory) as till:
        outcomes = [(await till.redeem(factory.coupon(index), SALE)).outcome.value for index in range(3)]
        assert outcomes == ["accepted", "accepted", "budget_reached"]
        assert (await till.redeem(factory.coupon(1, number=2), SALE)).outcome == "accepted"
        assert till.rows("SELECT count FROM budget WHERE campaign = 1 AND day = ?", today()) == [(2,)]


async def test_a_class_without_budget_writes_none(tmp_path: Path) -> None:
    factory = Factory(campaigns=[amount_off(offline_class="D", budget=None)])
    with core(install(tmp_path / "till", factory), factory) as till:
        assert (await till.redeem(factory.coupon(1), SALE)).outcome == "accepted"
        assert till.rows("SELECT count(*) FROM budget") == [(0,)]


async def test_an_unknown_sale_is_charged_the_most_it_can_cost(till: Core, factory: Factory) -> None:
    verdict = await till.redeem(factory.coupon(1))
    assert (verdict.outcome, verdict.discount_minor) == ("accepted", None)
    assert till.rows("SELECT value_minor FROM budget WHERE day = ?", today()) == [(3_000,)]
    assert (await till.numbers.counts(today()))[1]["discount_minor"] == 0


async def test_the_tally_is_by_store_day(tmp_path: Path) -> None:
    factory = Factory(zone="Asia/Shanghai")
    with core(install(tmp_path / "till", factory), factory) as till:
        await till.redeem("rubbish")
        now = till.state.time(till.clock.now()).now
        day = day_number(now, till.state.zone())
        for asked, refused in ((day, 1), (day - 1, 0), (day + 1, 0), (day, 1)):
            _, tally = await till.numbers.counts(asked)
            assert tally == {"accepted": 0, "refused": refused, "discount_minor": 0, "assistants": []}


async def test_the_tally_goes_on_from_what_it_counted(till: Core, factory: Factory) -> None:
    for index in range(3):
        await till.redeem(factory.coupon(index), SALE)
        await till.redeem("rubbish")
        _, tally = await till.numbers.counts(today())
        said = {"accepted": index + 1, "refused": index + 1, "discount_minor": 3_000 * (index + 1)}
        assert tally == said | {"assistants": []}
    anew = SqlNumbers(till.database)
    assert (await anew.counts(today()))[1] == tally


# Each of these tables grows for years; a step that reads one from end to end stalls the scan behind it.
GROWING = ("redemption_record", "evidence_record", "coupon_use", "print_job", "promo", "request")


async def test_no_everyday_statement_reads_a_whole_table(till: Core, factory: Factory) -> None:
    """Runs a working day's statements and asks SQLite for the plan of each."""
    seen: set[str] = set()
    await till.database.run(lambda db: db.set_trace_callback(seen.add))
    await till.redeem(factory.coupon(1), SALE, "key")
    await till.redeem(factory.coupon(1), SALE, "key")
    await till.redeem("rubbish")
    await till.numbers.counts(today())
    waiting = await till.outbox.waiting("redemption", 10, 10**6)
    await till.outbox.settle("redemption", [RecordResult(waiting[0].record_id, ResultStatus.STORED)])
    await till.outbox.requeue("redemption", None)
    job = await till.prints.next_print()
    assert job is not None
    await till.prints.finish_print(job.job_id, PrintState.PRINTED, "")
    await till.prints.copy_print(job.job_id)
    await till.prints.recover_prints()
    await till.database.run(lambda db: db.set_trace_callback(None))
    with closing(sqlite3.connect(till.path)) as look:
        offenders = []
        for statement in sorted(seen):
            if statement.startswith(("BEGIN", "COMMIT", "--")):
                continue
            for *_, step in look.execute(f"EXPLAIN QUERY PLAN {statement}"):
                if any(step == f"SCAN {table}" for table in GROWING):
                    offenders.append((step, statement))
    assert len(seen) > 25
    assert offenders == []


async def test_the_head_of_an_empty_lane_is_the_genesis(till: Core) -> None:
    head = await till.ledger.write(lambda tx: tx.head("redemption"), lambda _tx: None)
    assert head == ChainHead()


async def test_a_mark_never_falls(till: Core) -> None:
    now = till.clock.now().replace(microsecond=0)
    for moment in (now, now - timedelta(days=1)):
        anchor = Anchor(moment, BootTime("", 0.0))
        await till.ledger.write(partial(SqlTransaction.raise_mark, anchor=anchor), lambda _tx: None)
    assert await till.cache.mark() == now


async def test_a_database_that_is_closed_stops_the_till_and_says_so(tmp_path: Path, factory: Factory) -> None:
    with core(install(tmp_path / "till", factory), factory) as till:
        till.database.close()
        verdict = await till.redeem(factory.coupon(1))
        assert (verdict.outcome, verdict.detail) == ("till_stopped", "ledger_unavailable")
    assert isinstance(till.database, Database)
