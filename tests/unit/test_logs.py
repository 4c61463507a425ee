"""Logs: the journal's own format over a real datagram socket, and plain lines elsewhere."""

from __future__ import annotations

import logging
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import logs


def entry(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("agent.test").makeRecord(
        "agent.test", logging.WARNING, "file.py", 1, message, arguments, None, extra=extra or None
    )


def read_journal(datagram: bytes) -> dict[str, bytes]:
    """Fields of an entry, read as systemd.io/JOURNAL_NATIVE_PROTOCOL says."""
    fields: dict[str, bytes] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert rest.startswith(b"\n")
            rest = rest[1:]
        assert name.decode().isupper()
        assert name.decode() not in fields
        fields[name.decode()] = value
        datagram = rest
    return fields


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(10)
        monkeypatch.setattr(logs, "JOURNAL_SOCKET", path)
        yield receiver


@pytest.fixture
def handler(journal: socket.socket) -> Iterator[logs.JournalHandler]:
    made = logs.JournalHandler()
    yield made
    made.close()
    made._socket.close()


def test_each_extra_is_a_field(handler: logs.JournalHandler, journal: socket.socket) -> None:
    handler.emit(entry("scan judged in %d ms", 7, scan="abc", outcome="accepted"))
    assert read_journal(journal.recv(65536)) == {
        "MESSAGE": b"scan judged in 7 ms",
        "PRIORITY": b"4",
        "SYSLOG_IDENTIFIER": b"redeemd",
        "REDEEMD_LOGGER": b"agent.test",
        "REDEEMD_SCAN": b"abc",
        "REDEEMD_OUTCOME": b"accepted",
    }


def test_a_value_with_a_line_end_cannot_forge_a_field(
    handler: logs.JournalHandler, journal: socket.socket
) -> None:
    handler.emit(entry("a\nPRIORITY=0", detail="x\nMESSAGE=forged\n", odd="\ud800 鍵"))
    fields = read_journal(journal.recv(65536))
    assert fields["MESSAGE"] == b"a\nPRIORITY=0"
    assert fields["PRIORITY"] == b"4"
    assert fields["REDEEMD_DETAIL"] == b"x\nMESSAGE=forged\n"
    assert fields["REDEEMD_ODD"] == "\\ud800 鍵".encode()


def test_a_huge_value_is_cut_and_the_entry_stays_whole(
    handler: logs.JournalHandler, journal: socket.socket
) -> None:
    handler.emit(entry("m" * 10**6 + "\n", detail="d" * 10**6))
    fields = read_journal(journal.recv(1 << 20))
    assert len(fields["MESSAGE"]) == len(fields["REDEEMD_DETAIL"]) == logs.VALUE_BYTES_MAX
    assert fields["REDEEMD_LOGGER"] == b"agent.test"


def test_an_exception_is_part_of_the_message(handler: logs.JournalHandler, journal: socket.socket) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = entry("it broke")
        record.exc_info = sys.exc_info()
    handler.emit(record)
    message = read_journal(journal.recv(65536))["MESSAGE"]
    assert message.startswith(b"it broke\nTraceback")
    assert message.endswith(b"ValueError: why")


def test_lines_quote_what_could_be_mistaken() -> None:
    line = logs.LineFormatter().format(entry("print", job="T-1-7", detail='a "b" c\nd', zh="缺纸"))
    assert line.endswith("""warning agent.test: print job=T-1-7 detail='a "b" c\\nd' zh=缺纸""")


def test_under_the_journal_the_journal_is_used(
    journal: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        logs.set_up("info")
        logging.getLogger("agent.test").info("hello", extra={"till": "T-1"})
        logging.getLogger("agent.test").debug("too small")
        assert read_journal(journal.recv(65536))["REDEEMD_TILL"] == b"T-1"
        for handler in root.handlers:
            assert isinstance(handler, logs.JournalHandler)
            handler._socket.close()
    finally:
        root.handlers = before
        root.setLevel(level)
    assert capsys.readouterr().err == ""
