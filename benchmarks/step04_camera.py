"""Step 4, camera: what a frame without a code costs, what an idle camera costs, and how many codes are read.

Times are CPU seconds of the thread or process, not of the wall: the machine is shared. The frames are rendered
(`till_frames`), and the floor of a count is the bare default decoder on the same frames.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection

from benchmarks.common import Benchmark, Figure, Options
from benchmarks.till_frames import (
    HEIGHT,
    SEVERITIES,
    WIDTH,
    Gray,
    Severity,
    code_frames,
    empty_frames,
    presentations,
)
from drivers.camera import Camera, CameraSettings
from drivers.decode import DEFAULT_CHAIN, Decoded, load_chain, read_image, still_chain
from drivers.live import FrameReader
from drivers.ports import DeviceState

COST_BAR = 1.2
IDLE_BAR = 15.0
PASSES = 3
LEAST_READ = {"mild": 298, "moderate": 265, "hard": 115, "extreme": 10}
"""Of 300 frames: what the chain reads in the measurement that the decoders were chosen by."""

MORE_THAN = {"moderate": 19, "hard": 18, "extreme": 3}
"""Of 20 presentations: the best measured there without fusing."""


def no_code(options: Options) -> Iterator[Figure]:
    """320 frames of four kinds, each a new scene: CPU of the frame reader over CPU of the bare decoder."""
    chain = load_chain(DEFAULT_CHAIN)
    reader, bare = FrameReader(chain), chain[0]
    frames = list(empty_frames(40 if options.quick else 320))
    false = 0
    floors, subjects = [], []
    for _ in range(PASSES):
        floor_s = subject_s = 0.0
        for frame in frames:
            floor_s += _cpu(partial(bare, frame))[0]
            spent, found = _cpu(partial(reader.read, frame))
            subject_s += spent
            false += bool(found)
        floors.append(floor_s / len(frames) * 1e3)
        subjects.append(subject_s / len(frames) * 1e3)
    floor, value = sum(floors) / PASSES, sum(subjects) / PASSES
    yield Figure(
        "04 camera: frame without a code (floor: bare decoder)",
        round(value, 3),
        "ms",
        round(floor, 3),
        round(value / floor, 3),
        COST_BAR,
        value / floor <= COST_BAR,
        "ratio",
        round(min(subjects), 3),
        round(max(subjects), 3),
    )
    false += sum(bool(read_image(frame, chain)) for frame in frames)
    yield _count("04 camera: false reads, reader and chain", false, 0, most=0)


def _cpu(work: Callable[[], list[Decoded]]) -> tuple[float, list[Decoded]]:
    started = time.thread_time()
    found = work()
    return time.thread_time() - started, found


def frames(options: Options) -> Iterator[Figure]:
    """Single frames with a code, read by the whole chain as `redeemd decode` does."""
    chain = load_chain(still_chain())
    count = 15 if options.quick else 300
    for severity in SEVERITIES:
        bare = right = wrong = 0
        for frame, text in code_frames(severity, count):
            bare += any(one.text == text for one in chain[0](frame))
            found = read_image(frame, chain)
            right += any(one.text == text for one in found)
            wrong += any(one.text != text for one in found)
        least = LEAST_READ[severity.name] * count // 300
        yield _count(f"04 camera: {severity.name} frames read of {count}", right, bare, least=least)
        yield _count(f"04 camera: {severity.name} frames read wrongly", wrong, 0, most=0)


def presented(options: Options) -> Iterator[Figure]:
    """20 phones held before the camera for 20 frames: read at least once. The floor is the bare decoder."""
    chain = load_chain(DEFAULT_CHAIN)
    count = 4 if options.quick else 20
    for severity in SEVERITIES[1:]:
        bare, fused, wrong = _presented(severity, count, chain[0], lambda: FrameReader(chain).read)
        least = (MORE_THAN[severity.name] + 1) * count // 20
        name = f"04 camera: {severity.name} presentations read of {count}"
        yield _count(name, fused, bare, least=least)
        yield _count(f"04 camera: {severity.name} presentations read wrongly", wrong, 0, most=0)


Read = Callable[[Gray], list[Decoded]]


def _presented(
    severity: Severity, count: int, bare: Read, reader: Callable[[], Read]
) -> tuple[int, int, int]:
    """How many were read by the bare decoder, how many by the reader, how many by it wrongly."""
    by_bare = by_reader = wrong = 0
    for one in presentations(severity, count):
        by_bare += any(found.text == one.text for frame in one.frames for found in bare(frame))
        read = reader()
        texts = {found.text for frame in one.frames for found in read(frame)}
        by_reader += one.text in texts
        wrong += bool(texts - {one.text})
    return by_bare, by_reader, wrong


def idle(options: Options) -> Iterator[Figure]:
    """A network camera at 1280 x 720 and 30 frames a second over an empty counter: CPU of the camera's threads.

    The stream is served by a process of its own, so that its work is not counted.
    """
    share = asyncio.run(_idle_share(options.quick))
    yield Figure(
        f"04 camera: idle at {WIDTH} x {HEIGHT}, share of one core",
        round(share, 1),
        "%",
        None,
        None,
        IDLE_BAR,
        share <= IDLE_BAR,
        "value",
        round(share, 1),
        round(share, 1),
    )


async def _idle_share(quick: bool) -> float:
    """CPU of this process in percent of the wall, once the camera has found that nothing moves."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        url = await asyncio.to_thread(ours.recv)
        camera = Camera(CameraSettings("bench", url))
        run = asyncio.create_task(camera.run(lambda _: None, lambda _: None))
        async with asyncio.timeout(30):
            while camera.status().state is not DeviceState.READY:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.05)
        await asyncio.sleep(5)
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(3 if quick else 15)
        share = (time.process_time() - cpu) / (time.monotonic() - wall) * 100
        run.cancel()
        await asyncio.wait([run])
    finally:
        server.kill()
        server.join()
    return share


def serve(pipe: Connection) -> None:
    """In a process of its own: motion JPEG of an empty counter with a camera's noise, 30 frames a second."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    import cv2
    import numpy as np

    scene = next(empty_frames(1))
    random = np.random.default_rng(1)
    pictures = []
    for _ in range(30):
        noisy = np.clip(scene + random.normal(0, 3, scene.shape), 0, 255).astype(np.uint8)
        coloured = cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR)
        pictures.append(cv2.imencode(".jpg", coloured, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n")
        number, loop = 0, asyncio.get_running_loop()
        due = loop.time()
        while not writer.is_closing():
            jpeg = pictures[number % len(pictures)]
            head = f"--f\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            writer.write(head.encode() + jpeg + b"\r\n")
            await writer.drain()
            number, due = number + 1, due + 1 / 30
            await asyncio.sleep(max(0.0, due - loop.time()))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream.mjpg")
    await server.serve_forever()


def _count(name: str, value: int, floor: int, *, least: int | None = None, most: int | None = None) -> Figure:
    """A count; `least` is shown as the bar it must reach, `most` as the one it must not pass."""
    ok = (least is None or value >= least) and (most is None or value <= most)
    bar = least if least is not None else most
    return Figure(name, value, "", floor or None, None, bar, ok, "value", value, value)


BENCHMARKS: dict[str, Benchmark] = {
    "04 camera no code": no_code,
    "04 camera frames": frames,
    "04 camera presentations": presented,
    "04 camera idle": idle,
}
