"""Characters as the dots of a receipt printer: cells of 12 or 24 by 24 dots, drawn from a font of this machine.

Fonts are tried in this order: the one that the extras `demo` and `issuer` bring, then those that Debian's packages
fonts-wqy-microhei, fonts-wqy-zenhei, fonts-noto-cjk and fonts-droid-fallback install. Without any, `has` is False for
every character, and whoever asks shows a replacement. Pillow is loaded with the first question.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

COLUMN_DOTS = 12  # width of a Latin character; a Chinese one is two columns wide
CELL_DOTS = 24  # height of every character
_OVERSAMPLING = 4
_INK_THRESHOLD = 118  # of 255; lower prints thinner
_BLACK, _WHITE = 0, 255
_SHARP = [_BLACK if value < 255 - _INK_THRESHOLD else _WHITE for value in range(256)]
_INVERTED = [_WHITE - value for value in range(256)]
_NO_CHARACTER = "\U0010ffff"  # never assigned: every font shows its "missing" sign for it

SYSTEM_FONTS = (
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 1),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 1),
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf", 0),
)
"""(file, face within it): the mono-spaced or the simplified Chinese face."""


def has(character: str) -> bool:
    """Whether a font of this machine has the character."""
    return _face(character) is not None


@lru_cache(maxsize=4096)
def cell(character: str, width: int, height: int, bold_dots: int = 0) -> Image.Image:
    """The character fitted into a cell of width x height dots, black on white, mode L. Drawn large and reduced, which
    gives the even strokes of a printer's own font. A character that no font has shows the first font's sign for that.

    bold_dots: how far to the right it is printed a second time, as a printer does for bold."""
    from PIL import Image, ImageChops, ImageDraw

    if character == "─":  # box drawing joins from cell to cell
        line = Image.new("L", (width, height), _WHITE)
        ImageDraw.Draw(line).rectangle((0, height // 2 - 1, width, height // 2), fill=_BLACK)
        return line
    face = _face(character)
    font = _font(0 if face is None else face, height * _OVERSAMPLING)
    large = Image.new("L", (max(1, round(font.getlength(character))), height * _OVERSAMPLING), _WHITE)
    ascent, descent = font.getmetrics()
    top = (large.height - ascent - descent) / 2
    ImageDraw.Draw(large).text((0, top), character, font=font, fill=_BLACK)
    drawn = large.resize((width, height), Image.Resampling.LANCZOS).point(_SHARP)
    if bold_dots:
        drawn = ImageChops.darker(drawn, ImageChops.offset(drawn, bold_dots, 0))
    return drawn


def column_bytes(character: str, columns: int, bold: bool = False, column_dots: int = COLUMN_DOTS) -> bytes:
    """The cell from left to right, three bytes a dot column, the top dot first: as ESC * 33 takes it. column_dots: of
    the printer's own font, so that what is drawn within a line keeps its columns."""
    from PIL import Image

    drawn = cell(character, columns * column_dots, CELL_DOTS, int(bold))
    return drawn.transpose(Image.Transpose.TRANSPOSE).point(_INVERTED).convert("1").tobytes()


def row_bytes(
    characters: list[tuple[str, int]], size: int, bold: bool = False, column_dots: int = COLUMN_DOTS
) -> tuple[int, list[bytes]]:
    """A line of (character, columns) at 1 to 4 times the normal size: bytes a row and the rows from the top, as
    GS v 0 takes them."""
    from PIL import Image

    width = sum(columns for _, columns in characters) * column_dots * size
    line = Image.new("L", (-(-width // 8) * 8, CELL_DOTS * size), _WHITE)
    left = 0
    for character, columns in characters:
        if character != " ":
            drawn = cell(character, columns * column_dots * size, CELL_DOTS * size, size if bold else 0)
            line.paste(drawn, (left, 0))
        left += columns * column_dots * size
    bits, row = line.point(_INVERTED).convert("1").tobytes(), line.width // 8
    return row, [bits[start : start + row] for start in range(0, len(bits), row)]


@cache
def fonts() -> tuple[tuple[str, int], ...]:
    """(file, face) of every font found on this machine, best first."""
    found: list[tuple[str, int]] = []
    try:
        wheel = files("paperang_p2_fonts_cjk").joinpath("fonts", "wqy-microhei.ttc")
        found.append((str(wheel), 1))
    except ModuleNotFoundError:
        pass  # the extra is not installed, as on most tills
    return tuple(font for font in (*found, *SYSTEM_FONTS) if Path(font[0]).is_file())


@lru_cache(maxsize=8192)
def _face(character: str) -> int | None:
    """Which of `fonts` has the character; None if none does."""
    for number in range(len(fonts())):
        font = _font(number, CELL_DOTS)
        if bytes(font.getmask(character)) != _missing_sign(number) and font.getmask(character).getbbox():
            return number
    return None


@cache
def _missing_sign(number: int) -> bytes:
    return bytes(_font(number, CELL_DOTS).getmask(_NO_CHARACTER))


@lru_cache(maxsize=16)
def _font(number: int, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    path, face = fonts()[number]
    return ImageFont.truetype(path, size, index=face)
