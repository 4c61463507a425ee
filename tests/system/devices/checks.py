"""What must hold on a machine with real devices. Run by scripts/test-devices, which makes the guest's disk.

Not collected by `make test`: it needs root, qemu and minutes. The checks run in the order they stand in. The scan
sources are those of a till, in the sandbox of redeemd.service, as its user and with its udev rules.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.devices.bench import (
    ACM,
    ACM_PORT,
    CAMERA,
    CAMERA_PATH,
    CAMERAS,
    FTDI,
    FTDI_PORT,
    HID,
    KEYBOARD,
    SCANNERS,
    TYPED,
    VIRTUAL,
    VIRTUAL_NAME,
    VIRTUALS,
    WEDGE,
    Bench,
)
from tests.system.devices.guest import running
from tests.system.devices.payload import PICTURES, make_payload

SHORT = os.environ.get("REDEEMD_DEVICES_SHORT") == "yes"
"""Each thing once: what .ci/run plays."""

REPLUGS, CUTS, SLEEPS = (2, 1, 1) if SHORT else (int(os.environ.get("REPLUGS", "25")), 5, 3)
TOKEN = "RC1" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * (1 if SHORT else 6)
Measure = Callable[[str, object], None]
only_long = pytest.mark.skipif(SHORT, reason="not in the short form")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    folder, root = (Path(os.environ[name]) for name in ("REDEEMD_DEVICES_DIR", "REDEEMD_DEVICES_ROOT"))
    with running(root, make_payload(folder), folder) as guest:
        yield Bench(guest)


def spread(took: list[float]) -> str:
    """Told, not judged: what an emulated machine needs says little of a till's two seconds."""
    return f"{len(took)} times, median {statistics.median(took):.1f} s, slowest {max(took):.1f} s"


def test_doctor_lists_each_device_and_finds_no_fault(bench: Bench, record_property: Measure) -> None:
    bench.plugs[VIRTUAL].push()
    bench.until_there(VIRTUAL_NAME)
    bench.guest.write("/etc/redeemd/till.toml", SCANNERS + VIRTUALS + CAMERAS)
    answer = bench.guest.try_to("/opt/redeemd/venv/bin/redeemd", "doctor", "--json")
    found = [json.loads(line) for line in str(answer["out"]).splitlines()]
    by_rule = {one["rule"].partition('"')[2].rstrip('"'): one for one in found if one["rule"]}
    assert {
        name: (one["kind"], one["usb"], one["stable"], one["openable"]) for name, one in by_rule.items()
    } == {
        FTDI: ("serial", "0403:6001", FTDI_PORT, True),
        ACM: ("serial", "05f9:4204", ACM_PORT, True),
        WEDGE: ("input", "0627:0001", KEYBOARD, True),
        HID: ("hid", "0c2e:0b61", "", True),
        VIRTUAL: ("input", "1209:0001", "", True),
        CAMERA: ("video", "", CAMERA_PATH, True),
    }
    assert answer["code"] == 0, [one["problems"] for one in found]
    record_property("devices", f"{len(by_rule)} devices")


def test_doctor_says_which_device_is_not_there(bench: Bench) -> None:
    bench.plugs[FTDI].pull()
    answer = bench.guest.try_to("/opt/redeemd/venv/bin/redeemd", "doctor")
    assert answer["code"] == 1
    assert FTDI_PORT in answer["out"]
    bench.plugs[FTDI].push()


@pytest.mark.parametrize("name", [WEDGE, FTDI, ACM, HID, VIRTUAL])
def test_scans_arrive_whole_and_two_quick_ones_stay_two(bench: Bench, name: str) -> None:
    bench.listen_once(SCANNERS + VIRTUALS)
    after = bench.here()
    scan = bench.plugs[name].scan
    scan(TOKEN)
    bench.until_scans(name, [TOKEN], after)
    scan("a1")
    scan("b2")
    bench.until_scans(name, [TOKEN, "a1", "b2"], after)
    assert bench.heard("fault", name, after) == []


def test_two_serial_scans_in_one_packet_and_two_typed_at_once_stay_two(bench: Bench) -> None:
    bench.listen_once(SCANNERS + VIRTUALS)
    after = bench.here()
    bench.guest.serial.sendall(b"c3\rd4\r")
    bench.guest.type("c3\nd4\n")
    for name in (FTDI, WEDGE):
        bench.until_scans(name, ["c3", "d4"], after)


def test_nobody_else_hears_the_grabbed_keyboard(bench: Bench) -> None:
    guest = bench.guest
    bench.listen_once(SCANNERS + VIRTUALS)
    after = bench.here()
    other = guest.shell(f"exec 3<{KEYBOARD}; cat <&3 >/run/heard 2>/dev/null & echo $!")
    guest.type("e5\n")
    bench.until_scans(WEDGE, ["e5"], after)
    assert guest.shell("stat -c %s /run/heard") == "0\n"
    bench.stop()
    guest.type("f6\n")  # now it is a keyboard again, and the other reader shows that it listened
    guest.shell(f"until [ -s /run/heard ]; do sleep 0.1; done; kill {other}")


def test_half_a_scan_is_reported_and_the_next_one_is_whole(bench: Bench) -> None:
    bench.listen_once(SCANNERS + VIRTUALS)
    after = bench.here()
    for name in TYPED:
        bench.half(name)
    for name in TYPED:
        bench.until_fault(name, after)
        bench.plugs[name].scan("whole")
        bench.until_scans(name, ["whole"], after)
        assert bench.heard("fault", name, after) == ["incomplete"]


def test_a_virtual_keyboard_is_taken_away_and_made_again(bench: Bench) -> None:
    bench.listen_once(SCANNERS + VIRTUALS)
    plug, after = bench.plugs[VIRTUAL], bench.here()
    plug.pull()
    gone = bench.until_state(VIRTUAL, "lost", after)
    plug.push()
    bench.until_state(VIRTUAL, "ready", gone)
    plug.scan("typed again")
    bench.until_scans(VIRTUAL, ["typed again"], after)


def test_a_keyboard_that_no_rule_names_is_left_to_others(bench: Bench) -> None:
    bench.listen_once(SCANNERS)
    guest, after = bench.guest, bench.here()
    node = guest.shell(f"grep -l '{VIRTUAL_NAME}' /sys/class/input/event*/device/name").split("/")[4]
    other = guest.shell(f"exec 3</dev/input/{node}; cat <&3 >/run/heard 2>/dev/null & echo $!")
    bench.plugs[VIRTUAL].scan("the cashier types")
    guest.shell(f"until [ -s /run/heard ]; do sleep 0.1; done; kill {other}")
    assert [one for one in bench.said[after : bench.here()] if "scan" in one] == []
    bench.plugs[VIRTUAL].pull()


@pytest.mark.parametrize("name", [WEDGE, FTDI, ACM, HID])
def test_pulled_out_and_put_back_it_is_read_again(bench: Bench, name: str, record_property: Measure) -> None:
    bench.listen_once(SCANNERS)
    plug, begin = bench.plugs[name], bench.here()
    took, expected = [], []
    for number in range(REPLUGS):
        after = bench.here()
        plug.pull()
        if number % 2:  # each other time it comes back before anybody saw it go
            bench.until_state(name, "lost", after)
        pushed = time.monotonic()
        plug.push()
        gone = bench.until_state(name, "lost", after)
        bench.until_state(name, "ready", gone)
        took.append(time.monotonic() - pushed)
        expected.append(f"n{number}")
        plug.scan(expected[-1])
        bench.until_scans(name, expected, begin)
    record_property("times", spread(took))
    assert bench.heard("fault", name, begin) == []


@pytest.mark.parametrize("name", TYPED)
def test_a_scan_cut_by_the_plug_is_never_glued_to_the_next(bench: Bench, name: str) -> None:
    bench.listen_once(SCANNERS)
    plug, begin = bench.plugs[name], bench.here()
    for number in range(CUTS):
        after = bench.here()
        bench.half(name)
        plug.pull()
        plug.push()
        bench.until_state(name, "ready", bench.until_state(name, "lost", after))
        plug.scan(f"m{number}")
        bench.until_scans(name, [f"m{one}" for one in range(number + 1)], begin)
    assert set(bench.heard("fault", name, begin)) <= {"incomplete"}


def test_the_machine_sleeps_and_every_scanner_is_read_afterwards(
    bench: Bench, record_property: Measure
) -> None:
    bench.listen_once(SCANNERS)
    names = [WEDGE, FTDI, ACM, HID]
    took = []
    for number in range(SLEEPS):
        after = bench.here()
        slept = int(bench.guest.read("/sys/power/suspend_stats/success"))
        bench.guest.run("rtcwake", "-m", "mem", "-s", "3", timeout_s=60)
        assert int(bench.guest.read("/sys/power/suspend_stats/success")) == slept + 1
        woke = time.monotonic()
        for name in names:
            states = bench.heard("state", name)
            if states[-1] != "ready" or name == FTDI:  # its driver does not keep the line over a sleep
                bench.until_state(name, "ready", after)
        took.append(time.monotonic() - woke)
        for name in names:
            bench.plugs[name].scan(f"s{number}")
            bench.until_scans(name, [f"s{number}"], after)
    record_property("sleeps", spread(took))


def test_the_camera_gives_frames_and_a_code_shown_to_it_is_read(bench: Bench) -> None:
    bench.listen(CAMERAS)
    assert bench.heard("scan", CAMERA) == [], "the test picture has no code"
    after = bench.here()
    for number in range(PICTURES - 1):
        bench.show(number)
        bench.until_seen(f"PICTURE {number}", after)
    # An emulated machine stalls for longer than a code may be out of view; the till's debounce is not part of this.
    assert list(dict.fromkeys(bench.heard("scan", CAMERA, after))) == [
        f"PICTURE {n}" for n in range(PICTURES - 1)
    ]


def test_the_camera_comes_back_and_reads_on(bench: Bench, record_property: Measure) -> None:
    bench.listen_once(CAMERAS)
    plug = bench.plugs[CAMERA]
    took = []
    for _ in range(REPLUGS):
        after = bench.here()
        plug.pull()
        gone = bench.until_state(CAMERA, "lost", after)
        pushed = time.monotonic()
        plug.push()
        bench.until_state(CAMERA, "ready", gone)
        took.append(time.monotonic() - pushed)
    after = bench.here()
    bench.show(PICTURES - 1)
    bench.until_seen(f"PICTURE {PICTURES - 1}", after)
    record_property("times", spread(took))


def test_redeemd_itself_reads_all_of_them_in_its_sandbox(bench: Bench) -> None:
    bench.stop()
    guest = bench.guest
    guest.write("/etc/redeemd/till.toml", SCANNERS + CAMERAS)
    guest.shell("cp /opt/redeemd/systemd/redeemd.service /etc/systemd/system/; systemctl daemon-reload")
    guest.run("systemctl", "start", "redeemd.service", timeout_s=150)

    def get(path: str) -> dict[str, object]:
        script = (
            "import http.client, sys; api = http.client.HTTPConnection('127.0.0.1', 8321, timeout=20);"
            f"api.request('GET', {path!r}); print(api.getresponse().read().decode())"
        )
        answer = json.loads(guest.run("python3", "-c", script))
        assert isinstance(answer, dict)
        return answer

    def states() -> dict[str, str]:
        devices = get("/v1/status")["devices"]
        assert isinstance(devices, list)
        return {one["name"]: one["state"] for one in devices}

    names = [WEDGE, FTDI, ACM, HID]
    bench.until(lambda: set(states().values()) == {"ready"}, "every device is ready", 60)
    assert set(states()) == {*names, CAMERA}
    for name in names:
        bench.plugs[name].scan(f"rc1{name[0]}")
    bench.show(0)

    def scanned_by() -> set[str]:
        listed = get("/v1/verdicts")["verdicts"]
        assert isinstance(listed, list)
        return {one["source"] for one in listed}

    bench.until(lambda: scanned_by() >= {*names, CAMERA}, "a verdict from each device", 60)
    guest.run("systemctl", "stop", "redeemd.service")


@only_long
def test_a_machine_that_hangs_is_seen_by_its_watchdog(bench: Bench) -> None:
    """Last, because nothing runs afterwards: systemd feeds the watchdog (docs/operations.md), the kernel crashes."""
    guest = bench.guest
    listed = guest.shell("cat /sys/class/watchdog/*/identity")
    assert "i6300ESB" in listed
    assert "Software Watchdog" in listed
    guest.run("mkdir", "-p", "/run/systemd/system.conf.d")
    guest.write("/run/systemd/system.conf.d/watchdog.conf", "[Manager]\nRuntimeWatchdogSec=10\n")
    guest.run("systemctl", "daemon-reexec")
    assert "active" in guest.shell("cat /sys/class/watchdog/watchdog0/state")
    guest.steward.send({"id": 0, "do": "write", "path": "/proc/sysrq-trigger", "hex": b"c".hex()})
    guest.until_event("WATCHDOG", limit_s=90)
