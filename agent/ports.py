"""What the use cases ask of the outside: a clock and a ledger. Devices and the line have ports of their own
(`drivers.ports`, `sync.ports`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from agent.domain.bundle import Part
from agent.domain.codes import CodeKey, Codes
from agent.domain.decide import LedgerView
from agent.domain.disclosure import Disclosure
from agent.domain.hold import Hold, HoldState, Reserved
from agent.domain.parts import PromoCode
from agent.domain.record import ChainHead
from agent.domain.time import Anchor, BootTime
from agent.erase_port import Erases
from agent.member_port import MemberLedger
from sync.verdicts import Verdict

T = TypeVar("T")


class Clock(Protocol):
    """The only way to the time."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds that only rise, for durations."""

    def boot_time(self) -> BootTime:
        """What the machine has counted since its start, sleep included (CLOCK_BOOTTIME). Nobody can set it."""


class LedgerUnavailable(Exception):
    """The ledger cannot be used now and has recorded nothing of this call. The text says what to do."""


class CommitUnknown(Exception):
    """A commit failed and could not be read back: whether it is recorded is not known. Never say "not redeemed"."""


class PrintState(StrEnum):
    """A print job's life. UNCONFIRMED ones are repeated only on request and marked as a copy. FAILED: somebody gave it
    up before a printer took a byte of it, so that it is known not to be on paper."""

    QUEUED = "queued"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    PRINTED = "printed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PrintJob:
    """receipt: its facts as JSON text. copies: how often it was asked for again. cause: why it does not print.

    document: what was laid out when it was first sent, None before.
    """

    job_id: str
    redemption_id: str
    receipt: str
    state: PrintState
    copies: int
    cause: str
    updated_at: str
    document: str | None = None

    @property
    def on_paper(self) -> bool:
        """Whether somebody may hold it: a printer took some of it, and is not at it now for the first time."""
        return self.copies > 0 or self.state in (PrintState.UNCONFIRMED, PrintState.PRINTED)


@dataclass(frozen=True, slots=True)
class PromoUse:
    """A promo code that was handed out with a redemption. issuer: "" where its token could not be read."""

    short: str
    redemption_id: str
    issuer: str
    campaign: int
    index: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """An earlier answer to the same request id. fingerprint: of the request's body."""

    fingerprint: str
    answer: str


class AnsweredBefore(Exception):
    """A request of this id has its answer."""


CONFLICT_DAYS = 7
"""How long a conflict is shown as news."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What waits in the till, for the status page. oldest_waiting: event time of the first waiting
    redemption. conflicts: of the last CONFLICT_DAYS days. forked: quarantined because the cloud has
    other records of the same numbers.
    """

    waiting: Mapping[str, int]
    quarantined: int
    conflicts: int
    oldest_waiting: str | None
    prints: Mapping[str, int]
    promos_free: int
    forked: int = 0


class OutboxNow(NamedTuple):
    """oldest: the time of the first record that waits; None where none does."""

    waiting: int
    oldest: str | None
    quarantined: int


class LaneNumbers(Protocol):
    """The outbox behind the lanes that deliver."""

    async def outboxes(self) -> Mapping[str, OutboxNow]:
        """By lane. Raises LedgerUnavailable or CommitUnknown."""


class Holds(Protocol):
    """Sales that are held, and what came back of those that were sold; within one transaction."""

    def put_hold(self, hold: Hold, reserved: Iterable[Reserved]) -> None:
        """Keep a new hold with its reservations, which end by themselves when it does."""

    def hold(self, hold_id: str) -> Hold | None: ...

    def settle_hold(self, hold_id: str, state: HoldState, answer: str) -> None:
        """Its reservations end, and this is what is said of it from now on."""

    def expire_holds(self, at: datetime) -> int:
        """Open holds whose time is over at effective `at` become EXPIRED; how many."""

    def redeemed(self, redemption_id: str) -> Mapping[str, Any] | None:
        """The event of a redemption of this till; None if there is none."""

    def committed_answers(self, sale_id: str) -> Sequence[str]:
        """What was said of the committed holds of a sale."""

    def returned(self, redemption_id: str) -> Mapping[str, int]:
        """Line -> pieces that came back."""

    def take_back(self, redemption_id: str, line: str, pieces: int) -> None: ...

    def unuse(self, identity: tuple[str, int, int], spent_minor: int, *, whole: bool) -> None:
        """Give `spent_minor` back to a coupon's balance; whole: it has one use fewer, too."""


class GuardLedger(Protocol):
    """Badges that let coupons through, and sales that may be one sale split; within one transaction."""

    def badge_uses(self, badge: str, day: int) -> int:
        """How many coupons a badge (its digest in hex) has let through on store day `day`."""

    def use_badge(self, badge: str, day: int) -> None: ...

    def member_sales(
        self, campaign: tuple[str, int], member: bytes, sale_id: str, since: datetime, at: datetime
    ) -> int:
        """In how many sales but this one the member has used the campaign since then, or holds it at `at`."""

    def note_member_sale(
        self, campaign: tuple[str, int], member: bytes, sale_id: str, at: datetime
    ) -> None: ...


class Transaction(Holds, MemberLedger, GuardLedger, Erases, Protocol):
    """The ledger within one transaction. Synchronous: it runs in the writer's thread."""

    def view(self, identity: tuple[str, int, int], day: int, at: datetime) -> LedgerView:
        """What the ledger says of one coupon on store day `day`, at effective `at`."""

    def consume(
        self,
        identity: tuple[str, int, int],
        redemption_id: str,
        at: datetime,
        forget_after: int,
        uses: int,
        spent_minor: int = 0,
    ) -> None:
        """Remember one more use of a coupon that had `uses`, until the end of store day `forget_after`.

        spent_minor: what it took off; a stored value has so much less.
        """

    def charge(self, issuer: str, campaign: int, day: int, value_minor: int) -> None: ...

    def head(self, lane: str) -> ChainHead: ...

    def append(self, lane: str, head: ChainHead, event: str, disclosed: Sequence[Disclosure] = ()) -> None:
        """Add the lane's next record; `head` is the chain's new head. disclosed: the pseudonyms in it."""

    def take_promo(self, redemption_id: str, day: int, campaign: tuple[str, int] | None) -> PromoCode | None:
        """The next free promo code that counts on store day `day`, of this campaign or of any, now this redemption's;
        None when there is none."""

    def promo_token(self, short: str) -> str | None:
        """The token of a promo code that was handed out here; None for no such code."""

    def indexes_signed(self, issuer: str, campaign: int) -> set[int]:
        """The coupons of a campaign that this till signed itself."""

    def keep_signed(self, promo: PromoCode, redemption_id: str) -> None:
        """A promo code that the till signed itself, handed out with this redemption."""

    def printed_promos(self, redemption_id: str | None) -> Sequence[PromoUse]:
        """Codes whose receipt is on paper and of which the cloud was not told; of one redemption, or of all."""

    def settle_promo(self, short: str) -> None:
        """The cloud is told, by a record of this transaction."""

    def give_up_print(self, job_id: str, at: datetime) -> bool:
        """A job of which no printer took a byte becomes FAILED and loses its promo code; False if it is no such job."""

    def return_promo(self, redemption_id: str) -> PromoUse | None:
        """The redemption's promo code is free again; None if it has none."""

    def queue_print(self, job_id: str, redemption_id: str, receipt: str, at: datetime) -> None: ...

    def recall(self, request_id: str) -> Remembered | None: ...

    def remember(self, request_id: str, fingerprint: str, answer: str, at: datetime) -> None:
        """Keep the answer to a request; AnsweredBefore where one is kept: nothing of this transaction may stay."""

    def mark(self) -> datetime | None:
        """The high-water mark of time."""

    def raise_mark(self, anchor: Anchor) -> None:
        """Set the mark, unless it is higher already."""


class Ledger(Protocol):
    """The till's durable memory. One writer; every call is one transaction, on disk before it returns."""

    async def write(
        self, work: Callable[[Transaction], T], read_back: Callable[[Transaction], T | None]
    ) -> T:
        """Run `work` in one transaction.

        read_back: after a commit that failed, find out on a fresh connection whether it is there: the answer, or None.
        Raises LedgerUnavailable (nothing recorded), CommitUnknown, or what `work` raised (nothing recorded).
        """


class ScrubbedLedger(Ledger, Protocol):
    """One that forgets for good."""

    async def scrub(self) -> None:
        """Leave nothing of what was deleted on the disk: the log forgets it, too. LedgerUnavailable: it may still be
        there, and should be tried again."""


class Prints(Protocol):
    """The print queue's side of the store."""

    async def next_print(self) -> PrintJob | None:
        """The oldest queued job, marked as sending."""

    async def keep_document(self, job_id: str, document: str) -> None:
        """What is about to be printed, once; later ones are ignored."""

    async def name_cause(self, job_id: str, cause: str) -> None:
        """What keeps a job that is being sent; ignored where it is no longer."""

    async def finish_print(self, job_id: str, state: PrintState, cause: str) -> None: ...

    async def print_job(self, job_id: str) -> PrintJob | None: ...

    async def had_print(self, job_id: str) -> bool:
        """True for a redemption of this till: its receipt, if there is none any more, was erased."""

    async def copy_print(self, job_id: str) -> PrintJob | None:
        """Queue the job again as its next copy."""

    async def list_prints(self, limit: int, *, unconfirmed: bool = False) -> Sequence[PrintJob]:
        """The newest `limit` jobs, newest first; only those that are UNCONFIRMED if asked so."""

    async def confirm_print(self, job_id: str) -> bool:
        """Somebody saw the receipt: an UNCONFIRMED job becomes PRINTED. False if it is not one."""

    async def recover_prints(self) -> int:
        """After a start: jobs that were being sent become unconfirmed. Returns how many."""


class ConflictShelf(Protocol):
    """What the cloud told of this till's coupons that were redeemed twice. Raises LedgerUnavailable, CommitUnknown."""

    async def cursor(self) -> int:
        """The highest number that was taken; 0 before the first."""

    async def take(
        self, verdicts: Sequence[Verdict], at: datetime, slip: Callable[[Verdict], str] | None
    ) -> int:
        """Keep what is new, in one transaction with a slip for each conflict (its facts as JSON); how many were new."""

    async def listed(self, limit: int, *, unseen: bool) -> list[dict[str, Any]]:
        """The newest first, as in docs/openapi.yaml; unseen: only what waits for somebody."""

    async def see(self, number: int, at: datetime) -> bool:
        """Somebody has looked at it; again is no error. False if there is no such conflict."""


class CodeShelf(Protocol):
    """Where the bundle's tables of opaque codes are kept, by their hash. Every method waits for the disk: call it in a
    thread.
    """

    def has(self, part: Part) -> bool:
        """True if the part is here in full length."""

    def add(self, part: Part, content: bytes) -> None:
        """Keep a part. BundleError if `content` is not it or no table; OSError if it cannot be written."""

    def content(self, part: Part) -> bytes:
        """A part's bytes, checked; BundleError if they are damaged or gone."""

    def damaged(self, parts: Iterable[Part]) -> list[Part]:
        """The parts that are not what they were: missing, cut or changed. Reads all of them."""

    def open_tables(self, parts: Iterable[Part], keys: Mapping[bytes, CodeKey]) -> Codes:
        """These tables. BundleError if one is missing or is none. Only their beginnings are read; a look-up that the
        disk fails raises LedgerUnavailable.
        """

    def keep_only(self, parts: Iterable[Part]) -> int:
        """Remove every other file; returns how many. With no parts at all: wipe."""


class BundleCache(Protocol):
    """Where the bundle is kept."""

    @property
    def codes(self) -> CodeShelf: ...

    async def root(self) -> bytes | None:
        """The newest root: what is fetched from now on stands under it."""

    async def add_root(self, epoch: int, document: bytes) -> None:
        """Keep a root that was checked against the newest one."""

    async def manifest(self) -> bytes | None: ...

    async def judge(self) -> bytes | None:
        """The root under which the stored manifest was taken; older than the newest until a bundle of that comes."""

    async def parts(self) -> Mapping[str, bytes]:
        """Content of each part by name, but for tables of codes."""

    async def apply(
        self, manifest: bytes, parts: Mapping[str, bytes], promos: Sequence[PromoCode], mark: Anchor
    ) -> None:
        """Replace the bundle and set the mark in one transaction. Promo codes already taken stay taken."""

    async def mark(self) -> datetime | None: ...

    async def anchor(self) -> Anchor | None:
        """The mark with the count of the boot that it was written in."""

    async def revoke(self, statement: bytes) -> None:
        """Keep the cloud's statement and wipe the bundle and its free promo codes, in one transaction."""

    async def revocation(self) -> bytes | None:
        """The statement that was kept by `revoke`; None while this till's key counts."""

    async def lift_revocation(self) -> None:
        """Forget that statement."""

    async def last_time_statement(self) -> int:
        """The number of the last time statement that was applied; 0 before the first."""

    async def repair_time(self, number: int, mark: Anchor) -> bool:
        """Set the mark, down too, and remember `number` with it in one transaction; False if it was used before."""
