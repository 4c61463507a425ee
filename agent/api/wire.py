"""The bodies that the API reads, typed and bounded. Unknown fields are refused: a misspelt one must not be ignored."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from agent.api.errors import ApiError
from agent.domain.eligibility import ABSENT_DAYS_MAX, LEVEL_MAX, VISITS_MAX
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.record import SEQUENCE_MAX
from agent.domain.sale import LINES_MAX, PIECES_MAX, Line, Sale
from agent.domain.shop import BADGE_CHARS_MAX
from agent.members import Told
from drivers.ports import MAX_SCAN_CHARS
from sync import strict_json
from sync.errors import WireError

BODY_BYTES_MAX = 256 * 1024
BODY_WAIT_S = 5.0
"""How long a body may take: callers are on this machine."""
DEPTH_MAX = 8
NAME_CHARS_MAX = 64
TENDERS_MAX = 10
TOUCHES_MAX = 16
# No control characters: names reach receipts, and a printer obeys those. Nor what turns the direction of a text or ends
# its line: a name must not look like another one. The joiners of Persian and of emoji (200C, 200D) stay.
NAME_PATTERN = (
    r"\A[^\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e0fff]*\Z"
)

_DECODE = msgspec.json.Decoder().decode

Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=NAME_PATTERN)]
Word = Annotated[str, Meta(max_length=NAME_CHARS_MAX, pattern=NAME_PATTERN)]
Touch = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._:/-]{1,64}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_SCAN_CHARS)]


class LineBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """sku: The merchant's article number.
    quantity: Whole pieces; below 0 for a return.
    category: As offers name it.
    brand: As offers name it.
    tax_class: Discounts are spread over each class by itself.
    line: The POS's name of the line, unique in the sale; absent or empty: its place, 1 first.
    """

    sku: Name
    quantity: Annotated[int, Meta(ge=-PIECES_MAX, le=PIECES_MAX)]
    unit_price_minor: Amount
    category: Word = ""
    brand: Word = ""
    tax_class: Word = ""
    line: Word = ""


class SaleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """total_minor: What the customer owes before coupons.
    sale_id: The POS's number of the sale. Made up where it is missing.
    currency: ISO 4217; the store's where it is missing.
    channel: The kind of sale as offers name it, such as counter.
    tenders: How it is paid, as offers name it, such as cash; absent while that is not known.
    out_of_stock: Articles that cannot be handed over.
    assistant: The badge of whoever serves, a pseudonym: earns where the offer says so.
    touches: What brought the customer here, the first one first: names of posters, links, messages; of no person.
    """

    total_minor: Amount
    sale_id: Name | None = None
    currency: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")] | None = None
    lines: Annotated[tuple[LineBody, ...], Meta(max_length=LINES_MAX)] = ()
    channel: Word = ""
    tenders: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=TENDERS_MAX)] | None = None
    out_of_stock: Annotated[tuple[Name, ...], Meta(max_length=LINES_MAX)] = ()
    assistant: Word = ""
    touches: Annotated[tuple[Touch, ...], Meta(max_length=TOUCHES_MAX)] = ()


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """text: What was scanned or typed, as it is. Any characters; a text that is no coupon is a verdict."""

    text: Text


class MemberBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either a pseudonym or a card. What else is said counts where the till's bundle does not list the member.

    pseudonym: 8 to 16 bytes in hex, as coupons name their holder; never a number of a person.
    card: The text of a member card, as scanned.
    visits: Sales before this one.
    absent_days: Since the last of them.
    points: What may be spent.
    consent: The member agreed to records of purchases; without it none names the member. False counts always.
    """

    pseudonym: Annotated[str, Meta(pattern=r"\A([0-9a-f]{2}){8,16}\Z")] | None = None
    card: Text | None = None
    level: Annotated[int, Meta(ge=0, le=LEVEL_MAX)] = 0
    visits: Annotated[int, Meta(ge=0, le=VISITS_MAX)] = 0
    absent_days: Annotated[int, Meta(ge=0, le=ABSENT_DAYS_MAX)] | None = None
    points: Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)] = 0
    consent: bool | None = None


class CurrentSaleBody(SaleBody, frozen=True, forbid_unknown_fields=True):
    """The sale of a shop without a POS, with whose it is."""

    member: MemberBody | None = None


BadgeText = Annotated[str, Meta(max_length=BADGE_CHARS_MAX)]


class RedeemBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """text: What was scanned or typed, as it is. Any characters; a text that is no coupon is a verdict.
    sale: Without it, rules on the sale are not checked and `discount_minor` may be null.
    supervisor: The text of a supervisor's badge, where the answer was `supervisor_needed`; with a new key.
    """

    text: Text
    sale: SaleBody | None = None
    member: MemberBody | None = None
    supervisor: BadgeText = ""


class RetryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """lane: Left out or null for both.
    sequence: Of one record; needs its lane.
    """

    lane: Literal["redemption", "evidence"] | None = None
    sequence: Annotated[int, Meta(ge=1, le=SEQUENCE_MAX)] | None = None


T = TypeVar("T")


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON body as `kind`; ApiError bad_body names the field, body_timeout a body that does not come."""
    if request.content.is_eof():  # it came with its head: nothing is waited for
        raw = request.content.read_nowait()
    else:
        try:
            async with asyncio.timeout(BODY_WAIT_S):
                raw = await request.read()
        except TimeoutError:
            raise ApiError("body_timeout") from None
    return body_of(raw, kind)


def body_of(raw: bytes, kind: type[T]) -> T:
    """A JSON body as `kind`; ApiError bad_body names the field."""
    try:
        return msgspec.convert(_json_of(raw), type=kind)
    except WireError as error:
        raise ApiError("bad_body", error.sentence) from None
    except msgspec.ValidationError as error:
        raise ApiError("bad_body", str(error)) from None


def _json_of(raw: bytes) -> Any:
    """What `strict_json` makes of it, in a quarter of its time where nothing can be said against it; WireError.

    msgspec keeps the last of two equal names and says nothing. But each name that was written has its colon: without
    escapes, and with as many colons written as there are in what was read, no name was written twice. Numbers and
    depth are the business of the type that it becomes.
    """
    if len(raw) <= BODY_BYTES_MAX and b"\\" not in raw:
        try:
            value = _DECODE(raw)
            if _colons(value) == raw.count(b":"):
                return value
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # what is wrong with it is said below
    return strict_json.loads(raw, max_bytes=BODY_BYTES_MAX, max_depth=DEPTH_MAX)


def _colons(value: Any) -> int:
    """How many are written in a JSON text of `value` that has no escapes."""
    if type(value) is str:
        return value.count(":")
    if type(value) is dict:
        return sum([1 + name.count(":") + _colons(one) for name, one in value.items()])
    return sum(map(_colons, value)) if type(value) is list else 0


_COUNT = re.compile(r"[1-9][0-9]?")


def read_limit(request: web.Request, most: int, default: int) -> int:
    """The query's `limit` for a list, 1 to `most` (at most 99); ApiError bad_request."""
    said = request.query.get("limit", str(default))
    if not _COUNT.fullmatch(said) or int(said) > most:
        raise ApiError("bad_request", f"limit is a number from 1 to {most}")
    return int(said)


_JSON = {"Content-Type": "application/json; charset=utf-8"}


def answer(value: Any) -> web.Response:
    """200 with `value` as JSON in UTF-8. msgspec writes it in 1 µs where json.dumps takes 8."""
    return web.Response(body=msgspec.json.encode(value), headers=_JSON)


def sale_of(body: SaleBody | None, currency: str, sale_id: str) -> Sale | None:
    """The domain's sale; ApiError bad_body. currency: the store's, where the caller names none; sale_id likewise."""
    return None if body is None else known_sale(body, currency, sale_id)


def told_of(body: MemberBody | None) -> Told | None:
    """ApiError bad_body where it names nobody, or twice."""
    if body is None:
        return None
    if (body.pseudonym is None) == (body.card is None):
        raise ApiError("bad_body", "member names either a pseudonym or a card")
    pseudonym, card = bytes.fromhex(body.pseudonym or ""), body.card or ""
    return Told(pseudonym, card, body.level, body.visits, body.absent_days, body.points, body.consent)


def lines_of(lines: tuple[LineBody, ...]) -> tuple[Line, ...]:
    """The domain's lines; ApiError bad_body."""
    try:
        return tuple(
            Line(
                one.sku, one.quantity, one.unit_price_minor, one.category, one.brand, one.tax_class, one.line
            )
            for one in lines
        )
    except ValueError as error:
        raise ApiError("bad_body", f"lines: {error}") from None


def known_sale(body: SaleBody, currency: str, sale_id: str) -> Sale:
    """`sale_of` for a body that is there."""
    lines = lines_of(body.lines)
    tenders = None if body.tenders is None else frozenset(body.tenders)
    try:
        return Sale(
            body.sale_id or sale_id,
            body.currency or currency,
            body.total_minor,
            lines,
            body.channel,
            tenders,
            frozenset(body.out_of_stock),
            body.assistant,
            body.touches,
        )
    except ValueError as error:
        raise ApiError("bad_body", f"sale: {error}") from None
