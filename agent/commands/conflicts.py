"""`redeemd conflicts ...`: coupons of this till that were redeemed at another till too, listed, and said to be seen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import config
from agent.commands.errors import CommandError
from agent.commands.show import ask_till
from agent.commands.till_file import DEFAULT_CONFIG
from agent.folder import database_path
from agent.store.conflicts import list_conflicts
from agent.store.database import connect_read_only

LIMIT = 1000


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The actions of `redeemd conflicts`, which lists where none is named; pass what they parse to `run`."""
    command.set_defaults(action=_list, all=False, json=False, config=DEFAULT_CONFIG)
    _add_list_options(command)
    actions = command.add_subparsers(metavar="ACTION")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(action=action)
        return parser

    _add_list_options(
        add("list", _list, "List what nobody has seen; --all: what was seen or has ended, too.")
    )
    parser = add("seen", _seen, "Say that somebody has looked at one, or at all of them. The till runs.")
    parser.add_argument("number", help="its number, or all")
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=f"default: {DEFAULT_CONFIG}")


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code. Raises CommandError, StoreError."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help=f"default: {DEFAULT_CONFIG}")
    parser.add_argument(
        "--all", action="store_true", default=argparse.SUPPRESS, help="also what was seen or has ended"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="for programs: one JSON object a line",
    )


def _list(arguments: argparse.Namespace) -> int:
    path = database_path(config.load(arguments.config))
    if not path.exists():
        raise CommandError("this till is not enrolled: redeemd enrol --code CODE")
    with closing(connect_read_only(path)) as connection:
        found = list_conflicts(connection, LIMIT, unseen=not arguments.all)
    for one in found:
        print(json.dumps(one, ensure_ascii=False) if arguments.json else _line(one))
    if not found and not arguments.json:
        print("none" if arguments.all else "none that nobody has seen")
    return 0


def _line(one: dict[str, Any]) -> str:
    seen = f"  seen {one['seen_at']}" if one["seen_at"] else ""
    head = f"{one['id']:>4}  {one['redemption_id']}  {one['kind']}, {one['standing']}{seen}"
    return f"{head}\n      {one['en']}\n      {one['zh']}"


def _seen(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    numbers = [arguments.number]
    if arguments.number == "all":
        listed = ask_till(settings, "/v1/conflicts?state=unseen&limit=99")["conflicts"]
        numbers = [str(one["id"]) for one in listed]
    elif not (arguments.number.isascii() and arguments.number.isdecimal()):
        raise CommandError("name the number that `redeemd conflicts` shows, or all")
    for number in numbers:
        ask_till(settings, f"/v1/conflicts/{number}/seen", {})
    print(f"{len(numbers)} seen")
    return 0
