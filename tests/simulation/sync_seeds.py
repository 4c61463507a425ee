"""One lane over a lossy line, under one seed: a model outbox, the real machine, a model cloud that speaks
the real wire.

A seed decides everything: what arrives when, what the line does, how the cloud answers, which records are
poison and when the till crashes. While it runs, an oracle checks that nothing is settled without cause;
after the faults end, that everything has arrived where it belongs. More seeds: `python -m
tests.simulation.sync_seeds 10000 [FIRST]`.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from sync import wire
from sync.backoff import Backoff
from sync.errors import WireError
from sync.ports import Answer, Failure, FailureKind
from sync.protocol import (
    Answered,
    Event,
    Failed,
    LaneProtocol,
    Offered,
    OutboxFailed,
    Read,
    RetryNow,
    Send,
    Sleep,
    Step,
    Tick,
    Woken,
)
from sync.wire import Limits, Problem, Record, RecordResult, ResultStatus

LANE = "redemptions"
STEPS_MAX = 20_000
CALM_S = 4 * 3600.0
"""Long enough after the last fault for every record set aside (at most an hour and a bit) to be tried
again.
"""
RESULTS = {"content-type": wire.RESULTS_TYPE}
PROBLEM = {"content-type": wire.PROBLEM_TYPE, "date": "Sun, 01 Mar 2026 12:00:00 GMT"}
FOREIGN = {"content-type": "text/html"}


class SimulationError(AssertionError):
    """A promise was broken under this seed."""


def check(holds: bool, sentence: str) -> None:
    if not holds:
        raise SimulationError(sentence)


def number_of(record_id: str) -> int:
    return int(record_id.removeprefix("r-"))


@dataclass
class Outbox:
    """What the till keeps on disk: it survives a crash."""

    waiting: dict[str, Record] = field(default_factory=dict)  # in order of sequence
    acknowledged: dict[str, ResultStatus] = field(default_factory=dict)
    quarantined: dict[str, str] = field(default_factory=dict)

    def read(self, max_records: int, max_bytes: int) -> list[Record]:
        chosen: list[Record] = []
        for record in islice(self.waiting.values(), max_records):
            max_bytes -= record.size_bytes
            if chosen and max_bytes < 0:
                break
            chosen.append(record)
        return chosen

    def settle(self, results: Sequence[RecordResult]) -> None:
        for result in results:
            check(
                result.acknowledged or result.permanent, f"{result.record_id} settled while refused for now"
            )
            check(result.record_id in self.waiting, f"{result.record_id} settled but not waiting")
            del self.waiting[result.record_id]
            if result.acknowledged:
                self.acknowledged[result.record_id] = result.status
            else:
                self.quarantined[result.record_id] = result.code


@dataclass
class Cloud:
    """What the cloud keeps, and how each record fares there."""

    limits: Limits
    poison: frozenset[str]  # refused for good, by its own result
    toxic: frozenset[str]  # spoils a whole batch: 400 in the cloud's words
    shunned: frozenset[str]  # a middlebox answers 400 to any batch with it
    disputed: frozenset[str]  # stored, but redeemed elsewhere too
    patience: dict[str, int]  # refused for now so many times
    ordered: bool = False  # refuses for now whatever comes before its predecessor is accounted for
    head: int = 0
    ledger: set[str] = field(default_factory=set)
    keys: dict[str, bytes] = field(default_factory=dict)
    requests: int = 0

    def receive(self, body: bytes, key: str) -> Answer:
        self.requests += 1
        check(self.keys.setdefault(key, body) == body, "one idempotency key for two batches")
        ids = [event["id"] for event in json.loads(body)]
        if self.shunned.intersection(ids):
            return Answer(400, FOREIGN, b"<h1>Blocked</h1>")
        try:
            wire.decode_batch(body, self.limits)
        except WireError as error:
            return self.refuse(413, error.code, ids)
        if self.toxic.intersection(ids):
            return self.refuse(400, "not_json", ids)
        return Answer(200, RESULTS, wire.encode_results([self.judge(record_id) for record_id in ids]))

    def refuse(self, status: int, code: str, ids: Sequence[str]) -> Answer:
        if len(ids) == 1:
            self.account(ids[0])
        return Answer(status, PROBLEM, wire.encode_problem(Problem(status, code, "no", permanent=True)))

    def account(self, record_id: str) -> None:
        self.head = max(self.head, number_of(record_id))

    def judge(self, record_id: str) -> RecordResult:
        if self.ordered and number_of(record_id) > self.head + 1:
            return RecordResult(record_id, ResultStatus.REFUSED, "gap", "in order, please", permanent=False)
        if record_id in self.poison:
            self.account(record_id)
            return RecordResult(record_id, ResultStatus.REFUSED, "bad_signature", "no", permanent=True)
        if self.patience.get(record_id, 0) > 0:
            self.patience[record_id] -= 1
            return RecordResult(record_id, ResultStatus.REFUSED, "not_yet", "later", permanent=False)
        self.account(record_id)
        known = record_id in self.ledger
        self.ledger.add(record_id)
        if record_id in self.disputed:  # said again each time: the first answer may be lost
            return RecordResult(record_id, ResultStatus.CONFLICT, conflict={"till": "t2"})
        return RecordResult(record_id, ResultStatus.DUPLICATE if known else ResultStatus.STORED)


class Line:
    """What happens between: each request meets one fate, drawn by the seed."""

    def __init__(self, rng: random.Random, cloud: Cloud) -> None:
        self.rng = rng
        self.cloud = cloud
        self.faults_per_request = rng.choice([0.0, 0.2, 0.5, 0.9])
        self.calm = False

    def carry(self, send: Send) -> Event:
        if self.calm or self.rng.random() >= self.faults_per_request:
            return Answered(self.cloud.receive(send.body, send.idempotency_key))
        return getattr(self, self.rng.choice(FATES))(send)  # type: ignore[no-any-return]  # a fate is an Event

    def drop_request(self, _send: Send) -> Event:
        kinds = (FailureKind.DNS, FailureKind.REFUSED, FailureKind.TLS, FailureKind.TIMEOUT)
        return Failed(Failure(self.rng.choice(kinds), "dropped"))

    def drop_answer(self, send: Send) -> Event:
        self.cloud.receive(send.body, send.idempotency_key)
        return Failed(Failure(FailureKind.INTERRUPTED, "the answer was lost"))

    def repeat_request(self, send: Send) -> Event:
        self.cloud.receive(send.body, send.idempotency_key)
        return Answered(self.cloud.receive(send.body, send.idempotency_key))

    def damage_answer(self, send: Send) -> Event:
        answer = self.cloud.receive(send.body, send.idempotency_key)
        return Answered(
            Answer(answer.status, answer.headers, answer.body[: self.rng.randrange(len(answer.body))])
        )

    def forget_a_result(self, send: Send) -> Event:
        answer = self.cloud.receive(send.body, send.idempotency_key)
        if answer.status != 200:
            return Answered(answer)
        document = json.loads(answer.body)
        document["results"].pop(self.rng.randrange(len(document["results"])))
        return Answered(Answer(200, RESULTS, json.dumps(document).encode()))

    def answer_for_the_cloud(self, _send: Send) -> Event:
        status = self.rng.choice([200, 302, 400, 401, 403, 404, 408, 413, 418, 422, 429, 500, 502, 503, 511])
        headers = dict(FOREIGN)
        if self.rng.random() < 0.3:
            headers["retry-after"] = self.rng.choice(["7", "soon", "Sun, 01 Mar 2026 12:00:30 GMT"])
            headers["date"] = PROBLEM["date"]
        return Answered(Answer(status, headers, b"<html>"))


FATES = (
    "drop_request",
    "drop_answer",
    "repeat_request",
    "damage_answer",
    "forget_a_result",
    "answer_for_the_cloud",
)


class Simulation:
    """One till's lane under one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.limits = Limits(
            batch_records=self.rng.choice([1, 3, 16, 64]), batch_bytes=4096, event_bytes=8192
        )
        self.records = [self.make_record(n) for n in range(1, self.rng.choice([1, 10, 60, 120]) + 1)]
        self.outbox = Outbox()
        self.cloud = self.make_cloud()
        self.line = Line(self.rng, self.cloud)
        self.trouble_until = self.rng.uniform(0, 3000)
        self.arrivals = sorted(self.rng.uniform(0, self.trouble_until) for _ in self.records)
        self.arrived = 0
        self.lane = self.make_lane()

    def make_record(self, number: int) -> Record:
        event = {"id": f"r-{number}", "pad": "x" * self.rng.choice([0, 0, 0, 50, 1000, 5000])}
        return Record(LANE, number, f"r-{number}", json.dumps(event))

    def make_cloud(self) -> Cloud:
        names = [record.record_id for record in self.records]
        self.rng.shuffle(names)
        ordered = self.rng.random() < 0.5
        return Cloud(
            limits=self.limits,
            poison=frozenset(names[0:3]),
            toxic=frozenset(names[3:5]),
            # Behind a record that never reaches it, a cloud that insists on order would wait for ever.
            shunned=frozenset() if ordered else frozenset(names[5:7]),
            disputed=frozenset(names[7:12]),
            patience={name: self.rng.randrange(1, 4) for name in names[12:20]},
            ordered=ordered,
        )

    def make_lane(self) -> LaneProtocol:
        return LaneProtocol(
            LANE, random=self.rng.random, limits=self.limits, backoff=Backoff(1.0, 60.0), interval_s=30.0
        )

    def refused_for_good(self) -> set[str]:
        too_long = {r.record_id for r in self.records if r.size_bytes + 2 > self.limits.batch_bytes}
        return too_long.union(self.cloud.poison, self.cloud.toxic) - self.cloud.shunned

    def run(self) -> None:
        """Play until only what a middlebox shuns is left; raise SimulationError if a promise breaks."""
        event: Event = Tick()
        for _ in range(STEPS_MAX):
            self.arrive()
            self.line.calm = self.now > self.trouble_until
            if self.arrived == len(self.records) and self.only_shunned_wait():
                return self.check_the_end()
            check(
                self.now < self.trouble_until + CALM_S, f"after hours of calm {len(self.outbox.waiting)} wait"
            )
            event = self.perform(self.lane.handle(event, self.now))
        raise SimulationError(f"{STEPS_MAX} steps and no end: a hot loop")

    def only_shunned_wait(self) -> bool:
        return self.outbox.waiting.keys() == self.cloud.shunned

    def arrive(self) -> None:
        while self.arrived < len(self.records) and self.arrivals[self.arrived] <= self.now:
            record = self.records[self.arrived]
            self.outbox.waiting[record.record_id] = record
            self.arrived += 1

    def perform(self, step: Step) -> Event:
        if step.settle:
            if self.mishap(0.05):
                return self.crash()  # the answer came, and power went before it was written
            if self.mishap(0.05):
                return OutboxFailed("disk full")
            self.outbox.settle(step.settle)
            self.check_settled(step.settle)
        match step.then:
            case Read(max_records, max_bytes):
                if self.mishap(0.02):
                    return OutboxFailed("disk full")
                return Offered(self.outbox.read(max_records, max_bytes))
            case Send():
                self.now += self.rng.uniform(0.02, 3.0)
                outcome = self.line.carry(step.then)
                return self.crash() if self.mishap(0.03) else outcome
            case Sleep(until):
                return self.sleep(until)

    def mishap(self, chance: float) -> bool:
        return not self.line.calm and self.rng.random() < chance

    def crash(self) -> Event:
        """The process dies and comes back: all the machine knew is gone, the outbox is not."""
        self.lane = self.make_lane()
        self.now += self.rng.uniform(1, 60)
        return Tick()

    def sleep(self, until: float) -> Event:
        check(until > self.now or self.lane.consecutive_failures > 0, "an idle lane does not wait")
        if self.arrived < len(self.records) and self.arrivals[self.arrived] < until:
            self.now = max(self.now, self.arrivals[self.arrived])
            return Woken()
        if self.mishap(0.02):
            return RetryNow()
        self.now = max(self.now, until)
        return Tick()

    def check_settled(self, results: Sequence[RecordResult]) -> None:
        for result in results:
            if result.acknowledged:
                check(
                    result.record_id in self.cloud.ledger,
                    f"{result.record_id} dropped, and the cloud has it not",
                )
            else:
                check(
                    result.record_id in self.refused_for_good(),
                    f"{result.record_id} quarantined without cause",
                )

    def check_the_end(self) -> None:
        every = {record.record_id for record in self.records}
        bad = self.refused_for_good()
        good = every - bad - self.cloud.shunned
        check(set(self.outbox.quarantined) == bad, "quarantine holds exactly what is refused for good")
        check(set(self.outbox.acknowledged) == good, "everything else is acknowledged")
        check(self.cloud.ledger == good, "the cloud holds what the till thinks it holds")
        for record_id in self.cloud.disputed & good:
            check(
                self.outbox.acknowledged[record_id] is ResultStatus.CONFLICT,
                f"{record_id}: conflict not told",
            )


def run_seed(seed: int) -> None:
    """Play one seed; a broken promise names it."""
    try:
        Simulation(seed).run()
    except AssertionError as error:
        raise SimulationError(f"seed {seed}: {error}") from error


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 1000
    first = int(arguments[1]) if len(arguments) > 1 else 0
    for seed in range(first, first + count):
        run_seed(seed)
    print(f"{count} seeds from {first}: nothing lost, nothing doubled, nothing quarantined without cause")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
