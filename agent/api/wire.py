"""The bodies that the API reads, typed and bounded. Unknown fields are refused: a misspelt one must not be ignored."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from agent.api.errors import ApiError
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.sale import LINES_MAX, Line, Sale
from drivers.ports import MAX_SCAN_CHARS

Amount = Annotated[int, Meta(ge=0, le=AMOUNT_MAX_MINOR)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_SCAN_CHARS)]


class LineBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sku: Name
    quantity: Annotated[int, Meta(ge=1, le=100_000)]
    unit_price_minor: Amount


class SaleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    total_minor: Amount
    sale_id: Name | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    lines: Annotated[tuple[LineBody, ...], Meta(max_length=LINES_MAX)] = ()


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Text


class RedeemBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Text
    sale: SaleBody | None = None


T = TypeVar("T")


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON body as `kind`; ApiError 400 names the field."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise ApiError(400, "bad_body", f"请求内容有误:{error}", f"The body is wrong: {error}") from None


def lines_of(body: SaleBody) -> tuple[Line, ...]:
    return tuple(Line(line.sku, line.quantity, line.unit_price_minor) for line in body.lines)


def sale_of(body: SaleBody | None, currency: str, sale_id: str) -> Sale | None:
    """The domain's sale. currency: the store's, where the caller names none; sale_id likewise."""
    if body is None:
        return None
    return Sale(body.sale_id or sale_id, body.currency or currency, body.total_minor, lines_of(body))
