"""`redeemd cloud store ...`: the stores that tills can stand in, from the cloud's own machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agent.domain.fields import FieldError
from cloud.api import forms
from cloud.commands.staff import note_command
from cloud.errors import Refused, SetupError
from cloud.places import put_place
from cloud.store.open_store import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud store`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="store_action", required=True, metavar="ACTION")
    text = "Add a store, or change one: what is said here takes the place of what was known."
    adding = actions.add_parser("add", help=text, description=text)
    adding.add_argument("dir", type=Path, help="the cloud's data directory")
    adding.add_argument("store", help="its code, such as S-0012")
    adding.add_argument("--number", type=int, required=True, help="as coupons name it, 0 to 4294967295")
    adding.add_argument("--merchant", required=True, help="whose store it is, for settlement")
    adding.add_argument("--title-zh", required=True, help="its name on receipts in Chinese")
    adding.add_argument("--title-en", required=True, help="and in English")
    adding.add_argument("--zone", required=True, help="IANA time zone, such as Asia/Shanghai")
    adding.add_argument("--currency", required=True, help="ISO 4217 code, such as CNY")
    adding.add_argument(
        "--group", type=int, action="append", default=[], help="a group of stores it is in; may be repeated"
    )
    adding.add_argument(
        "--change",
        action="store_true",
        help="it may be known with another number, merchant, zone or currency",
    )
    text = "List the stores."
    listing = actions.add_parser("list", help=text, description=text)
    listing.add_argument("dir", type=Path, help="the cloud's data directory")
    listing.add_argument("--json", action="store_true", help="for programs: one JSON object a store")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    await (_list(args) if args.store_action == "list" else _add(args, now()))


async def _list(args: argparse.Namespace) -> None:
    store = open_store(args.dir)
    try:
        places = await store.places()
    finally:
        await store.close()
    for place in places:
        if args.json:
            said = {"store": place.store, "number": place.number, "merchant": place.merchant}
            groups = {"groups": sorted(place.groups), "zone": place.zone, "currency": place.currency}
            print(json.dumps(said | groups | {"title": {"zh": place.title.zh, "en": place.title.en}}))
        else:
            where = f"{place.zone}  {place.currency}  {place.title.zh} / {place.title.en}"
            print(f"{place.store}  number {place.number}  merchant {place.merchant}  {where}")


async def _add(args: argparse.Namespace, at: datetime) -> None:
    body = {
        "store": args.store,
        "number": args.number,
        "groups": args.group,
        "merchant": args.merchant,
        "title": {"zh": args.title_zh, "en": args.title_en},
        "zone": args.zone,
        "currency": args.currency,
    }
    try:
        place, change = forms.place(body | {"change": args.change})
    except FieldError as error:
        raise SetupError(str(error)) from None
    store = open_store(args.dir)
    try:
        await note_command(store, at, "store add", {"store": place.store, "number": place.number})
        await put_place(store, place, change=change)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()
    print(f"store {place.store} is known; next: redeemd cloud till add {args.dir} TILL --store {place.store}")
