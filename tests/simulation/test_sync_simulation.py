"""Nothing lost, nothing doubled, nothing in the way, whatever the line does. `sync_seeds` has the model."""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sync import protocol
from sync.ports import Answer
from sync.protocol import Answered, Event, LaneProtocol, Offered, Read, Send, Sleep, Tick
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus
from tests.simulation import sync_seeds
from tests.simulation.sync_seeds import Cloud, Outbox, SimulationError

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


def plain_records(count: int) -> dict[str, Record]:
    events = ((n, json.dumps({"id": f"r-{n}"})) for n in range(1, count + 1))
    return {f"r-{n}": Record("redemptions", n, f"r-{n}", event) for n, event in events}


def plain_cloud(**kinds: Any) -> Cloud:
    nobody: frozenset[str] = frozenset()
    given = {"poison": nobody, "toxic": nobody, "shunned": nobody, "disputed": nobody, "patience": {}} | kinds
    return Cloud(limits=Limits(), **given)


def test_one_bad_record_of_each_kind_among_ten_thousand_delays_none_of_the_others() -> None:
    """On a sound line the lane never sleeps before all others are delivered, and needs few requests more."""
    outbox = Outbox(plain_records(10_000))
    cloud = plain_cloud(
        poison=frozenset({"r-100"}),
        toxic=frozenset({"r-4000"}),
        shunned=frozenset({"r-7000"}),
        patience={"r-1": 1000},
    )
    lane = LaneProtocol("redemptions", random=lambda: 0.5)
    step = lane.handle(Tick(), 0.0)
    while not isinstance(step.then, Sleep):
        outbox.settle(step.settle)
        if isinstance(step.then, Read):
            step = lane.handle(Offered(outbox.read(step.then.max_records, step.then.max_bytes)), 0.0)
        else:
            step = lane.handle(Answered(cloud.receive(step.then.body, step.then.idempotency_key)), 0.0)
    assert list(outbox.waiting) == ["r-1", "r-7000"]
    assert set(outbox.quarantined) == {"r-100", "r-4000"}
    assert len(outbox.acknowledged) == 9_996
    assert cloud.requests < 100


@pytest.mark.parametrize("seed", range(5))
def test_ten_seconds_of_a_confused_proxy_do_not_cost_an_hour(seed: int) -> None:
    """The proxy gets records set aside; a cloud that insists on order then refuses for now all that is
    behind.
    """
    outbox, cloud = Outbox(plain_records(1000)), plain_cloud(ordered=True)
    lane, now = LaneProtocol("redemptions", random=random.Random(seed).random), 0.0
    step = lane.handle(Tick(), now)
    while len(outbox.waiting) > len(step.settle):
        outbox.settle(step.settle)
        match step.then:
            case Read(max_records, max_bytes):
                event: Event = Offered(outbox.read(max_records, max_bytes))
            case Send(body, key):
                now += 0.2
                confused = now < 1 or 2 < now < 12
                event = Answered(
                    Answer(400, sync_seeds.FOREIGN, b"") if confused else cloud.receive(body, key)
                )
            case Sleep(until):
                now, event = max(now, until), Tick()
        step = lane.handle(event, now)
    assert now < 300
    assert cloud.requests < 300
