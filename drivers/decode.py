"""QR codes out of grey pictures: a chain of decoders, from the best and cheapest to the last resort.

Order and choice are measured on 548 public pictures with known texts (docs/decisions): zxing-cpp limited to QR Model 2
reads 518 with no wrong text in about 1 ms; a retry on the picture twice as large, then on a sharpened one, makes it
526. ZBar reads 2 more at 20 ms a frame and guesses character sets wrongly, so it comes last and only ASCII is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.opencv import load_cv2
from drivers.ports import DriverError

if TYPE_CHECKING:
    from typing import Any

    from drivers.opencv import Gray

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Decoded:
    """One code found in a picture.

    text: its characters. raw: its bytes as the decoder gives them. decoder: the name in DECODERS that read it.
    box: its corners (x, y) in pixels of the picture, clockwise from the code's top left.
    """

    text: str
    raw: bytes
    decoder: str
    box: tuple[Point, Point, Point, Point]


Decode = Callable[["Gray"], list[Decoded]]
"""Read one grey picture. Nothing found is an empty list; nothing is raised for any picture content."""

_GS1_QR = "]Q3"


def _zxing(name: str) -> Decode:
    try:
        import zxingcpp
    except ImportError as error:
        raise DriverError(
            f"zxing-cpp cannot be loaded ({error}): install zxing-cpp, or redeemd[camera]"
        ) from error
    model2 = zxingcpp.BarcodeFormat.QRCodeModel2  # all formats: 13 times slower and false reads
    plain = zxingcpp.TextMode.Plain  # the default, HRI, turns control characters into words like "<GS>"

    def decode(gray: Gray) -> list[Decoded]:
        found = zxingcpp.read_barcodes(gray, formats=model2, text_mode=plain)
        return [Decoded(_marked(one), one.bytes, name, _corners(one.position)) for one in found]

    def _marked(one: Any) -> str:
        """GS1 data says so, as a hand scanner does with its symbology identifier (ISO/IEC 15424)."""
        text: str = one.text
        return _GS1_QR + text if one.symbology_identifier == _GS1_QR else text

    return decode


def _corners(at: Any) -> tuple[Point, Point, Point, Point]:
    return (
        (at.top_left.x, at.top_left.y),
        (at.top_right.x, at.top_right.y),
        (at.bottom_right.x, at.bottom_right.y),
        (at.bottom_left.x, at.bottom_left.y),
    )


def _zxing_upscaled(name: str) -> Decode:
    cv2, inner = load_cv2(), _zxing(name)

    def decode(gray: Gray) -> list[Decoded]:
        found = inner(cv2.resize(gray, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
        return [Decoded(one.text, one.raw, name, _halved(one.box)) for one in found]

    return decode


def _halved(box: tuple[Point, Point, Point, Point]) -> tuple[Point, Point, Point, Point]:
    a, b, c, d = ((x // 2, y // 2) for x, y in box)
    return a, b, c, d


def _zxing_sharpened(name: str) -> Decode:
    cv2, inner = load_cv2(), _zxing(name)

    def decode(gray: Gray) -> list[Decoded]:
        blurred = cv2.GaussianBlur(gray, (0, 0), 2)  # unsharp mask: sigma 2, amount 1.5
        return inner(cv2.addWeighted(gray, 2.5, blurred, -1.5, 0))

    return decode


def _pyzbar(name: str) -> Decode:
    try:
        from pyzbar import pyzbar
    except ImportError as error:
        raise DriverError(
            f"pyzbar cannot be loaded ({error}): install pyzbar and the system package libzbar0"
        ) from error
    qr_only = [pyzbar.ZBarSymbol.QRCODE]

    def decode(gray: Gray) -> list[Decoded]:
        return [
            Decoded(one.data.decode("ascii"), one.data, name, _around(*one.rect))
            for one in pyzbar.decode(gray, symbols=qr_only)
            if one.data.isascii()  # zbar has already guessed a character set, often a wrong one
        ]

    return decode


def _opencv(name: str) -> Decode:
    cv2 = load_cv2()
    detector = cv2.QRCodeDetector()

    def decode(gray: Gray) -> list[Decoded]:
        try:
            text, points, _ = detector.detectAndDecode(gray)
        except (cv2.error, UnicodeDecodeError):  # raised for some noise and for bytes that are not UTF-8
            return []
        if not text or not text.isascii() or points is None:
            return []
        a, b, c, d = ((round(float(x)), round(float(y))) for x, y in points.reshape(-1, 2)[:4])
        return [Decoded(text, text.encode(), name, (a, b, c, d))]

    return decode


def _around(left: int, top: int, width: int, height: int) -> tuple[Point, Point, Point, Point]:
    right, bottom = left + width, top + height
    return (left, top), (right, top), (right, bottom), (left, bottom)


DECODERS: dict[str, Callable[[str], Decode]] = {
    "zxing": _zxing,
    "zxing_upscaled": _zxing_upscaled,
    "zxing_sharpened": _zxing_sharpened,
    "pyzbar": _pyzbar,
    "opencv": _opencv,
}
DEFAULT_CHAIN = ("zxing", "zxing_upscaled", "zxing_sharpened")


def still_chain() -> tuple[str, ...]:
    """For a still picture: DEFAULT_CHAIN, and ZBar last where libzbar0 is there.

    ZBar reads some codes that have a lamp's reflection on a finder pattern, in 20 ms. A camera waits for the next
    frame instead, in which the reflection has moved.
    """
    try:
        DECODERS["pyzbar"]("pyzbar")
    except DriverError:
        return DEFAULT_CHAIN
    return (*DEFAULT_CHAIN, "pyzbar")


def load_chain(names: Sequence[str] = DEFAULT_CHAIN) -> tuple[Decode, ...]:
    """Load the named decoders in order. Raises DriverError: an unknown name, or a library that is not installed."""
    if not names:
        raise DriverError(f"no decoder is named: choose from {', '.join(DECODERS)}")
    for name in names:
        if name not in DECODERS:
            raise DriverError(f"decoder {name!r} is not one of {', '.join(DECODERS)}")
    return tuple(DECODERS[name](name) for name in names)


def read_image(gray: Gray, chain: Sequence[Decode]) -> list[Decoded]:
    """Try the whole chain on one still picture until something is read."""
    for decode in chain:
        if found := with_text(decode(gray)):
            return found
    return []


def with_text(found: list[Decoded]) -> list[Decoded]:
    """A QR code may be valid and empty: nothing that a till could use."""
    return [one for one in found if one.text]
