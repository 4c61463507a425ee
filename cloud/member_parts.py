"""A till's list of members, and the cards that an issuer's key signs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from agent.domain import cbor, member_card, member_list
from agent.domain.fields import FieldError, Fields
from agent.domain.member_card import Card
from agent.domain.member_list import MEMBERS_MAX, TILLS_MAX, Known, MemberList, name_of, pack
from agent.domain.time import timestamp
from agent.domain.token import DAY_MAX
from cloud.errors import Refused, SetupError
from cloud.issue import PrivateKeys
from cloud.keyring import issuer_prefix
from cloud.members import PROGRAM, MemberLine, new_member
from cloud.ports import CloudStore, KeyState

CARDS_MAX = 1_000
"""Cards of one request."""


async def put_program(store: CloudStore, place: str, value: Any) -> None:
    """Replace the program of all stores (place: "") or of one; null ends it there."""
    program = None if value is None else member_list.program_to_wire(member_list.read_program(value))
    await store.put_program(place, cbor.encode(program), 0 if program is None else program["earn_minor"])


async def member_part(store: CloudStore, place: str, now: datetime, keep_s: int) -> dict[str, bytes]:
    """The part of a till in store `place`; none where there are no members and no program.

    Made anew when it is `keep_s` seconds old and something has changed: each record changes it, and tills fetch all of
    it.
    """
    notices = await store.notices(PROGRAM, place)
    program = cbor.decode(notices[-1]) if notices else None  # of all stores first, then the store's own
    kept = await _kept(store, place)
    if kept is None or now - kept[0] >= timedelta(seconds=keep_s):
        kept = await _made_anew(store, place, now, kept)
    if kept is None:
        if program is None:
            return {}
        kept = now, member_list.to_wire(MemberList(now))
        await store.put_notice(member_list.PART, place, cbor.encode(kept[1]))
    return {member_list.PART: cbor.encode(kept[1] | {"program": program})}


_Kept = tuple[datetime, dict[str, Any]]
"""When it was made, and its wire form."""


async def _kept(store: CloudStore, place: str) -> _Kept | None:
    documents = await store.notices(member_list.PART, place)
    if not documents:
        return None
    made = member_list.read_part({member_list.PART: documents[-1]})
    assert made.as_of is not None, "a list says of when it is"
    return made.as_of, member_list.to_wire(made)


async def _made_anew(store: CloudStore, place: str, now: datetime, kept: _Kept | None) -> _Kept | None:
    lines, through = await store.members_for(place, MEMBERS_MAX)
    newest = dict(sorted(through.items())[:TILLS_MAX])
    rows = pack((name_of(bytes.fromhex(line.pseudonym)), _known(line)) for line in lines)
    if kept is None and not rows:
        return None
    if kept is not None and (kept[1]["rows"], kept[1]["through"]) == (rows, newest):
        return kept  # nothing changed: tills have nothing to fetch
    wire = member_list.to_wire(MemberList(now, newest, None, rows))
    await store.put_notice(member_list.PART, place, cbor.encode(wire))
    return now, wire


def _known(line: MemberLine) -> Known:
    return Known(line.level, max(line.points, 0), line.visits, line.last_day, line.consent)


async def put_members(store: CloudStore, items: list[Any], now: datetime) -> int:
    """Add or replace members; how many."""
    return await store.put_members([new_member(item) for item in items], timestamp(now))


async def sign_cards(store: CloudStore, keys: PrivateKeys, issuer: str, items: list[Any]) -> list[str]:
    """The texts of member cards, by an active key of the issuer that is limited to no campaigns; Refused."""
    cards = [_card(item) for item in items]
    first = min((card.not_before for card in cards), default=0)
    last = max((card.expires for card in cards), default=0)
    for held in reversed(await store.held_keys()):
        key = held.key
        fits = key.issuer == issuer and key.campaigns is None and held.state is KeyState.ACTIVE
        if not fits or first < key.not_before or last > key.expires:
            continue
        try:
            signing = keys.load(issuer_prefix(issuer), key.kid, key.algorithm)
        except SetupError:
            continue
        return [member_card.sign(card, signing) for card in cards]
    sentence = f"issuer {issuer} has no active key here that is limited to no campaigns and lasts that long"
    raise Refused(409, "no_private_key", f"{sentence}: make one with redeemd keys new")


def _card(value: Any) -> Card:
    fields = Fields(value, "card")
    pseudonym = fields.text("pseudonym", 32, least=16)
    card = Card(
        b"",
        fields.integer("not_before", 0, DAY_MAX),
        fields.integer("expires", 0, DAY_MAX),
        fields.integer("level", 0, 100, default=0),
    )
    fields.done()
    if card.expires < card.not_before:
        raise FieldError("card.expires is before not_before")
    try:
        octets = bytes.fromhex(pseudonym)
    except ValueError:
        octets = b""
    if octets.hex() != pseudonym or not 8 <= len(octets) <= 16:
        raise FieldError("card.pseudonym is not 8 to 16 bytes in lowercase hexadecimal")
    return Card(octets, card.not_before, card.expires, card.level)
