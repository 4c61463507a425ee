"""The facts of a redemption, and the papers that templates make of them: the receipt and, by rule, slips.

Facts are kept, not the papers: a verdict waits for what is stored, and papers are laid out when they are printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from agent.domain import barcode, receipt_template
from agent.domain.image import read_image
from agent.domain.receipt_facts import FACTS, bounded
from agent.domain.receipt_template import LANGUAGES, PAPERS, Template
from agent.receipts.model import (
    Align,
    Barcode,
    Columns,
    Cut,
    Element,
    Feed,
    Image,
    Qr,
    Receipt,
    ReceiptError,
    Rule,
    Text,
)
from agent.receipts.money import format_money

Language = Literal["zh", "en"]
Pick = Callable[[str, str], Template]
"""(paper, language) -> the template to print it by."""
Tell = Callable[[tuple[str, str], str], None]
"""Hears what is printed as text (the paper, and the kind of a barcode or the name of an image), and why, as a
sentence."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a template is laid out with. dots: printable width of the narrowest printer. images: PNG by name, each as
    `read_image` takes it."""

    dots: int = barcode.PAPER_DOTS_MIN
    images: Mapping[str, bytes] = field(default_factory=dict)
    tell: Tell = lambda _where, _why: None


NO_MEANS = Means()


class RedemptionFacts(Struct, frozen=True):
    """Plain values only; no personal data. Amounts are in minor units of `currency`, None where not known.

    printed_at: the store's local time as it shall be read. redemption_number: till and sequence, as store staff quote
    it. benefit_text: the offer in a few words (满100减30). paid_minor: what points (points_spent of them) or stored
    value (0) pay, which is no discount. others_minor: what the sale's other coupons take off. left_minor: on a stored
    value afterwards, by what this till knows. promo_token: text of the QR code, None for no promotion; promo_short:
    what can be typed instead. papers: what is printed, one after the other. join_link, referral_link: of a QR code
    each, "" for none; their words stand above it. conflict: what the cloud says of a coupon redeemed twice.
    """

    language: Language
    store_name: str
    till: str
    printed_at: str
    redemption_number: str
    campaign_title: str
    benefit_text: str
    currency: str
    sale_total_minor: int | None = None
    discount_minor: int | None = None
    paid_minor: int | None = None
    points_spent: int = 0
    points_earned: int = 0
    others_minor: int = 0
    payable_minor: int | None = None
    left_minor: int | None = None
    offline: bool = False
    promo_token: str | None = None
    promo_title: str = ""
    promo_conditions: str = ""
    promo_short: str = ""
    papers: tuple[str, ...] = ("redemption",)
    join_link: str = ""
    join_words: str = ""
    referral_link: str = ""
    referral_words: str = ""
    conflict: str = ""


def values(facts: RedemptionFacts) -> Mapping[str, str]:
    """The facts by the names that templates know, as they are read. ReceiptError for a currency that is none."""

    def money(amount_minor: int | None) -> str:
        return "" if amount_minor is None else format_money(amount_minor, facts.currency)

    discount, paid, left, points = (
        facts.discount_minor,
        facts.paid_minor,
        facts.left_minor,
        facts.points_spent,
    )
    off = "" if facts.sale_total_minor is None else money(-(paid or discount or 0) or None)  # no line of zero
    found = {
        "store": facts.store_name,
        "till": facts.till,
        "time": facts.printed_at,
        "number": facts.redemption_number,
        "number_code": facts.redemption_number,
        "campaign": facts.campaign_title,
        "benefit": facts.benefit_text,
        "total": money(facts.sale_total_minor),
        "discount": "" if paid else off,
        "paid": off if paid and not points else "",
        "points": f"{points:,}" if points else "",
        "points_earned": f"{facts.points_earned:,}" if facts.points_earned else "",
        "points_paid": off if paid and points else "",
        "others": money(-facts.others_minor or None),
        "payable": money(facts.payable_minor),
        "balance": money(None if left is None else left + (paid or 0)),
        "left": money(left),
        "saved": money(discount or None),
        "offline": "1" if facts.offline else "",
        "promo_code": facts.promo_token or "",
        "promo_short": facts.promo_short if facts.promo_token else "",
        "promo_title": facts.promo_title if facts.promo_token else "",
        "promo_conditions": facts.promo_conditions if facts.promo_token else "",
        "join_link": facts.join_link,
        "join_words": facts.join_words,
        "referral_link": facts.referral_link,
        "referral_words": facts.referral_words,
        "conflict": facts.conflict,
    }
    assert found.keys() == FACTS.keys(), "every fact has its value"
    return found


def papers(facts: RedemptionFacts, pick: Pick, means: Means = NO_MEANS) -> Receipt:
    """All papers of a redemption, each ended by a cut. Pure; the same facts, templates and means give the same receipt.

    ReceiptError for facts that cannot be printed.
    """
    known = values(facts)
    if facts.language not in LANGUAGES:
        raise ReceiptError(f"receipt language is {facts.language!r}; it must be zh or en")
    elements: list[Element] = []
    for paper in facts.papers:
        if paper not in PAPERS:
            raise ReceiptError(f"no paper is named {paper!r}")
        elements += filled(pick(paper, facts.language), known, means)
        elements.append(Cut())
    return Receipt(tuple(elements), language=facts.language)


def filled(template: Template, known: Mapping[str, str], means: Means = NO_MEANS) -> Iterator[Element]:
    """What a template prints for these facts. A barcode or an image that cannot be on the narrowest paper is printed as
    text, and `tell` hears why."""
    known = bounded(known)
    for line in template.lines(known):
        match line:
            case receipt_template.Text(words, align, bold, size):
                yield Text(words.fill(known), Align(align), bold, size)
            case receipt_template.Columns(left, right, bold, size):
                yield Columns(left.fill(known), right.fill(known), bold, size)
            case receipt_template.Qr(words, module_dots):
                yield Qr(words.fill(known), module_dots=module_dots)
            case receipt_template.Barcode(words, kind, module_dots):
                data = words.fill(known)
                try:
                    barcode.check(kind, data, means.dots)
                except barcode.BarcodeError as error:
                    said = f"{template.paper}: a barcode is printed as text: {error}"
                    means.tell((template.paper, kind), said)
                    yield Text(data, Align.CENTER)
                else:
                    yield Barcode(data, kind, module_dots)
            case receipt_template.Image(words, name):
                if fault := image_fault(name, means):
                    means.tell((template.paper, name), f"{template.paper}: {fault}")
                    yield Text(words.fill(known), Align.CENTER)
                else:
                    yield Image(means.images[name], words.fill(known))
            case receipt_template.Feed(lines):
                yield Feed(lines)
            case receipt_template.Rule():
                yield Rule()
            case receipt_template.Choice():
                raise AssertionError("choices are made by the template")


def image_fault(name: str, means: Means) -> str:
    """Why an image is printed as its words; empty where it is printed."""
    if (png := means.images.get(name)) is None:
        return f"words are printed for image {name}: there is none of this name"
    if (wide := read_image(png).paper_dots) > means.dots:
        return f"words are printed for image {name}: it is {wide} dots wide, the paper {means.dots}"
    return ""


_COPY = {"zh": "重打 第{n}次", "en": "COPY {n}"}


def marked_copy(receipt: Receipt, copy_number: int) -> Receipt:
    """The same papers marked as their n-th copy, each on both ends: a copy torn in two is still known as one."""
    if copy_number < 1:
        raise ReceiptError(f"copy_number is {copy_number}; it must be 1 or more")
    text = _COPY[receipt.language].format(n=copy_number)
    mark = Text(f"*** {text} ***", Align.CENTER, bold=True, size=2)
    elements: list[Element] = []
    for paper in _parted(receipt.elements):
        end = -1 if paper and isinstance(paper[-1], Cut) else len(paper)
        elements += [mark, *paper[:end], mark, *paper[end:]]
    return replace(receipt, elements=tuple(elements))


def _parted(elements: Sequence[Element]) -> Iterator[Sequence[Element]]:
    """The papers: what lies between cuts, each with its own; one without a cut at the end too."""
    begin = 0
    for place, element in enumerate(elements, 1):
        if isinstance(element, Cut):
            yield elements[begin:place]
            begin = place
    if begin < len(elements) or not elements:
        yield elements[begin:]
