"""`redeemd cloud init DIR` and `redeemd cloud serve DIR`: make a cloud's data directory, and serve it.

DIR/cloud.db        the database, or
DIR/database        the URL of the PostgreSQL that is used instead
DIR/roots/N.cbor    the chain of roots that tills trust
DIR/keys/*.pem      private keys, readable by the service alone; no root key, but for a trial
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import logging
import signal
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from agent.domain import bundle
from agent.domain.bundle import Root
from agent.domain.time import timestamp
from cloud import roots
from cloud.access import digest, new_token
from cloud.addresses import Network
from cloud.api.http import Cloud, utc_now
from cloud.api.server import make_app
from cloud.commands import erasure, export, member, report, restore, root, staff, store, till, time, webhook
from cloud.errors import CloudError, SetupError, StoreUnavailable
from cloud.keyring import KEYS_FOLDER, MANIFEST, ROOT, Keyring, key_name, write_public
from cloud.publish import ISSUER_PERCENT, Ages, Publisher
from cloud.retention import Keep
from cloud.roots import Roots
from cloud.staff import Role
from cloud.steady import SteadyClock
from cloud.store.open_store import ELSEWHERE, EMBEDDED, check_driver, check_url, keep_url, open_store
from cloud.store.schema import create

log = logging.getLogger("redeemd.cloud")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8420
STOP_TIMEOUT_S = 10.0


def init(
    data_dir: Path,
    now: Callable[[], datetime] = utc_now,
    *,
    offline_root: bool = False,
    database: str | None = None,
) -> dict[str, Any]:
    """Make a data directory: {"data_dir", "admin_token", "manifest_kid", "manifest_public" (a file), "root_kid"}.

    The token is shown here only and stored as a hash. offline_root: make no root; its keys are kept elsewhere, and the
    cloud serves once their root is published. Otherwise one root key is made here, which does for a trial: who breaks
    into this server then owns every till. database: the URL of an empty PostgreSQL database to use. Raises SetupError
    if there is a cloud already.
    """
    if any((data_dir / name).exists() for name in (roots.FOLDER, EMBEDDED, ELSEWHERE)):
        raise SetupError(f"{data_dir} holds a cloud already; choose another directory")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = new_token()
    first = (digest(token), Role.ADMIN.value, timestamp(now()))
    if database is None:
        create(data_dir / EMBEDDED, *first)
    else:
        _create_elsewhere(data_dir, database, first)
    made = {"data_dir": str(data_dir), "admin_token": token, "root_kid": None, **new_manifest_key(data_dir)}
    if not offline_root:
        keyring = Keyring(data_dir / KEYS_FOLDER)
        root_key, manifest_key = (
            keyring.create(ROOT),
            keyring.load(MANIFEST, bytes.fromhex(made["manifest_kid"])),
        )
        root = Root(
            epoch=1,
            issued=now(),
            threshold=1,
            root_keys={root_key.kid: root_key.public_key},
            manifest_keys={manifest_key.kid: manifest_key.public_key},
        )
        roots.publish(data_dir / roots.FOLDER, keyring, bundle.sign_root(root, [root_key]))
        made["root_kid"] = root_key.kid.hex()
    return made


def _create_elsewhere(data_dir: Path, url: str, first: tuple[bytes, str, str]) -> None:
    check_url(url)
    check_driver()
    from cloud.store import postgres

    asyncio.run(postgres.create(url, *first))
    keep_url(data_dir, url)


def new_manifest_key(data_dir: Path) -> dict[str, Any]:
    """Make a manifest key here: {"manifest_kid", "manifest_public"}. It signs once a root names its public half."""
    key = Keyring(data_dir / KEYS_FOLDER).create(MANIFEST)
    public = data_dir / f"{key_name(MANIFEST, key.kid)}.pub"
    write_public(public, key.public_key)
    return {"manifest_kid": key.kid.hex(), "manifest_public": str(public)}


def open_cloud(
    data_dir: Path,
    ages: Ages | None = None,
    now: Callable[[], datetime] = utc_now,
    issuer_percent: int = ISSUER_PERCENT,
) -> Cloud:
    """What `make_app` serves, from a data directory that `init` made. Raises SetupError. Close its store at the end."""
    keyring = Keyring(data_dir / KEYS_FOLDER)
    chain = Roots(data_dir / roots.FOLDER, keyring)
    store = open_store(data_dir)
    return Cloud(store, keyring, Publisher(store, keyring, chain, now, ages, issuer_percent), chain, now)


async def serve(
    data_dir: Path,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    tls: ssl.SSLContext | None = None,
    ages: Ages | None = None,
    webhook_networks: tuple[Network, ...] = (),
    keep: Keep | None = None,
    issuer_percent: int = ISSUER_PERCENT,
) -> None:
    """Serve until SIGTERM or SIGINT; prints one line with the URL once it listens. port 0: any free one.

    Raises SetupError; without TLS only a loopback address is served.
    """
    if tls is None and not _is_loopback(host):
        raise SetupError(f"{host} can be reached from outside: give --tls-cert and --tls-key")
    cloud = open_cloud(data_dir, ages, SteadyClock(utc_now), issuer_percent)
    cloud = replace(cloud, webhook_networks=webhook_networks, keep=keep or Keep())
    # auto_decompress: signatures cover bodies as they were sent, and our own unpacking is bounded.
    runner = web.AppRunner(
        make_app(cloud), access_log=None, auto_decompress=False, shutdown_timeout=STOP_TIMEOUT_S
    )
    try:
        try:
            await cloud.store.ping()
        except StoreUnavailable as error:
            log.warning("%s; answering 503 until it can", error)
        await runner.setup()
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        try:
            await site.start()
        except OSError as error:
            raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        bound = runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        print(f"redeemd cloud listens on {'https' if tls else 'http'}://{shown}:{bound[1]}", flush=True)
        await _stop_signal()
    finally:
        await runner.cleanup()
        await cloud.store.close()


async def _stop_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def server_tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """The context for two PEM files, None for neither. Raises SetupError."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SetupError("--tls-cert and --tls-key belong together")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"the certificate {cert} with the key {key} cannot be used: {error}") from error
    return context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `redeemd cloud`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="cloud_action", required=True)
    making = actions.add_parser("init", help="make a cloud's data directory and print its first admin token")
    making.add_argument("dir", type=Path)
    making.add_argument("--json", action="store_true", help="print one JSON object")
    making.add_argument(
        "--offline-root",
        action="store_true",
        help="make no root key here: keepers make theirs elsewhere (redeemd cloud root); for anything but a trial",
    )
    making.add_argument(
        "--database",
        metavar="URL",
        help="an empty PostgreSQL database, postgresql://USER@HOST:PORT/NAME (default: SQLite in DIR)",
    )
    renewing = actions.add_parser("manifest-key", help="make another manifest key, for the next root to name")
    renewing.add_argument("dir", type=Path)
    root.add_arguments(actions.add_parser("root", help="root keys and roots: who may sign what tills trust"))
    store.add_arguments(actions.add_parser("store", help="stores: add, list"))
    member.add_arguments(actions.add_parser("member", help="members and their points: import, program, list"))
    till.add_arguments(actions.add_parser("till", help="tills: list, add, code, revoke"))
    time.add_arguments(
        actions.add_parser("time", help="time statements: repair a till that a wrong clock closed")
    )
    restore.add_arguments(
        actions.add_parser("restored", help="run once after a backup was put back, before serving it")
    )
    staff.add_arguments(actions.add_parser("token", help="tokens of staff and services: add, list, revoke"))
    staff.add_act_arguments(actions.add_parser("acts", help="what staff and services did"))
    export.add_arguments(
        actions.add_parser("export", help="redemptions, conflicts or settlement as CSV or Parquet")
    )
    report.add_arguments(
        actions.add_parser("report", help="campaign funnels, A/B arms, RFM layers, settlement of stores")
    )
    erasure.add_arguments(
        actions.add_parser("erase", help="erase a person's pseudonym on request, and prove it")
    )
    webhook.add_arguments(actions.add_parser("webhook", help="webhooks: what happens is sent to ERP and CRM"))
    _add_serving(actions.add_parser("serve", help="serve a data directory"))


def _add_serving(serving: argparse.ArgumentParser) -> None:
    serving.add_argument("dir", type=Path)
    serving.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default %(default)s)")
    serving.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="0: any free one (default %(default)s)"
    )
    serving.add_argument("--tls-cert", help="PEM certificate chain; needed beyond this machine")
    serving.add_argument("--tls-key", help="PEM private key of the certificate")
    webhook.add_network(serving)
    for name, value, said in (
        ("pseudonyms", Keep().pseudonyms, "pseudonyms are kept beside records"),
        ("acts", Keep().acts, "notes of what staff did are kept"),
    ):
        text = f"for so many days {said} (default %(default)s)"
        serving.add_argument(f"--keep-{name}-days", type=_seconds, default=value, metavar="DAYS", help=text)
    serving.add_argument(
        "--issuer-room-percent",
        type=_percent,
        default=ISSUER_PERCENT,
        metavar="PERCENT",
        help="of the coupons and campaigns that a till can be told of, the most for one issuer (default %(default)s)",
    )
    ages = Ages()
    for name, value, said in (
        ("refresh", ages.refresh_s, "an unchanged bundle is issued anew after this"),
        ("members", ages.members_s, "a list of members that has changed is made anew after this"),
        ("stale-after", ages.stale_after_s, "a bundle counts as stale after this"),
        ("expires-after", ages.expires_after_s, "a bundle counts as expired after this"),
    ):
        serving.add_argument(
            f"--{name}-s",
            type=_seconds,
            default=value,
            metavar="SECONDS",
            help=f"{said} (default %(default)s)",
        )


def _percent(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("is not 1 to 100")
    return value


def _seconds(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 2**31:
        raise argparse.ArgumentTypeError("is not 1 or more seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit status."""
    try:
        if args.cloud_action == "init":
            _show(init(args.dir, offline_root=args.offline_root, database=args.database), args.json)
        elif args.cloud_action == "manifest-key":
            made = new_manifest_key(args.dir)
            print(f"manifest key {made['manifest_kid']}: name {made['manifest_public']} in the next root")
        elif args.cloud_action == "root":
            root.run(args, utc_now)
        elif args.cloud_action == "till":
            asyncio.run(till.run(args, utc_now))
        elif args.cloud_action == "store":
            asyncio.run(store.run(args, utc_now))
        elif args.cloud_action == "member":
            asyncio.run(member.run(args, utc_now))
        elif args.cloud_action == "token":
            asyncio.run(staff.run(args, utc_now))
        elif args.cloud_action == "acts":
            asyncio.run(staff.run_acts(args))
        elif args.cloud_action == "erase":
            asyncio.run(erasure.run(args, utc_now, sys.stdin.readline))
        elif args.cloud_action == "webhook":
            asyncio.run(webhook.run(args, utc_now))
        elif args.cloud_action == "report":
            asyncio.run(report.run(args))
        elif args.cloud_action == "export":
            asyncio.run(export.run(args, utc_now))
        elif args.cloud_action == "restored":
            asyncio.run(restore.run(args, utc_now))
        elif args.cloud_action == "time":
            asyncio.run(time.run(args, utc_now))
        else:
            logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
            ages = Ages(args.refresh_s, args.stale_after_s, args.expires_after_s, args.members_s)
            tls = server_tls(args.tls_cert, args.tls_key)
            networks = tuple(args.webhook_net)
            keep = Keep(args.keep_pseudonyms_days, args.keep_acts_days)
            more: dict[str, Any] = {"tls": tls, "ages": ages, "webhook_networks": networks, "keep": keep}
            more["issuer_percent"] = args.issuer_room_percent
            asyncio.run(serve(args.dir, args.host, args.port, **more))
    except CloudError as error:
        print(f"redeemd cloud: {error}", file=sys.stderr)
        return 1
    return 0


def _show(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(made))
        return
    print(f"cloud made in {made['data_dir']}")
    print(f"admin token (shown once): {made['admin_token']}")
    if made["root_kid"] is None:
        print(f"no root yet: have one made that names {made['manifest_public']} (redeemd cloud root new),")
        print(f"then: redeemd cloud root publish {made['data_dir']} FILE")
        return
    print("its root key lies on this server, which does for a trial only (else: --offline-root)")
    print(f"start it: redeemd cloud serve {made['data_dir']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="redeemd cloud")
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))
