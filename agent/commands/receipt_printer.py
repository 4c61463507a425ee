"""As which printers `redeemd receipt check` and `preview` set a receipt: the till's own where there are some."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands import till_file
from agent.commands.arguments import at_least_one
from agent.commands.errors import EX_CONFIG, CommandError

if TYPE_CHECKING:
    import config
    from agent.receipts.profile import PrinterProfile


def add_arguments(parser: argparse.ArgumentParser, without_name: str) -> None:
    """without_name: which printers of the file it is where none is named."""
    as_printed = parser.add_argument_group("as which printer")
    where = f"a printer of this till.toml; default: {till_file.DEFAULT_CONFIG}"
    as_printed.add_argument("--config", type=Path, metavar="FILE", help=where)
    named = f"which one of the file; without it, {without_name}"
    as_printed.add_argument("--printer", metavar="NAME", help=named)
    without = "redeemd printer profiles names them; without it and without that file: generic-80"
    as_printed.add_argument("--profile", help=without)
    as_printed.add_argument(
        "--columns", type=at_least_one, metavar="N", help="as the key of a [[printer]] block"
    )
    as_printed.add_argument("--encoding", metavar="SET", help="likewise")
    as_printed.add_argument("--qr", choices=("auto", "native", "picture"), help="likewise")


def chosen_profiles(arguments: argparse.Namespace) -> list[PrinterProfile]:
    """Those of all printers that the arguments leave open, at least one. Whose they are is said on standard error."""
    from agent.receipts.model import ReceiptError
    from agent.receipts.profile import configured_profile

    profiles = []
    for printer, whose in _printers(arguments):
        try:
            profile = configured_profile(
                arguments.profile or printer.profile,
                arguments.columns or printer.columns,
                arguments.encoding or printer.encoding,
                arguments.qr or printer.qr,
            )
        except ReceiptError as error:
            raise CommandError(f"{error}; see: redeemd printer profiles", EX_CONFIG) from error
        print(
            f"as {whose} prints it: {profile.name}, {profile.columns} columns, {profile.encoding}",
            file=sys.stderr,
        )
        profiles.append(profile)
    return profiles


def _printers(arguments: argparse.Namespace) -> list[tuple[config.Printer, str]]:
    """The printers whose settings count where the arguments say nothing else, and whose each is."""
    import config
    from agent.commands.printer import chosen_printer

    path = arguments.config or till_file.DEFAULT_CONFIG
    asked = arguments.config is not None or arguments.printer is not None
    nobodys = config.FilePrinter(name="preview", device="/dev/null")
    if arguments.profile is not None and not asked:
        return [(nobodys, "such a printer")]
    try:
        settings = config.load(path)
    except config.ConfigError as error:
        if asked:
            raise
        fault = error.problems[0]
        why = "has faults: see redeemd check-config" if fault.line else fault.wrong
        return [(nobodys, f"a common printer ({path} {why})")]
    named = chosen_printer(settings, arguments.printer) if arguments.printer else None
    found = (named,) if named is not None else settings.printer
    if found:
        return [(printer, f"printer {printer.name} of {path}") for printer in found]
    if asked:
        raise CommandError(f"{path} names no printer: add a [[printer]] block", EX_CONFIG)
    return [(nobodys, f"a common printer ({path} names none)")]
