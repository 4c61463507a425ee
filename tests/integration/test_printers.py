"""Printers over real sockets, pseudo-terminals and files, in the situations that lose or double receipts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest
import serial

from drivers.escpos_reader import read_receipt
from drivers.ports import JOB_BYTES_MAX, Delivery, DeviceState, PrinterCause
from drivers.printers import FilePrinter, NetworkPrinter, SerialPrinter
from drivers.virtual_printer import Fault, VirtualPrinter, save_receipt

JOB = b"\x1b@\x1c&" + "谢谢惠顾\n".encode("gb18030") * 10 + b"\x1dVB\x00"
SOON_S = 0.3  # a bound that these tests let run out on purpose


def network(virtual: VirtualPrinter, timeout_s: float = 5.0, two_way: bool = True) -> NetworkPrinter:
    return NetworkPrinter("p", "127.0.0.1", virtual.port, timeout_s=timeout_s, two_way=two_way)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# --- nothing was sent -------------------------------------------------------------------------------------------------


async def test_a_refused_connection_sends_nothing():
    printer = NetworkPrinter("p", "127.0.0.1", unused_port())
    result = await printer.send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.UNREACHABLE)
    assert "refused" in result.detail
    assert not (await printer.query()).ready
    assert printer.status().state is DeviceState.LOST


@pytest.mark.parametrize("name", ["printer.invalid", "a..b", "x" * 64])
async def test_a_name_without_address_is_unreachable(name: str):
    result = await NetworkPrinter("p", name).send(JOB)
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.UNREACHABLE)
    assert "name is not known here" in result.detail


async def test_a_printer_that_is_silent_before_the_job_gets_nothing():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.STALL)
        result = await network(virtual, SOON_S).send(JOB)
        assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.UNREACHABLE)
        assert "that this is its port" in result.detail, "a web server waits like this for a line's end"
        virtual.set_fault(Fault.STALL, on=False)
        assert (await network(virtual).send(b"after\n\x1dV\x00")).delivery is Delivery.CONFIRMED
        assert virtual.jobs == [b"after\n\x1dV\x00"]


async def test_a_job_beyond_the_bound_is_refused_before_the_device_is_opened():
    result = await NetworkPrinter("p", "127.0.0.1", unused_port()).send(bytes(JOB_BYTES_MAX + 1))
    assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.MISCONFIGURED)


# --- sent, and not known to be printed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.PAPER_OUT, PrinterCause.PAPER_OUT),
        (Fault.COVER_OPEN, PrinterCause.COVER_OPEN),
        (Fault.OFFLINE, PrinterCause.OFFLINE),
        (Fault.SILENT, PrinterCause.UNREACHABLE),
        (Fault.STALL, PrinterCause.UNREACHABLE),
    ],
)
async def test_a_printer_that_stops_within_the_job_leaves_it_unconfirmed(fault, cause):
    async with VirtualPrinter() as virtual:
        virtual.set_fault(fault, in_job=True)
        result = await network(virtual, SOON_S).send(JOB)
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, cause)
        assert result.detail
        virtual.set_fault(fault, on=False)
        assert (await virtual.wait_for_jobs(1))[0] == JOB, "a real printer prints later what it kept"


async def test_a_connection_cut_within_the_job_is_unconfirmed():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.DROP)
        result = await network(virtual).send(JOB)
        assert result.delivery is Delivery.UNCONFIRMED
        stub = (await virtual.wait_for_jobs(1))[0]
        assert len(stub) < len(JOB)
        assert JOB.startswith(stub)


async def test_a_job_that_fills_every_buffer_of_a_stalled_printer_ends():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.STALL, in_job=True)
        result = await network(virtual, SOON_S).send(b"\x1b@" + b"x\n" * 100_000)
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, PrinterCause.UNREACHABLE)
        assert "of 200002 bytes" in result.detail


async def test_a_one_way_printer_is_sent_to_unasked_and_confirms_nothing():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.SILENT)
        printer = network(virtual, two_way=False)
        assert (await printer.query()).ready
        result = await printer.send(JOB)
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, None)
        assert await virtual.wait_for_jobs(1) == [JOB]


async def test_a_slow_line_is_waited_for():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.SLOW)
        assert (await network(virtual).send(JOB[:64] + b"\x1dV\x00")).delivery is Delivery.CONFIRMED


async def test_a_job_cut_off_inside_a_picture_does_not_swallow_the_next_one():
    band = b"\x1dv0\x00\x48\x00\x60\x00" + b"\xaa" * (72 * 96)
    async with VirtualPrinter() as virtual:
        printer = SerialPrinter("p", await virtual.open_pty(), flow="none", timeout_s=SOON_S)
        virtual.set_fault(Fault.STALL, in_job=True)
        first = await printer.send(b"\x1b@" + band * 20 + b"\x1dV\x00")
        assert (first.delivery, first.cause) == (Delivery.UNCONFIRMED, PrinterCause.UNREACHABLE)
        virtual.set_fault(Fault.STALL, on=False)
        assert (await printer.send(JOB)).delivery is Delivery.CONFIRMED
        assert virtual.jobs[-1].endswith(JOB)
        assert read_receipt(virtual.jobs[-1]).text.endswith("谢谢惠顾\n" * 10 + "- " * 23 + "-\n")


async def test_a_job_that_an_earlier_process_cut_off_does_not_swallow_the_next_one():
    band = b"\x1dv0\x00\x48\x00\x60\x00" + b"\xaa" * (72 * 96)
    async with VirtualPrinter() as virtual:
        port = await virtual.open_pty()
        virtual.set_fault(Fault.STALL, in_job=True)
        before = SerialPrinter("p", port, flow="none", timeout_s=SOON_S)
        assert (await before.send(b"\x1b@" + band * 20 + b"\x1dV\x00")).delivery is Delivery.UNCONFIRMED
        virtual.set_fault(Fault.STALL, on=False)
        printer = SerialPrinter("p", port, flow="none", timeout_s=SOON_S)
        printer.expect_rest()
        assert (await printer.send(JOB)).delivery is Delivery.CONFIRMED
        assert read_receipt(virtual.jobs[-1]).text.endswith("谢谢惠顾\n" * 10 + "- " * 23 + "-\n")


async def test_bytes_lost_in_a_picture_do_not_swallow_the_next_job():
    """The picture takes the sentinel and would take the next job's ESC @: its end is filled up first."""
    band = b"\x1dv0\x00\x30\x00\x30\x00" + b"\xaa" * (48 * 48 - 300)
    async with VirtualPrinter() as virtual:
        printer = SerialPrinter("p", await virtual.open_pty(), flow="none", timeout_s=SOON_S)
        first = await printer.send(b"\x1b@" + band)
        assert (first.delivery, first.cause) == (Delivery.UNCONFIRMED, None)
        assert (await printer.send(JOB)).delivery is Delivery.CONFIRMED
        assert read_receipt(virtual.jobs[-1]).text.endswith("谢谢惠顾\n" * 10 + "- " * 23 + "-\n")


# --- whose answer is it? ----------------------------------------------------------------------------------------------


async def test_an_answer_to_an_earlier_job_does_not_confirm_a_later_one():
    """Job 1 waits in a stopped printer. Its late answer arrives while job 2 is under way, and job 2 gets stuck."""
    async with VirtualPrinter() as virtual:
        printer = SerialPrinter("p", await virtual.open_pty(), flow="none", timeout_s=SOON_S)
        virtual.set_fault(Fault.PAPER_OUT, in_job=True)
        assert (await printer.send(JOB)).delivery is Delivery.UNCONFIRMED
        virtual.set_fault(Fault.PAPER_OUT, on=False)
        await virtual.wait_for_jobs(1)

        virtual.set_fault(Fault.COVER_OPEN, in_job=True)
        result = await printer.send(b"second\n\x1dV\x00")
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, PrinterCause.COVER_OPEN)

        virtual.set_fault(Fault.COVER_OPEN, on=False)
        assert (await printer.send(b"third\n\x1dV\x00")).delivery is Delivery.CONFIRMED
        assert virtual.jobs == [JOB, b"second\n\x1dV\x00", b"third\n\x1dV\x00"]


@pytest.mark.parametrize("noise", [b"\x11\x13", b"\x10\x00\x00\x00", b"\x14\x00\x00\x0f\x11", b"\xff\xfe"])
async def test_flow_control_automatic_status_and_noise_confirm_nothing(noise):
    """A printer that answers status, then sends `noise` behind the job and never the sentinel's answer."""

    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                asked = data.count(b"\x10\x04")
                writer.write(b"\x12" * asked if asked else noise)
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await NetworkPrinter("p", "127.0.0.1", port, timeout_s=SOON_S).send(b"x\n")
        assert result.delivery is Delivery.UNCONFIRMED
        await hung_up.wait()


@pytest.mark.parametrize(("answers", "delivery"), [(2, Delivery.CONFIRMED), (1, Delivery.UNCONFIRMED)])
async def test_who_prints_for_long_answers_both_sentinels_and_who_lost_the_job_one(
    answers, delivery, monkeypatch
):
    """A printer that is ready and says nothing of the job is asked a second time: one that was switched off and on has
    forgotten the first question with the job."""
    monkeypatch.setattr("drivers.printer_conversation.PATIENCE_S", 0.05)

    hung_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(b"\x12" * data.count(b"\x10\x04"))
                asked += data.count(b"\x1dr")
                if asked == 2:
                    writer.write(b"\x00" * answers)
                    asked = 0
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await NetworkPrinter("p", "127.0.0.1", port, timeout_s=5).send(JOB)
        assert (result.delivery, result.cause) == (delivery, None)
        assert ("switched off and on" in result.detail) == (answers == 1)
        await hung_up.wait()


# --- serial line and device file --------------------------------------------------------------------------------------


async def test_a_missing_device_is_never_made_into_a_file(tmp_path):
    for printer in (FilePrinter("p", str(tmp_path / "lp0")), SerialPrinter("p", str(tmp_path / "ttyS9"))):
        result = await printer.send(JOB)
        assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.UNREACHABLE)
        assert "No such file" in result.detail
        assert printer.status().state is DeviceState.LOST
    assert not list(tmp_path.iterdir())


async def test_a_folder_is_a_wrong_setting(tmp_path):
    printer = FilePrinter("p", str(tmp_path))
    assert (await printer.query()).causes == (PrinterCause.MISCONFIGURED,)
    assert printer.status().state is DeviceState.MISCONFIGURED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
async def test_a_device_without_permission_is_denied(tmp_path):
    device = tmp_path / "lp0"
    device.touch(mode=0)
    printer = FilePrinter("p", str(device))
    assert (await printer.query()).causes == (PrinterCause.MISCONFIGURED,)
    assert printer.status().state is DeviceState.DENIED


async def test_a_line_held_by_another_program_is_denied():
    async with VirtualPrinter() as virtual:
        device = await virtual.open_pty()
        with serial.Serial(device, exclusive=True):
            result = await SerialPrinter("p", device, timeout_s=SOON_S).send(JOB)
        assert result.delivery is Delivery.NOT_SENT
        assert "another program" in result.detail


async def test_a_device_that_cannot_be_read_is_never_confirmed(tmp_path):
    device = tmp_path / "lp0"
    device.touch()
    printer = FilePrinter("p", str(device))
    assert (await printer.query()).ready
    for _ in range(2):
        result = await printer.send(JOB)
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, None)
    assert device.read_bytes() == JOB * 2


async def test_a_silent_device_file_counts_as_one_way_until_it_has_answered():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.SILENT)
        printer = FilePrinter("p", await virtual.open_pty(), timeout_s=SOON_S)
        assert (await printer.send(JOB)).delivery is Delivery.UNCONFIRMED
        virtual.set_fault(Fault.SILENT, on=False)
        assert (await printer.send(JOB)).delivery is Delivery.CONFIRMED
        virtual.set_fault(Fault.SILENT)
        result = await printer.send(JOB)
        assert (result.delivery, result.cause) == (Delivery.NOT_SENT, PrinterCause.UNREACHABLE)


async def test_a_stopped_serial_printer_does_not_hold_up_the_till():
    """More than the line's buffer: the write is bounded, and closing does not wait for the rest."""
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.STALL, in_job=True)
        printer = SerialPrinter("p", await virtual.open_pty(), flow="none", timeout_s=SOON_S)
        result = await printer.send(b"\x1b@" + b"x\n" * 50_000)
        assert (result.delivery, result.cause) == (Delivery.UNCONFIRMED, PrinterCause.UNREACHABLE)


async def test_waiting_for_a_printer_does_not_block_the_event_loop():
    async with VirtualPrinter() as virtual:
        virtual.set_fault(Fault.STALL, in_job=True)
        sending = asyncio.create_task(network(virtual, SOON_S).send(JOB))
        turns = 0
        while not sending.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5


async def test_a_cancelled_job_releases_the_printer():
    async with VirtualPrinter() as virtual:
        printer = network(virtual)
        virtual.set_fault(Fault.PAPER_OUT, in_job=True)
        sending = asyncio.create_task(printer.send(JOB))
        await virtual.wait_until_stopped()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        virtual.set_fault(Fault.PAPER_OUT, on=False)
        assert (await printer.send(JOB)).delivery is Delivery.CONFIRMED


# --- the virtual printer as a program ---------------------------------------------------------------------------------


def test_a_saved_receipt_is_bytes_text_and_picture(tmp_path):
    saved = save_receipt(JOB, tmp_path / "receipts", 7)
    assert saved.escpos.read_bytes() == JOB
    assert saved.text.read_text(encoding="utf-8").startswith("谢谢惠顾\n")
    assert saved.png.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (tmp_path / "receipts").iterdir()} == {"7.escpos", "7.txt", "7.png"}
