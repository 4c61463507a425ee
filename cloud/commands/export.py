"""`redeemd cloud export DIR TABLE FILE`: what came in, for a warehouse and for settlement, as CSV or Parquet."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from agent.domain.time import timestamp
from cloud.api.background import count_all
from cloud.export import TABLES, Period
from cloud.export_files import writing
from cloud.store.open_store import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `redeemd cloud export`; pass what it parses to `run`."""
    parser.add_argument("dir", type=Path, help="the cloud's data directory; it may be served meanwhile")
    said = "; ".join(f"{name}: {table.help}" for name, table in TABLES.items())
    parser.add_argument("table", choices=sorted(TABLES), help=said)
    parser.add_argument("file", type=Path, help="a new file that ends in .csv or .parquet")
    parser.add_argument(
        "--since", type=_moment, metavar="TIME", help="received from then on (default: the first)"
    )
    parser.add_argument("--until", type=_moment, metavar="TIME", help="received before then (default: now)")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was written. Raises SetupError."""
    table = TABLES[args.table]
    period = Period("" if args.since is None else timestamp(args.since), timestamp(args.until or now()))
    count = 0
    store = open_store(args.dir)
    try:
        await count_all(store)  # what was never issued is listed by then
        with writing(args.file, table.columns) as put:
            async for rows in table.pages(store, period):
                put(rows)
                count += len(rows)
    finally:
        await store.close()
    print(
        f"{count} rows in {args.file}: {args.table} received {period.since or 'at any time'} to {period.until}"
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)  # a date, or nothing
    except ValueError:
        sentence = (
            "is neither a day (UTC) such as 2026-11-28 nor a time with its zone such as 2026-11-28T09:30:00Z"
        )
        raise argparse.ArgumentTypeError(sentence) from None
    return found.astimezone(UTC)
