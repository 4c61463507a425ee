"""Scanners on the network: real sockets, and a device server made of pyserial's own RFC 2217 server on a real pty."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import serial
from serial import rfc2217

from drivers.network_scanner import NetworkScanner, NetworkSettings, SocketLine
from drivers.ports import DeviceState, Scan
from drivers.rfc2217 import COM_PORT, DO, DONT, IAC, SB, SE
from drivers.serial_scanner import SerialScanner, SerialSettings
from drivers.virtual_scanner import VirtualScanner
from tests.integration.scanner_kit import running


class _Pty(serial.Serial):
    """A pty has no modem lines, which pyserial's server asks for all the time."""

    cts = dsr = ri = cd = property(lambda _self: False)
    dtr = rts = property(lambda _self: False, lambda _self, _value: None)


class _Connection:
    def __init__(self, client: socket.socket):
        self._client = client

    def write(self, data: bytes) -> None:
        self._client.sendall(data)


@contextmanager
def device_server(port: str) -> Iterator[tuple[int, serial.Serial]]:
    """Serve one client: (TCP port, the serial line as the server has set it)."""
    line = _Pty(port, timeout=0.02)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.settimeout(0.02)
                manager = rfc2217.PortManager(line, _Connection(client))  # type: ignore[arg-type]  # as its own example does
                while not ended.is_set():
                    if data := line.read(256):
                        client.sendall(b"".join(manager.escape(data)))
                    try:
                        received = client.recv(256)
                    except TimeoutError:
                        continue
                    if not received:
                        return
                    b"".join(manager.filter(received))

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield listener.getsockname()[1], line
        finally:
            ended.set()
            server.join(10)
            line.close()


async def test_a_device_server_is_told_how_to_set_the_line():
    with VirtualScanner() as device, device_server(device.port) as (port, line):
        settings = SerialSettings(
            "s", f"rfc2217://127.0.0.1:{port}", 115200, stopbits=2, encoding="latin-1", prefix="~"
        )
        async with running(SerialScanner(settings)) as run:
            await run.until(DeviceState.READY)
            assert (line.baudrate, line.bytesize, line.parity, line.stopbits) == (115200, 8, "N", 2)
            device.send(b"~\xff\xffRC1A\xff\r")
            assert (await run.scan()).text == "ÿÿRC1Aÿ"


@contextmanager
def one_answer(answer: Callable[[bytes], bytes], times: int = 1) -> Iterator[int]:
    """A server on TCP that answers what it receives; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                for _ in range(times):
                    client.sendall(answer(client.recv(256)))
                while client.recv(256):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


async def test_a_server_that_sets_no_lines_is_a_setting_to_correct():
    with one_answer(lambda _: bytes([IAC, DONT, COM_PORT])) as port:
        async with running(SerialScanner(SerialSettings("s", f"rfc2217://127.0.0.1:{port}"))) as run:
            assert "use socket://" in await run.until(DeviceState.MISCONFIGURED)


async def test_a_server_that_sets_another_speed_is_a_setting_to_correct():
    slow = b"".join(
        bytes([IAC, SB, COM_PORT, 100 + number]) + value + bytes([IAC, SE])
        for number, value in ((1, b"\0\0\x04\xb0"), (2, b"\x08"), (3, b"\x01"), (4, b"\x01"))
    )
    with one_answer(lambda _: bytes([IAC, DO, COM_PORT]) + slow) as port:
        async with running(SerialScanner(SerialSettings("s", f"rfc2217://127.0.0.1:{port}"))) as run:
            assert "command 1: asked for 00002580, got 000004b0" in await run.until(DeviceState.MISCONFIGURED)


async def test_a_server_in_raw_mode_is_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("drivers.network_scanner.CONNECT_TIMEOUT_S", 0.05)
    with one_answer(lambda _: b"RC1A\r") as port:
        async with running(SerialScanner(SerialSettings("s", f"rfc2217://127.0.0.1:{port}"))) as run:
            assert "is it in raw mode? Then use socket://" in await run.until(DeviceState.LOST)


async def test_a_server_that_breaks_the_protocol_is_left():
    with one_answer(lambda _: bytes([IAC, SB]) + b"x" * 100) as port:
        async with running(SerialScanner(SerialSettings("s", f"rfc2217://127.0.0.1:{port}"))) as run:
            assert "check the scanner or device server" in await run.until(DeviceState.LOST)


@pytest.mark.parametrize(
    "url", ["nonsense://x", "socket://", "socket://host", "rfc2217://[", "loop://", "spy://x:1"]
)
async def test_an_address_that_is_none(url: str):
    async with running(SerialScanner(SerialSettings("s", url))) as run:
        assert "use socket://HOST:PORT" in await run.until(DeviceState.MISCONFIGURED)


async def test_a_scanner_whose_plug_was_pulled_is_noticed():
    """Nobody writes to it, so the kernel must ask whether the other end is still there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = SocketLine(*listener.getsockname()[:2])
        try:
            with socket.socket(fileno=os.dup(line.fileno())) as view:
                assert view.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                idle, interval, count = (
                    view.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
                )
                assert idle + interval * count <= 30
        finally:
            line.close()


async def test_a_host_that_cannot_be_a_name_is_no_crash():
    async with running(NetworkScanner(NetworkSettings("s", "a" * 70 + ".example", 1))) as run:
        assert "does not answer" in await run.until(DeviceState.LOST)


async def test_ten_thousand_codes_over_tcp_without_a_pause():
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(b"RC1%06d\r\n" % number for number in range(10_000)))
        await writer.drain()
        await complete.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    texts: list[str] = []
    complete = asyncio.Event()

    def on_scan(scan: Scan) -> None:
        texts.append(scan.text)
        if len(texts) == 10_000:
            complete.set()

    async with server:
        source = NetworkScanner(NetworkSettings("s", *server.sockets[0].getsockname()[:2]))
        async with running(source, on_scan) as run:
            await asyncio.wait_for(complete.wait(), 20)
            assert run.faults.empty()
    assert texts[:10_000] == [f"RC1{number:06}" for number in range(10_000)]
