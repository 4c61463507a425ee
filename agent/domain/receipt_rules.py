"""What head office says of receipts, in the part "receipt_rules": which promotion they carry, which slips go with them
and where their codes lead.

Every member is optional. A link is the address given here with one parameter more: the store (`s`), or who brings a
friend (`r`), a pseudonym that says nothing of the person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from agent.domain import cbor, wording
from agent.domain.bundle import PART_ITEMS_MAX
from agent.domain.campaign import Words, words_from_wire, words_to_wire
from agent.domain.fields import FieldError, Fields
from agent.domain.promo import RULES_MAX, Identity, PromoRule, read_identities, read_rule, rule_to_wire
from agent.domain.receipt_template import PAPERS
from agent.domain.token import Coupon

T = TypeVar("T")

PART = "receipt_rules"
SLIPS_MAX = 20
LINK_CHARS_MAX = 200
SLIP_PAPERS = ("pickup", "exchange")
"""Beside the receipt itself."""
BENEFITS = ("gift", "pickup", "item")
"""Kinds of benefit by which something is handed over."""
_REFERRER = b"redeemd/referrer/1\0"


@dataclass(frozen=True, slots=True)
class Slip:
    """paper: printed after the receipt of a benefit of this kind. campaigns: of these alone, None for all."""

    paper: str
    benefit: str
    campaigns: frozenset[Identity] | None


@dataclass(frozen=True, slots=True)
class Link:
    """url: an https address. words: what stands above its code."""

    url: str
    words: Words


@dataclass(frozen=True, slots=True)
class ReceiptRules:
    """join: for becoming a member; referral: for a friend of the coupon's holder."""

    promos: tuple[PromoRule, ...] = ()
    slips: tuple[Slip, ...] = ()
    join: Link | None = None
    referral: Link | None = None

    def named(self) -> dict[str, frozenset[Identity]]:
        """The campaigns that must exist, by where they are named."""
        found = {"slips": frozenset[Identity]().union(*(slip.campaigns or () for slip in self.slips))}
        for rule in self.promos:
            arms = {arm.campaign for arm in rule.arms if arm.campaign is not None}
            found[f"promos {rule.name!r}"] = frozenset(arms | (rule.after or frozenset()))
        return found

    def papers(self, campaign: Identity, benefit: str) -> tuple[str, ...]:
        """What is printed for a coupon of this campaign: the receipt first, each slip once."""
        found = (
            slip.paper
            for slip in self.slips
            if slip.benefit == benefit and (slip.campaigns is None or campaign in slip.campaigns)
        )
        return tuple(dict.fromkeys((PAPERS[0], *found)))

    def join_link(self, store: str, coupon: Coupon) -> str:
        """Empty for a coupon whose holder is known: who holds one is a member already."""
        return "" if coupon.claims.holder is not None else self.join_url(store)

    def join_url(self, store: str) -> str:
        """Where somebody in this store becomes a member; empty where head office named no place."""
        return "" if self.join is None else _with(self.join.url, "s", quote(store, safe=""))

    def referral_link(self, coupon: Coupon) -> str:
        """Empty for a coupon without a holder: nobody could be thanked."""
        if self.referral is None or coupon.claims.holder is None:
            return ""
        return _with(self.referral.url, "r", referrer(coupon.claims.holder).hex())


NO_RULES = ReceiptRules()


def referrer(holder: bytes) -> bytes:
    """The 8 bytes by which a friend's coupon names the holder who brought it (claim `referrer`): another pseudonym, so
    that what is passed on is not what the holder's own coupons say."""
    return hashlib.sha256(_REFERRER + holder).digest()[:8]


def _with(url: str, name: str, value: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{name}={value}"


def to_wire(rules: ReceiptRules) -> dict[str, Any]:
    """The content of the part."""
    return {
        "promos": [rule_to_wire(rule) for rule in rules.promos],
        "slips": [
            {
                "paper": slip.paper,
                "benefit": slip.benefit,
                "campaigns": None
                if slip.campaigns is None
                else [list(one) for one in sorted(slip.campaigns)],
            }
            for slip in rules.slips
        ],
        "join": _link_to_wire(rules.join),
        "referral": _link_to_wire(rules.referral),
    }


def _link_to_wire(link: Link | None) -> dict[str, Any] | None:
    return None if link is None else {"url": link.url, "words": words_to_wire(link.words)}


def read_part(parts: Mapping[str, bytes]) -> ReceiptRules:
    """The rules of a bundle; none where it has none. Raises FieldError, CborError."""
    return read_rules(cbor.decode(parts[PART], max_items=PART_ITEMS_MAX)) if PART in parts else NO_RULES


def read_rules(value: Any) -> ReceiptRules:
    """Read the content of the part strictly; FieldError names the field. What links promise is for whoever writes them
    (`check_words`): a till that knows more forbidden words than its cloud still takes the bundle."""
    fields = Fields(value, PART)
    rules = ReceiptRules(
        _each(fields, "promos", RULES_MAX, read_rule),
        _each(fields, "slips", SLIPS_MAX, _read_slip),
        _read_link(fields, "join"),
        _read_link(fields, "referral"),
    )
    fields.done()
    if len({rule.name for rule in rules.promos}) != len(rules.promos):
        raise fields.error("promos", "has a name twice")
    return rules


def check_words(rules: ReceiptRules) -> None:
    """FieldError for the first forbidden promise of what shoppers read."""
    links = (("join", rules.join), ("referral", rules.referral))
    said = [
        (f"{name}.words.{language}", text)
        for name, link in links
        if link is not None
        for language, text in (("zh", link.words.zh), ("en", link.words.en))
    ]
    for field, promise in wording.faults(said):
        raise FieldError(f"{PART}.{field} {promise}")


def _each(fields: Fields, name: str, most: int, read: Callable[[Any], T]) -> tuple[T, ...]:
    """The items of a list; FieldError says which of them is wrong, by its place, 1 first, and its name."""
    found = []
    for place, item in enumerate(fields.items(name, most) if fields.has(name) else [], 1):
        try:
            found.append(read(item))
        except FieldError as error:
            named = item.get("name") if isinstance(item, dict) else None
            own = f" {named[:32]!r}" if isinstance(named, str) else ""
            raise FieldError(f"{PART}.{name}: number {place}{own}: {error}") from error
    return tuple(found)


def _read_slip(value: Any) -> Slip:
    fields = Fields(value, "slip")
    slip = Slip(
        fields.choice("paper", {paper: paper for paper in SLIP_PAPERS}),
        fields.choice("benefit", {benefit: benefit for benefit in BENEFITS}),
        read_identities(fields, "campaigns"),
    )
    fields.done()
    return slip


def _read_link(fields: Fields, name: str) -> Link | None:
    value = fields.mapping(name, default=None)
    if value is None:
        return None
    inner = Fields(value, name)
    link = Link(inner.text("url", LINK_CHARS_MAX, least=1), words_from_wire(inner.mapping("words"), "words"))
    inner.done()
    if not _is_link(link.url):
        raise inner.error("url", "is not an https address of printable ASCII, without a fragment")
    return link


def _is_link(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            url.isascii()
            and " " not in url
            and parts.scheme == "https"
            and bool(parts.hostname)
            and "#" not in url
        )
    except ValueError:
        return False
