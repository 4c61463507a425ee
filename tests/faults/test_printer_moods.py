"""A printer whose moods change by chance while receipts come: whatever it does, and in whatever order, no receipt is
lost and none stands on paper twice without its mark."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.escpos_reader import read_receipt
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import Core, core, install
from tests.factory import Factory
from tests.faults.printer_kit import TEXT, Desk, hurry, printer_on

RECEIPTS = 9
STATES = "SELECT state FROM print_job"
NO_MOOD = (Fault.LOSE,)  # no printer can tell that bytes were lost on the way: test_printer_plans.py
NETWORK = (Fault.DROP, Fault.HANG_UP)


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    hurry(monkeypatch)
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


def _mend(virtual: VirtualPrinter) -> None:
    for fault in Fault:
        virtual.set_fault(fault, on=False)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("line", ["tcp", "pty"])
async def test_nothing_is_lost_or_doubled_in_any_mood(line: str, seed: int, till: Core) -> None:
    chance = random.Random(f"{line} {seed}")
    moods = [fault for fault in Fault if fault not in NO_MOOD and (line == "tcp" or fault not in NETWORK)]
    async with VirtualPrinter() as virtual:
        desk = Desk(till, await printer_on(line, virtual), TEXT)
        try:
            for index in range(1, RECEIPTS + 1):
                if chance.random() < 0.5:
                    _mend(virtual)
                virtual.set_fault(chance.choice(moods), in_job=chance.random() < 0.5)
                await desk.redeem(index)
                if chance.random() < 0.7:  # until it is known what became of the one at the printer
                    await desk.until(lambda: not till.rows(f"{STATES} WHERE state = 'sending'"))
            _mend(virtual)
            final = {"printed", "unconfirmed"}
            await desk.until(lambda: {state for (state,) in till.rows(STATES)} <= final)
        finally:
            await desk.stop()
    papers = [read_receipt(job, TEXT.dots).text for job in virtual.jobs]
    for number, (state,) in enumerate(till.rows(f"{STATES} ORDER BY number"), start=1):
        there = sum(paper.count(f"RECEIPT {number}\n") for paper in papers)
        assert there == 1 if state == "printed" else there <= 1, (number, state, there)
