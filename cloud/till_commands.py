"""`redeemd cloud till ...`: tills, from the cloud's own machine. What runs is told by the database: no restart."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

from agent.domain.time import timestamp
from cloud.access import CODE_HOURS, digest, new_code, plain_code
from cloud.errors import Refused, SetupError
from cloud.sqlite import SqliteStore

DATABASE = "cloud.db"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud till`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="till_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    add("list", "List the tills and how they stand.")
    adding = add("add", "Add a till to a store; prints its enrolment code.")
    adding.add_argument("till")
    adding.add_argument("--store", required=True)
    renewing = add("code", "Print a new enrolment code for a known till: for a new disk, or to take it back.")
    renewing.add_argument("till")
    revoking = add(
        "revoke", "A till's key counts no more: it stops, wipes its offers and delivers what it has."
    )
    revoking.add_argument("till")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    path = args.dir / DATABASE
    if not path.exists():
        raise SetupError(f"{path} does not exist; make a cloud with: redeemd cloud init DIR")
    store = SqliteStore(path)
    try:
        async for line in _ACTIONS[args.till_action](store, args, now()):
            print(line)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def _list(store: SqliteStore, _args: argparse.Namespace, _at: datetime) -> AsyncIterator[str]:
    for till in await store.tills():
        since = till.revoked_at or till.enrolled_at or ""
        yield f"{till.till}  store {till.store}  {till.state.value}  {since}".rstrip()


async def _add(store: SqliteStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    code, expires = _code(at)
    await store.add_till(args.till, args.store, digest(plain_code(code)), expires)
    yield _enrol_with(code, expires)


async def _renew(store: SqliteStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    code, expires = _code(at)
    if not await store.renew_code(args.till, digest(plain_code(code)), expires):
        raise SetupError(f"there is no till {args.till}; see: redeemd cloud till list DIR")
    yield _enrol_with(code, expires)
    yield "until then the till goes on as it is; with it, the key that it has now counts no more"


async def _revoke(store: SqliteStore, args: argparse.Namespace, at: datetime) -> AsyncIterator[str]:
    if not await store.revoke_till(args.till, timestamp(at)):
        raise SetupError(f"there is no till {args.till}; see: redeemd cloud till list DIR")
    yield f"till {args.till} is revoked: at its next contact it stops and wipes its offers; its records are still taken"
    yield f"to take it back: redeemd cloud till code DIR {args.till}"


_ACTIONS = {"list": _list, "add": _add, "code": _renew, "revoke": _revoke}


def _code(at: datetime) -> tuple[str, str]:
    return new_code(), timestamp(at + timedelta(hours=CODE_HOURS))


def _enrol_with(code: str, expires: str) -> str:
    return f"at the till, until {expires}: redeemd enrol --code {code}"
