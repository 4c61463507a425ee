"""Acknowledged records go back into the outbox when the cloud asks: these sequences, this lane, what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.domain.record import EVIDENCE_LANE, REDEMPTION_LANE, record_id
from sync.wire import RecordResult, ResultStatus
from tests.core_kit import Core, core, install
from tests.factory import TILL, Factory


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Core]:
    factory = Factory()
    with core(install(tmp_path, factory), factory) as made:
        yield made


def settled(sequence: int, status: ResultStatus, **more: object) -> RecordResult:
    return RecordResult(record_id(TILL, REDEMPTION_LANE, sequence), status, **more)  # type: ignore[arg-type]  # as given


async def states(till: Core, lane: str = REDEMPTION_LANE) -> list[str]:
    found = till.rows("SELECT state FROM record WHERE lane = ? ORDER BY sequence", lane)
    return [row[0] for row in found]


@pytest.fixture
async def six(till: Core) -> Core:
    """stored, conflict, quarantined, stored, stored, waiting; and a refused scan in the other lane."""
    for index in range(6):
        verdict = await till.redeem(till.factory.coupon(index))
        assert verdict.redemption_id is not None, verdict
    await till.redeem("no coupon")
    await till.outbox.settle(
        REDEMPTION_LANE,
        [
            settled(1, ResultStatus.STORED),
            settled(2, ResultStatus.CONFLICT, conflict={"till": "T-2"}),
            settled(3, ResultStatus.REFUSED, code="fork", sentence="no", permanent=True),
            settled(4, ResultStatus.DUPLICATE),
            settled(5, ResultStatus.STORED),
        ],
    )
    assert await states(till) == [
        "acknowledged",
        "conflict",
        "quarantined",
        "acknowledged",
        "acknowledged",
        "waiting",
    ]
    return till


async def test_what_was_acknowledged_waits_again_byte_for_byte(six: Core) -> None:
    before = six.rows("SELECT sequence, event, hash FROM redemption_record ORDER BY sequence")
    assert await six.outbox.send_again(REDEMPTION_LANE, [(2, 4)], 500) == 2
    assert await states(six) == [
        "acknowledged",
        "waiting",
        "quarantined",
        "waiting",
        "acknowledged",
        "waiting",
    ]
    offered = await six.outbox.waiting(REDEMPTION_LANE, 10, 10**6)
    assert [record.sequence for record in offered] == [2, 4, 6]
    assert six.rows("SELECT sequence, event, hash FROM redemption_record ORDER BY sequence") == before
    assert await six.outbox.send_again(REDEMPTION_LANE, [(2, 4)], 500) == 0, "once is enough"


async def test_no_more_than_were_asked_for(six: Core) -> None:
    assert await six.outbox.send_again(REDEMPTION_LANE, [(5, 9), (1, 4)], 2) == 2
    assert (await states(six))[:5] == ["waiting", "conflict", "quarantined", "acknowledged", "waiting"]


async def test_what_is_not_there_stays_so(six: Core) -> None:
    everything = await states(six)
    assert await six.outbox.send_again(REDEMPTION_LANE, [(7, 2**53 - 1)], 500) == 0
    assert await six.outbox.send_again(REDEMPTION_LANE, [], 500) == 0
    assert await six.outbox.send_again(EVIDENCE_LANE, [(1, 100)], 500) == 0
    assert await states(six) == everything
    assert await states(six, EVIDENCE_LANE) == ["waiting"]
