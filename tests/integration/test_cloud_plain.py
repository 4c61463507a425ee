"""Plain records are written together: what stands in the database is what one after the other would have left."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.domain.campaign import Words
from agent.domain.parts import PromoCode
from agent.domain.record import GENESIS
from cloud.chain import CouponRef, Entry, judge
from cloud.lists import LedgerLine
from cloud.ports import CloudStore, PromoRow
from cloud.store import sql_plain, sql_records
from cloud.store.sql_plain import Batch
from cloud.store.sqlite_store import SqliteStore
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.integration.test_cloud_ingest import send
from tests.unit.cloud_kit import AT, CAMPAIGN, ISSUER, LATER, campaign, enrolled, sealing_till

TILLS = tuple(sealing_till(f"T-{number}", number) for number in (1, 2, 3))
"""The key of the third is revoked half-way."""
INDEXES = 12
SEVERAL, UNKNOWN = CAMPAIGN + 1, CAMPAIGN + 2


def entries_of(rng: random.Random, till: int, heads: dict[int, tuple[int, str]]) -> list[Entry]:
    """A batch: mostly the next records, some twice, forked, out of order, damaged, or of coupons that are taken."""
    made: list[Entry] = []
    for _ in range(rng.randrange(1, 12)):
        sequence, before = heads.get(till, (0, GENESIS))
        sequence += rng.choice((1, 1, 1, 1, 1, 1, 1, 2, 3))
        own = f"{till}{sequence:050d}{rng.randrange(10**13):013d}"
        number = rng.choice((CAMPAIGN, CAMPAIGN, CAMPAIGN, SEVERAL, UNKNOWN))
        coupon = rng.choice((None, CouponRef(ISSUER, number, rng.randrange(INDEXES))))
        made.append(
            Entry(
                f"T-{till}-{sequence}",
                sequence,
                own,
                rng.choice((before, before, before, before, before, "f" * 64)),
                '{"data":{}}',
                "redeemd.redemption.v1",
                AT,
                coupon,
                rng.choice((3000, 3000, 99_999_999)) if coupon else None,
                rng.choice((None, None, None, f"7-{rng.randrange(6)}")),
                promo_state=rng.choice(("", "", "", "", "printed", "returned")),
                fault=rng.choice(("", "", "", "", "", "", "", "bad_signature")),
                signer=TILLS[till - 1].key.public_key,
                doubt=rng.choice(("", "", "", "", "", "wrong_key")),
            )
        )
        heads[till] = (sequence, own)
    if rng.random() < 0.3:
        rng.shuffle(made)
    if rng.random() < 0.5:
        made += rng.choices(made, k=3)
    return made


async def play(path: Path, seed: int) -> list[str]:
    """Everything in the database after some batches; `seed` decides all of it."""
    rng, heads, sent = random.Random(seed), dict[int, tuple[int, str]](), list[tuple[int, list[Entry]]]()
    store = SqliteStore(path)
    await enrolled(store, *TILLS)
    await store.put_campaign(campaign(), None, bytes(16))
    await store.put_campaign(campaign(number=SEVERAL, uses=3), None, bytes(16))
    words = Words("券", "Coupon")
    for till in TILLS:
        codes = [
            PromoRow(PromoCode("RC1X", f"7-{n}", words, words), ISSUER, CAMPAIGN, n, 30_000) for n in range(6)
        ]
        await store.add_promos(till.name, codes)
    for step in range(10):
        if step == 5:
            await store.revoke_till(TILLS[2].name, LATER, keep_promos=True)
        number = rng.randrange(1, 4)
        batch = rng.choice(sent)[1] if sent and rng.random() < 0.2 else entries_of(rng, number, heads)
        sent.append((number, batch))
        await store.append(TILLS[number - 1].name, "redemption", batch, judge, AT)
    await store.close()
    database = sqlite3.connect(path)
    dump = [line for line in database.iterdump() if line.startswith("INSERT")]
    database.close()
    return dump


@pytest.mark.parametrize("first", [0, 20, 40])
async def test_together_is_as_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    together = 0

    def counted(*arguments: object) -> None:
        nonlocal together
        together += len(arguments[3])  # type: ignore[arg-type]  # the entries
        sql_plain.store_plain(*arguments)  # type: ignore[arg-type]  # as it was called

    for seed in range(first, first + 20):
        with monkeypatch.context() as patched:
            patched.setattr(sql_records, "store_plain", counted)
            plain = await play(tmp_path / f"plain-{seed}.db", seed)
        with monkeypatch.context() as patched:
            patched.setattr(Batch, "is_plain", lambda *_: False)
            assert await play(tmp_path / f"single-{seed}.db", seed) == plain, f"seed {seed}"
    assert together > 50, "some were written together"


async def test_one_bad_record_among_ten_thousand_delays_none_of_the_others(store: CloudStore) -> None:
    till = sealing_till("T-1")
    await enrolled(store, till)
    await store.put_campaign(campaign(size=10_000), None, bytes(16))
    bad = 4_711
    for first in range(0, 10_000, 500):
        events = [till.redeem(index) for index in range(first, first + 500)]
        said = ["stored"] * 500
        if first <= bad < first + 500:
            events[bad - first] |= {"signature": events[0]["signature"]}
            said[bad - first] = "bad_signature"
        assert await send(store, till, *events) == said, "answered at once, in the first try"
    lines = [line async for line in ledger_of(store, "T-1")]
    assert [line.sequence for line in lines] == [place for place in range(1, 10_001) if place != bad + 1]
    assert await store.mark_counts(ISSUER, CAMPAIGN) == (9_999, 9_999, 0)
    assert [line.sequence for line in await store.refusals(10)] == [bad + 1]


async def ledger_of(store: CloudStore, till: str) -> AsyncIterator[LedgerLine]:
    after = ("", "", 0)
    while page := await store.ledger(till, after, 1000):
        for line in page:
            yield line
        after = (page[-1].till, page[-1].lane, page[-1].sequence)
