"""Where a camera's frames come from: OpenCV's video capture, or a folder of pictures. Blocking; used in a thread."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drivers.opencv import load_cv2, to_gray
from drivers.pictures import SUFFIXES, load_gray
from drivers.ports import DeviceState, DriverError
from drivers.state import DeviceUnavailable

if TYPE_CHECKING:
    from drivers.opencv import Gray

FOLDER_FPS = 5.0
NETWORK_TIMEOUT_MS = 3000
_FILE_FPS = 25.0  # for a recording that does not tell its own
_FILE_FPS_RANGE = (1.0, 240.0)


class FrameSource(Protocol):
    """An open source. period_s: seconds a frame of a recording lasts; None for a live source."""

    period_s: float | None

    def grab(self) -> bool:
        """Go to the next frame; a live source waits for it. False: the end, or the source is lost."""

    def retrieve(self) -> Gray | None:
        """The frame of the last `grab`, grey; None when it cannot be unpacked."""

    def close(self) -> None: ...


def open_source(source: str, width: int = 0, height: int = 0) -> FrameSource:
    """Open a camera number ("0"), a device path, a URL, a video file or a folder of pictures.

    width, height: asked of a device; it may give another size. Raises DeviceUnavailable.
    """
    if source.isdigit():
        source = f"/dev/video{source}"
    if "://" in source:
        return _open_stream(source)
    if not os.path.exists(source):
        raise DeviceUnavailable(
            DeviceState.LOST, f"{source} does not exist: plug the camera in, or correct `source`"
        )
    if source.startswith("/dev/"):
        return _open_device(source, width, height)
    if not os.access(source, os.R_OK):
        raise DeviceUnavailable(
            DeviceState.DENIED, f"{source} may not be read: give the service's user access"
        )
    if os.path.isdir(source):
        return _Folder(source)
    return _open_file(source)


def shown(source: str) -> str:
    """The source as it may be shown and logged: without the user and password of a URL."""
    return re.sub(r"//[^/]*@", "//", source)


def _open_device(path: str, width: int, height: int) -> FrameSource:
    cv2 = load_cv2()
    if not os.access(path, os.R_OK | os.W_OK):
        raise DeviceUnavailable(
            DeviceState.DENIED,
            f"{path} may not be opened: add the service's user to the group video (usermod -aG video USER)",
        )
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        raise DeviceUnavailable(
            DeviceState.LOST, f"{path} gives no picture: is it a camera, and does another program use it?"
        )
    capture.set(
        cv2.CAP_PROP_BUFFERSIZE, 1
    )  # the newest frame wins; a driver that cannot says no, and we go on
    if width and height:
        # Most USB cameras give large pictures at 30 frames a second only as JPEG, and raw ones at 5 to 10.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    return _Capture(capture, None)


def _open_stream(url: str) -> FrameSource:
    cv2 = load_cv2()
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        NETWORK_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        NETWORK_TIMEOUT_MS,
    ]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        capture.release()
        raise DeviceUnavailable(
            DeviceState.LOST, f"{shown(url)} does not answer with a video: check the camera and the network"
        )
    is_jpeg = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
    if is_jpeg and capture.set(cv2.CAP_PROP_FORMAT, -1):  # FFmpeg hands out what came, undecoded
        return _JpegCapture(capture, None)
    return _Capture(capture, None)


def _open_file(path: str) -> FrameSource:
    cv2 = load_cv2()
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        capture.release()
        raise DeviceUnavailable(
            DeviceState.MISCONFIGURED, f"{path} is no video that can be read: correct `source`"
        )
    fps = capture.get(cv2.CAP_PROP_FPS)
    slowest, fastest = _FILE_FPS_RANGE
    return _Capture(capture, 1 / (fps if slowest <= fps <= fastest else _FILE_FPS))


class _Capture:
    def __init__(self, capture: Any, period_s: float | None):
        self._capture = capture
        self.period_s = period_s

    def grab(self) -> bool:
        return bool(self._capture.grab())

    def retrieve(self) -> Gray | None:
        whole, picture = self._capture.retrieve()
        return to_gray(picture) if whole else None

    def close(self) -> None:
        self._capture.release()


class _JpegCapture(_Capture):
    """Unpacks only the pictures that are looked at, of those the grey alone: a quarter of the CPU at 30 a second."""

    def retrieve(self) -> Gray | None:
        cv2 = load_cv2()
        whole, packed = self._capture.retrieve()
        if not whole:
            return None
        try:
            gray: Gray | None = cv2.imdecode(packed.reshape(-1), cv2.IMREAD_GRAYSCALE)
        except cv2.error:  # empty, or larger than MAX_PIXELS
            return None
        return gray


class _Folder:
    """The pictures of a folder in order of name, as if held before a camera one after another."""

    period_s: float | None = 1 / FOLDER_FPS

    def __init__(self, path: str):
        found = sorted(one for one in Path(path).iterdir() if one.suffix.lower() in SUFFIXES)
        if not found:
            raise DeviceUnavailable(
                DeviceState.LOST, f"{path} has no pictures: put some in, or correct `source`"
            )
        self._rest = iter(found)
        self._current = found[0]

    def grab(self) -> bool:
        following = next(self._rest, None)
        if following is None:
            return False
        self._current = following
        return True

    def retrieve(self) -> Gray | None:
        try:
            return load_gray(self._current)
        except DriverError:
            return None  # not a picture after all: nothing is seen

    def close(self) -> None:
        """Nothing is held open."""
