"""Arguments that several commands share, and how they are read."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from agent.commands.errors import EX_USAGE, CommandError
from agent.domain.time import EPOCH_DAY, day_text
from agent.domain.token import DAY_MAX, UINT32_MAX


def at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 on")
    return int(text)


def day(text: str) -> date:
    """A date that a coupon can state."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a date such as 2026-11-22") from None
    if not 0 <= (found - EPOCH_DAY).days <= DAY_MAX:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not from {day_text(0)} to {day_text(DAY_MAX)}")
    return found


def numbers(text: str) -> frozenset[int]:
    """Campaign numbers, such as 1001,1002."""
    pieces = text.split(",")
    if not all(piece.isascii() and piece.isdigit() and len(piece) <= 10 for piece in pieces):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a list of numbers such as 1001,1002")
    found = frozenset(int(piece) for piece in pieces)
    if max(found) > UINT32_MAX:
        raise argparse.ArgumentTypeError(f"a campaign's number is {UINT32_MAX} at most")
    return found


def cloud_arguments(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("with the cloud")
    group.add_argument("--cloud", metavar="URL", help="the cloud's address")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="file with a token of role issuer")


def passphrase_from(file: Path | None) -> Callable[[], str]:
    """How to get the passphrase of an existing key when it turns out to be needed."""

    def ask() -> str:
        if file is not None:
            return read_passphrase(file)
        if not sys.stdin.isatty():
            raise CommandError("the key has a passphrase: give it with --passphrase-file FILE", EX_USAGE)
        return _typed("passphrase of the key: ")

    return ask


def read_passphrase(file: Path) -> str:
    """The first line of a file."""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.readline(1024).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"passphrase file {file}: {error}") from None


def new_passphrase() -> str:
    """Asked twice, for what is mistyped here is lost."""
    if not sys.stdin.isatty():
        sentence = "a new key gets a passphrase: give it with --passphrase-file FILE"
        raise CommandError(f"{sentence}, or say --no-passphrase", EX_USAGE)
    first = _typed("passphrase for the new key (12 characters or more): ")
    if _typed("once more: ") != first:
        raise CommandError("the two are not the same: no key was made")
    return first


def _typed(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise CommandError("no passphrase was typed") from None
