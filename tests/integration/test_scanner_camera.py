"""The camera source on real input: rendered videos, picture folders and an HTTP stream, read by OpenCV."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from drivers.camera import NICE, WHOLE, Camera, CameraSettings, Codes, Region
from drivers.frames import _JpegCapture
from drivers.ports import DeviceState, Scan
from tests.integration.picture_kit import (
    HEIGHT,
    TOKEN,
    WIDTH,
    PictureStream,
    counter,
    qr,
    turned,
    write_video,
)
from tests.integration.scanner_kit import running
from tests.needs import needs_zbar

FPS = 100.0  # recordings here play fast; a code is gone after 70 frames
A, B = counter(qr("RC1A")), turned(counter(qr("RC1B")), 20, tilt=0.05)
NOTHING = counter()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shown, gone too briefly, A again, then B, gone, and A a second time."""
    frames = [A] * 5 + [NOTHING] * 20 + [A] * 5 + [B] * 5 + [NOTHING] * 75 + [A] * 3
    return write_video(tmp_path_factory.mktemp("video") / "counter.avi", frames, FPS)


def camera(
    source: Path | str,
    *,
    fps: float = 0,
    loop: bool = False,
    decoders: tuple[str, ...] = ("zxing",),
    codes: Codes = "nearest",
    region: Region = WHOLE,
) -> Camera:
    settings = CameraSettings(
        "cam", str(source), fps=fps, loop=loop, decoders=decoders, codes=codes, region=region
    )
    return Camera(settings)


async def test_a_video_is_read_to_its_end_without_dropping_a_frame(video: Path):
    async with running(camera(video)) as run:
        scans = [await run.scan() for _ in range(3)]
        assert [scan.text for scan in scans] == ["RC1A", "RC1B", "RC1A"]
        assert [scan.source for scan in scans] == ["cam"] * 3
        assert scans[0].at < scans[1].at < scans[2].at
        assert await run.until(DeviceState.LOST) == "end of file"
        assert run.scans.empty()
        assert run.faults.empty()
        assert not run.task.done(), "after the end it waits to be cancelled"


@needs_zbar
async def test_one_frame_is_enough_also_when_the_decoder_is_slower_than_the_recording(tmp_path: Path):
    codes = [f"RC1N{number}" for number in range(40)]
    file = write_video(tmp_path / "one.avi", (counter(qr(text)) for text in codes), 240.0)
    async with running(
        camera(file, decoders=("pyzbar",), codes="all")
    ) as run:  # 4 ms a frame, and some 10 ms to read it
        assert [(await run.scan()).text for _ in codes] == codes


async def test_a_video_that_loops(tmp_path: Path):
    file = write_video(tmp_path / "loop.avi", [NOTHING] * 40 + [A] * 2 + [NOTHING] * 40, FPS)
    async with running(camera(file, loop=True)) as run:
        assert [(await run.scan()).text for _ in range(2)] == ["RC1A"] * 2, (
            "the clock goes on from round to round"
        )
        assert run.source.status().state is DeviceState.READY


async def test_a_folder_of_pictures(tmp_path: Path):
    for number, text in enumerate(["RC1A", "RC1B"]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), counter(qr(text)))
    (tmp_path / "05.png").write_bytes(b"no picture")
    async with running(camera(tmp_path)) as run:
        assert [(await run.scan()).text for _ in range(2)] == ["RC1A", "RC1B"]
        assert await run.until(DeviceState.LOST) == "end of file"


async def test_of_several_codes_the_nearest_the_middle_or_all(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "0.png"), counter(qr("RC1FAR"), qr("RC1NEAR")))  # from the left edge on
    async with running(camera(tmp_path, codes="nearest")) as run:
        assert (await run.scan()).text == "RC1NEAR"
        await run.until(DeviceState.LOST)
        assert run.scans.empty()
    async with running(camera(tmp_path, codes="all")) as run:
        assert {(await run.scan()).text for _ in range(2)} == {"RC1FAR", "RC1NEAR"}


async def test_what_lies_outside_the_region_is_not_read(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "0.png"), counter(qr("RC1OUT"), qr("RC1IN")))
    async with running(camera(tmp_path, codes="all", region=(18, 0, 82, 100))) as run:
        assert (await run.scan()).text == "RC1IN"
        await run.until(DeviceState.LOST)
        assert run.scans.empty()


async def test_a_stream_that_comes_back_is_read_again():
    stream = PictureStream(A)
    await stream.start()
    async with running(camera(stream.url, fps=30)) as run:
        assert (await run.scan()).text == "RC1A"
        await stream.stop()
        await run.until(DeviceState.LOST)
        stream.picture = B
        await stream.start()
        assert (await run.scan()).text == "RC1B"
        await run.until(DeviceState.READY)
        await stream.stop()


@pytest.mark.parametrize("packed", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut off"])
def test_a_broken_jpeg_of_a_stream_is_no_picture(packed: bytes):
    class Broken:
        def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8]]:
            return True, np.frombuffer(packed, dtype=np.uint8).reshape(1, -1)

    assert _JpegCapture(Broken(), None).retrieve() is None


async def test_the_cameras_threads_step_back_and_the_loop_does_not(video: Path):
    async with running(camera(video, loop=True)) as run:
        await run.scan()
        ours = [one for one in threading.enumerate() if one.name.startswith("camera")]
        assert [os.getpriority(os.PRIO_PROCESS, one.native_id or 0) for one in ours] == [NICE] * 2
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICE


async def test_a_sandbox_that_lets_no_thread_step_back_costs_no_scan(
    video: Path, monkeypatch: pytest.MonkeyPatch
):
    """As in redeemd.service, where it ended the whole till."""

    def refused(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setpriority", refused)
    async with running(camera(video)) as run:
        assert (await run.scan()).text == "RC1A"


async def test_a_hard_code_is_read_by_the_chain(tmp_path: Path):
    soft = cv2.GaussianBlur(counter(qr(TOKEN, 4)), (0, 0), 2.0)
    cv2.imwrite(str(tmp_path / "soft.png"), soft)
    cv2.imwrite(str(tmp_path / "soft2.png"), soft)
    async with running(camera(tmp_path, decoders=("zxing", "zxing_upscaled", "zxing_sharpened"))) as run:
        assert (await run.scan()).text == TOKEN


async def test_a_live_stream_shows_the_newest_frame_and_hides_its_password():
    stream = PictureStream(A)
    await stream.start()
    async with running(camera(stream.url, fps=30)) as run:
        assert (await run.scan()).text == "RC1A"
        stream.picture = B
        assert (await run.scan()).text == "RC1B"
        await stream.stop()
        detail = await run.until(DeviceState.LOST)
        assert "127.0.0.1" in detail
        assert "secret" not in detail


@pytest.mark.parametrize(
    ("source", "state", "words"),
    [
        ("97", DeviceState.LOST, "/dev/video97 does not exist: plug the camera in"),
        ("/dev/null", DeviceState.LOST, "gives no picture"),
        ("{folder}/none.avi", DeviceState.LOST, "none.avi does not exist"),
        ("{folder}", DeviceState.LOST, "has no pictures"),
        ("{folder}/text.avi", DeviceState.MISCONFIGURED, "no video that can be read"),
        ("http://127.0.0.1:1/x", DeviceState.LOST, "check the camera and the network"),
    ],
)
async def test_a_source_that_is_not_there_says_so(
    tmp_path: Path, source: str, state: DeviceState, words: str
):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "text.avi").write_text("not a video")
    async with running(camera(source.format(folder=folder))) as run:
        assert words in await run.until(state)


async def test_a_file_that_comes_later_is_played(tmp_path: Path):
    file = tmp_path / "late.avi"
    async with running(camera(file)) as run:
        await run.until(DeviceState.LOST)
        write_video(tmp_path / "made.avi", [A] * 3, FPS).rename(file)
        assert (await run.scan()).text == "RC1A"


async def test_a_missing_library_is_a_status(monkeypatch: pytest.MonkeyPatch, video: Path):
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    async with running(camera(video)) as run:
        assert "install zxing-cpp" in await run.until(DeviceState.MISCONFIGURED)


async def test_cancelling_in_the_middle_leaves_no_thread(video: Path):
    await asyncio.to_thread(lambda: None)
    before = {thread for thread in threading.enumerate() if thread.name.startswith("camera")}
    async with running(camera(video)) as run:
        await run.until(DeviceState.READY)
    assert {thread for thread in threading.enumerate() if thread.name.startswith("camera")} == before


async def test_a_bug_of_the_caller_comes_out_of_run(video: Path):
    def broken(_: Scan) -> None:
        raise OSError("a bug")

    async with running(camera(video), on_scan=broken) as run:
        with pytest.raises(OSError, match="a bug"):
            await run.ended()


async def test_a_bug_of_the_grabber_comes_out_of_run(monkeypatch: pytest.MonkeyPatch, video: Path):
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("drivers.camera.open_source", broken)
    async with running(camera(video)) as run:
        with pytest.raises(ZeroDivisionError):
            await run.ended()


def test_the_pictures_have_the_size_of_the_video():
    assert A.shape == B.shape == (HEIGHT, WIDTH)
