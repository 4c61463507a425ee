"""What is wrong with the line is named in the status, in both languages: for page, command and API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

import config
from agent.commands.show import status_lines
from sync.ports import SENTENCES, FailureKind
from tests.integration.api_kit import real_till
from tests.integration.uplink_kit import http_server, raw_server, unused_port

Base = AbstractAsyncContextManager[str]


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text="<html>Sign in to FreeWifi</html>", content_type="text/html")


async def _elsewhere(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://login.example/"})


async def _busy(_request: web.Request) -> web.Response:
    return web.Response(status=503)


@asynccontextmanager
async def _at(base: str) -> AsyncIterator[str]:
    yield base


CASES: dict[str, tuple[Callable[[], Base], FailureKind]] = {
    "a login page": (lambda: http_server(_page), FailureKind.CAPTIVE_PORTAL),
    "a redirect to another host": (lambda: http_server(_elsewhere), FailureKind.CAPTIVE_PORTAL),
    "a name that is none": (lambda: _at("https://cloud.invalid"), FailureKind.DNS),
    "nobody there": (lambda: _at(f"http://127.0.0.1:{unused_port()}"), FailureKind.REFUSED),
    "a cloud that is busy": (lambda: http_server(_busy), FailureKind.BUSY),
    "a line that breaks off": (lambda: raw_server(b""), FailureKind.INTERRUPTED),
    "another service": (lambda: raw_server(b"SSH-2.0-OpenSSH_9.2\r\n"), FailureKind.PROTOCOL),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_status_names_it(tmp_path: Path, name: str) -> None:
    made, kind = CASES[name]
    async with made() as base:
        cloud = config.Cloud(url=base, connect_timeout_s=10, total_timeout_s=10)
        async with real_till(tmp_path / "state", cloud=cloud) as till:
            line = {"state": "never"}
            while line["state"] == "never":
                line = (await till.call("GET", "/v1/status")).json["line"]
            sentence = SENTENCES[kind]
            assert (line["state"], line["zh"], line["en"]) == ("offline", sentence.zh, sentence.en)
            said = "\n".join(status_lines((await till.call("GET", "/v1/status")).json))
            assert sentence.en in said
