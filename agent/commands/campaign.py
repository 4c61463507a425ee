"""Campaigns: written as a file, checked, shown in words, published to the cloud, ended."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin, CloudRefused, read_token
from agent.commands.arguments import at_least_one, cloud_arguments, day, numbers
from agent.commands.campaign_file import CampaignFile, read_campaign
from agent.commands.coupon_files import whole_file
from agent.commands.errors import EX_CONFIG, EX_USAGE, CommandError
from agent.commands.offer_examples import EXAMPLES, example_campaign
from agent.commands.wording import campaign_lines, doubt_lines, loss_lines, words_of
from agent.domain import campaign as campaigns
from agent.domain.time import EPOCH_DAY, day_text
from config import ConfigError
from config.regular_file import open_regular

REVOKED_AT_ONCE = 5000


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The subcommands of `redeemd campaign`; pass what they parse to `run`."""
    actions = command.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(action=action)
        parser.add_argument("--json", action="store_true", help="for programs: one JSON object a line")
        return parser

    parser = add("new", _new, "Write an example campaign file to edit.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--issuer", default="acme", help="default: %(default)s")
    parser.add_argument("--number", type=at_least_one, default=1001, help="default: %(default)s")
    parser.add_argument(
        "--benefit",
        choices=EXAMPLES,
        default="amount_off",
        metavar="KIND",
        help=f"one of {', '.join(EXAMPLES)}",
    )
    parser = add("check", _check, "Check a campaign file, say it in words, and what can be lost by it.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--tills", type=at_least_one, default=1, help="how many tills there are; default: 1")
    parser = add("publish", _publish, "Give a campaign file to the cloud, and by it to all tills.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--reopen", action="store_true", help="let it end later than the cloud says it ends")
    cloud_arguments(parser)
    parser = add("list", _list, "Show the campaigns that the cloud knows.")
    cloud_arguments(parser)
    parser = add("show", _show, "Show one campaign of the cloud.")
    _identity_arguments(parser)
    cloud_arguments(parser)
    parser = add(
        "orders", _orders, "List the orders of a campaign's coupons: each can be issued again by its name."
    )
    _identity_arguments(parser)
    cloud_arguments(parser)
    parser = add("end", _end, "Let a campaign end earlier.")
    _identity_arguments(parser)
    parser.add_argument("--last", type=day, help="its last day; default: yesterday, so that it ends at once")
    cloud_arguments(parser)

    _add_coupon_actions(add)


def _add_coupon_actions(
    add: Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser],
) -> None:
    parser = add(
        "lend",
        _lend,
        "Let tills sign coupons of it for receipts, when their codes are used up; --count 0 ends it.",
    )
    _identity_arguments(parser)
    parser.add_argument(
        "--count", type=int, required=True, help="how many each till may sign without asking again"
    )
    parser.add_argument(
        "--valid-days", type=at_least_one, default=30, help="how long one counts; default: 30"
    )
    cloud_arguments(parser)
    parser = add(
        "revoke", _revoke, "Withdraw single coupons for good, or all of a CSV file that issue wrote."
    )
    _identity_arguments(parser)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--index", type=numbers, help="such as 17,4711")
    chosen.add_argument("--csv", type=Path, metavar="FILE", help="all coupons of this file")
    cloud_arguments(parser)


def _identity_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("issuer")
    parser.add_argument("number", type=int)


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _new(arguments: argparse.Namespace) -> int:
    today = datetime.now(UTC).astimezone().date()
    text = example_campaign(
        arguments.benefit, arguments.issuer, arguments.number, today, today + timedelta(days=90)
    )
    with whole_file(arguments.file, 0o644) as file:
        file.write(text.encode())
    read_campaign(arguments.file)  # an issuer's name that is no name is said now
    print(f"{arguments.file} written: edit it, then redeemd campaign check {arguments.file}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    try:
        found = read_campaign(arguments.file)
    except ConfigError as error:
        if not arguments.json:
            raise
        for problem in error.problems:
            _print_json(problem.to_json())
        return EX_CONFIG
    if not arguments.json:
        print(f"{arguments.file}: good")
        _print_words(found, arguments.tills)
    return 0


def _print_words(found: CampaignFile, tills: int) -> None:
    print("\n".join(campaign_lines(found.campaign, found.promo)))
    print("\n".join(loss_lines(found.campaign, tills)))
    for line in doubt_lines(found.campaign, (datetime.now(UTC).date() - EPOCH_DAY).days):
        print(line)


def _publish(arguments: argparse.Namespace) -> int:
    found = read_campaign(arguments.file)
    return asyncio.run(_with_cloud(arguments, lambda admin: _published(arguments, admin, found)))


async def _published(arguments: argparse.Namespace, admin: CloudAdmin, found: CampaignFile) -> int:
    campaign = found.campaign
    known = await _known(admin, campaign.issuer, campaign.number)
    if known is not None:
        before = campaigns.from_wire(known["campaign"])
        if (replace(before, version=campaign.version), known["promo"]) == (campaign, found.promo):
            print(f"nothing to publish: version {before.version} says the same", file=sys.stderr)
            return 0
        if campaign.ends > before.ends and not arguments.reopen:
            # `campaign end` changed the cloud, not the file: what was stopped must not come back unasked.
            ended = "ended" if before.ends < (datetime.now(UTC).date() - EPOCH_DAY).days else "ends"
            raise CommandError(
                f"campaign {campaign.issuer} {campaign.number} {ended} on {day_text(before.ends)} "
                f"(version {before.version}), by this file it would end on {day_text(campaign.ends)}: "
                f"say --reopen if that is meant, or write ends = {day_text(before.ends)}"
            )
        campaign = replace(campaign, version=before.version + 1)
    tills = await _tills(admin, known)
    if not arguments.json:
        _print_words(found, tills)
    body = {"campaign": campaigns.to_wire(campaign), "promo": found.promo}
    said = await admin.post("/v1/admin/campaigns", body)
    if arguments.json:
        _print_json(said)
    else:
        for warning in said["warnings"]:
            print(f"note: {warning}", file=sys.stderr)
        print(f"published as version {said['version']}: tills have it with their next bundle")
    return 0


async def _tills(admin: CloudAdmin, known: dict[str, Any] | None) -> int:
    """How many tills may take it; all there are while the cloud does not know the campaign."""
    if known is not None:
        return int(known["tills"])
    return sum(till["state"] != "revoked" for till in (await admin.get("/v1/admin/tills"))["tills"])


async def _known(admin: CloudAdmin, issuer: str, number: int) -> dict[str, Any] | None:
    try:
        return await admin.get(f"/v1/admin/campaigns/{issuer}/{number}")
    except CloudRefused as error:
        if error.status == 404:
            return None
        raise


def _list(arguments: argparse.Namespace) -> int:
    async def work(admin: CloudAdmin) -> int:
        found = (await admin.get("/v1/admin/campaigns"))["campaigns"]
        for one in found:
            if arguments.json:
                _print_json(one)
                continue
            days = f"{day_text(one['starts'])} to {day_text(one['ends'])}"
            issued = f"{one['issued']}/{one['size']} issued"
            print(
                f"{one['issuer']} {one['campaign']}  v{one['version']}  {days}  {issued}  {words_of(one['title'])}"
            )
        if not found and not arguments.json:
            print("no campaign yet: redeemd campaign new FILE")
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _show(arguments: argparse.Namespace) -> int:
    async def work(admin: CloudAdmin) -> int:
        known = await admin.get(f"/v1/admin/campaigns/{arguments.issuer}/{arguments.number}")
        if arguments.json:
            _print_json(known)
            return 0
        campaign = campaigns.from_wire(known["campaign"])
        print("\n".join(campaign_lines(campaign, known["promo"])))
        print(f"  version    {campaign.version}")
        print(f"  so far     {known['issued']} issued, {known['used']} used, {known['revoked']} revoked")
        print("\n".join(loss_lines(campaign, known["tills"])))
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _orders(arguments: argparse.Namespace) -> int:
    async def work(admin: CloudAdmin) -> int:
        path = f"/v1/admin/campaigns/{arguments.issuer}/{arguments.number}/orders"
        found = (await admin.get(path))["orders"]
        for one in found:
            if arguments.json:
                _print_json(one)
                continue
            terms = one["terms"]
            days = f"{day_text(terms['not_before'])} to {day_text(terms['expires'])}"
            print(f"{one['order']}  {one['kind']}  {one['coupons']} coupons behind {one['first']}  {days}")
        if not found and not arguments.json:
            print("no order yet: redeemd issue")
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _lend(arguments: argparse.Namespace) -> int:
    body = {
        "issuer": arguments.issuer,
        "campaign": arguments.number,
        "count": arguments.count,
        "valid_days": arguments.valid_days,
    }

    async def work(admin: CloudAdmin) -> int:
        said = await admin.post("/v1/admin/till-signing", body)
        if arguments.json:
            _print_json(said)
        else:
            print(f"each till may sign {said['count']} coupons, each good for {said['valid_days']} days")
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _end(arguments: argparse.Namespace) -> int:
    async def work(admin: CloudAdmin) -> int:
        known = await admin.get(f"/v1/admin/campaigns/{arguments.issuer}/{arguments.number}")
        before = campaigns.from_wire(known["campaign"])
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        last: date = arguments.last or yesterday
        number = (last - EPOCH_DAY).days
        if number >= before.ends:
            raise CommandError(f"it ends on {day_text(before.ends)} as it is", EX_USAGE)
        # One that would begin after its end never was: its coupons are over, not "not yet".
        starts = min(before.starts, number)
        ended = replace(before, version=before.version + 1, starts=starts, ends=number)
        body = {"campaign": campaigns.to_wire(ended), "promo": known["promo"]}
        said = await admin.post("/v1/admin/campaigns", body)
        if arguments.json:
            _print_json(said | {"ends": number})
        else:
            grace = f", plus {ended.grace_days} days of grace" if ended.grace_days else ""
            print(f"ends on {last}{grace}: tills know with their next bundle (version {said['version']})")
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _revoke(arguments: argparse.Namespace) -> int:
    indexes = sorted(arguments.index if arguments.csv is None else _indexes_of(arguments))

    async def work(admin: CloudAdmin) -> int:
        changed = 0
        for start in range(0, len(indexes), REVOKED_AT_ONCE):
            body = {"issuer": arguments.issuer, "campaign": arguments.number}
            some = {"indexes": indexes[start : start + REVOKED_AT_ONCE]}
            changed += (await admin.post("/v1/admin/revocations", body | some))["revoked"]
        if arguments.json:
            _print_json({"revoked": changed, "before": len(indexes) - changed})
        else:
            again = f", {len(indexes) - changed} were before" if changed < len(indexes) else ""
            print(f"{changed} coupons revoked{again}: tills know with their next bundle")
        return 0

    return asyncio.run(_with_cloud(arguments, work))


def _indexes_of(arguments: argparse.Namespace) -> set[int]:
    """The coupons of a CSV file, which must all be of this campaign."""
    try:
        with io.TextIOWrapper(open_regular(arguments.csv), "utf-8", newline="") as file:
            rows = [(row["issuer"], int(row["campaign"]), int(row["index"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise CommandError(f"{arguments.csv}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError):
        raise CommandError(f"{arguments.csv} is not a CSV file that redeemd issue wrote") from None
    if any(row[:2] != (arguments.issuer, arguments.number) for row in rows):
        raise CommandError(f"{arguments.csv} holds coupons of another campaign: nothing was revoked")
    return {index for _, _, index in rows}


async def _with_cloud(arguments: argparse.Namespace, work: Callable[[CloudAdmin], Any]) -> int:
    if arguments.cloud is None or arguments.token_file is None:
        raise CommandError("name the cloud: --cloud URL --token-file FILE", EX_USAGE)
    async with CloudAdmin(arguments.cloud, read_token(arguments.token_file)) as admin:
        code: int = await work(admin)
        return code


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
