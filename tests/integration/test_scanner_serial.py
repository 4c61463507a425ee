"""The serial scanner on real lines: a pty, a device server on TCP, and lines that may not be opened."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from drivers.ports import DeviceState, Scan
from drivers.serial_scanner import SerialScanner, SerialSettings, explain_open_error
from drivers.virtual_scanner import VirtualScanner
from tests.integration.scanner_kit import running

TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6


async def test_a_code_arrives_with_its_source_and_time():
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("lane 1", device.port))) as run:
            await run.until(DeviceState.READY)
            before = time.monotonic()
            device.scan(TOKEN)
            scan = await run.scan()
            assert (scan.text, scan.source) == (TOKEN, "lane 1")
            assert before <= scan.at <= time.monotonic()
            assert run.source.status().detail == ""


async def test_quick_scans_keep_their_order_and_are_not_glued():
    texts = [f"{TOKEN}{number}" for number in range(30)]
    with VirtualScanner(suffix=b"\r\n") as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            await run.until(DeviceState.READY)
            sending = asyncio.create_task(
                asyncio.to_thread(device.send, b"".join(text.encode() + b"\r\n" for text in texts))
            )
            assert [(await run.scan()).text for _ in texts] == texts
            await sending


async def test_unplugged_and_plugged_in_again():
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            await run.until(DeviceState.READY)
            device.unplug()
            assert "s" in await run.until(DeviceState.LOST)
            device.replug()
            await run.until(DeviceState.READY)
            device.scan("BACK")
            assert (await run.scan()).text == "BACK"


async def test_unplugged_in_the_middle_of_a_code():
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            await run.until(DeviceState.READY)
            device.send(b"FIRST\rHALF")
            assert (await run.scan()).text == "FIRST"
            device.unplug()
            assert (await run.fault()).code == "incomplete"
            device.replug()
            await run.until(DeviceState.READY)
            device.scan("WHOLE")
            assert (await run.scan()).text == "WHOLE"


async def test_a_scanner_without_a_suffix_is_named():
    with VirtualScanner(suffix=b"") as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            await run.until(DeviceState.READY)
            device.scan("RC1AB")
            fault = await run.fault()
            assert fault.code == "incomplete"
            assert "line end" in fault.detail


async def test_a_missing_port_is_waited_for(tmp_path: Path):
    link = tmp_path / "scanner"
    async with running(SerialScanner(SerialSettings("s", str(link)))) as run:
        assert f"{link} does not exist" in await run.until(DeviceState.LOST)
        with VirtualScanner(link) as device:
            await run.until(DeviceState.READY)
            device.scan("HERE")
            assert (await run.scan()).text == "HERE"
    assert not link.is_symlink()


async def test_a_port_that_another_program_holds_is_denied_until_it_lets_go():
    with VirtualScanner() as device:
        other = serial.Serial(device.port, exclusive=True)
        try:
            async with running(SerialScanner(SerialSettings("s", device.port))) as run:
                assert "another program" in await run.until(DeviceState.DENIED)
                other.close()
                await run.until(DeviceState.READY)
        finally:
            other.close()


async def test_a_port_without_permission_is_denied_until_it_is_given():
    with VirtualScanner() as device:
        source = SerialScanner(SerialSettings("s", device.port))
        os.chmod(device.port, 0)
        try:
            with ordinary_user():
                async with running(source) as run:
                    assert "group dialout" in await run.until(DeviceState.DENIED)
            async with running(source) as run:
                os.chmod(device.port, 0o600)
                await run.until(DeviceState.READY)
        finally:
            os.chmod(device.port, 0o600)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may open anything: be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("baud", [9600, 115200])
async def test_ten_thousand_codes_without_a_pause_all_come_and_none_are_glued(baud: int):
    codes = [f"RC1{number:06}" for number in range(10_000)]
    texts: list[str] = []
    complete = asyncio.Event()

    def on_scan(scan: Scan) -> None:
        texts.append(scan.text)
        if len(texts) == len(codes):
            complete.set()

    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port, baud)), on_scan) as run:
            await run.until(DeviceState.READY)
            sending = asyncio.to_thread(device.send, "".join(f"{code}\r" for code in codes).encode())
            await asyncio.gather(sending, asyncio.wait_for(complete.wait(), 30))
            assert run.faults.empty()
    assert texts == codes


async def test_a_line_pulled_a_hundred_times_is_always_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "drivers.state.FIRST_DELAY_S", 0.001
    )  # benchmarks/step04.py measures with the real ones
    monkeypatch.setattr("drivers.state.LAST_DELAY_S", 0.01)
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            for number in range(100):
                await run.until(DeviceState.READY)
                device.scan(f"RC1{number}")
                assert (await run.scan()).text == f"RC1{number}"
                device.unplug()
                await run.until(DeviceState.LOST)
                device.replug()
            assert run.faults.empty()


async def test_a_line_that_falls_silent_is_not_lost():
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port, gap_s=0.02))) as run:
            await run.until(DeviceState.READY)
            since = run.source.status().since
            device.send(b"HALF")
            assert (await run.fault()).code == "incomplete"
            device.scan("WHOLE")
            assert (await run.scan()).text == "WHOLE"
            assert run.source.status().since == since, "nothing happened to the line"


def test_a_virtual_scanner_that_nobody_reads_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("drivers.virtual_scanner.SEND_TIMEOUT_S", 0.01)
    with VirtualScanner() as device:
        with pytest.raises(TimeoutError, match="nobody reads"):
            device.send(b"X" * 100_000)
        device.unplug()
        device.unplug()
        with pytest.raises(OSError, match="Bad file descriptor"):
            device.scan("X")


def test_the_drivers_cost_little_to_import():
    """The till holds at most 80 MB without a camera: the big libraries are loaded by the device that needs them."""
    program = (
        "import sys, drivers.serial_scanner, drivers.wedge, drivers.camera, drivers.pictures;"
        "print(sorted({'cv2', 'numpy', 'evdev', 'zxingcpp', 'pyzbar', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


async def test_while_it_reads_nobody_else_may():
    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port))) as run:
            await run.until(DeviceState.READY)
            with pytest.raises(serial.SerialException, match="exclusively lock"):
                serial.Serial(device.port, exclusive=True)
        serial.Serial(device.port, exclusive=True).close()  # and it lets go when it ends


async def test_what_is_no_serial_line_says_so(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    async with running(SerialScanner(SerialSettings("s", str(file)))) as run:
        assert "cannot be opened as a serial line" in await run.until(DeviceState.LOST)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (SerialSettings("s", "{port}", baud=-1), "baud"),
        (SerialSettings("s", "{port}", parity="perhaps"), "parity"),
        (SerialSettings("s", "{port}", bytesize=9), "byte size"),
    ],
)
async def test_a_setting_that_cannot_work_is_final(settings: SerialSettings, word: str):
    with VirtualScanner() as device:
        settings = replace(settings, port=settings.port.format(port=device.port))
        async with running(SerialScanner(settings)) as run:
            assert word in (await run.until(DeviceState.MISCONFIGURED)).lower()


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (errno.EACCES, DeviceState.DENIED, "group dialout"),
        (errno.EPERM, DeviceState.DENIED, "group dialout"),
        (errno.EBUSY, DeviceState.DENIED, "another program"),
        (errno.EAGAIN, DeviceState.DENIED, "another program"),
        (errno.ENOENT, DeviceState.LOST, "plug the scanner in"),
        (errno.EIO, DeviceState.LOST, "correct `port`"),
    ],
)
def test_every_refusal_says_what_to_do(code: int, state: DeviceState, words: str):
    refusal = explain_open_error("/dev/ttyX", serial.SerialException(code, os.strerror(code)))
    assert refusal.state is state
    assert words in str(refusal)
    assert "/dev/ttyX" in str(refusal)


async def test_a_device_server_on_tcp_goes_and_comes_back():
    connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.put_nowait(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    async with server, running(SerialScanner(SerialSettings("s", f"socket://{host}:{port}"))) as run:
        for text in ("FIRST", "SECOND"):
            writer = await asyncio.wait_for(connected.get(), 10)
            await run.until(DeviceState.READY)
            writer.write(f"{text}\r\n".encode())
            assert (await run.scan()).text == text
            writer.close()
            await writer.wait_closed()


async def test_a_device_server_that_is_off_is_lost():
    async with running(SerialScanner(SerialSettings("s", "socket://127.0.0.1:1"))) as run:
        assert "does not answer" in await run.until(DeviceState.LOST)


async def test_cancelling_leaves_no_thread_and_no_descriptor():
    with VirtualScanner() as device:
        await asyncio.to_thread(lambda: None)  # the loop's own pool exists before we count
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            async with running(SerialScanner(SerialSettings("s", device.port))) as run:
                await run.until(DeviceState.READY)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert threading.active_count() <= threads + 2  # pool threads, never one per run


async def test_a_bug_of_the_caller_comes_out_of_run():
    def broken(_: Scan) -> None:
        raise OSError("a bug that looks like a lost line")

    with VirtualScanner() as device:
        async with running(SerialScanner(SerialSettings("s", device.port)), on_scan=broken) as run:
            await run.until(DeviceState.READY)
            device.scan("A")
            with pytest.raises(OSError, match="a bug"):
                await run.ended()
