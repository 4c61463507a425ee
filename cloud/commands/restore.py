"""`redeemd cloud restored DIR`: what must be done once after an older copy of the data was put back."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from cloud.errors import Refused, SetupError
from cloud.ports import CloudStore
from cloud.restore import Closed
from cloud.store.open_store import open_store

_ISSUED = re.compile(r"([^/]{1,32})/([0-9]{1,10})=([0-9]{1,10})", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `redeemd cloud restored`; pass what it parses to `run`."""
    parser.add_argument("dir", type=Path, help="the cloud's data directory, put back from a backup")
    parser.add_argument(
        "--issued",
        action="append",
        type=_issued,
        default=[],
        metavar="ISSUER/CAMPAIGN=N",
        help="afterwards: at least this many coupons of the campaign were ever issued; opens it for issuing again",
    )


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    store = open_store(args.dir)
    try:
        async for line in _open(store, args.issued) if args.issued else _restored(store, now()):
            print(line)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def _restored(store: CloudStore, now: datetime) -> AsyncIterator[str]:
    floor, campaigns = await store.restored(now)
    yield f"bundles go on from sequence {floor + 1}: every till takes its next one"
    yield "what was revoked, withdrawn, added or changed after the backup is forgotten: do it again now"
    yield "a campaign made after the backup is made again under a new number only: coupons of the old one are about"
    if campaigns:
        yield "issuing is closed, for which coupons were issued after the backup is not known:"
    for line in _shown(campaigns):
        yield line


async def _open(store: CloudStore, stated: list[tuple[str, int, int]]) -> AsyncIterator[str]:
    for issuer, campaign, issued in stated:
        await store.open_issuing(issuer, campaign, issued)
        yield f"{issuer}/{campaign} issues again, behind {issued} coupons"
    left = await store.closed()
    if left:
        yield "still closed:"
    for line in _shown(left):
        yield line


def _shown(campaigns: list[Closed]) -> list[str]:
    if not campaigns:
        return []
    lines = [f"  {one.issuer}/{one.campaign}  {one.issued} of {one.size} in the backup" for one in campaigns]
    advice = "N: at least all that were ever issued; a number too high only leaves coupons unused"
    return [*lines, "to open one: redeemd cloud restored DIR --issued ISSUER/CAMPAIGN=N", advice]


def _issued(text: str) -> tuple[str, int, int]:
    found = _ISSUED.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not ISSUER/CAMPAIGN=N, such as acme/7=1200")
    return found[1], int(found[2]), int(found[3])
