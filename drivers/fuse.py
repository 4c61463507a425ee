"""One sharp picture out of many poor ones: frames of the same code are laid over one another and averaged.

A camera gives 15 and more frames a second of a code that is held before it. Each has its own noise and its own shake;
what they share is the code. It is found by its texture, brought into register (Evangelidis and Psarakis, "Parametric
image alignment using enhanced correlation coefficient maximization", 2008), and the mean, whose noise is a third, bears
a Wiener filter that would only make noise of a single frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivers.opencv import load_cv2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from drivers.opencv import Gray

    Warp = npt.NDArray[np.float32]
    """2 x 3, affine: from pixels of a crop to pixels of a frame."""

Box = tuple[int, int, int, int]
"""left, top, width, height in pixels."""

KEPT = 8
"""Frames in the mean: the noise falls with their square root, the work rises with their number."""

LEAST_SIDE, MOST_SIDE = 48, 640
_ENLARGED_UP_TO = 400  # pixels of a side: a larger code has modules large enough
_LEAST_LIKENESS = 0.55  # correlation with the first frame below which it is another picture
_SURE_LIKENESS = 0.8
_ECC_STEPS = 12
_LONGEST, _LEAST_FILLED = 1.4, 0.74  # measured on codes and on counters without one (docs/camera.md)
_STRIPED = 0.5  # coherence of the gradients above which it is a bar code, wood or cloth


def find_texture(gray: Gray) -> Box | None:
    """The largest block that is busy in every direction, as a QR code is even out of focus; None without one.

    What is cut off by the frame's edge is no candidate: it could not be read.
    """
    cv2 = load_cv2()
    height, width = gray.shape
    if min(height, width) < 2 * LEAST_SIDE:
        return None
    half = cv2.resize(gray, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    across, down = cv2.Sobel(half, cv2.CV_16S, 1, 0), cv2.Sobel(half, cv2.CV_16S, 0, 1)
    blurred = [cv2.boxFilter(cv2.convertScaleAbs(one), -1, (21, 21)) for one in (across, down)]
    busy = cv2.min(*blurred)
    most, quiet = float(cv2.minMaxLoc(busy)[1]), float(cv2.mean(busy)[0])
    if most < 1.6 * quiet or most < 8:
        return None
    mask = cv2.threshold(busy, quiet + 0.42 * (most - quiet), 255, cv2.THRESH_BINARY)[1]
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for outline in sorted(outlines, key=cv2.contourArea, reverse=True)[:3]:
        left, top, wide, high = box = cv2.boundingRect(outline)
        inside = left > 1 and top > 1 and left + wide < width // 2 - 1 and top + high < height // 2 - 1
        if inside and _is_square(outline) and _coherence(across, down, box) <= _STRIPED:
            return 2 * left, 2 * top, 2 * wide, 2 * high
    return None


def _is_square(outline: Any) -> bool:
    """A filled square in any position, seen from not too far aside. Lengths at half the frame's size."""
    cv2 = load_cv2()
    _, (wide, high), _ = cv2.minAreaRect(outline)
    small, large = sorted((wide, high))
    if 2 * small < LEAST_SIDE or 2 * large > MOST_SIDE or large > _LONGEST * small:
        return False
    return bool(cv2.contourArea(outline) >= _LEAST_FILLED * wide * high)


def _coherence(across: Any, down: Any, box: Box) -> float:
    """0: edges in every direction alike. 1: all in one (structure tensor, Bigün and Granlund 1987)."""
    import numpy as np

    left, top, wide, high = box
    x = across[top : top + high, left : left + wide].astype(np.float32)
    y = down[top : top + high, left : left + wide].astype(np.float32)
    xx, yy, xy = float((x * x).sum()), float((y * y).sum()), float((x * y).sum())
    return float(np.hypot(xx - yy, 2 * xy)) / (xx + yy + 1e-9)


@dataclass(frozen=True, slots=True)
class Fused:
    """picture: the mean. warp: from its pixels to the newest frame's."""

    picture: Gray
    warp: Warp


class Fuser:
    """The mean of the last frames of one code; whoever moves away too fast begins anew."""

    def __init__(self) -> None:
        self._cv2 = load_cv2()
        self.forget()

    def forget(self) -> None:
        """The next frame is the first."""
        self._reference: Any = None  # at half the frame's size, as `_warp` and `_centre`
        self._warp: Any = None
        self._centre = (0.0, 0.0)
        self._scale = 1
        self._kept: list[tuple[float, Any]] = []

    def add(self, gray: Gray, found: Box) -> Fused:
        """Take a frame in which `found` looks like a code."""
        import numpy as np

        cv2 = self._cv2
        half = cv2.resize(gray, (gray.shape[1] // 2, gray.shape[0] // 2), interpolation=cv2.INTER_AREA)
        centre = ((found[0] + found[2] / 2) / 2, (found[1] + found[3] / 2) / 2)
        if self._reference is None or not self._follow(half, centre):
            self._begin(half, found)
        self._centre = centre
        rows, columns = self._reference.shape
        warp = self._warp.copy()
        warp[:, :2] /= self._scale
        warp[:, 2] *= 2
        size = (columns * 2 * self._scale, rows * 2 * self._scale)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(gray, warp, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        self._keep(crop)
        total = sum(sharpness for sharpness, _ in self._kept)
        mean = np.zeros(crop.shape, np.float32)
        for sharpness, one in self._kept:
            mean += one * np.float32(sharpness / total)
        return Fused(np.clip(mean, 0, 255).astype(np.uint8), warp)

    def _begin(self, half: Any, found: Box) -> None:
        import numpy as np

        self.forget()
        left, top, wide, high = (side // 2 for side in found)
        more = int(max(wide, high) * 0.15) + 4
        x0, y0 = max(0, left - more), max(0, top - more)
        self._reference = half[y0 : top + high + more, x0 : left + wide + more].copy()
        self._warp = np.array([[1, 0, x0], [0, 1, y0]], dtype=np.float32)
        self._scale = 2 if max(found[2:]) <= _ENLARGED_UP_TO else 1

    def _follow(self, half: Any, centre: tuple[float, float]) -> bool:
        """Bring the frame into register: from where the code was, or from where it is found now."""
        cv2 = self._cv2
        moved = self._warp.copy()
        moved[0, 2] += centre[0] - self._centre[0]
        moved[1, 2] += centre[1] - self._centre[1]
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ECC_STEPS, 1e-3)
        best, best_warp = _LEAST_LIKENESS, None
        for start in (self._warp.copy(), moved):
            try:
                likeness, warp = cv2.findTransformECC(
                    self._reference, half, start, cv2.MOTION_AFFINE, stop, None, 5
                )
            except cv2.error:  # it does not converge
                continue
            if likeness > best:
                best, best_warp = likeness, warp
            if best > _SURE_LIKENESS:
                break
        if best_warp is None:
            return False
        self._warp = best_warp
        return True

    def _keep(self, crop: Any) -> None:
        """Keep the newest and the sharpest: how sharp, is told by the Laplacian of what is left without noise."""
        import numpy as np

        cv2 = self._cv2
        soft = cv2.GaussianBlur(crop, (0, 0), 1.2 * self._scale)
        deviation = float(cv2.meanStdDev(cv2.Laplacian(soft, cv2.CV_16S))[1][0, 0])
        self._kept.append((deviation**2 + 1e-6, crop.astype(np.float32)))
        if len(self._kept) > KEPT:
            least = min(range(KEPT), key=lambda number: self._kept[number][0])
            del self._kept[least]


Deblur = Callable[["Gray"], "Gray"]


def unsharp(gray: Gray) -> Gray:
    """Unsharp mask, sigma 3, amount 3."""
    cv2 = load_cv2()
    sharp: Gray = cv2.addWeighted(gray, 4, cv2.GaussianBlur(gray, (0, 0), 3), -3, 0)
    return sharp


def wiener(sigma: float, noise: float) -> Deblur:
    """The inverse of a Gaussian blur of `sigma` pixels where the picture's power is 1 / `noise` times the noise's."""
    import numpy as np

    cv2 = load_cv2()
    edge = 16

    def deblur(gray: Gray) -> Gray:
        height, width = gray.shape
        rows, columns = cv2.getOptimalDFTSize(height + 2 * edge), cv2.getOptimalDFTSize(width + 2 * edge)
        padded = cv2.copyMakeBorder(
            gray, edge, rows - height - edge, edge, columns - width - edge, cv2.BORDER_REFLECT
        )
        down, across = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
        blur = np.exp(-2 * np.pi**2 * sigma**2 * (across**2 + down**2)).astype(np.float32)
        spectrum = np.fft.rfft2(padded.astype(np.float32)) * (blur / (blur**2 + np.float32(noise)))
        whole = np.fft.irfft2(spectrum, (rows, columns))[edge : edge + height, edge : edge + width]
        return np.clip(whole, 0, 255).astype(np.uint8)

    return deblur


def deblurs() -> tuple[Deblur, ...]:
    """In the order they are tried, one a frame: measured on rendered presentations (docs/camera.md)."""
    return unsharp, wiener(4, 0.01), wiener(5, 0.002), wiener(4, 0.002)
