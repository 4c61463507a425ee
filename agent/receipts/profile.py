"""What a receipt renderer must know of a printer model.

The data base of python-escpos (escpos-printer-db) is read as the JSON file it is: importing `escpos.capabilities`
parses it as YAML, 0.26 s and 10 MB on a till, and writes a pickle into a temporary directory at every start.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Literal

from agent.receipts.charset import ENCODINGS, Encoding, Pictures, code_page
from agent.receipts.layout import COLUMNS_MAX, COLUMNS_MIN
from agent.receipts.model import ReceiptError

COLUMN_DOTS = 12  # of font A, where the data base does not say otherwise
COLUMN_DOTS_MIN, COLUMN_DOTS_MAX = 9, 16
"""The narrowest is that of an impact printer; thermal models have 12 and 13."""


@dataclass(frozen=True, slots=True)
class PrinterProfile:
    """columns: half-width cells of font A across the paper. dots: printable width in dots.

    encoding: gb18030, gbk, big5, shift_jis, ksx1001 (multi-byte, FS &), a single-byte page, or none (ASCII alone).
    native_qr: knows GS ( k; otherwise the QR code is sent as a raster. native_barcode: the same of GS k, function B.
    cutter: has one; otherwise the paper is fed to the tear bar. line_dots: default line spacing. pictures: characters
    that the set lacks are drawn, if this machine has a font for them. code_pages: the model's own numbers of its pages
    (ESC t), {} for Epson's. column_dots: width of one column of font A. draws: takes dots (ESC * 33, GS v 0); an impact
    printer, whose head has nine needles, does not.
    """

    name: str
    columns: int
    dots: int
    encoding: Encoding = "gb18030"
    native_qr: bool = True
    native_barcode: bool = True
    cutter: bool = True
    line_dots: int = 30
    pictures: bool = True
    column_dots: int = COLUMN_DOTS
    draws: bool = True
    code_pages: dict[str, int] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not COLUMNS_MIN <= self.columns <= COLUMNS_MAX:
            raise ReceiptError(
                f"printer columns is {self.columns}; it must be {COLUMNS_MIN} to {COLUMNS_MAX}",
                "columns",
            )
        if not 300 <= self.dots <= 1200:
            raise ReceiptError(f"printer dots is {self.dots}; it must be 300 to 1200")
        if self.encoding == "utf-8" or self.encoding not in ENCODINGS:
            known = ", ".join(name for name in ENCODINGS if name != "utf-8")
            raise ReceiptError(
                f"printer encoding is {self.encoding!r}; it must be one of {known}", "encoding"
            )
        if not 24 <= self.line_dots <= 60:
            raise ReceiptError(f"printer line_dots is {self.line_dots}; it must be 24 to 60")
        if not COLUMN_DOTS_MIN <= self.column_dots <= COLUMN_DOTS_MAX:
            least, most = COLUMN_DOTS_MIN, COLUMN_DOTS_MAX
            raise ReceiptError(f"printer column_dots is {self.column_dots}; it must be {least} to {most}")
        if self.columns * COLUMN_DOTS_MIN > self.dots:
            raise ReceiptError(f"{self.columns} columns do not fit {self.dots} dots of paper", "columns")
        if self.code_page is not None and self.code_pages and self.encoding not in ("none", *self.code_pages):
            known = ", ".join(name for name in ENCODINGS if name in self.code_pages)
            raise ReceiptError(
                f"printer {self.name} has no page {self.encoding}; it has {known or 'none we know'}",
                "encoding",
            )

    @property
    def code_page(self) -> int | None:
        """n of ESC t for the single-byte page; None for a multi-byte character set."""
        return self.code_pages.get(self.encoding, code_page(self.encoding))

    @property
    def drawn(self) -> Pictures | None:
        """Which characters can be sent as pictures."""
        from drivers import glyphs

        return glyphs.has if self.pictures and self.draws else None


GENERIC_80 = PrinterProfile("generic-80", columns=48, dots=576)
# The cheapest 58 mm printers know no GS ( k and print its bytes as text; a raster always works.
GENERIC_58 = PrinterProfile(
    "generic-58", columns=32, dots=384, native_qr=False, native_barcode=False, cutter=False
)
BUILT_IN = {profile.name: profile for profile in (GENERIC_80, GENERIC_58)}


def printer_profile(name: str = "generic-80", **overrides: Any) -> PrinterProfile:
    """A profile by name: generic-80, generic-58 or a model of escpos-printer-db such as TM-T20II, ZJ-5870, Sunmi-V2.

    overrides: fields of PrinterProfile that the store knows better (None: keep). Where the data base does not know the
    dots ("default", for one), they follow from the columns. Raises ReceiptError.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    profile = BUILT_IN.get(name)
    if profile is None:
        profile = _from_database(name, given.get("columns"))
    try:
        made = replace(profile, **given)
    except TypeError as error:
        raise ReceiptError(f"printer profile has no such setting: {error}") from error
    # Receipts are printed in font A: more columns would be those of a smaller one, and lines would be broken in two.
    most = max(profile.columns, made.dots // made.column_dots)
    if made.columns > most:
        raise ReceiptError(
            f"printer columns is {made.columns}; {name} prints at most {most} of font A on its {made.dots} dots",
            "columns",
        )
    return made


def configured_profile(
    name: str, columns: int, encoding: Encoding, qr: Literal["auto", "native", "picture"]
) -> PrinterProfile:
    """The profile that the keys of a [[printer]] block mean. qr is said of barcodes, too. Raises ReceiptError."""
    native = None if qr == "auto" else qr == "native"
    return printer_profile(
        name, columns=columns or None, encoding=encoding, native_qr=native, native_barcode=native
    )


def profile_names() -> tuple[str, ...]:
    """Every name that `printer_profile` knows."""
    return (*BUILT_IN, *sorted(_database()))


def _database() -> dict[str, Any]:
    profiles: dict[str, Any] = json.loads(files("escpos").joinpath("capabilities.json").read_bytes())[
        "profiles"
    ]
    return profiles


def _near(name: str) -> str:
    """The name that was meant, however it is written, as the end of a clause."""
    known = {one.casefold(): one for one in profile_names()}
    near = get_close_matches(name[:40].casefold(), known, n=1)
    return f' (did you mean "{known[near[0]]}"?)' if near else ""


def _from_database(name: str, columns: int | None) -> PrinterProfile:
    entry = _database().get(name)
    if entry is None:
        raise ReceiptError(f"printer profile {name[:40]!r} is not known{_near(name)}")
    own = int(entry["fonts"]["0"]["columns"])
    wished = columns or own
    dots, features = entry["media"]["width"].get("pixels"), entry["features"]
    draws = bool(features.get("bitImageRaster"))
    # The data base has no width of a column; what the head is wide is shared by the columns of its largest font.
    known = isinstance(dots, int) and own >= COLUMNS_MIN
    column_dots = dots // own if known else COLUMN_DOTS
    if not draws and known:
        dots = own * column_dots  # its half-dots are no whole number a column, and set nothing else
    pages = {page.lower(): int(number) for number, page in reversed(entry["codePages"].items())}
    return PrinterProfile(
        name,
        own if own >= COLUMNS_MIN else wished,  # of one that prints receipts the data base says 12
        dots if isinstance(dots, int) else wished * COLUMN_DOTS,
        native_qr=bool(features.get("qrCode")),
        native_barcode=bool(features.get("barcodeB")),
        cutter=bool(features.get("paperPartCut") or features.get("paperFullCut")),
        column_dots=column_dots,
        draws=draws,
        code_pages=pages,
    )
