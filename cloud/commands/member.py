"""`redeemd cloud member ...`: members from the loyalty system's file, and who spent more than there was."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.domain.fields import FieldError
from cloud.commands.staff import note_command
from cloud.errors import Refused, SetupError
from cloud.member_parts import put_members, put_program
from cloud.members import FORM_MEMBERS_MAX
from cloud.store.open_store import open_store
from config.regular_file import read_regular

FILE_BYTES_MAX = 64 << 20
PAGE = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud member`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="member_action", required=True, metavar="ACTION")
    text = "Add or replace members from a file: one JSON object a line, as POST /v1/admin/members takes them."
    importing = actions.add_parser("import", help=text, description=text)
    importing.add_argument("dir", type=Path, help="the cloud's data directory")
    importing.add_argument(
        "file", type=Path, help='such as {"pseudonym": "a1a2...", "level": 2, "consent": true}'
    )
    text = "Say how points are earned and spent; what is left out is 0."
    saying = actions.add_parser("program", help=text, description=text)
    saying.add_argument("dir", type=Path, help="the cloud's data directory")
    saying.add_argument(
        "program", help='JSON such as {"earn_minor": 100, "count_day": 3, ...}, or null for none'
    )
    saying.add_argument("--store", default="", help="of one store (default: of all)")
    text = "List members with their points, one JSON object a line."
    listing = actions.add_parser("list", help=text, description=text)
    listing.add_argument("dir", type=Path, help="the cloud's data directory")
    listing.add_argument("--overdrawn", action="store_true", help="those who spent more than there was")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    action = {"import": _import, "program": _program, "list": _list}[args.member_action]
    try:
        await action(args, now())
    except (Refused, FieldError) as error:
        raise SetupError(str(error)) from None


async def _import(args: argparse.Namespace, at: datetime) -> None:
    items = _lines(args.file)
    store = open_store(args.dir)
    count = 0
    try:
        await note_command(store, at, "member import", {"members": len(items)})
        for start in range(0, len(items), FORM_MEMBERS_MAX):
            count += await put_members(store, items[start : start + FORM_MEMBERS_MAX], at)
    finally:
        await store.close()
    print(f"{count} members are known; {len(items) - count} were erased and stay unknown")


def _lines(path: Path) -> list[Any]:
    try:
        content = read_regular(path, FILE_BYTES_MAX)
        if len(content) > FILE_BYTES_MAX:
            raise SetupError(f"{path} has more than {FILE_BYTES_MAX} bytes: cut it into several")
        lines = content.decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    items = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            items.append(json.loads(line))
        except ValueError:
            raise SetupError(f"{path}, line {number}: is no JSON object") from None
    return items


async def _program(args: argparse.Namespace, at: datetime) -> None:
    try:
        program = json.loads(args.program)
    except ValueError:
        raise SetupError("the program is no JSON") from None
    store = open_store(args.dir)
    try:
        await note_command(store, at, "member program", {"store": args.store, "program": program})
        await put_program(store, args.store, program)
    finally:
        await store.close()
    print("tills hear of it with their next bundle")


async def _list(args: argparse.Namespace, at: datetime) -> None:
    store = open_store(args.dir)
    after = ""
    try:
        while lines := await store.members(after, PAGE, overdrawn=args.overdrawn):
            for line in lines:
                print(json.dumps(line._asdict()))
            after = lines[-1].pseudonym
    finally:
        await store.close()
