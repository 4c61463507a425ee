"""Barcodes as a printer draws them from GS k: by python-barcode, so that our bars are held to another encoder's."""

from __future__ import annotations

import re
from itertools import groupby

from barcode import EAN8, EAN13, ITF, UPCA, Code39
from barcode.charsets import code128
from PIL import Image

from drivers.escpos_reader import BarcodeSymbol

_WIDE_DOTS = {2: 5, 3: 8, 4: 10, 5: 13, 6: 16}
"""Of CODE39 and ITF, by n of GS w (Epson ESC/POS command reference)."""
_RUN = re.compile(rb"\{(?:B((?:[^{]|\{\{)+)|C([^{]+))", re.DOTALL)


def picture(symbol: BarcodeSymbol) -> Image.Image:
    """Black on white, without quiet zones."""
    runs = [(modules == "1", len(list(group))) for modules, group in groupby(_modules(symbol))]
    two_widths = symbol.kind in ("CODE39", "ITF")
    narrow = min(count for _, count in runs)
    dots: list[int] = []
    for bar, count in runs:
        wide = two_widths and count > narrow
        width = _WIDE_DOTS[symbol.module_dots] if wide else count // narrow * symbol.module_dots
        dots += [0 if bar else 255] * width
    row = Image.new("L", (len(dots), 1), 255)
    row.putdata(dots)
    return row.resize((len(dots), max(symbol.height, 1)), Image.Resampling.NEAREST)


def _modules(symbol: BarcodeSymbol) -> str:
    if symbol.kind == "CODE128":
        return _code128(symbol.data)
    text = symbol.data.decode("ascii")
    match symbol.kind:
        case "EAN-13":
            built = EAN13(text).build()
        case "EAN-8":
            built = EAN8(text).build()
        case "UPC-A":
            built = UPCA(text).build()
        case "CODE39":
            built = Code39(text, add_checksum=False).build()
        case _:
            built = ITF(text).build()
    return str(built[0])


def _code128(data: bytes) -> str:
    values: list[int] = []
    for run in _RUN.finditer(data):
        used = "B" if run[1] is not None else "C"
        values.append(_code_set(used, first=not values))
        values += [byte - 32 for byte in run[1].replace(b"{{", b"{")] if run[1] is not None else list(run[2])
    total = values[0] + sum(place * value for place, value in enumerate(values))
    drawn = "".join(code128.CODES[value] for value in (*values, total % 103))
    return f"{drawn}{code128.STOP}11"


def _code_set(used: str, first: bool) -> int:
    return {"B": 104, "C": 105}[used] if first else {"B": 100, "C": 99}[used]
