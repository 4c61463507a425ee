"""What is said of print jobs."""

from __future__ import annotations

import pytest

from agent.device_words import trouble
from agent.ports import PrintJob, PrintState
from agent.printing.queue import _outcome
from agent.printing.words import CAUSES, LOOK, PRINTER, print_json
from drivers.ports import Delivery, DeviceState, DeviceStatus, PrinterCause, SendResult


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


@pytest.mark.parametrize("cause", PrinterCause)
def test_each_cause_says_what_is_what_to_do_and_what_comes_then_in_both_languages(
    cause: PrinterCause,
) -> None:
    """In this order, wherever it is said: of the receipt that waits or is being sent, and of the printer."""
    words, state = PRINTER[cause], DeviceState.LOST
    if cause is PrinterCause.PAPER_LOW:
        state = DeviceState.READY
    said = trouble("printer", DeviceStatus("front", "tcp", state, "", 0.0, cause))
    assert said is not None
    assert (said.zh, said.en) == (f"打印机「front」{words.zh}", f"The printer 'front' {words.en}")
    actions = [(said.action_zh, said.action_en)]
    for job_state in (PrintState.QUEUED, PrintState.SENDING):
        told = print_json(job(job_state, cause))
        assert (told["cause_zh"], told["cause_en"]) == (f"打印机{words.zh}", f"The printer {words.en}")
        actions.append((told["action_zh"], told["action_en"]))
    for zh, en in actions:
        first, _, then = zh.rpartition("，")
        assert first == words.do_zh
        assert "小票" in then
        first, _, then = en.rpartition("; ")
        assert first == words.do_en[0].upper() + words.do_en[1:]
        assert "receipt" in then


def test_a_printer_that_may_not_be_opened_is_for_store_it_whatever_the_cause() -> None:
    said = trouble("printer", DeviceStatus("front", "file", DeviceState.DENIED, "held", 0.0, "unreachable"))
    assert said is not None
    assert (said.zh, said.en) == ("打印机「front」打不开", "The printer 'front' cannot be opened")
    assert said.action_en.startswith("Tell store IT")


def test_low_paper_is_told_of_a_receipt_that_is_on_paper_and_nothing_of_one_that_is_well() -> None:
    said = print_json(job(PrintState.PRINTED, PrinterCause.PAPER_LOW))
    assert (said["action_zh"], said["action_en"]) == ("请备好新纸卷", "Have a new roll ready")
    said = print_json(job(PrintState.PRINTED, ""))
    assert {said[name] for name in ("cause_zh", "cause_en", "action_zh", "action_en")} == {""}
    assert trouble("printer", DeviceStatus("front", "tcp", DeviceState.READY, "", 0.0)) is None
    assert trouble("scanner", DeviceStatus("front", "hid", DeviceState.STARTING, "", 0.0)) is None


@pytest.mark.parametrize("cause", [None, *PrinterCause])
def test_what_a_printer_says_of_a_job_in_doubt_has_its_words(cause: PrinterCause | None) -> None:
    state, said, _ = _outcome([("p", SendResult(Delivery.UNCONFIRMED, cause, ""))])
    assert state is PrintState.UNCONFIRMED
    assert said in CAUSES
