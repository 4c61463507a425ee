"""What is said of print jobs."""

from __future__ import annotations

import pytest

from agent.ports import PrintJob, PrintState
from agent.printing.queue import _outcome
from agent.printing.words import CAUSES, LOOK, print_json
from drivers.ports import Delivery, PrinterCause, SendResult


def job(state: PrintState, cause: str) -> PrintJob:
    return PrintJob("T-0001-1", "T-0001-1", "{}", state, 0, cause, "2026-11-22T02:43:44.912Z", None)


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause])
def test_a_receipt_in_doubt_says_what_happened_and_what_to_do_now(cause: str) -> None:
    """Its cause is of then: it tells nobody to do what may be done long since."""
    said = print_json(job(PrintState.UNCONFIRMED, cause))
    assert (said["action_zh"], said["action_en"]) == LOOK
    if cause not in (PrinterCause.PAPER_LOW, PrinterCause.BUSY, "given_up"):  # with these nothing is in doubt
        assert "请" not in said["cause_zh"]
        assert ":" not in said["cause_en"]
    waiting = print_json(job(PrintState.QUEUED, cause))
    assert (waiting["action_zh"], waiting["action_en"]) == ("", "")
    assert (waiting["cause_zh"], waiting["cause_en"]) == CAUSES[cause]


@pytest.mark.parametrize("cause", [None, *PrinterCause])
def test_what_a_printer_says_of_a_job_in_doubt_has_its_words(cause: PrinterCause | None) -> None:
    state, said, _ = _outcome([("p", SendResult(Delivery.UNCONFIRMED, cause, ""))])
    assert state is PrintState.UNCONFIRMED
    assert said in CAUSES
