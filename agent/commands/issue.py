"""Issue coupons: from the cloud, or with the issuer's own key and ledger and no server at all."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin, CloudRefused, CloudUnreachable, read_token
from agent.commands.arguments import at_least_one, cloud_arguments, day, passphrase_from
from agent.commands.campaign_file import read_campaign
from agent.commands.coupon_files import Coupon, Output, csv_file, pictures
from agent.commands.errors import EX_USAGE, CommandError
from agent.commands.interrupt import interruptible
from agent.commands.issue_order import Order, Signed
from agent.commands.issuer_ledger import from_ledger, open_ledger
from agent.commands.keyfile import read_key
from agent.commands.progress import Progress
from agent.commands.wording import loss_lines
from agent.domain import campaign as campaigns
from agent.domain.campaign import Campaign
from agent.domain.time import day_text
from cloud import issue as issuing
from cloud.errors import CloudError
from cloud.ports import Terms

TRIES = 4
WAIT_S = 2.0

_TOKENS = ("/v1/admin/coupons", "coupons", "token")
_CODES = ("/v1/admin/codes", "codes", "code")


async def from_cloud(admin: CloudAdmin, order: Order, *, codes: bool = False) -> AsyncIterator[list[Signed]]:
    """The coupons, portion by portion. An answer that is lost is asked for again: it is the same one.

    codes: short codes to be typed (docs/codes.md) in place of signed tokens.
    """
    path, items, text = _CODES if codes else _TOKENS
    terms = order.terms()
    said = {name: value for name in Terms.__slots__ if (value := getattr(terms, name)) is not None}
    for name, count in order.portions():
        body = said | {"issuer": order.issuer, "campaign": order.campaign, "count": count, "order": name}
        answer = await _patiently(admin, path, body)
        yield [(coupon["index"], coupon[text]) for coupon in answer[items]]


async def _patiently(admin: CloudAdmin, path: str, body: dict[str, Any]) -> dict[str, Any]:
    for tried in range(1, TRIES + 1):
        try:
            return await admin.post(path, body)
        except CloudUnreachable:
            if tried == TRIES:
                raise
            await asyncio.sleep(WAIT_S * tried)
    raise AssertionError("the last try returns or raises")


async def issue(
    portions: AsyncIterator[list[Signed]],
    order: Order,
    size: int,
    outputs: Iterable[Output],
    progress: Progress,
    *,
    by_command: bool = True,
) -> int:
    """Take the coupons and hand each to every output; how many there were. by_command: somebody can run it again."""
    digits = len(str(size - 1))
    count = 0
    # Said before the first number is drawn: of a run that is killed it is all that is left.
    if by_command:
        _say(
            f"order {order.name}: the same command with --order {order.name} gives the very same coupons again"
        )
    try:
        async for portion in portions:
            for index, text in portion:
                coupon = _coupon(order, index, text, digits)
                for output in outputs:
                    output.add(coupon)
                progress.add(1)
                await asyncio.sleep(0)  # who wants to stop it need not wait for the portion
            count += len(portion)
    except BaseException as error:  # Ctrl-C too
        if count or not isinstance(error, CloudError | CloudRefused):
            _say(
                f"broken off after {count} of {order.count} coupons, no file was written. None is lost: "
                f"the same command with --order {order.name} begins with the very same coupons"
            )
        raise
    finally:
        progress.close()
    return count


def _coupon(order: Order, index: int, text: str, digits: int) -> Coupon:
    return Coupon(
        issuer=order.issuer,
        campaign=order.campaign,
        index=index,
        number=f"{order.campaign}-{index:0{digits}d}",
        not_before=order.first.isoformat(),
        expires=order.last.isoformat(),
        store=order.store,
        value_minor=order.value_minor,
        token=text,
    )


async def issue_pictures(admin: CloudAdmin, order: Order, size: int, folder: Path) -> list[Coupon]:
    """Issue from the cloud into a folder of PNG files; the coupons. size: the campaign's."""
    kept: list[Coupon] = []

    class Keep:
        def add(self, coupon: Coupon) -> None:
            kept.append(coupon)

    with pictures(folder, "png") as output:
        progress = Progress(order.count, "issuing")
        await issue(from_cloud(admin, order), order, size, (output, Keep()), progress, by_command=False)
    return kept


class _JsonLines:
    def add(self, coupon: Coupon) -> None:
        said = {"index": coupon.index, "number": coupon.number, "token": coupon.token, "name": coupon.name}
        print(json.dumps(said), flush=False)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of `redeemd issue`; pass what they parse to `run`."""
    command.add_argument("--campaign", required=True, help="campaign file, or with --cloud its number")
    command.add_argument("--issuer", help="needed with a campaign's number")
    command.add_argument(
        "--codes", action="store_true", help="codes to be typed, with --cloud; docs/codes.md"
    )
    command.add_argument("--count", type=at_least_one, default=1, help="default: %(default)s")
    cloud_arguments(command)
    own = command.add_argument_group("without a cloud")
    own.add_argument("--key", type=Path, help="the issuer's private key: redeemd keys new --out FILE")
    own.add_argument("--passphrase-file", type=Path, help="its passphrase; without it you are asked")
    own.add_argument(
        "--ledger", type=Path, help="which indexes were given out; default: campaign file with .db"
    )
    own.add_argument("--new-ledger", action="store_true", help="begin it: no coupon was issued yet")
    own.add_argument("--tills", type=at_least_one, default=1, help="tills there are, to say what can be lost")
    terms = command.add_argument_group("terms")
    terms.add_argument("--from", dest="first", type=day, help="first day; default: the campaign's")
    terms.add_argument("--to", dest="last", type=day, help="last day; default: the campaign's")
    terms.add_argument("--clip", action="store_true", help="leave out the days that are not the campaign's")
    terms.add_argument("--store", type=int, help="number of the only store where they count")
    terms.add_argument("--store-group", type=int, help="number of the only group of stores")
    terms.add_argument(
        "--value-minor", type=at_least_one, help="a value lower than the campaign's, in minor units"
    )
    terms.add_argument("--source", type=int, help="number of the touch point that hands them out")
    terms.add_argument("--order", help="name of an order that was broken off: the same coupons again")
    written = command.add_argument_group("outputs, at least one")
    written.add_argument("--csv", type=Path, metavar="FILE", help="one line a coupon")
    written.add_argument("--png", type=Path, metavar="DIR", help="a QR code a coupon, as pictures")
    written.add_argument("--svg", type=Path, metavar="DIR", help="the same as drawings")
    written.add_argument("--pdf", type=Path, metavar="FILE", help="A4 sheets of 14 coupons to print and cut")
    written.add_argument("--shorten", action="store_true", help="cut texts that do not fit on its cards")
    written.add_argument("--font", type=Path, metavar="FILE", help="TrueType font of the sheets")
    written.add_argument("--json", action="store_true", help="one JSON object a line on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Do what `add_arguments` parsed; the exit code."""
    if not (arguments.csv or arguments.png or arguments.svg or arguments.pdf or arguments.json):
        raise CommandError(
            "say where the coupons go: --csv FILE, --png DIR, --svg DIR, --pdf FILE or --json", EX_USAGE
        )
    if (arguments.cloud is None) == (arguments.key is None):
        raise CommandError("name who signs: --cloud URL with --token-file FILE, or --key FILE", EX_USAGE)
    if arguments.codes and arguments.cloud is None:
        raise CommandError("--codes needs --cloud: what a code means is known to the cloud alone", EX_USAGE)
    if arguments.pdf:
        _check_sheets(arguments.count)
    try:
        work = _with_cloud(arguments) if arguments.cloud else _with_key(arguments)
        count = asyncio.run(interruptible(work))
    except CloudError as error:
        raise CommandError(str(error)) from error
    written = [str(path) for path in (arguments.csv, arguments.png, arguments.svg, arguments.pdf) if path]
    _say(f"{count} coupon{'' if count == 1 else 's'}{' in ' + ', '.join(written) if written else ''}")
    return 0


def _check_sheets(count: int) -> None:
    """Before a number is spent."""
    from agent.commands.sheets import COUPONS_MAX

    if count > COUPONS_MAX:
        sentence = f"one PDF holds {COUPONS_MAX} coupons, {count} were asked for"
        raise CommandError(f"{sentence}: issue fewer at once, or use --csv for a print shop", EX_USAGE)


async def _with_cloud(arguments: argparse.Namespace) -> int:
    if arguments.token_file is None:
        raise CommandError("--cloud needs --token-file FILE, with a token of role issuer", EX_USAGE)
    issuer, number = _identity(arguments)
    async with CloudAdmin(arguments.cloud, read_token(arguments.token_file)) as admin:
        known = await admin.get(f"/v1/admin/campaigns/{issuer}/{number}")
        campaign = campaigns.from_wire(known["campaign"])
        order = _order(arguments, campaign)
        return await _issue_all(
            arguments, from_cloud(admin, order, codes=arguments.codes), order, campaign, known["tills"]
        )


async def _with_key(arguments: argparse.Namespace) -> int:
    file = Path(arguments.campaign)
    campaign = read_campaign(file).campaign
    held = read_key(arguments.key, passphrase_from(arguments.passphrase_file))
    order = _order(arguments, campaign)
    ledger = arguments.ledger or file.with_suffix(".db")
    async with open_ledger(ledger, held, campaign, new=arguments.new_ledger) as store:
        count = await _issue_all(arguments, from_ledger(store, held, order), order, campaign, arguments.tills)
    _say(f"what was given out is remembered in {ledger}: keep it, and never use two copies of it")
    return count


def _identity(arguments: argparse.Namespace) -> tuple[str, int]:
    text = arguments.campaign
    if not text.isascii() or not text.isdigit():
        campaign = read_campaign(Path(text)).campaign
        return campaign.issuer, campaign.number
    if arguments.issuer is None:
        raise CommandError(
            f"--issuer is needed with the number {text[:20]}; or name the campaign's file", EX_USAGE
        )
    return arguments.issuer, int(text)


def _order(arguments: argparse.Namespace, campaign: Campaign) -> Order:
    starts, ends = (date.fromisoformat(day_text(number)) for number in (campaign.starts, campaign.ends))
    first, last = arguments.first or starts, arguments.last or ends
    if arguments.clip and first <= ends and last >= starts:
        first, last = max(first, starts), min(last, ends)
    order = Order(
        campaign.issuer,
        campaign.number,
        arguments.count,
        first,
        last,
        arguments.store,
        arguments.store_group,
        arguments.value_minor,
        arguments.source,
    )
    return replace(order, name=arguments.order) if arguments.order else order


async def _issue_all(
    arguments: argparse.Namespace,
    portions: AsyncIterator[list[Signed]],
    order: Order,
    campaign: Campaign,
    tills: int,
) -> int:
    issuing.check_terms(campaign, order.terms())  # what will be refused promises nothing
    for line in loss_lines(campaign, tills, order.count, order.value_minor):
        _say(line)
    with ExitStack() as stack:
        outputs: list[Output] = []
        if arguments.csv:
            outputs.append(stack.enter_context(csv_file(arguments.csv)))
        folders = ((kind, getattr(arguments, kind)) for kind in ("png", "svg"))
        outputs += [stack.enter_context(pictures(folder, kind)) for kind, folder in folders if folder]
        if arguments.pdf:
            from agent.commands.sheets import sheets

            outputs.append(
                stack.enter_context(
                    sheets(arguments.pdf, campaign, arguments.font, shorten=arguments.shorten)
                )
            )
        if arguments.json:
            outputs.append(_JsonLines())
        return await issue(portions, order, campaign.size, outputs, Progress(order.count, "issuing"))


def _say(line: str) -> None:
    """Beside the output, so that --json stays clean."""
    print(line, file=sys.stderr)
