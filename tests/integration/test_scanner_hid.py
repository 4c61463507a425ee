"""HID POS scanners: reports of the manuals' layout through a socket that keeps reports apart, as hidraw does."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from drivers.discover import HidDevice, hid_devices
from drivers.hid_scanner import HidScanner, HidSettings, _claim, explain_open_error
from drivers.ports import DeviceState
from tests.integration.hid_kit import FedHid, reports
from tests.integration.scanner_kit import running
from tests.unit.test_drivers_hid_report import KEYBOARD, POS, report

TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 6


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FedHid:
    return FedHid(tmp_path, monkeypatch)


async def test_codes_longer_than_a_report_come_whole(device: FedHid):
    device.plug()
    async with running(HidScanner(HidSettings("h"))) as run:
        await run.until(DeviceState.READY)
        device.scan(TOKEN.encode())
        device.scan(b"\x1d0104006381333931", b"]d2")
        device.scan(b"]Q1AGAIN")  # set to send the identifier with the data as well
        device.scan("优惠券".encode(), b"\0\0\0")
        device.scan(b"")
        device.scan(b"TWO LINES\r\nOF ONE CODE\r")
        texts = [(await run.scan()).text for _ in range(5)]
        assert texts == [TOKEN, "]d2\x1d0104006381333931", "AGAIN", "优惠券", "TWO LINES\r\nOF ONE CODE"]
        assert run.faults.empty()
    device.unplug()


async def test_what_is_no_whole_scan_is_reported(device: FedHid):
    device.plug()
    async with running(HidScanner(HidSettings("h"))) as run:
        await run.until(DeviceState.READY)
        device.send(b"\x05" + bytes(63))  # a status report: not ours
        device.send(report(b"", length=99))
        fault = await run.fault()
        assert fault.code == "undecodable"
        assert "claims 99 bytes" in fault.detail
        device.send(report(b"REST"))  # of the code whose begin was lost
        for one in list(reports(b"A" * 100))[:1]:
            device.send(one)
        assert (await run.fault()).code == "incomplete", "the rest never came"
        device.scan(b"GOOD")
        assert (await run.scan()).text == "GOOD"
    device.unplug()


async def test_it_is_found_by_its_identity_and_only_as_a_scanner(device: FedHid):
    device.plug(KEYBOARD)
    async with running(HidScanner(HidSettings("h", "0C2E", "0b61", "SN0815", "1900"))) as run:
        assert "scan the code USB HID POS" in await run.until(DeviceState.LOST)
        device.unplug()
        device.plug(POS[:40])  # a descriptor cut short
        await run.until(DeviceState.LOST)
        device.unplug()
        device.plug()
        await run.until(DeviceState.READY)
    (found,) = hid_devices()
    for other in (
        HidSettings("h", "05f9"),
        HidSettings("h", serial="SN08"),
        HidSettings("h", device_name="Zebra"),
    ):
        assert not other.matches(found)
    device.unplug()
    assert list(hid_devices()) == []


async def test_a_refusal_is_shown_until_it_ends(device: FedHid):
    device.refused = errno.EACCES
    device.plug()
    async with running(HidScanner(HidSettings("h"))) as run:
        assert "udev rules" in await run.until(DeviceState.DENIED)
        device.refused = 0
        await run.until(DeviceState.READY)
    device.unplug()


def test_only_one_program_reads_a_device(tmp_path: Path):
    node = tmp_path / "hidraw0"
    node.touch()
    held = _claim(str(node))
    with pytest.raises(BlockingIOError):
        _claim(str(node))
    os.close(held)
    os.close(_claim(str(node)))


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (errno.EPERM, DeviceState.DENIED, "udev rules"),
        (errno.EAGAIN, DeviceState.DENIED, "held by another program"),
        (errno.ENODEV, DeviceState.LOST, "cannot be read"),
    ],
)
def test_every_refusal_says_what_to_do(code: int, state: DeviceState, words: str):
    refusal = explain_open_error("/dev/hidraw7", OSError(code, os.strerror(code)))
    assert (refusal.state, words in str(refusal), "/dev/hidraw7" in str(refusal)) == (state, True, True)


def test_a_kernel_entry_without_ids_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("drivers.discover.SYS_CLASS", tmp_path)
    for name, uevent in (("hidraw10", "HID_ID=x"), ("hidraw9", "")):
        device = tmp_path / "hidraw" / name / "device"
        device.mkdir(parents=True)
        (device / "uevent").write_text(uevent)
        (device / "report_descriptor").write_bytes(POS)
    (tmp_path / "hidraw" / "hidraw11").mkdir()  # gone meanwhile
    assert list(hid_devices()) == [
        HidDevice(f"/dev/hidraw{number}", "", "", "", "", POS) for number in (9, 10)
    ]
