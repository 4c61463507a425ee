"""`redeemd camera test`: a live picture on a page of this machine, with what was read framed and what is wrong said.

Stop the till first where it uses the camera: a V4L2 device serves one program. Texts of codes are not shown: whoever
looks over the shoulder must not be able to copy a coupon.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import config
from agent.commands.errors import CommandError
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain.scan import Kind, route

if TYPE_CHECKING:
    from agent.commands.camera_page import Newest
    from drivers.decode import Decoded
    from drivers.frames import FrameSource
    from drivers.opencv import Gray

FPS = 10.0
DARK, BRIGHT = 45, 215
"""Mean brightness of the picture, 0 to 255."""
BLURRED = 12.0
"""Variance of the Laplacian below which nothing in the picture has an edge (J. Pech-Pacheco et al., ICPR 2000)."""
SMALL_PX = 110
"""Side of a code below which its modules come near two pixels (a coupon has 49 modules and a quiet zone)."""
OPEN_MINUTES = 60.0

_KINDS = {
    Kind.TOKEN: ("签名优惠券", "a signed coupon"),
    Kind.OTHER: ("其他文字", "another text"),
    Kind.LINK: ("网址", "a web address"),
    Kind.PRODUCT: ("商品条码", "a product"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """One picture judged. side_px: of each code in view. hint: (code, Chinese, English)."""

    width: int
    height: int
    brightness: int
    sharpness: float
    codes: tuple[tuple[str, str, int], ...]
    hint: tuple[str, str, str]

    def to_json(self) -> dict[str, Any]:
        codes = [{"zh": zh, "en": en, "side_px": side} for zh, en, side in self.codes]
        code, zh, en = self.hint
        return {
            "width": self.width,
            "height": self.height,
            "brightness": self.brightness,
            "sharpness": round(self.sharpness, 1),
            "codes": codes,
            "hint": {"code": code, "zh": zh, "en": en},
        }


def hint_of(brightness: float, sharpness: float, sides_px: list[int]) -> tuple[str, str, str]:
    """What to do about the picture; what was read comes first, for then nothing else is wrong."""
    if sides_px and min(sides_px) < SMALL_PX:
        return (
            "small",
            "已读到，但太小：请拿近一些",
            "Read, and small: hold it nearer, or mount the camera lower",
        )
    if sides_px:
        return "read", "已读到", "Read"
    if brightness < DARK:
        return "dark", "画面太暗：请加照明", "Too dark: put light on the counter"
    if brightness > BRIGHT:
        return (
            "bright",
            "画面太亮：请减弱灯光或避开反光",
            "Too bright: dim the light, or turn the camera away",
        )
    if sharpness < BLURRED:
        return (
            "blurred",
            "画面模糊：请清洁镜头或调焦",
            "Blurred: clean the lens, or set its focus to the counter",
        )
    return "empty", "画面中没有码", "No code in view"


def look_at(gray: Gray, found: list[Decoded]) -> Look:
    from drivers.opencv import load_cv2

    cv2 = load_cv2()
    brightness = float(gray.mean())
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    codes = tuple(
        (*_KINDS.get(route(one.text).kind, ("其他码", "another code")), _side(one)) for one in found
    )
    hint = hint_of(brightness, sharpness, [side for _, _, side in codes])
    return Look(gray.shape[1], gray.shape[0], round(brightness), sharpness, codes, hint)


def _side(one: Decoded) -> int:
    corners = [(float(x), float(y)) for x, y in one.box]
    sides = (
        ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True)
    )
    return int(min(sides) + 0.5)


def framed(gray: Gray, found: list[Decoded], region: tuple[int, ...]) -> bytes:
    """The picture as JPEG, with codes framed green and what the till does not look at darkened."""
    import numpy as np

    from drivers.opencv import load_cv2

    cv2 = load_cv2()
    height, width = gray.shape
    left, top, wide, high = (
        share * whole // 100 for share, whole in zip(region, (width, height) * 2, strict=True)
    )
    shown = gray // 3
    shown[top : top + high, left : left + wide] = gray[top : top + high, left : left + wide]
    picture = cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR)
    for one in found:
        corners = np.array([(round(x), round(y)) for x, y in one.box], dtype=np.int32)
        cv2.polylines(picture, [corners], True, (70, 200, 60), max(2, width // 300))
    done, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done, "a picture can be packed"
    return bytes(packed)


def watch(source: FrameSource, chain: Any, region: tuple[int, ...], newest: Newest, stop: Any) -> None:
    """Look at frames until `stop` is set or the source ends; FPS of them a second at most."""
    from drivers.live import FrameReader

    reader = FrameReader(chain)
    due = time.monotonic()
    while not stop.is_set():
        if not source.grab():
            newest.ended = "the camera gives no more pictures"
            return
        now = time.monotonic()
        if source.period_s is None and now < due:
            continue  # a live source: what is not looked at is dropped
        due = max(due + 1 / FPS, now)
        gray = source.retrieve()
        if gray is None:
            continue
        inside, found = _within(gray, region), []
        for one in reader.read(inside[2]):
            box = tuple((x + inside[0], y + inside[1]) for x, y in one.box)
            found.append(type(one)(one.text, one.raw, one.decoder, box))  # type: ignore[arg-type]  # four corners stay four
        newest.jpeg, newest.state = framed(gray, found, region), look_at(gray, found).to_json()
        newest.number += 1
        if source.period_s is not None:
            stop.wait(max(source.period_s, 1 / FPS))


def _within(gray: Gray, region: tuple[int, ...]) -> tuple[int, int, Gray]:
    """(left, top, the part of the picture that the till looks at)."""
    height, width = gray.shape
    left, top, wide, high = (
        share * whole // 100 for share, whole in zip(region, (width, height) * 2, strict=True)
    )
    return left, top, gray[top : top + max(high, 1), left : left + max(wide, 1)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd camera`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="camera_action", required=True, metavar="ACTION")
    text = "Show the camera's picture on a local page, with what is read in it and what is wrong."
    testing = actions.add_parser("test", help=text, description=text)
    testing.add_argument("name", nargs="?", help="the camera's name in the file; without it, the first")
    testing.add_argument(
        "--source", help="instead of one of the file: a number, device path, URL, video or folder"
    )
    testing.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    testing.add_argument(
        "--port", type=int, default=0, help="of the page on this machine (default: any free one)"
    )


def run(arguments: argparse.Namespace) -> int:
    chosen = _camera(arguments)
    asyncio.run(_serve(chosen, arguments.port))
    return 0


def _camera(arguments: argparse.Namespace) -> config.Camera:
    if arguments.source is not None:
        return config.Camera(name="test", source=arguments.source)
    cameras = config.load(arguments.config).camera
    found = next((one for one in cameras if arguments.name in (None, one.name)), None)
    if found is None:
        known = ", ".join(one.name for one in cameras) or "none"
        raise CommandError(
            f"{arguments.config} has no camera {arguments.name or ''}".rstrip()
            + f" (there are: {known}); name one with --source, such as --source 0"
        )
    return found


async def _serve(camera: config.Camera, port: int) -> None:
    """Until Ctrl-C, the end of the source, or OPEN_MINUTES."""
    import threading

    from agent.commands.camera_page import Newest, serving
    from drivers.decode import load_chain
    from drivers.frames import open_source
    from drivers.ports import DriverError
    from drivers.state import DeviceUnavailable

    try:
        chain = load_chain(camera.decoders)
        source = await asyncio.to_thread(open_source, camera.source, camera.width, camera.height)
    except (DriverError, DeviceUnavailable) as error:
        raise CommandError(str(error)) from None
    newest, stop = Newest(), threading.Event()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    looking = asyncio.create_task(asyncio.to_thread(watch, source, chain, tuple(camera.region), newest, stop))
    looking.add_done_callback(lambda _: None if source.period_s is not None else ended.set())
    try:
        async with serving(newest, port) as url:
            print(f"look at {url} (Ctrl-C ends it)", flush=True)
            try:
                async with asyncio.timeout(OPEN_MINUTES * 60):
                    await ended.wait()
            except TimeoutError:
                print(f"ended after {OPEN_MINUTES:g} minutes")
    finally:
        stop.set()
        await looking
        source.close()
    if newest.ended and source.period_s is None:
        raise CommandError(newest.ended)
