"""The one place that imports OpenCV: 75 MB of library, wanted only when a camera or a picture is read."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from drivers.ports import DriverError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Gray = npt.NDArray[np.uint8]
    """A grey picture: rows x columns, one byte a pixel."""

MAX_PIXELS = 50_000_000
"""Largest picture that is unpacked; a phone's camera makes 12 to 48 million pixels."""

FIT_WIDTH, FIT_HEIGHT = 1280, 720


@functools.cache
def load_cv2() -> Any:
    """Import and tame OpenCV. Raises DriverError, naming the package, when it is not installed."""
    # Read once, when the library is loaded.
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")  # seconds a mute camera is waited for
    try:
        import cv2
    except ImportError as error:
        raise DriverError(
            f"OpenCV cannot be loaded ({error}): install opencv-python-headless, or redeemd[camera]"
        ) from error
    # A missing camera is a status of ours, not twelve lines on standard error.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    cv2.setNumThreads(1)  # a till has few cores, and other work to do
    return cv2


def to_gray(picture: npt.NDArray[np.uint8]) -> Gray:
    """Grey of any 8-bit picture OpenCV hands out (grey, BGR or BGRA). Transparent parts are white paper."""
    cv2 = load_cv2()
    gray: Gray
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 4:
        alpha = picture[:, :, 3]
        gray = cv2.cvtColor(picture, cv2.COLOR_BGRA2GRAY)
        white = 255 - alpha
        gray = cv2.add(cv2.multiply(gray, alpha, scale=1 / 255), white)
        return gray
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return gray


def fit(gray: Gray) -> Gray:
    """Shrink to 1280 x 720 where it is larger: as many codes are read there, in a quarter of the time."""
    height, width = gray.shape
    scale = min(FIT_WIDTH / width, FIT_HEIGHT / height, 1.0)
    if scale == 1.0:
        return gray
    cv2 = load_cv2()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small: Gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return small
