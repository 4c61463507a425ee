"""When a code in view is a new scan."""

from __future__ import annotations

from drivers.camera import GONE_S, InView
from drivers.frames import shown

FRAME_S = 0.04


def test_a_code_held_in_view_is_one_scan_however_long():
    in_view = InView()
    assert [in_view.appeared(["A"], frame * FRAME_S) for frame in range(200)] == [["A"]] + [[]] * 199


def test_a_code_that_flickers_is_still_the_same_scan():
    in_view = InView()
    assert in_view.appeared(["A"], 0.0) == ["A"]
    assert in_view.appeared([], 0.3) == []
    assert in_view.appeared(["A"], GONE_S - 0.01) == []
    assert in_view.appeared(["A"], 2 * GONE_S - 0.02) == [], "counted from when it was last seen"


def test_shown_again_after_it_left_it_is_a_new_scan():
    in_view = InView()
    assert in_view.appeared(["A"], 0.0) == ["A"]
    assert in_view.appeared(["A"], GONE_S) == ["A"]


def test_codes_are_told_apart_and_kept_in_order():
    in_view = InView()
    assert in_view.appeared(["B", "A", "B"], 0.0) == ["B", "A"]
    assert in_view.appeared(["C", "A"], 0.1) == ["C"]
    assert in_view.appeared(["B"], 0.2) == []


def test_nothing_is_remembered_for_ever():
    in_view = InView()
    for number in range(1000):
        in_view.appeared([str(number)], float(number))
    assert len(in_view._last_seen) == 1


def test_a_password_is_not_shown():
    assert shown("rtsp://till:secret@10.0.0.9/stream?a=b@c") == "rtsp://10.0.0.9/stream?a=b@c"
    assert shown("/dev/video0") == "/dev/video0"
