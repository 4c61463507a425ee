"""Printers that misbehave, by plan, over TCP and over a pseudo-terminal: the real queue, store, renderer and drivers
against the virtual printer. Whatever happens, no receipt is lost, none is printed twice without its COPY mark, no
verdict waits for a printer, and the cashier is told the cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.receipts.profile import PrinterProfile
from drivers.escpos_reader import read_receipt
from drivers.ports import DeviceState
from drivers.virtual_printer import Fault, VirtualPrinter
from tests.core_kit import Core, core, install
from tests.factory import Factory
from tests.faults.printer_kit import TEXT, Desk, hurry, printer_on

PICTURES = PrinterProfile("pictures", 32, 384, "none", native_qr=False)


@dataclass(frozen=True)
class Plan:
    """fault: switched on before the second of three receipts, at once or in_job. state, cause: of the second job then,
    as the cashier is told. profile: pictures make jobs long. only: on this line alone. damaged: no printer can tell
    that bytes were lost on the way; the cashier sees it and asks for a copy."""

    fault: Fault
    in_job: bool
    state: str
    cause: str
    profile: PrinterProfile = TEXT
    only: str = ""
    damaged: bool = False


PLANS = {
    "accepts_slowly": Plan(Fault.SLOW, False, "printed", ""),
    "stalls_before": Plan(Fault.STALL, False, "queued", "unreachable"),
    "stalls_within": Plan(Fault.STALL, True, "unconfirmed", "unreachable"),
    "stalls_within_pictures": Plan(Fault.STALL, True, "unconfirmed", "unreachable", PICTURES),
    "loses_bytes_of_text": Plan(Fault.LOSE, True, "printed", "", TEXT, damaged=True),
    "loses_bytes_of_a_picture": Plan(Fault.LOSE, True, "printed", "", PICTURES, damaged=True),
    "closes_at_once": Plan(Fault.HANG_UP, False, "queued", "unreachable", only="tcp"),
    "closes_within": Plan(Fault.DROP, True, "unconfirmed", "", only="tcp"),
    "power_fails_within": Plan(Fault.POWER, True, "unconfirmed", ""),
    "paper_out_before": Plan(Fault.PAPER_OUT, False, "queued", "paper_out"),
    "paper_out_within": Plan(Fault.PAPER_OUT, True, "unconfirmed", "paper_out"),
    "paper_low": Plan(Fault.PAPER_LOW, False, "printed", ""),
    "cover_open_before": Plan(Fault.COVER_OPEN, False, "queued", "cover_open"),
    "cover_open_within": Plan(Fault.COVER_OPEN, True, "unconfirmed", "cover_open"),
    "offline_before": Plan(Fault.OFFLINE, False, "queued", "offline"),
    "offline_within": Plan(Fault.OFFLINE, True, "unconfirmed", "offline"),
    "answers_late": Plan(Fault.LATE, False, "queued", "unreachable"),
    "answers_late_within": Plan(Fault.LATE, True, "printed", ""),
    "never_answers": Plan(Fault.SILENT, False, "queued", "unreachable"),
    "never_answers_within": Plan(Fault.SILENT, True, "unconfirmed", "unreachable"),
    "answers_with_noise": Plan(Fault.NOISE, False, "queued", "misconfigured"),
}
CASES = [(line, name) for name, plan in PLANS.items() for line in ("tcp", "pty") if plan.only in ("", line)]


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    hurry(monkeypatch)
    factory = Factory()
    with core(install(tmp_path / "till", factory), factory) as opened:
        yield opened


@pytest.mark.parametrize(("line", "name"), CASES, ids=[f"{line}-{name}" for line, name in CASES])
async def test_no_receipt_is_lost_or_doubled_and_the_cause_is_named(line: str, name: str, till: Core) -> None:
    plan = PLANS[name]
    async with VirtualPrinter() as virtual:
        printer = await printer_on(line, virtual)
        desk = Desk(till, printer, plan.profile)
        try:
            await desk.redeem(1)
            await desk.until_told("T-0001-1", "printed")
            virtual.set_fault(plan.fault, in_job=plan.in_job)
            await desk.redeem(2)
            await desk.redeem(3)  # a verdict, while the printer is in trouble and nobody has mended it
            first = await desk.until_told("T-0001-2", "queued", "unconfirmed", "printed")
            assert first[1] == plan.state
            assert first[2] == plan.cause or not plan.cause
            if first[1] == "unconfirmed" and plan.cause in ("", "unreachable"):
                assert first[2] in ("unconfirmed", "unreachable")
            virtual.set_fault(plan.fault, on=False)
            if plan.state == "queued":
                await desk.until_told("T-0001-2", "printed")
            await desk.until_told("T-0001-3", "printed", "unconfirmed")
            if plan.damaged:
                desk.told.clear()
                await till.prints.copy_print("T-0001-2")
                desk.queue.wake()
                await desk.until_told("T-0001-2", "printed")
            await _copies_of_unconfirmed(desk, till)
        finally:
            await desk.stop()
        assert printer.status().state is DeviceState.READY
        _check_paper(virtual.jobs, plan)


async def _copies_of_unconfirmed(desk: Desk, till: Core) -> None:
    """What the cashier does who finds no receipt, or cannot tell."""
    for job in ("T-0001-2", "T-0001-3"):
        for _ in range(5):
            [(state,)] = till.rows("SELECT state FROM print_job WHERE job_id = ?", job)
            if state == "printed":
                break
            assert state == "unconfirmed"
            desk.told = [said for said in desk.told if said[0] != job]
            await till.prints.copy_print(job)
            desk.queue.wake()
            await desk.until_told(job, "printed", "unconfirmed")
        else:
            raise AssertionError(f"{job} is never printed, though the printer is well")


def _check_paper(jobs: list[bytes], plan: Plan) -> None:
    """Each receipt stands on paper whole, once without a mark at most, and every further time as a copy."""
    texts = [
        read_receipt(job, plan.profile.dots, read_dots=lambda dots: f"<{len(dots)}>").text for job in jobs
    ]
    body_lines = 30
    for number in (1, 2, 3):
        mine = [text for text in texts if f"RECEIPT {number}" in text]
        originals = [text for text in mine if "COPY" not in text]
        whole = [text for text in mine if text.count("\n") >= body_lines]
        assert len(originals) <= 1, f"receipt {number} was printed twice and nothing says so"
        assert whole, f"receipt {number} is lost"
        counts = [text.count(f"RECEIPT {number}") for text in mine]
        assert all(count == 1 for count in counts), "two receipts on one paper"
