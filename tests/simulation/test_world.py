"""Till and cloud together, whatever happens between them. `world` has the model; `make simulate` plays more seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import cloud.ingest
import cloud.store.sql_returns
import cloud.store.sql_verdicts
from agent.domain.decide import PriorUse
from agent.store.conflicts import SqlConflicts
from agent.store.ledger import SqlTransaction
from agent.store.outbox import SqlOutbox
from sync.wire import RecordResult, ResultStatus
from tests.simulation.world import START, run_seed

SEEDS, CHUNK = 48, 6


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_lost_nothing_doubled_no_conflict_unseen(first: int) -> None:
    for seed in range(first, first + CHUNK):
        run_seed(seed)


def settle_all(settle: Callable[..., Any]) -> Callable[..., Any]:
    """An outbox that lets go of whatever was sent, refused for now or not, stored or lost."""

    async def sabotage(self: SqlOutbox, lane: str, results: Sequence[RecordResult]) -> None:
        waiting = await self.waiting(lane, 60, 1 << 20)
        await settle(self, lane, [RecordResult(one.record_id, ResultStatus.STORED) for one in waiting])

    return sabotage


def forget_uses(view: Callable[..., Any]) -> Callable[..., Any]:
    def sabotage(self: SqlTransaction, *asked: Any) -> Any:
        found = view(self, *asked)
        return found._replace(prior=None) if isinstance(found.prior, PriorUse) else found

    return sabotage


def say_stored(result: Callable[..., RecordResult]) -> Callable[..., RecordResult]:
    def sabotage(*asked: Any) -> RecordResult:
        said = result(*asked)
        return replace(said, status=ResultStatus.STORED) if said.status is ResultStatus.CONFLICT else said

    return sabotage


def do_nothing(_work: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *_: None


def see_all(take: Callable[..., Any]) -> Callable[..., Any]:
    """A till that keeps what it is told and shows it to nobody."""

    async def sabotage(self: SqlConflicts, *asked: Any) -> Any:
        new = await take(self, *asked)
        for one in await self.listed(99, unseen=True):
            await self.see(one["id"], START)
        return new

    return sabotage


@pytest.mark.parametrize(
    ("owner", "name", "sabotage"),
    [
        (SqlOutbox, "settle", settle_all),
        (SqlTransaction, "view", forget_uses),
        (cloud.ingest, "_result", say_stored),
        (cloud.store.sql_returns, "settle", do_nothing),
        (cloud.store.sql_returns, "_give_back", do_nothing),
        (cloud.store.sql_verdicts, "write", do_nothing),
        (SqlConflicts, "take", see_all),
    ],
    ids=[
        "an outbox that loses",
        "a ledger that forgets",
        "a cloud whose answers tell no conflict",
        "a cloud that gives nothing back",
        "a cloud that gives no coupon back",
        "a cloud that tells no conflict",
        "a till that shows none",
    ],
)
def test_the_oracle_sees_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, sabotage: Callable[..., Any]
) -> None:
    monkeypatch.setattr(owner, name, sabotage(getattr(owner, name)))
    with pytest.raises(AssertionError):
        run_seeds(60)


def run_seeds(count: int) -> None:
    for seed in range(count):
        run_seed(seed)
