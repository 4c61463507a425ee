"""Codes out of live frames: the first decoder on what is new, retries where they may help, at a bounded cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drivers.decode import Decode, Decoded, with_text
from drivers.fuse import Fuser, deblurs, find_texture
from drivers.opencv import load_cv2

if TYPE_CHECKING:
    from drivers.fuse import Box, Warp
    from drivers.opencv import Gray

FUSED_FRAMES = 24
"""So many frames of one scene are laid over one another before it is left alone until it changes."""

LOOK_AGAIN = 5
"""Of an unchanged scene every fifth frame is decoded all the same: a thumbnail does not show everything."""


class FrameReader:
    """For live pictures: the first decoder on every new frame, retries only where they may help.

    A retry costs many times the first try, so it is paid out of a `_Purse` that the first tries fill: in the long run
    a frame without a code costs at most 1.2 times the first decoder, whatever moves in view. A frame that shows the
    same scene as the one before is not decoded again, but for every fifth.
    """

    def __init__(self, chain: Sequence[Decode], clock: Callable[[], float] = time.thread_time):
        """clock: seconds of CPU that the calling thread has used."""
        self._first, *self._retries = chain
        self._clock = clock
        self._scene = _Scene()
        self._looks, self._fusings = _Purse(0.05), _Purse(1.0)
        self._fuser = Fuser() if self._retries else None
        self._deblurs = deblurs()
        self._last: list[Decoded] = []
        self._candidate: Box | None = None
        self._turn = self._retries_left = self._fusings_left = 0
        self.still = 0
        """Frames since the scene changed."""

    def read(self, gray: Gray) -> list[Decoded]:
        """The codes in a frame, by the first decoder or a retry; of an unchanged scene those read before."""
        began = self._clock()
        is_new, is_same = self._scene.compare(gray)
        compared = self._clock() - began
        if is_new:
            self._retries_left, self._fusings_left, self.still = len(self._retries), FUSED_FRAMES, 0
        else:
            self.still += 1
            if is_same and self.still % LOOK_AGAIN and not self._is_trying():
                self._save(self._looks.saved(compared))
                return self._last
        began = self._clock()
        self._last = with_text(self._first(gray))
        self._save(self._looks.earned(self._clock() - began, compared))
        if self._last:
            self._found()
        elif self._fuser is not None and (self._retries_left or self._fusings_left):
            self._last = self._retry(gray, self._fuser)
        return self._last

    def _is_trying(self) -> bool:
        """Whether more frames of an unchanged scene may show what one did not."""
        return not self._last and bool(self._retries_left or (self._candidate and self._fusings_left))

    def _save(self, seconds: float) -> None:
        self._fusings.put(seconds)

    def _found(self) -> None:
        """What was spent was worth it; a code that is read needs no help."""
        self._fusings.put(self._fusings.most_s)
        self._candidate = None
        if self._fuser is not None:
            self._fuser.forget()

    def _retry(self, gray: Gray, fuser: Fuser) -> list[Decoded]:
        """Lay frames over one another where two in a row look like a code; else one of the chain's retries."""
        before = self._candidate
        purse = self._fusings if before and self._fusings_left else self._looks
        if purse.is_empty():
            return []
        began = self._clock()
        try:
            self._candidate = find_texture(gray) if self._fusings_left else None
            if self._candidate is None:
                return self._chain_retry(gray)
            if before is None or not _near(before, self._candidate):
                fuser.forget()
                fuser.add(gray, self._candidate)
                return []
            self._fusings_left -= 1
            fused = fuser.add(gray, self._candidate)
            self._turn += 1
            picture = self._deblurs[self._turn % len(self._deblurs)](fused.picture)
            return [_placed(one, fused.warp) for one in with_text(self._first(picture))]
        finally:
            purse.put(began - self._clock())

    def _chain_retry(self, gray: Gray) -> list[Decoded]:
        if not self._retries_left:
            return []
        self._retries_left -= 1
        self._turn += 1
        return with_text(self._retries[self._turn % len(self._retries)](gray))


def _near(one: Box, other: Box) -> bool:
    """Whether the second may be the first a frame later: it has moved by less than its size."""
    return all(abs(one[i] + one[i + 2] / 2 - other[i] - other[i + 2] / 2) < other[i + 2] for i in (0, 1))


def _placed(one: Decoded, warp: Warp) -> Decoded:
    """A code of a fused picture, with its corners in the frame."""
    a, b, c, d = (
        (round(float(x)), round(float(y))) for x, y in (warp[:, :2] @ at + warp[:, 2] for at in one.box)
    )
    return Decoded(one.text, one.raw, "fused", (a, b, c, d))


class _Purse:
    """CPU seconds that may be spent on retries: a share of what the first decoder uses, or would have used."""

    SHARE = 0.14  # with the comparing of scenes, a fifth is not reached

    def __init__(self, most_s: float):
        self.most_s = most_s
        self._left_s = most_s
        self._first_s = 0.0  # what the last first try cost

    def earned(self, first_s: float, compared_s: float) -> float:
        """The first decoder was used. Returns what is too much for this purse."""
        self._first_s = first_s
        return self.put(self.SHARE * first_s - compared_s)

    def saved(self, compared_s: float) -> float:
        """A frame was not decoded: what that saved may be spent too. Returns what is too much for this purse."""
        return self.put((1 + self.SHARE) * self._first_s - compared_s)

    def put(self, seconds: float) -> float:
        """Put in, or with a negative number take out. Returns what is too much for this purse."""
        whole = self._left_s + seconds
        self._left_s = min(self.most_s, whole)
        return whole - self._left_s

    def is_empty(self) -> bool:
        return self._left_s <= 0


class _Scene:
    """Tells how a frame differs from the last one that was new (on a thumbnail: 0.3 ms at 720p)."""

    _SIZE = (160, 90)
    _STEP = 12  # grey levels: above a camera's noise once the thumbnail has averaged it
    _NEW, _SAME = 72, 3  # pixels of the thumbnail: half a percent is another scene, so few are noise

    def __init__(self) -> None:
        self._cv2 = load_cv2()
        self._last: Gray | None = None

    def compare(self, gray: Gray) -> tuple[bool, bool]:
        """Whether it is another scene, and whether it is quite the same; between them something small moves."""
        cv2 = self._cv2
        small: Gray = cv2.resize(gray, self._SIZE, interpolation=cv2.INTER_AREA)
        if self._last is not None:
            moved = cv2.countNonZero(cv2.compare(cv2.absdiff(small, self._last), self._STEP, cv2.CMP_GT))
            if moved < self._NEW:
                return False, moved <= self._SAME
        self._last = small
        return True, False
