"""A campaign as a file that people write: TOML, with dates. Every problem is named with its line and key.

The rules are those of the domain alone: the file is turned into the wire form and read by `campaign.from_wire`. That
stops at the first fault; to find the others, the faulty key is mended from an example and the reading repeated.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from agent.domain import campaign as campaigns
from agent.domain import wording
from agent.domain.benefit import exposure_minor
from agent.domain.benefit_wire import KIND_OF
from agent.domain.campaign import Campaign
from agent.domain.fields import FieldError, Fields
from agent.domain.money import CURRENCIES
from agent.domain.time import EPOCH_DAY, day_text
from agent.domain.token import DAY_MAX
from config import ConfigError, Problem
from config.lines import Path as Key
from config.lines import find_lines, last_line, refuse
from config.load import dotted
from config.problem import printable
from config.regular_file import NotRegular, read_regular

FILE_BYTES_MAX = 64 * 1024
_REPAIRS_MAX = 40
_STEP = re.compile(r"([^.\[]+)|\[(\d+)\]")
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_DATES = ("starts", "ends")
_WORDS = {"zh": "字", "en": "word"}
_BUDGET = {"count_day": 1, "value_day_minor": 1, "count_offline": 1, "value_offline_minor": 1}
_RISK = {"probe_percent": 0, "split_sales": 0, "split_minutes": 0, "split_refuses": False}
_EXAMPLE: dict[str, Any] = {
    "issuer": "acme",
    "number": 1,
    "currency": "CNY",
    "starts": 20_000,
    "ends": DAY_MAX,
    "size": 1000,
    "offline_class": "D",
    "title": _WORDS,
    "prompt": _WORDS,
    "conditions": _WORDS,
    "offer": {"benefit": {"kind": "amount_off", "steps": [{"off_minor": 1}]}},
    "budget": _BUDGET | {"soft_percent": 100},
    "risk": _RISK,
    "promo": {"per_till": 1, "valid_days": 1},
}
_HINTS: dict[str, str] = {
    "issuer": 'use the issuer\'s name, such as "acme"',
    "number": "use a number that this issuer has not used yet",
    "currency": 'use an ISO 4217 code such as "CNY" (renminbi), "TWD" or "EUR"',
    "starts": "use the first day, written 2026-11-22 without quotes",
    "ends": "use the last day, not before starts, written 2026-12-31 without quotes",
    "size": "use how many coupons there may ever be, at most 50000000; it cannot be changed later",
    "offline_class": 'use "A" (asks the cloud), "B" (one store), "C" (within budgets) or "D" (open)',
    "uses": "use how often one coupon may be redeemed, 1 unless many people hold the same code",
    "returns": 'use "coupon" if a returned sale gives the coupon back, or leave it out',
    "version": "leave it out: versions are counted when the campaign is published",
    "stores": "use a list of store numbers such as [1, 7], or leave it out for all stores",
    "budget": "write a table [budget] with " + ", ".join(_BUDGET),
    "risk": "write a table [risk] with " + ", ".join(_RISK) + ", or leave it out",
    "title": 'write a table [title] with zh = "..." and en = "..."',
    "offer": "write a table [offer.benefit]; examples: redeemd campaign new FILE --benefit KIND",
    "offer.benefit": "write a table [offer.benefit] as in: redeemd campaign new FILE --benefit KIND",
    "offer.benefit.kind": "use " + ", ".join(f'"{kind}"' for kind in KIND_OF.values()),
    "promo": "write a table [promo] with per_till and valid_days, or leave it out",
}
TEMPLATE = """\
# One offer of one issuer. Check it: redeemd campaign check FILE. Amounts are in minor units: 3000 is 30.00 CNY.
issuer = "{issuer}"
number = {number}                # never used before by this issuer
currency = "CNY"
starts = {starts}        # first and last day, both included
ends = {ends}
grace_days = 0               # how many days after its last day a coupon is still taken
size = 100000                # how many coupons there may ever be; cannot be changed later
{uses}
# returns = "coupon"         # all of it went back: the coupon may be used again; usual: the money alone goes back
# stores = [1, 7]            # numbers of the stores where it counts; without this line: all

# What a till may do without the cloud, with a code that can be copied:
# "A" nothing: it asks the cloud, "B" only in the one store a coupon names, "C" within the budget below, "D" anything
offline_class = "C"
stale_percent = 25           # share of the budget that holds when the till has not heard from the cloud for long
expired_percent = 0          # and for very long; 0 refuses

[title]
zh = "{title.zh}"
en = "{title.en}"

{offer}
[budget]                     # of each till alone
count_day = 200              # coupons a day, and what they may cost
value_day_minor = 600000
count_offline = 100          # and from one contact with the cloud to the next
value_offline_minor = 300000
# soft_percent = 80          # past this share of them a supervisor's badge is asked for, coupon by coupon

# [risk]
# probe_percent = 5          # of so many scans a till with a line asks the cloud first
# split_sales = 2            # in so many sales within split_minutes a member may use it; then a supervisor is asked
# split_minutes = 30
# split_refuses = true       # or nobody may

[prompt]                     # what the cashier is told to do
zh = ""
en = ""

[conditions]                 # one line on the receipt and on printed coupons
zh = "{line.zh}"
en = "{line.en}"

# [promo]                    # its coupons are printed on receipts
# per_till = 60              # how many codes each till holds ready
# valid_days = 30            # for how many days each counts
"""


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """What a file says. campaign.version is 1: who publishes it counts. promo: {"per_till", "valid_days"} or None."""

    campaign: Campaign
    promo: dict[str, int] | None


def read_campaign(path: Path) -> CampaignFile:
    """Raises `ConfigError` with every problem found, each with its line and key."""
    text = _read(path)
    document = _document(text, str(path))
    found: list[tuple[Key, str]] = []
    wire = _with_days(document, found)
    result = _read_all(wire, found)
    if not found:
        assert result is not None, "no problem, so there is a campaign"
        found += _doubts(result.campaign)
    if not found:
        assert result is not None, "no problem, so there is a campaign"
        return result
    at = find_lines(text)
    problems = [
        Problem(str(path), _line(at, key), dotted(key), printable(wrong), _hint(key))
        for key, wrong in dict.fromkeys(found)
    ]
    raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))


def _with_days(document: dict[str, Any], found: list[tuple[Key, str]]) -> dict[str, Any]:
    """The wire form of `document`: dates as day numbers."""
    wire = dict(document)
    if "version" in wire:
        found.append((("version",), "is not yours to write"))
        del wire["version"]
    for name in _DATES:
        if name not in wire:
            continue
        day = (wire[name] - EPOCH_DAY).days if type(wire[name]) is date else -1
        if not 0 <= day <= DAY_MAX:
            found.append(((name,), f"is not a date from {day_text(0)} to {day_text(DAY_MAX)}"))
            day = _EXAMPLE[name]
        wire[name] = day
    return wire


def _read_all(wire: dict[str, Any], found: list[tuple[Key, str]]) -> CampaignFile | None:
    """Read, and note every fault. Each is mended from the example, so that the next one comes to light."""
    for _ in range(_REPAIRS_MAX):
        try:
            return _typed(wire)
        except FieldError as error:
            key = (*_path(error.what), error.name) if error.name else _path(error.what)
            found.append((key, error.wrong))
            wire = _mended(wire, key, error.wrong)
    return None


def _path(what: str) -> Key:
    """("offer", "benefit", "steps", 0) of "offer.benefit.steps[0]"; nothing of "campaign"."""
    if what == "campaign":
        return ()
    return tuple(int(step[2]) if step[2] else step[1] for step in _STEP.finditer(what))


def _typed(wire: dict[str, Any]) -> CampaignFile:
    rest = dict(wire)
    plan = rest.pop("promo", None)
    campaign = campaigns.from_wire(rest)
    if not _NAME.fullmatch(campaign.issuer):
        raise Fields({}, "campaign").error("issuer", "is not a name of A-Z a-z 0-9 . _ -")
    if campaign.currency not in CURRENCIES:
        raise Fields({}, "campaign").error("currency", f"{campaign.currency!r} is no currency of ISO 4217")
    if plan is None:
        return CampaignFile(campaign, None)
    if not isinstance(plan, dict):
        raise Fields({}, "campaign").error("promo", "is not a map")
    fields = Fields(plan, "promo")
    promo = {
        "per_till": fields.integer("per_till", 1, 1000),
        "valid_days": fields.integer("valid_days", 1, 3660),
    }
    fields.done()
    return CampaignFile(campaign, promo)


def _mended(wire: dict[str, Any], key: Key, wrong: str) -> dict[str, Any]:
    table, name = key[0], key[-1]
    if table == "offer":  # of each of its tables the first fault is named
        offer = wire["offer"] if len(key) > 1 and isinstance(wire["offer"], dict) else _EXAMPLE["offer"]
        kept = {part: value for part, value in offer.items() if part not in key[1:2]}
        return wire | {"offer": _EXAMPLE["offer"] | kept}
    if len(key) > 1:
        return wire | {str(table): _mended(wire[str(table)], key[1:], wrong)}
    if "is not known" in wrong:
        return {own: value for own, value in wire.items() if own != name}
    for example in (_EXAMPLE, _WORDS, _EXAMPLE["budget"], _RISK, _EXAMPLE["promo"]):
        if name in example:
            return wire | {str(name): example[str(name)]}
    return {own: value for own, value in wire.items() if own != name}


def _doubts(campaign: Campaign) -> list[tuple[Key, str]]:
    """What is well written and still no offer."""
    most = exposure_minor(campaign.offer.benefit)
    empty = [(("title", name), "is empty") for name in ("zh", "en") if not getattr(campaign.title, name)]
    promised = [
        (tuple(field.split(".")), str(promise))
        for field, promise in wording.faults(campaigns.texts(campaign))
    ]
    if campaign.budget is None:
        return [*empty, *promised]
    small = [
        (("budget", name), f"is below what one coupon can cost, {most}: none would be taken")
        for name in ("value_day_minor", "value_offline_minor")
        if getattr(campaign.budget, name) < most
    ]
    none = [
        (("budget", name), "is 0: no coupon would be taken")
        for name in ("count_day", "count_offline")
        if not getattr(campaign.budget, name)
    ]
    return [*empty, *promised, *small, *none]


def _hint(key: Key) -> str:
    usual = "mend this value"
    if key[0] == "offer":
        usual = "see docs/campaigns.md, or an example: redeemd campaign new FILE --benefit KIND"
    return _HINTS.get(".".join(map(str, key)), usual)


def _line(at: dict[Key, int], key: Key) -> int:
    """The line of the key, or of the innermost table around it that is there; 0 when that is the file as a whole."""
    return next((at[key[:end]] for end in range(len(key), 0, -1) if key[:end] in at), 0)


def _read(path: Path) -> str:
    try:
        content = read_regular(path, FILE_BYTES_MAX)
        if len(content) > FILE_BYTES_MAX:
            raise _fault(path, 0, f"is larger than {FILE_BYTES_MAX // 1024} KiB", "use a smaller file")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise _fault(path, 0, "does not exist", "write one: redeemd campaign new FILE") from None
    except (NotRegular, IsADirectoryError):
        raise _fault(path, 0, "is not a regular file", "name a campaign file") from None
    except OSError as error:
        raise _fault(path, 0, f"cannot be read: {error.strerror}", "name a file you may read") from None
    except UnicodeDecodeError:
        raise _fault(path, 0, "is not UTF-8 text", "save the file with the encoding UTF-8") from None


def _document(text: str, file: str) -> dict[str, Any]:
    refused = refuse(text)
    if refused is not None:
        raise ConfigError((Problem(file, refused[0], "", refused[1], "mend or shorten this line"),))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
    place = _AT_LINE.search(message)
    line = int(place[1]) if place else last_line(text)
    reason = message[: place.start()] if place else message
    allowed = 'write each setting on a line of its own, as name = value, with text in "quotes"'
    raise ConfigError((Problem(file, line, "", f"is no valid TOML: {reason[:200]}", allowed),))


def _fault(path: Path, line: int, wrong: str, allowed: str) -> ConfigError:
    return ConfigError((Problem(str(path), line, "", wrong, allowed),))
