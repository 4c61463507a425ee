"""What the tests of a lane's machine share: records, a machine that is about to send, and a cloud's answers."""

import json
from collections.abc import Sequence

from sync import wire
from sync.backoff import Backoff
from sync.ports import Answer
from sync.protocol import Answered, LaneProtocol, Offered, Send, Step, Tick
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus

RESULTS = {"content-type": wire.RESULTS_TYPE}
PROBLEM = {"content-type": wire.PROBLEM_TYPE}


def records(*numbers: int, size: int = 0) -> list[Record]:
    pad = "x" * size
    return [Record("lane", n, f"r-{n}", json.dumps({"id": f"r-{n}", "pad": pad})) for n in numbers]


def machine(limits: Limits | None = None, draw: float = 0.5) -> LaneProtocol:
    return LaneProtocol("lane", random=lambda: draw, limits=limits or Limits(), backoff=Backoff(2.0, 64.0))


def sending(offered: Sequence[Record], limits: Limits | None = None) -> LaneProtocol:
    lane = machine(limits)
    lane.handle(Tick(), 0.0)
    step = lane.handle(Offered(offered), 0.0)
    assert isinstance(step.then, Send)
    return lane


def results(*given: RecordResult) -> Answered:
    return Answered(Answer(200, RESULTS, wire.encode_results(given)))


def stored(*numbers: int) -> list[RecordResult]:
    return [RecordResult(f"r-{n}", ResultStatus.STORED) for n in numbers]


def refused(number: int, *, permanent: bool) -> RecordResult:
    return RecordResult(f"r-{number}", ResultStatus.REFUSED, "no", "no", permanent)


def sent_ids(step: Step) -> list[str]:
    assert isinstance(step.then, Send)
    return [event["id"] for event in json.loads(step.then.body)]


def bare(status: int, **headers: str) -> Answered:
    return Answered(Answer(status, headers, b""))


def problem(status: int, *, permanent: bool) -> Answered:
    return Answered(Answer(status, PROBLEM, wire.encode_problem(Problem(status, "bad", "bad", permanent))))
