"""Reading a device from the event loop: open it, wait until it speaks, lose it, open it again.

Measured on a pty, line end to callback: 61-77 µs this way against 104-150 µs with a reading thread, and no thread is
left behind. Opening is done off the loop, because it may wait for hardware or a network.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from drivers.commanded import Commands, Mouth, Writable
from drivers.framing import Framer
from drivers.ports import DeviceState, DeviceStatus, Scan, ScanFault
from drivers.state import DeviceUnavailable, RetryDelay, StatusBoard

_GAP_CHECK_S = 0.1
_READS_MAX = 64  # one after another, so that no device keeps the loop

Found = list[Scan | ScanFault]


class OpenDevice(Protocol):
    """A device that was opened and has a file descriptor to wait for."""

    def fileno(self) -> int: ...

    def pull(self, framer: Framer) -> Found:
        """Read what is there and feed it. Raises OSError when the device is gone, BlockingIOError for nothing."""

    def close(self) -> None: ...


class Scanner:
    """A `ScanSource` over one device at a time.

    kind: of its status. open_device: blocks, raises DeviceUnavailable; MISCONFIGURED is final, nothing more is tried.
    commands: what the device takes, None where it takes none; `mouth` says them while a device is there.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        framer: Framer,
        open_device: Callable[[], OpenDevice],
        commands: Commands | None = None,
    ):
        self.name = name
        self._framer = framer
        self._board = StatusBoard(name, kind)
        self._open_device = open_device
        self.mouth = None if commands is None else Mouth(commands)

    def status(self) -> DeviceStatus:
        return self._board.current

    async def run(self, on_scan: Callable[[Scan], None], on_fault: Callable[[ScanFault], None]) -> None:
        """Read until cancelled; open again whenever the device goes away."""
        await _read_until_cancelled(
            self._open_device, self._framer, self._board, on_scan, on_fault, self.mouth
        )


async def _read_until_cancelled(
    open_device: Callable[[], OpenDevice],
    framer: Framer,
    board: StatusBoard,
    on_scan: Callable[[Scan], None],
    on_fault: Callable[[ScanFault], None],
    mouth: Mouth | None,
) -> None:
    def emit(found: Found) -> None:
        for one in found:
            if isinstance(one, Scan):
                on_scan(one)
            else:
                on_fault(one)

    delay = RetryDelay()
    try:
        while True:
            try:
                device = await _opened(open_device)
            except DeviceUnavailable as refusal:
                board.set(refusal.state, str(refusal))
                if refusal.state is DeviceState.MISCONFIGURED:
                    await asyncio.Event().wait()
                await asyncio.sleep(delay.next_s())
                continue
            delay.reset()
            try:
                board.set(DeviceState.READY)
                if mouth is not None:
                    assert isinstance(device, Writable), "a device with commands takes bytes"
                    mouth.opened(device)
                reason = await _Reader(device, framer, emit).until_lost()
            finally:
                if mouth is not None:
                    mouth.closed()
                await asyncio.to_thread(device.close)  # pyserial sleeps 0.3 s when it closes a socket
            board.set(DeviceState.LOST, f"{board.current.name} went away ({reason}): check the cable")
            emit(framer.abandon(time.monotonic()))
    finally:
        framer.abandon(time.monotonic())
        board.set(DeviceState.STARTING)  # nobody reads it now: it must not be called ready


async def _opened(open_device: Callable[[], OpenDevice]) -> OpenDevice:
    """Open in a thread. When cancelled, the thread closes what it has opened: the loop may be gone by then."""
    opening: Future[OpenDevice] = Future()

    def work() -> None:
        try:
            opening.set_result(open_device())
        except BaseException as error:
            opening.set_exception(error)

    asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(asyncio.wrap_future(opening))
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: Future[OpenDevice]) -> None:
    if opening.exception() is None:
        opening.result().close()


class _Reader:
    """Pulls whenever the device has something to say, until it is lost."""

    def __init__(self, device: OpenDevice, framer: Framer, emit: Callable[[Found], None]):
        self._device = device
        self._framer = framer
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._gap_timer: asyncio.TimerHandle | None = None
        self._gap_check_s = min(_GAP_CHECK_S, framer.gap_s / 2)

    async def until_lost(self) -> str:
        """Return the reason in the system's words. A bug (ours, or in a callback) is raised here."""
        descriptor = self._device.fileno()
        self._loop.add_reader(descriptor, self._readable)
        try:
            return await self._lost
        finally:
            self._loop.remove_reader(descriptor)
            if self._gap_timer is not None:
                self._gap_timer.cancel()

    def _readable(self) -> None:
        try:
            found = self._device.pull(self._framer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error.strerror or str(error))
            return
        except Exception as bug:
            self._end(bug)
            return
        self._deliver(found)
        if self._gap_timer is None and self._framer.pending:
            self._gap_timer = self._loop.call_later(self._gap_check_s, self._check_gap)

    def _check_gap(self) -> None:
        # First what lies in the kernel's buffer: where the loop was busy, it looks like silence.
        reads = 0
        while reads < _READS_MAX and not self._lost.done() and self._waiting():
            self._readable()
            reads += 1
        if reads < _READS_MAX and not self._lost.done():
            self._deliver(self._framer.expire(time.monotonic()))
        again = self._framer.pending and not self._lost.done()
        self._gap_timer = self._loop.call_later(self._gap_check_s, self._check_gap) if again else None

    def _waiting(self) -> bool:
        """Whether a read would give something now. A serial line without data reads like one that has ended."""
        poll = select.poll()
        poll.register(self._device.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _deliver(self, found: Found) -> None:
        try:
            self._emit(found)
        except Exception as bug:
            self._end(bug)

    def _end(self, why: str | Exception) -> None:
        """Stop; why: the system's words, or a bug to be raised."""
        self._loop.remove_reader(self._device.fileno())
        if self._lost.done():
            return
        if isinstance(why, str):
            self._lost.set_result(why)
        else:
            self._lost.set_exception(why)
