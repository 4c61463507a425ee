"""Step 5: how large a receipt is, what rendering takes, and how soon the cashier knows why nothing is printed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

from agent.receipts.escpos import render_escpos
from agent.receipts.model import Align, Columns, Cut, Qr, Receipt, Text
from agent.receipts.profile import GENERIC_80, PrinterProfile
from benchmarks.common import Benchmark, Figure, Options, alone, timed
from drivers.ports import DeviceState
from drivers.printers import NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter

BYTES_BAR = 2000
NAMED_BAR_S = 3.0
POLL_S = 0.01
TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6
WITHIN = (
    Fault.STALL,
    Fault.PAPER_OUT,
    Fault.COVER_OPEN,
    Fault.OFFLINE,
    Fault.SILENT,
    Fault.DROP,
    Fault.POWER,
)
BEFORE = (
    Fault.STALL,
    Fault.PAPER_OUT,
    Fault.COVER_OPEN,
    Fault.OFFLINE,
    Fault.SILENT,
    Fault.HANG_UP,
    Fault.NOISE,
)


def receipt() -> Receipt:
    """Forty lines: the store's name, 39 articles with prices, and a coupon's QR code."""
    articles = (Columns(f"有机全脂牛奶{number:02}", "￥12.00") for number in range(39))
    return Receipt((Text("南山路旗舰店", Align.CENTER, size=2), *articles, Qr(TOKEN), Cut()))


def rendering(options: Options) -> Iterator[Figure]:
    """Bytes of the receipt as text with a native code, and the time that it and its drawn form take."""
    size = len(render_escpos(receipt(), GENERIC_80))
    ok = size <= BYTES_BAR
    yield Figure(
        "05 receipt: 40 Chinese lines and a QR", size, "B", None, None, BYTES_BAR, ok, "value", size, size
    )
    drawn = PrinterProfile("none", 48, 576, "none", native_qr=False)
    for name, profile in (("as text", replace(GENERIC_80)), ("without a Chinese font", drawn)):
        yield alone(
            f"05 receipt: rendering {name}",
            "ms",
            timed(lambda profile=profile: render_escpos(receipt(), profile)),  # type: ignore[misc]  # bound now
            rounds=options.rounds(20),
        )


def naming(options: Options) -> Iterator[Figure]:
    """From the moment a job is sent to the moment the printer's state or the job's end names what is wrong."""
    del options
    for line in ("tcp", "pty"):
        plans = [(fault, False) for fault in BEFORE] + [(fault, True) for fault in WITHIN]
        no_socket = (Fault.HANG_UP, Fault.DROP)  # a pty cannot be hung up from the printer's end
        found = [
            asyncio.run(_named_s(line, fault, within))
            for fault, within in plans
            if line == "tcp" or fault not in no_socket
        ]
        worst = max(found)
        yield Figure(
            f"05 cause: named over {line}, the slowest of {len(found)} faults",
            round(worst, 3),
            "s",
            None,
            None,
            NAMED_BAR_S,
            worst <= NAMED_BAR_S,
            "value",
            round(min(found), 3),
            round(worst, 3),
        )


async def _named_s(line: str, fault: Fault, within: bool) -> float:
    async with VirtualPrinter() as virtual:
        printer = (
            NetworkPrinter("p", "127.0.0.1", virtual.port)
            if line == "tcp"
            else SerialPrinter("p", await virtual.open_pty(), 115200, "none")
        )
        assert (await printer.query()).ready
        virtual.set_fault(fault, in_job=within)
        started = perf_counter()
        sending = asyncio.create_task(printer.send(render_escpos(receipt(), GENERIC_80)))
        # The driver has no event for "noted": what shows the state asks for it as well.
        while printer.status().state is not DeviceState.LOST and not sending.done():  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        named_s = perf_counter() - started
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return named_s


BENCHMARKS: dict[str, Benchmark] = {"05 receipt": rendering, "05 cause": naming}
