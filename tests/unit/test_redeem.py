"""The redeem use case: idempotency, trust, time, what is said when the ledger cannot answer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from agent.domain.outcome import Outcome
from agent.domain.sale import Line, Sale
from agent.domain.verdict import Verdict
from agent.ports import CommitUnknown, LedgerUnavailable, Transaction
from agent.records import MARK_STEP
from agent.redeem import Redeemer
from agent.request import KeyReused, Request
from agent.state import TillState, bundle_age
from agent.store.ledger import SqlTransaction
from tests.core_kit import SECRET, Core, HandClock, core, install, plain_receipt, promo_codes
from tests.factory import TILL, Factory, amount_off, today

T = TypeVar("T")
SALE = Sale("S-1", "CNY", 12_000)


@pytest.fixture
def factory() -> Factory:
    made = Factory()
    made.promos = promo_codes(made, 2)
    return made


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


# idempotency


async def test_the_same_key_and_request_gets_the_same_words(till: Core, factory: Factory) -> None:
    text = factory.coupon(1)
    first = await till.redeem(text, SALE, "key")
    before = till.rows("SELECT count(*) FROM record")
    till.clock.advance(timedelta(hours=1))
    again = await till.redeem(text, SALE, "key")
    assert again.to_json() == {**first.to_json(), "replayed": True}
    assert again.redemption_id == first.redemption_id
    assert till.rows("SELECT count(*) FROM record") == before, "nothing new happened"


async def test_the_stored_request_tests_no_guess_of_a_code(till: Core, factory: Factory) -> None:
    """A plain SHA-256 stood there: who had a copy of the database tried all short codes in minutes."""
    await till.redeem(factory.coupon(1), SALE, "key")
    ((stored,),) = till.rows("SELECT fingerprint FROM request")
    text = factory.coupon(1).encode()
    guesses = [text, text + b"\0" + msgspec.json.encode(SALE, order="sorted")]
    assert stored not in [hashlib.sha256(guess).hexdigest() for guess in guesses]


async def test_a_refusal_is_repeated_too(till: Core, factory: Factory) -> None:
    small = Sale("S-1", "CNY", 100)
    first = await till.redeem(factory.coupon(1), small, "key")
    assert first.outcome == "sale_too_small"
    again = await till.redeem(factory.coupon(1), small, "key")
    assert again.to_json() == {**first.to_json(), "replayed": True}


@pytest.mark.parametrize(
    "sale",
    [
        None,
        Sale("S-2", "CNY", 12_000),
        Sale("S-1", "CNY", 12_001),
        Sale("S-1", "CNY", 12_000, (Line("a", 1, 5),)),
    ],
)
async def test_the_same_key_for_another_request_is_refused(
    till: Core, factory: Factory, sale: Sale | None
) -> None:
    await till.redeem(factory.coupon(1), SALE, "key")
    with pytest.raises(KeyReused):
        await till.redeem(factory.coupon(1), sale, "key")
    with pytest.raises(KeyReused):
        await till.redeem(factory.coupon(2), SALE, "key")
    assert till.rows("SELECT count(*) FROM record") == [(1,)]


async def test_a_key_outlives_a_restart(tmp_path: Path, factory: Factory) -> None:
    path = install(tmp_path / "till", factory)
    text = factory.coupon(1)
    with core(path, factory) as till:
        first = await till.redeem(text, SALE, "key")
    with core(path, factory) as till:
        assert (await till.redeem(text, SALE, "key")).redemption_id == first.redemption_id
        assert (await till.redeem(text, SALE, "other")).outcome == "already_redeemed"


async def test_a_stopped_till_repeats_what_it_said(till: Core, factory: Factory) -> None:
    """The POS asks again after a broken line; that the till stopped since does not undo the redemption."""
    text = factory.coupon(1)
    first = await till.redeem(text, SALE, "key")
    till.state.stopped = "ledger_damaged"
    assert (await till.redeem(text, SALE, "key")).to_json() == {**first.to_json(), "replayed": True}
    with pytest.raises(KeyReused):
        await till.redeem(factory.coupon(2), SALE, "key")
    assert (await till.redeem(factory.coupon(2), SALE, "new")).outcome == "till_stopped"
    assert till.rows("SELECT count(*) FROM request") == [(1,)]
    till.database.close()
    assert (await till.redeem(text, SALE, "key")).outcome == "till_stopped"


# what an accepted coupon brings


async def test_receipt_and_promo_code_are_committed_with_the_redemption(till: Core, factory: Factory) -> None:
    await till.redeem(factory.coupon(1), SALE)
    ((text,),) = till.rows("SELECT receipt FROM print_job")
    assert "T-0001-1" in text
    assert factory.promos[0].token in text
    ((event,),) = till.rows("SELECT event FROM record")
    assert json.loads(event)["data"]["promo"] == factory.promos[0].short, (
        "the cloud learns which was handed out"
    )
    assert factory.promos[0].token not in event


async def test_a_refused_coupon_takes_no_promo_code(till: Core, factory: Factory) -> None:
    await till.redeem(factory.coupon(1, expires=today() - 1), SALE)
    assert till.rows("SELECT count(*) FROM promo WHERE redemption_id IS NOT NULL") == [(0,)]
    assert till.rows("SELECT count(*) FROM print_job") == [(0,)]


async def test_the_record_says_what_the_cloud_needs(till: Core, factory: Factory) -> None:
    till.state.online = True
    verdict = await till.redeem(factory.coupon(7), SALE)
    ((event,),) = till.rows("SELECT event FROM record")
    data = json.loads(event)["data"]
    assert json.loads(event)["subject"] == "acme/1/7"
    wanted = {
        "outcome": "accepted",
        "redemption_id": verdict.redemption_id,
        "discount_minor": 3_000,
        "charge_minor": 3_000,
        "currency": "CNY",
        "offline": False,
        "sale": {"sale_id": "S-1", "total_minor": 12_000, "currency": "CNY"},
        "store": "S-07",
        "bundle": {"epoch": 1, "sequence": 1, "age": "fresh"},
    }
    assert {name: data[name] for name in wanted} == wanted
    assert data["coupon"]["index"] == 7


async def test_the_sale_is_judged(till: Core, factory: Factory) -> None:
    def outcome(verdict: Verdict) -> tuple[str, int | None]:
        return verdict.outcome.value, verdict.discount_minor

    assert outcome(await till.redeem(factory.coupon(1), Sale("a", "CNY", 9_999))) == ("sale_too_small", None)
    assert outcome(await till.redeem(factory.coupon(1), Sale("a", "EUR", 20_000))) == ("wrong_currency", None)
    assert outcome(await till.redeem(factory.coupon(1), Sale("a", "CNY", 10_000))) == ("accepted", 3_000)


# time


async def test_a_clock_set_back_does_not_revive_an_expired_coupon(tmp_path: Path) -> None:
    factory = Factory()
    clock = HandClock()
    path = install(tmp_path / "till", factory)
    text = factory.coupon(1, expires=today() + 2)
    with core(path, factory, clock) as till:
        clock.wall += timedelta(days=4)
        assert (await till.redeem(text)).outcome == "expired"
    with core(path, factory, HandClock()) as till:  # a restart with the clock of four days before
        verdict = await till.redeem(text)
        assert verdict.outcome == "expired"
        assert till.state.time(till.clock.now()).doubt == "behind"
        assert (await till.redeem(factory.coupon(2))).outcome == "accepted", "and the till is not bricked"


async def test_a_clock_far_ahead_is_not_believed(till: Core, factory: Factory) -> None:
    till.clock.wall += timedelta(days=3000)
    verdict = await till.redeem(factory.coupon(1, expires=today() + 2))
    assert verdict.outcome == "accepted"
    ((event,),) = till.rows("SELECT event FROM record")
    assert json.loads(event)["data"]["clock"]["doubt"] == "ahead"
    assert till.state.mark is not None
    assert till.state.mark < datetime.now(UTC) + timedelta(days=91)


async def test_the_mark_is_raised_with_scans_but_not_with_each(till: Core, factory: Factory) -> None:
    start = till.state.mark
    await till.redeem("rubbish")
    assert await till.cache.mark() == start, "nothing to gain yet"
    till.clock.advance(MARK_STEP + timedelta(minutes=1))
    await till.redeem("rubbish")
    raised = await till.cache.mark()
    assert raised is not None
    assert start is not None
    assert raised - start >= MARK_STEP
    assert till.state.mark is not None
    assert abs(till.state.mark - raised) < timedelta(milliseconds=1)


async def test_an_old_bundle_narrows_what_is_accepted(tmp_path: Path) -> None:
    budget = {"count_day": 4, "value_day_minor": 10**6, "count_offline": 4, "value_offline_minor": 10**6}
    factory = Factory(campaigns=[amount_off(budget=budget)])
    with core(install(tmp_path / "till", factory), factory) as till:
        till.clock.advance(timedelta(days=2))
        age = bundle_age(till.state, till.clock.now())
        assert age is not None
        assert age.value == "stale"
        outcomes = [(await till.redeem(factory.coupon(index))).outcome.value for index in range(2)]
        assert outcomes == ["accepted", "budget_reached"], "a quarter of four"
        till.clock.advance(timedelta(days=20))
        assert (await till.redeem(factory.coupon(3))).outcome == "bundle_expired"


# the till cannot answer


async def test_a_till_without_trust_takes_nothing_and_writes_nothing(till: Core, factory: Factory) -> None:
    till.state.trust = None
    verdict = await till.redeem(factory.coupon(1))
    assert (verdict.outcome, verdict.detail, verdict.offline) == ("till_stopped", "no_bundle", True)
    assert till.rows("SELECT count(*) FROM record") == [(0,)]
    assert bundle_age(till.state, till.clock.now()) is None
    assert till.redeemer.explain(factory.coupon(1), None).outcome == "till_stopped"


async def test_a_stopped_till_says_why(till: Core, factory: Factory) -> None:
    till.state.stopped = "not_enrolled"
    verdict = await till.redeem(factory.coupon(1))
    assert (verdict.outcome, verdict.detail) == ("till_stopped", "not_enrolled")


class BrokenLedger:
    """A ledger whose every write ends in `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def write(
        self, work: Callable[[Transaction], T], read_back: Callable[[Transaction], T | None]
    ) -> T:
        raise self.error


@pytest.mark.parametrize(
    ("error", "outcome", "level"),
    [
        (LedgerUnavailable("disk full"), Outcome.TILL_STOPPED, logging.ERROR),
        (CommitUnknown("fsync failed"), Outcome.UNKNOWN_RESULT, logging.CRITICAL),
    ],
)
async def test_a_ledger_that_cannot_answer(
    till: Core,
    factory: Factory,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    outcome: Outcome,
    level: int,
) -> None:
    redeemer = Redeemer(till.state, BrokenLedger(error), till.clock, factory.till_key, SECRET, plain_receipt)
    text = factory.coupon(1)
    verdict = await redeemer.redeem(Request(text, "test"))
    assert verdict.outcome is outcome
    assert (verdict.redemption_id, verdict.print_job, verdict.coupon) == (None, None, None)
    assert verdict.zh
    assert verdict.next_en
    assert [entry.levelno for entry in caplog.records] == [level]
    assert text[3:40] not in caplog.text


async def test_a_bug_is_not_dressed_up_as_an_answer(till: Core, factory: Factory) -> None:
    redeemer = Redeemer(
        till.state, BrokenLedger(AssertionError("bug")), till.clock, factory.till_key, SECRET, None
    )
    with pytest.raises(AssertionError, match="bug"):
        await redeemer.redeem(Request(factory.coupon(1), "test"))


async def test_read_back_knows_its_own_record_and_no_other(till: Core, factory: Factory) -> None:
    """After a failed commit: ours on disk is the answer, anything else is none."""
    found: list[object] = []

    class Ambiguous:
        async def write(
            self, work: Callable[[Transaction], T], read_back: Callable[[Transaction], T | None]
        ) -> T:
            def both(tx: SqlTransaction) -> T:
                found.append(read_back(tx))  # before: not there
                verdict = work(tx)
                found.append(read_back(tx))  # after: there
                return verdict

            return await till.ledger.write(both, lambda _tx: None)

    redeemer = Redeemer(till.state, Ambiguous(), till.clock, factory.till_key, SECRET, None)
    verdict = await redeemer.redeem(Request(factory.coupon(1), "test"))
    assert found == [None, verdict]
    again = await redeemer.redeem(Request(factory.coupon(2), "test"))
    assert found[2:] == [None, again]


async def test_no_token_text_in_the_log(
    till: Core, factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for text in (factory.coupon(1), factory.coupon(1), factory.coupon(2)[:-9], Factory().coupon(3)):
        await till.redeem(text, SALE, text[-20:])
        assert text[3:40] not in caplog.text


# explain


async def test_explain_records_nothing(till: Core, factory: Factory) -> None:
    text = factory.coupon(1)
    assert till.redeemer.explain(text, SALE).outcome == "accepted"
    assert till.redeemer.explain("rubbish", SALE).outcome == "not_a_coupon"
    assert till.rows("SELECT count(*) FROM record") == [(0,)]
    assert (await till.redeem(text, SALE)).outcome == "accepted"


def test_a_state_without_a_bundle_speaks_utc_and_no_currency() -> None:
    state = TillState(TILL)
    assert (state.zone(), state.currency()) == (UTC, "")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert state.time(now).now == now


def test_fingerprints_differ_where_requests_do() -> None:
    base = Request("a", "x", SALE)
    same = replace(base, source="y", request_id="k", scan_id="z")
    assert base.fingerprint(b"key") == same.fingerprint(b"key") != base.fingerprint(b"another key")
    others = [replace(base, text="b"), replace(base, sale=None), replace(base, text="\ud800")]
    assert len({request.fingerprint(b"key") for request in [base, *others]}) == 4
