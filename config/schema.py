"""Every setting of a till as one frozen value, `Config`. Names are as in the file; a unit stands last in a name.

The `Meta` of a key holds its bounds and its meaning; docs/configuration.md and defaults.toml are written from it
(`config.reference`). Paths are text, as in the file. Only `config.load` validates: a Struct made in code is not.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from config.devices import Camera, Printer, Scanner
from config.values import AbsolutePath, CloudUrl, LoopbackHost, Origin, PathOrEmpty, ProxyUrl

MAX_SCANNERS = 16
MAX_CAMERAS = 4
MAX_PRINTERS = 8


class Till(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The till itself."""

    state_dir: Annotated[
        AbsolutePath,
        Meta(
            description="Folder of the till's database and keys. The service makes it and alone may read it."
        ),
    ] = "/var/lib/redeemd"
    language: Annotated[
        Literal["zh", "en"],
        Meta(description="Language of the cashier page and of receipts: Chinese or English."),
    ] = "zh"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least serious message that reaches the journal. Coupon text is in none of them."),
    ] = "info"
    without_pos: Annotated[
        bool,
        Meta(
            description="A shop without a POS: a scan asks the page for the total, and the total closes the sale."
        ),
    ] = False


class Cloud(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where redemptions are sent and bundles come from."""

    url: Annotated[
        CloudUrl,
        Meta(
            description='Base address of the cloud. "" means that none is configured: the till stands alone.'
        ),
    ] = ""
    connect_timeout_s: Annotated[
        float, Meta(ge=0.05, le=60, description="Longest wait for a connection, in seconds.")
    ] = 5
    total_timeout_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=600,
            description="Longest wait for a whole request and its answer, in seconds; not below connect_timeout_s.",
        ),
    ] = 30
    check_wait_ms: Annotated[
        int,
        Meta(
            ge=50,
            le=10_000,
            description="Longest wait for the cloud's word on a coupon that must be asked about before it is accepted, "
            "in milliseconds.",
        ),
    ] = 800
    proxy: Annotated[
        ProxyUrl,
        Meta(
            description='Address of the HTTP proxy that leads to the cloud, such as "http://proxy.example:3128". "" '
            "means none; the environment's proxy variables are not read."
        ),
    ] = ""
    ca_file: Annotated[
        PathOrEmpty,
        Meta(description='PEM file of the certificate authorities to trust. "" means those of the system.'),
    ] = ""


class Api(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The local HTTP interface for the cashier page and the POS."""

    host: Annotated[
        LoopbackHost,
        Meta(
            description="Address to listen on. Only loopback: whoever reaches the interface can redeem coupons, "
            "so it must not be reachable from the shop network."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port. 0 means any free port (for tests).")] = (
        8321
    )
    token_file: Annotated[
        PathOrEmpty,
        Meta(
            description='File with the token that a POS program must present. "" means that none is asked for.'
        ),
    ] = ""
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            max_length=16,
            description="Web pages of other origins (a browser POS) that may call the interface.",
        ),
    ] = ()


class Scan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to a scan between the device and the decision."""

    debounce_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=10000,
            description="The same text again within this many milliseconds is one scan. 0 turns it off.",
        ),
    ] = 1500
    queue_max: Annotated[
        int,
        Meta(ge=1, le=1000, description="Scans that may wait for a decision; the next one is refused aloud."),
    ] = 64


class Sync(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how much is sent to the cloud."""

    upload_interval_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=3600,
            description="Longest time a record waits before it is sent while the line is up, in seconds.",
        ),
    ] = 2
    bundle_interval_s: Annotated[
        float,
        Meta(ge=0.05, le=86400, description="Time between two questions for a newer bundle, in seconds."),
    ] = 60
    push: Annotated[
        bool,
        Meta(
            description="Keep one request open at the cloud, so that revocations arrive within seconds. Where a proxy "
            "cuts it, bundle_interval_s counts as ever."
        ),
    ] = True
    batch_max_records: Annotated[int, Meta(ge=1, le=1000, description="Most records in one request.")] = 200
    batch_max_bytes: Annotated[
        int, Meta(ge=65536, le=16777216, description="Largest body of one request, in bytes.")
    ] = 1048576
    backoff_base_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=60,
            description="Longest wait after the first failure, in seconds; it doubles with each further one.",
        ),
    ] = 1
    backoff_cap_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=3600,
            description="Longest wait after any failure, in seconds; not below backoff_base_s.",
        ),
    ] = 300


class Storage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room on the till's disk."""

    min_free_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=1000000,
            description="Free disk space below which the till gives up evidence, in megabytes; it warns from four "
            "times that on.",
        ),
    ] = 64
    budget_mb: Annotated[
        int,
        Meta(
            ge=16,
            le=1000000,
            description="Most room that the till's records may fill, in megabytes. What happens at 80 %, at 95 % and "
            'when it is full stands in docs/operations.md, "Disk".',
        ),
    ] = 4096
    redemption_keep_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="Days a delivered redemption stays in the till's history. That a coupon was used is "
            "remembered until the coupon's own expiry, however small this is.",
        ),
    ] = 400
    pseudonym_keep_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="Days a delivered record still says whose it is: then the pseudonyms beside it are erased. The "
            "record itself stays.",
        ),
    ] = 30
    evidence_max_rows: Annotated[
        int,
        Meta(ge=100, le=10000000, description="Most refused scans kept as evidence."),
    ] = 100000


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What receipts look like and how long they are kept."""

    templates: Annotated[
        PathOrEmpty,
        Meta(
            description="Folder with the store's own receipt templates (*.receipt) and their images (*.png), which go "
            'before those of the bundle. "" means none. Read at the start; `redeemd receipt` makes and tries them.'
        ),
    ] = ""
    keep_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="Days a receipt can be looked at and printed again; then its words and codes are erased. One "
            "that still waits for the printer is kept.",
        ),
    ] = 30
    conflict_slip: Annotated[
        bool,
        Meta(
            description="Print a slip for the store's papers, once, when the cloud tells that a coupon of this till "
            "was redeemed at another till too."
        ),
    ] = False


class Promo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The promotion printed under a receipt."""

    enabled: Annotated[bool, Meta(description="Print the promotion QR code.")] = True


class Members(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who says what a member is: level, points, visits."""

    pos_wins: Annotated[
        bool,
        Meta(
            description="What the POS says of a member goes before what the signed bundle says. Set it only where the "
            "POS asks the loyalty system itself: whoever can call the till then says which points there are."
        ),
    ] = False


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one till. `Config()` is what an empty file means."""

    till: Till = Till()
    cloud: Cloud = Cloud()
    api: Api = Api()
    scan: Scan = Scan()
    scanner: Annotated[tuple[Scanner, ...], Meta(max_length=MAX_SCANNERS)] = ()
    camera: Annotated[tuple[Camera, ...], Meta(max_length=MAX_CAMERAS)] = ()
    printer: Annotated[tuple[Printer, ...], Meta(max_length=MAX_PRINTERS)] = ()
    sync: Sync = Sync()
    storage: Storage = Storage()
    receipt: Receipt = Receipt()
    promo: Promo = Promo()
    members: Members = Members()
