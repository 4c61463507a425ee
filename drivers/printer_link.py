"""One open connection to a printer, whatever it is made of: a non-blocking file descriptor with bounded waits.

TCP sockets, serial lines and /dev/usb/lp* are all descriptors, so one reader and one writer serve them all. Why not the
transports of python-escpos: its Serial has no write timeout and loses bytes at a busy printer, its Network waits up to
60 s and cannot tell "nothing was sent" from "half was", its File creates a regular file where the device is missing,
none of them can be awaited.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from collections.abc import Callable

READ_BYTES = 256
DRAIN_POLL_S = 0.02


class Link:
    """fd: open, non-blocking. close: releases it. Not for use by two tasks at once."""

    def __init__(self, fd: int, close: Callable[[], None], readable: bool = True) -> None:
        self._fd = fd
        self._close = close
        self._readable = readable  # False as well once the device has hung up
        self._input = bytearray()

    @property
    def readable(self) -> bool:
        return self._readable

    async def write(self, data: bytes, idle_s: float, total_s: float) -> int:
        """Write it all, or stop when no byte went for `idle_s` or all did not in `total_s`, or the device failed.
        Returns the number of bytes that left us."""
        written = 0
        deadline = asyncio.get_running_loop().time() + total_s
        while written < len(data):
            try:
                written += os.write(self._fd, data[written : written + 65536])
            except BlockingIOError:
                left_s = min(idle_s, deadline - asyncio.get_running_loop().time())
                if not await self._wait(writing=True, timeout_s=left_s):
                    break
            except OSError:
                break  # reset, unplugged: what is counted is what is known
        return written

    async def read_byte(self, timeout_s: float) -> int | None:
        """The next byte, or None when none came in time, the device is gone or cannot be read."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not self._input:
            if not self._readable:
                return None
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                if not await self._wait(
                    writing=False, timeout_s=deadline - asyncio.get_running_loop().time()
                ):
                    return None
                continue
            except OSError:
                data = b""
            if not data:
                self._readable = False
            self._input += data
        return self._input.pop(0)

    async def drain(self, timeout_s: float) -> int:
        """Wait until the kernel has passed everything on; returns the bytes still waiting (0 where it cannot tell)."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        # The kernel has no event for an empty queue, hence the polling and the ASYNC110 below.
        while (waiting := self.waiting()) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_S)
        return waiting

    def waiting(self) -> int:
        """TIOCOUTQ: bytes not yet sent (serial line) or not yet acknowledged by the printer's network card (TCP)."""
        try:
            return int.from_bytes(fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            return 0

    async def _wait(self, writing: bool, timeout_s: float) -> bool:
        """Whether the descriptor became ready in time."""
        if timeout_s <= 0:
            return False
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        add(self._fd, _settle, ready)
        try:
            async with asyncio.timeout(timeout_s):
                await ready
        except TimeoutError:
            # Both at once, where it was this process that was held up: the timeout cancels a future that has no result.
            return ready.done() and not ready.cancelled()
        finally:
            remove(self._fd)
        return True

    def close(self) -> None:
        self._close()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
