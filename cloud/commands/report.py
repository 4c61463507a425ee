"""`redeemd cloud report DIR REPORT`: the reports of `cloud.reports` on the cloud's own machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from cloud.api.background import count_all
from cloud.errors import Refused, SetupError
from cloud.reports import BREAKDOWNS, FIRST_DAY, LAST_DAY, REPORTS, Asked, Report, to_csv
from cloud.store.open_store import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `redeemd cloud report`; pass what they parse to `run`."""
    parser.add_argument("dir", type=Path, help="the cloud's data directory; it may be served meanwhile")
    said = "; ".join(f"{name}: {what}" for name, (_, what) in REPORTS.items())
    parser.add_argument("report", choices=sorted(REPORTS), help=said)
    parser.add_argument("--since", type=_day, default=FIRST_DAY, metavar="DAY", help="from this day on")
    parser.add_argument(
        "--until", type=_day, default=LAST_DAY, metavar="DAY", help="up to this day, included"
    )
    parser.add_argument(
        "--by", choices=BREAKDOWNS, default=BREAKDOWNS[0], help="for breakdown (default %(default)s)"
    )
    parser.add_argument("--campaign", metavar="ISSUER/NUMBER", help="of this campaign alone")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs: one JSON object a row")
    form.add_argument("--csv", action="store_true", help="CSV on standard output")


async def run(args: argparse.Namespace) -> None:
    """Do what `add_arguments` parsed and print it. Raises SetupError."""
    asked = Asked(args.since, args.until, args.by, _campaign(args.campaign))
    store = open_store(args.dir)
    try:
        await count_all(store)
        made = await REPORTS[args.report][0](store, asked)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()
    if args.csv:
        sys.stdout.write(to_csv(made).decode().replace("\r\n", "\n"))
        return
    for line in _json(made) if args.json else _table(made):
        print(line)


def _json(made: Report) -> Iterator[str]:
    for row in made.rows:
        yield json.dumps(row, ensure_ascii=False)


def _table(made: Report) -> Iterator[str]:
    """Columns side by side; those that hold nothing are left out."""
    columns = [name for name in made.columns if any(row[name] not in (None, "") for row in made.rows)]
    if not columns:
        yield "nothing was found"
        return
    cells = [columns, *([_cell(row[name]) for name in columns] for row in made.rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _width(text: str) -> int:
    """Chinese characters take two columns of a terminal."""
    return sum(2 if ord(one) >= 0x1100 and not 0xFF61 <= ord(one) <= 0xFFDC else 1 for one in text)


def _campaign(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    issuer, _, number = text.rpartition("/")
    if not issuer or not number.isascii() or not number.isdigit():
        raise SetupError("--campaign is not ISSUER/NUMBER, such as acme/7")
    return issuer, int(number)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("is not a day such as 2026-11-28") from None
