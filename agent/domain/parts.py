"""What a bundle's parts say: where the till stands, whom it trusts, which offers hold, what is used or withdrawn.

Each part is CBOR, read only after its length and hash were checked against the signed manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.domain import campaign as campaigns
from agent.domain import cbor, codes, cose, erasure, member_list, receipt_rules, scan, token
from agent.domain.bundle import PART_ITEMS_MAX, BundleError
from agent.domain.campaign import Campaign, Words, words_from_wire, words_to_wire
from agent.domain.codes import NO_CODES, CodeKey, Codes
from agent.domain.erasure import NOBODY, Erased
from agent.domain.fields import FieldError, Fields
from agent.domain.keys import Delegation, IssuerKey, KeyFault
from agent.domain.member_list import NO_MEMBERS, MemberList
from agent.domain.money import AMOUNT_MAX_MINOR
from agent.domain.receipt_rules import NO_RULES, ReceiptRules
from agent.domain.scan import Rule
from agent.domain.shop import NO_SHOP, Shop, read_shop
from agent.domain.status import StatusFault, StatusList
from agent.domain.status_delta import decode_gaps, encode_gaps
from agent.domain.status_parts import read_lists
from agent.domain.token import DAY_MAX, UINT32_MAX

ITEMS_MAX = 100_000
"""Keys, campaigns or promo codes of one part."""
_ALGORITHMS = frozenset(cose.Algorithm)
DELEGATED_CAMPAIGNS_MAX = 50
DELEGATED_MAX = 5_000
"""Coupons of one campaign that one till may sign."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the till stands. zone: an IANA name. number, groups: what coupons and campaigns name stores by."""

    store: str
    number: int
    groups: frozenset[int]
    merchant: str
    title: Words
    zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class PromoCode:
    """One pre-allocated coupon for a receipt. token: its text; title and conditions: what the receipt says of it.

    issuer, campaign, index, expires: what the token says, read once; no issuer: it is none that a known key signed.
    """

    token: str
    short: str
    title: Words
    conditions: Words
    issuer: str = ""
    campaign: int = 0
    index: int = 0
    expires: int = DAY_MAX


@dataclass(frozen=True, slots=True)
class Contents:
    """What the parts say, typed. skipped: campaigns that this version cannot read, and why: unknown here.

    codes: the tables of opaque codes, which stay where they are kept; whoever keeps them puts them in.
    codes_missing: how many of them are not there.
    """

    place: Place
    keys: Mapping[bytes, IssuerKey]
    campaigns: Mapping[tuple[str, int], Campaign]
    status: Mapping[tuple[str, int], StatusList]
    promos: tuple[PromoCode, ...]
    skipped: tuple[str, ...]
    scan_rules: tuple[Rule, ...] = ()
    code_keys: Mapping[bytes, CodeKey] = field(default_factory=dict)
    codes: Codes = NO_CODES
    codes_missing: int = 0
    shop: Shop = NO_SHOP
    receipt_rules: ReceiptRules = NO_RULES
    members: MemberList = NO_MEMBERS
    erased: Erased = NOBODY


def read_parts(parts: Mapping[str, bytes]) -> Contents:
    """Type the checked parts of one manifest. BundleError names the part and the field."""
    name = ""
    try:
        name = "place"
        place = _read_place(_content(parts, name))
        name = "keys"
        keys = _read_keys(_items(parts, name))
        name = "campaigns"
        offers, skipped = _read_campaigns(_items(parts, name))
        lists = read_lists(parts)
        name = "promos"
        promos = tuple(_read_promo(item, keys) for item in _items(parts, name)) if name in parts else ()
        name = "scan_rules"
        rules = scan.read_rules(_items(parts, name)) if name in parts else ()
        name = "code_keys"
        code_keys = codes.read_keys(_items(parts, name)) if name in parts else {}
        name = "badges, messages or templates"
        shop = read_shop(parts)
        name = receipt_rules.PART
        rules_of_receipts = receipt_rules.read_part(parts)
        name = member_list.PART
        members = member_list.read_part(parts)
        name = erasure.PART
        erased = erasure.read_part(parts)
    except (cbor.CborError, FieldError, KeyFault) as error:
        raise BundleError("malformed", f"part {name}: {error}") from None
    return Contents(
        place,
        keys,
        offers,
        lists,
        promos,
        skipped,
        rules,
        code_keys,
        shop=shop,
        receipt_rules=rules_of_receipts,
        members=members,
        erased=erased,
    )


def _content(parts: Mapping[str, bytes], name: str) -> Any:
    if name not in parts:
        raise BundleError("missing_part", name)
    return cbor.decode(parts[name], max_items=PART_ITEMS_MAX)


def _items(parts: Mapping[str, bytes], name: str) -> list[Any]:
    items = _content(parts, name)
    if type(items) is not list or len(items) > ITEMS_MAX:
        raise FieldError(f"not a list of at most {ITEMS_MAX}")
    return items


def place_to_wire(place: Place) -> dict[str, Any]:
    """The content of part "place"."""
    return {
        "store": place.store,
        "number": place.number,
        "groups": sorted(place.groups),
        "merchant": place.merchant,
        "title": words_to_wire(place.title),
        "zone": place.zone,
        "currency": place.currency,
    }


def _read_place(value: Any) -> Place:
    fields = Fields(value, "place")
    place = Place(
        fields.text("store", 32, least=1),
        fields.integer("number", 0, UINT32_MAX),
        fields.number_set("groups", UINT32_MAX) or frozenset(),
        fields.text("merchant", 32),
        words_from_wire(fields.mapping("title"), "title"),
        fields.text("zone", 64, least=1),
        fields.text("currency", 3, least=3),
    )
    fields.done()
    return place


def key_to_wire(key: IssuerKey) -> dict[str, Any]:
    """One item of part "keys"."""
    wire = _plain_key(key)
    if (given := key.delegation) is not None:
        wire["delegation"] = {
            "till": given.till,
            "campaigns": [
                [number, given.valid_days[number], encode_gaps(indexes)]
                for number, indexes in sorted(given.indexes.items())
            ],
        }
    return wire


def _plain_key(key: IssuerKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "issuer": key.issuer,
        "algorithm": int(key.algorithm),
        "public_key": key.public_key,
        "campaigns": None if key.campaigns is None else sorted(key.campaigns),
        "not_before": key.not_before,
        "expires": key.expires,
        "value_max_minor": key.value_max_minor,
    }


def _read_keys(items: list[Any]) -> dict[bytes, IssuerKey]:
    keys: dict[bytes, IssuerKey] = {}
    for item in items:
        fields = Fields(item, "key")
        key = IssuerKey(
            kid=fields.octets("kid", 8, 8),
            issuer=fields.text("issuer", 32, least=1),
            algorithm=_algorithm(fields),
            public_key=fields.octets("public_key", 1, 200),
            campaigns=fields.number_set("campaigns", UINT32_MAX),
            not_before=fields.integer("not_before", 0, DAY_MAX),
            expires=fields.integer("expires", 0, DAY_MAX),
            value_max_minor=fields.integer("value_max_minor", 0, AMOUNT_MAX_MINOR),
            delegation=_read_delegation(fields.mapping("delegation", default=None)),
        )
        fields.done()
        if key.delegation is not None and key.campaigns != frozenset(key.delegation.indexes):
            raise FieldError("key.delegation lists other campaigns than the key may sign")
        if key.kid in keys:  # an 8-byte kid can be copied or ground: two keys under one name are an attack
            raise BundleError("bad_key", f"kid {key.kid.hex()} stands twice")
        keys[key.kid] = key
    return keys


def _read_delegation(value: Mapping[Any, Any] | None) -> Delegation | None:
    if value is None:
        return None
    fields = Fields(value, "delegation")
    till, listed = fields.text("till", 64, least=1), fields.items("campaigns", DELEGATED_CAMPAIGNS_MAX)
    fields.done()
    indexes: dict[int, tuple[int, ...]] = {}
    valid_days: dict[int, int] = {}
    for item in listed:
        if type(item) is not list or [type(one) for one in item] != [int, int, bytes]:
            raise FieldError("delegation.campaigns holds [number, valid days, gaps of indexes]")
        number, days, gaps = item
        if number in indexes or not 0 <= number <= UINT32_MAX or not 1 <= days <= DAY_MAX:
            raise FieldError("delegation.campaigns: a number twice, or a number or days out of range")
        if len(gaps) > 4 * DELEGATED_MAX:
            raise FieldError(f"delegation.campaigns: more than {DELEGATED_MAX} coupons of campaign {number}")
        try:
            indexes[number], valid_days[number] = decode_gaps(gaps), days
        except StatusFault as error:
            raise FieldError(f"delegation.campaigns: {error}") from None
    return Delegation(till, indexes, valid_days)


def _algorithm(fields: Fields) -> cose.Algorithm:
    number = fields.integer("algorithm", min(_ALGORITHMS), max(_ALGORITHMS))
    if number not in _ALGORITHMS:
        raise fields.error("algorithm", f"is not one of {sorted(map(int, _ALGORITHMS))}")
    return cose.Algorithm(number)


def _read_campaigns(items: list[Any]) -> tuple[dict[tuple[str, int], Campaign], tuple[str, ...]]:
    offers: dict[tuple[str, int], Campaign] = {}
    skipped = []
    for item in items:
        try:
            campaign = campaigns.from_wire(item)
        except FieldError as error:
            # Written for a later version: unknown here, and no reason to lose the others.
            skipped.append(str(error))
            continue
        if (campaign.issuer, campaign.number) in offers:
            raise FieldError(f"campaign {campaign.number} of {campaign.issuer} stands twice")
        offers[campaign.issuer, campaign.number] = campaign
    return offers, tuple(skipped)


def promo_to_wire(promo: PromoCode) -> dict[str, Any]:
    """One item of part "promos"."""
    return {
        "token": promo.token,
        "short": promo.short,
        "title": words_to_wire(promo.title),
        "conditions": words_to_wire(promo.conditions),
    }


def _read_promo(value: Any, keys: Mapping[bytes, IssuerKey]) -> PromoCode:
    fields = Fields(value, "promo")
    promo = PromoCode(
        fields.text("token", 300, least=1),
        fields.text("short", 40, least=1),
        words_from_wire(fields.mapping("title"), "title"),
        words_from_wire(fields.mapping("conditions"), "conditions"),
    )
    fields.done()
    return promo_of_token(promo, keys)


def promo_of_token(promo: PromoCode, keys: Mapping[bytes, IssuerKey]) -> PromoCode:
    """The promo code with what its token says. The signed bundle vouches for it: the signature is not looked at."""
    try:
        parsed = token.parse(promo.token)
    except token.TokenError:
        return promo
    key, claims = keys.get(parsed.envelope.kid), parsed.claims
    if key is None:
        return promo
    return replace(
        promo, issuer=key.issuer, campaign=claims.campaign, index=claims.index, expires=claims.expires
    )
