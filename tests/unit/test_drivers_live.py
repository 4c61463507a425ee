"""Live frames: what is decoded again, what is retried and at what cost, and codes that only many frames give away."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.decode import DEFAULT_CHAIN, Decode, Decoded, load_chain
from drivers.fuse import Fuser, find_texture, wiener
from drivers.live import FUSED_FRAMES, LOOK_AGAIN, FrameReader
from tests.integration.picture_kit import TOKEN, Gray, blurred, counter, noisy, qr

EASY = counter(qr(TOKEN))
EMPTY = noisy(counter(), 12)
NEEDS_UPSCALING = blurred(counter(qr(TOKEN, 4)), 2.0)
NEEDS_SHARPENING = blurred(counter(qr(TOKEN, 3)), 1.6)


class Clock:
    """CPU seconds that only the decoders below use."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """A decoder that reads nothing, or what it is told to, and counts; it costs `cost_s` of the clock."""

    def __init__(self, *answers: str, clock: Clock | None = None, cost_s: float = 0.0):
        self.calls = 0
        self.answers = answers
        self._clock, self._cost_s = clock, cost_s

    def __call__(self, gray: Gray) -> list[Decoded]:
        self.calls += 1
        if self._clock is not None:
            self._clock.now += self._cost_s
        return [Decoded(one, one.encode(), "x", ((0, 0), (0, 0), (0, 0), (0, 0))) for one in self.answers]


@pytest.fixture(scope="module")
def chain() -> tuple[Decode, ...]:
    return load_chain(DEFAULT_CHAIN)


def placed(
    left: int, top: int, *, module: int = 4, sigma: float = 0.0, noise: float = 0.0, seed: int = 0
) -> Gray:
    """A camera's view with one code well inside it."""
    view = np.full((480, 640), 130, dtype=np.uint8)
    code = qr(TOKEN, module)
    view[top : top + code.shape[0], left : left + code.shape[1]] = code
    seen = blurred(view, sigma) if sigma else view
    grain = np.random.default_rng(seed).normal(0, noise, seen.shape)
    return np.clip(seen + grain, 0, 255).astype(np.uint8)


def flat(shade: int) -> Gray:
    return np.full((480, 640), shade, dtype=np.uint8)


# --- what is decoded -------------------------------------------------------------------------------------------------


def test_a_still_scene_is_decoded_now_and_then_and_a_new_one_at_once():
    first = Counting("A")
    reader = FrameReader([first])
    assert [[one.text for one in reader.read(EASY)] for _ in range(LOOK_AGAIN)] == [["A"]] * LOOK_AGAIN
    assert first.calls == 1, "what is still there is still read"
    reader.read(EASY)
    assert (first.calls, reader.still) == (2, LOOK_AGAIN)
    reader.read(EMPTY)
    assert (first.calls, reader.still) == (3, 0)


def test_what_a_thumbnail_does_not_show_is_seen_after_a_few_frames():
    first = Counting()
    reader = FrameReader([first])
    reader.read(EASY)
    first.answers = ("A",)
    assert [bool(reader.read(EASY)) for _ in range(LOOK_AGAIN)] == [False] * (LOOK_AGAIN - 1) + [True]


def test_a_still_scene_is_retried_once_by_each_and_a_new_one_again():
    first, second, third = Counting(), Counting(), Counting()
    reader = FrameReader([first, second, third])
    for _ in range(10):
        assert reader.read(EMPTY) == []
    assert (second.calls, third.calls) == (1, 1)
    reader.read(flat(30))
    assert second.calls + third.calls == 3, "one retry a frame"
    for _ in range(5):
        reader.read(flat(30))
    assert (second.calls, third.calls) == (2, 2)


def test_noise_alone_is_not_a_new_scene():
    retry = Counting()
    reader = FrameReader([Counting(), retry])
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(0, 10, EASY.shape)
        reader.read(np.clip(flat(130) + noise, 0, 255).astype(np.uint8))
    assert retry.calls == 1


def test_nothing_is_retried_where_the_first_decoder_reads():
    retry = Counting()
    assert [one.text for one in FrameReader([Counting("A"), retry]).read(EASY)] == ["A"]
    assert retry.calls == 0


def test_a_hard_code_held_still_is_read_within_a_frame_for_each_retry(chain: tuple[Decode, ...]):
    for picture in (NEEDS_UPSCALING, NEEDS_SHARPENING):
        reader = FrameReader(chain)
        assert TOKEN in [one.text for _ in range(2) for one in reader.read(picture)]


def test_a_chain_of_one_has_no_retries():
    assert FrameReader([Counting()]).read(EASY) == []


# --- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "views", [(flat(40), flat(190)), (placed(100, 60), placed(160, 60))], ids=["empty", "codelike"]
)
def test_retries_cost_a_fifth_of_the_first_decoder_in_the_long_run(views: tuple[Gray, Gray]):
    clock, cost_s, frames = Clock(), 0.04, 150
    first, retry = Counting(clock=clock, cost_s=cost_s), Counting(clock=clock, cost_s=5 * cost_s)
    reader = FrameReader([first, retry], clock)
    for number in range(frames):
        reader.read(views[number % 2])
    spent, saved_up = clock.now - cost_s * frames, 1.05 + 5 * cost_s
    assert spent <= 0.2 * cost_s * frames + saved_up
    assert spent >= 0.1 * cost_s * frames, "what may be spent is spent"


def test_a_scene_that_looks_like_a_code_is_left_alone_in_the_end():
    first = Counting()
    reader = FrameReader([first, Counting()], Clock())
    for seed in range(FUSED_FRAMES + 5):
        reader.read(placed(150, 80, seed=seed, noise=3))
    before = first.calls
    for seed in range(LOOK_AGAIN * 4):
        reader.read(placed(150, 80, seed=seed, noise=3))
    assert first.calls - before == 4


# --- many frames of one code -----------------------------------------------------------------------------------------


def test_a_code_that_no_single_frame_gives_away_is_read_from_several(chain: tuple[Decode, ...]):
    """The hand moves by some pixels from frame to frame; where the code was is told in the newest frame."""
    random = np.random.default_rng(3)
    steps = np.array([180, 110]) + np.cumsum(random.integers(-5, 6, (16, 2)), axis=0)
    frames = [
        placed(int(x), int(y), module=4, sigma=2.2, noise=12, seed=seed) for seed, (x, y) in enumerate(steps)
    ]
    assert not any(decode(frame) for decode in chain for frame in frames), "else it proves nothing"
    reader = FrameReader(chain, Clock())
    read = ((corner, reader.read(frame)) for corner, frame in zip(steps, frames, strict=True))
    corner, (found,) = next((corner, found) for corner, found in read if found)
    assert (found.text, found.decoder) == (TOKEN, "fused")
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 49 * 4
    assert np.abs(np.array(found.box) - (corner + 16 + square)).max() <= 8


def test_another_code_at_another_place_begins_anew():
    fuser = Fuser()
    one, other = placed(60, 60), 255 - placed(300, 150)
    for frame in (one, one, other):
        box = find_texture(frame)
        assert box is not None
        fused = fuser.add(frame, box)
    (decode,) = load_chain(["zxing"])
    assert [found.text for found in decode(fused.picture)] == [TOKEN], "no ghost of the first"
    assert fused.warp[0, 2] > 200


@pytest.mark.parametrize(
    "picture",
    [
        flat(130),
        noisy(flat(130), 25),
        np.tile(
            np.repeat(np.array([0, 255], dtype=np.uint8), 5), (480, 64)
        ),  # a bar code that fills the view
        np.full((40, 40), 7, dtype=np.uint8),
        placed(0, 0)[20:, 20:],  # cut off
    ],
    ids=["flat", "noise", "stripes", "tiny", "cut off"],
)
def test_what_is_no_code_looks_like_none(picture: Gray):
    assert find_texture(picture) is None


@pytest.mark.parametrize("sigma", [0.0, 2.0, 3.0])
def test_a_code_is_found_by_its_texture(sigma: float):
    found = find_texture(placed(200, 100, sigma=sigma, noise=8))
    assert found is not None
    left, top, wide, high = found
    code = 49 * 4
    assert abs(left + wide / 2 - (200 + 16 + code / 2)) < 20
    assert abs(top + high / 2 - (100 + 16 + code / 2)) < 20


@pytest.mark.parametrize("noise", [0.01, 0.002, 0.0005])
def test_the_wiener_filter_undoes_a_blur(noise: float, chain: tuple[Decode, ...]):
    blurry = placed(150, 80, sigma=2.5)
    restored = wiener(2.5, noise)(blurry)
    assert restored.shape == blurry.shape
    assert chain[0](blurry) == [], "else it proves nothing"
    assert [one.text for one in chain[0](restored)] == [TOKEN]
