"""The schema, one migration after the other. A migration is never edited after a release: write the next one.

Applied by sqlite-utils, each with its record in one transaction; PRAGMA user_version holds their number, so that a
start without anything to do need not import sqlite-utils (170 ms and 27 MB).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

APPLICATION_ID = 0x52444D44  # "RDMD", so that `file` and we know our own

_0001 = """
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The immutable records, a table for each lane; what waits there is the outbox. The sequence is the rowid: no index
-- beside it to write, and the lane's head is its last row. (Rows above 1 kB without a rowid would get a page each:
-- measured, 4.7 kB a record against 1.4 kB.)
CREATE TABLE redemption_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- conflict: acknowledged, and the coupon was redeemed at another till as well
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT               -- the cloud's answer as JSON
) STRICT;
CREATE INDEX redemption_waiting ON redemption_record (sequence) WHERE state = 'waiting';
CREATE INDEX redemption_quarantined ON redemption_record (sequence) WHERE state = 'quarantined';
CREATE INDEX redemption_conflict ON redemption_record (sequence) WHERE state = 'conflict';

CREATE TABLE evidence_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT
) STRICT;
CREATE INDEX evidence_waiting ON evidence_record (sequence) WHERE state = 'waiting';
CREATE INDEX evidence_quarantined ON evidence_record (sequence) WHERE state = 'quarantined';
CREATE INDEX evidence_conflict ON evidence_record (sequence) WHERE state = 'conflict';

CREATE VIEW record AS
    SELECT 'redemption' AS lane, sequence, event, hash, state, outcome FROM redemption_record
    UNION ALL SELECT 'evidence', sequence, event, hash, state, outcome FROM evidence_record;

-- A use is remembered until the coupon's own end, not until the outbox drains.
-- A promo code may be used again: then the row names its last use.
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    at TEXT NOT NULL,
    forget_after INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 1 CHECK (uses > 0),
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;

-- day: a day number, or -1 for "since this till last reached the cloud".
CREATE TABLE budget (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, day)
) STRICT, WITHOUT ROWID;

-- number: the redemption's sequence.
CREATE TABLE print_job (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    state TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    queued_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX print_job_open ON print_job (number) WHERE state IN ('queued', 'sending', 'unconfirmed');

CREATE TABLE promo (
    short TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    texts TEXT NOT NULL,
    redemption_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX promo_free ON promo (short) WHERE redemption_id IS NULL;

-- Answers to requests that may be repeated (Idempotency-Key).
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;

-- The roots this till came to trust, one after the other; the newest judges what comes next.
CREATE TABLE root (
    epoch INTEGER PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;

-- epoch: of the root that judged the manifest.
CREATE TABLE bundle (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,
    manifest BLOB
) STRICT;

CREATE TABLE part (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

_0002 = """
-- What a job printed, laid out when it was first sent: a copy is the same whatever became of the templates.
CREATE TABLE print_document (
    number INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
"""

_0003 = """
-- What the token of a promo code says, so that rules can ask for a campaign. settled: the cloud was told that it is on
-- paper; a code of an earlier version names no issuer and goes to any receipt without a rule.
ALTER TABLE promo ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE promo ADD COLUMN campaign INTEGER NOT NULL DEFAULT 0;
ALTER TABLE promo ADD COLUMN idx INTEGER NOT NULL DEFAULT 0;
ALTER TABLE promo ADD COLUMN expires INTEGER NOT NULL DEFAULT 65535;
ALTER TABLE promo ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX promo_coupon ON promo (issuer, campaign, idx);
CREATE INDEX promo_handed_out ON promo (redemption_id) WHERE redemption_id IS NOT NULL AND settled = 0;
"""

_0004 = """
-- 1: the till signed it itself. Its index is never used again, so the row stays as long as the till's key may count.
ALTER TABLE promo ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;
"""

_0005 = """
-- What a redemption looks for is found without passing by all that was ever handed out.
CREATE INDEX promo_free_of ON promo (issuer, campaign, short) WHERE redemption_id IS NULL;
CREATE INDEX promo_signed ON promo (issuer, campaign, idx) WHERE signed = 1;
"""

_0006 = """
-- Coupons held for a sale. held: what was asked and priced, answer: what was said last; both JSON, without coupon text.
CREATE TABLE hold (
    hold_id TEXT PRIMARY KEY,
    sale_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'committed', 'voided', 'expired')),
    opened_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    held TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;
CREATE INDEX hold_open ON hold (expires_at) WHERE state = 'open';
CREATE INDEX hold_sale ON hold (sale_id) WHERE state = 'committed';

-- A row is the reservation itself: of the coupon, of its campaign's budget, of a stored value. It ends by itself.
CREATE TABLE held_coupon (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hold_id TEXT NOT NULL,
    until TEXT NOT NULL,
    charge_minor INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, idx, hold_id)
) STRICT, WITHOUT ROWID;

-- Pieces of a line of a redemption that came back. number: its sequence.
CREATE TABLE returned (
    number INTEGER NOT NULL,
    line TEXT NOT NULL,
    pieces INTEGER NOT NULL CHECK (pieces > 0),
    PRIMARY KEY (number, line)
) STRICT, WITHOUT ROWID;

-- What all uses of the coupon took off together: a stored value's balance is its value less this.
ALTER TABLE coupon_use ADD COLUMN spent_minor INTEGER NOT NULL DEFAULT 0;
"""

_0007 = """
-- The pseudonyms behind salted digests in the records, beside what is signed: erased alone, the chain stays whole.
CREATE TABLE disclosure (
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    salt TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    PRIMARY KEY (lane, sequence, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX disclosure_pseudonym ON disclosure (pseudonym);
"""

_0008 = """
-- A redemption that was a member's, for limits of a member. member: a digest under the till's key. day: the store's.
-- number: the redemption's sequence. Forgotten after the month.
CREATE TABLE member_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, member, day, number)
) STRICT, WITHOUT ROWID;

-- Points that a record of the redemption lane earned and spent; below 0 where it gives back. number: its sequence.
CREATE TABLE member_points (
    number INTEGER PRIMARY KEY,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    sale_id TEXT NOT NULL,
    earned INTEGER NOT NULL,
    spent INTEGER NOT NULL
) STRICT;
CREATE INDEX member_points_member ON member_points (member, number);

-- Whose hold it is, and the points that it keeps.
ALTER TABLE held_coupon ADD COLUMN member BLOB;
ALTER TABLE held_coupon ADD COLUMN points INTEGER NOT NULL DEFAULT 0;
"""

_0009 = """
-- How many coupons a supervisor's badge let through on a day. badge: its digest in hex.
CREATE TABLE badge_use (
    badge TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (badge, day)
) STRICT, WITHOUT ROWID;

-- In which sales a member (a digest under the till's key) used a campaign that looks for split sales. For a day.
CREATE TABLE member_sale (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    sale_id TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, member, sale_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_sale_at ON member_sale (at);
"""

_0010 = """
-- What the cloud told of redemptions of this till afterwards. document: JSON. kind: conflict, or that it has ended.
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    document TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    seen_at TEXT,
    UNIQUE (redemption_id, other_id, kind)
) STRICT;
CREATE INDEX conflict_unseen ON conflict (id) WHERE kind = 'conflict' AND seen_at IS NULL;
"""

_0011 = """
-- Found by its key in one tree instead of two: a page less in each redemption. Answers are short enough to stay in it.
CREATE TABLE request_by_key (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO request_by_key SELECT request_id, fingerprint, answer, at FROM request;
DROP TABLE request;
ALTER TABLE request_by_key RENAME TO request;
"""

SCRIPTS: tuple[tuple[str, str], ...] = (
    ("0001_first_till", _0001),
    ("0002_print_documents", _0002),
    ("0003_promo_rules", _0003),
    ("0004_promos_signed_here", _0004),
    ("0005_promo_look_ups", _0005),
    ("0006_sale_holds", _0006),
    ("0007_disclosures", _0007),
    ("0008_members", _0008),
    ("0009_badges_and_split_sales", _0009),
    ("0010_conflicts", _0010),
    ("0011_requests_by_key", _0011),
)
VERSION = len(SCRIPTS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database from whatever earlier version to VERSION."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations("redeemd")
    for name, script in SCRIPTS:
        migrations(name=name)(_runner(script))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")  # first: killed here, it is known as ours
    migrations.apply(Database(connection))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _runner(script: str) -> Callable[[Any], None]:
    def run(db: Any) -> None:
        for statement in script.split(";\n"):
            if statement.strip():
                db.execute(statement)

    return run
