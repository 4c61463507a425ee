"""A camera over the counter as a scan source: a V4L2 device, a network stream, or a recording (demo and tests).

One thread opens the source and reads frames (the grabber), another decodes. From a live source the newest frame wins
and what was not looked at is dropped; of a recording every frame is looked at, at the recording's own pace. The
callbacks run in the event loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Literal

from drivers.decode import DEFAULT_CHAIN, load_chain
from drivers.frames import FrameSource, open_source, shown
from drivers.live import FrameReader
from drivers.opencv import fit
from drivers.ports import MAX_SCAN_CHARS, DeviceState, DeviceStatus, DriverError, Scan, ScanFault
from drivers.state import DeviceUnavailable, RetryDelay, StatusBoard

if TYPE_CHECKING:
    from drivers.decode import Decoded
    from drivers.opencv import Gray

GONE_S = 0.7
"""A code that was not seen for so long has left the picture: seen again, it is a new scan."""

FLICKER_S = 0.15
"""A code that was not read for so long is still in view, only blurred: a code farther out does not take its place."""

IDLE_AFTER_S = 3.0
IDLE_FPS = 6.0
"""Of a scene that has not changed for IDLE_AFTER_S so many frames a second are looked at: what moves is seen at once
for a person, and a camera over an empty counter costs little."""

NICE = 10

Codes = Literal["nearest", "all"]
Region = tuple[int, ...]
"""Left, top, width, height in percent of the picture."""

WHOLE: Region = (0, 0, 100, 100)


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """source: a camera number, /dev/video path, URL, video file or folder of pictures (`frames.open_source`).

    width, height: asked of a device, 0 for its own. fps: most frames a second that are looked at, 0 for all; a
    recording is slowed down to it. decoders: names in `decode.DECODERS`. loop: play a recording again and again.
    codes: of several in view the one nearest the middle, or all. region: the part of the picture that is looked at.
    """

    name: str
    source: str
    width: int = 1280
    height: int = 720
    fps: float = 15.0
    decoders: tuple[str, ...] = DEFAULT_CHAIN
    loop: bool = False
    codes: Codes = "nearest"
    region: Region = WHOLE


@dataclass(frozen=True, slots=True)
class Frame:
    """at: monotonic seconds when it was grabbed. shown_s: seconds on the source's own clock."""

    gray: Gray
    at: float
    shown_s: float


class Camera:
    """A `ScanSource` over pictures. A code held in view is one scan; shown again after it left, it is another."""

    def __init__(self, settings: CameraSettings):
        self._settings = settings
        self._board = StatusBoard(settings.name, "camera")
        self._is_idle = False  # written in the event loop, read by the grabber

    @property
    def name(self) -> str:
        return self._settings.name

    def status(self) -> DeviceStatus:
        return self._board.current

    async def run(self, on_scan: Callable[[Scan], None], on_fault: Callable[[ScanFault], None]) -> None:
        """Look until cancelled.

        A decoder that cannot be loaded is final: MISCONFIGURED. After the end of a recording that does not loop
        the status is LOST, "end of file".
        """
        loop = asyncio.get_running_loop()
        slot = Slot(loop)
        pool = ThreadPoolExecutor(2, thread_name_prefix=f"camera {self.name}", initializer=_step_back)
        try:
            try:
                chain = await loop.run_in_executor(pool, load_chain, self._settings.decoders)
            except DriverError as error:
                self._board.set(DeviceState.MISCONFIGURED, str(error))
                await asyncio.Event().wait()
            grabbing = loop.run_in_executor(pool, self._grab, slot)
            grabbing.add_done_callback(slot.end)
            reader, in_view = FrameReader(chain), InView(self._settings.codes)
            changed_at = time.monotonic()
            while True:
                frame = await slot.take()
                if frame is None:
                    grabbing.result()  # the grabber ended: only by a bug, which is raised here
                    raise AssertionError("the grabber ended before it was told to")
                found = await loop.run_in_executor(pool, reader.read, frame.gray)
                if not reader.still:
                    changed_at = frame.at
                self._is_idle = frame.at - changed_at > IDLE_AFTER_S
                codes = [(one.text, _distance(one, frame.gray)) for one in found]
                for text in in_view.appeared(codes, frame.shown_s):
                    if len(text) <= MAX_SCAN_CHARS:
                        on_scan(Scan(text, self.name, frame.at))
                    else:
                        detail = f"a code of {len(text)} characters: at most {MAX_SCAN_CHARS} are taken"
                        on_fault(ScanFault(self.name, "too_long", detail, frame.at))
        finally:
            slot.stop()
            try:
                # The grabber is at most one frame, or a network timeout, away from its end.
                await asyncio.to_thread(pool.shutdown)
            finally:
                self._board.set(DeviceState.STARTING)  # nobody looks now: it must not be called ready

    def _grab(self, slot: Slot) -> None:
        """The grabber: open, play, and open again until stopped."""
        settings, delay = self._settings, RetryDelay()
        shown_s = 0.0
        while not slot.is_stopped():
            try:
                source = open_source(settings.source, settings.width, settings.height)
            except DeviceUnavailable as refusal:
                self._board.set(refusal.state, str(refusal))
                slot.pause(None if refusal.state is DeviceState.MISCONFIGURED else delay.next_s())
                continue
            with closing(source):
                if source.period_s is None:
                    frames = self._play_live(source, slot)
                else:
                    frames = self._play_recording(source, source.period_s, shown_s, slot)
                    shown_s += frames * source.period_s
            if slot.is_stopped():
                return
            if source.period_s is None or not frames:
                self._board.set(
                    DeviceState.LOST, f"{shown(settings.source)} gives no picture: check the cable"
                )
                slot.pause(delay.next_s())
            elif not settings.loop:
                self._board.set(DeviceState.LOST, "end of file")
                slot.pause(None)
            if frames:
                delay.reset()

    def _play_live(self, source: FrameSource, slot: Slot) -> int:
        """Offer the newest frame, at most `fps` a second. Returns the number of frames the source gave."""
        frames, due = 0, 0.0
        while not slot.is_stopped() and source.grab():
            now = time.monotonic()
            frames += 1
            self._board.set(DeviceState.READY)
            if now < due:
                continue  # grabbed all the same, so that no old frame waits in the driver's queue
            period_s = max(self._period_s(), 1 / IDLE_FPS if self._is_idle else 0.0)
            due = max(due, now - period_s) + period_s
            gray = source.retrieve()
            if gray is not None:
                slot.put(Frame(fit(_cut(gray, self._settings.region)), now, now))
        return frames

    def _play_recording(self, source: FrameSource, period_s: float, shown_s: float, slot: Slot) -> int:
        """Offer every frame, each when it is due. Returns the number of frames."""
        frames, pace_s = 0, max(period_s, self._period_s())
        due = time.monotonic()
        while not slot.is_stopped() and source.grab():
            self._board.set(DeviceState.READY)
            slot.pause(due - time.monotonic())
            gray = source.retrieve()
            now = time.monotonic()
            if gray is not None:
                seen = fit(_cut(gray, self._settings.region))
                slot.put_when_free(Frame(seen, now, shown_s + frames * period_s))
            frames += 1
            due = max(due + pace_s, now)  # a decoder that is slower than the recording slows it down
        return frames

    def _period_s(self) -> float:
        return 1 / self._settings.fps if self._settings.fps > 0 else 0.0


@dataclass(slots=True)
class _Seen:
    at: float
    distance: float
    told: bool


class InView:
    """Which codes have just come into view. Sans-I/O: the caller tells the time, in seconds."""

    def __init__(self, codes: Codes = "all") -> None:
        self._codes = codes
        self._seen: dict[str, _Seen] = {}

    def appeared(self, found: Iterable[tuple[str, float]], at: float) -> list[str]:
        """Take (text, distance from the middle) of a frame's codes; return those that are new scans, in order.

        "nearest": none but the nearest of the codes that are in view, also those not read in every frame.
        """
        self._seen = {text: one for text, one in self._seen.items() if at - one.at < GONE_S}
        for text, distance in found:
            told = text in self._seen and self._seen[text].told
            self._seen[text] = _Seen(at, distance, told)
        in_view = [text for text, one in self._seen.items() if at - one.at < FLICKER_S]
        if self._codes == "nearest" and in_view:
            in_view = [min(in_view, key=lambda text: self._seen[text].distance)]
        new = [text for text in in_view if not self._seen[text].told]
        for text in new:
            self._seen[text].told = True
        return new


def _distance(one: Decoded, gray: Gray) -> float:
    """From the middle of the code to that of the picture, in pixels."""
    rows, columns = gray.shape
    x, y = (sum(corner[axis] for corner in one.box) / 4 for axis in (0, 1))
    return hypot(x - columns / 2, y - rows / 2)


def _cut(gray: Gray, region: Region) -> Gray:
    """The part of the picture that is looked at."""
    rows, columns = gray.shape
    left, top, width, height = region
    x, y = left * columns // 100, top * rows // 100
    return gray[y : y + max(1, height * rows // 100), x : x + max(1, width * columns // 100)]


def _step_back() -> None:
    """In a thread of ours, on Linux: what the till does for a sale goes before what it sees."""
    with suppress(PermissionError):  # the service's own sandbox forbids it (SystemCallFilter=~@resources)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class Slot:
    """One frame between the grabber and the event loop, and the word to stop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._ready = asyncio.Event()
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._stopped = False
        self._ended = False

    def is_stopped(self) -> bool:
        return self._stopped

    def put(self, frame: Frame) -> None:
        """In the grabber: replace whatever was not taken."""
        with self._changed:
            self._frame = frame
        self._loop.call_soon_threadsafe(self._ready.set)

    def put_when_free(self, frame: Frame) -> None:
        """In the grabber: wait until the frame before was taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._stopped)
        self.put(frame)

    def pause(self, seconds: float | None) -> None:
        """In the grabber: sleep, for ever if None, but not beyond `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, None if seconds is None else max(seconds, 0))

    async def take(self) -> Frame | None:
        """In the loop: the next frame; None when the grabber has ended."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            with self._changed:
                frame, self._frame = self._frame, None
                self._changed.notify_all()
            # The word of a frame may come when the one that replaced it was taken: it is of none then.
            if frame is not None or self._ended:
                return frame

    def end(self, _: object = None) -> None:
        """In the loop: the grabber gives no more."""
        self._ended = True
        self._ready.set()

    def stop(self) -> None:
        """In the loop: the grabber ends as soon as it can."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
