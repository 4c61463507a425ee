"""The SQL of keys, campaigns' indexes and coupons: what `cloud.store.sqlite_store` runs in one transaction each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from agent.domain import token
from agent.domain.cose import Algorithm
from agent.domain.keys import IssuerKey
from agent.domain.status import Status
from cloud.errors import Refused
from cloud.ports import HeldKey, IssuedOrder, KeyState, Terms
from cloud.store import sql_news
from cloud.store.sql import Db
from cloud.store.sql_drawing import draw, drawn_again
from cloud.store.sql_status import mark

_KEY = (
    "SELECT kid, issuer, algorithm, public_key, campaigns, not_before, expires, value_max_minor,"
    " state, registered FROM issuer_key"
)


def add_key(db: Db, key: IssuerKey, registered: bool) -> None:
    if db.execute("SELECT 1 FROM issuer_key WHERE kid = ?", (key.kid,)).fetchone():
        raise Refused(409, "key_exists", f"the kid {key.kid.hex()} exists already")
    if registered:
        _not_issued_here(db, key)
    scope = None if key.campaigns is None else _json(sorted(key.campaigns))
    row = (key.issuer, key.kid, int(key.algorithm), key.public_key, scope)
    limits = (key.not_before, key.expires, key.value_max_minor)
    db.execute(
        "INSERT INTO issuer_key (issuer, kid, algorithm, public_key, campaigns, not_before, expires,"
        " value_max_minor, state, registered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, *limits, KeyState.ACTIVE.value, int(registered)),
    )


def _not_issued_here(db: Db, key: IssuerKey) -> None:
    """Two who draw indexes of one campaign would give one identity to two coupons."""
    issued = db.execute(
        "SELECT campaign FROM campaign WHERE issuer = ? AND (issued > 0 OR restored_at IS NOT NULL) ORDER BY campaign",
        (key.issuer,),
    )
    for (number,) in issued.fetchall():
        if key.campaigns is None or number in key.campaigns:
            sentence = f"coupons of campaign {number} were issued by the cloud already"
            raise Refused(409, "issued_here", f"{sentence}: name other campaigns for a key held elsewhere")


def held_keys(db: Db) -> list[HeldKey]:
    return [_held(row) for row in db.execute(f"{_KEY} ORDER BY issuer, kid")]


def change_key(db: Db, kid: bytes, state: KeyState) -> HeldKey:
    row = db.execute(f"{_KEY} WHERE kid = ?", (kid,)).fetchone()
    if row is None:
        raise Refused(404, "unknown_key", f"there is no key {kid.hex()}")
    if _held(row).state is KeyState.WITHDRAWN and state is not KeyState.WITHDRAWN:
        raise Refused(409, "key_withdrawn", f"key {kid.hex()} was withdrawn, for good: make a new one")
    db.execute("UPDATE issuer_key SET state = ? WHERE kid = ?", (state.value, kid))
    sql_news.tell(db)
    if state is KeyState.WITHDRAWN:
        _drop_promos(db, _held(row).key)
    return _held(db.execute(f"{_KEY} WHERE kid = ?", (kid,)).fetchone())


def _drop_promos(db: Db, key: IssuerKey) -> None:
    """Codes that tills hold ready for receipts, signed by a key that counts no more: no customer shall get them."""
    rows = db.execute("SELECT till, short, document FROM promo WHERE issuer = ? AND out = 0", (key.issuer,))
    signed = [
        (till, short)
        for till, short, document in rows
        if token.parse(json.loads(document)["token"]).envelope.kid == key.kid
    ]
    db.executemany("UPDATE promo SET out = 1 WHERE till = ? AND short = ?", signed)


def campaign_row(db: Db, issuer: str, campaign: int) -> tuple[int, bytes, int]:
    """(size, key of the index permutation, numbers drawn: coupons issued, and those that were passed over)."""
    row = db.execute(
        "SELECT size, index_key, issued FROM campaign WHERE issuer = ? AND campaign = ?", (issuer, campaign)
    ).fetchone()
    if row is None:
        raise Refused(404, "unknown_campaign", f"issuer {issuer} has no campaign {campaign}")
    size, key, issued = row
    return size, key, issued


def may_be_out(db: Db, issuer: str, campaign: int) -> bool:
    """Whether coupons of a campaign were issued here, or may have been: by the holder of a registered key, or before
    a restore.
    """
    here = "SELECT issued > 0 OR restored_at IS NOT NULL FROM campaign WHERE issuer = ? AND campaign = ?"
    if db.execute(here, (issuer, campaign)).fetchone()[0]:
        return True
    registered = [
        _held(row).key for row in db.execute(f"{_KEY} WHERE issuer = ? AND registered = 1", (issuer,))
    ]
    return any(key.campaigns is None or campaign in key.campaigns for key in registered)


def orders(db: Db, issuer: str, campaign: int, limit: int) -> list[IssuedOrder]:
    rows = db.execute(
        "SELECT name, first, count, terms FROM coupon_order WHERE issuer = ? AND campaign = ?"
        " ORDER BY first DESC LIMIT ?",
        (issuer, campaign, limit),
    )
    return [IssuedOrder(*row) for row in rows.fetchall()]


def allot(
    db: Db, issuer: str, campaign: int, count: int, terms: Terms, at: str, order: str | None
) -> list[int]:
    said = _json({name: value for name in Terms.__slots__ if (value := getattr(terms, name)) is not None})
    drawn = campaign_row(db, issuer, campaign)
    if order is not None:
        known = db.execute(
            "SELECT first, count, terms FROM coupon_order WHERE issuer = ? AND campaign = ? AND name = ?",
            (issuer, campaign, order),
        ).fetchone()
        if known is not None:
            if known[1:] != (count, said):
                sentence = "an order of this name was for other coupons"
                raise Refused(409, "order_differs", f"{sentence}: send what was sent first, or a new name")
            return drawn_again(db, issuer, campaign, drawn, known[0], count)
    _check_open(db, issuer, campaign)
    indexes, passed = draw(db, issuer, campaign, drawn, count)
    db.execute(
        "UPDATE campaign SET issued = issued + ?, passed_over = passed_over + ? WHERE issuer = ? AND campaign = ?",
        (count + passed, passed, issuer, campaign),
    )
    if order is not None:
        row = (issuer, campaign, order, drawn[2], count, said)
        db.execute("INSERT INTO coupon_order VALUES (?, ?, ?, ?, ?, ?)", row)
    db.insert("coupon", [(issuer, campaign, index, at, None, said, None) for index in indexes])
    return indexes


def note_tokens(db: Db, issuer: str, campaign: int, tokens: Sequence[tuple[int, bytes]]) -> None:
    """`CloudStore.note_tokens`. An order that is sent again may be signed by another key: then both count."""
    db.executemany(
        "UPDATE coupon SET token = CASE WHEN token IS NULL OR token = ?1 THEN ?1 ELSE ?2 END"
        " WHERE issuer = ?3 AND campaign = ?4 AND idx = ?5",
        [(digest, b"", issuer, campaign, index) for index, digest in tokens],
    )


def _check_open(db: Db, issuer: str, campaign: int) -> None:
    """Refused where indexes may have been drawn that are not known here any more."""
    (at,) = db.execute(
        "SELECT restored_at FROM campaign WHERE issuer = ? AND campaign = ?", (issuer, campaign)
    ).fetchone()
    if at is not None:
        sentence = f"the cloud was restored at {at}, and how many coupons were issued by then is not known"
        command = f"redeemd cloud restored DIR --issued {issuer}/{campaign}=N"
        raise Refused(409, "restored", f"{sentence}: state it with {command}")


def revoke(db: Db, issuer: str, campaign: int, indexes: Iterable[int], at: str) -> int:
    size, _, _ = campaign_row(db, issuer, campaign)
    changed = []
    for index in indexes:
        if not 0 <= index < size:
            raise Refused(422, "no_such_coupon", f"index {index} is not below the campaign's size {size}")
        done = db.execute(
            "INSERT INTO coupon VALUES (?, ?, ?, NULL, ?, NULL, NULL) ON CONFLICT (issuer, campaign, idx)"
            " DO UPDATE SET revoked_at = excluded.revoked_at WHERE coupon.revoked_at IS NULL",
            (issuer, campaign, index, at),
        )
        if done.rowcount:
            changed.append((index, Status.REVOKED))
    mark(db, issuer, campaign, changed)
    if changed:
        sql_news.tell(db)
    return len(changed)


def _held(row: tuple[Any, ...]) -> HeldKey:
    kid, issuer, algorithm, raw, scope, not_before, expires, value_max_minor, state, registered = row
    campaigns = None if scope is None else frozenset(json.loads(scope))
    limits = (campaigns, not_before, expires, value_max_minor)
    key = IssuerKey(kid, issuer, Algorithm(algorithm), raw, *limits)
    return HeldKey(key, KeyState(state), bool(registered))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
