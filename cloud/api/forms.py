"""The JSON bodies of requests, read strictly: every field typed and bounded, unknown ones refused."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from agent.domain import campaign as campaigns
from agent.domain import wording
from agent.domain.campaign import Campaign, words_from_wire
from agent.domain.codes import CodeKind, Form, read_form
from agent.domain.cose import Algorithm
from agent.domain.fields import FieldError, Fields
from agent.domain.money import AMOUNT_MAX_MINOR, CURRENCIES
from agent.domain.parts import Place
from agent.domain.scan import RULES_MAX, Rule, read_rules
from agent.domain.token import DAY_MAX, UINT32_MAX
from cloud.ports import PromoPlan, Terms
from cloud.staff import Role

COUPONS_MAX = 10_000
"""Coupons of one request."""
REVOCATIONS_MAX = 10_000
TOKEN_DAYS_MAX = 3650
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_KID = re.compile(r"[0-9a-f]{16}")
PUBLIC_KEY_BYTES = {Algorithm.ED25519: 32, Algorithm.ESP256: 33}
ALGORITHMS = {"ed25519": Algorithm.ED25519, "es256": Algorithm.ESP256}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """code: as typed. public_key: 32 bytes. proof: 64 bytes, over the code as typed."""

    code: str
    public_key: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class NewKey:
    """public_key: of a key whose private half stays with the issuer; None: the cloud makes one."""

    issuer: str
    campaigns: frozenset[int] | None
    not_before: int
    expires: int
    value_max_minor: int
    algorithm: Algorithm
    public_key: bytes | None


@dataclass(frozen=True, slots=True)
class Order:
    """Coupons asked for. order: the same name again gives the same coupons."""

    issuer: str
    campaign: int
    count: int
    terms: Terms
    order: str | None


@dataclass(frozen=True, slots=True)
class CodeOrder:
    """Codes to list. count: how many to make, 0 where `codes` are given; form: how those are written."""

    issuer: str
    campaign: int
    terms: Terms
    count: int
    codes: tuple[str, ...]
    kind: CodeKind
    form: Form | None
    order: str | None


@dataclass(frozen=True, slots=True)
class Revocation:
    issuer: str
    campaign: int
    indexes: tuple[int, ...]


def enrolment(body: Any) -> Enrolment:
    fields = Fields(body, "enrolment")
    form = Enrolment(
        fields.text("code", 64, least=1),
        _base64url(fields, "till_public_key", 32),
        _base64url(fields, "proof", 64),
    )
    fields.done()
    return form


def place(body: Any) -> tuple[Place, bool]:
    """(store, whether it may be known otherwise)."""
    fields = Fields(body, "store")
    change = fields.boolean("change", default=False)
    form = Place(
        _name(fields, "store"),
        fields.integer("number", 0, UINT32_MAX),
        fields.number_set("groups", UINT32_MAX) or frozenset(),
        fields.text("merchant", 32),
        words_from_wire(fields.mapping("title"), "title"),
        fields.text("zone", 64, least=1),
        fields.text("currency", 3, least=3),
    )
    fields.done()
    try:
        ZoneInfo(form.zone)
    except (KeyError, OSError, ValueError):  # not there; a directory; not a name at all
        raise FieldError(f"store.zone {form.zone!r} is not an IANA time zone") from None
    if form.currency not in CURRENCIES:
        raise FieldError(f"store.currency {form.currency!r} is not an ISO 4217 code such as CNY")
    return form, change


def new_key(body: Any) -> NewKey:
    fields = Fields(body, "issuer")
    form = NewKey(
        _name(fields, "issuer"),
        fields.number_set("campaigns", UINT32_MAX),
        fields.integer("not_before", 0, DAY_MAX),
        fields.integer("expires", 0, DAY_MAX),
        fields.integer("value_max_minor", 0, AMOUNT_MAX_MINOR),
        algorithm := fields.choice("algorithm", ALGORITHMS) if "algorithm" in body else Algorithm.ED25519,
        _base64url(fields, "public_key", PUBLIC_KEY_BYTES[algorithm]) if "public_key" in body else None,
    )
    fields.done()
    return form


def kid(text: str) -> bytes:
    """A kid in a path: 16 hexadecimal digits."""
    if not _KID.fullmatch(text):
        raise FieldError("kid is not 16 digits of 0-9 a-f")
    return bytes.fromhex(text)


def offer(body: Any) -> tuple[Campaign, PromoPlan | None]:
    """{"campaign": the wire form, "promo": null or {"per_till", "valid_days"}}."""
    fields = Fields(body, "body")
    campaign = campaigns.from_wire(fields.mapping("campaign"))
    plan = fields.mapping("promo", default=None)
    fields.done()
    if not _NAME.fullmatch(campaign.issuer):
        raise FieldError("campaign.issuer is not a name of A-Z a-z 0-9 . _ -")
    if campaign.currency not in CURRENCIES:
        raise FieldError("campaign.currency is not an ISO 4217 code such as CNY")
    for name, promise in wording.faults(campaigns.texts(campaign)):
        raise FieldError(f"campaign.{name} {promise}")
    if plan is None:
        return campaign, None
    promo = Fields(plan, "promo")
    form = PromoPlan(promo.integer("per_till", 1, 1000), promo.integer("valid_days", 1, 3660))
    promo.done()
    return campaign, form


def till(body: Any) -> tuple[str, str, bool]:
    """(till, store, whether it may be known in another one)."""
    fields = Fields(body, "till")
    form = _name(fields, "till"), _name(fields, "store"), fields.boolean("move", default=False)
    fields.done()
    return form


def order(body: Any) -> Order:
    fields = Fields(body, "coupons")
    form = Order(
        _name(fields, "issuer"),
        fields.integer("campaign", 0, UINT32_MAX),
        fields.integer("count", 1, COUPONS_MAX),
        _terms(fields, ("store", "store_group", "value_minor", "source")),
        fields.text("order", 64, least=1) if fields.has("order") else None,
    )
    fields.done()
    return form


def code_order(body: Any) -> CodeOrder:
    fields = Fields(body, "codes")
    form = CodeOrder(
        _name(fields, "issuer"),
        fields.integer("campaign", 0, UINT32_MAX),
        _terms(fields, ("store", "store_group", "value_minor")),
        fields.integer("count", 1, COUPONS_MAX, default=0) if fields.has("count") else 0,
        tuple(fields.texts("codes", 1, COUPONS_MAX, 300)) if fields.has("codes") else (),
        CodeKind(fields.choice("kind", {kind.value: kind for kind in CodeKind}))
        if fields.has("kind")
        else CodeKind.PLAIN,
        read_form(fields.mapping("form")) if fields.has("form") else None,
        fields.text("order", 64, least=1) if fields.has("order") else None,
    )
    fields.done()
    if bool(form.count) == bool(form.codes):
        raise fields.error("count", "or codes: send one of them, how many to make or which to list")
    return form


def scan_rules(body: Any) -> tuple[Rule, ...]:
    fields = Fields(body, "scan rules")
    rules = read_rules(fields.items("rules", RULES_MAX))
    fields.done()
    return rules


def _terms(fields: Fields, optional: tuple[str, ...]) -> Terms:
    given: dict[str, Any] = {
        name: fields.integer(name, name == "value_minor", UINT32_MAX) for name in optional if fields.has(name)
    }
    return Terms(fields.integer("not_before", 0, DAY_MAX), fields.integer("expires", 0, DAY_MAX), **given)


def revocation(body: Any) -> Revocation:
    fields = Fields(body, "revocation")
    form = Revocation(
        _name(fields, "issuer"),
        fields.integer("campaign", 0, UINT32_MAX),
        tuple(fields.items("indexes", REVOCATIONS_MAX)),
    )
    fields.done()
    if any(type(index) is not int or not 0 <= index <= UINT32_MAX for index in form.indexes):
        raise FieldError("revocation.indexes holds something else than indexes")
    return form


@dataclass(frozen=True, slots=True)
class NewToken:
    """days: until it expires, None for never."""

    role: Role
    name: str
    days: int | None


def token(body: Any) -> NewToken:
    fields = Fields(body, "token")
    form = NewToken(
        fields.choice("role", {role.value: role for role in Role}),
        fields.text("name", 64, least=1),
        fields.integer("days", 1, TOKEN_DAYS_MAX) if fields.has("days") else None,
    )
    fields.done()
    return form


def _name(fields: Fields, name: str) -> str:
    value = fields.text(name, 32, least=1)
    if not _NAME.fullmatch(value):
        raise fields.error(name, "is not 1 to 32 of A-Z a-z 0-9 . _ - beginning with a letter or digit")
    return value


def _base64url(fields: Fields, name: str, size: int) -> bytes:
    """Exactly `size` bytes in base64url without padding (RFC 4648 section 5)."""
    text = fields.text(name, 2 * size, least=1)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != size or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise fields.error(name, f"is not {size} bytes in base64url without padding")
    return raw
