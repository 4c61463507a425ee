"""`redeemd cloud webhook ...`: subscriptions, from the cloud's own machine."""

from __future__ import annotations

import argparse
import ipaddress
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.domain.fields import FieldError
from cloud import webhook_desk
from cloud.addresses import Network
from cloud.api.deliver import Deliveries
from cloud.commands.staff import note_command
from cloud.errors import Refused, SetupError
from cloud.outbound import Outbound
from cloud.ports import CloudStore
from cloud.store.open_store import open_store
from cloud.webhooks import Verdict

_NAMED = {
    "show": "How a webhook stands, and what its endpoint did not take.",
    "test": "Send one event of the type redeemd.test.v1 at once, and say what came back.",
    "disable": "Send nothing; what happens meanwhile stays in the feed.",
    "enable": "Go on where it stopped.",
    "rotate": "Make a new secret; for 24 hours deliveries are signed by the old one too.",
    "replay": "Send dead deliveries again.",
    "remove": "Forget it, with what it did not take.",
}
_READING = ("list", "show")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd cloud webhook`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="webhook_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("dir", type=Path, help="the cloud's data directory")
        return action

    adding = add("add", "Send what happens to an address; prints the secret, once.")
    adding.add_argument("url", help="https://..., or http:// to this machine")
    adding.add_argument(
        "--type", action="append", default=[], help="only events of this type (again for more)"
    )
    adding.add_argument(
        "--after", default=webhook_desk.LATEST, help="latest (default), 0.0 for all, or a cursor of the feed"
    )
    add_network(adding)
    add("list", "List the webhooks and how they stand.")
    for name, text in _NAMED.items():
        action = add(name, text)
        action.add_argument("webhook")
        if name == "test":
            add_network(action)


def add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--webhook-net",
        action="append",
        default=[],
        type=_network,
        metavar="NETWORK",
        help="webhooks may reach this network beside the public Internet, 10.1.2.0/24 (again for more)",
    )


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def run(args: argparse.Namespace, now: Callable[[], datetime]) -> None:
    """Do what `add_arguments` parsed and print one JSON object for each webhook. Raises SetupError."""
    store = open_store(args.dir)
    try:
        if args.webhook_action not in _READING:
            named = {"webhook": getattr(args, "webhook", ""), "type": ",".join(getattr(args, "type", []))}
            await note_command(store, now(), f"webhook {args.webhook_action}", named)
        for said in await _done(store, args, now()):
            print(json.dumps(said, ensure_ascii=False))
    except Refused as error:
        raise SetupError(error.sentence) from error
    except FieldError as error:
        raise SetupError(str(error)) from error
    finally:
        await store.close()


async def _done(store: CloudStore, args: argparse.Namespace, at: datetime) -> list[dict[str, Any]]:
    if args.webhook_action == "add":
        async with Outbound(args.webhook_net) as outbound:
            return [await webhook_desk.add(store, args.url, args.type, args.after, at, outbound.knock)]
    if args.webhook_action == "list":
        return [await webhook_desk.shown(store, hook) for hook in await store.webhooks()]
    name: str = args.webhook
    match args.webhook_action:
        case "show":
            hook = await webhook_desk.found(store, name)
            return [await webhook_desk.shown(store, hook), *await webhook_desk.asides(store, name)]
        case "test":
            return [await _tried(store, name, args.webhook_net, at)]
        case "disable" | "enable" as action:
            hook = await webhook_desk.set_disabled(store, name, action == "disable", at)
            return [await webhook_desk.shown(store, hook)]
        case "rotate":
            return [await webhook_desk.rotate(store, name, at)]
        case "replay":
            return [{"webhook": name, "replayed": await webhook_desk.replay(store, name, at)}]
    await webhook_desk.remove(store, name)
    return [{"webhook": name, "removed": True}]


async def _tried(store: CloudStore, name: str, networks: list[Network], at: datetime) -> dict[str, Any]:
    hook = await webhook_desk.found(store, name)
    async with Outbound(networks) as outbound:
        answer = await Deliveries(store, outbound, lambda: at).send(hook, webhook_desk.test_event(hook, at))
    if answer.verdict is not Verdict.TAKEN:
        raise SetupError(f"the endpoint did not take it: {answer.said}")
    return {"webhook": name, "verdict": answer.verdict.value, "answer": answer.said}
