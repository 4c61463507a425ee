"""Step 2: what trust costs: a token from text, a large bundle."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.app import SystemClock
from agent.domain import token
from agent.domain.campaign import Campaign
from agent.domain.decide import verify_scan
from agent.domain.token import Coupon
from agent.refresh import Refresher
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.database import Database
from benchmarks.common import Benchmark, Figure, Options, alone, figure, paired, timed
from benchmarks.step01 import start_figures
from sync.ports import Answer, Failure
from tests.factory import TILL, Factory, amount_off

TOKEN_BAR = 1.35
APPLY_BAR_S = 1.0
CAMPAIGNS = 500


def verify(options: Options) -> Iterator[Figure]:
    """A coupon's text to a verified coupon, against the bare verification of its very signature."""
    factory = Factory()
    contents = factory.contents()
    text = factory.coupon(12345, value_minor=2000, referrer=b"referrer")
    envelope = token.parse(text).envelope
    key = Ed25519PublicKey.from_public_bytes(factory.issuer_key.public_key)

    def whole() -> None:
        assert isinstance(verify_scan(text, contents), Coupon), "it is a good coupon"

    bare = timed(lambda: key.verify(envelope.signature, envelope.signed), 20)
    found = paired(bare, timed(whole, 20), rounds=options.rounds(50), each=5)
    yield figure("02 verify token from text", "µs", found, bar=TOKEN_BAR)


class _Shelf:
    """An uplink that has the bundle at hand: what is measured is the till's work, not a network's."""

    def __init__(self, factory: Factory) -> None:
        made = factory.parts()
        self._manifest = factory.manifest(made)
        self._parts = {hashlib.sha256(content).hexdigest(): content for content in made.values()}

    async def post_batch(self, lane: str, body: bytes, idempotency_key: str) -> Answer | Failure:
        raise AssertionError("nothing is uploaded here")

    async def get(
        self, path: str, etag: str | None = None, *, max_bytes: int | None = None
    ) -> Answer | Failure:
        return Answer(200, {}, self._parts.get(path.rpartition("/")[2], self._manifest))


def _campaigns() -> list[Campaign]:
    return [amount_off(number) for number in range(1, CAMPAIGNS + 1)]


def apply(options: Options) -> Iterator[Figure]:
    """A till with one campaign gets 500 with their status lists (200,000 coupons each): verified, stored, in force."""
    factory = Factory(campaigns=_campaigns(), sequence=2)
    shelf = _Shelf(factory)
    count = 0

    def once() -> float:
        nonlocal count
        count += 1
        state_dir = options.folder / f"apply-{count}"
        small = replace(factory, campaigns=[amount_off()], sequence=1)
        small.install(state_dir)
        database = Database(state_dir / "till.db")
        database.open()
        try:
            return asyncio.run(_applied(database, shelf))
        finally:
            database.close()

    yield alone("02 bundle with 500 campaigns applied", "s", once, rounds=options.rounds(10), bar=APPLY_BAR_S)


async def _applied(database: Database, shelf: _Shelf) -> float:
    state = TillState(TILL)
    refresher = Refresher(SqlBundleCache(database), shelf, state, SystemClock())
    await refresher.load()
    started = perf_counter()
    changed = await refresher.fetch()
    took = perf_counter() - started
    assert changed is True, changed
    assert state.trust is not None, "a bundle is in force"
    assert len(state.trust.contents.campaigns) == CAMPAIGNS, "all of it"
    return took


def start(options: Options) -> Iterator[Figure]:
    """The start of a till that holds those 500 campaigns."""
    factory = Factory(campaigns=_campaigns())
    factory.install(options.folder / "state")
    yield from start_figures("02", factory, options)


BENCHMARKS: dict[str, Benchmark] = {
    "02 verify": verify,
    "02 bundle": apply,
    "02 start with 500 campaigns": start,
}
