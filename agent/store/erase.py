"""Forget a person: delete or blank what this database holds of erased pseudonyms. Signed events stay as they are."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

IsErased = Callable[[bytes], bool]
_MEMBER_TABLES = ("member_use", "member_points", "member_sale")


def erase(db: sqlite3.Connection, is_erased: IsErased, members: Iterable[bytes]) -> int:
    """How many rows held something. members: digests under which this till counted the erased."""
    db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not left lying
    return (
        _disclosures(db, is_erased) + _holds(db, is_erased) + _receipts(db, is_erased) + _members(db, members)
    )


def _disclosures(db: sqlite3.Connection, is_erased: IsErased) -> int:
    known = [text for (text,) in db.execute("SELECT DISTINCT pseudonym FROM disclosure")]
    gone = [(text,) for text in known if is_erased(bytes.fromhex(text))]
    return sum(db.execute("DELETE FROM disclosure WHERE pseudonym = ?", one).rowcount for one in gone)


def _holds(db: sqlite3.Connection, is_erased: IsErased) -> int:
    """A hold keeps what was asked: its coupons' claims, and the member."""
    found = 0
    for hold, text in db.execute("SELECT hold_id, held FROM hold").fetchall():
        document = json.loads(text)
        if _blank(document, is_erased):
            held = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            db.execute("UPDATE hold SET held = ? WHERE hold_id = ?", (held, hold))
            found += 1
    return found


def _blank(value: Any, is_erased: IsErased) -> bool:
    """Take erased pseudonyms out of a document, in place; whether there were any."""
    if isinstance(value, list):
        return sum(_blank(item, is_erased) for item in value) > 0  # all of them, whatever the first gives
    if not isinstance(value, dict):
        return False
    found = sum(_blank(item, is_erased) for item in value.values()) > 0
    for name, empty in (("holder", None), ("referrer", None), ("pseudonym", "")):
        if isinstance(text := value.get(name), str) and is_erased(_octets(text)):
            value[name] = empty
            if "digest" in value:
                value["digest"] = ""
            found = True
    return found


def _octets(text: str) -> bytes:
    """Of base64, as bytes stand in JSON here."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _receipts(db: sqlite3.Connection, is_erased: IsErased) -> int:
    """The link for a friend names who holds the coupon; a later copy is laid out anew, without it."""
    found = 0
    rows = db.execute(
        "SELECT number, json_extract(receipt, '$.referral_link') FROM print_job"
        " WHERE json_extract(receipt, '$.referral_link') <> ''"
    )
    for number, link in rows.fetchall():
        if is_erased(_named_by(link)):
            db.execute(
                "UPDATE print_job SET receipt = json_set(receipt, '$.referral_link', '', '$.referral_words', '')"
                " WHERE number = ?",
                (number,),
            )
            db.execute("DELETE FROM print_document WHERE number = ?", (number,))
            found += 1
    return found


def _named_by(link: str) -> bytes:
    try:
        return bytes.fromhex(parse_qs(urlsplit(link).query).get("r", [""])[-1])
    except ValueError:
        return b""


def _members(db: sqlite3.Connection, members: Iterable[bytes]) -> int:
    found = 0
    for member in members:
        for table in _MEMBER_TABLES:
            found += db.execute(f"DELETE FROM {table} WHERE member = ?", (member,)).rowcount
        found += db.execute("UPDATE held_coupon SET member = NULL WHERE member = ?", (member,)).rowcount
    return found
