"""`redeemd cloud erase ...`: erase a person's pseudonym, show and prove it, check that every chain still verifies."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agent.domain.time import timestamp
from cloud import erasing, roots
from cloud.errors import Refused, SetupError
from cloud.keyring import Keyring
from cloud.open_store import open_store
from cloud.ports import CloudStore
from cloud.roots import Roots
from cloud.staff_commands import note_command

KEYS = "keys"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud erase`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="erase_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    erasing_one = add("pseudonym", "Erase a pseudonym, here and at every till. It cannot be undone.")
    erasing_one.add_argument(
        "pseudonym", help="8 to 16 bytes in hexadecimal digits; - reads it from standard input"
    )
    add("list", "List the erasures, and which tills have not said that they did it.")
    proving = add("proof", "Print the signed proof of an erasure.")
    proving.add_argument("erasure", type=int)
    add("check", "Read every record again and check its hash, its signature and its chain.")


async def run(args: argparse.Namespace, now: Callable[[], datetime], read: Callable[[], str]) -> None:
    """Do what `add_arguments` parsed and print JSON, one object a line. read: standard input. Raises SetupError."""
    store = open_store(args.dir)
    try:
        await _do(store, args, now(), read)
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def _do(store: CloudStore, args: argparse.Namespace, at: datetime, read: Callable[[], str]) -> None:
    match args.erase_action:
        case "pseudonym":
            text = read().strip() if args.pseudonym == "-" else args.pseudonym
            done = await store.erase(erasing.read_pseudonym(text), timestamp(at))
            await note_command(store, at, "erase", {"erasure": done.number})  # of whom is noted nowhere
            _say(await erasing.shown(store, done))
        case "list":
            for one in await store.erasures(erasing.ERASURES_SHOWN):
                _say(await erasing.shown(store, one))
        case "proof":
            key = Roots(args.dir / roots.FOLDER, Keyring(args.dir / KEYS)).newest().manifest_key
            _say(await erasing.proof(store, args.erasure, key, timestamp(at)))
        case "check":
            faults = 0
            async for chain in erasing.check_chains(store):
                _say(chain._asdict())
                faults += bool(chain.fault)
            if faults:
                raise SetupError(f"{faults} chains do not verify")


def _say(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False))
