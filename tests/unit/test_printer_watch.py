"""When a printer is asked while nothing is printed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from agent.printing import watch as printer_watch
from agent.printing.watch import ABSENT_MOST_S, TICK_S, wait_before_asking, watch
from drivers.ipp_printer import IppPrinter
from drivers.ports import DeviceState, DeviceStatus, PrinterStatus
from drivers.printers import FilePrinter
from tests.fake_printer import FakePrinter


def wait_s(state: DeviceState, *, answers: bool = True, every_s: float = 60, silent: int = 0) -> float | None:
    return wait_before_asking(DeviceStatus("p", "tcp", state, "", 0.0), answers, every_s, silent)


def test_a_printer_that_is_well_is_asked_now_and_then_and_one_that_is_silent_soon_again() -> None:
    assert wait_s(DeviceState.READY) == 60
    assert wait_s(DeviceState.READY, silent=1) == TICK_S
    assert wait_s(DeviceState.READY, every_s=0) is None
    assert wait_s(DeviceState.READY, answers=False) is None


def test_one_that_cannot_answer_is_not_asked() -> None:
    assert not IppPrinter("p", "ipp://localhost/printers/p").answers
    assert not FilePrinter("p", "/dev/usb/lp0").answers


@pytest.mark.parametrize("answers", [True, False])
def test_a_lost_one_is_asked_until_it_is_mended_and_an_absent_one_ever_less(answers: bool) -> None:
    assert wait_s(DeviceState.LOST, answers=answers, every_s=0) == TICK_S
    waits = [wait_s(DeviceState.LOST, answers=answers, silent=silent) for silent in range(9)]
    assert waits == [5, 5, 5, 10, 20, *[ABSENT_MOST_S] * 4]


async def test_it_is_asked_once_and_then_only_while_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(printer_watch, "TICK_S", 0)
    done, asked, looks = asyncio.Event(), 0, 0

    class Counting(FakePrinter):
        async def query(self, silence_counts: bool = True) -> PrinterStatus:
            nonlocal asked
            asked += 1
            return await super().query(silence_counts)

    def is_idle() -> bool:
        nonlocal looks
        looks += 1
        if looks == 10:
            done.set()
        return False

    watching = asyncio.create_task(watch(Counting(), 1e-9, is_idle))
    await asyncio.wait_for(done.wait(), 20)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    assert asked == 1
