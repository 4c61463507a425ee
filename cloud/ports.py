"""What the cloud asks of its database. SQLite and PostgreSQL stand behind it, with one SQL text (`cloud.store`).

Every method is one transaction, on disk before it returns, and raises StoreUnavailable when the database cannot be
used. Keys are ready to be distributed: those of coupons, uses and conflicts begin with (issuer, campaign), those of
records and refusals with the till; no transaction needs a counter that all tills share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from agent.domain.campaign import Campaign
from agent.domain.keys import IssuerKey
from agent.domain.parts import Place, PromoCode
from agent.domain.statement import KeyChange
from cloud.chain import ChainView, Entry, Ruling
from cloud.checks import CheckStore
from cloud.code_ports import CodeStore
from cloud.erasures import ErasureStore
from cloud.holds import HeldLine, Released
from cloud.lists import ListStore, Win
from cloud.members import MemberStore
from cloud.news import NewsStore
from cloud.outward import OutwardStore
from cloud.people import PeopleStore
from cloud.restore import RestoreStore
from cloud.retention import RetentionStore
from cloud.seen import SeenStore
from cloud.staff import StaffStore
from cloud.tally import TallyStore
from cloud.tills import Till
from cloud.webhooks import WebhookStore

CampaignCheck = Callable[[Sequence[Campaign]], None]
Judge = Callable[[ChainView, Sequence[Entry]], list[Ruling]]


class KeyState(StrEnum):
    """What becomes of an issuer's key. ACTIVE: signs. RETIRED: signs no more, its coupons count.

    WITHDRAWN: stolen or lost, for good: in no bundle, so that every coupon it signed is refused.
    """

    ACTIVE = "active"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class HeldKey:
    """An issuer's key as the cloud knows it. registered: its private half is the issuer's own and was never here."""

    key: IssuerKey
    state: KeyState
    registered: bool


@dataclass(frozen=True, slots=True)
class PromoPlan:
    """A campaign whose coupons are put on receipts: how many each till holds ready, for how many days each counts."""

    per_till: int
    valid_days: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A campaign with what only the cloud knows of it. key: of its index permutation. issued: coupons so far."""

    campaign: Campaign
    promo: PromoPlan | None
    key: bytes
    issued: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What coupons are issued with; days since 1970-01-01. till: the till that a receipt's promo codes are for."""

    not_before: int
    expires: int
    store: int | None = None
    store_group: int | None = None
    value_minor: int | None = None
    source: int | None = None
    till: str | None = None


class IssuedOrder(NamedTuple):
    """A request for coupons that may be sent again. order: "signed" or "codes", a space, the name it was given.

    first: how many coupons of the campaign were issued before it. terms: JSON.
    """

    order: str
    first: int
    coupons: int
    terms: str


class Appended(NamedTuple):
    """What became of one entry. won_by: another record used the same coupon first, so this one is a conflict."""

    ruling: Ruling
    won_by: Win | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A till's newest manifest. parts_key: equal for equal parts. issued: seconds since 1970."""

    till: str
    epoch: int
    sequence: int
    issued: int
    parts_key: bytes
    manifest: bytes


@dataclass(frozen=True, slots=True)
class PromoRow:
    """One promo code allocated to a till and not handed out as far as the cloud knows. expires: day number."""

    code: PromoCode
    issuer: str
    campaign: int
    index: int
    expires: int


class PromoFate(NamedTuple):
    """state: ready, handed_out, withdrawn, printed or lent (a till may sign it). token: "" where a till signed it."""

    state: str
    used: bool
    revoked: bool
    expires: int
    token: str


DELEGATION = "delegation"
"""Kind of the documents that say what a till may sign itself."""


class MarkCounts(NamedTuple):
    """Of one campaign. used: coupons without a use left. uses: of all coupons together. revoked: coupons."""

    used: int
    uses: int
    revoked: int


Mark = tuple[int, int, int]
"""What became known of a coupon: its number, rising within the campaign; the index; the status. Plain for millions."""


@dataclass(frozen=True, slots=True)
class StatusPart:
    """One part of a status list. change: the last mark that the list knows with it."""

    change: int
    sha256: bytes
    content: bytes


class CloudStore(
    NewsStore,
    ListStore,
    RestoreStore,
    OutwardStore,
    WebhookStore,
    ErasureStore,
    RetentionStore,
    StaffStore,
    SeenStore,
    TallyStore,
    PeopleStore,
    MemberStore,
    CheckStore,
    Protocol,
):
    """The cloud's memory."""

    @property
    def codes(self) -> CodeStore: ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database answers."""

    # --- places, issuers, offers ---
    async def put_place(self, place: Place) -> None:
        """Add or replace by its name; Refused(409) if another store has the number."""

    async def place(self, store: str) -> Place | None: ...

    async def places(self) -> list[Place]:
        """All stores, by their names."""

    async def store_of_number(self, number: int) -> str | None:
        """The name of the store with this number, as coupons and campaigns state it."""

    async def add_key(self, key: IssuerKey, *, registered: bool = False) -> None:
        """Refused(409) if the kid exists, or if a registered key may sign what was issued here already."""

    async def issuer_keys(self) -> list[IssuerKey]:
        """Those that tills are to trust: all but the withdrawn."""

    async def held_keys(self) -> list[HeldKey]:
        """All of them, in order of (issuer, kid)."""

    async def change_key(self, kid: bytes, state: KeyState) -> HeldKey:
        """Refused(404) if unknown, Refused(409) for a withdrawn key: it stays so.

        The promo codes that a withdrawn key signed are handed out no more.
        """

    async def put_campaign(
        self, campaign: Campaign, promo: PromoPlan | None, key: bytes, check: CampaignCheck | None = None
    ) -> None:
        """Add, or replace by a higher version of the same size and uses, and of the same currency once coupons may be
        out; Refused(409) otherwise. key: kept from the first.

        check: is given all campaigns that are known, in the same transaction; what it raises leaves all as it was.
        """

    async def offers(self) -> list[Offer]: ...

    async def offer(self, issuer: str, campaign: int) -> Offer | None: ...

    # --- coupons ---
    async def orders(self, issuer: str, campaign: int, limit: int) -> list[IssuedOrder]:
        """The named requests for coupons of a campaign, the newest first."""

    async def allot(
        self, issuer: str, campaign: int, count: int, terms: Terms, at: str, order: str | None = None
    ) -> list[int]:
        """Issue `count` coupons: their indexes, never given before. Refused(404, 409) if unknown or used up.

        order: a name of the caller's choice; the same order again gives the same indexes, so that a lost answer
        costs nothing. Refused(409) if it was for another count or other terms.
        """

    async def note_tokens(self, issuer: str, campaign: int, tokens: Sequence[tuple[int, bytes]]) -> None:
        """Keep (index, SHA-256 of the token's text) of allotted coupons, before anybody gets the tokens."""

    async def revoke(self, issuer: str, campaign: int, indexes: Iterable[int], at: str) -> int:
        """How many were not revoked before. Refused(404) if unknown, Refused(422) for an index beyond the size."""

    async def mark_counts(self, issuer: str, campaign: int) -> MarkCounts: ...

    async def mark_numbers(self) -> dict[tuple[str, int], int]:
        """The number of the last mark of each campaign that has one."""

    async def marks(self, issuer: str, campaign: int, after: int, limit: int) -> list[Mark]:
        """What became known behind number `after`, in that order. A mark may come twice; none is passed over."""

    async def status_parts(self, issuer: str, campaign: int) -> list[StatusPart]:
        """What was put last, in its order. A part that is lost has no content."""

    async def put_status_parts(
        self, issuer: str, campaign: int, before: int | None, parts: Sequence[StatusPart], at: str
    ) -> bool:
        """Replace the parts that end at mark `before` (None: there are none); False if they end elsewhere by now."""

    # --- tills ---
    async def add_till(self, till: str, store: str, code_digest: bytes, expires: str) -> None:
        """Add a till, or give one that still waits a new code (the old one is dead). Refused(404, 409)."""

    async def till(self, till: str) -> Till | None: ...

    async def tills(self) -> list[Till]: ...

    async def renew_code(self, till: str, code_digest: bytes, expires: str) -> bool:
        """Give any till a new enrolment code (the old one is dead), to enrol anew. False if there is no such till."""

    async def enrol(self, code_digest: bytes, public_key: bytes, at: str) -> Till | None:
        """Use the code once; again with the same key is the same answer. None if unknown, used, or expired at `at`.

        A till that was enrolled before goes on under its name with the new key: its lanes begin anew behind room for
        what was lost. Refused(409) for a key that it had before, or where no sequences are left.
        """

    async def revoke_till(self, till: str, at: str, *, keep_promos: bool = False) -> int | None:
        """Its keys count no more and its code is dead; None if there is no such till.

        Its promo codes that no record reported as handed out are revoked, unless kept; how many.
        """

    async def change_till_key(self, change: KeyChange) -> Till:
        """Announce a till's new key; again is no error. Refused(409) if it is not this till's to change."""

    async def confirm_till_key(self, till: str, public_key: bytes) -> None:
        """An announced key has signed a request: it is the current one now."""

    async def put_time_statement(self, till: str, statement: bytes) -> bool:
        """Put it into the till's bundles from now on; False if there is no such till."""

    async def time_statement(self, till: str) -> bytes | None: ...

    # --- beside offers: badges, messages, templates ---
    async def put_notice(self, kind: str, store: str, document: bytes) -> None:
        """Replace what all tills (store: "") or those of one store have of this kind. Refused(404)."""

    async def notices(self, kind: str, store: str) -> list[bytes]:
        """For all stores, then for this one."""

    async def badge_key(self, fresh: bytes) -> bytes:
        """The key of badges' hashes: `fresh` from the first call on."""

    async def put_document(self, kind: str, name: str, document: bytes) -> None:
        """Keep, or replace, one of a kind that belongs to no store."""

    async def documents(self, kind: str) -> list[bytes]:
        """All of a kind, in order of their names."""

    async def add_delegation(self, till: str, name: str, document: bytes, rows: Sequence[PromoRow]) -> None:
        """Keep what a till may sign, and that it holds these codes as it holds its promo codes, in one transaction.

        rows: without tokens. A name that is known changes nothing.
        """

    async def delegated_left(self, till: str) -> set[tuple[str, int, int]]:
        """The coupons (issuer, campaign, index) that a till may sign and has not handed out, as far as is known."""

    # --- records ---
    async def append(
        self, till: str, lane: str, entries: Sequence[Entry], judge: Judge, at: str
    ) -> list[Appended]:
        """Judge and record a batch in one transaction.

        A stored redemption uses its coupon; if it was used before, the record is stored all the same and the conflict
        with it. A refused record is kept beside the ledger; refused for its place alone, it uses its coupon too.
        What was signed by a key that is revoked by now is recorded in the same way, but its use is held.
        A duplicate is answered as the record was the first time. What cannot be right is listed as implausible too.
        Holes that the judge noticed are kept until records take their places.
        """

    async def held(self, till: str | None, limit: int) -> list[HeldLine]:
        """The newest first."""

    async def held_counts(self) -> dict[str, int]:
        """How many uses wait for a person, of each till that has any."""

    async def release_held(self, till: str, at: str, kid: str | None = None) -> Released:
        """The held uses of a till, or of one of its keys, count from now on; also those that were refused."""

    async def refuse_held(self, till: str, at: str, kid: str | None = None) -> int:
        """Those that wait shall not count; how many."""

    # --- bundles ---
    async def published(self, till: str) -> Published | None: ...

    async def publish(self, new: Published, parts: Mapping[bytes, bytes], at: str) -> bool:
        """Replace the manifest of the sequence before, or of an epoch before, add the parts (by their SHA-256); False
        if that is not the newest.
        """

    async def part(self, sha256: bytes) -> bytes | None: ...

    async def add_promos(self, till: str, rows: Sequence[PromoRow]) -> None: ...

    async def promo_named(self, issuer: str, campaign: int, index: int, short: str) -> PromoFate | None:
        """What became of the promo code of that coupon if `short` is its name."""

    async def promos_on_receipts(self, campaign: int, index: int, short: str) -> list[PromoFate]:
        """Those of this name, of any issuer, that are on paper and whose token is known here."""

    async def promos(self, till: str) -> list[PromoRow]:
        """Those not handed out, in order of (expires, short)."""
