"""Tell systemd how we are: sd_notify(3), one datagram per message. Does nothing where systemd did not ask."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(message: str) -> None:
    """Send `message` (READY=1, STATUS=..., WATCHDOG=1, STOPPING=1) to $NOTIFY_SOCKET. Never waits, never raises."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.setblocking(False)
            sender.connect(address)
            sender.send(message.encode())
        except OSError as error:
            log.warning("NOTIFY_SOCKET %s: %s", os.environ["NOTIFY_SOCKET"], error)


def watchdog_interval_s() -> float | None:
    """A third of the watchdog's limit, or None where there is none for this process."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not limit_us.isdigit() or pid != str(os.getpid()):
        return None
    return int(limit_us) / 1_000_000 / 3
