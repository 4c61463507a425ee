"""Frames of a till's camera, rendered: phones with a code in four severities, frames without one, and presentations.

The severities are drawn from the ranges of our measurement (docs/camera.md): size of a module, defocus, motion, noise,
glare, tilt, roll and JPEG quality. The scene is drawn at twice the size and shrunk, so that edges are as a lens leaves
them. Each frame comes from a seed of its own: the same number gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import segno

Gray = npt.NDArray[np.uint8]
Corners = npt.NDArray[np.float32]

WIDTH, HEIGHT = 1280, 720
SEED = 20251121
_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_OVER = 2  # drawn so many times larger
_MODULE_PX = 8  # of the code's own picture
_GLARE_PX = (5, 22)  # with it the bare decoder reads about as many of each severity as the measurement says


@dataclass(frozen=True, slots=True)
class Severity:
    """Ranges; lengths in pixels at 1280 x 720, angles in degrees. motion comes to 70 % of the frames."""

    name: str
    module: tuple[float, float]
    defocus: tuple[float, float]
    motion: tuple[float, float]
    noise: tuple[float, float]
    glare: float
    tilt: float
    roll: float
    jpeg: tuple[int, int]


SEVERITIES = (
    Severity("mild", (4, 6), (0, 0.8), (0, 2), (1, 3), 0.15, 10, 10, (75, 90)),
    Severity("moderate", (3.2, 5.5), (0.4, 1.3), (0, 4), (2, 7), 0.40, 20, 30, (60, 90)),
    Severity("hard", (2.6, 5), (0.6, 2), (0, 7), (4, 14), 0.60, 30, 180, (50, 85)),
    Severity("extreme", (2, 4.5), (0.8, 3), (0, 12), (6, 24), 0.80, 40, 180, (40, 75)),
)


@dataclass(frozen=True, slots=True)
class View:
    """How one code is seen. centre, glare_at: pixels. motion: length in pixels and direction in degrees."""

    module: float
    defocus: float
    motion: tuple[float, float]
    noise: float
    glare_radius: float
    glare_at: tuple[float, float]
    tilt: tuple[float, float]
    roll: float
    centre: tuple[float, float]
    white: float
    black: float
    jpeg: int


def code_frames(severity: Severity, count: int) -> Iterator[tuple[Gray, str]]:
    """(frame, text of its code), `count` times."""
    for number in range(count):
        yield code_frame(severity, number)


def code_frame(severity: Severity, number: int) -> tuple[Gray, str]:
    """One of them."""
    random = np.random.default_rng([SEED, SEVERITIES.index(severity), number])
    text, code = _code(random, number)
    return _photo(code, _view(severity, code, random), _scene(random), random), text


def empty_frames(count: int = 320) -> Iterator[Gray]:
    """Frames without a readable code: 1/4 empty, 1/2 with a phone without one, 1/4 with a code cut off."""
    for number in range(count):
        random = np.random.default_rng([SEED, 10, number])
        severity = SEVERITIES[number // 4 % 4]
        scene = _scene(random)
        kind = number % 4
        text_code = _code(random, number)[1]
        view = _view(severity, text_code, random)
        if kind == 0:
            yield _develop(scene, view, random)
        elif kind in (1, 2):
            yield _photo(_screen(text_code.shape[0], random), view, scene, random)
        else:
            side = text_code.shape[0] / _MODULE_PX * view.module
            out = random.uniform(0.25, 0.6) * side
            flat = replace(view, centre=(side / 2 - out, view.centre[1]), tilt=(0, 0), roll=0.0)
            yield _photo(text_code, flat, scene, random)


@dataclass(frozen=True, slots=True)
class Presentation:
    """One phone held before the camera: `frames` show `text` while the hand comes to rest."""

    severity: str
    text: str
    frames: tuple[Gray, ...]


def presentations(
    severity: Severity, count: int = 20, frames: int = 20, settling: int = 12
) -> Iterator[Presentation]:
    """The phone comes from the side, turns and shakes; over `settling` frames that fades to a resting hand's shake,
    and the camera comes into focus.
    """
    for number in range(count):
        random = np.random.default_rng([SEED, 20 + SEVERITIES.index(severity), number])
        text, code = _code(random, number)
        view, scene = _view(severity, code, random), _scene(random)
        come = random.uniform(-160, 160, 2)
        turn = random.uniform(-12, 12)
        taken = []
        for frame in range(frames):
            left = max(0.0, 1 - frame / settling)
            shake = random.normal(0, 1.5 + 6 * left, 2)
            centre = tuple(np.array(view.centre) + come * left**2 + shake)
            length = (view.motion[0] * (0.05 + 1.5 * left) + 8 * left) * random.uniform(0.5, 1.2)
            now = replace(
                view,
                centre=(float(centre[0]), float(centre[1])),
                roll=view.roll + turn * left + random.normal(0, 0.4),
                tilt=(view.tilt[0] + random.normal(0, 0.6), view.tilt[1] + random.normal(0, 0.6)),
                motion=(length, random.uniform(0, 180)),
                defocus=view.defocus * (0.65 + 0.6 * left) * random.uniform(0.95, 1.1),
            )
            taken.append(_photo(code, now, scene, random))
        yield Presentation(severity.name, text, tuple(taken))


def _code(random: np.random.Generator, number: int) -> tuple[str, Gray]:
    """200, 300 or 400 characters at level L, M or Q: versions 7 to 15."""
    length, level = (200, 300, 400)[number % 3], "LMQ"[number // 3 % 3]
    text = "".join(random.choice(list(_BASE45), length))
    matrix = segno.make_qr(text, error=level, boost_error=False, mode="alphanumeric").matrix_iter(border=4)
    bits = np.array([list(row) for row in matrix], dtype=np.uint8)
    pixels = np.kron(bits, np.ones((_MODULE_PX, _MODULE_PX), dtype=np.uint8))
    return text, np.asarray(np.where(pixels > 0, 0, 255), dtype=np.uint8)


def _view(severity: Severity, code: Gray, random: np.random.Generator) -> View:
    module = random.uniform(*severity.module)
    side = code.shape[0] / _MODULE_PX * module
    spare_x, spare_y = max(0.0, (WIDTH - 1.1 * side) / 2), max(0.0, (HEIGHT - 1.1 * side) / 2)
    x = WIDTH / 2 + random.uniform(-0.6, 0.6) * spare_x
    y = HEIGHT / 2 + random.uniform(-0.6, 0.6) * spare_y
    glare = random.uniform(*_GLARE_PX) if random.random() < severity.glare else 0.0
    spot = random.uniform(-0.6, 0.6, 2) * side
    return View(
        module=module,
        defocus=random.uniform(*severity.defocus),
        motion=(random.uniform(*severity.motion) if random.random() < 0.7 else 0.0, random.uniform(0, 180)),
        noise=random.uniform(*severity.noise),
        glare_radius=glare,
        glare_at=(x + float(spot[0]), y + float(spot[1])),
        tilt=(random.uniform(-1, 1) * severity.tilt, random.uniform(-1, 1) * severity.tilt),
        roll=random.uniform(-1, 1) * severity.roll,
        centre=(x, y),
        white=random.uniform(150, 250),
        black=random.uniform(5, 60),
        jpeg=int(random.integers(*severity.jpeg, endpoint=True)),
    )


def _scene(random: np.random.Generator) -> Gray:
    """A counter: uneven light, things with edges, print and stripes like bar codes, at twice the frame's size."""
    size = (HEIGHT * _OVER, WIDTH * _OVER)
    light = cv2.resize(random.uniform(60, 190, (3, 4)), size[::-1], interpolation=cv2.INTER_CUBIC)
    view = np.clip(light, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(4, 14))):
        x, y = (int(v) for v in random.uniform((0, 0), size[::-1]))
        w, h = (int(v) for v in random.uniform(40, 500, 2))
        cv2.rectangle(view, (x, y), (x + w, y + h), int(random.integers(20, 240)), -1)
        if random.random() < 0.3:
            for stripe in range(x, x + w, int(random.integers(6, 14))):
                wide = stripe + int(random.integers(2, 6))
                cv2.rectangle(view, (stripe, y), (wide, y + h), int(random.integers(0, 60)), -1)
        if random.random() < 0.4:
            cv2.putText(
                view, "COUPON 12.50", (x, y + h // 2), 0, random.uniform(0.8, 3), int(random.integers(255)), 3
            )
    return np.asarray(view, dtype=np.uint8)


def _screen(side: int, random: np.random.Generator) -> Gray:
    """A phone's page without a code: text, buttons and a picture of coarse squares."""
    page = np.full((side, side), 255, dtype=np.uint8)
    for line in range(40, side - 60, 44):
        text = "".join(random.choice(list(_BASE45), int(random.integers(4, 24))))
        cv2.putText(page, text, (20, line), 0, random.uniform(0.6, 1.3), int(random.integers(0, 120)), 2)
    blocks = random.integers(0, 255, (8, 8)).astype(np.uint8)
    edge = side // 3
    page[edge : 2 * edge, edge : 2 * edge] = cv2.resize(blocks, (edge, edge), interpolation=cv2.INTER_NEAREST)
    return page


def _corners(side_px: float, view: View) -> Corners:
    """Where the code's picture comes to lie: a square turned in space, seen from four times its side away."""
    half = side_px / 2
    square = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    pitch, yaw, roll = np.deg2rad([view.tilt[0], view.tilt[1], view.roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = square @ (about_x @ about_y @ about_z).T
    away = 4 * side_px
    flat = turned[:, :2] * (away / (away + turned[:, 2:]))
    return np.asarray(flat + np.array(view.centre), dtype=np.float32)


def _photo(code: Gray, view: View, scene: Gray, random: np.random.Generator) -> Gray:
    """A phone with `code` on its screen lies over `scene`, as the camera takes it."""
    side = code.shape[0]
    source = np.array([[0, 0], [side, 0], [side, side], [0, side]], dtype=np.float32)
    target = _corners(side / _MODULE_PX * view.module, view) * _OVER
    warp = cv2.getPerspectiveTransform(source, target)
    margin = side // 12  # the phone's white page about the code
    page = cv2.copyMakeBorder(code, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255)
    shift: Any = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1]], dtype=np.float64)
    size = (WIDTH * _OVER, HEIGHT * _OVER)
    toned = cv2.LUT(page, np.linspace(view.black, view.white, 256).astype(np.uint8))
    taken = scene.copy()
    cv2.warpPerspective(
        toned, warp @ shift, size, dst=taken, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT
    )
    return _develop(taken, view, random)


def _develop(taken: Gray, view: View, random: np.random.Generator) -> Gray:
    """Shrink to the frame, and add what a lens, a sensor and a compressor add."""
    frame = cv2.resize(taken, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    if view.defocus > 0.05:
        frame = cv2.GaussianBlur(frame, (0, 0), view.defocus)
    if view.motion[0] > 0.5:
        frame = cv2.filter2D(frame, -1, _streak(*view.motion))
    if view.glare_radius:
        _glare(frame, view)
    frame += random.standard_normal(frame.shape, dtype=np.float32) * view.noise
    whole = np.clip(frame, 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, view.jpeg])[1]
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _streak(length: float, degrees: float) -> npt.NDArray[np.float32]:
    """A line of `length` pixels, drawn eight times larger and shrunk, whose sum is 1."""
    size = int(np.ceil(length)) // 2 * 2 + 3
    large = np.zeros((size * 8, size * 8), dtype=np.float32)
    along = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))]) * length * 4
    middle = np.array([size * 4, size * 4])
    a, b = (tuple(int(v) for v in middle + sign * along) for sign in (-1, 1))
    cv2.line(large, a, b, 1.0, 8)
    small = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small / small.sum(), dtype=np.float32)


def _glare(frame: npt.NDArray[np.float32], view: View) -> None:
    """A lamp's reflection that saturates within its radius and fades over a third as much again."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    away = np.hypot(columns - view.glare_at[0], rows - view.glare_at[1]) / view.glare_radius
    frame += (255 * np.clip(4 - 3 * away, 0, 1)).astype(np.float32)
