"""What a printer would print otherwise than a template says it, for whoever writes the template."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

from agent.domain import barcode
from agent.domain.receipt_facts import bounded
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
    Words,
)
from agent.receipts.charset import lost
from agent.receipts.profile import PrinterProfile
from agent.receipts.redemption import Means, image_fault
from agent.receipts.samples import SAMPLES


def advice(
    template: Template,
    profile: PrinterProfile,
    images: Mapping[str, bytes],
    facts: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
) -> Iterator[str]:
    """A sentence with its line for each thing that is printed otherwise whatever stands in the facts, or with facts
    like these (the samples where none are given). images: those of the template's folder; another one may come with
    the bundle, and is told only where these are the whole of them."""
    known = bounded(facts or SAMPLES[template.language or "zh"])
    means = Means(profile.dots, images)
    told: set[str] = set()
    for statement in template.all():
        for words in _words(statement):
            for sentence in _lost(words, profile, told):
                yield f"line {words.line}: {sentence}"
        match statement:
            case Qr(words) if not profile.native_qr and not profile.draws:
                yield f"line {words.line}: a QR code is not printed: this printer draws none; its text is, where short"
            case Barcode(words, _) if not profile.native_barcode and not profile.draws:
                yield f"line {words.line}: a barcode is printed as text: the printer draws nothing"
            case Barcode(words, kind) if not words.facts or any(known[name] for name in words.facts):
                try:
                    barcode.check(kind, words.fill(known), profile.dots)
                except barcode.BarcodeError as error:
                    yield f"line {words.line}: a barcode is printed as text: {error}"
            case Image(words, name) if (whole or name in images) and (fault := image_fault(name, means)):
                yield f"line {words.line}: {fault}"


def _lost(words: Words, profile: PrinterProfile, told: set[str]) -> Iterator[str]:
    """A sentence for each character that cannot be printed and was not told before; its facts aside."""
    for character in lost("".join(words.parts[::2]), profile.encoding, profile.drawn):
        if character not in told:
            told.add(character)
            name = unicodedata.name(character, "no name")
            yield (
                f"{character} (U+{ord(character):04X}, {name}) cannot be printed: neither the printer's character set "
                f"({profile.encoding}) nor a font of this machine has it"
            )


def _words(statement: Statement) -> tuple[Words, ...]:
    match statement:
        case Text(words) | Qr(words) | Barcode(words) | Image(words):
            return (words,)
        case Columns(left, right):
            return left, right
        case Rule() | Feed() | Choice():
            return ()
