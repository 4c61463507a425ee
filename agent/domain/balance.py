"""What is left on a stored value, as one till knows it: its value less what this till took of it or holds.

What other tills took since is not in it: no list carries balances, and only a till with a line can ask. So it is said
as what this till knows, never as what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.domain.benefit import StoredValue, most_minor

if TYPE_CHECKING:
    from agent.domain.campaign import Campaign
    from agent.domain.token import Coupon


def balance_minor(coupon: Coupon, campaign: Campaign, spent_minor: int) -> int:
    """What may still be taken of the coupon after `spent_minor`, redeemed and held."""
    return max(most_minor(campaign.offer.benefit, coupon.claims.value_minor) - spent_minor, 0)


def left_minor(coupon: Coupon, campaign: Campaign, uses: int, spent_minor: int) -> int | None:
    """What a stored value still pays after `uses` uses that took `spent_minor` together; None for any other coupon.

    After its last use it pays nothing, whatever stands on it.
    """
    if not isinstance(campaign.offer.benefit, StoredValue):
        return None
    limit = campaign.offer.conditions.limits.coupon
    over = uses >= campaign.uses or (limit and uses >= limit)
    return 0 if over else balance_minor(coupon, campaign, spent_minor)
