"""kill -9 at every step of a sale's life: hold, commit, void, reversal. Each call is cut off by the kill of the whole
till and sent again, with its key, to the next one. No coupon is lost, none is used twice, every hold is accounted for.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.core_kit import check_chain, core, install, rows
from tests.factory import Factory, amount_off

KILLS = int(os.environ.get("REDEEMD_SALE_KILLS", "24"))
COUPONS = 40
TIMEOUT_S = 60
TOTAL = 20_000


@dataclass
class Till:
    """The till of the moment: killed at will, and there again."""

    folder: Path
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    kills: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.02
    """How long the last whole call took: kills are strewn over somewhat more."""

    def __post_init__(self) -> None:
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.selling"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.bear()

    def _line(self) -> str:
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        assert line, "the nursery is there"
        return line

    def bear(self) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{self.folder}\n")
        self._nursery.stdin.flush()
        _, pid, port = self._line().split()
        self.pid, self.port = int(pid), int(port)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self._line() == "dead\n"
        self.kills += 1

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(TIMEOUT_S)
        self._nursery.stdout.close()

    def call(self, path: str, body: Any, key: str, *, kill: bool) -> tuple[int, Any] | None:
        """One request; killed somewhere while it is answered, None if no answer came out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            connection.request("POST", path, json.dumps(body), headers)
            if kill:
                until = perf_counter() + self.chance.random() * self.took_s * 1.5
                while perf_counter() < until:
                    pass
                self.kill()
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (ConnectionError, http.client.HTTPException):
            assert kill, "a living till answers"
            return None
        finally:
            connection.close()

    def step(self, path: str, body: Any, key: str) -> tuple[int, Any]:
        """A request whose till is killed under it, and the answer that the next till gives to the same again."""
        before = self.call(path, body, key, kill=True)
        self.bear()
        started = perf_counter()
        after = self.call(path, body, key, kill=False)
        if before is None:
            self.took_s = perf_counter() - started
        assert after is not None
        if before is not None:
            assert after == (before[0], {**before[1], "replayed": True}), "what was answered is on disk"
        self.cut["answered" if before else "in time" if after[1].get("replayed") else "too early"] += 1
        return after


def sales(till: Till, coupons: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sales without end: (what the client was told at last, the hold)."""
    number = 0
    while True:
        number += 1
        text = coupons[till.chance.randrange(len(coupons))]
        sale = {"sale_id": f"S{number}", "total_minor": TOTAL}
        status, hold = till.step("/v1/holds", {"sale": sale, "coupons": [text]}, f"hold-{number}")
        assert status == 201, hold
        ending = till.chance.choice(("commit", "commit", "void"))
        path = f"/v1/holds/{hold['hold_id']}/{ending}"
        body = {"total_minor": TOTAL, "tenders": ["cash"]} if ending == "commit" else {}
        status, ended = till.step(path, body, f"end-{number}")
        assert status == 200, ended
        returned = None
        if ended["applied"] and ending == "commit" and till.chance.random() < 0.6:
            status, returned = till.step("/v1/reversals", {"sale_id": f"S{number}"}, f"back-{number}")
            assert status == 201, returned
        yield ending, {**ended, "returned": returned}


def test_a_sale_is_killed_at_every_step(tmp_path: Path) -> None:
    factory = Factory(campaigns=[amount_off(returns="coupon")])
    install(tmp_path / "till", factory)
    till = Till(tmp_path / "till")
    told: list[tuple[str, dict[str, Any]]] = []
    try:
        made = sales(till, [factory.coupon(index) for index in range(COUPONS)])
        while till.kills < KILLS:
            told.append(next(made))
    finally:
        till.end()
    judge(tmp_path / "till", factory, told)
    print(f"{till.kills} kills, {len(told)} sales: {dict(till.cut)}")


def judge(folder: Path, factory: Factory, told: list[tuple[str, dict[str, Any]]]) -> None:
    """What the client was told against what is on disk."""
    path = folder / "till.db"
    with core(path, factory):
        check_chain(path, factory)
    events = [
        json.loads(one) for (one,) in rows(path, "SELECT event FROM redemption_record ORDER BY sequence")
    ]
    uses: Counter[int] = Counter()
    for event in events:
        index = event["data"]["coupon"]["index"]
        uses[index] += 1 if event["type"] == "redeemd.redemption.v1" else -1
        assert uses[index] in (0, 1), f"coupon {index} is used twice, or came back twice"
    used = {index for index, count in uses.items() if count}
    assert {index for (index,) in rows(path, "SELECT idx FROM coupon_use")} == used

    redeemed = {event["id"]: event["data"]["hold_id"] for event in events if "hold_id" in event["data"]}
    said = {
        one["redemption_id"]: hold["hold_id"]
        for ending, hold in told
        if ending == "commit"
        for one in hold["applied"]
    }
    assert redeemed == said, "each redemption was told, and what was told is there"
    backs = {one["reversal_id"] for _, hold in told for one in (hold["returned"] or {}).get("reversals", [])}
    assert {event["id"] for event in events if event["type"] == "redeemd.reversal.v1"} == backs
    states = {hold["hold_id"]: hold["state"] for _, hold in told}
    assert dict(rows(path, "SELECT hold_id, state FROM hold")) == states, "every hold is accounted for"
    assert rows(path, "SELECT * FROM held_coupon") == [], "nothing is kept for a sale that is over"
    charged = rows(
        path, "SELECT coalesce(sum(count), 0), coalesce(sum(value_minor), 0) FROM budget WHERE day >= 0"
    )
    assert charged == [(len(redeemed), 3_000 * len(redeemed))], "the budget bears each redemption once"
