"""Bundle: carry a till's bundle in a file, into a till that has no line or out of one, and show what it says."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import config
from agent.bundles import carried
from agent.bundles.code_tables import code_parts
from agent.bundles.refresh import Refresher
from agent.clock import SystemClock
from agent.commands.admin import cloud_address, read_token, unreachable
from agent.commands.arguments import cloud_arguments
from agent.commands.errors import EX_USAGE, CommandError
from agent.commands.files import alone_in, private_file, resolved
from agent.commands.show import Unreachable, ask_till
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain import bundle, bundle_file
from agent.domain.bundle import CODES_PREFIX, BundleError, Manifest
from agent.domain.bundle_file import FILE_BYTES_MAX, Head
from agent.domain.parts import Contents, read_parts
from agent.domain.shop import StaffRole
from agent.domain.time import EffectiveTime, day_number, day_text, effective_time, timestamp
from agent.folder import database_path, prepare_state_dir
from agent.health import age_sentence
from agent.state import TillState, make_trust
from agent.store.bundle_cache import SqlBundleCache
from agent.store.codes import code_shelf
from agent.store.database import Database, connect_read_only
from agent.store.inspect import stored_bundle, stored_roots
from config.regular_file import open_regular

IMPORT_TIMEOUT_S = 120.0
FETCH_TIMEOUT_S = 1800.0
_TILL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
COPY_BYTES = 1 << 20


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The subcommands of `redeemd bundle`; pass what they parse to `run`."""
    actions = command.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(action=action)
        parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
        return parser

    parser = add("import", _import, "Put the bundle of a file in force, in a running or a stopped till.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")
    parser = add("export", _export, "Write this till's bundle into a file.")
    parser.add_argument("file", type=Path)
    parser = add("fetch", _fetch, "Get a till's bundle file from the cloud, for a store without a line.")
    parser.add_argument("till")
    parser.add_argument("file", type=Path)
    cloud_arguments(parser)
    parser = add("show", _show, "Show the bundle in force, or the one in a file.")
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


# --- import ---


def _import(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    source = resolved(arguments.file)
    try:
        with carried.BundleFile(source):
            pass  # what is no whole bundle file need not be copied
    except BundleError as error:
        return _told(arguments, carried.Imported(error.code, str(error), False, 0, 0, None).to_json())
    folder = prepare_state_dir(settings)
    with alone_in(folder):
        inbox = folder / carried.INBOX
        try:
            _copy(source, inbox)
            try:
                said = ask_till(settings, "/v1/bundle/import", {}, timeout_s=IMPORT_TIMEOUT_S)
            except Unreachable:  # it is not running: do its work, under its lock
                said = asyncio.run(_import_stopped(settings, inbox))
        finally:
            inbox.unlink(missing_ok=True)
    return _told(arguments, said)


def _told(arguments: argparse.Namespace, said: Mapping[str, Any]) -> int:
    if arguments.json:
        print(json.dumps(said, ensure_ascii=False))
    elif said["taken"]:
        print(f"{said['en']}: {said['sequence']} of epoch {said['epoch']}, issued {said['issued']}")
    else:
        print(f"redeemd: {_refusal(arguments.file, said)}", file=sys.stderr)
    return 0 if said["taken"] else 1


def _copy(source: Path, inbox: Path) -> None:
    """Into the state directory, the service's own: a running till opens nothing that others name."""
    try:
        with open_regular(source) as file:
            handle = os.open(inbox, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as copy:
                while (piece := file.read(COPY_BYTES)) and copy.tell() <= FILE_BYTES_MAX:  # it may still grow
                    copy.write(piece)
        if os.geteuid() == 0:
            owner = inbox.parent.stat()
            os.chown(inbox, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise CommandError(f"{error.filename or inbox}: {error.strerror}") from error


async def _import_stopped(settings: config.Config, inbox: Path) -> dict[str, Any]:
    database = Database(database_path(settings))
    database.open()
    try:
        cache = SqlBundleCache(database)
        state = TillState(await cache.setting("till") or "")
        refresher = Refresher(cache, None, state, SystemClock())
        with contextlib.suppress(BundleError):  # one that is damaged is what the file is for
            await refresher.load()
        return (await carried.import_file(inbox, refresher, state)).to_json()
    finally:
        database.close()


def _refusal(path: Path, said: Mapping[str, Any]) -> str:
    return f"{path}: {said['en']} ({said['detail']}). {said['next_en']}. / {said['zh']}。{said['next_zh']}。"


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        said = carried.Imported(error.code, str(error), False, 0, 0, None).to_json()
        raise CommandError(_refusal(path, said)) from None


# --- export ---


@dataclass(frozen=True, slots=True)
class _Stored:
    till: str
    roots: tuple[bytes, ...]
    manifest: bytes
    parts: Mapping[str, bytes]
    time: EffectiveTime

    def read(self) -> Manifest:
        """Verified under a chain of roots that holds in itself."""
        root = None
        for document in self.roots:
            root = bundle.read_root(document, root)
        if root is None:
            raise BundleError("malformed", "bundle file: no root")
        return bundle.read_manifest(self.manifest, root, self.till, None)


def _stored(settings: config.Config) -> _Stored:
    path = database_path(settings)
    connection = connect_read_only(path)
    try:
        connection.execute("BEGIN")  # one moment's view: a bundle may arrive meanwhile
        found, chain = stored_bundle(connection), stored_roots(connection)
    finally:
        connection.close()
    if found is None:
        raise CommandError(f"{path} holds no bundle yet: enrol the till and let it reach the cloud once")
    until = chain.index(found.root) + 1
    now = effective_time(SystemClock().now(), found.mark, None)
    return _Stored(found.till, tuple(chain[:until]), found.manifest, found.parts, now)


def _export(arguments: argparse.Namespace) -> int:
    settings = config.load(arguments.config)
    stored = _stored(settings)
    manifest, shelf = stored.read(), code_shelf(database_path(settings))
    tables = {part.name for part in code_parts(manifest.parts)}
    contents = (
        shelf.content(part) if part.name in tables else stored.parts[part.name] for part in manifest.parts
    )
    with _explained(Path("the stored bundle")):
        size = write_file(arguments.file, Head(stored.roots, stored.manifest), contents)
    print(
        f"{arguments.file}: bundle {manifest.sequence} of epoch {manifest.epoch} for {manifest.till}, {size} bytes"
    )
    return 0


def write_file(path: Path, head: Head, contents: Iterable[bytes]) -> int:
    """A bundle file of mode 0600, whole under its name or not there at all; its size in bytes. Raises CommandError."""
    fresh = path.with_name(f".{path.name}.part")
    try:
        with private_file(fresh) as file:
            for piece in bundle_file.write(head, contents):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # before the stick is pulled out
            size = file.tell()
        fresh.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
    return size


def _fetch(arguments: argparse.Namespace) -> int:
    if arguments.cloud is None or arguments.token_file is None:
        raise CommandError(
            "name the cloud and a token of role operator: --cloud URL --token-file FILE", EX_USAGE
        )
    if not _TILL.fullmatch(arguments.till):
        raise CommandError(f"{arguments.till[:64]!r} is not the name of a till", EX_USAGE)
    fresh = arguments.file.with_name(f".{arguments.file.name}.part")
    try:
        asyncio.run(_download(arguments, fresh))
        with _explained(arguments.file):
            stored = _in_file(fresh)
            if stored.till != arguments.till:
                raise BundleError("wrong_till", f"the cloud gave the bundle of {stored.till}")
        fresh.replace(arguments.file)
    except OSError as error:
        raise CommandError(f"{arguments.file} cannot be written: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)
    manifest = stored.read()
    print(f"{arguments.file}: bundle {manifest.sequence} of epoch {manifest.epoch} for {manifest.till}")
    return 0


async def _download(arguments: argparse.Namespace, fresh: Path) -> None:
    import aiohttp

    address = cloud_address(arguments.cloud)
    url = f"{address}/v1/admin/tills/{arguments.till}/bundle"
    headers = {"Authorization": f"Bearer {read_token(arguments.token_file)}"}
    waits = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S, sock_read=30.0)
    try:
        async with (
            aiohttp.ClientSession(timeout=waits) as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                said = (await answer.content.read(4096)).decode("utf-8", "replace")
                raise CommandError(f"the cloud gave no bundle: {answer.status} {said[:500]}")
            with private_file(fresh) as file:
                async for piece in answer.content.iter_chunked(COPY_BYTES):
                    file.write(piece)
                    if file.tell() > FILE_BYTES_MAX:
                        raise CommandError("the cloud's answer is larger than a bundle may be")
                file.flush()
                os.fsync(file.fileno())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CommandError(unreachable(address, error)) from error


# --- show ---


def _show(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        stored = _stored(config.load(arguments.config))
    else:
        with _explained(arguments.file):
            stored = _in_file(arguments.file)
    with _explained(arguments.file or Path("the stored bundle")):
        manifest, contents = stored.read(), read_parts(stored.parts)
        said = describe(manifest, contents, stored.time, len(stored.roots))
    said["verified"] = arguments.file is None
    print(json.dumps(said, ensure_ascii=False) if arguments.json else "\n".join(_lines(said)))
    return 0


def _in_file(path: Path) -> _Stored:
    """A file by itself: whole and signed by the roots that it carries; whether a till trusts those, that till knows."""
    with carried.BundleFile(resolved(path)) as file:
        parts: dict[str, bytes] = {}
        till = bundle.open_manifest(file.manifest).till
        now = effective_time(SystemClock().now(), None, None)
        found = _Stored(till, tuple(file.roots), file.manifest, parts, now)
        for part in found.read().parts:
            content = file.read_part(part)
            bundle.check_part(part, content)
            if not part.name.startswith(CODES_PREFIX):  # 16 MB each, and nothing in them to show
                parts[part.name] = content
        return found


def describe(manifest: Manifest, contents: Contents, now: EffectiveTime, roots: int) -> dict[str, Any]:
    """What a bundle says, for people and programs."""
    age = manifest.age(now.now)
    zh, en = age_sentence(age, manifest, contents, now.now)
    today = day_number(now.now, make_trust(manifest, contents).zone)
    return {
        "till": manifest.till,
        "store": contents.place.store,
        "epoch": manifest.epoch,
        "sequence": manifest.sequence,
        "roots": roots,
        "issued": timestamp(manifest.issued),
        "stale_at": timestamp(manifest.issued + manifest.stale_after),
        "expires_at": timestamp(manifest.issued + manifest.expires_after),
        "age": age.value,
        "zh": zh,
        "en": en,
        "bytes": sum(part.length for part in manifest.parts),
        "parts": len(manifest.parts),
        "keys": len(contents.keys),
        "campaigns": [
            {
                "issuer": offer.issuer,
                "number": offer.number,
                "version": offer.version,
                "zh": offer.title.zh,
                "en": offer.title.en,
                "offline_class": offer.offline_class.value,
                "stale_percent": offer.stale_percent,
                "expired_percent": offer.expired_percent,
                "over": today > offer.ends + offer.grace_days,
            }
            for offer in contents.campaigns.values()
        ],
        "skipped": list(contents.skipped),
        "status_lists": len(contents.status),
        "code_tables": len(code_parts(manifest.parts)),
        "promos": len(contents.promos),
        "badges": {role.value: _count(contents, role) for role in StaffRole},
        "messages": [
            {
                "zh": message.words.zh,
                "en": message.words.en,
                "first": day_text(message.starts),
                "last": day_text(message.ends),
            }
            for message in contents.shop.messages
        ],
        "templates": [{"name": one.name, "version": one.version} for one in contents.shop.templates],
    }


def _count(contents: Contents, role: StaffRole) -> int:
    return sum(badge.role is role for badge in contents.shop.badges.by_digest.values())


def _lines(said: dict[str, Any]) -> Iterator[str]:
    yield f"bundle     {said['sequence']} of epoch {said['epoch']}, for till {said['till']} in store {said['store']}"
    yield f"issued     {said['issued']}, stale from {said['stale_at']}, expired from {said['expires_at']}"
    yield f"age        {said['age']}: {said['en']} / {said['zh']}"
    yield f"size       {said['bytes']} bytes in {said['parts']} parts, under a chain of {said['roots']} roots"
    yield (
        f"holds      {said['keys']} keys, {said['status_lists']} status lists, {said['code_tables']} tables of codes,"
        f" {said['promos']} promo codes"
    )
    for offer in said["campaigns"]:
        over = ", over" if offer["over"] else ""
        yield (
            f"campaign   {offer['issuer']}/{offer['number']} version {offer['version']}, "
            f"class {offer['offline_class']}, {offer['stale_percent']} % when stale, "
            f"{offer['expired_percent']} % when expired{over}: "
            f"{offer['en']} / {offer['zh']}"
        )
    if any(said["badges"].values()):
        yield f"badges     {said['badges']['cashier']} of cashiers, {said['badges']['manager']} of managers"
    for message in said["messages"]:
        yield f"message    {message['first']} to {message['last']}: {message['en']} / {message['zh']}"
    for template in said["templates"]:
        yield f"template   {template['name']} version {template['version']}"
    for reason in said["skipped"]:
        yield f"skipped    {reason}"
    if not said["verified"]:
        yield "This file is whole and signed by the roots in it. Whether a till trusts them shows when it imports it."
