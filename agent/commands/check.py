"""Check: what the configuration names on this machine. `run` and `check-config` ask here, so they refuse the same.

Each check calls what the till itself will use and turns its complaint into a finding about one key.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import config
from config import ConfigError, Finding, Problem

_FOLDER = 'name a folder of at most 64 templates and images, or use "" for none'
_FILE = 'mend it (redeemd receipt check tries it) or remove it, or use "" for none'


def load(path: Path) -> config.Config:
    """The settings in the file at `path`, all of which this machine can serve; ConfigError with every problem."""
    settings = config.load(path)
    found = tuple(findings(settings))
    if found:
        raise ConfigError(config.located(path, found))
    return settings


def check(path: Path, *, file_only: bool = False) -> tuple[Problem, ...]:
    """Every problem of the file and, unless `file_only`, of what it names here. `redeemd run` begins in spite of those
    with templates, which cost no receipt."""
    try:
        settings = config.load(path)
    except ConfigError as error:
        return error.problems
    found = () if file_only else tuple(findings(settings))
    if not file_only and not found:
        found = tuple(_templates(settings))
    return config.located(path, found) if found else ()


def findings(settings: config.Config) -> Iterator[Finding]:
    """What this machine cannot serve: `run` does not begin."""
    return chain(
        _state_dir(settings),
        _token_file(settings),
        _ca_file(settings),
        _devices(settings),
    )


def _state_dir(settings: config.Config) -> Iterator[Finding]:
    from agent.folder import state_dir_fault

    folder = Path(settings.till.state_dir)
    if (fault := state_dir_fault(folder)) is not None:
        yield ("till", "state_dir"), f"{folder} {fault[0]}", fault[1]


def _token_file(settings: config.Config) -> Iterator[Finding]:
    from agent.api.server import TOKEN_BYTES_MIN, ApiStartError, read_token

    try:
        read_token(settings.api.token_file)
    except ApiStartError as error:
        allowed = f"write at least {TOKEN_BYTES_MIN} random letters and digits into a file that the service may read"
        yield ("api", "token_file"), str(error), f'{allowed}, or use "" for none'


def _ca_file(settings: config.Config) -> Iterator[Finding]:
    if not settings.cloud.ca_file:
        return
    from sync.errors import UplinkConfigError
    from sync.uplink import tls_context

    try:
        tls_context(Path(settings.cloud.ca_file))
    except UplinkConfigError as error:
        allowed = 'name a PEM file of certificates that the service may read, or use "" for the system\'s'
        yield ("cloud", "ca_file"), str(error), allowed


def _devices(settings: config.Config) -> Iterator[Finding]:
    for number, scanner in enumerate(settings.scanner):
        if isinstance(scanner, config.SerialScanner):
            yield from _device_path(("scanner", number, "port"), scanner.port)
    for number, printer in enumerate(settings.printer):
        if isinstance(printer, config.SerialPrinter | config.FilePrinter):
            yield from _device_path(("printer", number, "device"), printer.device)
        yield from _profile(("printer", number, "profile"), printer)


def _templates(settings: config.Config) -> Iterator[Finding]:
    """What the till passes over and tells, and what its printers would print otherwise than it is written."""
    if not settings.receipt.templates:
        return
    from agent.devices import profiles
    from agent.receipts.advice import advice
    from agent.receipts.book import read_folder
    from agent.receipts.profile import GENERIC_80

    key = "receipt", "templates"
    folder = Path(settings.receipt.templates)
    found = read_folder(folder)
    for fault in found.faults:
        yield key, fault, _FOLDER if fault.startswith(f"{folder} ") else _FILE
    printers = {f"printer {name}": profile for name, profile in profiles(settings).items()}
    printers = printers or {"a common printer": GENERIC_80}
    for read, template in found.templates.items():
        for printer, profile in printers.items():
            for said in advice(template, profile, found.images):
                where = f"{found.places[read]}, at {printer}"
                yield key, f"{where}: {said}", "change it, or see it with redeemd receipt preview"


def _device_path(key: tuple[str | int, ...], path: str) -> Iterator[Finding]:
    """A device that is not plugged in is no fault; a folder will never be one."""
    if Path(path).is_dir():
        yield key, f"{path} is a folder", "name the device in it"


def _profile(key: tuple[str | int, ...], printer: config.Printer) -> Iterator[Finding]:
    from agent.receipts.model import ReceiptError
    from agent.receipts.profile import BUILT_IN, configured_profile

    try:
        configured_profile(printer.profile, printer.columns, printer.encoding, printer.qr)
    except ReceiptError as error:
        generic = " or ".join(f'"{name}"' for name in BUILT_IN)
        hint = (
            "redeemd printer test shows which is right"
            if error.setting
            else f"use {generic}, or a model's name"
        )
        yield (*key[:-1], error.setting or "profile"), str(error), hint
