"""`redeemd key ...`: the till's own key, shown and replaced.

Rotation: make the next key (till.key.next), tell the cloud in a statement that both keys sign, then put it in the place
of the old one. Whatever breaks in between, the till still has a key that the cloud takes: the old one counts until the
new one has signed a request. Run it again and it goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

import config
from agent.commands.errors import CommandError
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain.keys import key_id
from agent.domain.record import LANES
from agent.domain.statement import sign_key_change
from agent.folder import database_path, key_path, load_key, make_key, next_key_path, sync_folder
from agent.store.database import Database
from agent.store.ledger import SqlTransaction
from agent.store.till_facts import setting
from sync.ports import Failure
from sync.status import failure_of
from sync.uplink import HttpUplink

_NOT_ENROLLED = "this till is not enrolled: redeemd enrol --code CODE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd key`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="key_action", required=True, metavar="ACTION")
    text = "Replace the till's key. Stop the till first; needs the line. Run it again if it was interrupted."
    rotating = actions.add_parser("rotate", help=text, description=text)
    showing = actions.add_parser("show", help="Show the key ids: which one signs, and one that waits.")
    showing.add_argument("--json", action="store_true", help="for programs: one JSON object")
    for action in (rotating, showing):
        action.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    if arguments.key_action == "show":
        path = key_path(settings)
        if arguments.json:
            following = next_key_path(path)
            waits = load_key(following).kid.hex() if following.exists() else None
            print(json.dumps({"kid": load_key(path).kid.hex(), "next_kid": waits, "path": str(path)}))
            return 0
        for line in show(path):
            print(line)
        return 0
    kid = asyncio.run(rotate(settings))
    print(f"this till signs with key {kid.hex()} from now on")
    return 0


def show(path: Path) -> list[str]:
    """One line for each key of the till."""
    lines = [f"{load_key(path).kid.hex()}  {path}"]
    if (following := next_key_path(path)).exists():
        lines.append(
            f"{load_key(following).kid.hex()}  {following}: rotation not finished, run redeemd key rotate"
        )
    return lines


async def rotate(settings: config.Config) -> bytes:
    """Replace the till's key; returns the new kid. Raises CommandError, StartError, StoreError."""
    if not settings.cloud.url:
        raise CommandError("cloud.url is not set: the cloud must know the new key before it is used")
    path = key_path(settings)
    old = load_key(path)
    database = Database(database_path(settings))
    database.open()  # and so no daemon seals a record meanwhile
    try:
        till = await database.run(lambda connection: setting(connection, "till"))
        if till is None:
            raise CommandError(_NOT_ENROLLED)
        if await database.run(lambda connection: setting(connection, "revocation")) is not None:
            raise CommandError("this till's key was revoked: a new one comes with a new enrolment")
        lanes = await database.run(
            lambda connection: {lane: SqlTransaction(connection).head(lane).sequence for lane in LANES}
        )
        following = make_key(next_key_path(path))
        await _announce(settings, till, sign_key_change(till, old, following, lanes))
        _put_in_place(path)
    finally:
        database.close()
    return key_id(following.public_key)


async def _announce(settings: config.Config, till: str, statement: bytes) -> None:
    ca_file = Path(settings.cloud.ca_file) if settings.cloud.ca_file else None
    async with HttpUplink(settings.cloud.url, ca_file=ca_file, proxy=settings.cloud.proxy or None) as uplink:
        answer = await uplink.announce_key(till, statement)
    failure = answer if isinstance(answer, Failure) else failure_of(answer)
    if failure is not None:
        raise CommandError(
            f"the cloud does not know the new key yet: {failure.sentence.en} ({failure.detail}) "
            "The old key still counts; run this again."
        )


def _put_in_place(path: Path) -> None:
    """The rename is the switch: before it the old key signs, after it the new one."""
    os.replace(next_key_path(path), path)
    sync_folder(path.parent)
