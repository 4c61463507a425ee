"""A scanner on the network: one that listens on a TCP port, or a serial one behind a device server.

A connection whose other end lost its power looks like one that is silent, so TCP keep-alive asks every few seconds.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from drivers import rfc2217
from drivers.commanded import NO_COMMANDS, Commands
from drivers.framing import GAP_S, Framer
from drivers.ports import DeviceState
from drivers.reading import Found, Scanner
from drivers.state import DeviceUnavailable

CONNECT_TIMEOUT_S = 5.0
"""Longest wait for the connection, and once more for a device server to set its line."""

_READ_SIZE = 4096
_KEEP_ALIVE = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}  # seconds, seconds, times: lost after 25 s


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """host: name or address, without brackets. suffix, encoding, gap_s, prefix: see `framing.Framer`."""

    name: str
    host: str
    port: int
    suffix: str = "auto"
    encoding: str = "utf-8"
    gap_s: float = GAP_S
    prefix: str = ""
    commands: Commands = NO_COMMANDS


class NetworkScanner(Scanner):
    """A `ScanSource` over one TCP connection. Raises ValueError or LookupError for a bad suffix or encoding."""

    def __init__(self, settings: NetworkSettings):
        self._settings = settings
        framer = Framer(settings.name, settings.suffix, settings.encoding, settings.gap_s, settings.prefix)
        super().__init__(
            settings.name, "tcp", framer, lambda: SocketLine(settings.host, settings.port), settings.commands
        )


class SocketLine:
    """A connection that carries a scanner's bytes as they are. Raises DeviceUnavailable; waits CONNECT_TIMEOUT_S."""

    def __init__(self, host: str, port: int):
        self._where = f"{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
            raise self._unreachable(error) from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEP_ALIVE.items():
                if hasattr(socket, name):
                    self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            self._prepare()
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            raise self._unreachable(error) from error
        except DeviceUnavailable:
            self._socket.close()
            raise

    def _unreachable(self, error: Exception) -> DeviceUnavailable:
        reason = getattr(error, "strerror", None) or error
        return DeviceUnavailable(
            DeviceState.LOST,
            f"{self._where} does not answer ({reason}): check the scanner or device server, and the network",
        )

    def _prepare(self) -> None:
        """Before the first byte is read; the socket still blocks, at most CONNECT_TIMEOUT_S at a time."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def pull(self, framer: Framer) -> Found:
        data = self._socket.recv(_READ_SIZE)
        if not data:
            raise OSError(errno.ECONNRESET, "the other end closed the connection")
        return framer.feed(self._unpacked(data), time.monotonic())

    def _unpacked(self, received: bytes) -> bytes:
        return received

    def write(self, data: bytes) -> None:
        data = self._packed(data)
        if self._socket.send(data) < len(data):
            raise OSError(errno.EAGAIN, "the other end does not read")

    def _packed(self, data: bytes) -> bytes:
        return data

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class DeviceServerLine(SocketLine):
    """A serial line behind a device server that is told how to set it (RFC 2217).

    wanted: `rfc2217.line_settings`. A server that sets something else is MISCONFIGURED.
    """

    def __init__(self, host: str, port: int, wanted: dict[int, bytes]):
        self._wanted = wanted
        self._telnet = rfc2217.Telnet()
        super().__init__(host, port)

    def _prepare(self) -> None:
        telnet, deadline = self._telnet, time.monotonic() + CONNECT_TIMEOUT_S
        self._socket.sendall(rfc2217.greeting())
        self._converse(lambda: telnet.granted is not None, deadline)
        if not telnet.granted:
            raise self._misconfigured(
                "does not set serial lines: use socket:// and set the line in the server"
            )
        self._socket.sendall(
            b"".join(rfc2217.command(number, value) for number, value in self._wanted.items())
        )
        self._converse(lambda: self._wanted.keys() <= telnet.answers.keys(), deadline)
        for number, value in self._wanted.items():
            if telnet.answers[number] != value:
                raise self._misconfigured(
                    f"cannot set the line as configured (command {number}: asked for {value.hex()},"
                    f" got {telnet.answers[number].hex()}): correct baud, bytesize, parity or stopbits"
                )

    def _misconfigured(self, what: str) -> DeviceUnavailable:
        return DeviceUnavailable(DeviceState.MISCONFIGURED, f"the device server {self._where} {what}")

    def _converse(self, done: Callable[[], bool], deadline: float) -> None:
        """Exchange options until `done`. Raises OSError: TimeoutError at the deadline, or the server has gone."""
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    errno.ETIMEDOUT, "no answer to RFC 2217; is it in raw mode? Then use socket://"
                )
            self._socket.settimeout(left)
            try:
                received = self._socket.recv(_READ_SIZE)
            except TimeoutError:
                continue
            if not received:
                raise OSError(errno.ECONNRESET, "the other end closed the connection")
            _, replies = self._telnet.feed(received)  # what the line said before it was set may be noise
            self._socket.sendall(replies)

    def _unpacked(self, received: bytes) -> bytes:
        data, replies = self._telnet.feed(received)
        if replies:
            try:
                sent = self._socket.send(replies)
            except BlockingIOError:
                sent = 0
            if sent < len(replies):
                raise OSError(errno.EPIPE, "the device server does not read")
        return data

    def _packed(self, data: bytes) -> bytes:
        return data.replace(b"\xff", b"\xff\xff")  # telnet's own sign, doubled (RFC 854)


def line_for_url(url: str, wanted: dict[int, bytes]) -> SocketLine:
    """socket://HOST:PORT, or rfc2217://HOST:PORT with `wanted` set. Raises DeviceUnavailable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in ("socket", "rfc2217"):
        raise DeviceUnavailable(
            DeviceState.MISCONFIGURED,
            f"{url} is no address of a device server: use socket://HOST:PORT or rfc2217://HOST:PORT",
        )
    return SocketLine(host, port) if parts.scheme == "socket" else DeviceServerLine(host, port, wanted)
