"""A film of coupons held before a camera: perspective, blur and noise, rendered so that no hardware is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 1280, 720, 15
SHOWN_FRAMES, EMPTY_FRAMES = 15, 15
MODULE_PX = 8
SEED = 20261122


def shoot(tokens: Sequence[str], path: Path) -> None:
    """Write an MJPG film in which each of `tokens` is shown for a second with a second of empty counter between."""
    import cv2
    import numpy as np

    random = np.random.default_rng(SEED)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    assert writer.isOpened(), "OpenCV can write MJPG"
    counter = np.full((HEIGHT, WIDTH), 150, np.uint8)
    for token in tokens:
        code = _code(token)
        for _ in range(EMPTY_FRAMES):
            writer.write(_colour(_noisy(counter, random)))
        for _ in range(SHOWN_FRAMES):
            writer.write(_colour(_noisy(_held(code, counter, random), random)))
    for _ in range(EMPTY_FRAMES):
        writer.write(_colour(_noisy(counter, random)))
    writer.release()


def _code(token: str) -> Picture:
    """The QR code as a grey picture with its quiet zone."""
    import numpy as np
    import segno

    matrix = segno.make_qr(token, error="m", boost_error=False).matrix_iter(scale=MODULE_PX, border=4)
    return np.array([[0 if dark else 255 for dark in row] for row in matrix], np.uint8)


def _held(code: Picture, counter: Picture, random: Any) -> Picture:
    """`code` lying on `counter`, a little turned and tilted, out of focus."""
    import cv2
    import numpy as np

    side = code.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    angle = np.deg2rad(random.uniform(-15, 15))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    centre = np.array([WIDTH / 2, HEIGHT / 2], np.float32) + random.uniform(-60, 60, 2).astype(np.float32)
    tilt = random.uniform(-0.05, 0.05, (4, 2)).astype(np.float32) * side
    target = ((corners - side / 2) @ turn.T + centre + tilt).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, target)
    size = (WIDTH, HEIGHT)
    paper = cv2.warpPerspective(code, warp, size, borderValue=0)
    covered = cv2.warpPerspective(np.full_like(code, 255), warp, size)
    scene = np.where(covered > 127, paper, counter).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(scene, (0, 0), random.uniform(0.6, 1.2)), np.uint8)


def _noisy(picture: Picture, random: Any) -> Picture:
    import numpy as np

    noise = random.normal(0, 4, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def _colour(grey: Picture) -> Picture:
    import cv2
    import numpy as np

    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
