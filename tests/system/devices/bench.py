"""The guest with everything plugged in, and what its scan sources say. Shared by the checks."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.system.devices.guest import WAIT_S, Guest, Message
from tests.system.devices.pictures import COLUMNS, PIXELS, ROWS
from tests.unit.test_drivers_hid_report import POS

WEDGE, FTDI, ACM, HID, VIRTUAL, CAMERA = "wedge", "ftdi", "acm", "pos", "virtual", "camera"
TYPED = (WEDGE, FTDI, ACM)
"""Those that send a character after another, so that a scan can be cut."""

GAP_MS = 3000
"""Longer than an emulated machine holds its breath between the pieces that `Guest.type` sends."""

VIRTUAL_NAME = "redeemd virtual scanner"
FTDI_PORT = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_SNFTDI-if00-port0"
ACM_PORT = "/dev/serial/by-id/usb-Datalogic_Gryphon_SNACM-if00"
CAMERA_PATH = "/dev/v4l/by-path/platform-vivid.0-video-index0"
KEYBOARD = "/dev/input/by-id/usb-QEMU_QEMU_USB_Keyboard_SNWEDGE-event-kbd"
GADGETS = "/sys/kernel/config/usb_gadget"
VIVID = "/sys/bus/platform/drivers/vivid"
PORT = "/dev/virtio-ports/redeemd.scans"
SCANNERS = f"""
[[scanner]]
kind = "wedge"
name = "{WEDGE}"
serial = "SNWEDGE"
gap_ms = {GAP_MS}

[[scanner]]
kind = "serial"
name = "{FTDI}"
port = "{FTDI_PORT}"

[[scanner]]
kind = "serial"
name = "{ACM}"
port = "{ACM_PORT}"

[[scanner]]
kind = "hid"
name = "{HID}"
vendor = "0c2e"
product = "0b61"
"""
VIRTUALS = f"""
[[scanner]]
kind = "wedge"
name = "{VIRTUAL}"
vendor = "1209"
product = "0001"
"""
CAMERAS = f"""
[[camera]]
name = "{CAMERA}"
source = "{CAMERA_PATH}"
"""
_MODULES = """
mkdir -p /run/udev/rules.d
modprobe -a uhid uinput libcomposite softdog
modprobe dummy_hcd num=2
# 640 x 480 and not 1280 x 720, 60 of which a second keep an emulated processor busy; before the stable path is there.
cat >/run/udev/rules.d/50-vivid.rules <<'end'
SUBSYSTEM=="video4linux", ATTR{name}=="vivid-*", PROGRAM="/usr/bin/v4l2-ctl -d $devnode --set-dv-bt-timings index=0"
end
# One HDMI input, one HDMI output. Without its scaler: that of 6.1 reads past its buffer, and the kernel thread dies.
modprobe vivid n_devs=1 node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1 \\
    ccs_cap_mode=0 ccs_out_mode=0
cp /opt/redeemd/systemd/redeemd-sysusers.conf /usr/lib/sysusers.d/redeemd.conf
systemd-sysusers 2>/dev/null
cp /opt/redeemd/systemd/70-redeemd.rules /etc/udev/rules.d/
udevadm control --reload
"""
_VIRTUAL = """
[ -p /run/typed ] || mkfifo /run/typed
systemd-run --quiet --collect --unit=virtual sh -c \
    'exec /opt/redeemd/venv/bin/python -m drivers.virtual_wedge --report-ms 8 <>/run/typed'
"""
_GADGET = """
mkdir -p {at}/strings/0x409 {at}/configs/c.1 {at}/functions/{function}
echo 0x{vendor} >{at}/idVendor
echo 0x{product} >{at}/idProduct
echo {serial} >{at}/strings/0x409/serialnumber
echo {maker} >{at}/strings/0x409/manufacturer
echo {model} >{at}/strings/0x409/product
"""


def gadget(name: str, function: str, vendor: str, product: str, serial: str, maker: str, model: str) -> str:
    """Shell lines that describe a USB device; it is plugged in when its UDC is written."""
    return _GADGET.format(
        at=f"{GADGETS}/{name}",
        function=function,
        vendor=vendor,
        product=product,
        serial=serial,
        maker=maker,
        model=model,
    )


@dataclass(frozen=True, slots=True)
class Plug:
    """How a device comes and goes, and how it scans one code."""

    name: str
    push: Callable[[], object]
    pull: Callable[[], object]
    scan: Callable[[str], None]


class Bench:
    """said: everything that the scan sources told, oldest first."""

    def __init__(self, guest: Guest):
        self.guest = guest
        self.said: list[Message] = []
        self._settings = ""
        at = f"{GADGETS}/{HID}"
        guest.shell(_MODULES)
        guest.shell(
            gadget(HID, "hid.0", "0c2e", "0b61", "SNPOS", "Honeywell", "Xenon")
            + f"echo 0 >{at}/functions/hid.0/protocol; echo 0 >{at}/functions/hid.0/subclass\n"
            f"echo 64 >{at}/functions/hid.0/report_length"
        )
        guest.write(f"{at}/functions/hid.0/report_desc", POS)
        guest.shell(f"ln -s {at}/functions/hid.0 {at}/configs/c.1/")
        at = f"{GADGETS}/{ACM}"
        guest.shell(
            gadget(ACM, "acm.0", "05f9", "4204", "SNACM", "Datalogic", "Gryphon")
            + f"ln -s {at}/functions/acm.0 {at}/configs/c.1/"
        )
        self.plugs = {plug.name: plug for plug in self._plugs()}
        for plug in self.plugs.values():
            if plug.name not in (CAMERA, VIRTUAL):  # there since its module is; made by a check
                plug.push()
        guest.shell("sleep 2; udevadm settle; stty -F /dev/ttyGS0 raw -echo")
        self._make_unit()

    def _plugs(self) -> list[Plug]:
        guest = self.guest

        def scan_hid(text: str) -> None:
            from tests.integration.hid_kit import reports

            for report in reports(text.encode()):
                guest.write("/dev/hidg0", report)

        return [
            Plug(
                WEDGE,
                lambda: guest.plug("usb-kbd", WEDGE, serial="SNWEDGE"),
                lambda: guest.pull(WEDGE),
                lambda text: guest.type(text + "\n"),
            ),
            Plug(
                FTDI,
                lambda: guest.plug(
                    "usb-serial", FTDI, chardev="serial", serial="SNFTDI", **{"always-plugged": True}
                ),
                lambda: guest.pull(FTDI),
                lambda text: guest.serial.sendall(text.encode() + b"\r"),
            ),
            Plug(
                ACM,
                lambda: guest.write(f"{GADGETS}/{ACM}/UDC", "dummy_udc.0"),
                lambda: guest.write(f"{GADGETS}/{ACM}/UDC", "\n"),
                lambda text: guest.write("/dev/ttyGS0", text.encode() + b"\r"),
            ),
            Plug(
                HID,
                lambda: guest.write(f"{GADGETS}/{HID}/UDC", "dummy_udc.1"),
                lambda: guest.write(f"{GADGETS}/{HID}/UDC", "\n"),
                scan_hid,
            ),
            Plug(
                CAMERA,
                lambda: guest.write(f"{VIVID}/bind", "vivid.0"),
                self._take_camera,
                lambda text: None,
            ),
            Plug(
                VIRTUAL,
                lambda: guest.shell(_VIRTUAL),
                lambda: guest.run("systemctl", "stop", "virtual.service"),
                lambda text: guest.write("/run/typed", text + "\n"),
            ),
        ]

    def half(self, name: str) -> None:
        """A scan without its end."""
        if name == WEDGE:
            self.guest.type("half")
        elif name == FTDI:
            self.guest.serial.sendall(b"half")
        else:
            self.guest.write("/dev/ttyGS0", b"half")

    def until_there(self, name: str) -> None:
        """Wait for an input device with this name, and for udev to have looked at it."""
        self.guest.shell(
            f"until grep -qs '{name}' /sys/class/input/*/device/name; do sleep 0.2; done; udevadm settle"
        )

    def _take_camera(self) -> None:
        # Who sends to its output waits for more to send, does not see it go, and keeps its number from who comes next.
        self.guest.try_to("systemctl", "stop", "picture.service")
        self.guest.write(f"{VIVID}/unbind", "vivid.0")

    def show(self, number: int) -> None:
        """Hold picture `number` of the payload before the camera: vivid's input takes what its output was sent last."""
        video = f"width={COLUMNS},height={ROWS},pixelformat={PIXELS}"
        picture = f"/opt/redeemd/pictures/{number}"
        # Three buffers filled, then nothing more: to send on and on would take half of an emulated processor.
        sent = f"(cat {picture} {picture} {picture}; exec sleep infinity)"
        self.guest.shell(
            "systemctl stop picture.service 2>/dev/null || :\n"
            "v4l2-ctl -d /dev/video0 -c loop_video=1\n"
            f"v4l2-ctl -d /dev/video1 --set-fmt-video-out={video}\n"
            f"systemd-run --quiet --collect --unit=picture sh -c '{sent} |"
            " exec v4l2-ctl -d /dev/video1 --stream-out-mmap=3 --stream-from=-'"
        )

    def _make_unit(self) -> None:
        """The unit as it is shipped, with our listener for redeemd."""
        unit = self.guest.read("/opt/redeemd/systemd/redeemd.service")
        program = "/opt/redeemd/venv/bin/python /opt/redeemd/checks/listen.py /etc/redeemd/till.toml"
        for pattern, replacement in (
            (
                r"^Type=.*",
                f"Type=exec\nStandardOutput=file:{PORT}\nStandardError=journal\nDeviceAllow={PORT} rw",
            ),
            (r"^ExecStart=.*", f"ExecStart={program}"),
            (r"^(Restart|WatchdogSec|NotifyAccess)=.*", ""),
        ):
            unit = re.sub(pattern, replacement, unit, flags=re.MULTILINE)
        self.guest.write("/etc/systemd/system/scans.service", unit)
        self.guest.run("systemctl", "daemon-reload")

    def listen(self, settings: str) -> None:
        """Start the scan sources of a configuration afresh and wait until each is ready."""
        self.stop()
        self.said.clear()
        self.guest.write("/etc/redeemd/till.toml", settings)
        self.guest.run("systemctl", "start", "scans.service")
        for name in re.findall(r'^name = "(.*)"', settings, re.MULTILINE):
            self.until_state(name, "ready", after=0)
        self._settings = settings

    def listen_once(self, settings: str) -> None:
        """`listen`, unless it already listens to these."""
        if self._settings != settings:
            self.listen(settings)

    def stop(self) -> None:
        self._settings = ""
        self.guest.try_to("systemctl", "stop", "scans.service")
        self._take(0.2)

    def _take(self, wait_s: float) -> bool:
        try:
            self.said.append(self.guest.scans.incoming.get(timeout=wait_s))
        except queue.Empty:
            return False
        return True

    def until(self, holds: Callable[[], bool], what: str, limit_s: float = WAIT_S) -> None:
        end = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end:
                journal = self.guest.try_to("journalctl", "--no-pager", "-n", "40", "-u", "scans.service")[
                    "out"
                ]
                raise AssertionError(
                    f"never within {limit_s:.0f} s: {what}; said {self.said[-12:]}\n{journal}"
                )
            self._take(min(0.2, max(0.0, end - time.monotonic())))

    def until_state(self, name: str, state: str, after: int, limit_s: float = WAIT_S) -> int:
        """Wait for a state told at or behind place `after` of `said`; return the place behind it."""

        def places() -> list[int]:
            told = enumerate(self.said[after:], after + 1)
            return [at for at, one in told if one["name"] == name and one.get("state") == state]

        self.until(lambda: bool(places()), f"{name} is {state}", limit_s)
        return places()[0]

    def heard(self, kind: str, name: str, after: int = 0) -> list[str]:
        """What was told of a device behind a place, of one kind: scan, fault or state."""
        return [str(one[kind]) for one in self.said[after:] if one["name"] == name and kind in one]

    def until_scans(self, name: str, expected: list[str], after: int) -> None:
        """Wait for as many scans as are expected; they must be those."""
        self.until(
            lambda: len(self.heard("scan", name, after)) >= len(expected), f"{len(expected)} scans of {name}"
        )
        heard = self.heard("scan", name, after)
        assert heard == expected, f"{name}: heard {heard}, expected {expected}"

    def until_seen(self, text: str, after: int) -> None:
        self.until(lambda: text in self.heard("scan", CAMERA, after), f"the camera sees {text}")

    def until_fault(self, name: str, after: int) -> None:
        self.until(lambda: self.heard("fault", name, after) != [], f"a fault of {name}")

    def here(self) -> int:
        """The place in `said` behind all that was told so far."""
        while self._take(0):
            pass
        return len(self.said)
