"""A scanner without hardware, for development, demo and tests: a pseudo-terminal is a real serial line.

python -m drivers.virtual_scanner --port PATH      each line typed here is scanned; what the till says is shown
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import select
import sys
import tempfile
import tty
from pathlib import Path
from types import TracebackType

SEND_TIMEOUT_S = 5.0
_UNPLUGGED: tuple[int, int] = (-1, -1)


class VirtualScanner:
    """Context manager. `port` is a path that survives `unplug` and `replug`, as /dev/serial/by-id does.

    link: where to put that path; without it a directory of its own is made and removed again.
    suffix: what is sent after each code.
    """

    def __init__(self, link: str | os.PathLike[str] | None = None, suffix: bytes = b"\r"):
        self._folder = None if link is not None else tempfile.TemporaryDirectory(prefix="virtual-scanner-")
        self.port = str(link) if self._folder is None else str(Path(self._folder.name) / "scanner")
        self._suffix = suffix
        self._ends = _UNPLUGGED  # master, slave

    def __enter__(self) -> VirtualScanner:
        self.replug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
        if self._folder is not None:
            self._folder.cleanup()

    def scan(self, text: str) -> None:
        """Send one code as a scanner does, in UTF-8 and with the suffix. Raises as `send` does."""
        self.send(text.encode() + self._suffix)

    def send(self, data: bytes) -> None:
        """Send raw bytes. Raises OSError while unplugged, TimeoutError when nobody reads for SEND_TIMEOUT_S."""
        master = self._ends[0]
        while data:
            try:
                data = data[os.write(master, data) :]
            except BlockingIOError:  # the kernel's buffer (4 KiB) is full
                if not select.select([], [master], [], SEND_TIMEOUT_S)[1]:
                    raise TimeoutError(f"nobody reads {self.port}") from None

    def heard(self) -> bytes:
        """What the till has sent since the last time, without waiting."""
        said = b""
        while select.select([self._ends[0]], [], [], 0)[0]:
            said += os.read(self._ends[0], 4096)
        return said

    def unplug(self) -> None:
        """Hang up: the reader gets an error and the path is gone. Does nothing when already unplugged."""
        for end in self._ends:
            if end >= 0:
                os.close(end)
        self._ends = _UNPLUGGED
        Path(self.port).unlink(missing_ok=True)

    def replug(self) -> None:
        """Come back at the same path with a new line. Does nothing when already plugged in."""
        if self._ends != _UNPLUGGED:
            return
        master, slave = pty.openpty()
        tty.setraw(slave)  # a real line does not echo
        os.set_blocking(master, False)
        self._ends = (master, slave)
        fresh = Path(f"{self.port}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.port)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m drivers.virtual_scanner", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--port", required=True, metavar="PATH", help="where the line is; it must not exist yet"
    )
    options = parser.parse_args(arguments)
    if os.path.lexists(options.port):
        parser.error(f"{options.port} is there already")
    with VirtualScanner(options.port) as scanner, contextlib.suppress(KeyboardInterrupt):
        print(f'kind = "serial"  port = "{options.port}"', flush=True)
        for line in sys.stdin:
            try:
                scanner.scan(line.rstrip("\n"))
            except TimeoutError as error:
                print(error, file=sys.stderr)
            if said := scanner.heard():
                print(f"heard {said!r}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
