"""Receipts that several tests and the pictures in the README share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from msgspec.structs import replace

from agent.receipts.book import built_in
from agent.receipts.escpos import render_escpos
from agent.receipts.model import Barcode, Cut, Image, Receipt
from agent.receipts.plain import render_text
from agent.receipts.profile import GENERIC_58, GENERIC_80, PrinterProfile
from agent.receipts.redemption import RedemptionFacts, marked_copy, papers
from drivers.escpos_reader import read_receipt
from drivers.receipt_image import draw_png

TOKEN = "RC1" + ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6)
"""As long as a real coupon token and of its alphabet: QR version 8 at level M."""

ZH = RedemptionFacts(
    language="zh",
    store_name="南山路旗舰店",
    till="T01",
    printed_at="2026-11-22 14:03",
    redemption_number="T01-000042",
    campaign_title="秋季满减",
    benefit_text="满100减30",
    currency="CNY",
    sale_total_minor=12800,
    discount_minor=3000,
    payable_minor=9800,
    offline=True,
    promo_token=TOKEN,
    promo_title="鲜萃咖啡免费一杯",
    promo_conditions="任意消费可用，有效期至2026-12-31，限用一次",
    promo_short="2-048151-QK7XD",
)
EN = replace(
    ZH,
    language="en",
    store_name="Harbour Street",
    campaign_title="Autumn savings",
    benefit_text="Spend 100, save 30",
    offline=False,
    promo_title="A free coffee",
    promo_conditions="With any purchase, once, until 2026-12-31",
)


def redemption_receipt(facts: RedemptionFacts) -> Receipt:
    """By our own templates."""
    return papers(facts, built_in)


PROFILES = (
    GENERIC_80,
    GENERIC_58,
    PrinterProfile("gbk-42", 42, 512, "gbk"),
    PrinterProfile("big5", 48, 576, "big5"),
    PrinterProfile("shift-jis", 42, 512, "shift_jis"),
    PrinterProfile("ksx1001", 42, 512, "ksx1001"),
    PrinterProfile("western", 48, 576, "cp437"),
    PrinterProfile("latin-1252", 48, 576, "cp1252"),
    PrinterProfile("no-font-58", 32, 384, "none", native_qr=False, cutter=False),
)

BARCODES = (
    ("ean13", "4006381333931"),
    ("ean8", "96385074"),
    ("upca", "036000291452"),
    ("code39", "T01-00042"),
    ("itf", "15400141288763"),
    ("code128", "T1-000042{x"),
)
"""One of each kind; those of EAN-13, EAN-8 and UPC-A are the examples of public pages on them."""

GOLDEN = Path(__file__).parent / "golden"
LOGO = (GOLDEN / "logo.png").read_bytes()
"""384 x 128 dots, made by `redeemd receipt image`."""


@cache
def golden_files() -> dict[Path, bytes]:
    """Every golden file's path and what it must hold: bytes for the printer and the same receipt as text."""
    files: dict[Path, bytes] = {}
    copy = marked_copy(redemption_receipt(replace(ZH, promo_token=None)), 2)
    for name, receipt in (("zh", redemption_receipt(ZH)), ("en", redemption_receipt(EN)), ("zh-copy", copy)):
        for profile in PROFILES if name == "zh" else PROFILES[:2]:
            files[GOLDEN / f"receipt-{name}-{profile.name}.escpos"] = render_escpos(receipt, profile)
        files[GOLDEN / f"receipt-{name}.txt"] = render_text(receipt, 48).encode()
        files[GOLDEN / f"receipt-{name}.json"] = receipt.to_json().encode()
    codes = Receipt((*(Barcode(data, kind) for kind, data in BARCODES), Cut()))
    logo = Receipt((Image(LOGO, "Acme 咖啡"), Cut()))
    for name, receipt in (("barcodes", codes), ("image", logo)):
        for profile in PROFILES if name == "barcodes" else PROFILES[:2]:
            files[GOLDEN / f"receipt-{name}-{profile.name}.escpos"] = render_escpos(receipt, profile)
        files[GOLDEN / f"receipt-{name}.txt"] = render_text(receipt, 48).encode()
        files[GOLDEN / f"receipt-{name}.json"] = receipt.to_json().encode()
    return files


if __name__ == "__main__":  # python -m tests.receipt_samples: after a wanted change; look at the difference
    for path in GOLDEN.glob("receipt-*"):
        path.unlink()
    for path, content in golden_files().items():
        path.write_bytes(content)
    for facts in (ZH, EN):  # those of the README
        job = read_receipt(render_escpos(redemption_receipt(facts), GENERIC_80), GENERIC_80.dots)
        png = GOLDEN.parents[1] / "docs" / "images" / f"receipt-{facts.language}.png"
        png.write_bytes(draw_png(job, side_dots=32))
