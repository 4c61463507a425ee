"""Talk to the cloud's administration with a bearer token: what `redeemd issue` and the demo need of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from agent.commands.errors import EX_USAGE, CommandError
from sync import wire
from sync.errors import UplinkConfigError
from sync.ports import FailureKind
from sync.uplink import checked_base, classify

TIMEOUT_S = 60.0
TOKEN_CHARS_MAX = 4096


class CloudUnreachable(CommandError):
    """Nobody answered, or somebody who asks to come back later: what was sent may be sent again."""


class CloudRefused(CommandError):
    """The cloud said no. status: of HTTP."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class CloudAdmin:
    """An open connection. url: the cloud's base address. Raises CommandError with the cloud's own words.

    The token goes to no address that is not encrypted, this machine's own excepted, and follows no redirection.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = cloud_address(url)
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None, "used as a context manager"
        await self._session.close()

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self._ask("POST", path, body))
        return said

    async def get(self, path: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self._ask("GET", path, None))
        return said

    async def ledger(self, till: str) -> list[dict[str, Any]]:
        """The cloud's ledger of one till, line by line."""
        text = await self._ask("GET", f"/v1/admin/ledger?till={till}&limit=10000", None)
        return [json.loads(line) for line in text.splitlines()]

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> str:
        assert self._session is not None, "used as a context manager"
        try:
            async with self._session.request(
                method, self._url + path, json=body, allow_redirects=False
            ) as response:
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CloudUnreachable(unreachable(self._url, error)) from error
        if response.status in (408, 429, 502, 503, 504):
            raise CloudUnreachable(f"the cloud is busy: {_reason(response, text)}")
        if response.status >= 300:
            raise CloudRefused(f"the cloud refused: {_reason(response, text)}", response.status)
        return text


def cloud_address(url: str) -> str:
    """The address, if a token may be sent to it. Raises CommandError."""
    try:
        return checked_base(url)
    except UplinkConfigError as error:
        raise CommandError(str(error), EX_USAGE) from None


def unreachable(url: str, error: Exception) -> str:
    """Why nobody answered, in a sentence."""
    failure = classify(error)
    if failure.kind is FailureKind.REFUSED:
        return f"{url} cannot be reached: nothing listens there. Is the cloud running, and the address right?"
    return f"{url} cannot be reached: {str(error) or 'no answer in time'}"


def _reason(response: aiohttp.ClientResponse, text: str) -> str:
    """What the cloud says of itself; of anything else that answers, no more than its status."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    said = wire.decode_problem(response.status, headers, text.encode())
    if said is not None:
        return said.sentence
    return (
        f"HTTP {response.status} {response.reason or ''}, and no words with it. Is this the cloud's address?"
    )


def read_token(path: Path) -> str:
    """The bearer token in a file. A pipe is read too: <(pass show token) leaves no secret on the disk."""
    try:
        with path.open(encoding="ascii") as file:
            return file.read(TOKEN_CHARS_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"token file {path}: {error}") from error
