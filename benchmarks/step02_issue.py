"""Step 2, the issuer's side: 100,000 coupons with a key of one's own, ledger and CSV file included."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter

from agent.commands.coupon_files import csv_file
from agent.commands.issue import issue
from agent.commands.issue_order import Order
from agent.commands.issuer_ledger import from_ledger, open_ledger
from agent.commands.keyfile import HeldHere
from agent.commands.progress import Progress
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, new_signing_key
from benchmarks.common import Benchmark, Figure, Options, figure, paired
from tests.factory import amount_off

COUNT = 100_000
SHARE = 10
"""A round issues this part of them: what a coupon costs does not depend on how many there are."""


def issuing(options: Options) -> Iterator[Figure]:
    """Index, ledger row, token and CSV line of every coupon, against their bare Ed25519 signatures."""
    signing = new_signing_key()
    campaign = amount_off()
    key = IssuerKey(
        signing.kid, campaign.issuer, Algorithm.ED25519, signing.public_key, None, 0, 65_535, 10**9
    )
    count = 1000 if options.quick else COUNT // SHARE
    today = datetime.now(UTC).date()
    number = 0

    def whole() -> float:
        nonlocal number
        number += 1
        order = Order(campaign.issuer, campaign.number, count, today, today + timedelta(days=30))
        folder = options.folder / str(number)
        folder.mkdir()

        async def work() -> None:
            ledger = open_ledger(folder / "issued.db", HeldHere(key, signing), campaign, new=True)
            async with ledger as store:
                with csv_file(folder / "coupons.csv") as output:
                    portions = from_ledger(store, HeldHere(key, signing), order)
                    progress = Progress(count, "issuing", io.StringIO())
                    made = await issue(portions, order, campaign.size, [output], progress)
            assert made == count, "all of them"

        started = perf_counter()
        asyncio.run(work())
        return (perf_counter() - started) * COUNT / count

    def bare() -> float:
        started = perf_counter()
        for index in range(count):
            signing.sign(b"x" * 60 + index.to_bytes(4, "big"))
        return (perf_counter() - started) * COUNT / count

    found = paired(bare, whole, rounds=options.rounds(5), each=1, warm_up=0)
    yield figure(f"02 issue {COUNT} coupons", "s", found, bar=None)


BENCHMARKS: dict[str, Benchmark] = {"02 issue": issuing}
