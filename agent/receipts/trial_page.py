"""The page that shows which profile is right for a printer: `redeemd printer test` prints it.

Each part says in plain ASCII which setting it tries. Whoever sets the till up picks what came out well.
"""

from __future__ import annotations

from dataclasses import replace

from agent.receipts.charset import Encoding
from agent.receipts.escpos import render_escpos
from agent.receipts.model import Align, Barcode, Columns, Cut, Element, Qr, Receipt, Rule, Text
from agent.receipts.profile import COLUMN_DOTS, PrinterProfile

WIDTHS = (32, 42, 48)
QR_TEXT = "RC1PRINTERTEST"

SAMPLES: dict[Encoding, str] = {
    "gb18030": "优惠券 ￥100 “满减”，㐂䶮",
    "gbk": "优惠券 ￥100 “满减”，朱镕基",
    "big5": "優惠券 NT$100 「滿減」，",
    "shift_jis": "割引クーポン ￥100 「半額」",
    "ksx1001": "할인 쿠폰 100원",
    "cp437": "café ñ ¥100",
    "cp850": "café Ñ Ø 100",
    "cp852": "kupón ž ł 100",
    "cp858": "café Ñ Ø €100",
    "cp866": "скидка 100",
    "cp1252": "café Ñ Ø €100 – “x”",
    "none": "优惠券 ￥100 𠮷 café",
}
"""A text in each character set that no other set says by the same bytes."""


def render_trial_page(profile: PrinterProfile) -> bytes:
    """The whole job, on paper of `profile`. A new part begins with ESC @, so that nothing of one spoils the next."""
    wide = replace(profile, columns=max(WIDTHS), dots=max(profile.dots, 576), column_dots=COLUMN_DOTS)
    job = b"".join(
        render_escpos(Receipt(tuple(elements)), one)
        for elements, one in (
            (_head(profile), replace(profile, encoding="none", pictures=False)),
            *((_ruler(width), replace(wide, encoding="none", pictures=False)) for width in WIDTHS),
            *((_sample(encoding), _with_set(profile, encoding)) for encoding in SAMPLES),
            (_code("native"), replace(profile, native_qr=True, native_barcode=True)),
            (_code("picture"), replace(profile, native_qr=False, native_barcode=False)),
        )
    )
    return job + render_escpos(Receipt((Cut(),)), profile)


def _with_set(profile: PrinterProfile, encoding: Encoding) -> PrinterProfile:
    pages = profile.code_pages if encoding in profile.code_pages else {}
    return replace(profile, encoding=encoding, code_pages=pages)


def _head(profile: PrinterProfile) -> list[Element]:
    return [
        Text("redeemd printer test", Align.CENTER, bold=True, size=2),
        Columns("profile now", profile.name),
        Columns("columns now", str(profile.columns)),
        Columns("encoding now", profile.encoding),
        Columns("qr now", "native" if profile.native_qr else "picture"),
        Rule(),
        Text("COLUMNS: take the longest that stays on one line"),
    ]


def _ruler(width: int) -> list[Element]:
    name = f"{width}"
    return [Text(name + "-" * (width - len(name) - 1) + "|")]


def _sample(encoding: Encoding) -> list[Element]:
    heading: list[Element] = (
        [Rule(), Text("ENCODING: take one that reads well")] if encoding == "gb18030" else []
    )
    return [*heading, Text(f"{encoding}: {SAMPLES[encoding]}")]


def _code(qr: str) -> list[Element]:
    heading: list[Element] = (
        [Rule(), Text("QR: take native if a scanner reads both")] if qr == "native" else []
    )
    code = Qr(f"{QR_TEXT}{qr.upper()}", module_dots=4)
    return [*heading, Text(f"{qr}:"), code, Barcode(qr.upper(), "code128", 2)]
