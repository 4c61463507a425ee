"""Beeps for yes and no, and reading on request: over a real line, to a scanner that hears what it is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import agent.signals
import config
from agent.signals import Signals
from drivers.commanded import Commands, Mouth
from drivers.network_scanner import NetworkScanner, NetworkSettings
from drivers.ports import DeviceState
from drivers.virtual_scanner import VirtualScanner
from tests.integration.api_kit import WAIT_S, RealTill, real_till, until

GOOD, BAD, ON, OFF = "\x07", "\x07\x07", "\x16T\r", "\x16U\r"


@asynccontextmanager
async def shop(folder: Path, line: VirtualScanner, **commands: str) -> AsyncIterator[RealTill]:
    """A till with this scanner, and one that types."""
    serial = msgspec.structs.replace(config.SerialScanner(name="front", port=line.port), **commands)
    wedge = config.WedgeScanner(name="side", vendor="1234", product="5678")
    async with real_till(folder / "state", scanner=(serial, wedge)) as till:
        await until(lambda: till.app._sources[0][1].status().state is DeviceState.READY)
        yield till


async def hears(line: VirtualScanner, wanted: str) -> None:
    said = b""
    async with asyncio.timeout(WAIT_S):
        while len(said) < len(wanted):
            said += line.heard()
            await asyncio.sleep(0.01)
    assert said == wanted.encode()


async def test_a_beep_for_yes_and_another_for_no(tmp_path: Path) -> None:
    with VirtualScanner() as line:
        async with shop(tmp_path, line, beep_good=GOOD, beep_bad=BAD) as till:
            line.scan(till.coupon())
            await hears(line, GOOD)
            line.scan("RC1NOSUCHCOUPON")
            await hears(line, BAD)
            await till.redeem(till.coupon())
            assert line.heard() == b"", "a POS has beeps of its own"


async def test_half_a_scan_is_a_no(tmp_path: Path) -> None:
    with VirtualScanner() as line:
        async with shop(tmp_path, line, beep_good=GOOD, beep_bad=BAD) as till:
            line.send(till.coupon()[:40].encode())
            await hears(line, BAD)


async def test_noise_on_a_line_is_told_once_in_a_while(tmp_path: Path) -> None:
    with VirtualScanner() as line:
        async with shop(tmp_path, line) as till:
            with till.app.till.hub.listen() as told:
                line.send(b"\xff\xfe\r" * 50)
                line.scan(till.coupon())
                kinds: list[str] = []
                while "verdict" not in kinds:
                    async with asyncio.timeout(WAIT_S):
                        message = await told.get()
                    assert message is not None, "it was not cut off"
                    kinds.append(message.kind)
            assert 1 <= kinds.count("fault") <= 3


async def test_it_reads_when_the_pos_asks_and_stops_after_its_scan(tmp_path: Path) -> None:
    with VirtualScanner() as line:
        async with shop(tmp_path, line, trigger_on=ON, trigger_off=OFF, beep_good=GOOD) as till:
            answer = await till.call("POST", "/v1/scanners/front/trigger", {})
            assert (answer.status, answer.json) == (200, {"scanner": "front", "reads_for_s": 5.0})
            await hears(line, ON)
            line.scan(till.coupon())
            await hears(line, OFF + GOOD)


async def test_it_stops_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.signals, "TRIGGER_S", 0.05)
    with VirtualScanner() as line:
        async with shop(tmp_path, line, trigger_on=ON, trigger_off=OFF) as till:
            for _ in range(2):
                assert (await till.call("POST", "/v1/scanners/front/trigger", {})).status == 200
            await hears(line, ON + ON + OFF)


async def test_who_cannot_be_asked_is_named(tmp_path: Path) -> None:
    with VirtualScanner() as line:
        async with shop(tmp_path, line, trigger_on=ON) as till:
            for name, status, code in (("side", 409, "no_trigger"), ("nobody", 404, "unknown_scanner")):
                answer = await till.call("POST", f"/v1/scanners/{name}/trigger", {})
                assert (answer.status, answer.code) == (status, code)
            line.unplug()
            await until(lambda: till.app._sources[0][1].status().state is not DeviceState.READY)
            answer = await till.call("POST", "/v1/scanners/front/trigger", {})
            assert (answer.status, answer.code) == (409, "no_trigger")


class Full:
    def write(self, data: bytes) -> None:
        raise BlockingIOError


def test_a_scanner_that_does_not_listen_holds_up_nobody() -> None:
    mouth = Mouth(Commands(beep_good=b"x"))
    signals = Signals({"front": mouth}, frozenset())
    verdict = {"source": "front", "tone": "good"}
    signals.answer(verdict)  # it is not there
    mouth.opened(Full())
    signals.answer(verdict)
    assert mouth.say(b"x") is False


async def test_a_network_scanner_hears_too() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    scanner = NetworkScanner(NetworkSettings("net", "127.0.0.1", port, commands=Commands(beep_bad=b"\x07")))
    mouth = scanner.mouth
    assert mouth is not None

    def nothing(_: object) -> None:
        pass

    run = asyncio.create_task(scanner.run(nothing, nothing))
    peer, _ = await asyncio.to_thread(server.accept)
    await until(lambda: scanner.status().state is DeviceState.READY)
    assert mouth.say(mouth.commands.beep_bad)
    peer.settimeout(WAIT_S)
    assert await asyncio.to_thread(peer.recv, 10) == b"\x07"
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert not mouth.say(b"x"), "nobody is there any more"
    peer.close()
    server.close()
