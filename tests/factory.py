"""Make what a cloud would make: keys, campaigns, coupons, a signed bundle, a till's state directory. For tests and
benchmarks; everything in it is signed for real.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.domain import bundle, campaign, cbor, codes, erasure, member_list, parts, status, token
from agent.domain.bundle import CODES_PREFIX, Manifest, Root
from agent.domain.campaign import Campaign, Words
from agent.domain.codes import CodeKey, CodeKind, Codes, Form, TableHead
from agent.domain.cose import Algorithm
from agent.domain.disclosure import erased_digest
from agent.domain.keys import IssuerKey, SigningKey, new_signing_key
from agent.domain.member_list import MemberList
from agent.domain.parts import Contents, Place, PromoCode
from agent.domain.scan import Rule, rule_to_wire
from agent.domain.shop import (
    BADGE_KEY_BYTES,
    BADGES_PART,
    Badge,
    StaffRole,
    badge_digest,
    badges_to_wire,
)
from agent.domain.status import Status
from agent.domain.status_parts import snapshot_name, snapshot_to_wire
from agent.domain.time import EPOCH_DAY, Anchor, BootTime
from agent.domain.token import Claims
from agent.store.bundle_cache import enrol, store_bundle
from agent.store.codes import code_shelf
from agent.store.database import connect

TILL = "T-0001"
STORE_NUMBER = 7


def today() -> int:
    """The day number of the factory's store (UTC)."""
    return (datetime.now(UTC).date() - EPOCH_DAY).days


def amount_off(number: int = 1, **changes: Any) -> Campaign:
    """Spend 100 get 30 off, class C with a wide budget."""
    wire: dict[str, Any] = {
        "issuer": "acme",
        "number": number,
        "title": {"zh": "满百减三十", "en": "30 off 100"},
        "offer": {"benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}},
        "currency": "CNY",
        "starts": today() - 30,
        "ends": today() + 365,
        "size": 200_000,
        "offline_class": "C",
        "budget": {
            "count_day": 10**6,
            "value_day_minor": 10**10,
            "count_offline": 10**6,
            "value_offline_minor": 10**10,
        },
    }
    return campaign.from_wire(wire | changes)


CODE_FORM = Form("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 4, 16, "-", any_case=True)


@dataclass
class Factory:
    """One issuer, one store, one till and their bundle."""

    issuer_key: SigningKey = field(default_factory=new_signing_key)
    manifest_key: SigningKey = field(default_factory=new_signing_key)
    root_key: SigningKey = field(default_factory=new_signing_key)
    till_key: SigningKey = field(default_factory=new_signing_key)
    campaigns: list[Campaign] = field(default_factory=lambda: [amount_off()])
    marked: dict[int, list[tuple[int, Status]]] = field(default_factory=dict)
    promos: list[PromoCode] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    receipt_rules: dict[str, Any] = field(default_factory=dict)
    members: MemberList | None = None
    erased: list[bytes] = field(default_factory=list)
    """Pseudonyms, each an erasure of its own"""
    code_key: CodeKey = field(default_factory=lambda: CodeKey(os.urandom(8), "acme", os.urandom(32)))
    codes: dict[int, dict[str, int]] = field(default_factory=dict)
    """campaign number -> code in capitals and digits -> index"""
    badges: dict[str, tuple[StaffRole, int, int]] = field(default_factory=dict)
    """badge's text -> role, first and last day"""
    zone: str = "UTC"
    sequence: int = 1
    issued: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def coupon(self, index: int, number: int = 1, key: SigningKey | None = None, **claims: Any) -> str:
        """A coupon's text, valid now unless `claims` say otherwise."""
        terms = {"not_before": today() - 1, "expires": today() + 30} | claims
        return token.to_text(token.sign(Claims(number, index, **terms), key or self.issuer_key))

    def root(self) -> bytes:
        root = Root(
            1,
            self.issued,
            1,
            {self.root_key.kid: self.root_key.public_key},
            {self.manifest_key.kid: self.manifest_key.public_key},
        )
        return bundle.sign_root(root, [self.root_key])

    def parts(self) -> dict[str, bytes]:
        key = IssuerKey(
            self.issuer_key.kid,
            "acme",
            Algorithm.ED25519,
            self.issuer_key.public_key,
            None,
            0,
            today() + 400,
            10**6,
        )
        place = Place(
            "S-07",
            STORE_NUMBER,
            frozenset({70}),
            "acme",
            Words("人民路店", "People's Road"),
            self.zone,
            "CNY",
        )
        made = {
            "place": cbor.encode(parts.place_to_wire(place)),
            "keys": cbor.encode([parts.key_to_wire(key)]),
            "campaigns": cbor.encode([campaign.to_wire(offer) for offer in self.campaigns]),
            "promos": cbor.encode([parts.promo_to_wire(promo) for promo in self.promos]),
        }
        for offer in self.campaigns:
            listed = status.make(offer.size, self.marked.get(offer.number, []))
            made[snapshot_name("acme", offer.number)] = cbor.encode(
                snapshot_to_wire("acme", offer.number, listed)
            )
        if self.receipt_rules:
            made["receipt_rules"] = cbor.encode(self.receipt_rules)
        if self.badges:
            badge_key = b"b" * BADGE_KEY_BYTES
            staff = [Badge(badge_digest(badge_key, text), *said) for text, said in self.badges.items()]
            made[BADGES_PART] = cbor.encode(badges_to_wire(badge_key, staff))
        if self.members is not None:
            made[member_list.PART] = cbor.encode(member_list.to_wire(self.members))
        if self.erased:
            gone = {erased_digest(name) for one in self.erased for name in erasure.names_of(one)}
            made[erasure.PART] = erasure.to_part(len(self.erased), gone)
        if self.rules:
            made["scan_rules"] = cbor.encode([rule_to_wire(rule) for rule in self.rules])
        if self.codes:
            made["code_keys"] = cbor.encode([codes.key_to_wire(self.code_key)])
        return made | {f"codes/acme/{number}/0": self.table(number) for number in self.codes}

    def table(self, number: int) -> bytes:
        """The table of campaign `number`'s codes."""
        head = TableHead(
            "acme", number, CodeKind.PLAIN, self.code_key.key_id, CODE_FORM, 1, 0, today() - 1, today() + 30
        )
        listed = self.codes[number].items()
        return codes.make_table(
            head, [(codes.code_hash(self.code_key, CodeKind.PLAIN, code), index) for code, index in listed]
        )

    def manifest(self, made: dict[str, bytes]) -> bytes:
        described = tuple(bundle.describe_part(name, content) for name, content in sorted(made.items()))
        manifest = Manifest(
            TILL, 1, self.sequence, self.issued, timedelta(days=1), timedelta(days=14), described
        )
        return bundle.sign_manifest(manifest, self.manifest_key)

    def contents(self) -> Contents:
        """The bundle's content as the till reads it."""
        read = parts.read_parts(self.parts())
        tables = [codes.MemoryTable(self.table(number)) for number in self.codes]
        return replace(read, codes=Codes(read.code_keys, tables))

    def install(self, state_dir: Path) -> None:
        """Write an enrolled till with this bundle into `state_dir`."""
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_file = state_dir / "till.key"
        key_file.write_bytes(self.till_key.to_pem())
        key_file.chmod(0o600)
        made = self.parts()
        connection = connect(state_dir / "till.db")
        connection.execute("BEGIN IMMEDIATE")
        enrol(connection, TILL, self.root())
        mark = Anchor(self.issued, BootTime("", 0.0))
        kept = {name: content for name, content in made.items() if not name.startswith(CODES_PREFIX)}
        for name in made.keys() - kept.keys():
            code_shelf(state_dir / "till.db").add(bundle.describe_part(name, made[name]), made[name])
        store_bundle(connection, self.manifest(made), kept, parts.read_parts(kept).promos, mark)
        connection.execute("COMMIT")
        connection.close()
