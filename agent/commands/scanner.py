"""`redeemd scanner card FILE` and `redeemd scanner test`: find out how a scanner is set, and write it down.

Stop the till first: it holds its scanners, and a serial line serves one program at a time.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import config
from agent.commands.errors import EX_NOINPUT, CommandError
from agent.commands.files import read_named
from agent.commands.till_file import DEFAULT_CONFIG
from config.load import MAX_FILE_BYTES
from drivers.card import Framing
from drivers.discover import fits
from drivers.inventory import Found, inventory
from drivers.listen import Answer, listen

WAIT_S = 60.0
_NAMES = {"input": "keyboard", "serial": "serial line"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd scanner`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="scanner_action", required=True, metavar="ACTION")
    text = "Write the test card: one A4 page of codes as PDF."
    card = actions.add_parser("card", help=text, description=text)
    card.add_argument("file", type=Path)
    text = "Wait for the card's first code from any scanner, and show the lines of till.toml that fit it."
    testing = actions.add_parser("test", help=text, description=text)
    testing.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    testing.add_argument("--port", action="append", default=[], help="also listen at this serial device path")
    testing.add_argument(
        "--name", default="front", help="of a scanner that is new to the file (default %(default)s)"
    )
    testing.add_argument(
        "--write", action="store_true", help="write the lines into the file; what it was is kept beside it"
    )
    testing.add_argument("--wait", type=float, default=WAIT_S, metavar="SECONDS", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    if arguments.scanner_action == "card":
        from agent.commands.scanner_card import write_card

        write_card(arguments.file)
        print(f"{arguments.file}: print it at its size, then run redeemd scanner test")
        return 0
    return _test(arguments)


def _test(arguments: argparse.Namespace) -> int:
    devices = [device for device in inventory() if device.kind in _NAMES]
    devices += [Found("serial", path, path, "", "", "", "") for path in arguments.port]
    if not devices:
        raise CommandError(
            "no keyboard and no serial line is there: plug the scanner in (redeemd doctor)", EX_NOINPUT
        )
    said = "Scan the first code of the card (redeemd scanner card FILE)."
    print(said, flush=True)
    answer = listen(devices, max(1.0, min(arguments.wait, 3600.0)), _say)
    if answer is None:
        raise CommandError(
            f"no scanner sent the first code within {arguments.wait:g} s. One in HID POS mode needs no settings: "
            "redeemd doctor shows it. Is the till stopped (systemctl stop redeemd)?",
            EX_NOINPUT,
        )
    for line in told(answer):
        print(line)
    old = read_named(arguments.config, MAX_FILE_BYTES).decode() if arguments.config.exists() else ""
    new = with_block(old, answer, arguments.name)
    if new == old:
        print(f"{arguments.config} says so already")
        return 0
    config.parse(new, str(arguments.config))  # ConfigError names what is wrong with it
    print(
        "".join(
            difflib.unified_diff(old.splitlines(True), new.splitlines(True), "as it is", "as it should be")
        )
    )
    if not arguments.write:
        print(f"the same with --write puts this into {arguments.config}")
        return 0
    _write(arguments.config, old, new)
    print(f"written to {arguments.config}; now: systemctl restart redeemd")
    return 0


def _say(device: Found, sentence: str) -> None:
    print(f"  {device.name or device.path}: {sentence}", file=sys.stderr, flush=True)


def told(answer: Answer) -> Iterator[str]:
    """What was found out, for a person."""
    framing = framing_in(answer)
    where = answer.device.stable or answer.device.path
    yield f"found: {_NAMES[answer.device.kind]} scanner {answer.device.name or where}"
    yield f"  layout   {answer.typed.layout}" if answer.typed else f"  speed    {answer.baud} baud"
    yield f"  prefix   {_shown(framing.prefix)}"
    yield f"  suffix   {_shown(framing.suffix)}"
    if framing.identifier:
        yield "  it says which symbol it read (AIM identifier): taken off by itself"
    if not framing.ends:
        yield "  it sends no line end after a code: set it to send Enter where you can, two scans never become one then"


def framing_in(answer: Answer) -> Framing:
    framing = answer.framing if answer.typed is None else answer.typed.framing
    assert framing is not None, "what was found is framed"
    return framing


def _shown(text: str) -> str:
    names = {"\r": "Enter", "\n": "line feed", "\t": "Tab", "\x03": "ETX", "\x02": "STX", "": "none"}
    return names.get(text) or " ".join(names.get(sign, repr(sign)) for sign in text)


def block(answer: Answer, name: str) -> str:
    """The [[scanner]] block for what was found; only what differs from the defaults."""
    framing, device = framing_in(answer), answer.device
    lines = ["[[scanner]]", f'kind = "{"wedge" if answer.typed else "serial"}"', f"name = {_quoted(name)}"]
    if answer.typed is not None:
        rule = {"vendor": device.vendor, "product": device.product, "serial": device.serial}
        if not any(rule.values()):
            rule = {"device_name": device.name}
        lines += [f"{key} = {_quoted(value)}" for key, value in rule.items() if value]
        lines.append(f'layout = "{answer.typed.layout}"')
    else:
        lines += [f"port = {_quoted(device.stable or device.path)}", f"baud = {answer.baud}"]
    if framing.prefix:
        lines.append(f"prefix = {_quoted(framing.prefix)}")
    if not framing.ends:
        lines += ['suffix = "none"', "gap_ms = 100"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = (f"\\u{ord(sign):04x}" if ord(sign) < 32 or sign in '"\\\x7f' else sign for sign in text)
    return f'"{"".join(escaped)}"'


_HEADER = re.compile(r"^\s*\[", re.MULTILINE)


def with_block(text: str, answer: Answer, name: str) -> str:
    """The file with this scanner's block: in place of the one that takes the device today, else at the end.

    Raises ConfigError for a file that is wrong already.
    """
    scanners = config.parse(text, "till.toml").scanner
    place = next((number for number, one in enumerate(scanners) if _takes(one, answer.device)), None)
    if place is None:
        used = {one.name for one in scanners}
        fresh = next(candidate for candidate in _candidates(name) if candidate not in used)
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return text + gap + block(answer, fresh)
    headers = [match.start() for match in re.finditer(r"^\s*\[\[scanner\]\]", text, re.MULTILINE)]
    start = headers[place]
    following = _HEADER.search(text, text.index("]]", start))
    end = len(text) if following is None else following.start()
    made = block(answer, scanners[place].name)
    lead = text[start : text.index("[", start)]
    return text[:start] + lead + made + ("\n" if following else "") + text[end:]


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 100):
        yield f"{name}-{number}"


def _takes(scanner: config.Scanner, device: Found) -> bool:
    match scanner:
        case config.WedgeScanner():
            rule = scanner.vendor, scanner.product, scanner.serial, scanner.device_name
            return device.kind == "input" and any(rule) and fits(device, *rule)
        case config.SerialScanner():
            return device.kind == "serial" and scanner.port in (device.path, device.stable)
        case _:
            return False


def _write(path: Path, old: str, new: str) -> None:
    """Through a second file and a rename; what was there stays beside it, with the time in its name."""
    if old:
        kept = path.with_name(f"{path.name}.{datetime.now().astimezone():%Y%m%d-%H%M%S}")
        kept.write_text(old, encoding="utf-8")
        kept.chmod(path.stat().st_mode & 0o777)
        print(f"what it was: {kept}")
    draft = path.with_name(path.name + ".new")
    draft.write_text(new, encoding="utf-8")
    if old:
        draft.chmod(path.stat().st_mode & 0o777)
        with suppress(OSError):
            import os

            about = path.stat()
            os.chown(draft, about.st_uid, about.st_gid)
    draft.replace(path)
