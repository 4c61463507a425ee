"""`redeemd camera test`: the page's picture, what it says of it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from agent.commands import camera
from agent.commands.camera import hint_of, look_at
from drivers.decode import load_chain, read_image
from tests.integration.picture_kit import TOKEN, Gray, blurred, counter, noisy, qr, write_video

CHAIN = load_chain()
EMPTY = noisy(counter(), 12)


@pytest.mark.parametrize(
    ("brightness", "sharpness", "sides", "code"),
    [
        (120, 500, [300], "read"),
        (20, 1, [300], "read"),
        (120, 500, [300, 60], "small"),
        (20, 500, [], "dark"),
        (240, 500, [], "bright"),
        (120, 2, [], "blurred"),
        (120, 500, [], "empty"),
    ],
)
def test_one_thing_is_said_and_it_is_the_one_that_helps(
    brightness: float, sharpness: float, sides: list[int], code: str
) -> None:
    found = hint_of(brightness, sharpness, sides)
    assert found[0] == code
    assert all(found)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (counter(qr(TOKEN)), "read"),
        (counter(qr(TOKEN, 2)), "small"),
        (EMPTY, "empty"),
        ((EMPTY // 8).astype(np.uint8), "dark"),
        (np.full((720, 1280), 250, dtype=np.uint8), "bright"),
        (blurred(counter(), 9), "blurred"),
    ],
)
def test_real_pictures_get_their_hint(picture: Gray, code: str) -> None:
    look = look_at(picture, read_image(picture, CHAIN))
    assert look.hint[0] == code, look


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The command as a process, and the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", "camera", "test", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            said = (await process.stdout.readline()).decode()
        assert said.startswith("look at http://127.0.0.1:"), said
        yield said.split()[2], process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(session: aiohttp.ClientSession, url: str, code: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            async with session.get(f"{url}picture") as answer:
                await answer.read()
            async with session.get(f"{url}state") as answer:
                state: dict[str, Any] = await answer.json()
            if state and state["hint"]["code"] == code:
                return state


async def test_a_video_is_shown_with_its_code_framed_and_its_text_hidden(tmp_path: Path) -> None:
    file = write_video(tmp_path / "code.avi", [counter(qr(TOKEN))] * 200, 10.0)
    async with running("--source", str(file)) as (url, process), aiohttp.ClientSession() as session:
        state = await until(session, url, "read")
        assert [code["en"] for code in state["codes"]] == ["a signed coupon"]
        assert TOKEN not in json.dumps(state)
        async with session.get(f"{url}picture?after=0") as answer:
            picture = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        blue, green, red = (picture[:, :, plane].astype(int) for plane in range(3))
        assert ((green > red + 60) & (green > blue + 60)).sum() > 500, "the code is framed"
        async with session.get(url, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403, "nobody else's page may look"
        os.kill(process.pid, signal.SIGINT)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_what_lies_outside_the_region_is_not_read(tmp_path: Path) -> None:
    file = write_video(tmp_path / "code.avi", [counter(qr(TOKEN))] * 200, 10.0)
    (tmp_path / "till.toml").write_text(
        f'[[camera]]\nname = "over"\nsource = "{file}"\nregion = [80, 80, 20, 20]\n'
    )
    async with (
        running("over", "--config", str(tmp_path / "till.toml")) as (url, _),
        aiohttp.ClientSession() as session,
    ):
        assert (await until(session, url, "empty"))["codes"] == []


def test_a_camera_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from agent.cli import main

    assert main(["camera", "test", "--source", str(tmp_path / "none.avi")]) != 0
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "till.toml").write_text("")
    assert main(["camera", "test", "left", "--config", str(tmp_path / "till.toml")]) != 0
    said = capsys.readouterr().err
    assert "has no camera left" in said
    assert "--source 0" in said
    assert camera.FPS > 1
