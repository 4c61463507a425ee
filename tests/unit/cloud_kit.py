"""What the tests of the cloud share: a till that seals real records, and a small world to record them in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.domain import record
from agent.domain.campaign import Budget, Campaign, OfflineClass, Words
from agent.domain.keys import SigningKey, signing_key_from_seed
from agent.domain.parts import Place
from agent.domain.record import GENESIS, LANES, REDEMPTION_LANE, ChainHead, record_id
from agent.domain.status import Status
from cloud.access import digest
from cloud.ports import CloudStore, Terms
from cloud.tills import KeyStanding, LaneStart, Till, TillKey, TillState
from tests.offers import amount_off

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
AT = "2026-03-01T04:00:00.000Z"
LATER = "2026-03-01T05:00:00.000Z"
TODAY = 20_513  # 2026-03-01
ISSUER = "acme"
CAMPAIGN = 7
STORE = Place("S-0012", 12, frozenset({1, 3}), "M-1", Words("一店", "Store 1"), "Asia/Shanghai", "CNY")


def campaign(**changes: Any) -> Campaign:
    """30 off from 100, class C, in all stores."""
    usual: dict[str, Any] = {
        "issuer": ISSUER,
        "number": CAMPAIGN,
        "version": 1,
        "title": Words("秋季", "Autumn"),
        "offer": amount_off(10_000, 3_000),
        "currency": "CNY",
        "starts": TODAY - 30,
        "ends": TODAY + 60,
        "grace_days": 0,
        "stores": None,
        "size": 1000,
        "offline_class": OfflineClass.BUDGETED,
        "budget": Budget(100, 300_000, 50, 150_000),
        "stale_percent": 25,
        "expired_percent": 0,
        "prompt": Words("", ""),
        "conditions": Words("", ""),
    }
    return Campaign(**usual | changes)


def token_digest(index: int) -> bytes:
    """What stands for the hash of the token of a coupon here."""
    return hashlib.sha256(b"token %d" % index).digest()


async def handed_out(store: CloudStore, count: int, terms: Terms, order: str | None = None) -> list[int]:
    """The indexes of new coupons of the campaign, each with a token."""
    drawn = await store.allot(ISSUER, CAMPAIGN, count, terms, AT, order)
    await store.note_tokens(ISSUER, CAMPAIGN, [(index, token_digest(index)) for index in drawn])
    return drawn


@dataclass
class SealingTill:
    """A till's key and the heads of its lanes; seals records as the agent does."""

    name: str
    key: SigningKey
    heads: dict[str, ChainHead] = field(default_factory=dict)

    def seal(
        self, data: dict[str, Any], lane: str = REDEMPTION_LANE, kind: str = "redemption"
    ) -> dict[str, Any]:
        text, head = record.seal(
            lane=lane,
            previous=self.heads.get(lane, ChainHead()),
            till=self.name,
            kind=kind,
            time=AT,
            subject="scan",
            data=data,
            sign=self.key.sign,
        )
        self.heads[lane] = head
        event: dict[str, Any] = json.loads(text)
        return event

    def redeem(self, index: int, **more: Any) -> dict[str, Any]:
        coupon = {"issuer": ISSUER, "campaign": CAMPAIGN, "index": index}
        number = self.heads.get(REDEMPTION_LANE, ChainHead()).sequence + 1
        usual = {
            "outcome": "accepted",
            "redemption_id": record_id(self.name, REDEMPTION_LANE, number),
            "coupon": coupon,
            "discount_minor": 3_000,
        }
        said = more.get("coupon")
        scanned = said["index"] if isinstance(said, dict) and type(said.get("index")) is int else index
        return self.seal(usual | {"token_sha256": token_digest(scanned).hex()} | more)

    def give_back(
        self, redeemed: dict[str, Any], *lines: tuple[str, int, int], **more: Any
    ) -> dict[str, Any]:
        """A return of lines (line, pieces, amount) of a redemption, of all of it where none are named."""
        data = redeemed["data"]
        number = self.heads.get(REDEMPTION_LANE, ChainHead()).sequence + 1
        usual = {
            "reversal_id": record_id(self.name, REDEMPTION_LANE, number),
            "redemption_id": data["redemption_id"],
            "coupon": data["coupon"],
            "amount_minor": sum(amount for *_, amount in lines) if lines else data["discount_minor"],
            "whole": True,
            "coupon_returns": True,
            "lines": [
                {"line": line, "quantity": pieces, "amount_minor": amount} for line, pieces, amount in lines
            ],
        }
        return self.seal(usual | more, kind="reversal")

    def known(self) -> Till:
        """As the cloud knows it."""
        lanes = {lane: LaneStart(0, 0, GENESIS) for lane in LANES}
        key = TillKey(self.key.public_key, KeyStanding.CURRENT, lanes)
        return Till(self.name, STORE.store, TillState.ENROLLED, AT, (key,))


def sealing_till(name: str, seed: int = 1) -> SealingTill:
    return SealingTill(name, signing_key_from_seed(bytes([seed]) * 32))


def batch(events: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(list(events), ensure_ascii=False, separators=(",", ":")).encode()


async def known_marks(store: CloudStore) -> list[tuple[int, Status]]:
    """What the store knows of the campaign's coupons, in the order in which it became known."""
    return [(index, Status(mark)) for _, index, mark in await store.marks(ISSUER, CAMPAIGN, 0, 1000)]


async def enrolled(store: CloudStore, *tills: SealingTill) -> None:
    """Put the store and the tills into the cloud."""
    await store.put_place(STORE)
    for till in tills:
        await store.add_till(till.name, STORE.store, digest(till.name), LATER)
        assert await store.enrol(digest(till.name), till.key.public_key, AT) is not None
