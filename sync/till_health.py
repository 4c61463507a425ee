"""How a till is, in one header of its question for its bundle: small, for people, and no reason for anything else.

The request's signature covers it (`sync.signing`). What cannot be read is passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from sync import strict_json
from sync.errors import WireError

HEADER = "Redeemd-Health"
CHARS_MAX = 2048
DEVICES_MAX = 16
ISSUES_MAX = 16
LANES_MAX = 8
_NUMBER_MAX = 2**31 - 1
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}(Z|[+-][0-9:]{5})", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9.+_-]{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TillHealth:
    """version: of the program. epoch, sequence, issued, age: of the bundle in force; 0, None and "none" without one.
    doubt: about the clock, "" for none. waiting: records not delivered yet; oldest: the time of the first of them that
    is a redemption. quarantined: refused by the cloud. devices: (role, name, state). issues: codes, the worst first.
    healthy: coupons are taken and revocations arrive. delivered: (lane, sequence up to which nothing of it waits), so
    that a cloud that lost its newest records hears of it.
    """

    version: str
    epoch: int
    sequence: int
    issued: str | None
    age: str
    doubt: str
    waiting: int
    oldest: str | None
    quarantined: int
    healthy: bool
    devices: tuple[tuple[str, str, str], ...] = ()
    issues: tuple[str, ...] = ()
    delivered: tuple[tuple[str, int], ...] = ()


_NAMES = frozenset(one.name for one in fields(TillHealth))
_OPTIONAL = frozenset(("delivered",))
"""What tills of before do not say."""


def to_header(health: TillHealth) -> str:
    """ASCII; what does not fit is left out from the end, devices first."""
    said = asdict(health) | {"delivered": dict(health.delivered[:LANES_MAX])}
    devices, issues = list(health.devices[:DEVICES_MAX]), list(health.issues[:ISSUES_MAX])
    while True:
        text = json.dumps(said | {"devices": devices, "issues": issues}, separators=(",", ":"))
        if len(text) <= CHARS_MAX or not (devices or issues):
            return text
        (devices or issues).pop()


def read_header(text: str) -> TillHealth | None:
    """None for anything that is not of this form; members that are not known are passed over."""
    try:
        said = strict_json.loads(text.encode(), max_bytes=CHARS_MAX, max_depth=4)
    except (WireError, UnicodeEncodeError):
        return None
    if not isinstance(said, dict) or not said.keys() >= _NAMES - _OPTIONAL:
        return None
    numbers = [said[name] for name in ("epoch", "sequence", "waiting", "quarantined")]
    whole = all(type(number) is int and 0 <= number <= _NUMBER_MAX for number in numbers)
    words = _is(_WORD, said["age"]) and (said["doubt"] == "" or _is(_WORD, said["doubt"]))
    times = all(said[name] is None or _is(_TIME, said[name]) for name in ("issued", "oldest"))
    said.setdefault("delivered", {})
    lists = _devices(said["devices"]) and _issues(said["issues"]) and _delivered(said["delivered"])
    if not (whole and words and times and lists and _is(_VERSION, said["version"])):
        return None
    if type(said["healthy"]) is not bool:
        return None
    plain = {one.name: said[one.name] for one in fields(TillHealth)}
    devices = tuple((role, name, state) for role, name, state in said["devices"])
    delivered = tuple(said["delivered"].items())
    return TillHealth(**plain | {"devices": devices, "issues": tuple(said["issues"]), "delivered": delivered})


def _is(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _devices(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= DEVICES_MAX
        and all(isinstance(one, list) and len(one) == 3 and all(_text(part) for part in one) for one in value)
    )


def _issues(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= ISSUES_MAX and all(_is(_WORD, one) for one in value)


def _delivered(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= LANES_MAX
        and all(_is(_WORD, lane) for lane in value)
        and all(type(last) is int and 0 <= last <= strict_json.MAX_INTEGER for last in value.values())
    )


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64 and value.isprintable()
