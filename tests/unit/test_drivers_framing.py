"""The framer: the same scans in whatever pieces the bytes come, and a name for all that is not a scan."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.framing import REPORT, SUFFIXES, Framer
from drivers.ports import MAX_SCAN_CHARS, Scan, ScanFault

BYTES = {"auto": b"\r\n", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t", "etx": b"\x03"}
assert set(BYTES) == set(SUFFIXES) - {"none"}
TEXT = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda text: not text.startswith("]")
)


def shown(found: list[Scan | ScanFault]) -> list[str]:
    """Scans by their text, faults by their code."""
    return [one.text if isinstance(one, Scan) else f"<{one.code}>" for one in found]


def fed(framer: Framer, *pieces: bytes, at: float = 1.0) -> list[str]:
    return [one for piece in pieces for one in shown(framer.feed(piece, at))]


@given(texts=st.lists(TEXT, max_size=5), suffix=st.sampled_from(list(BYTES)), data=st.data())
def test_texts_survive_any_cut(texts: list[str], suffix: str, data: st.DataObject):
    stream = b"".join(text.encode() + BYTES[suffix] for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert fed(Framer("s", suffix), *pieces) == texts


@given(stream=st.binary(max_size=60), suffix=st.sampled_from(list(BYTES)))
@example(stream=b"\r" * 3 + b"]Q1\r\xff\n", suffix="crlf")
def test_noise_reads_the_same_whole_and_byte_by_byte(stream: bytes, suffix: str):
    whole = fed(Framer("s", suffix), stream)
    assert fed(Framer("s", suffix), *(bytes([one]) for one in stream)) == whole
    assert "" not in whole


@pytest.mark.parametrize("suffix", BYTES)
@pytest.mark.parametrize("over", [0, 1, 2, 5000])
def test_the_length_bound_is_the_same_whole_and_byte_by_byte(suffix: str, over: int):
    stream = b"X" * (MAX_SCAN_CHARS + over) + BYTES[suffix] + b"NEXT" + BYTES[suffix]
    expected = ["X" * (MAX_SCAN_CHARS + over) if over <= 0 else "<too_long>", "NEXT"]
    assert fed(Framer("s", suffix), stream) == expected
    assert fed(Framer("s", suffix), *(bytes([one]) for one in stream)) == expected


def test_an_endless_stream_is_one_fault_and_holds_no_memory():
    framer = Framer("s")
    assert fed(framer, *[b"X" * 4096] * 50) == ["<too_long>"]
    assert len(framer._partial) <= MAX_SCAN_CHARS
    assert fed(framer, b"tail of it\rNEXT\r") == ["NEXT"]


def test_a_cr_lf_is_one_end_also_when_it_comes_apart():
    framer = Framer("s")
    assert fed(framer, b"A\r", b"\nB\r\n", b"\r\n\r\n") == ["A", "B"]
    assert not framer.pending


def test_crlf_suffix_leaves_single_ends_inside_the_code():
    assert fed(Framer("s", "crlf"), b"A\rB\nC\r\n") == ["A\rB\nC"]


def test_a_scan_that_does_not_end_is_incomplete_after_the_gap():
    framer = Framer("s", gap_s=0.5)
    assert framer.feed(b"RC1AB", 10.0) == []
    assert framer.expire(10.4) == []
    assert framer.pending
    (fault,) = framer.expire(10.6)
    assert isinstance(fault, ScanFault)
    assert (fault.source, fault.code, fault.at) == ("s", "incomplete", 10.6)
    assert "5 bytes" in fault.detail
    assert "RC1AB" not in fault.detail
    assert framer.expire(99.0) == []
    assert fed(framer, b"NEXT\r", at=99.0) == ["NEXT"]


def test_bytes_after_the_gap_begin_a_new_scan():
    framer = Framer("s", gap_s=0.5)
    framer.feed(b"OLD", 10.0)
    assert shown(framer.feed(b"NEW\r", 11.0)) == ["<incomplete>", "NEW"]


def test_the_gap_counts_from_the_last_byte():
    framer = Framer("s", gap_s=0.5)
    for step in range(5):
        assert framer.feed(b"X", 10.0 + step * 0.4) == []
    assert shown(framer.feed(b"\r", 12.0)) == ["XXXXX"]


def test_a_line_end_left_over_is_not_an_incomplete_scan():
    framer = Framer("s", "cr")
    assert fed(framer, b"A\r\n") == ["A"]
    assert not framer.pending
    assert framer.expire(99.0) == []


def test_an_overflow_is_reported_once_and_a_gap_ends_it():
    framer = Framer("s", gap_s=0.5)
    assert fed(framer, b"X" * 5000, at=10.0) == ["<too_long>"]
    assert framer.expire(11.0) == []
    assert fed(framer, b"NEXT\r", at=11.1) == ["NEXT"]


def test_a_lost_device_gives_up_what_was_pending():
    framer = Framer("s")
    framer.feed(b"HALF", 10.0)
    assert shown(framer.abandon(10.01)) == ["<incomplete>"]
    assert framer.abandon(10.02) == []


def test_a_spoilt_scan_is_one_fault_and_the_next_is_whole():
    framer = Framer("s", gap_s=0.5)
    framer.feed(b"HALF", 10.0)
    assert shown(framer.spoil("undecodable", "why", 10.1)) == ["<undecodable>"]
    assert shown(framer.spoil("undecodable", "why", 10.2)) == []
    assert fed(framer, b"REST\rNEXT\r", at=10.3) == ["NEXT"]


def test_a_scan_spoilt_after_the_gap_is_not_taken_for_the_one_before():
    framer = Framer("s", gap_s=0.5)
    framer.spoil("undecodable", "why", 10.0)
    assert shown(framer.spoil("incomplete", "why", 11.0)) == ["<incomplete>"]
    framer = Framer("s", gap_s=0.5)
    framer.feed(b"OLD", 10.0)
    assert shown(framer.spoil("undecodable", "why", 11.0)) == ["<incomplete>", "<undecodable>"]


def test_undecodable_bytes_are_a_fault_that_does_not_show_them():
    framer = Framer("s")
    (fault,) = framer.feed(b"RC1\xff\xfe\r", 3.0)
    assert isinstance(fault, ScanFault)
    assert (fault.code, fault.at) == ("undecodable", 3.0)
    assert "byte 4 of 5" in fault.detail


def test_another_encoding():
    assert fed(Framer("s", encoding="gb18030"), "优惠券".encode("gb18030") + b"\r") == ["优惠券"]


def test_without_a_suffix_silence_ends_a_scan():
    framer = Framer("w", "none", gap_s=0.1)
    assert framer.feed(b"\x02]Q1RC1", 10.0) == []
    assert framer.feed(b"AB\r", 10.09) == []
    assert framer.expire(10.18) == []
    (scan,) = framer.expire(10.2)
    assert isinstance(scan, Scan)
    assert (scan.text, scan.at) == ("RC1AB", 10.09), "it arrived with its last byte"
    assert not framer.pending
    framer.feed(b"TWO", 11.0)
    assert shown(framer.feed(b"THREE", 11.5)) == ["TWO"]
    assert shown(framer.abandon(11.6)) == ["<incomplete>"], "a device that is gone ends no scan"


def test_what_is_spoilt_without_a_suffix_ends_with_the_silence():
    framer = Framer("w", "none", gap_s=0.1)
    framer.feed(b"HALF", 10.0)
    assert shown(framer.spoil("undecodable", "why", 10.01)) == ["<undecodable>"]
    framer.feed(b"REST", 10.02)
    assert framer.expire(10.2) == []
    framer.feed(b"NEXT", 10.3)
    assert shown(framer.expire(10.5)) == ["NEXT"]


def test_a_prefix_shows_what_was_cut():
    framer = Framer("s", prefix="~")
    assert fed(framer, b"~ONE\r\n~TWO\r\n") == ["ONE", "TWO"]
    assert fed(framer, b"~HALF~THREE\r\n") == ["<incomplete>", "THREE"]
    assert fed(framer, b"NO HEAD\r\n~FOUR\r\n\r\n") == ["<incomplete>", "FOUR"]
    assert fed(framer, b"OUR\r~HALF\r", b"~FIVE\r") == ["<incomplete>", "HALF", "FIVE"]


def test_a_prefix_ends_what_is_dropped():
    framer = Framer("s", prefix="~")
    framer.feed(b"~HALF", 1.0)
    assert shown(framer.spoil("undecodable", "why", 1.0)) == ["<undecodable>"]
    assert fed(framer, b"REST~NEXT\r") == ["NEXT"]
    framer.spoil("undecodable", "why", 1.0)
    assert fed(framer, b"REST\r~NEXT\r") == ["NEXT"]


def test_a_prefix_of_control_characters_and_one_that_comes_apart():
    assert fed(Framer("s", prefix="\x02"), b"\x02]Q1ONE\r", b"TWO\r") == ["ONE", "<incomplete>"]
    assert fed(Framer("s", prefix="<<"), b"<", b"<ONE<", b"<TW", b"O\r") == ["<incomplete>", "TWO"]


def test_a_prefix_keeps_quick_scans_apart_where_no_suffix_is_sent():
    framer = Framer("s", "none", prefix="~", gap_s=0.1)
    assert [*fed(framer, b"~ONE~T", b"WO~THREE"), *shown(framer.expire(2.0))] == ["ONE", "TWO", "THREE"]
    framer.feed(b"HEADLESS~FOUR", 3.0)
    assert shown(framer.expire(4.0)) == ["FOUR"]


def test_a_device_may_say_itself_where_a_scan_ends():
    framer = Framer("h", REPORT)
    framer.feed(b"]Q1PART\r", 10.0)
    framer.feed(b"AND REST", 10.1)
    assert shown(framer.finish(10.1)) == ["PART\rAND REST"]
    assert framer.finish(10.2) == []
    framer.feed(b"NEVER", 11.0)
    assert shown(framer.expire(12.0)) == ["<incomplete>"]


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"suffix 'nl' is not one of auto, cr, lf"):
        Framer("s", "nl")
    with pytest.raises(LookupError):
        Framer("s", encoding="no-such-code")
