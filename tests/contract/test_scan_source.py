"""What every `ScanSource` keeps, whatever the hardware: the same expectations over each of them.

The serial line is a pty, device server and network scanner are TCP sockets, the camera an HTTP stream read by OpenCV.
The wedge reads real `input_event` records through python-evdev, and the HID scanner real reports, from a socket in
place of the kernel's device (tests/integration has the wedge on a mocked kernel device as well).
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.camera import Camera, CameraSettings
from drivers.hid_scanner import HidScanner, HidSettings
from drivers.network_scanner import NetworkScanner, NetworkSettings
from drivers.ports import DeviceState, Scan, ScanSource
from drivers.serial_scanner import SerialScanner, SerialSettings
from drivers.virtual_scanner import VirtualScanner
from drivers.wedge import WedgeScanner, WedgeSettings
from tests.integration.hid_kit import FedHid
from tests.integration.picture_kit import PictureStream, counter, qr
from tests.integration.scanner_kit import running
from tests.integration.wedge_kit import VENDOR, FedKeyboard, typed

TOKENS = [f"RC1{number}" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6 for number in (2, 3, 4)]


class Bench(ABC):
    """A source with its device. `plug` and `unplug` may be called again and again; it begins unplugged."""

    source: ScanSource

    @abstractmethod
    async def plug(self) -> None: ...

    @abstractmethod
    async def unplug(self) -> None: ...

    @abstractmethod
    async def present(self, text: str) -> None:
        """Hold one code before the device."""


class SerialBench(Bench):
    def __init__(self, folder: Path):
        self.device = VirtualScanner(folder / "scanner")
        self.source = SerialScanner(SerialSettings("one", self.device.port))

    async def plug(self) -> None:
        self.device.replug()

    async def unplug(self) -> None:
        self.device.unplug()

    async def present(self, text: str) -> None:
        self.device.scan(text)


class TcpBench(Bench):
    """A scanner that listens on the network, or a serial one behind a serial-to-Ethernet box."""

    def __init__(self, *, behind_a_box: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.server: asyncio.Server | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.accepted = asyncio.Event()
        self.source = (
            SerialScanner(SerialSettings("one", f"socket://127.0.0.1:{self.port}", suffix="lf"))
            if behind_a_box
            else NetworkScanner(NetworkSettings("one", "127.0.0.1", self.port))
        )

    async def plug(self) -> None:
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _connected(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.writer is not None:
            self.writer.close()  # the connection before has ended
        self.writer = writer
        self.accepted.set()

    async def unplug(self) -> None:
        if self.server is not None:
            self.server.close()
        if self.writer is not None:
            self.writer.close()
        self.server = self.writer = None
        self.accepted.clear()

    async def present(self, text: str) -> None:
        await asyncio.wait_for(self.accepted.wait(), 10)
        assert self.writer is not None
        self.writer.write(text.encode() + b"\r\n")


class WedgeBench(Bench):
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.device = FedKeyboard(folder, patch)
        self.source = WedgeScanner(WedgeSettings("one", vendor=f"{VENDOR:04x}", layout="de"))

    async def plug(self) -> None:
        self.device.plug()

    async def unplug(self) -> None:
        self.device.unplug()

    async def present(self, text: str) -> None:
        self.device.send(typed(text, "de"))


class HidBench(Bench):
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.device = FedHid(folder, patch)
        self.source = HidScanner(HidSettings("one", vendor="0c2e"))

    async def plug(self) -> None:
        self.device.plug()

    async def unplug(self) -> None:
        self.device.unplug()

    async def present(self, text: str) -> None:
        self.device.scan(text.encode())


class CameraBench(Bench):
    def __init__(self) -> None:
        self.stream = PictureStream(counter())
        self.running = False

    async def plug(self) -> None:
        await self.stream.start()
        self.running = True

    async def unplug(self) -> None:
        if self.running:
            await self.stream.stop()
        self.running = False

    async def present(self, text: str) -> None:
        self.stream.picture = counter(qr(text, 3))


@pytest.fixture(params=["serial", "device server", "network", "wedge", "hid", "camera"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    made: Bench
    if request.param == "serial":
        made = SerialBench(tmp_path)
    elif request.param in ("device server", "network"):
        made = TcpBench(behind_a_box=request.param == "device server")
    elif request.param == "hid":
        made = HidBench(tmp_path, monkeypatch)
    elif request.param == "wedge":
        made = WedgeBench(tmp_path, monkeypatch)
    else:
        made = CameraBench()
        await made.plug()  # the address is known only now
        made.source = Camera(CameraSettings("one", made.stream.url, fps=50, decoders=("zxing",)))
        await made.unplug()
    yield made
    await made.unplug()


async def test_before_it_runs_it_has_a_name_and_is_starting(bench: Bench):
    status = bench.source.status()
    assert bench.source.name == status.name == "one"
    assert status.kind
    assert status.state is DeviceState.STARTING
    assert status.since <= time.monotonic()


async def test_codes_arrive_whole_in_order_and_in_the_loops_thread(bench: Bench):
    threads: set[int] = set()
    scans: asyncio.Queue[Scan] = asyncio.Queue()

    def on_scan(scan: Scan) -> None:
        threads.add(threading.get_ident())
        scans.put_nowait(scan)

    await bench.plug()
    async with running(bench.source, on_scan) as run:
        assert await run.until(DeviceState.READY) == ""
        for token in TOKENS:
            before = time.monotonic()
            await bench.present(token)
            scan = await asyncio.wait_for(scans.get(), 30)
            assert (scan.text, scan.source) == (token, "one")
            assert before <= scan.at <= time.monotonic()
        assert scans.empty()
        assert run.faults.empty()
    assert threads == {threading.get_ident()}


async def test_a_device_that_is_not_there_is_waited_for(bench: Bench):
    async with running(bench.source) as run:
        assert len(await run.until(DeviceState.LOST)) > 20, "it says what is wrong and what to do"
        await bench.plug()
        await run.until(DeviceState.READY)
        await bench.present(TOKENS[0])
        assert (await run.scan()).text == TOKENS[0]


async def test_a_device_that_goes_and_comes_back(bench: Bench):
    await bench.plug()
    async with running(bench.source) as run:
        await run.until(DeviceState.READY)
        since = bench.source.status().since
        await bench.present(TOKENS[0])
        await run.scan()
        assert bench.source.status().since == since, "nothing changed"
        await bench.unplug()
        assert await run.until(DeviceState.LOST)
        lost = bench.source.status().since
        assert lost > since
        await bench.plug()
        await run.until(DeviceState.READY)
        assert bench.source.status().since > lost
        await bench.present(TOKENS[1])
        assert (await run.scan()).text == TOKENS[1]
        assert run.faults.empty()


async def test_it_can_be_run_again_after_it_was_cancelled(bench: Bench):
    await bench.plug()
    for token in TOKENS[:2]:
        assert bench.source.status().state is DeviceState.STARTING, "READY means that it works now"
        async with running(bench.source) as run:
            await run.until(DeviceState.READY)
            await bench.present(token)
            assert (await run.scan()).text == token
            if isinstance(bench, CameraBench):
                bench.stream.picture = counter()


async def test_an_error_of_the_callback_is_not_swallowed(bench: Bench):
    def broken(_: Scan) -> None:
        raise ZeroDivisionError

    await bench.plug()
    async with running(bench.source, on_scan=broken) as run:
        await run.until(DeviceState.READY)
        await bench.present(TOKENS[0])
        with pytest.raises(ZeroDivisionError):
            await run.ended()
