"""Status bytes as the ESC/POS reference defines them and as an independent emulator gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import printer_status
from drivers.ports import PrinterCause
from drivers.printer_status import ASKED, Ask, decode


def answers(row: str) -> dict[Ask, int]:
    """DLE EOT 1, 2, 3, 4 in hexadecimal."""
    return dict(zip(Ask, bytes.fromhex(row), strict=True))


@pytest.mark.parametrize(
    ("row", "ready", "causes"),
    [
        # As emupos 0.4.0 answers in each state (research page, section 1).
        ("16 12 12 12", True, ()),
        ("16 12 12 1e", True, (PrinterCause.PAPER_LOW,)),
        ("1e 32 12 7e", False, (PrinterCause.PAPER_OUT,)),
        ("1e 16 12 12", False, (PrinterCause.COVER_OPEN,)),
        ("1e 12 12 12", False, (PrinterCause.OFFLINE,)),
        # By the reference: both at once, a jammed cutter, a hot head, the feed button.
        ("1e 36 12 72", False, (PrinterCause.COVER_OPEN, PrinterCause.PAPER_OUT)),
        ("1e 52 1a 12", False, (PrinterCause.OFFLINE,)),
        ("1e 52 52 12", False, (PrinterCause.OFFLINE,)),
        ("1e 1a 12 12", False, (PrinterCause.OFFLINE,)),
        ("1e 56 1a 12", False, (PrinterCause.COVER_OPEN, PrinterCause.OFFLINE)),
    ],
)
def test_a_printer_state_is_named(row, ready, causes):
    status = decode(answers(row))
    assert (status.ready, status.causes) == (ready, causes)
    assert bool(status.detail) == bool(causes)


def test_the_detail_says_what_to_do():
    assert "new roll" in decode(answers("1e 32 12 7e")).detail
    assert decode(answers("1e 16 12 12")).detail == "the cover is open: close it"
    assert "cutter" in decode(answers("1e 52 1a 12")).detail


@pytest.mark.parametrize("silent", [*ASKED])
def test_silence_is_never_ready(silent):
    given_answers = answers("16 12 12 12")
    del given_answers[silent]
    status = decode(given_answers)
    assert not status.ready
    assert status.causes == (PrinterCause.UNREACHABLE,)


def test_a_named_cause_outweighs_a_question_left_unanswered():
    status = decode({Ask.PRINTER: 0x1E, Ask.OFFLINE_CAUSE: 0x16})
    assert status.causes == (PrinterCause.COVER_OPEN,)


def test_every_request_is_a_real_time_command():
    assert [printer_status.request(ask) for ask in Ask] == [b"\x10\x04" + bytes((n,)) for n in (1, 2, 3, 4)]


@given(st.integers(0, 255))
def test_a_byte_answers_one_kind_of_question_at_most(byte):
    kinds = [
        printer_status.is_status(byte),
        printer_status.is_sensor(byte),
        printer_status.is_automatic(byte),
    ]
    assert sum(kinds) <= 1


@pytest.mark.parametrize("byte", [0x11, 0x13, 0xFF])
def test_flow_control_and_noise_answer_nothing(byte):
    assert not printer_status.is_status(byte)
    assert not printer_status.is_sensor(byte)
    assert not printer_status.is_automatic(byte)


@given(st.dictionaries(st.sampled_from(list(Ask)), st.integers(0, 255)))
def test_ready_means_that_nothing_hinders(found):
    status = decode(found)
    assert status.ready == (set(status.causes) <= {PrinterCause.PAPER_LOW})
    assert len(set(status.causes)) == len(status.causes)
    assert not status.ready or set(ASKED) <= set(found)


@pytest.mark.parametrize(
    ("byte", "out", "low"), [(0x00, False, False), (0x03, False, True), (0x0F, True, True)]
)
def test_the_sensor_answer_behind_a_job(byte, out, low):
    assert printer_status.paper_out_after_job(byte) is out
    assert printer_status.paper_low_after_job(byte) is low
