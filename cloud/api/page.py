"""The operator page: files of cloud/web, read once, served with headers that let nothing foreign in.

The page is the same for everybody and holds nothing; what it shows it asks for with a session (`cloud.api.staff`).
"""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

ROUTES = web.RouteTableDef()
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
FILES = {
    file.name: (file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
    for file in files("cloud").joinpath("web").iterdir()
    if file.name.rpartition(".")[2] in _TYPES
}


@ROUTES.get("/operator")
async def without_slash(_request: web.Request) -> web.Response:
    """Relative, so that it is right below a prefix of the address too."""
    return web.Response(status=308, headers=HEADERS | {"Location": "operator/"})


@ROUTES.get("/operator/")
async def index(_request: web.Request) -> web.Response:
    return _file("index.html")


@ROUTES.get("/operator/{file:[a-z]+[.][a-z]+}")
async def file(request: web.Request) -> web.Response:
    name = request.match_info["file"]
    if name not in FILES:
        raise web.HTTPNotFound
    return _file(name)


def _file(name: str) -> web.Response:
    content, kind = FILES[name]
    return web.Response(body=content, content_type=kind, charset="utf-8", headers=HEADERS)
