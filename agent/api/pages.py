"""The cashier page: files of agent/web, read once, served with headers that let nothing foreign in."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

from agent.api.security import COOKIE, PAGE_HEADERS

_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def add_pages(app: web.Application) -> None:
    """Serve each file of agent/web under its name and index.html as /."""
    for file in files("agent").joinpath("web").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is None:
            continue
        content = file.read_bytes()
        if file.name == "index.html":
            app.router.add_get("/", _index(content))
        else:
            app.router.add_get(f"/{file.name}", _page(content, kind))


def _page(content: bytes, kind: str):  # type: ignore[no-untyped-def]  # aiohttp's handler type is private
    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=PAGE_HEADERS)

    return page


def _index(content: bytes):  # type: ignore[no-untyped-def]  # as above
    page = _page(content, "text/html")

    async def index(request: web.Request) -> web.Response:
        """With /?token=... (checked by the guard) the page keeps it in a cookie that no script can read."""
        token = request.query.get("token")
        if token is None:
            response: web.Response = await page(request)
            return response
        redirect = web.Response(status=303, headers={**PAGE_HEADERS, "Location": "/"})
        redirect.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
        return redirect

    return index
