"""Structured logs: fields to the journal where we run under it, `key=value` lines on standard error elsewhere.

A log line never holds coupon text or anything about a person: callers pass identifiers and codes only.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from pathlib import Path

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
VALUE_BYTES_MAX = 16 * 1024
"""Longest value of a field; the journal's own limits and the socket's buffer are far above."""
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(level: str) -> None:
    """Send everything of ours to the journal or to standard error. level: debug, info, warning or error."""
    under_journal = os.environ.get("JOURNAL_STREAM") and JOURNAL_SOCKET.exists()
    handler: logging.Handler = JournalHandler() if under_journal else logging.StreamHandler(sys.stderr)
    if not under_journal:
        handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def extras(entry: logging.LogRecord) -> dict[str, str]:
    """What the caller passed as `extra`."""
    return {name: str(value) for name, value in vars(entry).items() if name not in _STANDARD}


class LineFormatter(logging.Formatter):
    """`time level logger: message key=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        said = "".join(f" {name}={_quoted(value)}" for name, value in extras(record).items())
        head = (
            f"{self.formatTime(record)} {record.levelname.lower()} {record.name}: {record.getMessage()}{said}"
        )
        return head if record.exc_info is None else f"{head}\n{self.formatException(record.exc_info)}"


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w./:@+-]*", value) else repr(value)


class JournalHandler(logging.Handler):
    """systemd's native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): each `extra` is a field of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._socket.sendto(self.datagram(record), str(JOURNAL_SOCKET))
        except OSError:
            self.handleError(record)

    def datagram(self, record: logging.LogRecord) -> bytes:
        """The entry's fields; a value with a line end is sent with its length."""
        message = record.getMessage()
        if record.exc_info is not None:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        fields = {
            "MESSAGE": message,
            "PRIORITY": str(_PRIORITY.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "redeemd",
            "REDEEMD_LOGGER": record.name,
        }
        fields |= {f"REDEEMD_{name.upper()}": value for name, value in extras(record).items()}
        return b"".join(
            _field(name, value.encode("utf-8", "backslashreplace")[:VALUE_BYTES_MAX])
            for name, value in fields.items()
        )


def _field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return name.encode() + b"=" + value + b"\n"
