"""`redeemd doctor` on a machine made of files: what the kernel would show in /sys and udev in /dev."""

from __future__ import annotations

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent import cli
from agent.commands import doctor
from agent.commands.doctor import Account, may_open
from drivers.inventory import SCANNER_MAKERS, types_text
from tests.integration.hid_kit import UEVENT
from tests.unit.test_drivers_hid_report import KEYBOARD, POS

REPOSITORY = Path(__file__).resolve().parents[2]
ALL_KEYS = "ffffffffffffff fffffffffffffffe"
STABLE = "usb-Datalogic_Gryphon_SN7-if00"


class Machine:
    """Devices as files. Everything may be opened unless `mode` says otherwise."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch):
        self.sys, self.dev = folder / "sys", folder / "dev"
        self.dev.mkdir()
        patch.setattr("drivers.discover.SYS_CLASS", self.sys)
        patch.setattr("drivers.discover.DEV", self.dev)
        patch.setattr("agent.commands.doctor.DEV", self.dev)
        patch.setattr("agent.commands.doctor.service_account", lambda: Account("redeemd", 54321, frozenset()))
        self.config = folder / "till.toml"
        self.write("")

    def write(self, text: str) -> None:
        self.config.write_text(f"[api]\nport = 1\n{text}")

    def node(self, name: str, mode: int = 0o666) -> Path:
        path = self.dev / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(mode)
        return path

    def entry(self, at: str, /, **facts: str) -> Path:
        folder = self.sys / at
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in facts.items():
            (folder / key).write_text(f"{value}\n")
        return folder

    def keyboard(self, number: int, vendor: str, name: str, serial: str = "", keys: str = ALL_KEYS) -> None:
        device = f"input/event{number}/device"
        self.entry(device, name=name, uniq=serial)
        self.entry(f"{device}/id", vendor=vendor, product="0001")
        self.entry(f"{device}/capabilities", key=keys)

    def line(self) -> None:
        usb = self.entry(
            "../usb1/1-1",
            idVendor="05F9",
            idProduct="2206",
            serial="SN7",
            manufacturer="Datalogic",
            product="Gryphon",
        )
        (usb / "1-1:1.0").mkdir()
        (self.entry("tty/ttyACM0") / "device").symlink_to(usb / "1-1:1.0")
        self.entry("tty/tty0")  # a console has no device
        self.entry("tty/ttyS3/device")
        self.entry("tty/ttyS3", type="0")  # the board has no such port
        stable = self.dev / "serial" / "by-id" / STABLE
        stable.parent.mkdir(parents=True)
        stable.symlink_to(self.node("ttyACM0"))

    def hid(self) -> None:
        for name, descriptor in (("hidraw0", POS), ("hidraw1", KEYBOARD), ("hidraw2", b"\xc0")):
            device = self.entry(f"hidraw/{name}/device", uevent=UEVENT.strip())
            (device / "report_descriptor").write_bytes(descriptor)
        self.node("hidraw0")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def ask(machine: Machine, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, object]], str]:
    """(exit code, findings, the text for people)."""
    code = cli.main(["doctor", "--config", str(machine.config), "--json"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert cli.main(["doctor", "--config", str(machine.config)]) == code
    return code, found, capsys.readouterr().out


def test_a_machine_without_devices(machine: Machine, capsys: pytest.CaptureFixture[str]):
    code, found, text = ask(machine, capsys)
    assert (code, found) == (0, [])
    assert "docs/scanners.md" in text


def test_a_till_on_which_everything_is_right(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.line()
    machine.hid()
    machine.keyboard(5, "0c2e", "Honeywell 1900", "SN1")
    machine.node("input/event5")
    machine.keyboard(6, "046d", "Logitech Keyboard")
    machine.node("input/event6", 0o600)  # the cashier's own: not ours, no problem
    machine.keyboard(7, "046d", "Logitech Mouse", keys="70000 0 0 0 0")
    for index in ("0", "1"):
        machine.entry(f"video4linux/video{index}", name="HD Webcam", index=index)
    machine.node("video0")
    machine.entry("usbmisc/lp0")
    machine.node("usb/lp0")
    pty = machine.node("pty-scanner")
    machine.write(
        f'[[scanner]]\nkind = "serial"\nname = "line"\nport = "{machine.dev}/serial/by-id/{STABLE}"\n'
        '[[scanner]]\nkind = "wedge"\nname = "keys"\nserial = "SN1"\n'
        '[[scanner]]\nkind = "hid"\nname = "pos"\n'
        '[[scanner]]\nkind = "tcp"\nname = "net"\nhost = "192.0.2.1"\nport = 2112\n'
        f'[[scanner]]\nkind = "serial"\nname = "other"\nport = "{pty}"\n'
        '[[scanner]]\nkind = "serial"\nname = "box"\nport = "rfc2217://192.0.2.2:4000"\n'
        '[[camera]]\nname = "counter"\nsource = "0"\n'
        '[[camera]]\nname = "stream"\nsource = "rtsp://user:secret@192.0.2.3/"\n'
        f'[[printer]]\nkind = "file"\nname = "paper"\ndevice = "{machine.dev}/usb/lp0"\n'
    )
    code, found, text = ask(machine, capsys)
    assert [one for one in found if one["problems"]] == []
    assert code == 0
    by_rule = {one["rule"]: one for one in found if one["rule"]}
    assert {rule: (one["kind"], one["openable"]) for rule, one in by_rule.items()} == {
        'scanner[0] "line"': ("serial", True),
        'scanner[1] "keys"': ("input", True),
        'scanner[2] "pos"': ("hid", True),
        'scanner[3] "net"': ("network", None),
        'scanner[4] "other"': ("other", True),
        'scanner[5] "box"': ("network", None),
        'camera[0] "counter"': ("video", True),
        'camera[1] "stream"': ("network", None),
        'printer[0] "paper"': ("printer", True),
    }
    line = by_rule['scanner[0] "line"']
    assert (line["usb"], line["serial"], line["name"]) == ("05f9:2206", "SN7", "Datalogic Gryphon")
    assert "192.0.2.1:2112" in text
    assert "secret" not in text
    assert "Logitech Keyboard" in text
    assert "Mouse" not in text


def problems(found: list[dict[str, object]]) -> dict[str, str]:
    """Path or rule to what is wrong and what to do, as one text."""
    return {
        str(one["path"] or one["rule"]): " ".join(f"{p['wrong']}: {p['fix']}" for p in one["problems"])  # type: ignore[attr-defined]  # from JSON
        for one in found
        if one["problems"]
    }


def test_scanners_that_nobody_reads(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.line()
    machine.hid()
    machine.keyboard(5, "0c2e", "Honeywell 1900")
    machine.node("input/event5")
    code, found, text = ask(machine, capsys)
    wrong = problems(found)
    assert code == 1
    assert len(wrong) == 3
    assert "whatever window is open" in wrong[f"{machine.dev}/input/event5"]
    assert 'kind = "wedge"' in wrong[f"{machine.dev}/input/event5"]
    assert "made by Datalogic" in wrong[f"{machine.dev}/ttyACM0"]
    assert "HID POS mode" in wrong[f"{machine.dev}/hidraw0"]
    # What it says to add is what it then finds right.
    blocks = re.findall(r"\[\[scanner\]\]\n(?: +\w+ = .*\n)+", text)
    assert len(blocks) == 3
    machine.write("".join(re.sub(r"(?m)^ +", "", block) for block in blocks))
    assert ask(machine, capsys)[0] == 0


def test_what_may_not_be_opened(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    machine.line()
    machine.node("ttyACM0", 0o660)
    machine.hid()
    machine.node("hidraw0", 0o600)
    other = machine.node("pty", 0o400)
    machine.write(
        f'[[scanner]]\nkind = "serial"\nname = "line"\nport = "{machine.dev}/ttyACM0"\n'
        '[[scanner]]\nkind = "hid"\nname = "pos"\n'
        f'[[scanner]]\nkind = "serial"\nname = "pty"\nport = "{other}"\n'
    )
    monkeypatch.setattr("agent.commands.doctor.grp.getgrgid", lambda _: SimpleNamespace(gr_name="dialout"))
    code, found, _ = ask(machine, capsys)
    wrong = problems(found)
    assert code == 1
    assert "usermod -aG dialout redeemd" in wrong[f"{machine.dev}/ttyACM0"]
    assert f"name it {machine.dev}/serial/by-id/{STABLE}" in wrong[f"{machine.dev}/ttyACM0"]
    assert "udev rules" in wrong[f"{machine.dev}/hidraw0"]
    assert "let redeemd read and write" in wrong[str(other)]


def test_rules_that_fit_nothing_too_much_or_one_another(machine: Machine, capsys: pytest.CaptureFixture[str]):
    for number in (5, 6):
        machine.keyboard(number, "0c2e", "Honeywell 1900", f"SN{number}")
        machine.node(f"input/event{number}")
    machine.write(
        '[[scanner]]\nkind = "wedge"\nname = "both"\ndevice_name = "1900"\n'
        '[[scanner]]\nkind = "wedge"\nname = "six"\nserial = "SN6"\n'
        '[[scanner]]\nkind = "hid"\nname = "none"\n'
        '[[scanner]]\nkind = "serial"\nname = "gone"\nport = "/dev/serial/by-id/none-such"\n'
    )
    code, found, _ = ask(machine, capsys)
    wrong = problems(found)
    assert code == 1
    assert "2 devices fit" in wrong['scanner[0] "both"']
    assert 'scanner[0] "both", scanner[1] "six" all take it' in wrong[f"{machine.dev}/input/event6"]
    assert "no device fits" in wrong['scanner[2] "none"']
    assert "no device fits" in wrong["/dev/serial/by-id/none-such"]


def test_a_file_with_faults_hides_no_device(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.hid()
    machine.write('[[scanner]]\nkind = "hid"\nnaem = "pos"\n')
    code, found, _ = ask(machine, capsys)
    assert code == 1
    assert [one["kind"] for one in found] == ["file", "hid"]
    assert "naem" in problems(found)[str(machine.config)]


def test_a_device_that_the_kernel_has_and_udev_has_not(machine: Machine, capsys: pytest.CaptureFixture[str]):
    machine.hid()
    (machine.dev / "hidraw0").unlink()
    _, found, _ = ask(machine, capsys)
    assert "cannot be looked at" in problems(found)[f"{machine.dev}/hidraw0"]


def test_what_the_running_till_says_is_shown(machine: Machine, capsys: pytest.CaptureFixture[str]):
    devices = [{"name": "pos", "state": "denied", "detail": "it is held by another program"}]

    class Till(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"devices": devices}).encode())

        def log_message(self, *_: object) -> None:
            pass

    machine.hid()
    with HTTPServer(("127.0.0.1", 0), Till) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            machine.config.write_text(
                f'[api]\nport = {server.server_port}\n[[scanner]]\nkind = "hid"\nname = "pos"\n'
            )
            code, found, text = ask(machine, capsys)
        finally:
            server.shutdown()
            thread.join(10)
    assert code == 1
    assert found[0]["state"] == "denied"
    assert "held by another program" in problems(found)[f"{machine.dev}/hidraw0"]
    assert "now denied" in text


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "needed", "may"),
    [
        (0o660, 0, 20, 0o6, True),
        (0o660, 0, 5, 0o6, False),
        (0o640, 0, 20, 0o6, False),
        (0o640, 0, 20, 0o4, True),
        (0o666, 0, 5, 0o6, True),
        (0o606, 0, 20, 0o6, False),  # what the group lacks, others do not give
        (0o400, 1000, 5, 0o4, True),
        (0o044, 1000, 20, 0o4, False),
    ],
)
def test_permissions_as_the_kernel_gives_them(mode: int, uid: int, gid: int, needed: int, may: bool):
    status = os.stat_result((0o20000 | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert may_open(status, Account("redeemd", 1000, frozenset({20})), needed) is may
    assert may_open(status, Account("root", 0, frozenset()), needed)


@pytest.mark.parametrize(
    ("keys", "types"),
    [
        (ALL_KEYS, True),
        ("10000000000000 0", False),
        ("40000000", False),
        ("50000000", True),
        ("", False),
        ("x", False),
    ],
)
def test_what_types(keys: str, types: bool):
    assert types_text(keys) is types


def test_makers_and_groups_are_those_of_the_installed_files():
    rules = (REPOSITORY / "systemd" / "70-redeemd.rules").read_text("utf-8")
    listed = re.search(r'ATTRS\{idVendor\}=="([0-9a-f|]+)"', rules)
    assert listed is not None
    assert set(listed[1].split("|")) == set(SCANNER_MAKERS)
    unit = (REPOSITORY / "systemd" / "redeemd.service").read_text("utf-8")
    groups = re.search(r"(?m)^SupplementaryGroups=(.*)$", unit)
    assert groups is not None
    assert set(groups[1].split()) == set(doctor.SERVICE_GROUPS)


def test_a_camera_is_best_named_by_a_path_that_stays(machine: Machine, capsys: pytest.CaptureFixture[str]):
    for number, folder in enumerate(("by-path", "by-id")):
        machine.entry(f"video4linux/video{number}", name="Camera", index="0")
        stable = machine.dev / "v4l" / folder / f"camera{number}-video-index0"
        stable.parent.mkdir(parents=True)
        stable.symlink_to(machine.node(f"video{number}"))
    machine.write(
        '[[camera]]\nname = "counter"\nsource = "0"\n'
        f'[[camera]]\nname = "door"\nsource = "{machine.dev}/v4l/by-id/camera1-video-index0"\n'
    )
    code, found, _ = ask(machine, capsys)
    assert code == 1
    by_number, by_path = (one for one in found if one["kind"] == "video")
    stable = machine.dev / "v4l" / "by-path" / "camera0-video-index0"
    assert by_number["problems"] == [
        {
            "wrong": f"{machine.dev}/video0 may be another device after the next start",
            "fix": f"name it {stable}",
        }
    ]
    assert by_path["problems"] == []
