"""Readers of what comes over the line: what a cloud tells a till, and what a till says of a return."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from agent.domain.fields import FieldError
from agent.domain.online import CHECK_COUPONS_MAX, CLOUDS_WORDS, Word
from agent.line.online import read_words
from cloud.checks import CHECK_BYTES_MAX, read_check
from cloud.returns import Part, left_of, parts_back, read_reversal
from sync import strict_json
from sync.errors import WireError
from sync.news import SPREAD_MAX_MS, is_mark, read_news
from sync.ports import Answer
from sync.verdicts import NUMBER_MAX, TEXT_CHARS_MAX, read_verdicts
from tests.unit.test_sync_document import block

REVERSAL = {
    "reversal_id": "T-1-2",
    "redemption_id": "T-1-1",
    "coupon": {"issuer": "acme", "campaign": 7, "index": 5},
    "amount_minor": 30,
    "whole": True,
    "coupon_returns": True,
    "lines": [
        {"line": "a", "quantity": 2, "amount_minor": 20},
        {"line": "b", "quantity": 1, "amount_minor": 10},
    ],
}
SHARES = {"a": Part("a", 3, (10, 10, 10)), "b": Part("b", 1, (10, 0, 0)), "*": Part("*", 1, (1, 2, 3))}


def verdicts(data: bytes) -> None:
    """What is accepted can be shown and printed, and its numbers rise."""
    try:
        found, _ = read_verdicts(data)
    except WireError:
        return
    assert [one.number for one in found] == sorted({one.number for one in found})
    for one in found:
        assert 0 < one.number <= NUMBER_MAX
        assert all(text.isprintable() and len(text) <= TEXT_CHARS_MAX for text in (one.zh, one.en))


def news(data: bytes) -> None:
    """A mark that can stand in an address, and no long delay."""
    try:
        found = read_news(data)
    except WireError:
        return
    assert is_mark(found.mark)
    assert 0 <= found.spread_ms <= SPREAD_MAX_MS


def reversal(data: bytes) -> None:
    """What is accepted gives nobody more back than it gave."""
    try:
        asked = read_reversal(strict_json.loads(data, max_bytes=65_536, max_depth=16), "T-1-2")
    except (WireError, FieldError):
        return
    for names in (("a", "b"), ("*",)):
        left = {name: SHARES[name] for name in names}
        parts = parts_back(left, asked)
        if not isinstance(parts, str):
            after = left_of(left, parts)
            assert all(part.pieces >= 0 and min(part.funded_minor) >= 0 for part in after.values())
            assert sum(part.amount_minor for part in parts) == asked.amount_minor


def verdict_seeds() -> list[bytes]:
    return [block("json verdicts").encode()]


def news_seeds() -> list[bytes]:
    return [block("json news").encode()]


def reversal_seeds() -> list[bytes]:
    return [json.dumps(REVERSAL).encode(), json.dumps(REVERSAL | {"lines": []}).encode()]


def check(data: bytes) -> None:
    """What a till asks: a few coupons, each once, for a bounded time."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    try:
        asked = read_check(strict_json.loads(data, max_bytes=CHECK_BYTES_MAX, max_depth=4), now)
    except (WireError, FieldError):
        return
    assert 0 < len(asked.coupons) <= CHECK_COUPONS_MAX
    assert len(set(asked.coupons)) == len(asked.coupons)
    assert asked.until <= "2026-03-02T00:10:00.000Z"


def checked(data: bytes) -> None:
    """What the cloud answers: its own words alone, and an end of what is reserved for others."""
    try:
        found = read_words(Answer(200, {}, data))
    except (WireError, FieldError, ValueError):
        return
    for said in found.values():
        assert said.word in CLOUDS_WORDS
        assert said.word is not Word.RESERVED or said.until is not None


def check_seeds() -> list[bytes]:
    return [block("json check").encode()]


def checked_seeds() -> list[bytes]:
    return [block("json checked").encode()]
