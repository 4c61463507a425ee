"""The devices that developers run by hand: a line that scans what is typed, and a keyboard that types it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from drivers import virtual_wedge
from drivers.framing import Framer
from drivers.keymap import LAYOUTS, KeyDecoder
from drivers.ports import DeviceState, DriverError, Scan, ScanFault
from drivers.serial_scanner import SerialScanner, SerialSettings
from drivers.wedge import Typing
from tests.integration.scanner_kit import running


async def test_each_line_typed_into_a_virtual_scanner_is_one_scan(tmp_path: Path) -> None:
    port = tmp_path / "scanner"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "drivers.virtual_scanner", "--port", str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    assert str(port) in (await asyncio.wait_for(program.stdout.readline(), 30)).decode()
    found: asyncio.Queue[Scan | ScanFault] = asyncio.Queue()
    async with running(
        SerialScanner(SerialSettings("front", str(port))), found.put_nowait, found.put_nowait
    ) as run:
        await run.until(DeviceState.READY)
        for text in ("RC1FIRST", "RC1SECOND"):
            program.stdin.write(f"{text}\n".encode())
            one = await asyncio.wait_for(found.get(), 30)
            assert isinstance(one, Scan)
            assert one.text == text
        program.stdin.close()
        assert await asyncio.wait_for(program.wait(), 30) == 0
    assert not port.is_symlink(), "it takes its line along"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_virtual_wedge_types_is_what_was_meant(layout: str) -> None:
    text = "RC1 ABCxyz-0123456789/$"
    typing, framer = Typing(KeyDecoder(layout)), Framer("wedge")
    found = [
        one for event in virtual_wedge.typed(text, layout) for one in typing.feed(framer, *event, at=1.0)
    ]
    assert [one.text for one in found if isinstance(one, Scan)] == [text]


def test_a_character_without_a_key_is_named_and_nothing_is_typed() -> None:
    with pytest.raises(DriverError, match=r"us has no key for character U\+5238"):
        next(virtual_wedge.typed("RC1券"))


@pytest.mark.skipif(Path("/dev/uinput").exists(), reason="this machine can make input devices")
def test_without_uinput_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert virtual_wedge.main([]) == 1
    assert "modprobe uinput" in capsys.readouterr().err
