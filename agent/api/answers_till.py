"""What the API answers about the till itself: status, health, receipts, devices. See `agent.api.answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.api.answers import CheckoutNow, Count, MemberNow, Minor, Said, SaleNow, Shape, StoreCurrency, Time
from agent.ports import PrintState
from agent.printing.words import CAUSES
from drivers.ports import DeviceState, PrinterCause

ISSUES = (
    "no_bundle", "bundle_stale", "bundle_expired", "not_enrolled", "clock_doubt", "campaign_skipped", "codes_missing",
    "template_broken", "quarantine", "conflict", "records_forked", "disk_tight", "disk_scarce", "disk_full",
    "scans_dropped", "ledger_unavailable", "commit_unknown", "ledger_damaged", "till_revoked", "cloud_outdated",
    "device_lost", "device_denied", "device_misconfigured", "paper_low", "print_unconfirmed",
)  # fmt: skip
"""The codes of `agent.health`; a test holds the two together."""


class Print(Shape):
    """state: unconfirmed: the printer did not answer; look at it before asking for a copy. failed: it was given up
        before a printer took a byte of it.
    copies: How many copies were asked for.
    cause: Why it does not print, of one that is being sent as soon as it is known; of an unconfirmed one, what happened
        while it was printed, which may be mended by now; empty when nothing is wrong.
    action_zh, action_en: What to do, and what becomes of the receipt then; empty when nothing is to be done.
    updated_at: When it came into its state.
    """

    job: str
    redemption_id: str
    state: PrintState
    copies: Count
    cause: Annotated[str, Meta(extra_json_schema={"enum": [str(cause) for cause in CAUSES]})]
    cause_zh: str
    cause_en: str
    action_zh: str
    action_en: str
    updated_at: Time


class Prints(Shape):
    prints: Annotated[list[Print], Meta(max_length=50)]


class Receipt(Print):
    """text: The receipt as plain text in a fixed-width font, Chinese two columns wide.
    html: The same as HTML, a `<div class="paper">` for each paper: every text escaped, QR codes as inline SVG, no
        style, no script. `agent/web/style.css` has the looks.
    """

    text: str
    html: str


class Reprint(Shape):
    """copy: Number of the copy."""

    job: str
    copy: Count
    state: PrintState


class Drawer(Shape):
    """confirmed: Whether the printer said that it did it."""

    confirmed: bool


class Trigger(Shape):
    scanner: str
    reads_for_s: float


class Requeued(Shape):
    requeued: Count


class ConflictCoupon(Shape):
    issuer: str
    campaign: Count
    index: Count


class ConflictOther(Shape):
    """store: Empty where it is not known.
    received_at: When its record reached the cloud.
    """

    till: str
    store: str
    redemption_id: str
    received_at: str


class Conflict(Shape):
    """kind: conflict; settled: a return ended one. A later cloud may say others, in the same sentence form.
    redemption_id: This till's own.
    standing: kept: it counts. lost: the other reached the cloud first. returned: its goods came back.
    follows: paid; open: not paid until head office has decided; none.
    found_at: By the cloud's clock.
    seen_at: When somebody said that it was seen, or a return ended it.
    """

    id: Count
    kind: str
    redemption_id: str
    standing: str
    follows: str
    coupon: ConflictCoupon
    other: ConflictOther
    found_at: str
    zh: str
    en: str
    taken_at: Time
    seen_at: Time | None


class Conflicts(Shape):
    conflicts: Annotated[list[Conflict], Meta(max_length=99)]


class Seen(Shape):
    id: Count


class Device(Shape):
    """name: As configured.
    kind: serial, tcp, wedge, hid, camera, file, ipp
    cause: What a printer names; empty where nothing is wrong, and for other devices. paper_low may stand with ready.
    zh, en: What is the matter, for the cashier; empty while all is well.
    detail: What is wrong and what to do, for store IT.
    """

    name: str
    kind: str
    role: Literal["scanner", "camera", "printer"]
    state: DeviceState
    cause: Annotated[str, Meta(extra_json_schema={"enum": ["", *(str(cause) for cause in PrinterCause)]})]
    zh: str
    en: str
    detail: str


class Issue(Shape):
    """severity: error: coupons, or some of them, are not taken, or revocations do not arrive.
    action_zh: What to do.
    """

    code: Annotated[str, Meta(extra_json_schema={"enum": list(ISSUES)})]
    severity: Literal["error", "warning", "info"]
    zh: Said
    en: Said
    action_zh: str
    action_en: str


class Health(Shape):
    ok: bool
    issues: list[Issue]


class Imported(Shape):
    """taken: The file's bundle is in force.
    code: Empty if taken; else why not (docs/bundle-format.md).
    detail: For store IT.
    changed: It was not in force before.
    next_zh: What to do; empty if taken.
    epoch: Of the bundle in force now; 0 without one.
    """

    taken: bool
    code: str
    detail: str
    changed: bool
    zh: str
    en: str
    next_zh: str
    next_en: str
    epoch: Count
    sequence: Count
    issued: Time | None


class Store(Shape):
    code: str
    name_zh: str
    name_en: str


class Line(Shape):
    """The line to the cloud.

    state: off: no cloud is configured. never: none answered since the start.
    last_success: When the cloud last took or gave something, since the start.
    zh: Why it is not online; may be empty.
    """

    state: Literal["online", "offline", "never", "off"]
    since: Time | None
    last_success: Time | None
    zh: str
    en: str


class Outbox(Shape):
    """waiting: Records not yet acknowledged by the cloud.
    quarantined: Records the cloud refused for good; kept.
    conflicts: Redemptions whose coupon another till redeemed too, and which nobody has seen (`/v1/conflicts`).
    """

    waiting: Count
    oldest: Time | None
    quarantined: Count
    conflicts: Count


class BundleNow(Shape):
    """zh: How old it is and what that means; empty without a bundle."""

    epoch: Count
    sequence: Count
    issued: Time | None
    age: Literal["fresh", "stale", "expired", "none"]
    campaigns: Count
    zh: str
    en: str


class ClockNow(Shape):
    doubt: bool
    zh: str
    en: str


class PrintCounts(Shape):
    waiting: Count
    unconfirmed: Count


class Words(Shape):
    zh: str
    en: str


class Assistant(Shape):
    """What one badge stands for today, at this till.

    earned_minor: By the offers' rules, before returns; the cloud settles.
    """

    assistant: str
    sales: Count
    redemptions: Count
    discount_minor: Minor
    earned_minor: Count


class Today(Shape):
    """Of the store's calendar day.

    assistants: The busiest first.
    """

    accepted: Count
    refused: Count
    discount_minor: Minor
    assistants: Annotated[list[Assistant], Meta(max_length=20)]


class Join(Shape):
    """Where a customer becomes a member; its code is at /v1/join."""

    url: str
    zh: str
    en: str


class Status(Shape):
    """till: Empty before it is enrolled.
    zone: The store's IANA time zone.
    time: Effective time in the store's zone.
    promos_free: Promotion codes left for receipts.
    checkout: The sale of a shop without a POS; null where there is one.
    messages: What head office has to say today, for the cashier.
    conflicts: The newest coupons that were redeemed at another till too and that nobody has seen.
    """

    version: str
    till: str
    store: Store
    language: Literal["zh", "en"]
    currency: StoreCurrency
    zone: str
    time: Time
    line: Line
    outbox: Outbox
    bundle: BundleNow
    clock: ClockNow
    devices: list[Device]
    prints: PrintCounts
    promos_free: Count
    messages: Annotated[list[Words], Meta(max_length=20)]
    conflicts: Annotated[list[Conflict], Meta(max_length=5)]
    issues: list[Issue]
    healthy: bool
    sale: SaleNow | None
    checkout: CheckoutNow | None
    member: MemberNow | None
    assistant: str | None
    join: Join | None
    today: Today


class ScanFault(Shape):
    """Something was read and cannot be used: half a scan, one too long, characters that are none. Nothing is recorded.
    Scan again; what was shown before is no answer to it.

    source: The name of the scanner or camera.
    code: incomplete, too_long, undecodable or another word of the driver's.
    detail: For store IT. Never the text that was read.
    """

    source: str
    at: Time
    code: str
    detail: str
    zh: str
    en: str
    next_zh: str
    next_en: str
