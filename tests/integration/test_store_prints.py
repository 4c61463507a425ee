"""The print queue's states in the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agent.ports import PrintState
from tests.core_kit import Core, HandClock, core, install
from tests.factory import Factory


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


async def redeem(till: Core, count: int) -> None:
    for index in range(count):
        await till.redeem(till.factory.coupon(index))
        till.clock.advance(timedelta(seconds=1))


def state(till: Core, job_id: str) -> tuple[str, int, str]:
    ((found, copies, cause),) = till.rows(
        "SELECT state, copies, cause FROM print_job WHERE job_id = ?", job_id
    )
    return found, copies, cause


async def test_jobs_come_oldest_first_each_once_and_marked_as_sending(till: Core) -> None:
    await redeem(till, 3)
    jobs = [await till.prints.next_print() for _ in range(4)]
    assert [None if job is None else (job.job_id, job.state) for job in jobs] == [
        ("T-0001-1", PrintState.SENDING),
        ("T-0001-2", PrintState.SENDING),
        ("T-0001-3", PrintState.SENDING),
        None,
    ]
    assert till.rows("SELECT DISTINCT state FROM print_job") == [("sending",)]


async def test_only_a_job_that_is_being_sent_names_what_keeps_it(till: Core) -> None:
    await redeem(till, 2)
    assert await till.prints.next_print() is not None
    for job_id in ("T-0001-1", "T-0001-2", "T-9-1"):
        await till.prints.name_cause(job_id, "unreachable")
    assert state(till, "T-0001-1") == ("sending", 0, "unreachable")
    assert state(till, "T-0001-2") == ("queued", 0, "")
    await till.prints.finish_print("T-0001-1", PrintState.PRINTED, "")
    await till.prints.name_cause("T-0001-1", "unreachable")
    assert state(till, "T-0001-1") == ("printed", 0, "")


async def test_an_empty_queue_costs_no_write(till: Core) -> None:
    await redeem(till, 1)
    await till.prints.next_print()
    log = till.path.with_name("till.db-wal")
    before = log.stat()
    for _ in range(20):
        assert await till.prints.next_print() is None
    assert (log.stat().st_size, log.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("end", [PrintState.PRINTED, PrintState.UNCONFIRMED])
async def test_a_finished_job_is_not_offered_again(till: Core, end: PrintState) -> None:
    await redeem(till, 1)
    await till.prints.next_print()
    await till.prints.finish_print("T-0001-1", end, "why")
    assert state(till, "T-0001-1") == (end.value, 0, "why")
    assert await till.prints.next_print() is None
    found = await till.prints.print_job("T-0001-1")
    assert found is not None
    assert (found.state, found.cause) == (end, "why")


async def test_a_job_that_was_not_sent_is_offered_again(till: Core) -> None:
    await redeem(till, 2)
    await till.prints.next_print()
    await till.prints.finish_print("T-0001-1", PrintState.QUEUED, "paper_out")
    job = await till.prints.next_print()
    assert job is not None
    assert job.job_id == "T-0001-1", "it keeps its place"


async def test_a_restart_makes_what_was_being_sent_unconfirmed(tmp_path: Path, factory: Factory) -> None:
    path = install(tmp_path / "till", factory)
    with core(path, factory) as till:
        await redeem(till, 2)
        await till.prints.next_print()
    with core(path, factory, HandClock()) as till:
        assert await till.prints.recover_prints() == 1
        assert await till.prints.recover_prints() == 0
        assert state(till, "T-0001-1") == ("unconfirmed", 0, "restart")
        assert state(till, "T-0001-2") == ("queued", 0, "")
        job = await till.prints.next_print()
        assert job is not None
        assert job.job_id == "T-0001-2"


async def test_copies_are_counted_and_a_waiting_job_is_not_doubled(till: Core) -> None:
    await redeem(till, 1)
    copy = await till.prints.copy_print("T-0001-1")
    assert copy is not None
    assert (copy.copies, copy.state) == (0, PrintState.QUEUED), "the first one has not been printed yet"
    await till.prints.next_print()
    sending = await till.prints.copy_print("T-0001-1")
    assert sending is not None
    assert (sending.copies, sending.state) == (0, PrintState.SENDING)
    for number in (1, 2):
        await till.prints.finish_print("T-0001-1", PrintState.UNCONFIRMED, "unconfirmed")
        copy = await till.prints.copy_print("T-0001-1")
        assert copy is not None
        assert (copy.copies, copy.state, copy.cause) == (number, PrintState.QUEUED, "")
        await till.prints.next_print()


async def test_the_newest_jobs_are_listed_first_and_the_unconfirmed_ones_alone(till: Core) -> None:
    await redeem(till, 12)
    for job_id in ("T-0001-3", "T-0001-9", "T-0001-10"):
        await till.prints.finish_print(job_id, PrintState.UNCONFIRMED, "restart")
    newest = [job.job_id for job in await till.prints.list_prints(4)]
    assert newest == ["T-0001-12", "T-0001-11", "T-0001-10", "T-0001-9"], "by time, not by spelling"
    assert len(await till.prints.list_prints(50)) == 12
    unconfirmed = await till.prints.list_prints(2, unconfirmed=True)
    assert [(job.job_id, job.state) for job in unconfirmed] == [
        ("T-0001-10", PrintState.UNCONFIRMED),
        ("T-0001-9", PrintState.UNCONFIRMED),
    ]


async def test_only_an_unconfirmed_job_is_confirmed(till: Core) -> None:
    await redeem(till, 1)
    for other in (PrintState.QUEUED, PrintState.SENDING, PrintState.PRINTED):
        await till.prints.finish_print("T-0001-1", other, "why")
        assert not await till.prints.confirm_print("T-0001-1")
        assert state(till, "T-0001-1") == (other.value, 0, "why")
    await till.prints.finish_print("T-0001-1", PrintState.UNCONFIRMED, "restart")
    assert await till.prints.confirm_print("T-0001-1")
    assert state(till, "T-0001-1") == ("printed", 0, "")
    assert not await till.prints.confirm_print("T-0001-9")


async def test_an_unknown_job_is_none(till: Core) -> None:
    assert await till.prints.print_job("T-0001-9") is None
    assert await till.prints.copy_print("T-0001-9") is None
    await till.prints.finish_print("T-0001-9", PrintState.PRINTED, "")
    assert till.rows("SELECT count(*) FROM print_job") == [(0,)]


async def test_without_printers_no_job_waits_and_no_promo_code_is_spent(tmp_path: Path) -> None:
    """A promo code that is taken for a receipt nobody prints is lost."""
    from tests.core_kit import promo_codes

    factory = Factory()
    factory.promos = promo_codes(factory, 2)
    with core(install(tmp_path / "till", factory), factory, receipts=False) as till:
        verdict = await till.redeem(factory.coupon(1))
        assert (verdict.outcome, verdict.print_job) == ("accepted", None)
        assert till.rows("SELECT count(*) FROM print_job") == [(0,)]
        assert till.rows("SELECT count(*) FROM promo WHERE redemption_id IS NOT NULL") == [(0,)]
