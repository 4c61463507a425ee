"""What a till's records say of a scan or a sale: facts to settle by; never a coupon's text, never a person."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from agent.domain import record, time
from agent.domain.disclosure import SALT_BYTES, Disclosure, disclosure
from agent.domain.eligibility import Member
from agent.domain.erasure import NOBODY, Erased
from agent.domain.keys import SigningKey
from agent.domain.promo import Choice
from agent.domain.sale import Sale
from agent.domain.scan import Kind, route
from agent.domain.token import Coupon
from agent.ports import Clock, Transaction
from agent.state import TillState, Trust

ENCODE = msgspec.json.Encoder(order="sorted").encode
"""What `record.canonical_json` writes of our own data, in a tenth of its time."""
MARK_STEP = timedelta(minutes=5)
"""How far time must have moved before the high-water mark is written again."""


class Veil:
    """What one record says of people: every pseudonym goes through `hide`, and the record is sealed with the veil.

    Salts are drawn anew for each record and cannot be computed again by anybody: what was erased stays so.
    """

    __slots__ = ("_erased", "_found")

    def __init__(self, erased: Erased = NOBODY) -> None:
        """erased: whose pseudonyms are hidden and never disclosed: somebody may still show an old coupon of theirs."""
        self._erased = erased
        self._found: dict[bytes, Disclosure] = {}

    def hide(self, pseudonym: bytes) -> str:
        """The salted digest that stands for it in `data`; the same within one record."""
        if pseudonym not in self._found:
            self._found[pseudonym] = disclosure(secrets.token_bytes(SALT_BYTES), pseudonym)
        return self._found[pseudonym].digest

    @property
    def disclosed(self) -> tuple[Disclosure, ...]:
        return tuple(one for named, one in self._found.items() if not self._erased.has(named))


class Moment(NamedTuple):
    """Where and when something is decided, the same for all of one transaction. day: the store's day number."""

    trust: Trust
    now: time.EffectiveTime
    day: int


def moment_of(state: TillState, trust: Trust, clock: Clock) -> Moment:
    now = state.now(clock)
    return Moment(trust, now, time.day_number(now.now, trust.zone))


def sale_facts(sale: Sale | None) -> dict[str, Any] | None:
    if sale is None:
        return None
    return {"sale_id": sale.sale_id, "total_minor": sale.total_minor, "currency": sale.currency}


def member_facts(member: Member | None, veil: Veil) -> dict[str, Any] | None:
    """pseudonym: null without the member's consent, and then nothing else leads to the member."""
    if member is None:
        return None
    return {
        "pseudonym": veil.hide(member.pseudonym) if member.consent else None,
        "level": member.level,
        "consent": member.consent,
    }


def base_facts(at: Moment, *, offline: bool, sale: Sale | None) -> dict[str, Any]:
    """What every record says of its place and time."""
    trust, now = at.trust, at.now
    return {
        "store": trust.contents.place.store,
        "merchant": trust.contents.place.merchant,
        "business_date": time.day_text(at.day),
        "hour": now.now.astimezone(trust.zone).hour,
        "clock": {"wall": time.timestamp(now.wall), "doubt": now.doubt},
        "bundle": {
            "epoch": trust.manifest.epoch,
            "sequence": trust.manifest.sequence,
            "age": trust.manifest.age(now.now).value,
        },
        "offline": offline,
        "sale": sale_facts(sale),
    }


def seal_into(
    tx: Transaction,
    key: SigningKey,
    till: str,
    at: datetime,
    *,
    lane: str,
    kind: str,
    subject: str,
    data: dict[str, Any],
    veil: Veil | None = None,
) -> record.ChainHead:
    """Add a record to its lane. kind: redemption, evidence, reversal. veil: that which hid the pseudonyms in `data`."""
    event, head = record.seal(
        lane=lane,
        previous=tx.head(lane),
        till=till,
        kind=kind,
        time=time.timestamp(at),
        subject=subject,
        data=data,
        sign=key.sign,
        encode=ENCODE,
    )
    tx.append(lane, head, event, () if veil is None else veil.disclosed)
    return head


def raise_mark(tx: Transaction, state: TillState, clock: Clock, at: Moment) -> time.Anchor | None:
    """By effective time: where the clock is not believed, by what has elapsed within this boot."""
    raised = time.raised_mark(state.mark, at.now.now, at.trust.manifest.issued)
    if raised is None or (state.mark is not None and raised - state.mark < MARK_STEP):
        return None
    anchor = time.Anchor(raised, clock.boot_time())
    tx.raise_mark(anchor)
    return anchor


def token_hash(text: str) -> str | None:
    """SHA-256 of a token's text, None of any other: what somebody typed may be guessed from its hash."""
    routed = route(text)
    return hashlib.sha256(routed.text.encode()).hexdigest() if routed.kind is Kind.TOKEN else None


def subject_of(coupon: Coupon | None) -> str:
    return "scan" if coupon is None else "/".join(str(part) for part in coupon.identity)


def choice_facts(choice: Choice | None, veil: Veil) -> dict[str, Any] | None:
    """Which rule put which promotion on the receipt, by which arm. A unit that is a person is a pseudonym."""
    if choice is None:
        return None
    unit = veil.hide(bytes.fromhex(choice.unit)) if choice.personal else choice.unit
    return {"rule": choice.rule, "arm": choice.arm, "unit": unit}


def coupon_facts(coupon: Coupon, veil: Veil) -> dict[str, Any]:
    issuer, campaign, index = coupon.identity
    claims = coupon.claims
    return {
        "issuer": issuer,
        "campaign": campaign,
        "index": index,
        "kid": coupon.kid.hex() or None,
        "code": coupon.code_hash.hex() or None,
        "referrer": None if claims.referrer is None else veil.hide(claims.referrer),
        "touch": claims.source,
    }
