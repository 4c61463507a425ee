"""Receipt printers over TCP (port 9100), a serial line and a device file.

Each class only opens its device; what is said then is in `printer_conversation`, and how it is moved in `printer_link`
(which also says why the transports of python-escpos are not used).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drivers.ports import DeviceState, PrinterCause, PrinterStatus
from drivers.printer_conversation import Conversation, PrinterUnavailableError
from drivers.printer_link import Link

if TYPE_CHECKING:
    import serial

CONNECT_S_MAX = 2.5  # a printer in the same shop answers in milliseconds; nothing is lost by trying again
UNREAD_BYTES_MAX = 4096
SEND_BUFFER_BYTES = 8192  # small, so that "written" is near "taken by the printer"

Flow = Literal["none", "xonxoff", "rtscts"]


@dataclass(frozen=True, slots=True)
class _Trouble:
    cause: PrinterCause
    state: DeviceState
    hint: str


_LOST = _Trouble(PrinterCause.UNREACHABLE, DeviceState.LOST, "check power and cable")
_DENIED = _Trouble(
    PrinterCause.MISCONFIGURED, DeviceState.DENIED, "give the service access (group lp or dialout)"
)
_NO_DEVICE = _Trouble(PrinterCause.MISCONFIGURED, DeviceState.MISCONFIGURED, "name the printer's device file")
_NO_LINE = _Trouble(
    PrinterCause.MISCONFIGURED,
    DeviceState.MISCONFIGURED,
    'this is no serial line; a printer on USB is kind = "file"',
)
_TROUBLES = {
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EBUSY: _Trouble(
        PrinterCause.UNREACHABLE, DeviceState.DENIED, "another program holds the printer: stop it"
    ),
    errno.EAGAIN: _Trouble(
        PrinterCause.UNREACHABLE, DeviceState.DENIED, "another program holds the line: stop it"
    ),
    errno.ENOTTY: _NO_LINE,
    errno.EISDIR: _NO_DEVICE,
    errno.ENOTDIR: _NO_DEVICE,
    errno.ECONNREFUSED: _Trouble(
        PrinterCause.UNREACHABLE, DeviceState.LOST, "is it on, and is this its address?"
    ),
}


def _unavailable(error: OSError, where: str) -> PrinterUnavailableError:
    if isinstance(error, socket.gaierror):
        detail = f"{where}: this name is not known here; is it written rightly, and is the network there?"
        return PrinterUnavailableError(PrinterCause.UNREACHABLE, DeviceState.LOST, detail)
    trouble = _TROUBLES.get(error.errno or 0, _LOST)
    # asyncio and pyserial put their own words into strerror.
    reason = os.strerror(error.errno) if error.errno else error.strerror or str(error)
    return PrinterUnavailableError(trouble.cause, trouble.state, f"{where}: {reason}; {trouble.hint}")


class NetworkPrinter(Conversation):
    """A printer, or a print server before one, that takes raw bytes on a TCP port (9100 as a rule)."""

    kind = "tcp"
    silence = (
        "who is there takes the connection and answers nothing: check the printer's power and cover, and that this is "
        "its port, 9100 as a rule"
    )

    def __init__(
        self, name: str, host: str, port: int = 9100, timeout_s: float = 5.0, two_way: bool = True
    ) -> None:
        super().__init__(name, timeout_s, two_way)
        self._host, self._port = host, port

    async def _open(self) -> Link:
        where = f"{self._host}:{self._port}"
        try:
            async with asyncio.timeout(min(self._timeout_s, CONNECT_S_MAX)):
                connection = await self._connect()
        except TimeoutError as error:
            detail = f"{where}: no answer; check power, cable and address"
            raise PrinterUnavailableError(PrinterCause.UNREACHABLE, DeviceState.LOST, detail) from error
        except OSError as error:
            raise _unavailable(error, where) from error
        except UnicodeError as error:  # a name with an empty part, or one of more than 63 characters
            raise _unavailable(socket.gaierror(str(error)), where) from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Link(connection.fileno(), lambda: _close_socket(connection))

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            connection = socket.socket(family, kind, protocol)
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            try:
                await loop.sock_connect(connection, address)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def _close_socket(connection: socket.socket) -> None:
    """Closing with unread input resets the connection, and a printer may drop what it has not yet read."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.recv(UNREAD_BYTES_MAX)
    connection.close()


class SerialPrinter(Conversation):
    """A printer on a serial line, 8N1.

    flow: what holds us back while the printer's buffer (45 bytes to 4 KB) is full. "rtscts" also serves a printer set
    to DTR/DSR with the usual cable, which wires its DTR to our CTS. With "none" a busy printer loses bytes.
    """

    kind = "serial"

    def __init__(
        self,
        name: str,
        device: str,
        baud: int = 38400,
        flow: Flow = "rtscts",
        timeout_s: float = 5.0,
        two_way: bool = True,
    ) -> None:
        super().__init__(name, timeout_s, two_way)
        self._device, self._baud, self._flow = device, baud, flow

    async def _open(self) -> Link:
        return await asyncio.to_thread(self._open_line)

    def _open_line(self) -> Link:
        import serial

        try:
            # pyserial sets the line up; the bytes go over the descriptor, because its write() cannot be bounded.
            line = serial.Serial(
                self._device,
                self._baud,
                timeout=0,
                xonxoff=self._flow == "xonxoff",
                rtscts=self._flow == "rtscts",
                exclusive=True,
            )
        except serial.SerialException as error:
            raise _unavailable(OSError(_number(error), str(error)), self._device) from error
        except ValueError as error:
            detail = f"{self._device}: {error}; correct the line settings"
            raise PrinterUnavailableError(
                PrinterCause.MISCONFIGURED, DeviceState.MISCONFIGURED, detail
            ) from error
        descriptor = line.fileno()
        os.set_blocking(descriptor, False)
        settings = termios.tcgetattr(descriptor)
        settings[6][termios.VMIN] = 1  # with 0, "nothing yet" cannot be told from "hung up"
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
        return Link(descriptor, lambda: _close_line(line))


def _number(error: serial.SerialException) -> int | None:
    """The errno behind what pyserial says; termios has it as its first argument alone."""
    below = error.__context__
    if isinstance(below, termios.error):
        return int(below.args[0])
    return error.errno or getattr(below, "errno", None)


def _close_line(line: serial.Serial) -> None:
    """close() waits up to 30 s for bytes that a stopped printer does not take: drop them first."""
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(line.fileno(), termios.TCIOFLUSH)
    line.close()


class FilePrinter(Conversation):
    """A device file such as /dev/usb/lp0. Many cannot be read: then nothing is asked and nothing confirmed.

    The first answer makes it a two-way printer: from then on silence means that it is not ready.
    """

    kind = "file"

    def __init__(self, name: str, device: str, timeout_s: float = 5.0) -> None:
        super().__init__(name, timeout_s, two_way=False)
        self._device = device
        self._answered_once = False

    @property
    def answers(self) -> bool:
        return self._answered_once

    async def _open(self) -> Link:
        return await asyncio.to_thread(self._open_device)

    def _open_device(self) -> Link:
        try:
            is_device = stat.S_ISCHR(os.stat(self._device).st_mode)
            # Never O_CREAT: an unplugged printer must be an error, not a regular file that fills up /dev.
            descriptor, readable = _open_for_printing(self._device, is_device)
        except OSError as error:
            raise _unavailable(error, self._device) from error
        return Link(descriptor, lambda: os.close(descriptor), readable)

    async def _ask_status(self, link: Link) -> PrinterStatus:
        if not link.readable:
            self._two_way = False
            return self._blind_status()
        self._two_way = True
        status = await super()._ask_status(link)
        silent = status.causes in ((PrinterCause.UNREACHABLE,), (PrinterCause.MISCONFIGURED,))
        self._answered_once = self._answered_once or not silent
        if silent and not self._answered_once:
            self._two_way = False
            return self._blind_status()
        return status


def _open_for_printing(device: str, is_device: bool) -> tuple[int, bool]:
    """The descriptor, and whether answers can be read from it."""
    flags = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    if not is_device:
        return os.open(device, flags | os.O_WRONLY | os.O_APPEND), False
    try:
        return os.open(device, flags | os.O_RDWR), True
    except PermissionError:
        return os.open(device, flags | os.O_WRONLY), False
