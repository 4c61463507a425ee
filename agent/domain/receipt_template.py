"""Receipt templates: what stands on a paper and in which order, written by store IT or head office.

    receipt 1 redemption zh         form, paper, language ("" for both)
    text center bold x2: {store}
    columns: 核销编号 | {number}
    if offline
      text center: 离线核销，联网后自动登记
    end
    qr: {promo_code}
    image logo.png: {store}         words stand where it cannot be printed

A line is one statement. Facts stand in braces; `{{`, `}}` and `||` are the signs themselves. A line all of whose facts
are empty is left out. There are no expressions, no loops and no calls, so a template that was read cannot fail, run
long or print without end: what a fact is called and how long it may be is known here, and is checked once, before any
receipt is printed. `template_reader` reads it, docs/printers.md is the published form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

TEXT_CHARS_MAX = 512
QR_CHARS_MAX = (
    512  # at most QR version 18 at level M: fits 58 mm paper at 3 dots a module, quiet zone included
)
FEED_LINES_MAX = 10
SIZE_MAX = 4
MODULE_DOTS_MIN, MODULE_DOTS_MAX = 3, 8

PAPERS = ("redemption", "pickup", "exchange", "conflict")
"""The receipt, the slip that goes with goods that were ordered elsewhere, the slip the store is paid back by, the slip
that says that a coupon was redeemed at another till too."""
LANGUAGES = ("zh", "en")


Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Words:
    """Text with facts in it. parts: texts at even places, names of facts at odd ones. line: of the file, from 1."""

    parts: tuple[str, ...]
    line: int = field(default=0, compare=False)

    @property
    def facts(self) -> tuple[str, ...]:
        return self.parts[1::2]

    def fill(self, facts: Mapping[str, str]) -> str:
        """The text with each fact in its place."""
        return "".join(facts[part] if place % 2 else part for place, part in enumerate(self.parts))


@dataclass(frozen=True, slots=True)
class Text:
    words: Words
    align: Align = "left"
    bold: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Columns:
    left: Words
    right: Words
    bold: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the paper."""


@dataclass(frozen=True, slots=True)
class Feed:
    lines: int


@dataclass(frozen=True, slots=True)
class Qr:
    words: Words
    module_dots: int = 6


@dataclass(frozen=True, slots=True)
class Barcode:
    """kind: one of barcode.KINDS."""

    words: Words
    kind: str
    module_dots: int = 3


@dataclass(frozen=True, slots=True)
class Image:
    """name: of its file. words: what is printed where it cannot be."""

    words: Words
    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """`then` where the fact is known (or, negated, is not), else `otherwise`."""

    fact: str
    negated: bool
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


Statement = Text | Columns | Rule | Feed | Qr | Barcode | Image | Choice


@dataclass(frozen=True, slots=True)
class Template:
    """paper: one of PAPERS. language: one of LANGUAGES, "" for both."""

    paper: str
    language: str
    statements: tuple[Statement, ...]

    def lines(self, facts: Mapping[str, str]) -> Iterator[Statement]:
        """The statements that are printed for these facts (`bounded`), no choice among them."""
        return _chosen(self.statements, facts)

    def all(self) -> Iterator[Statement]:
        """Every statement, choices and what stands in them."""
        return _all(self.statements)

    @property
    def images(self) -> tuple[str, ...]:
        """The names of its images."""
        return tuple(one.name for one in self.all() if isinstance(one, Image))


def _chosen(statements: tuple[Statement, ...], facts: Mapping[str, str]) -> Iterator[Statement]:
    for statement in statements:
        if isinstance(statement, Choice):
            taken = bool(facts[statement.fact]) is not statement.negated
            yield from _chosen(statement.then if taken else statement.otherwise, facts)
        elif not (named := facts_of(statement)) or any(facts[name] for name in named):
            yield statement


def facts_of(statement: Statement) -> tuple[str, ...]:
    """The facts that stand in a line; without any of them known it has nothing to say."""
    match statement:
        case Text(words) | Qr(words) | Barcode(words) | Image(words):
            return words.facts
        case Columns(left, right):
            return left.facts + right.facts
        case _:
            return ()


def _all(statements: tuple[Statement, ...]) -> Iterator[Statement]:
    for statement in statements:
        yield statement
        if isinstance(statement, Choice):
            yield from _all(statement.then + statement.otherwise)
