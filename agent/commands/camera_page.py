"""The page of `redeemd camera test`: the newest picture again and again, and one sentence beside it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agent.api.errors import make_answerer
from agent.api.security import PAGE_HEADERS, make_guard
from agent.commands.errors import CommandError

WAIT_S = 2.0
_JPEG = {"Content-Type": "image/jpeg", "Cache-Control": "no-store"}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>redeemd: camera test</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css"></head>
<body><header><h1>Camera test 摄像头测试</h1><p id="facts"></p></header>
<main><img id="picture" alt="the camera's picture">
<section id="said" data-code="empty"><p id="zh"></p><p id="en"></p><ul id="codes"></ul></section></main>
<script src="/page.js"></script></body></html>
"""
_STYLE = """
* { box-sizing: border-box; margin: 0; }
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; background: #eef0ee; color: #16191c; padding: 16px; }
header { display: flex; align-items: baseline; justify-content: space-between; gap: 16px; padding-bottom: 12px; }
h1 { font-size: 20px; }
#facts { color: #5a6066; font-variant-numeric: tabular-nums; }
main { display: grid; grid-template-columns: minmax(0, 1fr) 300px; gap: 16px; align-items: start; }
#picture { width: 100%; background: #16191c; border-radius: 10px; min-height: 240px; }
#said { background: #fff; border-radius: 10px; padding: 20px; border-left: 10px solid #96690a; }
#said[data-code="read"] { border-color: #0a7040; }
#said[data-code="empty"] { border-color: #8a9096; }
#said[data-code="ended"] { border-color: #a00d18; }
#zh { font-size: 22px; font-weight: 700; }
#codes { padding: 12px 0 0 18px; color: #5a6066; }
@media (max-width: 800px) { main { grid-template-columns: 1fr; } }
"""
_SCRIPT = """
"use strict";
const by = (id) => document.getElementById(id);
const rest = (ms) => new Promise((done) => setTimeout(done, ms));
async function follow() {
  let number = 0, before = "";
  for (;;) {
    try {
      const answer = await fetch("/picture?after=" + number, { cache: "no-store" });
      if (answer.status !== 200) { await tell(); await rest(500); continue; }
      number = Number(answer.headers.get("Picture-Number"));
      const url = URL.createObjectURL(await answer.blob());
      by("picture").src = url;
      if (before) URL.revokeObjectURL(before);
      before = url;
      await tell();
    } catch {
      say({ code: "ended", zh: "测试已结束", en: "The test has ended" }, []);
      await rest(2000);
    }
  }
}
async function tell() {
  const state = await (await fetch("/state", { cache: "no-store" })).json();
  if (!state.hint) return;
  const light = `brightness ${state.brightness}, sharpness ${state.sharpness}`;
  by("facts").textContent = `${state.width} × ${state.height}, ${light}`;
  say(state.hint, state.codes);
}
function say(hint, codes) {
  by("said").dataset.code = hint.code;
  by("zh").textContent = hint.zh;
  by("en").textContent = hint.en;
  by("codes").replaceChildren(...codes.map((one) => {
    const item = document.createElement("li");
    item.textContent = `${one.zh} ${one.en}, ${one.side_px} px`;
    return item;
  }));
}
follow();
"""


@dataclass
class Newest:
    """What the page asks for; written by the camera's thread, read by the event loop."""

    jpeg: bytes = b""
    state: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    ended: str = ""


@contextlib.asynccontextmanager
async def serving(newest: Newest, port: int) -> AsyncIterator[str]:
    """Answer on the loopback while the block runs; gives the address. CommandError if the port is taken."""

    def text(content: str, kind: str) -> web.Response:
        return web.Response(
            text=content,
            content_type=kind,
            headers=PAGE_HEADERS
            | {
                "Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"].replace(
                    "data:", "data: blob:"
                )
            },
        )

    async def picture(request: web.Request) -> web.Response:
        """The first picture after the number that the page has; 204 where none comes in WAIT_S."""
        said = request.query.get("after", "")
        after = int(said) if said.isascii() and said.isdigit() and len(said) < 12 else 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while newest.number <= after:  # noqa: ASYNC110  the camera's thread has no event of this loop
                    await asyncio.sleep(0.02)
        if newest.number <= after:
            return web.Response(status=204)
        return web.Response(body=newest.jpeg, headers=_JPEG | {"Picture-Number": str(newest.number)})

    async def state(_request: web.Request) -> web.Response:
        ended = {"hint": {"code": "ended", "zh": "摄像头没有画面了", "en": newest.ended}, "codes": []}
        return web.json_response(newest.state | ended if newest.ended else newest.state)

    def bug() -> None:
        raise SystemExit(1)

    answered = web.middleware(make_answerer(make_guard("", ()), bug))
    app = web.Application(middlewares=[answered])  # type: ignore[list-item]  # as in agent.api.server
    app.router.add_get("/", lambda _: _async(text(_PAGE, "text/html")))
    app.router.add_get("/page.css", lambda _: _async(text(_STYLE, "text/css")))
    app.router.add_get("/page.js", lambda _: _async(text(_SCRIPT, "text/javascript")))
    app.router.add_get("/picture", picture)
    app.router.add_get("/state", state)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            raise CommandError(f"port {port} of this machine cannot be used: {error.strerror}") from None
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _async(response: web.Response) -> web.Response:
    return response
