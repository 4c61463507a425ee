"""Random lives of one till: records, deliveries, rotations cut short, disks lost, stolen and found again. Whatever
happens, no record is refused, nothing that is on some disk is missing at the end, the gaps are what is on none, and
when what was held is released every coupon is used that some record uses.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.record import EVIDENCE_LANE, LANES, REDEMPTION_LANE, ChainHead
from agent.domain.statement import read_key_change, sign_key_change
from cloud.access import digest
from cloud.ingest import ingest
from cloud.store.sqlite_store import SqliteStore
from cloud.tills import KeyStanding
from sync.wire import ResultStatus
from tests.unit.cloud_kit import LATER, NOW, SealingTill, batch, enrolled, known_marks, sealing_till

TILL = "T-1"


@dataclass
class Disk:
    """A ledger and its keys. waiting: by lane. following: the next key, while a rotation is not finished."""

    till: SealingTill
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {lane: [] for lane in LANES})
    following: SigningKey | None = None

    def record(self, number: int, lane: str) -> None:
        redeems = lane == REDEMPTION_LANE
        event = self.till.redeem(number) if redeems else self.till.seal({"outcome": "x"}, lane, "evidence")
        self.waiting[lane].append(event)


@dataclass
class Life:
    """store: the cloud. disk: in use. lost: others, which may turn up. written: every event there ever was."""

    store: SqliteStore
    chance: random.Random
    disk: Disk
    lost: list[Disk] = field(default_factory=list)
    keys: int = 1
    codes: int = 0
    coupons: int = 0

    def new_key(self) -> SigningKey:
        self.keys += 1
        return signing_key_from_seed(self.keys.to_bytes(32, "big"))

    async def record(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            self.coupons += 1
            self.disk.record(self.coupons, self.chance.choice(LANES))

    async def deliver(self, disk: Disk | None = None) -> None:
        """Some of what waits, and perhaps the answer is lost, so that it is sent again."""
        disk = disk or self.disk
        till = await self.store.till(TILL)
        assert till is not None
        (signer,) = (key for key in till.keys if key.public_key == disk.till.key.public_key)
        if signer.standing is KeyStanding.ANNOUNCED:  # a request by the new key
            await self.store.confirm_till_key(TILL, signer.public_key)
            till = await self.store.till(TILL)
            assert till is not None
        for lane in LANES:
            events = disk.waiting[lane][: self.chance.randint(0, 5)]
            results = await ingest(self.store, till, lane, batch(events), lambda: NOW) if events else []
            assert {result.status for result in results} <= {ResultStatus.STORED, ResultStatus.DUPLICATE}, (
                results
            )
            if self.chance.random() < 0.7:
                del disk.waiting[lane][: len(events)]

    async def rotate(self) -> None:
        """Each step may be the last one before the power goes; the next call goes on."""
        disk = self.disk
        disk.following = disk.following or self.new_key()
        if self.chance.random() < 0.3:
            return
        heads = {lane: disk.till.heads.get(lane, ChainHead()).sequence for lane in LANES}
        statement = sign_key_change(TILL, disk.till.key, disk.following, heads)
        await self.store.change_till_key(read_key_change(statement, TILL))
        if self.chance.random() < 0.3:
            return
        disk.till.key, disk.following = disk.following, None

    async def swap(self) -> None:
        """The disk is lost with what it had not sent."""
        self.lost.append(self.disk)
        self.codes += 1
        code = digest(f"code {self.codes}")
        assert await self.store.renew_code(TILL, code, LATER)
        key = self.new_key()
        till = await self.store.enrol(code, key.public_key, "2026-03-01T04:00:00.000Z")
        assert till is not None
        starts = till.keys[-1].lanes
        heads = {lane: ChainHead(starts[lane].after, starts[lane].hash) for lane in LANES}
        self.disk = Disk(SealingTill(TILL, key, heads))

    async def steal(self) -> None:
        """The till is revoked and gets another disk; what the stolen one still delivers is held."""
        assert await self.store.revoke_till(TILL, "2026-03-01T04:00:00.000Z") == 0
        await self.swap()

    async def find(self) -> None:
        """A lost disk is read once more."""
        if self.lost:
            await self.deliver(self.chance.choice(self.lost))


@pytest.mark.parametrize("seed", [*range(8), 127, 129, 139, 140])
async def test_a_tills_life_leaves_no_fork_and_loses_nothing_that_is_somewhere(
    tmp_path: Path, seed: int
) -> None:
    store = SqliteStore(tmp_path / "cloud.db")
    try:
        first = sealing_till(TILL, 1)
        await enrolled(store, first)
        life = Life(store, random.Random(seed), Disk(first))
        steps = [life.record, life.deliver, life.rotate, life.swap, life.steal, life.find]
        for _ in range(40):
            (step,) = life.chance.choices(steps, weights=[8, 8, 4, 1, 1, 2])
            await step()
        disks = [life.disk, *life.lost]
        while any(waiting for disk in disks for waiting in disk.waiting.values()):
            await life.deliver(life.chance.choice(disks))
        assert await store.refusals(10) == []
        assert await store.conflicts(10) == []
        lines = await store.ledger(TILL, ("", "", 0), 10_000)
        redeemed = [line.index for line in lines if line.lane == REDEMPTION_LANE]
        assert len(lines) == life.coupons, "every record that some disk held is here"
        assert len(redeemed) == len(set(redeemed))
        waits = {line.index for line in await store.held(TILL, 10_000)}
        marked = {index for index, _ in await known_marks(store)}
        assert (marked | waits, marked & waits) == (set(redeemed), set()), "each use counts or is held"
        assert (await store.release_held(TILL, "2026-06-01T00:00:00.000Z")).conflicts == 0
        assert {index for index, _ in await known_marks(store)} == set(redeemed)
        gaps = await store.gaps(1000)
        assert {gap.kind for gap in gaps} <= {"replaced"}, "nothing is missing but the room that was left"
        for lane in (REDEMPTION_LANE, EVIDENCE_LANE):
            there = {line.sequence for line in lines if line.lane == lane}
            missing = [gap for gap in gaps if gap.lane == lane]
            assert not any(gap.first <= sequence <= gap.last for gap in missing for sequence in there)
            accounted = len(there) + sum(gap.last - gap.first + 1 for gap in missing)
            assert accounted == max(there, default=0), "gaps and records together are the whole lane"
    finally:
        await store.close()
