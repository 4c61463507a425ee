"""When a code in view is a new scan, and which frames of a live source are looked at."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from drivers.camera import GONE_S, Camera, CameraSettings, InView, Slot
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


class Live:
    """A source of 300 frames, a hundred a second of its own clock."""

    period_s: float | None = None

    def __init__(self) -> None:
        self.grabbed = 0
        self.retrieved: list[int] = []

    def grab(self) -> bool:
        self.grabbed += 1
        return self.grabbed <= 300

    def retrieve(self) -> npt.NDArray[np.uint8] | None:
        self.retrieved.append(self.grabbed)
        return np.zeros((2, 2), dtype=np.uint8)

    def close(self) -> None: ...

    def now(self) -> float:
        return 50 + self.grabbed / 100


@pytest.mark.parametrize(("fps", "looked_at"), [(10, 30), (25, 75), (0, 300), (500, 300)])
async def test_a_live_source_is_emptied_but_looked_at_no_oftener_than_asked(
    monkeypatch: pytest.MonkeyPatch, fps: float, looked_at: int
):
    source = Live()
    monkeypatch.setattr("drivers.camera.time", SimpleNamespace(monotonic=source.now))
    slot = Slot(asyncio.get_running_loop())
    assert Camera(CameraSettings("cam", "0", fps=fps))._play_live(source, slot) == 300
    assert source.grabbed == 301
    assert abs(len(source.retrieved) - looked_at) <= looked_at // 10, "the clock's steps are not exact"
    newest = await slot.take()
    assert newest is not None
    assert newest.at == 50 + source.retrieved[-1] / 100
