"""The wedge on a device that umockdev mocks (the kernel here has no uinput), and what can be told without one."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uvloop

from drivers.framing import Framer
from drivers.keymap import DOWN, EV_KEY
from drivers.ports import DeviceState
from drivers.wedge import WedgeScanner, WedgeSettings, explain_open_error
from tests.integration.scanner_kit import running
from tests.integration.wedge_kit import RIGHT_SHIFT, Event, FedKeyboard, pressed, typed, write_bed

TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6
UMOCKDEV = shutil.which("umockdev-run")
needs_umockdev = pytest.mark.skipif(
    UMOCKDEV is None, reason="umockdev-run is not installed (package umockdev)"
)


def read(
    folder: Path, events: list[Event], settings: dict[str, Any], count: int, *more: str
) -> list[dict[str, Any]]:
    """Let the mocked scanner type; return what the wedge made of it."""
    program = [sys.executable, "-m", "tests.integration.wedge_program"]
    command = [*write_bed(folder, events), *program, json.dumps({"name": "w", **settings}), str(count), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.device
@needs_umockdev
def test_a_scanner_is_found_by_its_identity_and_types_whole_scans(tmp_path: Path):
    rule: dict[str, Any] = {
        "vendor": "0C2E",
        "product": "0b61",
        "serial": "SN4711",
        "device_name": "1900",
        "layout": "fr",
    }
    rule["gap_s"] = 30  # umockdev itself pauses where the machine is busy, and tells no time of its own
    found = read(tmp_path, typed(TOKEN, "fr") + typed("RC1SECOND", "fr"), rule, 2)
    assert [(one["text"], one["source"]) for one in found] == [(TOKEN, "w"), ("RC1SECOND", "w")]
    assert found[0]["at"] <= found[1]["at"]


@pytest.mark.device
@needs_umockdev
def test_a_scanner_plugged_in_later_is_found_and_faults_are_named(tmp_path: Path):
    unknown = [*typed("RC1", end=None), *pressed(59), *typed("REST")]
    lost = [*typed("RC1", end=None), (0, 3, 0), *typed("REST")]
    unended = typed("NEVER", end=None)
    events = unknown + lost + typed("GOOD") + unended
    missing, *found = read(tmp_path, events, {"vendor": "0c2e"}, 4, "late")
    assert missing["detail"] == "no input device has vendor 0c2e: plug the scanner in, or correct the rule"
    assert [one.get("code", one.get("text")) for one in found] == [
        "undecodable",
        "incomplete",
        "GOOD",
        "incomplete",
    ]
    assert "set `layout`" in found[0]["detail"]
    assert "too busy" in found[1]["detail"]
    assert not any("RC1" in json.dumps(one) or "NEVER" in json.dumps(one) for one in found)


async def test_a_scanner_that_another_program_holds_is_denied_until_it_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    device = FedKeyboard(tmp_path, monkeypatch)
    device.plug(held_by_another=True)
    async with running(WedgeScanner(WedgeSettings("w", device_name="Honeywell"))) as run:
        assert "grabbed by another program" in await run.until(DeviceState.DENIED)
        device.unplug()
        device.plug()
        await run.until(DeviceState.READY)
        device.send(typed("RC1A"))
        assert (await run.scan()).text == "RC1A"
    device.unplug()


async def test_a_shift_held_when_it_was_unplugged_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    device = FedKeyboard(tmp_path, monkeypatch)
    device.plug()
    async with running(WedgeScanner(WedgeSettings("w", product="0b61"))) as run:
        await run.until(DeviceState.READY)
        device.send([*typed("first"), (EV_KEY, RIGHT_SHIFT, DOWN), *typed("HALF", end=None)])
        assert (await run.scan()).text == "first"
        device.unplug()
        assert (await run.fault()).code == "incomplete"
        device.plug()
        await run.until(DeviceState.READY)
        device.send(typed("second"))
        assert (await run.scan()).text == "second"
    device.unplug()


async def test_a_scanner_that_sends_no_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    device = FedKeyboard(tmp_path, monkeypatch)
    device.plug()
    settings = WedgeSettings("w", vendor="0c2e", suffix="none", gap_s=0.05)
    async with running(WedgeScanner(settings)) as run:
        await run.until(DeviceState.READY)
        for text in ("RC1A", "RC1B"):
            device.send(typed(text, end=None))
            assert (await run.scan()).text == text
        assert run.faults.empty()
    device.unplug()


async def test_pauses_count_as_the_kernel_timed_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All of it is read at once; a second lay between the halves when the keys were pressed."""
    monkeypatch.setattr("drivers.wedge.ioctl", lambda *_: 0)
    device = FedKeyboard(tmp_path, monkeypatch)
    device.plug()
    async with running(WedgeScanner(WedgeSettings("w", vendor="0c2e"))) as run:
        await run.until(DeviceState.READY)
        now = time.monotonic()
        device.send([*typed("HALF", end=None), (EV_KEY, RIGHT_SHIFT, DOWN)], now - 5)
        device.send(typed("whole"), now - 4)
        assert (await run.fault()).code == "incomplete"
        scan = await run.scan()
        assert scan.text == "whole", "and the shift that was never let go is forgotten"
        assert now - 5 < scan.at < now - 3
    device.unplug()


def test_a_busy_till_makes_no_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Under the service's own loop, which looks at its clock first: what was typed meanwhile is read before judging."""
    monkeypatch.setattr("drivers.wedge.ioctl", lambda *_: 0)
    device = FedKeyboard(tmp_path, monkeypatch)
    device.plug()

    async def play() -> None:
        async with running(WedgeScanner(WedgeSettings("w", vendor="0c2e", gap_s=0.1))) as run:
            await run.until(DeviceState.READY)
            pressed_at = time.monotonic()
            device.send(typed("FIRST", end=None), pressed_at)
            # What the reader does with it is one turn of the loop away, and its look at the clock 0.05 s.
            framer: Framer = run.source._framer  # type: ignore[attr-defined]  # of the wedge
            while not framer.pending:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0)
            device.send(typed("HALF" * 10), pressed_at + 0.05)  # more than one read takes
            while time.monotonic() < pressed_at + 0.3:
                pass  # the till is busy
            assert (await run.scan()).text == "FIRST" + "HALF" * 10
            assert run.faults.empty()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
    device.unplug()


async def test_a_rule_that_names_nothing_takes_no_keyboard():
    async with running(WedgeScanner(WedgeSettings("w"))) as run:
        assert "set vendor and product" in await run.until(DeviceState.MISCONFIGURED)


async def test_a_scanner_that_is_not_there():
    async with running(WedgeScanner(WedgeSettings("w", serial="no such thing"))) as run:
        assert "no input device has serial no such thing" in await run.until(DeviceState.LOST)


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (errno.EACCES, DeviceState.DENIED, "group input"),
        (errno.EPERM, DeviceState.DENIED, "udev rules"),
        (errno.EBUSY, DeviceState.DENIED, "grabbed by another program"),
        (errno.ENODEV, DeviceState.LOST, "cannot be read"),
    ],
)
def test_every_refusal_says_what_to_do(code: int, state: DeviceState, words: str):
    refusal = explain_open_error("/dev/input/event5", OSError(code, os.strerror(code)))
    assert refusal.state is state
    assert words in str(refusal)
    assert "/dev/input/event5" in str(refusal)
