"""`redeemd risk`: what this till accepted, what it may still accept by itself, and what can be lost, in money."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import config
from agent.commands import verify
from agent.commands.errors import EX_USAGE, CommandError
from agent.commands.show import Unreachable, ask_till
from agent.commands.till_file import DEFAULT_CONFIG
from agent.domain.money import to_text
from agent.domain.time import day_number, effective_time
from agent.folder import database_path
from agent.risk import Name, UnknownCampaign, campaign_name, report
from agent.store.risk import uses

SHOWN_MAX = 20
"""Campaigns for a terminal, the most exposed first; --json lists more."""
_LIMITS = {
    "count_day": ("coupons a day", False),
    "value_day_minor": ("value a day", True),
    "count_offline": ("coupons unseen", False),
    "value_offline_minor": ("value unseen", True),
}
_CLASSES = {"A": "only after an online check", "B": "in the coupon's own store", "C": "budgeted", "D": "open"}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of `redeemd risk`; pass what they parse to `run`."""
    command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    command.add_argument("--campaign", metavar="ISSUER/NUMBER", help="one campaign, limit by limit")
    command.add_argument("--json", action="store_true", help="for programs: one JSON object")
    command.epilog = (
        "Unseen is what the cloud has not acknowledged: accepted since this till last reached it. "
        "Works on a till that runs and on one that is stopped."
    )


def run(arguments: argparse.Namespace) -> int:
    settings, only = config.load(arguments.config), None
    if arguments.campaign is not None and (only := campaign_name(arguments.campaign)) is None:
        raise CommandError("--campaign is ISSUER/NUMBER, such as acme/12", EX_USAGE)
    path = "/v1/risk" if only is None else f"/v1/risk?campaign={quote(arguments.campaign, safe='')}"
    try:
        said = ask_till(settings, path)
    except Unreachable:  # it is not running: its ledger says the same
        said = _stopped(settings, only)
    if arguments.json:
        print(json.dumps(said, ensure_ascii=False))
    else:
        print("\n".join(lines(said, whole=only is not None)))
    return 0


def _stopped(settings: config.Config, only: Name | None) -> dict[str, Any]:
    with verify.from_till(database_path(settings)) as known:
        trust, ledger = known.trust, known.ledger
        assert trust is not None, "a till's bundle is typed"
        assert ledger is not None, "a till has a ledger"
        now = effective_time(datetime.now(UTC), known.mark, trust.manifest.issued)
        found = uses(ledger, day_number(now.now, trust.zone), now.now)
        try:
            return report(trust.manifest.till, trust, now, found, only)
        except UnknownCampaign as error:
            raise CommandError(f"this till has no campaign {error}: redeemd bundle show") from None


def lines(said: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    """The report for a terminal. whole: of one campaign, with its limits."""
    doubt = f", clock {said['clock_doubt']}: budgets shrink" if said["clock_doubt"] else ""
    yield f"till {said['till']} at {said['at']}; bundle {said['bundle_age']}, issued {said['bundle_issued']}{doubt}"
    if not whole:
        for total in said["totals"]:
            yield from _total_lines(total)
    for row in said["campaigns"][:SHOWN_MAX]:
        yield ""
        yield from _campaign_lines(row, whole=whole)
    if (rest := len(said["campaigns"]) + said["not_listed"] - SHOWN_MAX) > 0:
        yield f"\n{rest} campaigns more, with less at risk: --json lists {len(said['campaigns'])}"
    if not said["campaigns"]:
        yield "no campaign is in force: nothing is accepted, nothing can be lost"


def _total_lines(total: Mapping[str, Any]) -> Iterator[str]:
    def money(name: str) -> str:
        return _money(total[name], total["currency"])

    yield (
        f"accepted today {money('accepted_day_minor')}; of what was accepted the cloud has not seen "
        f"{money('accepted_unseen_minor')}"
    )
    yield f"may still be accepted without the cloud now: {money('left_minor')}"
    yield f"so lost at most, if every one of those is a copy: {money('exposed_minor')}"
    yield (
        f"most by the budgets of {total['campaigns']} campaigns: {money('most_day_minor')} a day, "
        f"{money('most_unseen_minor')} between two contacts"
    )
    if total["not_bounded"]:
        yield f"NOT BOUNDED: {total['not_bounded']} campaigns have no budget (write a [budget] to bound them)"


def _campaign_lines(row: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    currency, left, alone = row["currency"], row["left"], row["left_alone"]
    yield (
        f"{row['issuer']}/{row['campaign']} {row['title_zh']} / {row['title_en']}: class {row['offline_class']}, "
        f"{_CLASSES[row['offline_class']]}"
    )
    for name, text in (("accepted_day", "today"), ("accepted_unseen", "unseen by the cloud")):
        used = row[name]
        yield f"  {text:<20} {used['count']} coupons, {_money(used['value_minor'], currency)}"
    if row["offline_class"] == "A":
        yield "  without the cloud    nothing is accepted"
    elif left["count"] is None:
        yield f"  left                 NOT BOUNDED: each coupon once, {_money(row['coupon_minor'], currency)} each"
    else:
        asked = ""
        if alone != left:
            asked = f"; {_left(alone, currency)} of it without a supervisor"
        yield f"  left now             {_left(left, currency)}{asked}"
    if row["exposed_minor"] is not None:
        yield f"  lost at most         {_money(row['exposed_minor'], currency)}"
    if not row["percent"]:
        yield "  closed: the bundle is too old for this offer; let the till reach the cloud"
    elif row["percent"] < 100:
        yield f"  {row['percent']} percent of its limits hold: the bundle is old or the clock is in doubt"
    if whole and row["limits"] is not None:
        for name, (text, is_money) in _LIMITS.items():
            found = row["limits"][name]
            used, holds, limit = (
                _money(found[part], currency) if is_money else str(found[part])
                for part in ("used", "holds", "limit")
            )
            yield f"  {text:<20} {used} of {holds} (limit {limit})"
    if whole:
        yield f"  one coupon           at most {_money(row['coupon_minor'], currency)}"


def _left(left: Mapping[str, Any], currency: str) -> str:
    return f"{left['count']} coupons, at most {_money(left['value_minor'], currency)}"


def _money(amount_minor: int | None, currency: str) -> str:
    return "NOT BOUNDED" if amount_minor is None else f"{to_text(amount_minor, currency)} {currency}"
