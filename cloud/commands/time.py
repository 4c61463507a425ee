"""`redeemd cloud time ...`: what the root keys say about a till's time, for one that a wrong clock has closed.

`new` and `sign` work on files alone, for the keepers' machines; the file then goes to the till (`redeemd time repair
FILE`), or into its next bundle with `publish`. docs/bundle-format.md, "Statements".
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

from agent.domain import statement
from agent.domain.bundle import BundleError
from agent.domain.statement import STATEMENT_BYTES_MAX, TimeStatement
from agent.domain.time import timestamp
from cloud import roots
from cloud.errors import SetupError
from cloud.keyring import KEYS_FOLDER, Keyring, read_key
from cloud.store.open_store import open_store
from config.regular_file import read_regular


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud time`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="time_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("file", type=Path, help="the statement")
        return action

    making = add("new", "Write a statement for one till, to be signed by the keepers of the root keys.")
    making.add_argument("--till", required=True)
    making.add_argument(
        "--at", type=_moment, help="the time, 2026-11-22T09:30:00Z; default: now, by this machine"
    )
    making.add_argument(
        "--number",
        type=int,
        help="higher than that of any statement for this till before; default: the seconds now",
    )
    making.add_argument(
        "--key", type=Path, action="append", default=[], help="sign with this root key at once"
    )
    signing = add("sign", "Add a keeper's signature.")
    signing.add_argument("--key", type=Path, required=True, help="the keeper's root key")
    add("show", "Show a statement and how many have signed it.")
    publishing = add(
        "publish", "Put a statement into the till's bundles, for one that is reached by line or stick."
    )
    publishing.add_argument("dir", type=Path, help="the cloud's data directory")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    try:
        async for line in _ACTIONS[args.time_action](args, now):
            print(line)
    except BundleError as error:
        raise SetupError(f"{args.file}: {error}") from error
    except OSError as error:
        raise SetupError(f"{error.filename}: {error.strerror}") from error


async def _new(args: argparse.Namespace, now: Callable[[], datetime]) -> AsyncIterator[str]:
    issued = now().astimezone(UTC).replace(microsecond=0)
    number = int(issued.timestamp()) if args.number is None else args.number
    made = TimeStatement(args.till, number, args.at or issued, issued)
    data = statement.sign_time(made, [read_key(path) for path in args.key])
    statement.open_time(data)  # what no till could read is not written
    with args.file.open("xb") as file:
        file.write(data)
    yield _said(made)
    yield f"{len(args.key)} signatures; each keeper adds one: redeemd cloud time sign {args.file} --key KEY"


async def _sign(args: argparse.Namespace, _now: Callable[[], datetime]) -> AsyncIterator[str]:
    made = statement.open_time(_read(args.file))
    args.file.write_bytes(statement.add_time_signature(_read(args.file), read_key(args.key)))
    signers = statement.time_signers(_read(args.file))
    yield f"signed: {_said(made)}"
    yield f"{len(signers)} signatures; as many are needed as the root's threshold says: redeemd cloud root show"


async def _show(args: argparse.Namespace, _now: Callable[[], datetime]) -> AsyncIterator[str]:
    yield _said(statement.open_time(_read(args.file)))
    yield f"signed by {', '.join(kid.hex() for kid in statement.time_signers(_read(args.file))) or 'nobody yet'}"


async def _publish(args: argparse.Namespace, _now: Callable[[], datetime]) -> AsyncIterator[str]:
    root = roots.Roots(args.dir / roots.FOLDER, Keyring(args.dir / KEYS_FOLDER)).newest().root
    data = _read(args.file)
    made = statement.read_time(data, root, statement.open_time(data).till, 0)
    store = open_store(args.dir)
    try:
        known = await store.time_statement(made.till)
        if known is not None and statement.open_time(known).number >= made.number:
            raise SetupError(
                f"a statement with number {statement.open_time(known).number} is published already"
            )
        if not await store.put_time_statement(made.till, data):
            raise SetupError(f"there is no till {made.till}")
    finally:
        await store.close()
    yield f"in the next bundle: {_said(made)}"


_ACTIONS = {"new": _new, "sign": _sign, "show": _show, "publish": _publish}


def _said(made: TimeStatement) -> str:
    return f"till {made.till}, number {made.number}: it was {timestamp(made.time)}"


def _read(path: Path) -> bytes:
    return read_regular(path, STATEMENT_BYTES_MAX)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError("is not a time with its zone, such as 2026-11-22T09:30:00Z")
    return found.astimezone(UTC).replace(microsecond=0)
