"""An image on its way: from the document that is kept over a real socket to the paper of the virtual printer."""

from __future__ import annotations

import msgspec

from agent.domain import shop
from agent.domain.image import read_image
from agent.receipts.escpos import render_escpos
from agent.receipts.maker import document_of
from agent.receipts.papers import Papers
from agent.receipts.profile import GENERIC_80
from drivers.escpos_reader import Raster, read_receipt
from drivers.ports import Delivery
from drivers.printers import NetworkPrinter
from drivers.virtual_printer import VirtualPrinter
from tests.receipt_samples import LOGO, ZH

TEMPLATE = b"receipt 1 redemption\nimage logo.png: {store}\ntext: {number}\n"


async def test_the_copy_has_the_dots_that_were_printed_although_the_image_is_gone() -> None:
    held: list[tuple[shop.Template, ...]] = [
        (shop.Template("receipt", 1, TEMPLATE), shop.Template("logo.png", 1, LOGO))
    ]
    papers = Papers("", lambda: held[0])
    kept = papers.lay_out(msgspec.json.encode(ZH).decode())
    held[0] = ()
    async with VirtualPrinter() as virtual:
        printer = NetworkPrinter("p", "127.0.0.1", virtual.port, 5.0)
        for copies in (0, 1):
            result = await printer.send(render_escpos(document_of(kept, copies), GENERIC_80))
            assert result.delivery is Delivery.CONFIRMED
        first, copy = (read_receipt(job, GENERIC_80.dots) for job in virtual.jobs)
    for printed in (first, copy):
        assert printed.problems == ()
        rows = [row for mark in printed.marks if isinstance(mark, Raster) for row in mark.rows]
        assert tuple(rows)[: len(read_image(LOGO).rows)] == read_image(LOGO).rows
    assert "重打" not in first.text
    assert "重打" in copy.text
