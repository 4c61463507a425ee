"""A printer is asked now and then while nothing is printed, so that the page warns of an empty roll or an open cover
before the next customer stands there. Opened, asked, closed: other programs may print on it too (decision 0050)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.ports import DeviceState, DeviceStatus, PrinterCause, ReceiptPrinter

TICK_S = 5.0
"""How often it is looked whether to ask. One without paper is asked each time: the page tells when it is mended."""
ABSENT_MOST_S = 30.0
"""The longest wait between two questions to one that does not answer."""
SILENT_MOST = 2
"""Questions in a row that one which was well may leave unanswered: one that serves another program answers no other."""
_NOT_LOST = (DeviceState.READY, DeviceState.STARTING)


async def watch(printer: ReceiptPrinter, every_s: float, is_idle: Callable[[], bool]) -> None:
    """Ask until cancelled: once at the start, later only while idle. every_s: of a printer that is well; 0 never."""
    await printer.query()
    loop, silent = asyncio.get_running_loop(), 0
    asked = loop.time()
    while True:
        await asyncio.sleep(TICK_S)
        if not is_idle():  # who prints asks for itself
            asked, silent = loop.time(), 0
            continue
        wait_s = wait_before_asking(printer.status(), printer.answers, every_s, silent)
        if wait_s is None or loop.time() - asked < wait_s:
            continue
        status = await printer.query(silence_counts=silent >= SILENT_MOST)
        asked = loop.time()
        silent = silent + 1 if PrinterCause.UNREACHABLE in status.causes else 0


def wait_before_asking(status: DeviceStatus, answers: bool, every_s: float, silent: int) -> float | None:
    """Seconds between two questions; None: not at all. silent: how many in a row were left unanswered."""
    if status.state not in _NOT_LOST:
        return min(TICK_S * (1 << max(0, min(silent - SILENT_MOST, 8))), ABSENT_MOST_S)
    if not (answers and every_s):
        return None
    return TICK_S if silent else every_s
