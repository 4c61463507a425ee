"""Keys: an issuer's keys, in the cloud or on the issuer's own machine."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin, read_token
from agent.commands.arguments import (
    at_least_one,
    cloud_arguments,
    day,
    new_passphrase,
    numbers,
    read_passphrase,
)
from agent.commands.errors import EX_USAGE, CommandError
from agent.commands.keyfile import (
    ALGORITHMS,
    FILE_BYTES_MAX,
    NAME_OF,
    read_record,
    record_path,
    record_to_json,
    write_key,
)
from agent.commands.wording import key_lines
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey, KeyFault, key_id, new_signing_key, public_key_from_pem
from agent.domain.time import EPOCH_DAY
from config.regular_file import read_regular

_BY_NAME = {name: algorithm for algorithm, name in NAME_OF.items()}
_LIMITS = ("issuer", "first", "last", "value_max_minor")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The subcommands of `redeemd keys`; pass what they parse to `run`."""
    actions = command.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(action=action)
        parser.add_argument("--json", action="store_true", help="for programs: one JSON object a line")
        return parser

    parser = add(
        "new", _new, "Make a key: in the cloud, which then issues, or in a file of your own with --out."
    )
    _limit_arguments(parser)
    parser.add_argument(
        "--algorithm", choices=sorted(ALGORITHMS), default="ed25519", help="default: %(default)s"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the private key, for issuing without a cloud"
    )
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="without it you are asked")
    parser.add_argument("--no-passphrase", action="store_true", help="only the file's mode protects the key")
    cloud_arguments(parser)
    parser = add("register", _register, "Tell the cloud a public key; the private half stays where it is.")
    parser.add_argument(
        "--public", type=Path, required=True, metavar="FILE", help="KEY.json or a PEM public key"
    )
    _limit_arguments(parser)
    cloud_arguments(parser)
    parser = add("list", _list, "Show the keys that the cloud knows.")
    cloud_arguments(parser)
    parser = add("show", _show, "Show one key: its kid in the cloud, or a file KEY.json.")
    parser.add_argument("key", help="kid or file")
    cloud_arguments(parser)
    parser = add("retire", _change, "Sign no more with this key; its coupons go on counting.")
    parser.add_argument("kid")
    parser.set_defaults(change="retire")
    cloud_arguments(parser)
    parser = add(
        "withdraw", _change, "The key was stolen or lost: tills refuse every coupon it signed, for good."
    )
    parser.add_argument("kid")
    parser.set_defaults(change="withdraw")
    parser.add_argument("--yes", action="store_true", help="needed: it cannot be taken back")
    cloud_arguments(parser)


def _limit_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the key may sign: a thief of it can do no more")
    group.add_argument("--issuer")
    group.add_argument("--campaigns", type=numbers, help="such as 1001,1002; default: all of the issuer's")
    group.add_argument("--from", dest="first", type=day, help="first day on which its coupons count")
    group.add_argument("--to", dest="last", type=day, help="last day on which its coupons count")
    group.add_argument(
        "--value-max-minor", type=at_least_one, help="most that one coupon may cost, in minor units"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _new(arguments: argparse.Namespace) -> int:
    if (arguments.out is None) == (arguments.cloud is None):
        raise CommandError("say where the key is to be: --out FILE, or --cloud URL", EX_USAGE)
    limits = _limits(arguments)
    if arguments.cloud is not None:
        body = limits | {"algorithm": arguments.algorithm}
        _print(arguments, _ask(arguments, lambda admin: admin.post("/v1/admin/issuers", body)))
        return 0
    if arguments.no_passphrase:
        passphrase = None
    else:
        file = arguments.passphrase_file
        passphrase = new_passphrase() if file is None else read_passphrase(file)
    algorithm = ALGORITHMS[arguments.algorithm]
    signing = new_signing_key(algorithm)
    record = _record(algorithm, signing.public_key, limits)
    write_key(arguments.out, signing, record, passphrase)
    if arguments.json:
        _print_json(record_to_json(record))
    else:
        print("\n".join(key_lines(record)))
    if passphrase is None:
        print(
            f"WARNING: {arguments.out} has no passphrase: whoever reads it can print coupons.",
            file=sys.stderr,
        )
    print(
        f"private key {arguments.out} (keep it, make a copy that is locked away), record {record_path(arguments.out)}\n"
        f"tills trust it once the cloud knows it: redeemd keys register --public {record_path(arguments.out)}",
        file=sys.stderr,
    )
    return 0


def _register(arguments: argparse.Namespace) -> int:
    record = _record_of(arguments)
    body = {
        "issuer": record.issuer,
        "campaigns": None if record.campaigns is None else sorted(record.campaigns),
        "not_before": record.not_before,
        "expires": record.expires,
        "value_max_minor": record.value_max_minor,
        "algorithm": NAME_OF[record.algorithm],
        "public_key": base64.urlsafe_b64encode(record.public_key).rstrip(b"=").decode(),
    }
    _print(arguments, _ask(arguments, lambda admin: admin.post("/v1/admin/issuers", body)))
    return 0


def _record_of(arguments: argparse.Namespace) -> IssuerKey:
    """The record of a file that `keys new` wrote, or the limits of the arguments around a public key."""
    try:
        start = read_regular(arguments.public, FILE_BYTES_MAX)
    except OSError as error:
        raise CommandError(f"public key {arguments.public}: {error.strerror}") from None
    if b"PRIVATE KEY" in start:
        raise CommandError(f"{arguments.public} is a PRIVATE key: it stays with you. Name the public half")
    if not start.lstrip().startswith(b"-----BEGIN"):
        if any(getattr(arguments, name) is not None for name in (*_LIMITS, "campaigns")):
            raise CommandError(f"{arguments.public} states its limits itself: leave the others out", EX_USAGE)
        return read_record(arguments.public)
    try:
        algorithm, raw = public_key_from_pem(start)
    except KeyFault as error:
        raise CommandError(f"the public key {arguments.public} cannot be used: {error}") from None
    return _record(algorithm, raw, _limits(arguments))


def _limits(arguments: argparse.Namespace) -> dict[str, Any]:
    missing = [name for name in _LIMITS if getattr(arguments, name) is None]
    if missing:
        flags = {"first": "--from", "last": "--to"}
        said = ", ".join(flags.get(name, "--" + name.replace("_", "-")) for name in missing)
        raise CommandError(f"{said} must be said: they bound what a thief of the key can take", EX_USAGE)
    if arguments.last < arguments.first:
        raise CommandError("--to is before --from: the key would never count", EX_USAGE)
    return {
        "issuer": arguments.issuer,
        "campaigns": None if arguments.campaigns is None else sorted(arguments.campaigns),
        "not_before": _number(arguments.first),
        "expires": _number(arguments.last),
        "value_max_minor": arguments.value_max_minor,
    }


def _record(algorithm: Algorithm, public_key: bytes, limits: dict[str, Any]) -> IssuerKey:
    scope = limits["campaigns"]
    rest = limits | {"campaigns": None if scope is None else frozenset(scope)}
    try:
        return IssuerKey(kid=key_id(public_key), algorithm=algorithm, public_key=public_key, **rest)
    except KeyFault as error:
        raise CommandError(f"the public key cannot be used: {error}") from None


def _list(arguments: argparse.Namespace) -> int:
    found = _ask(arguments, lambda admin: admin.get("/v1/admin/issuers"))["keys"]
    for key in found:
        _print(arguments, key)
    if not found and not arguments.json:
        print("no key yet: redeemd keys new")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    if arguments.cloud is None:
        record = read_record(Path(arguments.key))
        _print_json(record_to_json(record)) if arguments.json else print("\n".join(key_lines(record)))
        return 0
    found = _ask(arguments, lambda admin: admin.get("/v1/admin/issuers"))["keys"]
    for key in found:
        if key["kid"] == arguments.key:
            _print(arguments, key)
            return 0
    raise CommandError(f"the cloud knows no key {arguments.key[:40]}: redeemd keys list shows all")


def _change(arguments: argparse.Namespace) -> int:
    if arguments.change == "withdraw" and not arguments.yes:
        sentence = f"every coupon that key {arguments.kid[:40]} signed will be refused, for good"
        raise CommandError(f"{sentence}. If that is meant, say --yes", EX_USAGE)
    path = f"/v1/admin/issuers/{arguments.kid}/{arguments.change}"
    _print(arguments, _ask(arguments, lambda admin: admin.post(path, {})))
    return 0


def _ask(
    arguments: argparse.Namespace, what: Callable[[CloudAdmin], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    if arguments.cloud is None or arguments.token_file is None:
        raise CommandError("name the cloud: --cloud URL --token-file FILE", EX_USAGE)

    async def work() -> dict[str, Any]:
        async with CloudAdmin(arguments.cloud, read_token(arguments.token_file)) as admin:
            return await what(admin)

    return asyncio.run(work())


def _print(arguments: argparse.Namespace, key: dict[str, Any]) -> None:
    """A key as the cloud states it."""
    if arguments.json:
        _print_json(key)
        return
    names = ("issuer", "campaigns", "not_before", "expires", "value_max_minor")
    limits = {name: key[name] for name in names}
    record = _record(_BY_NAME[key["algorithm"]], bytes.fromhex(key["public_key"]), limits)
    where = "private half elsewhere" if key["registered"] else "the cloud signs with it"
    state = f"{key['state']}, {where}" if key["state"] == "active" else key["state"]
    print("\n".join(key_lines(replace(record, kid=bytes.fromhex(key["kid"])), state)))


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _number(value: date) -> int:
    return (value - EPOCH_DAY).days
