"""Uses that a revoked key reported after its revocation: kept, and without effect until a person has looked at them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One use. kid: of the revoked key that signed the record. code: "stored", or that of its refusal.

    refused_at: when a person said that it does not count; None while it waits.
    """

    till: str
    lane: str
    sequence: int
    hash: str
    kid: str
    code: str
    redemption_id: str
    time: str
    received_at: str
    issuer: str
    campaign: int
    index: int
    discount_minor: int | None
    refused_at: str | None


@dataclass(frozen=True, slots=True)
class Released:
    """How many held uses count now, and how many of these are conflicts: their coupon was used elsewhere by then."""

    released: int
    conflicts: int
