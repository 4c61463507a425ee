"""What head office says of receipts, from files to the cloud: templates with their images, and rules as TOML."""

from __future__ import annotations

import argparse
import asyncio
import base64
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin, read_token
from agent.commands.arguments import at_least_one, cloud_arguments
from agent.commands.errors import EX_DATAERR, EX_USAGE, CommandError
from agent.commands.files import read_named
from agent.domain import image
from agent.domain.fields import FieldError
from agent.domain.receipt_rules import ReceiptRules, check_words, read_rules, to_wire
from agent.domain.receipt_template import Template
from agent.domain.template_reader import TEMPLATE_CHARS_MAX, TemplateError, read_template
from agent.domain.time import EPOCH_DAY, day_text
from agent.receipts.book import IMAGE_SUFFIX

RULES_BYTES_MAX = 256 * 1024


def add_arguments(actions: Any) -> None:
    """Add `publish` and `rules` to the actions of `redeemd receipt`."""

    def add(name: str, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
        return parser

    publish = add(
        "publish", "Give templates and images to the cloud, and by it to tills, in place of those before."
    )
    publish.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="none: tills print by ours again"
    )
    publish.add_argument("--version", type=at_least_one, default=1, help="told with them; default: 1")
    rules = add("rules", "Say which promotions, slips and links receipts carry, by a TOML file.")
    rules.add_argument("file", type=Path, metavar="FILE")
    rules.add_argument("--check", action="store_true", help="only say what is wrong with the file")
    for parser in (publish, rules):
        parser.add_argument("--store", default="", help="for this store alone, before what is for all")
        cloud_arguments(parser)


def read_template_file(path: Path) -> tuple[Template, bytes]:
    """A template and its bytes. CommandError names the file and the line."""
    content = read_named(path, 4 * TEMPLATE_CHARS_MAX, "a template is shorter")
    try:
        return read_template(content.decode()), content
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 text", EX_DATAERR) from error
    except TemplateError as error:
        raise CommandError(f"{path}: {error}", EX_DATAERR) from error


def read_image_file(path: Path) -> bytes:
    """An image that templates can name. CommandError names the file."""
    content = read_named(path, image.BYTES_MAX, "`redeemd receipt image` shrinks it")
    try:
        image.check_image(path.name, content)
    except image.ImageError as error:
        raise CommandError(f"{path}: {error}", EX_DATAERR) from error
    return content


def is_image(path: Path) -> bool:
    """By its name alone; one in capitals is an image whose name no template can say."""
    return path.suffix.lower() == IMAGE_SUFFIX


def images_beside(path: Path, template: Template) -> dict[str, bytes]:
    """Those of the images that it names which stand in its folder."""
    beside = [path.parent / name for name in template.images]
    return {one.name: read_image_file(one) for one in beside if one.exists()}


def publish(arguments: argparse.Namespace) -> int:
    items, named = [], set()
    for path in arguments.files:
        if is_image(path):
            name, content = path.name, read_image_file(path)
        else:
            template, content = read_template_file(path)
            name = path.stem[:32]
            named |= set(template.images)
        encoded = base64.b64encode(content).decode()
        items.append({"name": name, "version": arguments.version, "content": encoded})
    for missing in sorted(named - {item["name"] for item in items}):
        print(f"{missing} is not among the files: tills print their store's own, or its words")
    said = _post(arguments, "/v1/admin/templates", {"templates": items})
    print(f"templates published: {said['count']}; tills have them with their next bundle")
    return 0


def rules(arguments: argparse.Namespace) -> int:
    found = read_rules_file(arguments.file)
    for line in _lines(found):
        print(line)
    if arguments.check:
        return 0
    _post(arguments, "/v1/admin/receipt-rules", {"rules": to_wire(found)})
    print("published: tills have them with their next bundle")
    return 0


def read_rules_file(path: Path) -> ReceiptRules:
    """The rules in a TOML file, whose days are dates. CommandError names the field."""
    try:
        table = tomllib.loads(read_named(path, RULES_BYTES_MAX).decode())
        _check_days(table)
        rules = read_rules(_with_days(table))
        check_words(rules)
        return rules
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, FieldError, RecursionError) as error:
        raise CommandError(f"{path}: {error}", EX_DATAERR) from error


def _check_days(table: dict[str, Any]) -> None:
    """FieldError for a day in quotation marks, which is no date in TOML."""
    promos = table.get("promos")
    for place, rule in enumerate(promos if isinstance(promos, list) else (), 1):
        for name in ("starts", "ends"):
            if isinstance(rule, dict) and isinstance(rule.get(name), str):
                raise FieldError(
                    f"promos: number {place}: {name} is a text: a date is written 2026-12-31, not quoted"
                )


def _with_days(value: Any) -> Any:
    """Dates as day numbers, at any depth."""
    if isinstance(value, dict):
        return {name: _with_days(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_days(one) for one in value]
    if isinstance(value, date) and not isinstance(value, datetime):
        return (value - EPOCH_DAY).days
    return value


def _lines(found: ReceiptRules) -> list[str]:
    lines = []
    for rule in found.promos:
        lines.append(f"{rule.name}: {day_text(rule.starts)} to {day_text(rule.ends)}, by {rule.unit.value}")
        lines += [
            f"  {arm.name}  {arm.share / 100:g} %  "
            + ("nothing (held out)" if arm.campaign is None else f"{arm.campaign[0]} {arm.campaign[1]}")
            for arm in rule.arms
        ]
    lines += [f"slip {slip.paper} after {slip.benefit}" for slip in found.slips]
    links = (("join", found.join), ("referral", found.referral))
    return lines + [f"{name}: {link.url}" for name, link in links if link is not None]


def _post(arguments: argparse.Namespace, path: str, body: dict[str, Any]) -> dict[str, Any]:
    if arguments.cloud is None or arguments.token_file is None:
        raise CommandError("say which cloud: --cloud URL --token-file FILE", EX_USAGE)
    store = {"store": arguments.store} if arguments.store else {}

    async def work() -> dict[str, Any]:
        async with CloudAdmin(arguments.cloud, read_token(arguments.token_file)) as admin:
            return await admin.post(path, body | store)

    return asyncio.run(work())
