"""Rendered codes for the decoder and camera tests: pictures and videos made here, from nothing but text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import segno

Gray = npt.NDArray[np.uint8]

TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6
WIDTH, HEIGHT = 640, 480


def qr(text: str, module: int = 4, dark: int = 0, light: int = 255) -> Gray:
    """One code with its quiet zone, `module` pixels a module, in the given greys."""
    return drawn(segno.make(text, error="m", micro=False), module, dark, light)


def drawn(code: segno.QRCode, module: int, dark: int = 0, light: int = 255) -> Gray:
    bits = np.array([list(row) for row in code.matrix_iter(border=4)], dtype=np.uint8)
    pixels = np.kron(bits, np.ones((module, module), dtype=np.uint8))
    return np.asarray(np.where(pixels > 0, dark, light), dtype=np.uint8)


def counter(*codes: Gray, width: int = WIDTH, height: int = HEIGHT) -> Gray:
    """A camera's view of a grey counter, with codes laid on it from the top left."""
    view = np.full((height, width), 130, dtype=np.uint8)
    left = 8
    for code in codes:
        rows, columns = code.shape
        view[8 : 8 + rows, left : left + columns] = code
        left += columns + 8
    return view


def blurred(gray: Gray, sigma: float) -> Gray:
    return np.asarray(cv2.GaussianBlur(gray, (0, 0), sigma), dtype=np.uint8)


def turned(gray: Gray, degrees: float, tilt: float = 0.0) -> Gray:
    """Rotate about the middle and tilt back by moving the upper corners together (a share of the width)."""
    rows, columns = gray.shape
    spin = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 0.7)
    flat = cv2.warpAffine(gray, spin, (columns, rows), borderValue=130)
    corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], dtype=np.float32)
    inset = np.array([[tilt, 0], [-tilt, 0], [0, 0], [0, 0]], dtype=np.float32) * columns
    warp = cv2.getPerspectiveTransform(corners, corners + inset)
    return np.asarray(cv2.warpPerspective(flat, warp, (columns, rows), borderValue=130), dtype=np.uint8)


def curved(gray: Gray, bulge: float = 12) -> Gray:
    """As wrapped about a can: the middle stands `bulge` pixels above the sides."""
    rows, columns = gray.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    across = np.clip(x / 240, 0, 1)
    return np.asarray(
        cv2.remap(
            gray, x, y + bulge * np.sin(np.pi * across).astype(np.float32), cv2.INTER_LINEAR, borderValue=130
        ),
        dtype=np.uint8,
    )


def glaring(gray: Gray, radius: int = 18) -> Gray:
    """A lamp's reflection in the code: white within `radius`, with a soft edge."""
    spot = np.zeros(gray.shape, dtype=np.float32)
    cv2.circle(spot, (120, 150), radius, 255, -1)
    return np.asarray(np.clip(gray + cv2.GaussianBlur(spot, (0, 0), 4), 0, 255), dtype=np.uint8)


def noisy(gray: Gray, sd: float) -> Gray:
    noise = np.random.default_rng(7).normal(0, sd, gray.shape)
    return np.clip(gray + noise, 0, 255).astype(np.uint8)


class PictureStream:
    """A network camera: motion JPEG over HTTP, which OpenCV reads as live. `picture` is what it sees now."""

    def __init__(self, picture: Gray):
        self.picture = picture
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://user:secret@127.0.0.1:{self._port}/stream.mjpg"

    async def start(self) -> None:
        """Start, or start again, at the same address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n")
            while not writer.is_closing():
                jpeg = cv2.imencode(".jpg", self.picture)[1].tobytes()
                head = f"--f\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                writer.write(head.encode() + jpeg + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)  # a hundred pictures a second
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the viewer hung up
        finally:
            self._clients.discard(writer)
            writer.close()


def write_video(path: Path, frames: Iterable[Gray], fps: float) -> Path:
    """Write an AVI (motion JPEG, which every OpenCV wheel reads and writes)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path
