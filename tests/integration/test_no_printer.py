"""What stands where a printer should be: another server, another device. It is named, and gets no job."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from drivers.ports import Delivery, DeviceState, PrinterCause
from drivers.printers import FilePrinter, NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter

JOB = b"\x1b@" + "合计".encode("gb18030") + b"\n\x1dVB\x00"
SOON_S = 0.5

GREETINGS = {
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n",
    "smtp": b"220 mail.example ESMTP\r\n",
    "telnet": b"\xff\xfd\x18\xff\xfd\x20login: ",
    "mysql": b"J\0\0\0\n8.0.36\0\x10\0\0\0abc\x02\x12\x33\x16XYZ\0mysql_native_password\0",  # and looks ready
    "http": b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\n\r\n<html>bad</html>",
}


@pytest.mark.parametrize("protocol", GREETINGS)
async def test_what_is_no_printer_is_a_wrong_setting_and_gets_no_job(protocol: str) -> None:
    heard, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            if protocol == "http":
                heard.extend(await reader.read(4096))
            writer.write(GREETINGS[protocol])
            await writer.drain()
            while protocol != "http" and (data := await reader.read(4096)):
                heard.extend(data)
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        printer = NetworkPrinter("p", "127.0.0.1", port, timeout_s=SOON_S)
        result = await printer.send(JOB)
        await asyncio.wait_for(ended.wait(), 10)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED), result
    assert printer.status().cause == PrinterCause.MISCONFIGURED
    assert JOB not in heard


@pytest.mark.parametrize("fault", [Fault.PAPER_OUT, Fault.COVER_OPEN, Fault.OFFLINE])
async def test_a_printer_that_stopped_is_still_a_printer(fault: Fault) -> None:
    async with VirtualPrinter() as virtual:
        virtual.set_fault(fault)
        printer = NetworkPrinter("p", "127.0.0.1", virtual.port, timeout_s=5.0)
        assert (await printer.query()).causes != (PrinterCause.MISCONFIGURED,)
        assert printer.status().cause == (await printer.query()).causes[0]


async def test_a_printer_that_cannot_answer_is_lost_until_it_takes_data_again(tmp_path: Path) -> None:
    """To ask it says nothing: it would be shown as well a moment after it took no byte."""
    device = tmp_path / "lp0"
    os.mkfifo(device)
    printer = FilePrinter("p", str(device), timeout_s=SOON_S)
    reader = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(device, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    assert (await printer.send(JOB)).delivery is Delivery.NOT_SENT
    assert (await printer.query()).ready, "it may be tried"
    assert printer.status().state is DeviceState.LOST
    with contextlib.suppress(BlockingIOError):
        while os.read(reader, 1 << 16):
            pass
    assert (await printer.send(JOB)).delivery is Delivery.UNCONFIRMED
    assert printer.status().state is DeviceState.READY
    os.close(reader)
    os.close(writer)


async def test_a_device_that_is_no_serial_line_is_a_wrong_setting() -> None:
    """Such as /dev/usb/lp0 with the kind of a serial printer."""
    printer = SerialPrinter("p", "/dev/null")
    result = await printer.send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)
    assert printer.status().state is DeviceState.MISCONFIGURED
    assert 'is kind = "file"' in result.detail
