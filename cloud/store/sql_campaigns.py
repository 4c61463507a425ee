"""Campaigns as their documents say: neither engine reads JSON in its SQL."""

from __future__ import annotations

import json
from functools import lru_cache

from agent.domain import campaign as campaigns
from agent.domain.campaign import Campaign
from cloud.store.sql import Db


@lru_cache(maxsize=4096)
def read_campaign(document: str) -> Campaign:
    """Read once: every bundle asks for all of them."""
    return campaigns.from_wire(json.loads(document))


def campaign_of(db: Db, issuer: str, campaign: int) -> Campaign | None:
    row = db.execute(
        "SELECT document FROM campaign WHERE issuer = ? AND campaign = ?", (issuer, campaign)
    ).fetchone()
    return None if row is None else read_campaign(row[0])


def uses_of(db: Db, issuer: str, campaign: int) -> int:
    """How often a coupon of this campaign may be redeemed; 1 of a campaign that is not known."""
    known = campaign_of(db, issuer, campaign)
    return 1 if known is None else known.uses
