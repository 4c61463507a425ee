"""A scanner on a serial line: RS-232, USB CDC-ACM ("USB-COM" mode), Bluetooth SPP, or behind a device server.

pyserial opens and configures the line; the event loop reads it (`reading`).
"""

from __future__ import annotations

import errno
import os
import termios
import time
from dataclasses import dataclass

import serial

from drivers.commanded import NO_COMMANDS, Commands
from drivers.framing import GAP_S, Framer
from drivers.network_scanner import line_for_url
from drivers.ports import DeviceState
from drivers.reading import Found, OpenDevice, Scanner
from drivers.rfc2217 import line_settings
from drivers.state import DeviceUnavailable

_READ_SIZE = 4096


@dataclass(frozen=True, slots=True)
class SerialSettings:
    """port: a device path, or of a device server socket://HOST:PORT (raw) or rfc2217://HOST:PORT.

    parity: N, E or O. suffix, encoding, gap_s, prefix: see `framing.Framer`.
    """

    name: str
    port: str
    baud: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1
    suffix: str = "auto"
    encoding: str = "utf-8"
    gap_s: float = GAP_S
    prefix: str = ""
    commands: Commands = NO_COMMANDS


class SerialScanner(Scanner):
    """A `ScanSource` over one serial line. Raises ValueError or LookupError for a bad suffix or encoding."""

    def __init__(self, settings: SerialSettings):
        self._settings = settings
        framer = Framer(settings.name, settings.suffix, settings.encoding, settings.gap_s, settings.prefix)
        super().__init__(settings.name, "serial", framer, lambda: _open(settings), settings.commands)


def _open(settings: SerialSettings) -> OpenDevice:
    if "://" not in settings.port:
        return _Line(settings)
    wanted = line_settings(settings.baud, settings.bytesize, settings.parity, settings.stopbits)
    return line_for_url(settings.port, wanted)


class _Line:
    """An open serial line. Raises DeviceUnavailable when it cannot be opened."""

    def __init__(self, settings: SerialSettings):
        try:
            self._port = _open_port(settings)
            self._descriptor: int = self._port.fileno()
        except ValueError as error:
            raise DeviceUnavailable(DeviceState.MISCONFIGURED, f"{settings.port}: {error}") from error
        except (OSError, termios.error) as error:
            raise explain_open_error(settings.port, error) from error

    def fileno(self) -> int:
        return self._descriptor

    def pull(self, framer: Framer) -> Found:
        data = os.read(self._descriptor, _READ_SIZE)
        at = time.monotonic()
        if not data:
            raise OSError(errno.EIO, "end of input")
        return framer.feed(data, at)

    def write(self, data: bytes) -> None:
        if os.write(self._descriptor, data) < len(
            data
        ):  # the descriptor does not block: pyserial opened it so
            raise OSError(errno.EAGAIN, "the line does not take it")

    def close(self) -> None:
        self._port.close()


def _open_port(settings: SerialSettings) -> serial.Serial:
    return serial.Serial(
        settings.port,
        baudrate=settings.baud,
        bytesize=settings.bytesize,
        parity=settings.parity,
        stopbits=settings.stopbits,
        timeout=0,
        # flock on the device: a second redeemd or a terminal program is refused instead of stealing bytes.
        exclusive=True,
    )


def explain_open_error(port: str, error: Exception) -> DeviceUnavailable:
    """Turn the system's refusal into a state and one sentence that says what to do."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.EACCES, errno.EPERM):
        return DeviceUnavailable(
            DeviceState.DENIED,
            f"{port} may not be opened: add the service's user to the group dialout"
            " (usermod -aG dialout USER) and restart",
        )
    if code in (errno.EBUSY, errno.EAGAIN):
        return DeviceUnavailable(
            DeviceState.DENIED, f"{port} is held by another program: stop it (`fuser {port}` shows which)"
        )
    if code == errno.ENOENT:
        return DeviceUnavailable(
            DeviceState.LOST, f"{port} does not exist: plug the scanner in, or correct `port`"
        )
    return DeviceUnavailable(
        DeviceState.LOST, f"{port} cannot be opened as a serial line ({error}): correct `port`"
    )
