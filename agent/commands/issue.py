"""Issue coupons: ask the cloud for signed tokens and write them as QR pictures and as text to print."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from agent.commands.admin import CloudAdmin
from agent.commands.errors import CommandError
from agent.domain.time import EPOCH_DAY

AT_ONCE = 1000
QR_SCALE = 6
QR_BORDER = 4


@dataclass(frozen=True, slots=True)
class Order:
    """What to issue. first, last: the coupon's days, both included. store: number of the only store, or None."""

    issuer: str
    campaign: int
    count: int
    first: date
    last: date
    store: int | None = None


async def issue(admin: CloudAdmin, order: Order, folder: Path) -> list[dict[str, Any]]:
    """Issue and write NNNNNN.png for each coupon and coupons.txt; returns [{"index", "token", "png"}]."""
    if order.count < 1:
        raise CommandError("--count is at least 1")
    made: list[dict[str, Any]] = []
    while len(made) < order.count:
        body: dict[str, Any] = {
            "issuer": order.issuer,
            "campaign": order.campaign,
            "count": min(AT_ONCE, order.count - len(made)),
            "not_before": (order.first - EPOCH_DAY).days,
            "expires": (order.last - EPOCH_DAY).days,
        }
        if order.store is not None:
            body["store"] = order.store
        answer = await admin.post("/v1/admin/coupons", body)
        made += answer["coupons"]
    return write_coupons(order, made, folder)


def write_coupons(order: Order, coupons: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """A picture for each of `coupons` and a line in coupons.txt; returns them with the picture's path as "png"."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with (folder / "coupons.txt").open("a", encoding="ascii") as text:
        for coupon in coupons:
            name = f"{order.issuer}-{order.campaign}-{coupon['index']}"
            picture = folder / f"{name}.png"
            write_qr(coupon["token"], picture)
            text.write(f"{name}\t{coupon['token']}\n")
            written.append({"index": coupon["index"], "token": coupon["token"], "png": str(picture)})
    return written


def write_qr(text: str, path: Path) -> None:
    """A token as a QR code at error correction M with its quiet zone."""
    import segno

    segno.make_qr(text, error="m", boost_error=False).save(str(path), scale=QR_SCALE, border=QR_BORDER)
