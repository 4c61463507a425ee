"""Programs that benchmarks run beside themselves: a printer that draws nothing, and the bare handler.

python -m benchmarks.children printer | bare FOLDER      prints its port, then works until it is stopped
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.scene import Floor, free_port


async def printer() -> None:
    """A virtual printer; what it prints is not drawn."""
    from drivers.virtual_printer import VirtualPrinter

    async with VirtualPrinter() as paper:
        print(paper.port, flush=True)
        while True:
            await asyncio.sleep(1.0)
            paper.jobs.clear()


async def bare(folder: Path) -> None:
    """The least an aiohttp daemon can do: read JSON, verify, commit, answer JSON."""
    from aiohttp import web

    floor = Floor(folder)

    async def redeem(request: web.Request) -> web.Response:
        body = await request.json()
        floor.both()
        return web.json_response({"accepted": bool(body["text"])})

    app = web.Application()
    app.router.add_post("/v1/redeem", redeem)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(printer() if sys.argv[1] == "printer" else bare(Path(sys.argv[2])))
