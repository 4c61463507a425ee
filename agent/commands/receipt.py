"""`redeemd receipt ...`: what a template makes of a receipt, before any customer sees it.

`show` prints one of our own templates, to begin from; `image` makes an image that templates can name; `check` says what
is wrong with files; `preview` sets a template with sample facts as text, as a picture dot for dot, or as HTML. No till,
printer or bundle is needed. `publish` and `rules` give templates and rules to the cloud.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.commands import receipt_cloud, receipt_image, receipt_printer
from agent.commands.arguments import at_least_one
from agent.commands.errors import EX_CONFIG, EX_DATAERR, CommandError
from agent.commands.receipt_cloud import images_beside, is_image, read_image_file, read_template_file
from agent.domain.receipt_template import LANGUAGES, PAPERS

if TYPE_CHECKING:
    from agent.receipts.model import Receipt
    from agent.receipts.profile import PrinterProfile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `redeemd receipt`; pass what they parse to `run`."""
    actions = parser.add_subparsers(dest="receipt_action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text)

    def kind(action: argparse.ArgumentParser) -> None:
        action.add_argument(
            "paper", nargs="?", choices=PAPERS, default=PAPERS[0], help="default: %(default)s"
        )
        action.add_argument("--language", choices=LANGUAGES, default="zh", help="default: %(default)s")

    kind(add("show", "Print one of our own templates, to copy and change."))
    receipt_image.add_arguments(
        add("image", "Make an image of a PNG file as printers print it, to name in a template.")
    )
    checking = add("check", "Say what is wrong with templates and images, forbidden promises included.")
    checking.add_argument("files", nargs="+", type=Path, metavar="FILE")
    receipt_printer.add_arguments(checking, "each")
    preview = add("preview", "Set a template with sample facts.")
    kind(preview)
    preview.add_argument("--template", type=Path, metavar="FILE", help="without it, our own for PAPER")
    preview.add_argument(
        "--without", nargs="*", default=[], metavar="FACT", help="facts that are not known here"
    )
    preview.add_argument("--copy", type=at_least_one, default=0, metavar="N", help="as the n-th copy")
    receipt_printer.add_arguments(preview, "the first")
    receipt_cloud.add_arguments(actions)
    how = preview.add_mutually_exclusive_group()
    how.add_argument("--text", action="store_true", help="as plain text (the default)")
    how.add_argument("--png", type=Path, metavar="FILE", help="into FILE, dot for dot as the printer sets it")
    how.add_argument("--html", type=Path, metavar="FILE", help="into FILE, as the cashier page shows it")


def run(arguments: argparse.Namespace) -> int:
    from agent.receipts.book import built_in_text

    match arguments.receipt_action:
        case "show":
            sys.stdout.write(built_in_text(arguments.paper, arguments.language))
            return 0
        case "check":
            return _check(arguments)
        case "image":
            return receipt_image.run(arguments)
        case "publish":
            return receipt_cloud.publish(arguments)
        case "rules":
            return receipt_cloud.rules(arguments)
        case _:
            return _preview(arguments)


def _check(arguments: argparse.Namespace) -> int:
    profiles = [] if all(map(is_image, arguments.files)) else receipt_printer.chosen_profiles(arguments)
    wrong = 0
    for path in arguments.files:
        try:
            said = receipt_image.said(read_image_file(path)) if is_image(path) else _tried(path, profiles)
            print(f"{path}: good, {said}")
        except CommandError as error:
            print(error)
            wrong += 1
    return EX_DATAERR if wrong else 0


def _tried(path: Path, profiles: list[PrinterProfile]) -> str:
    """What the template is. CommandError with a line for each thing that would be printed otherwise than written."""
    from agent.receipts.advice import advice

    template, _ = read_template_file(path)
    images = images_beside(path, template)
    found = {said: None for profile in profiles for said in advice(template, profile, images)}
    if found:
        raise CommandError("\n".join(f"{path}: {said}" for said in found), EX_DATAERR)
    missing = sorted(set(template.images) - images.keys())
    beside = f"; not beside it: {', '.join(missing)}" if missing else ""
    return f"a template for {template.paper} {template.language or 'in both languages'}{beside}"


def _preview(arguments: argparse.Namespace) -> int:
    from agent.receipts.html import render_html
    from agent.receipts.plain import render_text

    profile, *_ = receipt_printer.chosen_profiles(arguments)
    document = _document(arguments, profile)
    if arguments.png is not None:
        _write(arguments.png, _png(document, profile))
    elif arguments.html is not None:
        _write(arguments.html, _page(render_html(document)).encode())
    else:
        sys.stdout.write(render_text(document, profile.columns, profile.encoding, profile.drawn))
    return 0


def _document(arguments: argparse.Namespace, profile: PrinterProfile) -> Receipt:
    """What would be kept with a job whose facts are the samples. What prints otherwise than it is written is said."""
    from agent.domain.receipt_facts import FACTS
    from agent.receipts.advice import advice
    from agent.receipts.book import built_in
    from agent.receipts.model import Cut, Receipt
    from agent.receipts.redemption import Means, filled, marked_copy
    from agent.receipts.samples import SAMPLES

    if unknown := set(arguments.without) - FACTS.keys():
        raise CommandError(f"{min(unknown)!r} is no fact; there are {', '.join(FACTS)}", EX_CONFIG)
    template, images = built_in(arguments.paper, arguments.language), {}
    if arguments.template is not None:
        template, _ = read_template_file(arguments.template)
        images = images_beside(arguments.template, template)
    language: Literal["zh", "en"] = "en" if (template.language or arguments.language) == "en" else "zh"
    facts = {**SAMPLES[language], **dict.fromkeys(arguments.without, "")}
    for said in advice(template, profile, images, facts, whole=True):
        print(said, file=sys.stderr)
    means = Means(profile.dots, images)
    document = Receipt((*filled(template, facts, means), Cut()), language=language)
    return marked_copy(document, arguments.copy) if arguments.copy > 0 else document


def _png(document: Receipt, profile: PrinterProfile) -> bytes:
    from agent.receipts.charset import python_codec
    from agent.receipts.escpos import render_escpos
    from drivers.escpos_reader import read_receipt

    try:
        from drivers.receipt_image import draw_png
    except ImportError as error:
        raise CommandError(f"{error.name} is not installed: pip install redeemd[demo]") from error
    codec = python_codec(profile.encoding) if profile.code_page is None else "gb18030"
    job = render_escpos(document, profile)
    return draw_png(read_receipt(job, profile.dots, codec, column_dots=profile.column_dots), side_dots=16)


def _page(fragment: str) -> str:
    from importlib.resources import files

    style = files("agent").joinpath("web", "style.css").read_text("utf-8")
    return (
        f'<!doctype html><meta charset="utf-8"><title>redeemd receipt preview</title><style>{style}\n'
        "html, body { height: auto; overflow: auto; } body { padding: 20px; }</style>"
        f'<div id="receipt-text">{fragment}</div>'
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    print(f"{path}: written")
