"""Step 2: what trust costs: a token from text, a large bundle."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.domain import token
from agent.domain.campaign import Campaign
from agent.domain.cose import Algorithm
from agent.domain.decide import verify_scan
from agent.domain.keys import IssuerKey, new_signing_key
from agent.domain.parts import Contents
from agent.domain.token import DAY_MAX, Coupon
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.database import Database
from benchmarks.common import Benchmark, Figure, Options, alone, figure, paired, timed
from benchmarks.step01 import start_figures
from sync.ports import Answer, Failure
from tests.factory import TILL, Factory, amount_off
from tests.fuzz.mutants import accepted_forms

TOKEN_BAR = 1.35
MUTANTS = 100_000
APPLY_BAR_S = 1.0
CAMPAIGNS = 500


def verify(options: Options) -> Iterator[Figure]:
    """A coupon's text to a verified coupon, against the bare verification of its very signature."""
    factory = Factory()
    contents = factory.contents()
    text = factory.coupon(12345, value_minor=2000, referrer=b"referrer")
    envelope = token.parse(text).envelope
    key = Ed25519PublicKey.from_public_bytes(factory.issuer_key.public_key)
    bare = timed(lambda: key.verify(envelope.signature, envelope.signed), 20)
    found = paired(bare, timed(_verified(text, contents), 20), rounds=options.rounds(50), each=5)
    yield figure("02 verify token from text", "µs", found, bar=TOKEN_BAR)


def _verified(text: str, contents: Contents) -> Callable[[], None]:
    def whole() -> None:
        assert isinstance(verify_scan(text, contents), Coupon), "it is a good coupon"

    return whole


def verify_es256(options: Options) -> Iterator[Figure]:
    """The same with a P-256 key; the bare verification has its signature in DER, as cryptography wants it."""
    factory = Factory()
    signer = new_signing_key(Algorithm.ESP256)
    record = IssuerKey(signer.kid, "acme", Algorithm.ESP256, signer.public_key, None, 0, DAY_MAX, 10**6)
    contents = replace(factory.contents(), keys={signer.kid: record})
    text = factory.coupon(12345, key=signer, value_minor=2000, referrer=b"referrer")
    envelope = token.parse(text).envelope
    r, s = (int.from_bytes(half, "big") for half in (envelope.signature[:32], envelope.signature[32:]))
    der, ecdsa = encode_dss_signature(r, s), ec.ECDSA(SHA256())
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signer.public_key)
    bare = timed(lambda: key.verify(der, envelope.signed, ecdsa), 20)
    found = paired(bare, timed(_verified(text, contents), 20), rounds=options.rounds(50), each=5)
    yield figure("02 verify ES256 token from text", "µs", found)


def mutants(options: Options) -> Iterator[Figure]:
    """Of 100,000 mutants of good tokens (20,000 if quick): the most texts that one token was accepted in."""
    forms = accepted_forms(MUTANTS // 5 if options.quick else MUTANTS, seed=2)
    counts = [len(texts) for texts in forms.values()]
    yield Figure(
        "02 mutants: accepted byte forms", max(counts), "", None, None, 1, max(counts) == 1, "value",
        min(counts), max(counts),
    )  # fmt: skip


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
    "02 verify token": verify,
    "02 verify ES256": verify_es256,
    "02 mutants": mutants,
    "02 bundle": apply,
    "02 start with 500 campaigns": start,
}
