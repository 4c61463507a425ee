"""`redeemd cloud till ...`: tills, from the cloud's own machine. What runs is told by the database: no restart."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

from agent.domain.fields import FieldError
from agent.domain.time import timestamp
from cloud.access import CODE_HOURS, digest, new_code, plain_code
from cloud.api import forms
from cloud.commands.staff import note_command
from cloud.errors import Refused, SetupError
from cloud.places import add_till
from cloud.ports import CloudStore
from cloud.store.open_store import open_store

HELD_SHOWN = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud till`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="till_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    listing = add("list", "List the tills and how they stand.")
    listing.add_argument("--json", action="store_true", help="for programs: one JSON object a till")
    adding = add("add", "Add a till to a store; prints its enrolment code.")
    adding.add_argument("till")
    adding.add_argument("--store", required=True)
    adding.add_argument("--move", action="store_true", help="it may be known in another store, and moves")
    renewing = add("code", "Print a new enrolment code for a known till: for a new disk, or to take it back.")
    renewing.add_argument("till")
    revoking = add(
        "revoke", "A till's key counts no more: it stops, wipes its offers and delivers what it has."
    )
    revoking.add_argument("till")
    revoking.add_argument(
        "--keep-promos", action="store_true", help="leave its promo codes valid that were not handed out"
    )
    holding = add("held", "List what a revoked key reported after its revocation: it counts nowhere yet.")
    holding.add_argument("till")
    for name, text in (
        ("release", "What is held of a till counts from now on: these coupons are used at all tills."),
        ("refuse", "What is held of a till shall not count; it is kept and may be released later."),
    ):
        settling = add(name, text)
        settling.add_argument("till")
        settling.add_argument(
            "--key", metavar="KID", help="only what this key signed (16 hexadecimal digits)"
        )


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    store = open_store(args.dir)
    try:
        if args.till_action not in _READING:
            await note_command(store, now(), f"till {args.till_action}", {"till": args.till})
        async for line in _ACTIONS[args.till_action](store, args, now()):
            print(line)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def _list(store: CloudStore, args: argparse.Namespace, _at: datetime) -> AsyncIterator[str]:
    held = await store.held_counts()
    for till in await store.tills():
        since = till.revoked_at or till.enrolled_at or ""
        if args.json:
            said = {"till": till.till, "store": till.store, "state": till.state.value, "since": since or None}
            yield json.dumps(said | {"held": held.get(till.till, 0)})
            continue
        waits = f"  {held[till.till]} uses held: redeemd cloud till held" if till.till in held else ""
        yield f"{till.till}  store {till.store}  {till.state.value}  {since}".rstrip() + waits


async def _add(store: CloudStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    try:
        till, place, move = forms.till({"till": args.till, "store": args.store, "move": args.move})
    except FieldError as error:
        raise SetupError(str(error)) from None
    code, expires = _code(at)
    await add_till(store, till, place, digest(plain_code(code)), expires, move=move)
    yield _enrol_with(code, expires)


async def _renew(store: CloudStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    code, expires = _code(at)
    if not await store.renew_code(args.till, digest(plain_code(code)), expires):
        raise _unknown(args)
    yield _enrol_with(code, expires)
    yield "until then the till goes on as it is; with it, the key that it has now counts no more"


async def _revoke(store: CloudStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    promos = await store.revoke_till(args.till, timestamp(at), keep_promos=args.keep_promos)
    if promos is None:
        raise _unknown(args)
    yield f"till {args.till} is revoked: at its next contact it stops and wipes its offers; its records are still taken"
    yield f"{promos} promo codes that it had not reported as handed out are revoked at all tills"
    yield f"what it reports from now on counts nowhere until you look: redeemd cloud till held DIR {args.till}"
    yield f"to take it back: redeemd cloud till code DIR {args.till}"


async def _held(store: CloudStore, args: argparse.Namespace, _at: datetime) -> AsyncIterator[str]:
    await _known(store, args)
    lines = await store.held(args.till, HELD_SHOWN)
    for line in lines:
        coupon = f"{line.issuer}/{line.campaign}/{line.index}"
        refused = "" if line.refused_at is None else "  refused"
        yield f"{line.received_at}  {line.redemption_id}  {coupon}  key {line.kid}  {line.code}{refused}"
    if not lines:
        yield f"nothing is held of till {args.till}"
    elif len(lines) == HELD_SHOWN:
        yield f"these are the newest {HELD_SHOWN}"


async def _release(store: CloudStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    await _known(store, args)
    done = await store.release_held(args.till, timestamp(at), _kid(args.key))
    yield f"{done.released} uses count now, {done.conflicts} of them of coupons that were used elsewhere by then"


async def _refuse(store: CloudStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    await _known(store, args)
    refused = await store.refuse_held(args.till, timestamp(at), _kid(args.key))
    yield f"{refused} uses count nowhere; they are kept, and may be released later"


_ACTIONS = {
    "list": _list,
    "add": _add,
    "code": _renew,
    "revoke": _revoke,
    "held": _held,
    "release": _release,
    "refuse": _refuse,
}


_READING = ("list", "held")


async def _known(store: CloudStore, args: argparse.Namespace) -> None:
    if await store.till(args.till) is None:
        raise _unknown(args)


def _unknown(args: argparse.Namespace) -> SetupError:
    return SetupError(f"there is no till {args.till}; see: redeemd cloud till list DIR")


def _kid(text: str | None) -> str | None:
    try:
        return None if text is None else forms.kid(text).hex()
    except FieldError as error:
        raise SetupError(f"--key: {error}") from None


def _code(at: datetime) -> tuple[str, str]:
    return new_code(), timestamp(at + timedelta(hours=CODE_HOURS))


def _enrol_with(code: str, expires: str) -> str:
    return f"at the till, until {expires}: redeemd enrol --code {code}"
