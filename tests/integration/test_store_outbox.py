"""The outbox: a record leaves it only when the cloud has acknowledged that very record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.domain.disclosure import read_disclosed
from agent.store.ledger import OFFLINE_DAY
from sync.ports import OutboxUnavailable
from sync.wire import RecordResult, ResultStatus
from tests.core_kit import Core, core, install
from tests.factory import Factory, amount_off, today

STORED, DUPLICATE, CONFLICT, REFUSED = (
    ResultStatus.STORED,
    ResultStatus.DUPLICATE,
    ResultStatus.CONFLICT,
    ResultStatus.REFUSED,
)


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def till(tmp_path: Path, factory: Factory) -> Iterator[Core]:
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


async def fill(till: Core, factory: Factory, count: int = 4) -> None:
    """`count` redemptions and as many refusals."""
    for index in range(count):
        await till.redeem(factory.coupon(index))
        await till.redeem(f"rubbish {index}")


def states(till: Core, lane: str = "redemption") -> list[str]:
    return [
        state for (state,) in till.rows("SELECT state FROM record WHERE lane = ? ORDER BY sequence", lane)
    ]


async def test_what_waits_is_offered_in_order_and_as_it_was_sealed(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    offered = await till.outbox.waiting("redemption", 3, 10**6)
    assert [(record.sequence, record.record_id) for record in offered] == [
        (1, "T-0001-1"),
        (2, "T-0001-2"),
        (3, "T-0001-3"),
    ]
    assert [record.event for record in offered] == [
        event for (event,) in till.rows("SELECT event FROM record WHERE lane = 'redemption' LIMIT 3")
    ]
    assert [json.loads(record.event)["id"] for record in offered] == [record.record_id for record in offered]
    evidence = await till.outbox.waiting("evidence", 1, 10**6)
    assert [record.record_id for record in evidence] == ["T-0001-E1"]


async def test_what_a_record_discloses_is_sent_beside_it(till: Core, factory: Factory) -> None:
    person = bytes(range(8))
    await till.redeem(factory.coupon(1, referrer=person))
    await till.redeem(factory.coupon(2))
    first, second = await till.outbox.waiting("redemption", 10, 10**6)
    event = json.loads(first.event)
    (found,) = read_disclosed(event, first.event)
    assert (found.pseudonym, found.digest) == (person.hex(), event["data"]["coupon"]["referrer"])
    assert "disclosed" not in json.loads(second.event)
    assert [record.event for record in await till.outbox.waiting("redemption", 10, 10**6)] == [
        first.event,
        second.event,
    ], "the same bytes again"


async def test_a_batch_is_bounded_in_bytes_and_never_empty(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    first, second, *_ = await till.outbox.waiting("redemption", 10, 10**6)
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, 1)] == [1]
    exactly = first.size_bytes + second.size_bytes
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, exactly)] == [1, 2]
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, exactly - 1)] == [1]


async def test_only_the_very_record_leaves(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    await till.outbox.settle("redemption", [RecordResult("T-0001-2", STORED)])
    assert states(till) == ["waiting", "acknowledged", "waiting", "waiting"]
    assert states(till, "evidence") == ["waiting"] * 4
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, 10**6)] == [1, 3, 4]


@pytest.mark.parametrize(
    "identifier",
    [
        "T-0001-99",
        "T-0001-E1",
        "T-0002-1",
        "t-0001-1",
        "T-0001-01",
        "T-0001-1\n",
        "T-0001-",
        "T-0001-1 ",
        "1",
        "",
        "T-0001-\u0661",
        "T-0001-" + "9" * 40,
    ],
)
async def test_a_foreign_or_unknown_identifier_settles_nothing(
    till: Core, factory: Factory, identifier: str
) -> None:
    await fill(till, factory)
    await till.outbox.settle("redemption", [RecordResult(identifier, STORED)])
    assert states(till) == ["waiting"] * 4
    assert states(till, "evidence") == ["waiting"] * 4


async def test_an_evidence_result_settles_evidence_alone(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    await till.outbox.settle(
        "evidence", [RecordResult("T-0001-E2", STORED), RecordResult("T-0001-2", STORED)]
    )
    assert states(till) == ["waiting"] * 4
    assert states(till, "evidence") == ["waiting", "acknowledged", "waiting", "waiting"]


async def test_each_answer_has_its_place(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    await till.outbox.settle(
        "redemption",
        [
            RecordResult("T-0001-1", DUPLICATE),
            RecordResult("T-0001-2", CONFLICT, conflict={"till": "T-0009"}),
            RecordResult("T-0001-3", REFUSED, "unknown_campaign", "不认识", permanent=True),
            RecordResult("T-0001-4", REFUSED, "later", "not now", permanent=False),
        ],
    )
    assert states(till) == ["acknowledged", "conflict", "quarantined", "waiting"]
    answers = till.rows("SELECT outcome FROM record WHERE lane = 'redemption' ORDER BY sequence")
    kept = [json.loads(text or "{}") for (text,) in answers]
    assert kept[1] == {"status": "conflict", "code": "", "sentence": "", "conflict": {"till": "T-0009"}}
    assert kept[2]["code"] == "unknown_campaign"
    assert kept[3] == {}


async def test_settling_twice_changes_nothing(till: Core, factory: Factory) -> None:
    """After a crash the cloud's answer may come again, or another one to what was settled."""
    await fill(till, factory)
    await till.outbox.settle("redemption", [RecordResult("T-0001-1", STORED)])
    before = till.rows("SELECT * FROM record ORDER BY lane, sequence")
    await till.outbox.settle("redemption", [RecordResult("T-0001-1", STORED)])
    await till.outbox.settle("redemption", [RecordResult("T-0001-1", REFUSED, "x", "y", permanent=True)])
    assert till.rows("SELECT * FROM record ORDER BY lane, sequence") == before


async def test_quarantine_blocks_nothing_and_can_be_replayed(till: Core, factory: Factory) -> None:
    await fill(till, factory)
    refused = [RecordResult(f"T-0001-{n}", REFUSED, "x", "y", permanent=True) for n in (1, 3)]
    await till.outbox.settle("redemption", refused)
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, 10**6)] == [2, 4]
    assert (await till.numbers.counts(today()))[0].quarantined == 2
    assert await till.outbox.requeue("redemption", 2) == 0
    assert await till.outbox.requeue("evidence", None) == 0
    assert await till.outbox.requeue("redemption", 3) == 1
    assert [r.sequence for r in await till.outbox.waiting("redemption", 10, 10**6)] == [2, 3, 4]
    assert await till.outbox.requeue("redemption", None) == 1
    assert await till.outbox.requeue("redemption", None) == 0
    assert states(till) == ["waiting"] * 4
    assert till.rows("SELECT count(*) FROM record WHERE outcome IS NOT NULL") == [(0,)]


async def test_the_offline_budget_is_given_back_when_the_last_redemption_arrived(
    till: Core, factory: Factory
) -> None:
    def offline() -> list[tuple[int, ...]]:
        return till.rows("SELECT count FROM budget WHERE day = ?", OFFLINE_DAY)

    await fill(till, factory, 2)
    evidence = [RecordResult(f"T-0001-E{n}", STORED) for n in (1, 2)]
    await till.outbox.settle("evidence", evidence)
    assert offline() == [(2,)], "evidence says nothing about redemptions"
    await till.outbox.settle("redemption", [RecordResult("T-0001-1", STORED)])
    assert offline() == [(2,)], "one still waits"
    await till.outbox.settle("redemption", [RecordResult("T-0001-2", STORED)])
    assert offline() == []
    assert till.rows("SELECT count FROM budget WHERE day = ?", today()) == [(2,)], "the day's stays"


async def test_the_offline_budget_keeps_what_the_cloud_refused_for_good(tmp_path: Path) -> None:
    factory = Factory(campaigns=[amount_off(), amount_off(2)])
    with core(install(tmp_path / "till", factory), factory) as till:

        def offline() -> set[tuple[int, ...]]:
            return set(
                till.rows("SELECT campaign, count, value_minor FROM budget WHERE day = ?", OFFLINE_DAY)
            )

        for index in range(3):
            await till.redeem(factory.coupon(index))
        await till.redeem(factory.coupon(1, 2))
        refused = [
            RecordResult(f"T-0001-{n}", REFUSED, "bad_signature", "no", permanent=True) for n in (2, 3)
        ]
        await till.outbox.settle("redemption", [RecordResult("T-0001-1", STORED), refused[0]])
        assert offline() == {(1, 3, 9_000), (2, 1, 3_000)}, "two still wait"
        await till.outbox.settle("redemption", [RecordResult("T-0001-4", STORED), refused[1]])
        assert offline() == {(1, 2, 6_000)}, "the two that the cloud never took"
        assert await till.outbox.requeue("redemption", None) == 2
        await till.outbox.settle("redemption", [RecordResult("T-0001-2", STORED)])
        assert offline() == {(1, 2, 6_000)}
        await till.outbox.settle("redemption", [RecordResult("T-0001-3", CONFLICT)])
        assert offline() == set(), "a conflict is acknowledged"


async def test_counts_say_what_waits(till: Core, factory: Factory) -> None:
    await fill(till, factory, 3)
    await till.outbox.settle("redemption", [RecordResult("T-0001-1", STORED)])
    counts, tally = await till.numbers.counts(today())
    assert counts.waiting == {"redemption": 2, "evidence": 3}
    assert counts.prints == {"queued": 3}
    (oldest,) = till.rows(
        "SELECT json_extract(event, '$.time') FROM record WHERE lane = 'redemption' AND sequence = 2"
    )
    assert counts.oldest_waiting == oldest[0]
    assert tally == {"accepted": 3, "refused": 3, "discount_minor": 0, "assistants": []}


async def test_a_store_that_cannot_answer_is_the_lanes_to_retry(till: Core) -> None:
    till.database.close()
    with pytest.raises(OutboxUnavailable):
        await till.outbox.waiting("redemption", 1, 1)
    with pytest.raises(OutboxUnavailable):
        await till.outbox.settle("redemption", [])
