"""Codes out of picture files: what `redeemd decode` prints."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from drivers.decode import load_chain, read_image, still_chain
from drivers.opencv import MAX_PIXELS, fit, load_cv2, to_gray
from drivers.ports import DriverError

if TYPE_CHECKING:
    from typing import NotRequired

    from drivers.opencv import Gray

MAX_FILE_BYTES = 64 * 1024 * 1024
SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""What is looked at inside a folder; a file that is named is always tried."""


class Reading(TypedDict):
    """texts: every code read. decoder: what read them, or None. ms: decoding alone, without reading the file."""

    path: str
    texts: list[str]
    decoder: str | None
    ms: float
    error: NotRequired[str]


def read_paths(
    paths: Iterable[str | os.PathLike[str]], decoders: Sequence[str] | None = None
) -> Iterator[Reading]:
    """Read pictures; folders are searched to the bottom, in order of name. A file that is no picture is an entry.

    decoders: `still_chain` when none are named. Raises DriverError when a decoder is unknown or its library is missing.
    """
    chain = load_chain(still_chain() if decoders is None else decoders)
    for path in _files(paths):
        try:
            gray = fit(load_gray(path))
        except DriverError as error:
            yield Reading(path=str(path), texts=[], decoder=None, ms=0.0, error=str(error))
            continue
        start = time.perf_counter()
        found = read_image(gray, chain)
        ms = round((time.perf_counter() - start) * 1000, 3)
        decoder = found[0].decoder if found else None
        yield Reading(path=str(path), texts=[one.text for one in found], decoder=decoder, ms=ms)


def load_gray(path: str | os.PathLike[str]) -> Gray:
    """Load one picture file as grey. Raises DriverError: missing, too large, or no picture."""
    import numpy as np

    cv2 = load_cv2()
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for without end
            raise DriverError("is no regular file")
        size = about.st_size
        if size > MAX_FILE_BYTES:
            raise DriverError(f"{size} bytes are more than the {MAX_FILE_BYTES} that are read")
        data = np.frombuffer(Path(path).read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise DriverError(f"cannot be read: {error.strerror}") from error
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:
        raise DriverError(f"is no picture, or has more than {MAX_PIXELS} pixels") from None
    if picture is None:
        raise DriverError("is no picture in a format that is known")
    if picture.dtype != np.uint8:  # 16 bits or floats: bring to 0-255
        picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX, dtype=cv2.CV_8U)
    return to_gray(picture)


def _files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        for folder, below, names in os.walk(path):  # links to folders are not followed: no loops
            below.sort()
            yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES)
