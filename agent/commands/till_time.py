"""`redeemd time ...`: how late it is for this till, and the repair of a mark that a wrong clock has raised."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import config
from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.commands.errors import EX_NOINPUT, CommandError
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain.bundle import BundleError
from agent.domain.statement import STATEMENT_BYTES_MAX, TimeStatement
from agent.domain.time import ONLINE_SLACK, timestamp
from agent.folder import database_path
from agent.state import TillState
from agent.store.bundle_cache import SqlBundleCache
from agent.store.database import Database
from config.regular_file import read_regular

_SAID = {
    "used": "this statement was used before: ask for a new one",
    "wrong_till": "this statement is for another till",
    "bad_signature": "this statement is not signed by enough of the root keys that this till trusts",
    "malformed": "this file is no time statement",
    "too_large": "this file is no time statement",
    "not_enrolled": "this till is not enrolled: redeemd enrol --code CODE",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd time`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="time_action", required=True, metavar="ACTION")
    text = "Set the remembered time by a statement of the root keys. Stop the till first; set the clock right too."
    repairing = actions.add_parser("repair", help=text, description=text)
    repairing.add_argument("file", type=Path, help="the statement, made by: redeemd cloud time")
    text = "Show how late it is for this till, which must not run, and what its clock says."
    showing = actions.add_parser("show", help=text, description=text)
    for action in (repairing, showing):
        action.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    database = Database(database_path(settings))
    if not database.path.exists():
        raise CommandError(_SAID["not_enrolled"])
    database.open()
    try:
        for line in asyncio.run(_do(database, arguments)):
            print(line)
    finally:
        database.close()
    return 0


async def _do(database: Database, arguments: argparse.Namespace) -> list[str]:
    cache, clock = SqlBundleCache(database), SystemClock()
    state = TillState(await cache.setting("till") or "")
    refresher = Refresher(cache, None, state, clock)
    try:
        await refresher.load()
    except BundleError as error:
        raise CommandError(f"the stored bundle cannot be used: {error}") from error
    lines = []
    if arguments.time_action == "repair":
        statement = await _repair(refresher, arguments.file)
        lines.append(f"repaired by statement {statement.number}: it was {timestamp(statement.time)}")
        if clock.now() > statement.time + ONLINE_SLACK:
            lines.append(
                "the clock is more than a day later: if that is not so, set it before the till is started"
            )
    now = state.now(clock)
    lines.append(f"effective time {timestamp(now.now)}, clock {timestamp(now.wall)}{_doubt(now.doubt)}")
    return lines


async def _repair(refresher: Refresher, path: Path) -> TimeStatement:
    try:
        data = await asyncio.to_thread(read_regular, path, STATEMENT_BYTES_MAX)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", EX_NOINPUT) from error
    try:
        return await refresher.repair_time(data)
    except BundleError as error:
        raise CommandError(f"{path}: {_SAID.get(error.code, error.code)} ({error})") from error


def _doubt(doubt: str) -> str:
    if doubt == "behind":
        return ": the clock is behind; if it is right, what is remembered is wrong: redeemd time repair FILE"
    return f": the clock is {doubt}" if doubt else ""
