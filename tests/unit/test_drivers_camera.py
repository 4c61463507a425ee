"""When a code in view is a new scan, and which frames of a live source are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from drivers.camera import (
    FLICKER_S,
    GONE_S,
    IDLE_FPS,
    WHOLE,
    Camera,
    CameraSettings,
    Codes,
    Frame,
    InView,
    Slot,
    _cut,
)
from drivers.frames import shown

FRAME_S = 0.04


A, B, C = ("A", 10.0), ("B", 20.0), ("C", 30.0)
"""(text, distance from the middle of the picture)"""

BOTH_KINDS = pytest.mark.parametrize("codes", ["nearest", "all"])


@BOTH_KINDS
def test_a_code_held_in_view_is_one_scan_however_long(codes: Codes):
    in_view = InView(codes)
    assert [in_view.appeared([A], frame * FRAME_S) for frame in range(200)] == [["A"]] + [[]] * 199


@BOTH_KINDS
def test_a_code_that_flickers_is_still_the_same_scan(codes: Codes):
    in_view = InView(codes)
    assert in_view.appeared([A], 0.0) == ["A"]
    assert in_view.appeared([], 0.3) == []
    assert in_view.appeared([A], GONE_S - 0.01) == []
    assert in_view.appeared([A], 2 * GONE_S - 0.02) == [], "counted from when it was last seen"


@BOTH_KINDS
def test_shown_again_after_it_left_it_is_a_new_scan(codes: Codes):
    in_view = InView(codes)
    assert in_view.appeared([A], 0.0) == ["A"]
    assert in_view.appeared([A], GONE_S) == ["A"]


def test_of_all_codes_each_is_told_once_and_in_order():
    in_view = InView("all")
    assert in_view.appeared([B, A, B], 0.0) == ["B", "A"]
    assert in_view.appeared([C, A], 0.1) == ["C"]
    assert in_view.appeared([B], 0.2) == []


def test_of_several_the_one_nearest_the_middle_is_told():
    in_view = InView("nearest")
    assert in_view.appeared([C, A, B], 0.0) == ["A"]
    assert in_view.appeared([C, B, A], 0.1) == []


def test_a_code_farther_out_waits_until_the_nearest_has_left():
    in_view = InView("nearest")
    assert in_view.appeared([A, B], 0.0) == ["A"]
    assert in_view.appeared([B], FLICKER_S - 0.01) == [], "A was only blurred"
    assert in_view.appeared([A, B], FLICKER_S) == []
    assert in_view.appeared([B], 2 * FLICKER_S + 0.01) == ["B"]


def test_what_becomes_the_nearest_is_told():
    in_view = InView("nearest")
    assert in_view.appeared([B], 0.0) == ["B"]
    assert in_view.appeared([B, A], 0.1) == ["A"]
    assert in_view.appeared([("B", 5.0), A], 0.2) == [], "it was told when it came"


def test_nothing_is_remembered_for_ever():
    in_view = InView()
    for number in range(1000):
        in_view.appeared([(str(number), 0.0)], float(number))
    assert len(in_view._seen) == 1


def test_only_the_region_is_looked_at():
    picture = np.arange(100 * 200, dtype=np.int64).reshape(100, 200).astype(np.uint8)
    assert np.array_equal(_cut(picture, (25, 10, 50, 90)), picture[10:100, 50:150])
    assert _cut(picture, WHOLE).shape == picture.shape
    assert _cut(picture[:1, :1], (99, 99, 1, 1)).shape == (1, 1), "never empty"


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


async def test_an_idle_camera_is_looked_at_less_often(monkeypatch: pytest.MonkeyPatch):
    source, camera = Live(), Camera(CameraSettings("cam", "0", fps=25))
    monkeypatch.setattr("drivers.camera.time", SimpleNamespace(monotonic=source.now))
    camera._is_idle = True
    assert camera._play_live(source, Slot(asyncio.get_running_loop())) == 300
    assert abs(len(source.retrieved) - 3 * IDLE_FPS) <= 2


class LateLoop:
    """Carries the word from the grabber to the loop when the test says so."""

    def __init__(self) -> None:
        self.words: list[Callable[[], object]] = []

    def call_soon_threadsafe(self, word: Callable[[], object]) -> None:
        self.words.append(word)


async def test_the_word_of_a_frame_that_was_replaced_ends_nothing():
    late = LateLoop()
    slot = Slot(late)  # type: ignore[arg-type]  # all that it asks of the loop
    old, new, third = (Frame(np.zeros((1, 1), np.uint8), at, at) for at in (1.0, 2.0, 3.0))
    slot.put(old)
    slot.put(new)
    late.words.pop()()
    assert await slot.take() is new
    late.words.pop()()
    taking = asyncio.create_task(slot.take())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not taking.done()
    slot.put(third)
    late.words.pop()()
    assert await taking is third
    slot.end()
    assert await slot.take() is None
