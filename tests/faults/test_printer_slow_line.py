"""A line that takes a receipt slowly, and moves, is no printer that does not answer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from drivers import printer_conversation, printers
from drivers.ports import Delivery, DeviceState
from drivers.printer_status import PAPER_SENSOR
from drivers.printers import NetworkPrinter

JOB = b"x" * 60_000 + b"\n\x1dV\x00"
STEP_BYTES, STEP_S = 4000, 0.1
SLOW_BYTES = 40_000
"""So many are taken slowly; by then the rest has left the till's own queue."""
READY = {1: 0x16, 2: 0x12, 4: 0x12}


async def test_a_slow_line_is_not_asked_while_it_takes_the_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question would stand behind the receipt, and its answer come too late: it was said not to answer."""
    monkeypatch.setattr(printer_conversation, "PATIENCE_S", 0.5)
    monkeypatch.setattr(
        printers, "SEND_BUFFER_BYTES", 1 << 16
    )  # as a serial line takes a whole receipt at once
    taken, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(STEP_BYTES):
            taken.extend(data)
            if b"\x10\x04" in data[-3:]:
                writer.write(bytes((READY[data[-1]],)))
            elif taken.endswith(PAPER_SENSOR):
                writer.write(b"\0")
            elif len(taken) < SLOW_BYTES:
                await asyncio.sleep(STEP_S)
        writer.close()
        await writer.wait_closed()
        ended.set()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with await asyncio.start_server(serve, sock=listener, limit=STEP_BYTES):
        printer = NetworkPrinter("p", "127.0.0.1", listener.getsockname()[1])
        result = await printer.send(JOB)
        await asyncio.wait_for(ended.wait(), 20)
    assert result.delivery is Delivery.CONFIRMED
    assert printer.status().state is DeviceState.READY
    assert bytes(taken).partition(JOB[:9])[2] == JOB[9:] + PAPER_SENSOR, "nothing was asked meanwhile"
