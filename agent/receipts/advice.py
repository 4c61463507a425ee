"""What a printer would print otherwise than a template says it, for whoever writes the template."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from agent.domain import barcode
from agent.domain.receipt_template import (
    Barcode,
    Choice,
    Columns,
    Feed,
    Image,
    Qr,
    Rule,
    Statement,
    Template,
    Text,
)
from agent.receipts.charset import lost
from agent.receipts.profile import PrinterProfile
from agent.receipts.redemption import Means, image_fault


def advice(template: Template, profile: PrinterProfile, images: Mapping[str, bytes]) -> Iterator[str]:
    """A sentence for each thing. Of what is written in the template alone: facts are another matter each time. images:
    those of the template's folder; another one may come with the bundle."""
    yield from lost_characters(template, profile)
    for statement in template.all():
        if isinstance(statement, Barcode) and not statement.words.facts:
            try:
                barcode.check(statement.kind, statement.words.fill({}), profile.dots)
            except barcode.BarcodeError as error:
                yield f"a barcode is printed as text: {error}"
    means = Means(profile.dots, images)
    yield from filter(None, (image_fault(name, means) for name in template.images if name in images))


def lost_characters(template: Template, profile: PrinterProfile) -> Iterator[str]:
    """A sentence for each character that cannot be printed."""
    text = "".join(part for statement in template.all() for part in _text(statement))
    for character in lost(text, profile.encoding, profile.drawn):
        name = unicodedata.name(character, "no name")
        yield (
            f"{character} (U+{ord(character):04X}, {name}) cannot be printed: neither the printer's character set "
            f"({profile.encoding}) nor a font of this machine has it"
        )


def _text(statement: Statement) -> tuple[str, ...]:
    """What is printed as letters, without its facts."""
    match statement:
        case Text(words) | Qr(words) | Barcode(words) | Image(words):
            return words.parts[::2]
        case Columns(left, right):
            return left.parts[::2] + right.parts[::2]
        case Rule() | Feed() | Choice():
            return ()
