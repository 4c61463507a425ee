"""What head office tells a shop beside its offers: staff badges, messages for the cashier, receipt templates.

A badge stands here as a keyed hash with a role: no name and no number of a person. The key is in the bundle, so who
steals a till can try numbers; a badge's number must therefore be no secret on its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent.domain import cbor
from agent.domain.bundle import PART_ITEMS_MAX
from agent.domain.campaign import Words, words_from_wire, words_to_wire
from agent.domain.fields import FieldError, Fields
from agent.domain.token import DAY_MAX, UINT32_MAX

BADGES_PART, MESSAGES_PART, TEMPLATES_PART = "badges", "messages", "templates"
BADGE_CONTEXT = b"redeemd/badge/1\0"
BADGE_KEY_BYTES, BADGE_DIGEST_BYTES = 32, 16
BADGE_CHARS_MAX = 64
BADGES_MAX = 100_000
MESSAGES_MAX = 20
TEMPLATES_MAX = 24
TEMPLATE_BYTES_MAX = 256 * 1024


class StaffRole(StrEnum):
    """What the holder of a badge is at the till."""

    CASHIER = "cashier"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Badge:
    """digest: of its text. not_before, expires: the days on which it counts, both included."""

    digest: bytes
    role: StaffRole
    not_before: int
    expires: int

    def counts(self, day: int) -> bool:
        return self.not_before <= day <= self.expires


@dataclass(frozen=True, slots=True)
class Badges:
    """All badges of a shop; empty without a key."""

    key: bytes = b""
    by_digest: Mapping[bytes, Badge] = field(default_factory=dict)

    def find(self, text: str) -> Badge | None:
        """The badge that was scanned; whether it counts today is another question."""
        if not self.by_digest or not 0 < len(text) <= BADGE_CHARS_MAX:
            return None
        return self.by_digest.get(badge_digest(self.key, text))


@dataclass(frozen=True, slots=True)
class Message:
    """Words on the cashier page on the days `starts` to `ends`, both included."""

    words: Words
    starts: int
    ends: int

    def in_force(self, day: int) -> bool:
        return self.starts <= day <= self.ends


@dataclass(frozen=True, slots=True)
class Template:
    """A receipt template, or an image that templates name. content: bytes that only what draws receipts understands."""

    name: str
    version: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Shop:
    """The three together."""

    badges: Badges = Badges()
    messages: tuple[Message, ...] = ()
    templates: tuple[Template, ...] = ()


NO_SHOP = Shop()


def badge_digest(key: bytes, text: str) -> bytes:
    """HMAC-SHA-256 (RFC 2104) of a badge's text as scanned, without blanks around it; its first 16 bytes."""
    message = BADGE_CONTEXT + text.strip().encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).digest()[:BADGE_DIGEST_BYTES]


def read_shop(parts: Mapping[str, bytes]) -> Shop:
    """Type the three parts; each may be missing. Raises FieldError, CborError."""
    return Shop(
        _read_badges(cbor.decode(parts[BADGES_PART], max_items=PART_ITEMS_MAX))
        if BADGES_PART in parts
        else Badges(),
        tuple(read_message(item) for item in _items(parts, MESSAGES_PART, MESSAGES_MAX)),
        _read_templates(_items(parts, TEMPLATES_PART, TEMPLATES_MAX)),
    )


def _items(parts: Mapping[str, bytes], name: str, most: int) -> list[Any]:
    items = cbor.decode(parts[name], max_items=PART_ITEMS_MAX) if name in parts else []
    if type(items) is not list or len(items) > most:
        raise FieldError(f"{name} is not a list of at most {most}")
    return items


def badges_to_wire(key: bytes, badges: Iterable[Badge]) -> dict[str, Any]:
    """The content of part "badges"."""
    listed = [[badge.digest, badge.role.value, badge.not_before, badge.expires] for badge in badges]
    return {"key": key, "badges": sorted(listed)}


def _read_badges(value: Any) -> Badges:
    fields = Fields(value, "badges")
    key = fields.octets("key", BADGE_KEY_BYTES, BADGE_KEY_BYTES)
    found: dict[bytes, Badge] = {}
    for item in fields.items("badges", BADGES_MAX):
        badge = _read_badge(item)
        if badge.digest in found:
            raise FieldError("a badge stands twice")
        found[badge.digest] = badge
    fields.done()
    return Badges(key, found)


def _read_badge(item: Any) -> Badge:
    if type(item) is not list or [type(value) for value in item] != [bytes, str, int, int]:
        raise FieldError("a badge is [digest, role, first day, last day]")
    digest, role, not_before, expires = item
    if len(digest) != BADGE_DIGEST_BYTES or role not in set(StaffRole):
        raise FieldError(
            f"a badge of role {role[:20]!r}: its digest has 16 bytes, its role is cashier or manager"
        )
    if not 0 <= not_before <= expires <= DAY_MAX:
        raise FieldError("a badge's days are not from first to last")
    return Badge(digest, StaffRole(role), not_before, expires)


def message_to_wire(message: Message) -> dict[str, Any]:
    """One item of part "messages"."""
    return {"words": words_to_wire(message.words), "starts": message.starts, "ends": message.ends}


def read_message(value: Any) -> Message:
    """The reverse. Raises FieldError."""
    fields = Fields(value, "message")
    message = Message(
        words_from_wire(fields.mapping("words"), "words"),
        fields.integer("starts", 0, DAY_MAX),
        fields.integer("ends", 0, DAY_MAX),
    )
    fields.done()
    return message


def template_to_wire(template: Template) -> dict[str, Any]:
    """One item of part "templates"."""
    return {"name": template.name, "version": template.version, "content": template.content}


def _read_templates(items: list[Any]) -> tuple[Template, ...]:
    found: dict[str, Template] = {}
    for item in items:
        fields = Fields(item, "template")
        template = Template(
            fields.text("name", 32, least=1),
            fields.integer("version", 1, UINT32_MAX),
            fields.octets("content", 0, TEMPLATE_BYTES_MAX),
        )
        fields.done()
        if template.name in found:
            raise FieldError(f"template {template.name} stands twice")
        found[template.name] = template
    return tuple(found.values())
