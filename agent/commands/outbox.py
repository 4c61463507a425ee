"""`redeemd outbox ...`: the records that the cloud has not acknowledged: listed, shown, offered again, exported."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import config
from agent.commands.errors import EX_USAGE, CommandError
from agent.commands.show import Unreachable, ask_till, outbox, outbox_line, outbox_record, outbox_size
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain.record import EVIDENCE_LANE, LANES, REDEMPTION_LANE
from agent.folder import database_path
from agent.store.database import Database
from agent.store.outbox import SqlOutbox

LIMIT = 1000
_ALL = -1  # SQLite's LIMIT without a limit
_OPEN = ("waiting", "quarantined")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}-(E?)([1-9][0-9]{0,14})")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The actions of `redeemd outbox`, which lists where none is named; pass what they parse to `run`."""
    command.set_defaults(action=_list, states=_OPEN, limit=LIMIT, json=False, config=DEFAULT_CONFIG)
    _add_list_options(command)
    _add_config(command)
    actions = command.add_subparsers(metavar="ACTION")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(action=action)
        _add_config(parser)
        return parser

    _add_list_options(add("list", _list, "List what waits and what the cloud refused for good."))
    parser = add("show", _show, "Show one record whole, with what the cloud said of it.")
    parser.add_argument("record", help="its id, as T-0001-42 or T-0001-E7")
    _add_json(parser)
    parser = add("retry", _retry, "Offer refused records to the cloud again, whether the till runs or not.")
    parser.add_argument("record", nargs="?", help="the id of one; left out: all")
    parser.add_argument("--lane", choices=LANES, help="all of one lane")
    _add_json(parser)
    parser = add(
        "export", _export, "Write what waits and what was refused into a file, one JSON object a line."
    )
    parser.add_argument("file", type=Path, help="- for standard output")
    _add_states(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code. Raises CommandError, StoreError, LedgerUnavailable."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


# Each option stands before the action or behind it: what is not given must not hide what was.


def _add_config(parser: argparse.ArgumentParser) -> None:
    text = f"default: {DEFAULT_CONFIG}"
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=text)


def _add_json(parser: argparse.ArgumentParser) -> None:
    text = "for programs: one JSON object a line"
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)


def _add_states(parser: argparse.ArgumentParser) -> None:
    def add(name: str, states: tuple[str, ...], text: str) -> None:
        parser.add_argument(
            name, dest="states", action="store_const", const=states, default=argparse.SUPPRESS, help=text
        )

    add("--quarantined", ("quarantined",), "only those the cloud refused for good")
    add("--conflicts", ("conflict",), "coupons that another till redeemed too")
    add("--all", (*_OPEN, "acknowledged", "conflict"), "acknowledged ones too: the whole ledger")


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    _add_states(parser)
    text = f"default: {LIMIT}"
    parser.add_argument("--limit", type=_at_least_one, default=argparse.SUPPRESS, help=text)
    _add_json(parser)


def _at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 to 999999999")
    return int(text)


def _database(arguments: argparse.Namespace) -> Path:
    return database_path(config.load(arguments.config))


def _list(arguments: argparse.Namespace) -> int:
    database, states = _database(arguments), arguments.states
    count = more = 0
    for row in outbox(database, states, arguments.limit):
        count += 1
        print(_json_line(row) if arguments.json else outbox_line(row))
    if count == arguments.limit:
        more = outbox_size(database, states) - count
    if not arguments.json:
        print(f"{count} records" if count else "nothing is waiting")
    if more > 0:  # for a program, beside its lines
        print(f"{more} more, use --limit", file=sys.stderr if arguments.json else sys.stdout)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    row = _record(arguments)
    if arguments.json:
        print(_json_line(row))
        return 0
    print(outbox_line(row))
    print(json.dumps(row["event"], ensure_ascii=False, indent=2))
    if row["answer"] is not None:
        print(f"the cloud said: {json.dumps(row['answer'], ensure_ascii=False, indent=2)}")
    return 0


def _record(arguments: argparse.Namespace) -> dict[str, Any]:
    """The record whose id was named; CommandError if it is not here."""
    lane, sequence = _place(arguments.record)
    row = outbox_record(_database(arguments), lane, sequence)
    if row is None or row["event"]["id"] != arguments.record:
        raise CommandError(f"this till has no record {arguments.record}: redeemd outbox --all lists them")
    return row


def _place(record: str) -> tuple[str, int]:
    """Lane and sequence of a record's id."""
    found = _ID.fullmatch(record)
    if found is None:
        sentence = f"{record[:64]!r} is no record's id: they look like T-0001-42 or T-0001-E7"
        raise CommandError(sentence, EX_USAGE)
    return (EVIDENCE_LANE if found[1] else REDEMPTION_LANE), int(found[2])


def _retry(arguments: argparse.Namespace) -> int:
    lane: str | None = arguments.lane
    sequence: int | None = None
    if arguments.record is not None:
        if lane is not None:
            raise CommandError("name one record, or a lane, or neither for all", EX_USAGE)
        row = _record(arguments)
        lane, sequence = row["lane"], row["sequence"]
    settings = config.load(arguments.config)
    said: dict[str, Any] = {"lane": lane, "sequence": sequence}
    body = {name: value for name, value in said.items() if value is not None}
    try:
        said = ask_till(settings, "/v1/outbox/retry", body)
    except Unreachable:  # it is not running: do its work, under its lock
        path = database_path(settings)
        if not path.exists():
            raise CommandError("this till is not enrolled: redeemd enrol --code CODE") from None
        said = {"requeued": asyncio.run(_retry_stopped(path, lane, sequence))}
    if arguments.json:
        print(_json_line(said))
    elif said["requeued"] == 0:
        print("nothing to retry: nothing of this is in the quarantine")
    else:
        print(f"{said['requeued']} records are offered to the cloud again")
    return 0 if sequence is None or said["requeued"] else 1


async def _retry_stopped(path: Path, lane: str | None, sequence: int | None) -> int:
    database = Database(path)
    database.open()
    try:
        return await SqlOutbox(database, "").requeue(lane, sequence)  # the till's name is for answers only
    finally:
        database.close()


def _export(arguments: argparse.Namespace) -> int:
    rows = outbox(_database(arguments), arguments.states, _ALL)
    if str(arguments.file) == "-":
        for row in rows:
            print(_json_line(row))
        return 0
    count = _write(arguments.file, rows)
    print(f"{arguments.file}: {count} records")
    return 0


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> int:
    """The records, whole under this name or not there at all, for their owner's eyes; how many."""
    fresh = path.with_name(f".{path.name}.part")
    count = 0
    try:
        handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for row in rows:
                file.write(_json_line(row) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())  # before a stick is pulled out
        fresh.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    return count


def _json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
