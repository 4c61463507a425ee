"""Opaque codes: made or taken over, listed as keyed hashes, published as tables.

A code is made from its coupon's index with a secret that never leaves the cloud: the same order again gives the same
codes, and no code is stored. What is stored and what tills get is the hash under another key (docs/codes.md).
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent.domain.bundle import CODES_PREFIX
from agent.domain.codes import (
    GS1_FORM,
    HASH_BYTES,
    KEY_BYTES,
    KEY_ID_BYTES,
    CodeKey,
    CodeKind,
    Form,
    TableHead,
    code_hash,
    make_table,
)
from agent.domain.gs1 import GCN, OFFER, Gs1Error, coupon_of
from agent.domain.time import timestamp
from cloud.code_ports import CodeSecret, CodeStore, ListedTable
from cloud.errors import Refused
from cloud.issue import check_terms, keys_of
from cloud.ports import CloudStore, Terms

ISSUED_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ISSUED_CHARS = 16
ISSUED_FORM = Form(ISSUED_ALPHABET, ISSUED_CHARS, ISSUED_CHARS, "- ", any_case=True, lookalikes=True)
"""How the codes that are made here are written: 80 bits, in fours."""
GUESS_BITS_LEAST = 20
"""A guess at a till must not hit a single-use code more often than once in a million times."""
_LABEL = b"redeemd/code/make/1\0"


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """One code as it is printed, and the index of its coupon."""

    index: int
    code: str


@dataclass(frozen=True, slots=True)
class CodesIssued:
    """guess_bits: how many guesses at a till (as a power of two) hit one code, all listed ones counted. thief_bits: how
    many hashes find one code for whoever has a till's key and tables. Both are upper bounds: people choose codes badly.
    """

    codes: list[IssuedCode]
    guess_bits: float
    thief_bits: float


async def issue_codes(
    store: CloudStore,
    issuer: str,
    campaign: int,
    terms: Terms,
    now: datetime,
    *,
    count: int = 0,
    codes: Sequence[str] = (),
    kind: CodeKind = CodeKind.PLAIN,
    form: Form | None = None,
    order: str | None = None,
) -> CodesIssued:
    """List `count` codes made here, or the given `codes` of somebody else's making, as coupons of a campaign.

    form: how given plain codes are written. order: a name; the same order again gives the same coupons and codes.
    Refused if no till could accept them, if they are too easily guessed, or if one is listed already.
    """
    assert bool(count) != bool(codes), "either codes are made or they are given"
    offer = await store.offer(issuer, campaign)
    if offer is None:
        raise Refused(422, "unknown_campaign", f"issuer {issuer} has no campaign {campaign}")
    await keys_of(store, offer.campaign)
    check_terms(offer.campaign, terms)
    form = _form_of(kind, form, made=bool(count))
    folded = [_folded(code, kind, form) for code in codes]
    if len(set(folded)) < len(folded):
        raise Refused(422, "code_twice", "two of these codes are the same to a till")
    space = _space(kind, form, folded)
    listed = offer.issued + max(count, len(folded))
    bits = math.log2(space / listed)
    if offer.campaign.uses == 1 and bits < GUESS_BITS_LEAST:
        sentence = (
            f"one guess in 2^{bits:.0f} would hit one of these codes, only one in 2^{GUESS_BITS_LEAST} may"
        )
        raise Refused(422, "too_guessable", f"{sentence}: take longer codes, or a campaign with more uses")
    secret = await store.codes.secret(issuer)
    key = CodeKey(secret.key_id, issuer, secret.key)
    if codes:  # a code that is taken is found before a coupon is spent on it
        taken = [code_hash(key, kind, code) for code in folded]
        await store.codes.check_free(issuer, taken, None if order is None else campaign)
    name = None if order is None else f"codes {order}"
    indexes = await store.allot(issuer, campaign, max(count, len(folded)), terms, timestamp(now), name)
    if count:
        folded = await asyncio.to_thread(_made, secret, campaign, indexes)
    rows = await asyncio.to_thread(_rows, key, kind, folded, indexes)
    await store.codes.add(_head(secret, kind, form, campaign, terms), rows)
    shown = [_in_fours(code) for code in folded] if count else folded
    issued = [IssuedCode(index, code) for index, code in zip(indexes, shown, strict=True)]
    thief_bits = min(bits, 8 * HASH_BYTES - math.log2(listed))
    return CodesIssued(issued, round(bits, 1), round(thief_bits, 1))


def _form_of(kind: CodeKind, form: Form | None, *, made: bool) -> Form:
    if kind is not CodeKind.PLAIN:
        if made or form is not None:
            raise Refused(
                422, "gs1_numbers", "GS1 numbers are given, not made, and have one form: send codes alone"
            )
        return GS1_FORM
    if made:
        if form is not None and replace(form, prefixes=()) != ISSUED_FORM:
            raise Refused(422, "made_form", "of codes that are made here only the prefixes can be chosen")
        return form or ISSUED_FORM
    if form is None:
        raise Refused(422, "form_needed", "say how these codes are written: send form")
    return form


def _folded(code: str, kind: CodeKind, form: Form) -> str:
    """The code as it is hashed; Refused without repeating it."""
    folded = form.fold(code)
    if folded is None:
        raise Refused(422, "bad_code", "one of these codes is not written as the form says")
    if kind is not CodeKind.PLAIN:
        try:
            coupon_of({GCN if kind is CodeKind.GCN else OFFER: folded})
        except Gs1Error as error:
            raise Refused(
                422, "bad_code", f"one of these codes is no {kind.value}: {error.fault.value}"
            ) from None
    return folded


def _space(kind: CodeKind, form: Form, folded: Sequence[str]) -> int:
    """How many codes there could be of the kind of the shortest one. Of a GS1 number only its serial is unknown."""
    least = min(map(len, folded), default=form.least)
    known = {CodeKind.PLAIN: 0, CodeKind.GCN: 13, CodeKind.OFFER: 15}[kind]
    return int(len(form.alphabet) ** max(0, least - known))


def _made(secret: CodeSecret, campaign: int, indexes: Sequence[int]) -> list[str]:
    """The codes of these indexes: 80 bits of HMAC-SHA-256 each."""
    codes = []
    for index in indexes:
        message = _LABEL + campaign.to_bytes(4, "big") + index.to_bytes(4, "big")
        number = int.from_bytes(hmac.digest(secret.seed, message, "sha256")[:10], "big")
        codes.append("".join(ISSUED_ALPHABET[number >> 5 * place & 31] for place in range(ISSUED_CHARS)))
    return codes


def _in_fours(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _head(secret: CodeSecret, kind: CodeKind, form: Form, campaign: int, terms: Terms) -> TableHead:
    return TableHead(
        secret.issuer,
        campaign,
        kind,
        secret.key_id,
        form,
        1,
        0,
        terms.not_before,
        terms.expires,
        store=terms.store,
        store_group=terms.store_group,
        value_minor=terms.value_minor,
    )


def _rows(
    key: CodeKey, kind: CodeKind, folded: Sequence[str], indexes: Sequence[int]
) -> list[tuple[bytes, int]]:
    return [(code_hash(key, kind, code), index) for code, index in zip(folded, indexes, strict=True)]


def new_secret(issuer: str) -> CodeSecret:
    """Fresh secrets of an issuer."""
    random = secrets.token_bytes
    return CodeSecret(issuer, random(KEY_ID_BYTES), random(KEY_BYTES), random(KEY_BYTES))


class CodeTables:
    """The tables of a store as parts of bundles. Each is made once after a change; its bytes stay in the store."""

    def __init__(self, store: CodeStore) -> None:
        self._store = store
        self._lock = asyncio.Lock()  # making one takes a second of a million codes: once is enough

    async def parts(self, coupons: Sequence[tuple[str, int]], at: str) -> dict[str, ListedTable]:
        """The tables of these campaigns by the names of their parts; every one is made."""
        named = {}
        for table in await self._tables(coupons):
            if not table.sha256:
                async with self._lock:
                    table = await self._make(table, at)
            named[f"{CODES_PREFIX}{table.issuer}/{table.campaign}/{table.number}"] = table
        return named

    async def keys(self, issuers: set[str]) -> list[CodeKey]:
        """The keys of these issuers."""
        secrets_ = [secret for secret in await self._store.secrets() if secret.issuer in issuers]
        return [CodeKey(secret.key_id, secret.issuer, secret.key) for secret in secrets_]

    async def _tables(self, coupons: Sequence[tuple[str, int]]) -> list[ListedTable]:
        wanted = set(coupons)
        return [table for table in await self._store.tables() if (table.issuer, table.campaign) in wanted]

    async def _make(self, table: ListedTable, at: str) -> ListedTable:
        head, rows = await self._store.rows(table)
        content = await asyncio.to_thread(make_table, head, rows)
        return await self._store.put(table, len(rows), content, at)
