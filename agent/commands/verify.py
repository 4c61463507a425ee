"""Verify: explain a coupon from what this till has stored, or from a file of public keys alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.bundles.code_tables import code_parts
from agent.commands.errors import EX_DATAERR, EX_NOINPUT, CommandError
from agent.commands.files import read_named
from agent.commands.keyfile import record_from_json
from agent.domain import bundle
from agent.domain.bundle import BundleError, Manifest
from agent.domain.campaign import Words
from agent.domain.decide import LedgerView, PriorUse, Refusal, verify_scan
from agent.domain.fields import FieldError
from agent.domain.keys import KeyFault
from agent.domain.outcome import SAYINGS
from agent.domain.parts import Contents, Place, read_parts
from agent.domain.time import day_text, effective_time
from agent.domain.token import Coupon
from agent.domain.verdict import make_verdict
from agent.judging import judge
from agent.state import Trust, make_trust
from agent.store.codes import code_shelf
from agent.store.database import StoreError, connect_read_only
from agent.store.inspect import prior_use, stored_bundle

KEYS_BYTES_MAX = 1024 * 1024
VERIFIED = "verified"
"""Signature and key are good and no rule was asked, for want of a bundle."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the explanation rests on. trust is None where only keys are known. ledger: where uses are looked up."""

    contents: Contents
    trust: Trust | None
    mark: datetime | None
    ledger: sqlite3.Connection | None


@contextmanager
def from_till(database: Path) -> Iterator[Knowledge]:
    """The bundle that a till has stored, and its open ledger. CommandError if there is none."""
    try:
        connection = connect_read_only(database)
    except StoreError as error:
        raise CommandError(f"{error} Or name public keys with --keys FILE.") from None
    with closing(connection):
        stored = stored_bundle(connection)
        if stored is None:
            raise CommandError(
                f"{database} holds no bundle yet: enrol the till and let it reach the cloud once"
            )
        try:
            root = bundle.read_root(stored.root, None)
            manifest = bundle.read_manifest(stored.manifest, root, stored.till, None)
            contents = _with_codes(read_parts(stored.parts), manifest, database)
        except BundleError as error:
            raise CommandError(f"the stored bundle cannot be used: {error}") from None
        yield Knowledge(contents, make_trust(manifest, contents), stored.mark, connection)


def _with_codes(contents: Contents, manifest: Manifest, database: Path) -> Contents:
    """The tables of codes beside the ledger. BundleError if one is missing or has no key."""
    return replace(
        contents, codes=code_shelf(database).open_tables(code_parts(manifest.parts), contents.code_keys)
    )


def from_keys(path: Path) -> Knowledge:
    """Key records alone, as JSON: [{"kid", "issuer", "public_key"} (hex), ...]; limits are optional."""
    try:
        content = read_named(path, KEYS_BYTES_MAX)
        try:
            items = json.loads(content)
        except ValueError as error:
            raise CommandError(
                f"keys file {path} is no JSON ({error}): name the .json file that redeemd keys new wrote"
            ) from None
        keys = {key.kid: key for key in map(record_from_json, items)}
    except (OSError, ValueError, TypeError, KeyFault, FieldError) as error:
        raise CommandError(f"keys file {path}: {error}") from None
    place = Place("", 0, frozenset(), "", Words("", ""), "UTC", "")
    return Knowledge(Contents(place, keys, {}, {}, (), ()), None, None, None)


def texts_in(picture: Path) -> list[str]:
    """The texts of the codes in one picture file; CommandError says why there are none."""
    if not picture.is_file():
        reason = "is no file" if picture.exists() else "does not exist"
        raise CommandError(f"{picture} {reason}: name one picture with --image", EX_NOINPUT)
    try:
        picture.open("rb").close()
    except OSError as error:
        raise CommandError(
            f"{picture} cannot be read: {error.strerror}. Is it yours to read?", EX_NOINPUT
        ) from None
    from drivers.pictures import read_paths

    (reading,) = read_paths([picture])
    if "error" in reading:
        raise CommandError(f"{picture} {reading['error']}: name a PNG or JPEG file", EX_DATAERR)
    if not reading["texts"]:
        raise CommandError(
            f"{picture} is a picture, but no QR code was read in it: take it straight, sharp and whole",
            EX_DATAERR,
        )
    return reading["texts"]


def explain(text: str, known: Knowledge) -> dict[str, Any]:
    """{"outcome", "issuer", "campaign", "index", "detail", "zh", "en", ...} of one token's text. Records nothing.

    left_minor: on a stored value, its value less what this till redeemed of it; None of any other coupon.
    """
    found = verify_scan(text, known.contents)
    if isinstance(found, Coupon) and known.trust is None:
        return _answer(VERIFIED, found, None) | {"zh": "签名有效", "en": "The signature is good"}
    if known.trust is None:
        assert isinstance(found, Refusal), "a coupon was handled"
        saying = SAYINGS[found.outcome]
        return _answer(found.outcome.value, None, found.detail) | {"zh": saying.zh, "en": saying.en}
    now = effective_time(datetime.now(UTC), known.mark, known.trust.manifest.issued)
    prior = _prior_use(found, known.ledger)
    decision = judge(found, known.trust, None, LedgerView(prior), now)
    coupon = found if isinstance(found, Coupon) else None
    campaign = None if coupon is None else known.contents.campaigns.get(coupon.identity[:2])
    verdict = make_verdict(
        decision,
        scan_id="",
        at=now.now,
        source="verify",
        zone=known.trust.zone,
        currency=known.contents.place.currency,
        coupon=coupon,
        campaign=campaign,
        prior=prior,
    )
    said = {"zh": verdict.zh, "en": verdict.en, "next_zh": verdict.next_zh, "next_en": verdict.next_en}
    title = None if campaign is None else {"zh": campaign.title.zh, "en": campaign.title.en}
    # What a sale took that is held and not yet closed is not looked up here.
    balance = {"left_minor": verdict.left_minor, "currency": verdict.currency}
    return _answer(verdict.outcome.value, coupon, decision.detail) | said | balance | {"title": title}


def _prior_use(found: Coupon | Refusal, ledger: sqlite3.Connection | None) -> PriorUse | None:
    return None if isinstance(found, Refusal) or ledger is None else prior_use(ledger, found.identity)


def _answer(outcome: str, coupon: Coupon | None, detail: str | None) -> dict[str, Any]:
    if coupon is None:
        return {"outcome": outcome, "issuer": None, "campaign": None, "index": None, "detail": detail}
    issuer, campaign, index = coupon.identity
    claims = coupon.claims
    return {
        "outcome": outcome,
        "issuer": issuer,
        "campaign": campaign,
        "index": index,
        "detail": detail,
        "not_before": day_text(claims.not_before),
        "expires": day_text(claims.expires),
        "store": claims.store,
        "kid": coupon.kid.hex() or None,
        "code_hash": coupon.code_hash.hex() or None,
    }
