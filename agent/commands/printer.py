"""`redeemd printer ...`: a page that shows which settings are right, how a printer is, the drawer, one in memory.

Stop the till first where a printer is on a serial line or a device file: such a device serves one program at a time.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

import config
from agent.commands import virtual_printer
from agent.commands.errors import EX_CONFIG, CommandError
from agent.commands.till_file import DEFAULT_CONFIG
from agent.receipts.profile import PrinterProfile
from drivers.ports import Delivery, ReceiptPrinter, SendResult

_SAID = {
    Delivery.CONFIRMED: "printed, and the printer confirms it",
    Delivery.UNCONFIRMED: "sent; the printer does not confirm it: look at the paper",
    Delivery.NOT_SENT: "not printed",
}
_DRAWER_SAID = {
    Delivery.CONFIRMED: "the pulse was sent, and the printer confirms it",
    Delivery.UNCONFIRMED: "the pulse was sent; the printer does not confirm it: look at the drawer",
    Delivery.NOT_SENT: "not opened",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd printer`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="printer_action", required=True, metavar="ACTION")

    def add(name: str, text: str, without: str = "the first") -> argparse.ArgumentParser:
        """without: which printer an action is for where none is named; empty where it is for none."""
        action = actions.add_parser(name, help=text, description=text)
        if without:
            action.add_argument(
                "name", nargs="?", help=f"the printer's name in the file; without it, {without}"
            )
            action.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
        return action

    testing = add("test", "Print a page that shows which columns, encoding and QR setting are right.")
    testing.add_argument(
        "--png", type=Path, metavar="FILE", help="draw the page into FILE instead of printing it"
    )
    testing.add_argument("--profile", help="for this page: another profile than the file says")
    add("status", "Ask a printer how it is.", "each")
    add("drawer", "Open the cash drawer at a printer, once.")
    virtual_printer.add_arguments(actions)
    add("profiles", "Name every printer profile, with its columns and dots.", "")


def run(arguments: argparse.Namespace) -> int:
    action = arguments.printer_action
    if action == "profiles":
        return _profiles()
    if action == "virtual":
        return virtual_printer.run(arguments)
    settings = config.load(arguments.config)
    if action == "test" and arguments.png is not None:
        return _draw(_profile(settings, arguments), arguments.png)
    if action == "status":
        return _statuses(settings, arguments.name)
    printer, name = _printer(settings, arguments.name)
    if action == "drawer":
        return _say(name, asyncio.run(_open_drawer(printer)), _DRAWER_SAID)
    from agent.receipts.trial_page import render_trial_page

    return _say(name, asyncio.run(printer.send(render_trial_page(_profile(settings, arguments)))))


def chosen_printer(settings: config.Config, name: str | None) -> config.Printer | None:
    """The named printer, else the first; None where none is configured and none is named."""
    if name is None:
        return settings.printer[0] if settings.printer else None
    for printer in settings.printer:
        if printer.name == name:
            return printer
    known = ", ".join(printer.name for printer in settings.printer) or "none"
    raise CommandError(f"no printer is named {name!r} in the file; it names {known}", EX_CONFIG)


def _printer(settings: config.Config, name: str | None) -> tuple[ReceiptPrinter, str]:
    from agent.devices import receipt_printer

    chosen = chosen_printer(settings, name)
    if chosen is None:
        raise CommandError("the file names no printer: add a [[printer]] block", EX_CONFIG)
    return receipt_printer(chosen), chosen.name


def _profile(settings: config.Config, arguments: argparse.Namespace) -> PrinterProfile:
    from agent.receipts.model import ReceiptError
    from agent.receipts.profile import configured_profile, printer_profile

    chosen = chosen_printer(settings, arguments.name)
    try:
        if arguments.profile is not None or chosen is None:
            return printer_profile(arguments.profile or "generic-80")
        return configured_profile(chosen.profile, chosen.columns, chosen.encoding, chosen.qr)
    except ReceiptError as error:
        raise CommandError(f"{error}; see: redeemd printer profiles", EX_CONFIG) from error


def _draw(profile: PrinterProfile, path: Path) -> int:
    from agent.receipts.charset import python_codec
    from agent.receipts.trial_page import render_trial_page
    from drivers.escpos_reader import read_receipt
    from drivers.receipt_image import draw_png

    codec = python_codec(profile.encoding) if profile.code_page is None else "gb18030"
    printed = read_receipt(render_trial_page(profile), profile.dots, codec, column_dots=profile.column_dots)
    try:
        path.write_bytes(draw_png(printed, side_dots=16))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    print(f"{path}: as a printer of profile {profile.name} with {profile.encoding} prints it")
    return 0


def _statuses(settings: config.Config, name: str | None) -> int:
    names = [name] if name or not settings.printer else [printer.name for printer in settings.printer]
    return max([asyncio.run(_status(*_printer(settings, one))) for one in names])


async def _status(printer: ReceiptPrinter, name: str) -> int:
    status = await printer.query()
    causes = ", ".join(cause.value for cause in status.causes)
    print(f"{name}: {'ready' if status.ready else 'not ready'}{f' ({causes})' if causes else ''}")
    if status.detail:
        print(f"  {status.detail}")
    return 0 if status.ready else 1


async def _open_drawer(printer: ReceiptPrinter) -> SendResult:
    from drivers.escpos_commands import DRAWER_PULSE

    return await printer.send(DRAWER_PULSE)


def _say(name: str, result: SendResult, said: Mapping[Delivery, str] = _SAID) -> int:
    cause = f" ({result.cause.value})" if result.cause else ""
    print(f"{name}: {said[result.delivery]}{cause}")
    if result.detail:
        print(f"  {result.detail}")
    return 0 if result.delivery is Delivery.CONFIRMED else 1


def _profiles() -> int:
    from agent.receipts.model import ReceiptError
    from agent.receipts.profile import printer_profile, profile_names

    for name in profile_names():
        try:
            found = printer_profile(name)
        except ReceiptError:
            continue  # a line display
        qr = "native QR" if found.native_qr else "QR as picture" if found.draws else "no pictures, no QR"
        cutter = "cutter" if found.cutter else "tear bar"
        print(f"{name:16} {found.columns} columns, {found.dots} dots, {qr}, {cutter}")
    return 0
