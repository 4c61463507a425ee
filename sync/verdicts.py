"""What the cloud tells a till of its coupons that were redeemed twice: the path, and what an answer holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sync import strict_json, wire
from sync.errors import WireError

VERDICTS_TYPE = "application/vnd.redeemd.verdicts.v1+json"
VERDICTS_BYTES_MAX = 1024 * 1024
VERDICTS_MAX = 1000
"""Of one answer."""
NUMBER_MAX = 10**15 - 1
TEXT_CHARS_MAX = 500
_NAME_CHARS_MAX = 128


@dataclass(frozen=True, slots=True)
class Verdict:
    """number: the cloud's, rising within the till. kind: conflict, or settled when there is none any more.

    redemption_id: this till's own. standing: kept, lost or returned. follows: paid, open (head office decides) or none.
    other: till, store, redemption_id, received_at of the other redemption. zh, en: all of it in a sentence. A kind, a
    standing or a follows that is not known here is shown as its sentence says.
    """

    number: int
    kind: str
    redemption_id: str
    standing: str
    follows: str
    coupon: Mapping[str, Any]
    other: Mapping[str, Any]
    found_at: str
    zh: str
    en: str


def verdicts_path(till_id: str, after: int) -> str:
    """after: the highest number that is here, 0 for none."""
    return f"{wire.till_path(till_id)}/verdicts?after={after:d}"


def read_verdicts(body: bytes) -> tuple[list[Verdict], bool]:
    """The verdicts of an answer, in order of their numbers, and whether there are more. Raises WireError."""
    document = strict_json.loads(body, max_bytes=VERDICTS_BYTES_MAX, max_depth=6)
    found = document.get("verdicts") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > VERDICTS_MAX:
        raise WireError("bad_verdicts", f"verdicts is no list of at most {VERDICTS_MAX}")
    verdicts = [_read(item) for item in found]
    numbers = [verdict.number for verdict in verdicts]
    if numbers != sorted(set(numbers)):
        raise WireError("bad_verdicts", "the numbers of verdicts do not rise")
    return verdicts, document.get("more") is True


def _read(item: Any) -> Verdict:
    if not isinstance(item, dict):
        raise WireError("bad_verdicts", "a verdict is no object")
    number = item.get("number")
    if type(number) is not int or not 0 < number <= NUMBER_MAX:
        raise WireError("bad_verdicts", "a verdict has no number")
    names = ("kind", "redemption_id", "standing", "follows")
    head = [_text(item, name, _NAME_CHARS_MAX) for name in names]
    coupon, other = item.get("coupon"), item.get("other")
    if not isinstance(coupon, dict) or not isinstance(other, dict):
        raise WireError("bad_verdicts", "a verdict names no coupon, or no other redemption")
    said = {
        name: _text(other, name, _NAME_CHARS_MAX)
        for name in ("till", "store", "redemption_id", "received_at")
    }
    known: dict[str, Any] = {"issuer": _text(coupon, "issuer", 32)}
    known |= {name: _number(coupon, name) for name in ("campaign", "index")}
    at, zh, en = (_text(item, name, TEXT_CHARS_MAX) for name in ("found_at", "zh", "en"))
    kind, redemption_id, standing, follows = head
    return Verdict(number, kind, redemption_id, standing, follows, known, said, at, zh, en)


def _text(item: Mapping[str, Any], name: str, longest: int) -> str:
    """Shown on the page and printed: no control characters."""
    value = item.get(name)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise WireError(
            "bad_verdicts", f"{name} of a verdict is no printable text of at most {longest} characters"
        )
    return value


def _number(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    if type(value) is not int or not 0 <= value < 2**32:
        raise WireError("bad_verdicts", f"{name} of a verdict is no number")
    return value
