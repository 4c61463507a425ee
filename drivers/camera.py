"""A camera over the counter as a scan source: a V4L2 device, a network stream, or a recording (demo and tests).

One thread opens the source and reads frames (the grabber), another decodes. From a live source the newest frame wins
and what was not looked at is dropped; of a recording every frame is looked at, at the recording's own pace. The
callbacks run in the event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.decode import DEFAULT_CHAIN, FrameReader, load_chain
from drivers.frames import FrameSource, open_source, shown
from drivers.opencv import fit
from drivers.ports import MAX_SCAN_CHARS, DeviceState, DeviceStatus, DriverError, Scan, ScanFault
from drivers.state import DeviceUnavailable, RetryDelay, StatusBoard

if TYPE_CHECKING:
    from drivers.opencv import Gray

GONE_S = 0.7
"""A code that was not seen for so long has left the picture: seen again, it is a new scan."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """source: a camera number, /dev/video path, URL, video file or folder of pictures (`frames.open_source`).

    width, height: asked of a device, 0 for its own. fps: most frames a second that are looked at, 0 for all; a
    recording is slowed down to it. decoders: names in `decode.DECODERS`. loop: play a recording again and again.
    """

    name: str
    source: str
    width: int = 1280
    height: int = 720
    fps: float = 15.0
    decoders: tuple[str, ...] = DEFAULT_CHAIN
    loop: bool = False


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
        pool = ThreadPoolExecutor(2, thread_name_prefix=f"camera {self.name}")
        try:
            try:
                chain = await loop.run_in_executor(pool, load_chain, self._settings.decoders)
            except DriverError as error:
                self._board.set(DeviceState.MISCONFIGURED, str(error))
                await asyncio.Event().wait()
            grabbing = loop.run_in_executor(pool, self._grab, slot)
            grabbing.add_done_callback(slot.wake)
            reader, in_view = FrameReader(chain), InView()
            while True:
                frame = await slot.take()
                if frame is None:
                    grabbing.result()  # the grabber ended: only by a bug, which is raised here
                    raise AssertionError("the grabber ended before it was told to")
                found = await loop.run_in_executor(pool, reader.read, frame.gray)
                for text in in_view.appeared((one.text for one in found), frame.shown_s):
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
            period_s = self._period_s()
            due = max(due, now - period_s) + period_s
            gray = source.retrieve()
            if gray is not None:
                slot.put(Frame(fit(gray), now, now))
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
                slot.put_when_free(Frame(fit(gray), now, shown_s + frames * period_s))
            frames += 1
            due = max(due + pace_s, now)  # a decoder that is slower than the recording slows it down
        return frames

    def _period_s(self) -> float:
        return 1 / self._settings.fps if self._settings.fps > 0 else 0.0


class InView:
    """Which codes have just come into view. Sans-I/O: the caller tells the time, in seconds."""

    def __init__(self) -> None:
        self._last_seen: dict[str, float] = {}

    def appeared(self, texts: Iterable[str], at: float) -> list[str]:
        """Take the codes of one frame; return those that were not in view before, in order."""
        kept = {text: seen for text, seen in self._last_seen.items() if at - seen < GONE_S}
        now = dict.fromkeys(texts, at)
        self._last_seen = kept | now
        return [text for text in now if text not in kept]


class Slot:
    """One frame between the grabber and the event loop, and the word to stop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._ready = asyncio.Event()
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._stopped = False

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
        """In the loop: the next frame; None when woken without one."""
        await self._ready.wait()
        self._ready.clear()
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
        return frame

    def wake(self, _: object = None) -> None:
        """In the loop: let `take` return."""
        self._ready.set()

    def stop(self) -> None:
        """In the loop: the grabber ends as soon as it can."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
