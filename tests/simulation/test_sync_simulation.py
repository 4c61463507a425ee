"""Nothing lost, nothing doubled, nothing in the way, whatever the line does. `sync_seeds` has the model."""

import json
import random
from collections.abc import Callable, Mapping

import pytest

from sync import protocol
from sync.protocol import LaneProtocol, Offered, Read, Send, Sleep, Tick
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus
from tests.simulation import sync_seeds
from tests.simulation.sync_seeds import Cloud, Line, Outbox, SimulationError

SEEDS = 320
CHUNK = 40


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_promise_holds_under_every_seed(first: int) -> None:
    for seed in range(first, first + CHUNK):
        sync_seeds.run_seed(seed)


def believe_silence(
    body: bytes, sent_ids: list[str], _limits: Limits
) -> tuple[list[RecordResult], list[str]]:
    return [RecordResult(record_id, ResultStatus.STORED) for record_id in sent_ids], []


def believe_anyone(code: int, _headers: Mapping[str, str], _body: bytes, _limits: object = None) -> Problem:
    return Problem(code, "bad", "bad", permanent=True)


def never_aside(_self: LaneProtocol, _record: Record, _now: float, *, suspect: bool) -> bool:
    return False


def forget_to_split(_self: LaneProtocol, _answer: object, failure: object, now: float) -> object:
    return _self._back_off(failure, now)  # type: ignore[arg-type]  # a sabotage need not be well typed


@pytest.mark.parametrize(
    ("target", "name", "sabotage"),
    [
        (protocol, "decode_results", believe_silence),
        (protocol, "decode_problem", believe_anyone),
        (LaneProtocol, "_put_aside", never_aside),
        (LaneProtocol, "_split", forget_to_split),
    ],
)
def test_the_oracle_sees_a_machine_that_breaks_a_promise(
    monkeypatch: pytest.MonkeyPatch, target: object, name: str, sabotage: Callable[..., object]
) -> None:
    monkeypatch.setattr(target, name, sabotage)
    with pytest.raises(SimulationError, match="seed"):
        sync_seeds.main([str(CHUNK)])


def test_one_bad_record_of_each_kind_among_ten_thousand_delays_none_of_the_others() -> None:
    """On a sound line the lane never sleeps before all others are delivered, and needs few requests more."""
    records = [Record("redemptions", n, f"r-{n}", json.dumps({"id": f"r-{n}"})) for n in range(1, 10_001)]
    outbox = Outbox({record.record_id: record for record in records})
    bad = {"poison": "r-100", "toxic": "r-4000", "shunned": "r-7000", "impatient": "r-1"}
    cloud = Cloud(
        limits=Limits(),
        poison=frozenset({bad["poison"]}),
        toxic=frozenset({bad["toxic"]}),
        shunned=frozenset({bad["shunned"]}),
        disputed=frozenset(),
        patience={bad["impatient"]: 1000},
    )
    line = Line(random.Random(1), cloud)
    line.calm = True
    lane = LaneProtocol("redemptions", random=lambda: 0.5)
    step = lane.handle(Tick(), 0.0)
    while not isinstance(step.then, Sleep):
        outbox.settle(step.settle)
        if isinstance(step.then, Read):
            step = lane.handle(Offered(outbox.read(step.then.max_records, step.then.max_bytes)), 0.0)
        else:
            assert isinstance(step.then, Send)
            step = lane.handle(line.carry(step.then), 0.0)
    assert list(outbox.waiting) == ["r-1", "r-7000"]
    assert set(outbox.quarantined) == {"r-100", "r-4000"}
    assert len(outbox.acknowledged) == 9_996
    assert cloud.requests < 100
