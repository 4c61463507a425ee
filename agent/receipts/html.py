"""A receipt as HTML for the cashier page. Every text is escaped and nothing carries a style or a script: how it looks
is the page's style sheet (agent/web/style.css, `.paper`), and the page's Content-Security-Policy lets nothing else in.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape

import segno

from agent.domain import barcode
from agent.receipts.charset import printable
from agent.receipts.model import Barcode, Columns, Cut, Element, Feed, Image, Qr, Receipt, Rule, Text


def render_html(receipt: Receipt) -> str:
    """The papers as a fragment: one <div class="paper"> each."""
    opened, closed = '<div class="paper">', "</div>"
    body = "".join(closed + opened if isinstance(one, Cut) else _element(one) for one in receipt.elements)
    return (opened + body + closed).removesuffix(opened + closed)


def _element(element: Element) -> str:
    match element:
        case Text():
            return f'<p class="{element.align.value}{_style(element)}">{_text(element.text)}</p>'
        case Columns():
            sides = f"<span>{_text(element.left)}</span><span>{_text(element.right)}</span>"
            return f'<p class="columns{_style(element)}">{sides}</p>'
        case Rule():
            return "<hr>"
        case Qr():
            caption = f'<p class="center">{_text(element.caption)}</p>' if element.caption else ""
            return _symbol(element.data) + caption
        case Barcode():
            return _bars(element) + f'<p class="center">{_text(element.data)}</p>'
        case Image():
            png = b64encode(element.png).decode()
            return f'<img class="image" alt="{_text(element.words)}" src="data:image/png;base64,{png}">'
        case Feed():
            return "<br>" * element.lines
        case Cut():
            return ""


def _style(element: Text | Columns) -> str:
    return (" bold" if element.bold else "") + (f" x{element.size}" if element.size > 1 else "")


def _text(text: str) -> str:
    return escape(printable(text, "utf-8"))


def _symbol(data: str) -> str:
    """The QR code as a drawing with its quiet zone, four modules wide (ISO/IEC 18004); the text is its label."""
    code = segno.make_qr(data, error="m", boost_error=False)
    edge = len(code.matrix) + 8
    runs = "".join(
        f"M{x + 4} {y + 4}h1v1h-1z" for y, row in enumerate(code.matrix) for x, dark in enumerate(row) if dark
    )
    return (
        f'<svg class="qr" viewBox="0 0 {edge} {edge}" role="img" aria-label="{escape(data)}">'
        f'<rect width="{edge}" height="{edge}" fill="#fff"/><path d="{runs}" fill="#000"/></svg>'
    )


def _bars(element: Barcode) -> str:
    """The barcode as a drawing, a module two wide, with its quiet zones; the text is its label."""
    module, height = barcode.MODULE_DOTS_MIN, barcode.HEIGHT_DOTS
    at, bars = barcode.QUIET_MODULES * module, ""
    for place, width in enumerate(barcode.widths(barcode.elements(element.symbology, element.data), module)):
        bars += "" if place % 2 else f"M{at} 0h{width}v{height}h-{width}z"
        at += width
    across = at + barcode.QUIET_MODULES * module
    return (
        f'<svg class="barcode" viewBox="0 0 {across} {height}" role="img" aria-label="{escape(element.data)}">'
        f'<rect width="{across}" height="{height}" fill="#fff"/><path d="{bars}" fill="#000"/></svg>'
    )
