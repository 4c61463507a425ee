"""Staff badges, messages and receipt templates: read from requests, kept, and made into parts of bundles."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from agent.domain import cbor, image, receipt_rules, shop, wording
from agent.domain.campaign import Campaign
from agent.domain.fields import FieldError, Fields
from agent.domain.image import ImageError
from agent.domain.promo import Identity
from agent.domain.receipt_rules import ReceiptRules
from agent.domain.shop import Badge, StaffRole, Template
from agent.domain.template_reader import TemplateError, read_template
from agent.domain.token import DAY_MAX, UINT32_MAX
from cloud.delegation import lent
from cloud.errors import Refused
from cloud.ports import CloudStore, PromoPlan

FORM_ITEMS_MAX = 10_000
"""Badges of one request; a larger staff is listed store by store."""


async def put_badges(store: CloudStore, place: str, items: list[Any]) -> int:
    """Replace the badges of all stores (place: "") or of one. Their texts are hashed here and kept nowhere."""
    key = await store.badge_key(secrets.token_bytes(shop.BADGE_KEY_BYTES))
    badges = {badge.digest: badge for badge in (_read_badge(key, item) for item in items)}
    listed = shop.badges_to_wire(key, badges.values())["badges"]
    await store.put_notice(shop.BADGES_PART, place, cbor.encode(listed))
    return len(badges)


def _read_badge(key: bytes, item: Any) -> Badge:
    fields = Fields(item, "badge")
    badge = Badge(
        shop.badge_digest(key, fields.text("text", shop.BADGE_CHARS_MAX, least=4)),
        fields.choice("role", {role.value: role for role in StaffRole}),
        fields.integer("not_before", 0, DAY_MAX),
        fields.integer("expires", 0, DAY_MAX),
    )
    fields.done()
    if badge.expires < badge.not_before:
        raise FieldError("badge.expires is before not_before")
    return badge


async def put_messages(store: CloudStore, place: str, items: list[Any]) -> int:
    """Replace the messages of all stores or of one."""
    read = [shop.read_message(item) for item in items]
    for message in read:
        said = (("zh", message.words.zh), ("en", message.words.en))
        for language, promise in wording.faults(said):
            raise FieldError(f"message.{language} {promise}")
    messages = [shop.message_to_wire(message) for message in read]
    _check_total(await store.notices(shop.MESSAGES_PART, place), place, messages, shop.MESSAGES_MAX)
    await store.put_notice(shop.MESSAGES_PART, place, cbor.encode(messages))
    return len(messages)


async def put_templates(store: CloudStore, place: str, items: list[Any]) -> int:
    """Replace the templates of all stores or of one. A store's own goes before the one of that name for all."""
    templates = [shop.template_to_wire(_read_template(item)) for item in items]
    if len({template["name"] for template in templates}) != len(templates):
        raise FieldError("a template stands twice")
    _check_total(await store.notices(shop.TEMPLATES_PART, place), place, templates, shop.TEMPLATES_MAX)
    await store.put_notice(shop.TEMPLATES_PART, place, cbor.encode(templates))
    return len(templates)


def _read_template(item: Any) -> Template:
    fields = Fields(item, "template")
    name, version = fields.text("name", 32, least=1), fields.integer("version", 1, UINT32_MAX)
    text = fields.text("content", 2 * shop.TEMPLATE_BYTES_MAX)
    fields.done()
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FieldError("template.content is not base64") from None
    if len(content) > shop.TEMPLATE_BYTES_MAX:
        raise FieldError(f"template.content has more than {shop.TEMPLATE_BYTES_MAX} bytes")
    try:  # as tills will: a broken one is refused here, where somebody reads why
        if content.startswith(image.SIGNATURE):
            image.check_image(name, content)
        else:
            read_template(content.decode())
    except UnicodeDecodeError:
        raise FieldError(f"template {name} is neither UTF-8 text nor a PNG") from None
    except (TemplateError, ImageError) as error:
        raise FieldError(f"template {name}: {error}") from None
    return Template(name, version, content)


def _check_total(kept: list[bytes], place: str, items: list[Any], most: int) -> None:
    """A till gets those for all and those of its store: together they must fit into one part."""
    shared = 0 if not place or not kept else len(cbor.decode(kept[0]))
    half = most // 2
    if len(items) > half or shared > half:
        raise Refused(422, "too_many", f"at most {half} for all stores and {half} for each store")


async def put_receipt_rules(store: CloudStore, place: str, value: Any) -> int:
    """Replace what all stores, or one, are told of receipts; how many promotion rules it has."""
    rules = receipt_rules.read_rules(value)
    receipt_rules.check_words(rules)
    await _check_campaigns(store, rules)
    await store.put_notice(receipt_rules.PART, place, cbor.encode(receipt_rules.to_wire(rules)))
    return len(rules.promos)


async def _check_campaigns(store: CloudStore, rules: ReceiptRules) -> None:
    """A rule whose campaign gives no codes leaves receipts without, and nobody would see why."""
    offers = {(offer.campaign.issuer, offer.campaign.number): offer for offer in await store.offers()}
    for name, campaigns in rules.named().items():
        if unknown := sorted(campaigns - offers.keys()):
            raise FieldError(f"{name} names campaign {_named(unknown[0])}, which is not published here")
    given = {identity for identity, offer in offers.items() if offer.promo is not None}
    given |= await lent(store)
    for rule in rules.promos:
        for arm in rule.arms:
            if arm.campaign is not None and arm.campaign not in given:
                raise FieldError(
                    f"promos {rule.name!r}: tills hold no codes of campaign {_named(arm.campaign)}; write [promo] "
                    "into its file and publish it again, or `redeemd campaign lend` it to them"
                )


async def why_unprinted(store: CloudStore, campaign: Campaign, promo: PromoPlan | None) -> str | None:
    """What to say where the next version of a campaign, not yet kept, would leave rules of receipts without codes."""
    identity = campaign.issuer, campaign.number
    before = await store.offer(*identity)
    if promo is not None or before is None or before.promo is None or identity in await lent(store):
        return None
    rules: set[str] = set()
    for place in ["", *(place.store for place in await store.places())]:
        for document in await store.notices(receipt_rules.PART, place):
            found = receipt_rules.read_part({receipt_rules.PART: document}).promos
            rules |= {rule.name for rule in found if identity in {arm.campaign for arm in rule.arms}}
    if not rules:
        return None
    return (
        f"rules of receipts print it ({', '.join(sorted(rules))}), and tills get no codes of it any more: "
        "write [promo] into its file, or change the rules"
    )


def _named(campaign: Identity) -> str:
    return f"{campaign[0]} {campaign[1]}"


PUT: Mapping[str, Callable[[CloudStore, str, list[Any]], Any]] = {
    shop.BADGES_PART: put_badges,
    shop.MESSAGES_PART: put_messages,
    shop.TEMPLATES_PART: put_templates,
}


async def shop_parts(store: CloudStore, place: str) -> dict[str, bytes]:
    """The parts of a till in store `place`; none for what was never said."""
    parts: dict[str, bytes] = {}
    badges = await _all(store, shop.BADGES_PART, place)
    if badges:
        by_digest = {badge[0]: badge for badge in badges}  # a store's own entry replaces the one for all
        key = await store.badge_key(secrets.token_bytes(shop.BADGE_KEY_BYTES))
        parts[shop.BADGES_PART] = cbor.encode({"key": key, "badges": sorted(by_digest.values())})
    if messages := await _all(store, shop.MESSAGES_PART, place):
        parts[shop.MESSAGES_PART] = cbor.encode(messages)
    if templates := await _all(store, shop.TEMPLATES_PART, place):
        by_name = {template["name"]: template for template in templates}
        parts[shop.TEMPLATES_PART] = cbor.encode(list(by_name.values()))
    if rules := await store.notices(receipt_rules.PART, place):
        parts[receipt_rules.PART] = rules[-1]  # of all stores first, then the store's own
    return parts


async def _all(store: CloudStore, kind: str, place: str) -> list[Any]:
    return [item for document in await store.notices(kind, place) for item in cbor.decode(document)]
