"""The till's ledger and the cloud's, line by line."""

from __future__ import annotations

from typing import Any

from agent.demo.day import TILL

Line = tuple[str, str, int, str, str, int]
"""(till, lane, sequence, hash, coupon of a redemption, discount in minor units)"""


def till_line(row: dict[str, Any]) -> Line:
    event = row["event"]
    coupon = event["data"].get("coupon") if row["lane"] == "redemption" else None
    discount = event["data"].get("discount_minor") or 0
    return TILL, row["lane"], row["sequence"], event["hash"], _coupon_name(coupon), discount


def cloud_line(row: dict[str, Any]) -> Line:
    coupon = row["coupon"] if row["lane"] == "redemption" else None
    discount = row["discount_minor"] or 0
    return row["till"], row["lane"], row["sequence"], row["hash"], _coupon_name(coupon), discount


def _coupon_name(coupon: dict[str, Any] | None) -> str:
    return "" if coupon is None else f"{coupon['issuer']}/{coupon['campaign']}/{coupon['index']}"
