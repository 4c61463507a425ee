"""A till with members: its bundle's list and offers that ask for them, and calls to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.domain.disclosure import disclosure
from agent.domain.member_card import Card, sign
from agent.domain.member_list import Known, MemberList, Program, name_of, pack
from agent.domain.shop import StaffRole
from tests.core_kit import promo_codes, rows
from tests.factory import TILL, Factory, amount_off, today
from tests.integration.api_kit import RealTill

WHO = "a1a2a3a4a5a6a7a8"
LISTED, SILENT = b"listed-1", b"silent-1"
AS_OF = datetime(2026, 3, 1, 8, tzinfo=UTC)
MEMBER = {"pseudonym": WHO, "level": 2, "points": 1200, "consent": True}
BADGES = {"9900-ann": StaffRole.CASHIER, "9900-bob": StaffRole.CASHIER, "9900-boss": StaffRole.MANAGER}
SALE = {"sale_id": "S1", "total_minor": 20_000}
OFF = {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": 3_000}]}
GOLD = {
    "name": "gold",
    "starts": 0,
    "ends": 60_000,
    "level": 2,
    "unit": "shopper",
    "arms": [{"name": "all", "share": 10_000, "campaign": ["acme", 1]}],
}


PROGRAM = Program(earn_minor=100, count_day=2, points_day=800, count_offline=3, points_offline=900)


def factory(program: Program | None = None, through: int = 0) -> Factory:
    asked: dict[int, dict[str, Any]] = {
        1: {},
        2: {"member_level": 2},
        3: {"first_visit": True},
        4: {"absent_days": 30},
        5: {"holder_only": True},
        6: {"limits": {"member_day": 1, "member_month": 2}},
    }
    made = Factory(
        campaigns=[
            amount_off(
                number,
                offer={"benefit": OFF, "conditions": conditions, "stacking": {"mode": "joint"}},
                returns="coupon",
            )
            for number, conditions in asked.items()
        ]
    )
    pays = {"kind": "points_spend", "points": 100, "worth_minor": 100, "cap_minor": 500}
    more = {"kind": "points_multiplier", "percent": 300}
    for number, benefit in ((7, pays), (8, more)):
        offer = {"benefit": benefit, "stacking": {"mode": "joint"}}
        made.campaigns.append(amount_off(number, offer=offer, returns="coupon"))
    made.promos += promo_codes(made, 6)
    listed = [
        (LISTED, Known(level=2, points=1_200, visits=3, last_day=today() - 40, consent=True)),
        (SILENT, Known(level=3, points=5, visits=0, last_day=None, consent=False)),
    ]
    made.members = MemberList(
        AS_OF, {TILL: through}, program, pack((name_of(who), known) for who, known in listed)
    )
    join = {"url": "https://acme.example/join", "words": {"zh": "扫码入会", "en": "Become a member"}}
    made.receipt_rules = {"promos": [GOLD], "join": join}
    for text, role in BADGES.items():
        made.badges[text] = (role, today() - 1, today() + 1)
    return made


class Counter:
    """Redeems with a new key each time."""

    def __init__(self, till: RealTill) -> None:
        self.till = till
        self._keys = iter(range(10**6))

    async def redeem(
        self, number: int, index: int, member: Any = None, key: str = "", sale: Any = SALE, holder: Any = None
    ) -> Any:
        body = {
            "text": self.till.factory.coupon(index, number, holder=holder),
            "sale": sale,
            "member": member,
        }
        key = key or f"k{next(self._keys)}"
        answer = await self.till.call("POST", "/v1/redeem", body, Idempotency_Key=key)
        assert answer.status == 200, answer.raw
        return answer.json

    def data(self, lane: str = "redemption") -> list[dict[str, Any]]:
        found = rows(Path(self.till.app._database.path), f"SELECT event FROM {lane}_record ORDER BY sequence")
        return [json.loads(event)["data"] for (event,) in found]

    def hidden(self, sequence: int) -> str:
        """What stands for WHO in that redemption's record."""
        database = Path(self.till.app._database.path)
        asked = f"SELECT salt, pseudonym FROM disclosure WHERE lane = 'redemption' AND sequence = {sequence}"
        found = {disclosure(bytes.fromhex(salt), bytes.fromhex(who)) for salt, who in rows(database, asked)}
        (digest,) = [one.digest for one in found if one.pseudonym == WHO]
        return digest


def card(till: RealTill, who: bytes = LISTED, level: int = 0, first: int = -1, last: int = 1) -> str:
    return sign(Card(who, today() + first, today() + last, level), till.factory.issuer_key)
