"""What issued coupons are written to: a CSV file, folders of pictures, printable sheets (`sheets`).

Nothing half looks whole: everything is written beside its name with `.part` behind it, and gets its name last.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from agent.commands.errors import CommandError

QR_SCALE = 6
QR_BORDER = 4
"""Quiet zone of ISO/IEC 18004, in modules."""
COLUMNS = ("issuer", "campaign", "index", "number", "not_before", "expires", "store", "value_minor", "token")
"""docs/issuing.md says what they hold."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Coupon:
    """One issued coupon. number: what people call it. not_before, expires: ISO dates. store, value_minor: or None."""

    issuer: str
    campaign: int
    index: int
    number: str
    not_before: str
    expires: str
    store: int | None
    value_minor: int | None
    token: str

    @property
    def name(self) -> str:
        """Unique, and fit for a file's name."""
        return f"{self.issuer}-{self.campaign}-{self.index}"


class Output(Protocol):
    """Takes one coupon after the other."""

    def add(self, coupon: Coupon) -> None: ...


def symbol(text: str):  # type: ignore[no-untyped-def]  # segno has no types
    """A token as a QR code at error correction M."""
    import segno

    return segno.make_qr(text, error="m", boost_error=False)


def write_png(text: str, path: Path) -> None:
    """A token as a picture with its quiet zone."""
    symbol(text).save(str(path), kind="png", scale=QR_SCALE, border=QR_BORDER)


def write_svg(text: str, path: Path) -> None:
    symbol(text).save(str(path), kind="svg", scale=QR_SCALE, border=QR_BORDER)


_WRITERS = {"png": write_png, "svg": write_svg}


@contextmanager
def whole_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """A file that has its name only when everything is in it and on disk; nothing is left of one that failed.

    mode: for its owner alone, because whoever has a token can redeem it.
    """
    part = _part_of(path)
    try:
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def _part_of(path: Path) -> Path:
    """Where `path` is written until it is whole. CommandError if something stands in the way."""
    if path.exists():
        raise CommandError(f"{path} exists: choose another name, or move it away")
    part = path.with_name(path.name + ".part")
    if part.exists():
        raise CommandError(
            f"{part} is of a run that goes on or was killed. Coupons in it may be good: keep it. "
            "A run that was killed named its order: move this file away, then the same command with --order NAME "
            "writes the very same coupons"
        )
    return part


class _Csv:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lines: list[str] = []
        self._rows = csv.writer(self)
        self._rows.writerow(COLUMNS)

    def write(self, line: str) -> None:
        """What the csv module calls."""
        self._file.write(line.encode())

    def add(self, coupon: Coupon) -> None:
        self._rows.writerow([cell(getattr(coupon, column)) for column in COLUMNS])


def cell(value: str | int | None) -> str:
    """A cell that no spreadsheet takes for a formula (CWE-1236)."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


@contextmanager
def csv_file(path: Path) -> Iterator[Output]:
    """RFC 4180 with a line of column names, UTF-8."""
    with whole_file(path) as file:
        yield _Csv(file)


class _Pictures:
    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind

    def add(self, coupon: Coupon) -> None:
        _WRITERS[self._kind](coupon.token, self._folder / f"{coupon.name}.{self._kind}")


@contextmanager
def pictures(folder: Path, kind: str) -> Iterator[Output]:
    """ISSUER-CAMPAIGN-INDEX.png (or .svg) of every coupon, in a new folder."""
    part = _part_of(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield _Pictures(part, kind)
        part.rename(folder)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
