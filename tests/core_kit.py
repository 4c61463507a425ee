"""What the tests of the till's core share: a clock that is set by hand, and an open till without its devices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from agent.bundles.code_tables import code_parts
from agent.domain import bundle, record
from agent.domain.campaign import Words
from agent.domain.keys import signature_ok
from agent.domain.parts import Contents, PromoCode, read_parts
from agent.domain.record import ChainHead
from agent.domain.sale import Sale
from agent.domain.time import BootTime
from agent.domain.verdict import Verdict
from agent.receipts.maker import receipt_maker
from agent.redeem import Redeemer
from agent.request import Request
from agent.state import TillState, make_trust
from agent.store.bundle_cache import SqlBundleCache
from agent.store.codes import code_shelf
from agent.store.database import Database
from agent.store.inspect import SqlNumbers, stored_bundle
from agent.store.ledger import SqlLedger
from agent.store.outbox import SqlOutbox
from agent.store.prints import SqlPrints
from tests.factory import TILL, Factory

SECRET = bytes(range(32))
"""A till's, whose core runs without its folder."""


@dataclass
class HandClock:
    """`agent.ports.Clock` whose hands are moved by the test."""

    wall: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 1000.0
    boot: str = "first"

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def boot_time(self) -> BootTime:
        return BootTime(self.boot, self.seconds)

    def advance(self, by: timedelta) -> None:
        self.wall += by
        self.seconds += by.total_seconds()


def plain_receipt(
    verdict: Verdict, contents: Contents, zone: tzinfo, sale: Sale | None, promo: PromoCode | None
) -> str:
    """The real receipt of this till, in English."""
    return receipt_maker("en")(verdict, contents, zone, sale, promo)


def promo_codes(factory: Factory, count: int, first: int = 150_000) -> list[PromoCode]:
    """Coupons for receipts, each signed by the issuer."""
    return [
        PromoCode(
            factory.coupon(first + number), f"P{number:03}", Words("下次减", "Next time"), Words("", "")
        )
        for number in range(count)
    ]


@dataclass
class Core:
    """An open till's use cases over the real store."""

    path: Path
    factory: Factory
    clock: HandClock
    database: Database
    state: TillState
    ledger: SqlLedger
    outbox: SqlOutbox
    prints: SqlPrints
    cache: SqlBundleCache
    numbers: SqlNumbers
    redeemer: Redeemer

    async def redeem(self, text: str, sale: Sale | None = None, request_id: str | None = None) -> Verdict:
        return await self.redeemer.redeem(Request(text, "test", sale, request_id))

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a second connection sees: what is committed."""
        return rows(self.path, statement, *parameters)


def rows(path: Path, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


def install(folder: Path, factory: Factory) -> Path:
    """A till's state directory with the factory's bundle; returns its database."""
    factory.install(folder)
    return folder / "till.db"


@contextmanager
def core(
    path: Path, factory: Factory, clock: HandClock | None = None, *, receipts: bool = True
) -> Iterator[Core]:
    """Open the database at `path` and put its bundle in force, as the daemon does."""
    clock = clock or HandClock()
    database = Database(path)
    database.open()
    try:
        state = TillState(TILL)
        _load_trust(path, state)
        ledger = SqlLedger(database)
        redeemer = Redeemer(
            state, ledger, clock, factory.till_key, SECRET, plain_receipt if receipts else None
        )
        yield Core(
            path,
            factory,
            clock,
            database,
            state,
            ledger,
            SqlOutbox(database, TILL),
            SqlPrints(database, clock),
            SqlBundleCache(database),
            SqlNumbers(database),
            redeemer,
        )
    finally:
        database.close()


def _load_trust(path: Path, state: TillState) -> None:
    connection = sqlite3.connect(path)
    stored = stored_bundle(connection)
    connection.close()
    if stored is not None:
        root = bundle.read_root(stored.root, None)
        manifest = bundle.read_manifest(stored.manifest, root, stored.till, None)
        contents = read_parts(stored.parts)
        tables = code_shelf(path).open_tables(code_parts(manifest.parts), contents.code_keys)
        state.trust = make_trust(manifest, replace(contents, codes=tables))
        state.mark = stored.mark


def check_chain(path: Path, factory: Factory) -> Mapping[str, ChainHead]:
    """Check every record of the database: signed, hashed, gap-free, chained, and the stored head is the last."""
    import json

    public_key = factory.till_key.private.public_key()
    heads: dict[str, ChainHead] = {}
    for lane, sequence, text in rows(
        path, "SELECT lane, sequence, event FROM record ORDER BY lane, sequence"
    ):
        event = json.loads(text)
        head = record.check(event, TILL, lambda signature, data: signature_ok(public_key, signature, data))
        before = heads.get(lane, ChainHead())
        assert (head.sequence, event["lane"]) == (sequence, lane)
        assert sequence == before.sequence + 1, f"a gap in {lane} before {sequence}"
        assert event["prevhash"] == before.hash, f"the chain of {lane} breaks at {sequence}"
        heads[lane] = head
    stored = {
        lane: ChainHead(*head)
        for lane, *head in rows(path, "SELECT lane, max(sequence), hash FROM record GROUP BY lane")
    }
    assert stored == heads
    return heads


def files_hold(folder: Path, text: str) -> list[str]:
    """Names of the files below `folder` (database, WAL, anything) that hold `text`."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]
