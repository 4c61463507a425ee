"""Step 4: whether scanners are read without a slip, how fast, and how soon one that was pulled out is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import perf_counter

from benchmarks.common import Benchmark, Figure, Options
from drivers.ports import DeviceState, Scan
from drivers.serial_scanner import SerialScanner, SerialSettings
from drivers.virtual_scanner import VirtualScanner
from tests.simulation.test_wedge_stream import SETTINGS, play

CODES = 10_000
PULLS = 100
BACK_BAR_S = 2.0
SCAN_TIMEOUT_S = 20.0


class _Reader:
    """A serial scanner that is being read."""

    def __init__(self, port: str, baud: int):
        self.source = SerialScanner(SerialSettings("bench", port, baud))
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.faults = 0

    def on_scan(self, scan: Scan) -> None:
        self.texts.put_nowait(scan.text)

    def on_fault(self, _fault: object) -> None:
        self.faults += 1

    async def text(self) -> str:
        return await asyncio.wait_for(self.texts.get(), SCAN_TIMEOUT_S)

    async def until(self, state: DeviceState) -> None:
        async with asyncio.timeout(SCAN_TIMEOUT_S):
            while self.source.status().state is not state:  # noqa: ASYNC110  a status is asked for, it tells nobody
                await asyncio.sleep(0.0005)


@asynccontextmanager
async def _reading(port: str, baud: int) -> AsyncIterator[_Reader]:
    reader = _Reader(port, baud)
    task = asyncio.create_task(reader.source.run(reader.on_scan, reader.on_fault))
    try:
        await reader.until(DeviceState.READY)
        yield reader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _burst_s(baud: int, count: int) -> float:
    """Seconds for `count` codes without a pause; none may be lost, none glued."""
    codes = [f"RC1{number:06}" for number in range(count)]
    stream = "".join(f"{code}\r" for code in codes).encode()
    with VirtualScanner() as device:
        async with _reading(device.port, baud) as reader:
            start = perf_counter()
            sending = asyncio.create_task(asyncio.to_thread(device.send, stream))
            came = [await reader.text() for _ in codes]
            took = perf_counter() - start
            await sending
            assert came == codes
            assert reader.faults == 0
    return took


async def _pulls_s(count: int) -> list[float]:
    """Seconds from plugging in to a scan, each time."""
    took = []
    with VirtualScanner() as device:
        async with _reading(device.port, 9600) as reader:
            for number in range(count):
                device.unplug()
                await reader.until(DeviceState.LOST)
                start = perf_counter()
                device.replug()
                await reader.until(DeviceState.READY)
                device.scan(f"RC1{number}")
                assert await reader.text() == f"RC1{number}"
                took.append(perf_counter() - start)
    return took


def bursts(options: Options) -> Iterator[Figure]:
    """10,000 codes back to back over a pseudo-terminal: what a line carries must never be more than we read."""
    count = CODES // 10 if options.quick else CODES
    for baud in (9600, 115_200):
        rates = [count / asyncio.run(_burst_s(baud, count)) for _ in range(3)]
        yield _figure(f"04 scanner: codes a second at {baud} baud", "/s", rates, bar=None)


def wedge(options: Options) -> Iterator[Figure]:
    """10,000 scans as keyboard scanners really type them, cuts included: how many differ from what was meant."""
    each = (CODES // 10 if options.quick else CODES) // len(SETTINGS) + 1
    wrong = 0
    for number, setting in enumerate(SETTINGS):
        came, meant = play(each, 4711 + number, *setting)
        wrong += sum(a != b for a, b in zip(came, meant, strict=False)) + abs(len(came) - len(meant))
    yield _figure("04 scanner: wedge scans that differ, of 10,000", "", [wrong], bar=0)


def pulls(options: Options) -> Iterator[Figure]:
    """A line pulled out and plugged in again, the longest of all times."""
    took = asyncio.run(_pulls_s(PULLS // 10 if options.quick else PULLS))
    yield _figure("04 scanner: back after it was pulled", "s", took, bar=BACK_BAR_S, worst=True)


def _figure(
    name: str, unit: str, values: Sequence[float], bar: float | None, *, worst: bool = False
) -> Figure:
    value = max(values) if worst else sorted(values)[len(values) // 2]
    ok = bar is None or value <= bar
    least, most = round(min(values), 3), round(max(values), 3)
    return Figure(name, round(value, 3), unit, None, None, bar, ok, "value", least, most)


BENCHMARKS: dict[str, Benchmark] = {
    "04 scanner: codes": bursts,
    "04 scanner: wedge": wedge,
    "04 scanner: back": pulls,
}
