"""What a record says that somebody earned, held against what the offer promises. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.offer import TIERS_MAX, Incentives, Reward

PARTIES = ("assistant", "store", "referrer")
WHO_MAX = 128


class Earned(NamedTuple):
    """who: a badge, the digest of a pseudonym, None for the store and for whom only the issuer can name. promised: not
    more than the offer gives."""

    party: str
    tier: int
    who: str | None
    amount_minor: int
    promised: bool


def read_reward(said: Any, rules: Incentives) -> Earned | None:
    """An entry of a redemption's `incentives`; None for what is none."""
    if not isinstance(said, dict):
        return None
    party, tier, who, amount = (said.get(name) for name in ("party", "tier", "who", "amount_minor"))
    if party not in PARTIES or type(tier) is not int or not 1 <= tier <= TIERS_MAX:
        return None
    if who is not None and not (isinstance(who, str) and 0 < len(who) <= WHO_MAX and who.isprintable()):
        return None
    if type(amount) is not int or not 0 <= amount <= AMOUNT_MAX_MINOR:
        return None
    rule = _rule(rules, party, tier)
    return Earned(party, tier, who, amount, rule is not None and amount <= rule.most_minor)


def _rule(rules: Incentives, party: str, tier: int) -> Reward | None:
    if party == "referrer":
        return rules.referrers[tier - 1] if tier <= len(rules.referrers) else None
    return (rules.assistant if party == "assistant" else rules.store) if tier == 1 else None
