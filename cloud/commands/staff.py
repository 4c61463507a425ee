"""`redeemd cloud token ...` and `redeemd cloud acts`: who may do what, and what they did."""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent.domain.fields import FieldError
from agent.domain.time import timestamp
from cloud.access import digest, new_token
from cloud.api import forms
from cloud.errors import Refused, SetupError
from cloud.ports import CloudStore
from cloud.staff import Act, ActCursor, Role, TokenLine
from cloud.store.open_store import open_store

ACTS_SHOWN = 100
ACTS_MAX = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud token`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="token_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    adding = add("add", "Make a token for a person or a service. It is shown once and kept as a hash.")
    adding.add_argument("name", help="who it is for: a name for each, so that what they do can be told apart")
    adding.add_argument("--role", required=True, choices=[role.value for role in Role])
    adding.add_argument("--days", type=int, help="until it expires (default: never)")
    adding.add_argument("--json", action="store_true", help="print one JSON object")
    listing = add("list", "List the tokens, when each was used last, and which count no more.")
    listing.add_argument("--json", action="store_true", help="for programs: one JSON object a token")
    revoking = add("revoke", "A token counts no more, nor do the page's sessions of it.")
    revoking.add_argument("token", help="its id, or its name if one token has it")


def add_act_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `redeemd cloud acts`."""
    parser.add_argument("dir", type=Path, help="the cloud's data directory")
    parser.add_argument(
        "--limit", type=int, default=ACTS_SHOWN, help="the newest so many (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object an act")


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print what was done. Raises SetupError."""
    store = open_store(args.dir)
    try:
        await _ACTIONS[args.token_action](store, args, now())
    except Refused as error:
        raise SetupError(error.sentence) from error
    finally:
        await store.close()


async def run_acts(args: argparse.Namespace) -> None:
    """Print what `redeemd cloud acts` asks for. Raises SetupError."""
    if not 1 <= args.limit <= ACTS_MAX:
        raise SetupError(f"--limit is not 1 to {ACTS_MAX}")
    store = open_store(args.dir)
    try:
        acts = await store.acts(args.limit)
    finally:
        await store.close()
    for act in acts:
        if args.json:
            print(json.dumps(asdict(act), ensure_ascii=False))
        else:
            answered = "not known whether done" if act.status is None else act.status
            print(f"{act.at}  {act.who} ({act.role})  {act.act}  {act.detail}  {answered}")
    if not acts and not args.json:
        print("nobody has changed anything yet")


async def note_command(store: CloudStore, at: datetime, act: str, named: dict[str, Any]) -> None:
    """Keep a note that somebody on the cloud's machine did this."""
    detail = json.dumps(named, ensure_ascii=False, separators=(",", ":"))
    place = ActCursor(timestamp(at), secrets.randbits(53))
    await store.begin_act(Act(*place, _user(), "", "machine", f"redeemd cloud {act}", detail, 200))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name: in a container
        return "unknown"


async def _add(store: CloudStore, args: argparse.Namespace, at: datetime) -> None:
    body = {"role": args.role, "name": args.name} | ({} if args.days is None else {"days": args.days})
    try:
        form = forms.token(body)
    except FieldError as error:
        raise SetupError(str(error)) from None
    token = new_token()
    expires = None if form.days is None else timestamp(at + timedelta(days=form.days))
    await note_command(store, at, "token add", {"name": form.name, "role": form.role.value})
    await store.add_token(digest(token), form.role, form.name, timestamp(at), expires)
    if args.json:
        print(json.dumps({"token": token, "name": form.name, "role": form.role.value, "expires_at": expires}))
        return
    print(f"token of {form.name} (shown once): {token}")
    print(f"role {form.role.value}, {f'expires {expires}' if expires else 'does not expire'}")


async def _list(store: CloudStore, args: argparse.Namespace, at: datetime) -> None:
    for line in await store.tokens():
        if args.json:
            print(json.dumps(asdict(line), ensure_ascii=False))
        else:
            print(
                f"{line.id}  {line.role.value:10}  {line.name}  {_standing(line, timestamp(at))}"
                f"  last used {line.used_at or 'never'}"
            )


def _standing(line: TokenLine, now: str) -> str:
    if line.revoked_at is not None:
        return f"revoked {line.revoked_at}"
    if line.expires_at is None:
        return "counts"
    return f"{'expired' if line.expires_at <= now else 'expires'} {line.expires_at}"


async def _revoke(store: CloudStore, args: argparse.Namespace, at: datetime) -> None:
    await note_command(store, at, "token revoke", {"token": args.token})
    line = await store.revoke_token(args.token, timestamp(at))
    print(f"token {line.id} of {line.name} counts no more")


_ACTIONS = {"add": _add, "list": _list, "revoke": _revoke}
