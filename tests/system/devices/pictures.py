"""Frames with a QR code, as raw as a camera hands them out. Drawn on this side: the guest would take half a minute."""

from __future__ import annotations

import numpy as np
import segno

COLUMNS, ROWS, PIXELS = 640, 480, "BGR3"
"""What vivid's HDMI input and OpenCV agree on; PIXELS is V4L2's name of three bytes a pixel."""

_GROUND = 128


def picture(text: str) -> bytes:
    """One frame: the code in the middle, two thirds of the height."""
    code = segno.make_qr(text, error="m")
    modules = np.array([list(row) for row in code.matrix_iter(border=4)], dtype=np.uint8)
    scale = ROWS * 2 // 3 // len(modules)
    drawn = np.kron(np.where(modules, 20, 235).astype(np.uint8), np.ones((scale, scale), np.uint8))
    gray = np.full((ROWS, COLUMNS), _GROUND, np.uint8)
    top, left = (ROWS - len(drawn)) // 2, (COLUMNS - len(drawn)) // 2
    gray[top : top + len(drawn), left : left + len(drawn)] = drawn
    return np.repeat(gray[:, :, None], 3, axis=2).tobytes()
