"""Till cores and the cloud's core under one seed: real ledgers, outboxes, lanes and bundles on real SQLite, and a real
cloud store that checks every signature. Only time and the line between are played.

Tills share coupons while the line loses, repeats, delays, reorders and cuts what they send, while processes die, disks
fill, clocks jump, keys change and the cloud is away. An oracle writes down each green light that a cashier saw. When
the trouble is over and everything has arrived, it compares.

    python -m tests.simulation.world SEEDS [FIRST]      plays them; the first that breaks a promise is named

A seed decides everything but the random numbers in keys and identifiers, which decide nothing.
Long because the whole world of one seed is read at once: what can happen, and what must hold afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import json
import logging
import random
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from agent.bundles.erasing import Erasing
from agent.bundles.refresh import Refresher
from agent.domain.campaign import Returns
from agent.domain.decide import find_status
from agent.domain.eligibility import Member
from agent.domain.keys import SigningKey, new_signing_key
from agent.domain.outcome import Outcome
from agent.domain.record import LANES, REDEMPTION_LANE
from agent.domain.sale import Sale
from agent.domain.statement import read_key_change, sign_key_change
from agent.domain.status import Status
from agent.domain.time import timestamp
from agent.domain.token import Claims, Coupon
from agent.domain.verdict import Verdict
from agent.line.conflicts import Conflicts
from agent.members import Customer
from agent.ports import LedgerUnavailable
from agent.redeem import Redeemer
from agent.request import Request
from agent.sales.desk import Desk, SaleFault
from agent.sales.lifecycle import Sales
from agent.sales.returns import Return
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache, enrol
from agent.store.conflicts import SqlConflicts
from agent.store.database import Database
from agent.store.ledger import SqlLedger
from agent.store.outbox import SqlOutbox
from cloud.access import digest
from cloud.api.http import Cloud
from cloud.erasing import check_chains
from cloud.export import TABLES, Period
from cloud.ingest import REVERSAL, ingest
from cloud.issue import add_issuer, issue
from cloud.main import init, open_cloud
from cloud.ports import Terms
from cloud.publish import Ages
from cloud.tills import KeyStanding, Till
from sync import wire
from sync.backoff import Backoff
from sync.errors import OutboxUnavailable, WireError
from sync.missing import RESEND_MAX
from sync.ports import Answer, Failure, FailureKind
from sync.protocol import (
    Answered,
    Event,
    Failed,
    LaneProtocol,
    Offered,
    OutboxFailed,
    Read,
    Send,
    Sleep,
    Step,
    Tick,
)
from sync.verdicts import VERDICTS_TYPE
from sync.wire import Limits
from tests.core_kit import HandClock
from tests.simulation.sync_seeds import SimulationError, check
from tests.unit import cloud_kit
from tests.unit.cloud_kit import CAMPAIGN, ISSUER, STORE, TODAY

START = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
TROUBLE_S = 1200.0
CALM_S = 5 * 3600.0
"""Longer than a record set aside may wait, an hour and a bit, several times."""
REFRESH_S = 240.0
ACTIONS_MAX = 20_000
SALE = Sale("sim", "CNY", 12_800, ())
DISCOUNT_MINOR = 3_000
PEOPLE = tuple(bytes([number]) * 8 for number in range(1, 4))
"""Who holds the coupons, in turn."""
RESULTS = {"content-type": wire.RESULTS_TYPE}


@dataclass(frozen=True)
class Green:
    """What a cashier saw: this coupon was accepted here."""

    till: str
    index: int
    redemption_id: str


@dataclass
class Oracle:
    """returned: redemptions of which the goods came back; ended: those of them whose coupon may be used again.
    erased: people who asked to be forgotten.
    """

    greens: list[Green] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    erased: set[bytes] = field(default_factory=set)

    def saw(self, till: str, index: int, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.ACCEPTED:
            assert verdict.redemption_id is not None, "a green light has a number"
            self.greens.append(Green(till, index, verdict.redemption_id))

    def gave_back(self, reversal: Mapping[str, Any]) -> None:
        self.returned.add(reversal["redemption_id"])
        if reversal["coupon_returns"]:
            self.ended.add(reversal["redemption_id"])

    def indexes_returned(self) -> set[int]:
        return {green.index for green in self.greens if green.redemption_id in self.returned}

    def standing(self) -> list[Green]:
        return [green for green in self.greens if green.redemption_id not in self.ended]

    def uses(self) -> Counter[int]:
        return Counter(green.index for green in self.standing())


class CloudSide:
    """The cloud, as what arrives at it sees it: bytes in, an answer out."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        init(folder, now)
        self._folder, self._now = folder, now
        self.cloud: Cloud = self._open()
        self.away = False

    def _open(self) -> Cloud:
        return open_cloud(self._folder, Ages(refresh_s=600), self._now)

    async def restart(self) -> None:
        await self.cloud.store.close()
        self.cloud = self._open()

    async def set_up(self, size: int, returns: Returns) -> list[str]:
        """A store, an issuer, a campaign whose coupons count once; their texts by index."""
        cloud = self.cloud
        await cloud.store.put_place(STORE)
        await add_issuer(cloud.store, cloud.keyring, ISSUER, None, 0, 60_000, 100_000)
        await cloud.publisher.offer(cloud_kit.campaign(size=size, returns=returns), None)
        terms = Terms(TODAY - 1, TODAY + 30)
        made = await issue(cloud.store, cloud.keyring, ISSUER, CAMPAIGN, size, terms, self._now())
        texts = {one.index: one.text for one in made}
        return [texts[index] for index in range(size)]

    async def batch(self, name: str, lane: str, body: bytes, signer: bytes) -> Answer:
        till = await self._till(name, signer)
        try:
            results = await ingest(self.cloud.store, till, lane, body, self._now)
        except WireError as error:
            return _problem(400, error.code)
        missing = await self.cloud.store.missing(name, lane, 16)
        return Answer(200, RESULTS, wire.encode_results(results, missing))

    async def get(self, name: str, path: str, etag: str | None, signer: bytes) -> Answer:
        till = await self._till(name, signer)
        path, _, query = path.partition("?")
        if path == wire.bundle_path(name):
            published = await self.cloud.publisher.bundle(till, newer=bool(query))
            tag = f'"{hashlib.sha256(published.manifest).hexdigest()[:32]}"'
            headers = {"etag": tag, "date": self._now().strftime("%a, %d %b %Y %H:%M:%S GMT")}
            return Answer(304, headers, b"") if etag == tag else Answer(200, headers, published.manifest)
        if path.startswith("/v1/parts/"):
            content = await self.cloud.store.part(bytes.fromhex(path.removeprefix("/v1/parts/")))
            return _problem(404, "unknown_part") if content is None else Answer(200, {}, content)
        if path == f"{wire.till_path(name)}/verdicts":
            found = await self.cloud.store.verdicts(name, int(query.removeprefix("after=")), 3)
            body = json.dumps({"verdicts": found, "more": len(found) == 3}).encode()
            return Answer(200, {"content-type": VERDICTS_TYPE}, body)
        return _problem(404, "unknown_root")

    async def _till(self, name: str, signer: bytes) -> Till:
        """As `cloud.api.http.signed_till`: the first request by a new key confirms it."""
        till = await self.cloud.store.till(name)
        assert till is not None, "it is enrolled"
        (key,) = (key for key in till.keys if key.public_key == signer)
        if key.standing is KeyStanding.ANNOUNCED:
            await self.cloud.store.confirm_till_key(name, signer)
            till = await self.cloud.store.till(name)
        assert till is not None, "no till is ever removed"
        return till


def _problem(status: int, code: str) -> Answer:
    body = wire.encode_problem(wire.Problem(status, code, "no", permanent=status == 400))
    return Answer(status, {"content-type": wire.PROBLEM_TYPE}, body)


class TillSide:
    """One till: its folder outlives its process, its memory does not."""

    def __init__(self, world: World, name: str, folder: Path, key: SigningKey) -> None:
        self.world, self.name, self.key = world, name, key
        self.path = folder / "till.db"
        self.clock = HandClock(world.time(), world.now)
        self.skew = timedelta(0)
        self.process = 0
        self.online_from = 0.0
        self.full = False

    async def start(self) -> None:
        """A process begins: what is in memory is new, what is on disk is as it was."""
        self.process += 1
        self.database = Database(self.path)
        self.database.open()
        self.state = TillState(self.name)
        self.outbox = SqlOutbox(self.database, self.name)
        uplink = _Uplink(self.world, self)
        self.refresher = Refresher(
            SqlBundleCache(self.database), uplink, self.state, self.clock, self.key.public_key
        )
        desk = Desk(self.state, SqlLedger(self.database), self.clock, self.key, bytes(32), None, False)
        self.redeemer, self.sales = Redeemer(*desk[:5], None), Sales(desk, lambda: None)
        conflicts = SqlConflicts(self.database, self.name)
        self.conflicts = Conflicts(conflicts, uplink, self.state, self.clock, None, lambda: None)
        ledger = SqlLedger(self.database)
        self.erasing = Erasing(self.state, self.clock, ledger, self.key, lambda name: name[:16])
        self.lanes = {lane: self.new_lane(lane) for lane in LANES}
        self.move_clock()
        await self.refresher.load()
        for lane in LANES:
            self.world.plan(0.0, self.lane_event(lane, Tick()))

    def new_lane(self, lane: str) -> LaneProtocol:
        chance = self.world.chance
        limits = Limits(batch_records=chance.choice([1, 5, 60]))
        return LaneProtocol(
            lane, random=chance.random, limits=limits, backoff=Backoff(1.0, 60.0), interval_s=150.0
        )

    def stop(self) -> None:
        self.database.close()

    def move_clock(self) -> None:
        self.clock.wall = self.world.time() + self.skew
        self.clock.seconds = self.world.now + 1000.0

    # what happens at it

    async def scan(self, index: int) -> None:
        self.move_clock()
        person = Customer(member=Member(PEOPLE[index % len(PEOPLE)], consent=True))
        verdict = await self.redeemer.redeem(Request(self.world.coupons[index], "sim", SALE, customer=person))
        self.world.oracle.saw(self.name, index, verdict)
        if verdict.outcome is Outcome.ALREADY_REDEEMED:
            known = any(green.index == index for green in self.world.oracle.greens)
            check(known, f"{self.name} says coupon {index} is used, and nobody used it")
        if verdict.outcome is Outcome.UNKNOWN_RESULT:
            raise SimulationError("an answer was unknown: no fault here makes it so")

    async def take_back(self) -> None:
        """Goods of some redemption of this till come back."""
        self.move_clock()
        oracle = self.world.oracle
        sold = [each.redemption_id for each in oracle.greens if each.till == self.name]
        if open_ones := [each for each in sold if each not in oracle.returned]:
            one = self.world.chance.choice(open_ones)
            with contextlib.suppress(
                SaleFault, LedgerUnavailable
            ):  # no bundle, no room: then it does not come back
                done = await self.sales.reverse(Return(one, None, None), f"{one} back")
                oracle.gave_back(done.body["reversals"][0])

    async def refresh(self) -> None:
        self.move_clock()
        await self.refresher.fetch()
        await self.conflicts.fetch()
        await self.erasing.look()

    async def fill_disk(self, full: bool) -> None:
        """SQLite itself says that there is no room."""

        def limit(db: sqlite3.Connection) -> None:
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages if full else 1 << 30}")

        await self.database.run(limit)

    async def change_key(self) -> None:
        """As `redeemd key rotate` does with the till stopped; the power may go before it is finished."""
        self.stop()
        new = new_signing_key()
        database = Database(self.path)
        database.open()
        heads = {lane: await database.run(partial(_head, lane=lane)) for lane in LANES}
        database.close()
        statement = sign_key_change(self.name, self.key, new, heads)
        if self.reachable():
            await self.world.side.cloud.store.change_till_key(read_key_change(statement, self.name))
            if self.world.chance.random() < 0.7:
                self.key = (
                    new  # else the power went: the old key goes on, and another change follows some day
                )
        await self.start()

    def reachable(self) -> bool:
        return self.world.now >= self.online_from and not self.world.side.away

    # its lanes

    def lane_event(self, lane: str, event: Event, process: int = 0) -> Callable[[], Awaitable[None]]:
        """process: for which it happens; 0 for this one."""
        process = process or self.process

        async def happen() -> None:
            if self.process == process:  # what a dead process waited for happens to nobody
                await self.drive(lane, event)

        return happen

    async def drive(self, lane: str, event: Event) -> None:
        machine = self.lanes[lane]
        while True:
            step = machine.handle(event, self.world.now)
            following = await self.perform(lane, step)
            if following is None:
                return
            event = following

    async def perform(self, lane: str, step: Step) -> Event | None:
        try:
            if step.settle:
                await self.outbox.settle(lane, step.settle)
            if step.again:
                await self.outbox.send_again(lane, step.again, RESEND_MAX)
            if isinstance(step.then, Read):
                return Offered(await self.outbox.waiting(lane, step.then.max_records, step.then.max_bytes))
        except OutboxUnavailable as error:
            return OutboxFailed(str(error))
        if isinstance(step.then, Sleep):
            self.world.plan(max(step.then.until - self.world.now, 0.0), self.lane_event(lane, Tick()))
        elif isinstance(step.then, Send):
            self.send(lane, step.then.body)
        return None

    def send(self, lane: str, body: bytes) -> None:
        """The line's turn: what becomes of the request and of its answer."""
        world, key = self.world, self.key.public_key
        delay_s, fate = world.chance.uniform(0.05, 4.0), world.fate(self)
        back = partial(self.lane_event, process=self.process)

        async def arrive() -> None:
            fate_now = fate if self.reachable() else "lost"
            if fate_now == "lost":
                return world.plan(1.0, back(lane, Failed(Failure(FailureKind.TIMEOUT, "lost"))))
            if fate_now == "portal":
                return world.plan(
                    0.1, back(lane, Answered(Answer(200, {"content-type": "text/html"}, b"<html>")))
                )
            if fate_now == "busy":
                return world.plan(0.1, back(lane, Answered(Answer(503, {}, b""))))
            answer = await world.side.batch(self.name, lane, body, key)
            if fate_now == "repeated":  # and what was sent first arrives last
                world.plan(world.chance.uniform(1, 900), _ghost(world, self.name, lane, body, key))
            if fate_now == "answer lost":
                return world.plan(1.0, back(lane, Failed(Failure(FailureKind.INTERRUPTED, "answer lost"))))
            if fate_now == "cut":
                answer = Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
            return world.plan(delay_s, back(lane, Answered(answer)))

        world.plan(delay_s, arrive)


def _ghost(world: World, name: str, lane: str, body: bytes, key: bytes) -> Callable[[], Awaitable[None]]:
    """An old request that turns up again; nobody waits for its answer."""

    async def arrive() -> None:
        if not world.side.away:
            await world.side.batch(name, lane, body, key)

    return arrive


class _Uplink:
    """`sync.ports.Uplink` for the bundle: in no time, or not at all."""

    def __init__(self, world: World, till: TillSide) -> None:
        self._world, self._till = world, till

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        del max_bytes
        if not self._till.reachable() or self._world.fate(self._till) in ("lost", "answer lost"):
            return Failure(FailureKind.TIMEOUT, "lost")
        return await self._world.side.get(self._till.name, path, etag, self._till.key.public_key)

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        raise NotImplementedError("lanes are driven by the world")


FATES = ("lost", "answer lost", "repeated", "cut", "busy", "portal")


class World:
    """One cloud and its tills, under one seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.now = 0.0
        self.oracle = Oracle()
        self.faults = self.chance.choice([0.0, 0.1, 0.4])
        self._queue: list[tuple[float, int, Callable[[], Awaitable[None]]]] = []
        self._planned = 0

    def time(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def plan(self, in_s: float, action: Callable[[], Awaitable[None]]) -> None:
        self._planned += 1
        heapq.heappush(self._queue, (self.now + in_s, self._planned, action))

    def fate(self, till: TillSide) -> str:
        if self.now < till.online_from:
            return "lost"
        troubled = self.now < TROUBLE_S and self.chance.random() < self.faults
        return self.chance.choice(FATES) if troubled else "fine"

    async def run(self) -> None:
        self.side = CloudSide(self.folder / "cloud", self.time)
        self.tills: list[TillSide] = []
        try:
            await self._set_up()
            await self._play(TROUBLE_S)
            await self._calm()
            await self._compare()
        finally:
            for till in self.tills:
                till.stop()
            await self.side.cloud.store.close()

    async def _set_up(self) -> None:
        returns = self.chance.choice(list(Returns))
        self.coupons = await self.side.set_up(self.chance.choice([4, 12]), returns)
        for number in range(self.chance.choice([1, 2, 3])):
            name, key = f"T-{number + 1}", new_signing_key()
            folder = self.folder / name
            folder.mkdir()
            store = self.side.cloud.store
            await store.add_till(name, STORE.store, digest(name), timestamp(START + timedelta(hours=1)))
            assert await store.enrol(digest(name), key.public_key, timestamp(START)) is not None
            till = TillSide(self, name, folder, key)
            database = Database(till.path)
            database.open()
            root = self.side.cloud.roots.newest().document
            await database.run(partial(enrol, till=name, root=root))
            database.close()
            await till.start()
            await till.refresher.fetch()
            self.tills.append(till)
        for till in self.tills:
            self.plan(self.chance.uniform(1, REFRESH_S), self._refreshing(till))
        for _ in range(self.chance.randrange(5, 40)):
            till, index = self.chance.choice(self.tills), self.chance.randrange(len(self.coupons))
            self.plan(self.chance.uniform(1, TROUBLE_S), partial(till.scan, index))
        for _ in range(self.chance.randrange(0, 8)):
            self.plan(self.chance.uniform(1, TROUBLE_S), self._trouble)
        for person in PEOPLE:
            if self.chance.random() < 0.3:
                self.plan(self.chance.uniform(1, TROUBLE_S), partial(self._erase, person))
        for _ in range(self.chance.choice([0, 2, 10])):
            self.plan(self.chance.uniform(1, TROUBLE_S), self.chance.choice(self.tills).take_back)

    async def _erase(self, person: bytes) -> None:
        self.oracle.erased.add(person)
        await self.side.cloud.store.erase(person, timestamp(self.time()))

    def _refreshing(self, till: TillSide) -> Callable[[], Awaitable[None]]:
        async def again() -> None:
            await till.refresh()
            self.plan(REFRESH_S, again)

        return again

    async def _trouble(self) -> None:
        till = self.chance.choice(self.tills)
        kind = self.chance.choice(("kill", "line", "disk", "clock", "key", "cloud", "cloud away"))
        lasts = self.chance.uniform(10, TROUBLE_S / 2)
        if kind == "kill":
            till.stop()
            await till.start()
        elif kind == "line":
            till.online_from = self.now + lasts
        elif kind == "disk":
            await till.fill_disk(True)
            self.plan(lasts, partial(till.fill_disk, False))
        elif kind == "clock":
            till.skew = timedelta(days=self.chance.choice([-4000, -40, -1, 1, 40, 4000]))
            self.plan(lasts, partial(self._right, till))
        elif kind == "key":
            await till.change_key()
        elif kind == "cloud":
            await self.side.restart()
        else:
            self.side.away = True
            self.plan(lasts, self._back)

    async def _right(self, till: TillSide) -> None:
        till.skew = timedelta(0)

    async def _back(self) -> None:
        self.side.away = False

    async def _play(self, until: float) -> None:
        for _ in range(ACTIONS_MAX):
            if not self._queue or self._queue[0][0] > until:
                self.now = until
                return
            self.now, _, action = heapq.heappop(self._queue)
            await action()
        raise SimulationError(f"{ACTIONS_MAX} actions and no end: a hot loop")

    async def _calm(self) -> None:
        """No more trouble: in bounded time everything arrives and every till hears of it."""
        self.side.away = False
        for till in self.tills:
            till.online_from, till.skew = 0.0, timedelta(0)
            await till.fill_disk(False)
        while any([await self._waits(till) for till in self.tills]):
            check(self.now < TROUBLE_S + CALM_S, "after hours of calm some records still wait")
            await self._play(self.now + 60)
        await self._play(self.now + 2 * REFRESH_S + 1)

    async def _waits(self, till: TillSide) -> bool:
        return any([await till.outbox.waiting(lane, 1, 1) for lane in LANES])

    async def _compare(self) -> None:
        store, uses = self.side.cloud.store, self.oracle.uses()
        here: dict[str, tuple[str, str | None]] = {}
        for till in self.tills:
            rows = await till.database.run(_records)
            check(all(row[2] in ("acknowledged", "conflict") for row in rows), f"{till.name}: {rows}")
            here |= {f"{till.name}-{sequence}": (state, reverses) for sequence, _, state, reverses in rows}
            lines = await store.ledger(till.name, ("", "", 0), 10_000)
            there = [(line.sequence, line.hash) for line in lines if line.lane == REDEMPTION_LANE]
            check(
                sorted(there) == [row[:2] for row in rows],
                f"{till.name}: the ledgers differ: {there} {rows}",
            )
        greens = [green.redemption_id for green in self.oracle.greens]
        check(len(greens) == len(set(greens)), "a number was given twice")
        sold = {record for record, (_, reverses) in here.items() if not reverses}
        check(set(greens) == sold, f"green lights and records differ: {set(greens) ^ sold}")
        back = sorted(reverses for _, reverses in here.values() if reverses)
        check(
            back == sorted(self.oracle.returned), f"what came back: {back}, the truth {self.oracle.returned}"
        )
        for till in self.tills:
            own = Counter(green.index for green in self.oracle.standing() if green.till == till.name)
            check(all(count == 1 for count in own.values()), f"{till.name} took a coupon twice: {own}")
        found = Counter(conflict.index for conflict in await store.conflicts(10_000))
        double = Counter({index: count - 1 for index, count in uses.items() if count > 1})
        check(found == double, f"conflicts: the cloud says {found}, the truth is {double}")
        # Where nothing came back the answers to the batches said so already.
        calm = {green.index for green in self.oracle.greens} - self.oracle.indexes_returned()
        said = Counter(
            green.index for green in self.oracle.greens if here[green.redemption_id][0] == "conflict"
        )
        for index in calm:
            check(
                said[index] == double[index],
                f"coupon {index}: {said[index]} answers, {double[index]} conflicts",
            )
        await self._told()
        await self._settled()
        await self._forgotten()
        for till in self.tills:
            await self._knows(till, uses)

    async def _told(self) -> None:
        """What staff are asked to look at are the conflicts that there are, at both tills, and no other."""
        truth = set()
        for line in await self.side.cloud.store.conflicts(10_000):
            truth.add((line.redemption_id, line.winner.redemption_id))
            if line.till != line.winner.till:
                truth.add((line.winner.redemption_id, line.redemption_id))
        shown = set()
        for till in self.tills:
            for one in await till.conflicts.listed(1000, unseen=True):
                shown.add((one["redemption_id"], one["other"]["redemption_id"]))
        check(shown == truth, f"conflicts: the tills show {shown}, the truth is {truth}")
        await self._ended()

    async def _ended(self) -> None:
        """Those that a return ended are listed as whoever keeps the coupon was told: what came back, and from whom."""
        store, listed = self.side.cloud.store, set()
        for line in await store.conflicts(10_000, ended=True):
            assert line.ended is not None, "asked for"
            pair = (line.redemption_id, line.winner.redemption_id)
            kept, back = pair if line.ended.back == "won" else pair[::-1]
            check(back in self.oracle.ended, f"{back} did not come back, and ended a conflict with {kept}")
            listed.add((kept, back))
        told = {
            (one["redemption_id"], one["other"]["redemption_id"])
            for till in self.tills
            for one in await store.verdicts(till.name, 0, 10_000)
            if (one["kind"], one["standing"]) == ("settled", "kept")
        }
        check(listed == told, f"ended conflicts: the cloud lists {listed}, the tills were told {told}")

    async def _forgotten(self) -> None:
        """Who was erased is known to nobody, everybody else to all as before, and every chain verifies."""
        store, erased = self.side.cloud.store, self.oracle.erased
        for person in PEOPLE:
            found = [
                line for line in await store.disclosing(person.hex(), 10_000) if line[1] == REDEMPTION_LANE
            ]
            truth = [one for one in self.oracle.greens if PEOPLE[one.index % len(PEOPLE)] == person]
            check(
                len(found) == (0 if person in erased else len(truth)), f"{len(found)} records name {person!r}"
            )
        for till in self.tills:
            known = {bytes.fromhex(text) for text in await till.database.run(_named)}
            check(not known & erased, f"{till.name} knows {known & erased}")
        for erasure in await store.erasures(10):
            done = {one.till for one in erasure.done}
            check(done == {till.name for till in self.tills}, f"only {done} say that they erased")
        async for chain in check_chains(store):
            check(not chain.fault, f"{chain.till}, {chain.lane}: {chain.fault}")

    async def _settled(self) -> None:
        """What is paid is what was given and did not come back."""
        table = TABLES["settlement"]
        at = [list(table.columns).index(name) for name in ("amount_minor", "open_minor")]
        period = Period("", "2999")
        paid = [
            row[place]
            async for rows in table.pages(self.side.cloud.store, period)
            for row in rows
            for place in at
        ]
        truth = DISCOUNT_MINOR * (len(self.oracle.greens) - len(self.oracle.returned))
        check(sum(paid) == truth, f"settled are {sum(paid)}, the truth is {truth}")

    async def _knows(self, till: TillSide, uses: Counter[int]) -> None:
        """After the last refresh the till refuses what was used anywhere, and takes what was not."""
        trust = till.state.trust
        check(trust is not None, f"{till.name} has no bundle")
        assert trust is not None, "just checked"
        for index in range(len(self.coupons)):
            coupon = Coupon(ISSUER, Claims(CAMPAIGN, index, TODAY - 1, TODAY + 30), b"")
            status = find_status(coupon, trust.contents)
            expected = Status.USED if uses[index] else Status.VALID
            check(status is expected, f"{till.name} thinks coupon {index} {status}, it is {expected}")


def _records(db: sqlite3.Connection) -> list[tuple[int, str, str, str | None]]:
    """Sequence, hash, state, and of a reversal what it gives back."""
    reverses = (
        "CASE json_extract(event, '$.type') WHEN ? THEN json_extract(event, '$.data.redemption_id') END"
    )
    sql = f"SELECT sequence, hash, state, {reverses} FROM redemption_record ORDER BY sequence"
    return list(db.execute(sql, (REVERSAL,)))


def _named(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT DISTINCT pseudonym FROM disclosure")]


def _head(db: sqlite3.Connection, lane: str) -> int:
    return int(db.execute(f"SELECT coalesce(max(sequence), 0) FROM {lane}_record").fetchone()[0])


def run_seed(seed: int) -> World:
    """Play one seed in a memory file system where there is one; a broken promise names it."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        world = World(seed, Path(folder))
        try:
            asyncio.run(world.run())
        except AssertionError as error:
            raise SimulationError(f"seed {seed}: {error}") from error
        return world


def main(arguments: list[str]) -> int:
    logging.disable(logging.CRITICAL)
    count = int(arguments[0]) if arguments else 200
    first = int(arguments[1]) if len(arguments) > 1 else 0
    greens = doubled = returned = 0
    for seed in range(first, first + count):
        world = run_seed(seed)
        greens += len(world.oracle.greens)
        returned += len(world.oracle.returned)
        doubled += sum(uses - 1 for uses in world.oracle.uses().values())
    said = {"seeds": count, "first": first, "redemptions": greens, "returns": returned}
    said |= {"conflicts_all_found": doubled}
    print(f"nothing lost, nothing doubled, no conflict unseen: {json.dumps(said)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
