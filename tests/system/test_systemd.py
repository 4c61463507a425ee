"""The unit, its companions and the installer, by systemd's own tools. The booted test is scripts/test-boot."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.standin.kit import EXAMPLE, REPOSITORY, make_kit

SYSTEMD = REPOSITORY / "systemd"
UNIT = SYSTEMD / "redeemd.service"
EXPOSURE_MAX_TENTHS = 15  # machine.md's bar with devices is 1.6; best units Debian ships: 1.1, 1.2, 1.5
PROGRAM = "/opt/redeemd/venv/bin/redeemd"

pytestmark = pytest.mark.system


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed (package {package})"
    )


needs_systemd = needs("systemd-analyze", "systemd")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="the installer gives files to root and to user redeemd"
)


def run(*command: str | Path, ok: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert not ok or done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def directives(unit: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def verify(unit: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze verify`, with a program that exists here in place of the installed one."""
    assert PROGRAM in unit
    copy = directory / "redeemd.service"
    copy.write_text(unit.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return run("systemd-analyze", "verify", "--man=no", copy, ok=False)


@needs_systemd
def test_the_unit_verifies_without_a_word(tmp_path: Path) -> None:
    done = verify(UNIT.read_text(encoding="utf-8"), tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_verify_would_have_spoken_up(tmp_path: Path) -> None:
    done = verify(UNIT.read_text(encoding="utf-8") + "[Service]\nProtectSytem=strict\n", tmp_path)
    assert "ProtectSytem" in done.stderr


@needs_systemd
def test_exposure_is_at_most_the_bar() -> None:
    run(
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={EXPOSURE_MAX_TENTHS}",
        "--no-pager",
        UNIT,
    )


def test_a_till_never_gives_up_and_says_when_it_is_ready() -> None:
    unit = directives(UNIT.read_text(encoding="utf-8"))
    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert int(unit["WatchdogSec"][0]) > 0
    assert unit["StateDirectoryMode"] == ["0700"]
    assert unit["ExecStart"] == [f"{PROGRAM} run --config /etc/redeemd/till.toml"]


def test_every_group_of_the_unit_is_made_by_sysusers() -> None:
    groups = directives(UNIT.read_text(encoding="utf-8"))["SupplementaryGroups"][0].split()
    made = re.findall(
        r"^g (\S+)", (SYSTEMD / "redeemd-sysusers.conf").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(made) == sorted(groups)


@needs("systemd-sysusers", "systemd")
def test_sysusers_makes_the_user_in_an_empty_tree(tmp_path: Path) -> None:
    done = run("systemd-sysusers", "--dry-run", f"--root={tmp_path}", SYSTEMD / "redeemd-sysusers.conf")
    assert re.search(r"Creating user 'redeemd' .* with UID", done.stderr)


def udev_complaints(rules: str, directory: Path) -> list[str]:
    """What udevd's parser says of a rules file. It reads fixed places only, so a mount namespace shows it this one."""
    (directory / "70-redeemd.rules").write_text(rules, encoding="utf-8")
    script = 'mount --bind "$1" /etc/udev/rules.d && udevadm test /sys/class/mem/null 2>&1'
    done = run("unshare", "--mount", "sh", "-c", script, "sh", directory)
    lines = [line for line in done.stdout.splitlines() if "70-redeemd.rules" in line]
    assert lines, "udev did not read the file"
    return [line for line in lines if not line.startswith("Reading rules file")]


@needs("udevadm", "udev")
@needs_root
def test_udev_reads_the_rules_without_a_word(tmp_path: Path) -> None:
    if not Path("/etc/udev/rules.d").is_dir():
        pytest.skip("/etc/udev/rules.d is missing (package udev)")
    rules = (SYSTEMD / "70-redeemd.rules").read_text(encoding="utf-8")
    assert udev_complaints(rules, tmp_path) == []
    assert udev_complaints(rules + 'SUBSISTEM=="tty"\n', tmp_path) != []


USB_ROOT = "/devices/pci0000:00/0000:00:14.0/usb1"


def usb_device(path: str, vendor: str, device_class: str = "00") -> str:
    """One USB device as umockdev describes it (class 09 is a hub)."""
    properties = "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n"
    return f"P: {path}\n{properties}A: idVendor={vendor}\nA: bDeviceClass={device_class}\n\n"


def serial_port(usb_path: str) -> str:
    node = "E: DEVNAME=/dev/ttyACM0\nE: MAJOR=166\nE: MINOR=0\n"
    return f"P: {usb_path}/tty/ttyACM0\nN: ttyACM0\nE: SUBSYSTEM=tty\n{node}\n"


DATALOGIC, OTHER, LINUX_HUB = "05f9", "1234", "1d6b"
ROOT_HUB = usb_device(USB_ROOT, LINUX_HUB, "09")


@needs("udevadm", "udev")
@needs("umockdev-run", "umockdev")
@needs_root
@pytest.mark.parametrize(
    ("devices", "path", "is_scanner"),
    [
        ([usb_device(f"{USB_ROOT}/1-2", DATALOGIC)], f"{USB_ROOT}/1-2", True),
        ([usb_device(f"{USB_ROOT}/1-2", OTHER)], f"{USB_ROOT}/1-2", False),
        (
            [usb_device(f"{USB_ROOT}/1-2", DATALOGIC, "09"), usb_device(f"{USB_ROOT}/1-2/1-2.1", OTHER)],
            f"{USB_ROOT}/1-2/1-2.1",
            False,
        ),
    ],
    ids=["scanner", "another device", "another device behind a scanner maker's hub"],
)
def test_the_rules_find_scanners_and_nothing_else(
    devices: list[str], path: str, is_scanner: bool, tmp_path: Path
) -> None:
    (tmp_path / "70-redeemd.rules").write_bytes((SYSTEMD / "70-redeemd.rules").read_bytes())
    (tmp_path / "mock").write_text("".join([serial_port(path), *devices, ROOT_HUB]), encoding="utf-8")
    script = 'mount --bind "$1" /etc/udev/rules.d && umockdev-run -d "$1/mock" -- udevadm test "/sys$2" 2>&1'
    done = run("unshare", "--mount", "sh", "-c", script, "sh", tmp_path, f"{path}/tty/ttyACM0")
    assert "DEVNAME=/dev/ttyACM0" in done.stdout
    assert ("REDEEMD_SCANNER=1" in done.stdout) is is_scanner
    assert ("ID_MM_DEVICE_IGNORE=1" in done.stdout) is is_scanner


@needs("shellcheck", "shellcheck")
def test_our_shell_scripts_pass_shellcheck() -> None:
    tracked = run("git", "-C", REPOSITORY, "ls-files", "scripts", "systemd", ".ci").stdout.split()
    scripts = [path for path in tracked if (REPOSITORY / path).read_text(encoding="utf-8").startswith("#!/")]
    shell = [
        path
        for path in scripts
        if re.match(r"#!.*\b(ba)?sh\n", (REPOSITORY / path).read_text(encoding="utf-8"))
    ]
    assert "systemd/install" in shell
    run("shellcheck", "--shell=bash", *(REPOSITORY / path for path in shell))


class Till:
    """A tree that stands for a till's file system, and the installer working in it."""

    def __init__(self, root: Path, kit: Path) -> None:
        self.root = root
        self.kit = kit

    def install(self, *arguments: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
        # A PIP_ setting of the machine would break an installer that listened to it.
        command = (self.kit / "install", "--root", self.root, "--python", sys.executable, *arguments)
        return run(*command, ok=ok, PIP_INDEX_URL="https://nowhere.invalid/", PIP_FIND_LINKS="/nowhere")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def version(self, link: str = "venv") -> str:
        return os.readlink(self.path(f"/opt/redeemd/{link}"))

    def picture(self) -> dict[str, tuple[int, int, int]]:
        """Every path below the tree with what an idempotent installer must leave alone."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            if "__pycache__" in path.parts or path.name in {"redeemd-install", ".pwd.lock"}:
                continue
            about = path.lstat()
            is_file = stat.S_ISREG(about.st_mode)
            found[str(path.relative_to(self.root))] = (
                about.st_mode,
                about.st_gid,
                about.st_size if is_file else 0,
            )
        return found


SETTINGS = 'till = "7"\n'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """once/: a till after its first install; newer/: the same till, used, after an upgrade. Building takes seconds."""
    base = tmp_path_factory.mktemp("built")
    (base / "once" / "etc").mkdir(parents=True)
    Till(base / "once", make_kit(base / "kit-1", "0.0.1")).install()
    run("cp", "-a", base / "once", base / "newer")
    newer = Till(base / "newer", make_kit(base / "kit-2", "0.0.2"))
    newer.path("/etc/redeemd/till.toml").write_text(SETTINGS, encoding="utf-8")
    newer.path("/var/lib/redeemd/till.db").write_bytes(b"kept")
    newer.install()
    return base


@pytest.fixture
def once(built: Path, tmp_path: Path) -> Till:
    run("cp", "-a", built / "once", tmp_path / "root")
    return Till(tmp_path / "root", built / "kit-1")


@pytest.fixture
def newer(built: Path, tmp_path: Path) -> Till:
    run("cp", "-a", built / "newer", tmp_path / "root")
    return Till(tmp_path / "root", built / "kit-2")


@pytest.fixture
def bare(tmp_path: Path) -> Till:
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return Till(tmp_path / "root", make_kit(tmp_path / "kit"))


@needs("systemd-sysusers", "systemd")
@needs_root
class TestInstaller:
    def test_a_fresh_till(self, once: Till) -> None:
        script = once.path(f"/opt/redeemd/{once.version()}/bin/redeemd")
        assert script.read_text(encoding="utf-8").startswith(f"#!/opt/redeemd/{once.version()}/bin/python")
        assert script.stat().st_mode & 0o111
        assert once.path("/etc/redeemd/till.toml").read_text(encoding="utf-8") == EXAMPLE
        modes = {
            path: stat.S_IMODE(once.path(path).stat().st_mode)
            for path in ("/var/lib/redeemd", "/etc/redeemd")
        }
        assert modes == {"/var/lib/redeemd": 0o700, "/etc/redeemd": 0o750}
        passwd = once.path("/etc/passwd").read_text(encoding="utf-8")
        (uid,) = re.findall(r"^redeemd:x:(\d+):", passwd, re.MULTILINE)
        assert once.path("/var/lib/redeemd").stat().st_uid == int(uid)
        wanted = once.path("/etc/systemd/system/multi-user.target.wants/redeemd.service")
        assert os.readlink(wanted) == "/etc/systemd/system/redeemd.service"
        assert once.path("/opt/redeemd/doc/operations.md").exists()

    def test_twice_is_as_good_as_once(self, once: Till) -> None:
        before = once.picture()
        assert "already built" in once.install().stdout
        assert once.picture() == before

    def test_an_upgrade_keeps_settings_state_and_the_version_before(self, newer: Till) -> None:
        assert "0.0.2" in newer.version()
        assert "0.0.1" in newer.version("previous")
        assert newer.path("/etc/redeemd/till.toml").read_text(encoding="utf-8") == SETTINGS
        assert newer.path("/var/lib/redeemd/till.db").read_bytes() == b"kept"

    def test_a_rollback_brings_back_the_version_before_with_its_unit(self, newer: Till) -> None:
        old, new = newer.version("previous"), newer.version()
        old_unit = newer.path(f"/opt/redeemd/{old}/system/redeemd.service")
        old_unit.write_text(old_unit.read_text(encoding="utf-8") + "# old\n", encoding="utf-8")
        newer.install("--rollback")
        assert (newer.version(), newer.version("previous")) == (old, new)
        unit = newer.path("/etc/systemd/system/redeemd.service").read_text(encoding="utf-8")
        assert unit.endswith("# old\n")
        newer.install("--rollback")
        assert newer.version() == new

    def test_older_versions_are_cleared_away(self, newer: Till) -> None:
        newer.path("/opt/redeemd/versions/0.0.0-old/bin").mkdir(parents=True)
        newer.install()
        left = {f"versions/{path.name}" for path in newer.path("/opt/redeemd/versions").iterdir()}
        assert left == {newer.version(), newer.version("previous")}

    def test_settings_the_new_version_refuses_change_nothing(self, newer: Till) -> None:
        newer.install("--rollback")
        newer.path("/etc/redeemd/till.toml").write_text("till = \n", encoding="utf-8")
        before = newer.picture()
        done = newer.install(ok=False)
        assert done.returncode == 1
        assert "till.toml: Invalid value" in done.stderr
        assert "nothing was switched" in done.stderr
        assert newer.picture() == before

    def test_a_changed_package_is_refused(self, bare: Till) -> None:
        (wheel,) = (bare.kit / "wheelhouse").iterdir()
        wheel.write_bytes(wheel.read_bytes() + b"\0")
        done = bare.install(ok=False)
        assert done.returncode == 1
        assert "DO NOT MATCH THE HASHES" in done.stderr
        assert "nothing was changed" in done.stderr
        assert not bare.path("/opt/redeemd/venv").exists()
        assert list(bare.path("/opt/redeemd/versions").iterdir()) == []

    def test_uninstall_keeps_state_unless_purged(self, newer: Till) -> None:
        newer.install("--uninstall")
        left = {path for path in newer.picture() if "redeemd" in path}
        assert left == {"etc/redeemd", "etc/redeemd/till.toml", "var/lib/redeemd", "var/lib/redeemd/till.db"}
        done = newer.install("--uninstall", "--purge", ok=False)
        assert (done.returncode, "cannot tell whether records wait" in done.stderr) == (1, True)
        newer.install("--uninstall", "--purge", "--lose-records")
        assert {path for path in newer.picture() if "redeemd" in path} == set()

    def test_purging_loses_no_record_that_waits(self, newer: Till) -> None:
        newer.path("/etc/redeemd/till.toml").write_text("waiting = 1\n", encoding="utf-8")
        before = newer.picture()
        done = newer.install("--uninstall", "--purge", ok=False)
        assert (done.returncode, "records wait for the cloud" in done.stderr) == (1, True)
        assert newer.picture() == before
        newer.path("/etc/redeemd/till.toml").write_text("waiting = 0\n", encoding="utf-8")
        newer.install("--uninstall", "--purge")
        assert {path for path in newer.picture() if "redeemd" in path} == set()

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["--what"], 2, "unknown argument '--what'"),
            (["--wheel"], 2, "--wheel wants a value"),
            (["--purge"], 1, "--purge goes with --uninstall"),
            (["--wheel", "/no/such.whl"], 1, "no such file: /no/such.whl"),
            (["--camera"], 1, "no requirements-camera.lock"),
            (["--rollback"], 1, "no version before this one"),
            (["--python", "/bin/false"], 1, "older than Python 3.11"),
        ],
    )
    def test_errors_say_what_to_do(self, bare: Till, arguments: list[str], code: int, words: str) -> None:
        done = bare.install(*arguments, ok=False)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        assert not bare.path("/opt/redeemd/venv").exists()


def test_the_wheel_holds_every_file_of_our_packages(tmp_path: Path) -> None:
    """What a till gets is the wheel: pages, settings and type markers must be in it, tests must not."""
    run(
        REPOSITORY / "scripts" / "kit",
        "--no-wheelhouse",
        "--python",
        sys.executable,
        "--out",
        tmp_path / "kit",
    )
    (wheel,) = (tmp_path / "kit").glob("redeemd-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = run(
        "git", "-C", REPOSITORY, "ls-files", "agent", "cloud", "config", "drivers", "sync"
    ).stdout.split()
    assert packed == {path for path in tracked if (REPOSITORY / path).exists()}
