"""HID report descriptors: the layout that scanner manuals print, others that are allowed, and hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.hid_report import DescriptorError, Piece, ReportError, ScanReport, scan_report

# The report of Honeywell, Access-IS and others ("HID POS interface" in their manuals): id 2, length, AIM identifier of
# three bytes, 56 bytes of data, the maker's own identifier, one reserved byte, and the bit "data continued".
POS = bytes.fromhex(
    "058c 0902 a101"  # usage page bar code scanner, usage bar code scanner, collection application
    "0912 a102 8502 1500 26ff00 7508"  # scanned data report, collection logical, report id 2, 0..255, eight bits
    "9501 0501 093b 8102 058c"  # byte count, of the generic desktop page
    "9503 09fb 09fc 09fd 8102"  # symbology identifiers 1 to 3
    "9538 09fe 820201"  # decoded data, 56 buffered bytes
    "9502 06 66ff 0904 0900 8102 058c"  # the maker's own identifier, reserved
    "7501 9501 2501 09ff 8102 9507 8103"  # decode data continued, seven bits of padding
    "c0"
    "0914 a102 8504 7501 9508 0960 9102 c0"  # trigger report: out, not in
    "c0"
)
KEYBOARD = bytes.fromhex(
    "0501 0906 a101 0507 19e0 29e7 1500 2501 7501 9508 8102 9501 7508 8101 9506 7508 1500 2565 0507 1900 2965 8100 c0"
)
MOUSE = bytes.fromhex("0501 0902 a101 0901 a100 0509 1901 2903 1500 2501 9503 7501 8102 9501 7505 8103 c0c0")


def report(data: bytes, name: bytes = b"]Q1", more: bool = False, length: int | None = None) -> bytes:
    count = len(data) if length is None else length
    return bytes([2, count]) + name + data.ljust(56, b"\0") + b"s\0" + bytes([more])


def test_the_layout_of_the_manuals():
    assert scan_report(POS) == ScanReport(2, 64, 5, 56, (1, 1), (2, 3, 4), (63, 1))


def test_a_report_is_read_as_the_layout_says():
    layout = scan_report(POS)
    assert layout is not None
    assert layout.read(report(b"RC1ABC")) == Piece(b"]Q1", b"RC1ABC", False)
    assert layout.read(report(b"X" * 56, more=True)) == Piece(b"]Q1", b"X" * 56, True)
    assert layout.read(report(b"A\0B", name=b"\0\0\0")) == Piece(b"", b"A\0B", False)
    assert layout.read(b"\x04" + bytes(63)) is None, "another report of the device"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (report(b"A")[:63], "63 bytes came, 64 were announced"),
        (report(b"", length=57), "claims 57 bytes"),
        (report(b"", length=255), "claims 255 bytes"),
    ],
)
def test_a_report_that_lies_is_refused(wrong: bytes, words: str):
    layout = scan_report(POS)
    assert layout is not None
    with pytest.raises(ReportError, match=words):
        layout.read(wrong)


@pytest.mark.parametrize("descriptor", [b"", KEYBOARD, MOUSE, POS[: POS.index(b"\x09\xfe")]])
def test_what_is_no_scanner(descriptor: bytes):
    assert scan_report(descriptor) is None


def test_a_scanner_without_ids_counts_and_identifiers():
    layout = scan_report(bytes.fromhex("058c 0902 a101 7508 9520 09fe 8102 c0"))
    assert layout == ScanReport(0, 32, 0, 32, None, (), None)
    assert layout.read(b"RC1ABC".ljust(32, b"\0")) == Piece(b"", b"RC1ABC", False)


def test_usages_of_four_bytes_and_ranges_and_pushed_state():
    wide = bytes.fromhex(
        "058c 0902 a101 8501 7508 9501 0b3b000100 8102 a4 9503 19fb 29fd 8102 b4 9508 09fe 8102 c0"
    )
    # The pop took the count back to 1 and the next item sets 8.
    assert scan_report(wide) == ScanReport(1, 13, 5, 8, (1, 1), (2, 3, 4), None)


def test_a_scanner_beside_a_keyboard_on_one_interface():
    both = bytes.fromhex("0501 0906 a101 8501 7508 9508 0507 1900 2965 8100 c0") + POS
    assert scan_report(both) == scan_report(POS)


def test_data_fields_outside_a_scanner_do_not_count():
    assert scan_report(bytes.fromhex("0501 0906 a101 058c 7508 9508 09fe 8102 c0")) is None


def test_data_that_is_not_of_whole_bytes_is_not_taken():
    assert scan_report(bytes.fromhex("058c 0902 a101 7501 9501 09ff 8102 7508 9508 09fe 8102 c0")) is None
    assert scan_report(bytes.fromhex("058c 0902 a101 7507 9508 09fe 8102 c0")) is None


@pytest.mark.parametrize(
    "descriptor",
    [
        POS + bytes(5000),
        b"\x26\xff",  # ends inside an item
        b"\xfe\xff\x00",  # a long item that is not there
        b"\xfe",
        b"\xc0",  # an end without a begin
        b"\xb4",  # a pop without a push
        b"\xa4" * 40,
        b"\x09\x02\xa1\x01" * 40,
        b"\x85\x00",
        bytes.fromhex("058c 0902 a101 77ffffff7f 97ffffff7f 09fe 8102"),
        bytes.fromhex("058c 0902 a101 7508 96ffff 09fe 8102"),
        bytes.fromhex("058c 0900 a101 1b00000000 2bffffffff 8102"),
        bytes.fromhex("0905 0901 1902 2901"),  # a range that ends before it begins
        b"\x09\x02" * 2000,
    ],
)
def test_hostile_descriptors_are_refused(descriptor: bytes):
    with pytest.raises(DescriptorError):
        scan_report(descriptor)


@given(st.binary(max_size=80), st.integers(0, len(POS)), st.binary(max_size=70))
def test_nothing_else_is_raised(noise: bytes, cut: int, received: bytes):
    for descriptor in (noise, POS[:cut] + noise, POS[:cut] + noise + POS[cut + len(noise) :]):
        try:
            layout = scan_report(descriptor)
        except DescriptorError:
            continue
        if layout is not None:
            try:
                piece = layout.read(received)
            except ReportError:
                continue
            assert piece is None or len(piece.data) <= len(received)
