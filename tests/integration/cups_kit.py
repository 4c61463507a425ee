"""A real CUPS in a folder of its own, with one raw queue whose backend does what a file tells it to."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.run_kit import free_port

CUPS = Path("/usr/lib/cups")
WAIT_S = 20.0

_FILES = """\
ServerRoot {folder}
RequestRoot {folder}/spool
CacheDir {folder}/cache
StateDir {folder}/run
ServerBin {folder}/bin
DataDir /usr/share/cups
TempDir {folder}/spool
ErrorLog {folder}/log/error
AccessLog {folder}/log/access
PageLog {folder}/log/page
User lp
Group lp
SystemGroup root
"""
_SERVER = """\
Listen 127.0.0.1:{port}
LogLevel debug
Browsing No
WebInterface No
DefaultAuthType None
MaxLogSize 0
<Location />
  Order allow,deny
  Allow 127.0.0.1
</Location>
<Policy default>
  <Limit All>
    Order allow,deny
    Allow 127.0.0.1
  </Limit>
</Policy>
"""
# CUPS calls a backend with six arguments and the document in the last or in standard input.
_BACKEND = """\
#!/bin/sh
[ $# -ge 5 ] || exit 0
base=${{DEVICE_URI#till:}}
while :; do
  case "$(cat "$base/mood")" in
    good) cat ${{6:-}} >> "$base/printed"; exit 0 ;;
    fail) exit 1 ;;
    *) echo "STATE: +$(cat "$base/mood")" >&2; sleep 0.1 ;;
  esac
done
"""


def why_not() -> str:
    """Why it cannot run here; "" if it can."""
    if os.geteuid() != 0:
        return "cupsd runs as root"
    missing = [name for name in ("cupsd", "lpadmin", "cupsdisable") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not found (apt-get install cups-daemon cups-client)" if missing else ""


@dataclass
class Cups:
    """A running print server. mood: good, fail, or a printer-state-reason under which the backend waits."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"ipp://127.0.0.1:{self.port}/printers/receipts"

    @property
    def printed(self) -> bytes:
        path = self.folder / "out" / "printed"
        return path.read_bytes() if path.exists() else b""

    def mood(self, word: str) -> None:
        (self.folder / "out" / "mood.new").write_text(word)
        (self.folder / "out" / "mood.new").rename(self.folder / "out" / "mood")

    async def run(self, *command: str) -> None:
        """A command of cups-client, for this server."""
        name, *rest = command
        process = await asyncio.create_subprocess_exec(
            name, "-h", f"127.0.0.1:{self.port}", *rest,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(WAIT_S):
            _, said = await process.communicate()
        assert process.returncode == 0, said

    async def jobs(self) -> list[str]:
        """What waits or prints."""
        process = await asyncio.create_subprocess_exec(
            "lpstat", "-h", f"127.0.0.1:{self.port}", "-o", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out.decode().splitlines()

    async def until_a_job_waits(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not await self.jobs():
                pass  # each question takes its time


@asynccontextmanager
async def running_cups(folder: Path) -> AsyncIterator[Cups]:
    cups = Cups(folder, free_port())
    for name in ("spool", "cache", "log", "run", "out", "bin/backend"):
        (folder / name).mkdir(parents=True)
    for name in ("daemon", "filter", "notifier"):
        if (CUPS / name).exists():
            (folder / "bin" / name).symlink_to(CUPS / name)
    backend = folder / "bin" / "backend" / "till"
    backend.write_text(_BACKEND.format())
    backend.chmod(0o755)
    (folder / "out").chmod(0o777)
    cups.mood("good")
    (folder / "files.conf").write_text(_FILES.format(folder=folder))
    (folder / "server.conf").write_text(_SERVER.format(port=cups.port))
    for above in (folder, *folder.parents):  # the user lp must come through pytest's private folders
        if above.stat().st_uid == os.geteuid() and above.is_relative_to("/tmp") and above != Path("/tmp"):
            above.chmod(0o755)
    daemon = subprocess.Popen(  # noqa: ASYNC220  at the start of a test, where nothing else runs
        ["cupsd", "-f", "-c", str(folder / "server.conf"), "-s", str(folder / "files.conf")],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _until_it_listens(daemon, cups.port)
        await cups.run("lpadmin", "-p", "receipts", "-v", f"till:{folder}/out", "-m", "raw", "-E")
        yield cups
    finally:
        daemon.terminate()
        await asyncio.to_thread(daemon.wait, WAIT_S)


async def _until_it_listens(daemon: subprocess.Popen[bytes], port: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            assert daemon.poll() is None, "cupsd ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
