"""Show: the till's status and its outbox, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import config
from agent.commands.errors import CommandError
from agent.commands.files import read_named
from agent.store.database import connect_read_only
from agent.store.inspect import outbox_count, outbox_row, outbox_rows

TIMEOUT_S = 5.0
TOKEN_BYTES_MAX = 4096


class Unreachable(CommandError):
    """Nothing listens where the running till would."""


def fetch_status(settings: config.Config) -> dict[str, Any]:
    """The running daemon's status, with its `lanes`; CommandError if it does not answer."""
    status = ask_till(settings, "/v1/status")
    try:
        lanes = ask_till(settings, "/v1/lanes")["lanes"]
    except CommandError:  # the ledger cannot be read: the status says so
        lanes = []
    return status | {"lanes": lanes}


def ask_till(
    settings: config.Config, path: str, body: dict[str, Any] | None = None, timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """The running daemon's answer to a GET, or to a POST of `body`. Raises Unreachable, CommandError."""
    api = settings.api
    host = f"[{api.host}]" if ":" in api.host else api.host
    request = Request(f"http://{host}:{api.port}{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if api.token_file:
        token = read_named(Path(api.token_file), TOKEN_BYTES_MAX).decode("ascii", "replace").strip()
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urlopen(request, timeout=timeout_s) as answer:
            said: dict[str, Any] = json.loads(answer.read(1 << 20))
    except HTTPError as error:  # it runs, and says why not
        raise CommandError(f"redeemd answers {error.code}: {_sentence(error)}") from None
    except (URLError, TimeoutError, ValueError) as error:
        reason = getattr(error, "reason", error)
        kind = Unreachable if isinstance(reason, ConnectionRefusedError) else CommandError
        raise kind(
            f"redeemd does not answer on {host}:{api.port} ({reason}). Is it running? systemctl status redeemd"
        ) from None
    return said


def _sentence(error: HTTPError) -> str:
    """What a Problem of docs/openapi.yaml says in English; the status line where it is none."""
    with error:
        try:
            return str(json.loads(error.read(1 << 16))["en"])
        except (OSError, ValueError, LookupError, TypeError):
            return str(error.reason)


def status_lines(status: dict[str, Any]) -> Iterator[str]:
    """The status for a terminal."""
    line, box, bundle = status["line"], status["outbox"], status["bundle"]
    yield f"till      {status['till'] or '(not enrolled)'}, store {status['store']['code'] or '-'}"
    yield f"version   {status['version']}"
    yield (
        f"line      {line['state']}"
        + (f" since {line['since']}" if line["since"] else "")
        + (f": {line['en']}" if line["en"] else "")
    )
    for lane in status.get("lanes", ()):
        if lane["consecutive_failures"]:
            yield _lane_line(lane)
    yield f"outbox    {box['waiting']} waiting, {box['quarantined']} quarantined, {box['conflicts']} conflicts"
    yield f"bundle    {bundle['age']}, {bundle['campaigns']} campaigns, issued {bundle['issued'] or '-'}"
    if bundle["en"]:
        yield f"          {bundle['en']}"
    for message in status["messages"]:
        yield f"message   {message['en']} / {message['zh']}"
    for conflict in status["conflicts"]:
        yield f"conflict  {conflict['id']}: {conflict['en']} / {conflict['zh']}"
    yield f"today     {status['today']['accepted']} accepted, {status['today']['refused']} refused"
    prints = status["prints"]
    if prints["waiting"] or prints["unconfirmed"]:
        yield f"receipts  {prints['waiting']} waiting for a printer, {prints['unconfirmed']} not confirmed"
    for device in status["devices"]:
        detail = f": {device['detail']}" if device["detail"] else ""
        yield f"{device['role']:<9} {device['name']} ({device['kind']}) {device['state']}{detail}"
    for issue in status["issues"]:
        yield f"{issue['severity']:<9} {issue['en']}. {issue['action_en']}"


def _lane_line(lane: dict[str, Any]) -> str:
    """A lane that does not get through."""
    failure = lane["last_failure"] or {"cause": "", "detail": ""}
    then = f"next attempt {lane['next_attempt']}" if lane["next_attempt"] else "trying now"
    return (
        f"lane      {lane['name']}: {lane['consecutive_failures']} failures in a row"
        f" ({failure['cause']}: {failure['detail']}), {then}"
    )


def outbox(database: Path, states: tuple[str, ...], limit: int) -> Iterator[dict[str, Any]]:
    """The records in `states`, read beside the running daemon."""
    with closing(connect_read_only(database)) as connection:
        yield from outbox_rows(connection, states, limit)


def outbox_record(database: Path, lane: str, sequence: int) -> dict[str, Any] | None:
    """One record, acknowledged or not; None if it is not here."""
    with closing(connect_read_only(database)) as connection:
        return outbox_row(connection, lane, sequence)


def outbox_size(database: Path, states: tuple[str, ...]) -> int:
    """How many records are in `states`."""
    with closing(connect_read_only(database)) as connection:
        return outbox_count(connection, states)


def outbox_line(row: dict[str, Any]) -> str:
    """One record for a terminal."""
    answer = row["answer"] or {}
    winner = (answer.get("conflict") or {}).get("winner")
    if winner:
        return f"{_head(row)}  also redeemed at {winner.get('till')} as {winner.get('redemption_id')}"
    reason = f"  {answer.get('code', '')}: {answer.get('sentence', '')}" if answer.get("code") else ""
    return _head(row) + reason


def _head(row: dict[str, Any]) -> str:
    event = row["event"]
    return (
        f"{row['lane']:<10} {row['sequence']:>6} {row['state']:<12} {event['time']} "
        f"{event['data'].get('outcome', ''):<18} {event['subject']}"
    )
