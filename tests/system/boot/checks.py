"""What must hold on a till that has really booted. Run by scripts/test-boot, which makes the tree and the kit.

Not collected by `make test`: it needs root, a container and minutes. The checks run in the order they stand in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boot.till import SCANNER_PORT, Till, booted

STAND_IN = os.environ.get("REDEEMD_BOOT_STAND_IN") == "yes"
RESIDENT_KB_MAX = 80 * 1024  # the promise for a till without a camera
SCANNER = f'[[scanner]]\nkind = "serial"\nname = "front"\nport = "{SCANNER_PORT}"\n'
SHORT_WATCHDOG = "[Service]\nWatchdogSec=3\n"
STATE_FILES = ("find", "/var/lib/redeemd", "-type", "f", "-name", "*.db", "-printf", "%i %U %m %p\n")


@pytest.fixture(scope="module")
def till() -> Iterator[Till]:
    tree, kit = (Path(os.environ[name]) for name in ("REDEEMD_BOOT_TREE", "REDEEMD_BOOT_KIT"))
    with booted(tree, kit) as machine:
        machine.write("/etc/systemd/system/redeemd.service.d/test.conf", SHORT_WATCHDOG)
        yield machine


def test_the_installer_brings_the_till_up(till: Till) -> None:
    installed = till.run("/srv/kit/install", timeout_s=600)
    assert "done" in installed.stdout
    state = till.show("ActiveState", "SubState", "NRestarts", "User", "UnitFileState")
    assert state == {
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "User": "redeemd",
        "UnitFileState": "enabled",
    }


def test_ready_means_that_the_api_answers(till: Till) -> None:
    till.run("systemctl", "restart", "redeemd.service")  # returns at READY=1
    assert till.health()


def test_the_process_holds_nothing_it_does_not_need(till: Till) -> None:
    status = till.run("cat", f"/proc/{till.main_pid()}/status").stdout
    found = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"
    assert {int(found[name], 16) for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert found["Uid"].split()[0] != "0"
    assert int(found["VmRSS"].split()[0]) <= RESIDENT_KB_MAX


def test_the_sandbox_allows_what_the_till_needs_and_nothing_else(till: Till) -> None:
    unit = till.run("cat", "/etc/systemd/system/redeemd.service").stdout
    program = f"/opt/redeemd/venv/bin/python /opt/redeemd/probe.py {SCANNER_PORT} {'standin' if STAND_IN else 'real'}"
    for pattern, replacement in (
        (r"^Type=.*", "Type=oneshot"),
        (r"^ExecStart=.*", f"ExecStart={program}"),
        (r"^(Restart|WatchdogSec|NotifyAccess)=.*", ""),
    ):
        unit = re.sub(pattern, replacement, unit, flags=re.MULTILINE)
    till.write("/opt/redeemd/probe.py", (Path(__file__).parent / "probe.py").read_text(encoding="utf-8"))
    till.write("/etc/systemd/system/probe.service", unit)
    till.run("systemctl", "daemon-reload")
    done = till.run("systemctl", "start", "probe.service", ok=False)
    journal = till.run("journalctl", "--no-pager", "-o", "cat", "-u", "probe.service").stdout
    assert done.returncode == 0, journal
    assert "probe: every check held" in journal


@pytest.mark.skipif(STAND_IN, reason="the stand-in reads no scanner")
def test_a_scan_on_a_serial_line_gets_its_verdict(till: Till) -> None:
    till.write("/etc/redeemd/till.toml", SCANNER)
    till.run("systemctl", "restart", "redeemd.service")

    def scanner_ready() -> bool:
        return {device["name"]: device["state"] for device in till.get("/v1/status")["devices"]} == {
            "front": "ready"
        }

    till.wait_until("the scanner is ready", scanner_ready)
    os.write(till.scanner, b"RC1NOTACOUPON\r")
    till.wait_until("a verdict", lambda: len(till.get("/v1/verdicts")["verdicts"]) == 1)
    assert "NOTACOUPON" not in till.journal()


def test_sigkill_is_followed_by_a_restart_with_the_same_state(till: Till) -> None:
    before, pid = till.run(*STATE_FILES).stdout, till.main_pid()
    assert before
    till.run("kill", "-9", str(pid))
    till.wait_for_restart_after(pid)
    assert till.health()
    assert till.run(*STATE_FILES).stdout == before


def test_a_hang_is_ended_by_the_watchdog(till: Till) -> None:
    pid = till.main_pid()
    till.run("kill", "-STOP", str(pid))
    till.wait_for_restart_after(pid)
    assert "Watchdog timeout" in till.journal()
    assert till.health()


def test_it_never_gives_up(till: Till) -> None:
    for _ in range(7):  # systemd's default limit is five starts in ten seconds
        pid = till.main_pid()
        till.run("kill", "-9", str(pid))
        till.wait_for_restart_after(pid)
    assert till.health()


def test_stopping_is_clean_and_starting_brings_it_back(till: Till) -> None:
    till.run("systemctl", "stop", "redeemd.service")
    state = till.show("ActiveState", "Result", "ExecMainStatus")
    assert state == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    till.run("systemctl", "start", "redeemd.service")
    assert till.health()


def test_installing_again_changes_nothing(till: Till) -> None:
    venv = till.run("readlink", "/opt/redeemd/venv").stdout
    state = till.run(*STATE_FILES).stdout
    assert "already built" in till.run("/srv/kit/install", timeout_s=300).stdout
    assert till.run("readlink", "/opt/redeemd/venv").stdout == venv
    assert till.run(*STATE_FILES).stdout == state
    assert till.health()


def test_a_version_that_does_not_start_gives_way_to_the_one_before(till: Till) -> None:
    """The newer version is the same wheel with a unit whose program is missing."""
    venv = till.run("readlink", "/opt/redeemd/venv").stdout
    till.run(
        "sh",
        "-c",
        "cp -r /srv/kit /srv/broken && sed -i 's|^ExecStart=.*|ExecStart=/bin/false|' /srv/broken/*.service",
    )
    done = till.run("/srv/broken/install", ok=False, timeout_s=600)
    assert done.returncode == 1
    assert "the version before it is running again" in done.stderr
    assert till.run("readlink", "/opt/redeemd/venv").stdout == venv
    assert till.show("ActiveState")["ActiveState"] == "active"
    assert till.health()


def test_uninstalling_keeps_the_state(till: Till) -> None:
    state = till.run(*STATE_FILES).stdout
    till.run("/opt/redeemd/install", "--uninstall")
    assert till.run("systemctl", "is-active", "redeemd.service", ok=False).stdout.strip() == "inactive"
    assert till.run(*STATE_FILES).stdout == state
    assert till.run("test", "-e", "/opt/redeemd", ok=False).returncode == 1
