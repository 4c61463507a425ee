"""The tables of the embedded database, one script per schema version.

Long because a released script stays as it is.
"""

from __future__ import annotations

_0001 = """
CREATE TABLE token (
    digest BLOB PRIMARY KEY,          -- SHA-256 of the bearer token
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    added_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE place (
    store TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    document TEXT NOT NULL            -- the wire form as JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE issuer_key (
    issuer TEXT NOT NULL,
    kid BLOB NOT NULL UNIQUE,         -- one kid, one key: a bundle with two is refused by every till
    algorithm INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    campaigns TEXT,                   -- JSON list, NULL for all
    not_before INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    value_max_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, kid)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaign (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    version INTEGER NOT NULL,
    size INTEGER NOT NULL,
    document TEXT NOT NULL,           -- the wire form as JSON
    promo_per_till INTEGER NOT NULL,
    promo_valid_days INTEGER NOT NULL,
    index_key BLOB NOT NULL,
    issued INTEGER NOT NULL DEFAULT 0 CHECK (issued BETWEEN 0 AND size),
    PRIMARY KEY (issuer, campaign)
) STRICT, WITHOUT ROWID;

-- A coupon that was issued here, or revoked. Used is what stands in coupon_use.
CREATE TABLE coupon (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    issued_at TEXT,
    revoked_at TEXT,
    terms TEXT,                       -- JSON
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX coupon_revoked ON coupon (issuer, campaign, idx) WHERE revoked_at IS NOT NULL;

CREATE TABLE till (
    till TEXT PRIMARY KEY,
    store TEXT NOT NULL REFERENCES place (store),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'enrolled', 'revoked')),
    public_key BLOB,
    enrolled_at TEXT,
    code_digest BLOB UNIQUE,
    code_expires TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    hash TEXT NOT NULL,
    prevhash TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    time TEXT NOT NULL,
    issuer TEXT,
    campaign INTEGER,
    idx INTEGER,
    discount_minor INTEGER,
    event TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (till, lane, sequence)
) STRICT, WITHOUT ROWID;

-- Refused for good. hash: as claimed, '' if it could not be read; the chain goes on behind it (cloud/chain.py).
CREATE TABLE refusal (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    code TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;

-- The first use of a coupon, by order of receipt.
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    time TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;

-- Every later use of it.
CREATE TABLE conflict (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, idx, till, lane, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE manifest (
    till TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    issued INTEGER NOT NULL,
    parts_key BLOB NOT NULL,
    manifest BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE part (
    sha256 BLOB PRIMARY KEY,
    content BLOB NOT NULL,
    used_at TEXT NOT NULL
) STRICT;

CREATE TABLE promo (
    till TEXT NOT NULL,
    short TEXT NOT NULL,
    document TEXT NOT NULL,           -- the wire form as JSON
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    out INTEGER NOT NULL DEFAULT 0,   -- 1: the till said that it was handed out
    PRIMARY KEY (till, short)
) STRICT, WITHOUT ROWID;
CREATE INDEX promo_coupon ON promo (issuer, campaign, idx) WHERE NOT out;
"""

# `hash` tells two records of one place apart (a fork). What was used by a refused record of old has none.
_0002 = """
CREATE TABLE hole (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    hash TEXT NOT NULL,               -- of the record at `last`, as the one behind it claims; '' if not known
    noticed_at TEXT NOT NULL,
    PRIMARY KEY (till, lane, first)
) STRICT, WITHOUT ROWID;

ALTER TABLE coupon_use ADD COLUMN hash TEXT NOT NULL DEFAULT '';
UPDATE coupon_use SET hash = coalesce((SELECT r.hash FROM record r WHERE r.till = coupon_use.till
    AND r.lane = coupon_use.lane AND r.sequence = coupon_use.sequence AND r.issuer = coupon_use.issuer
    AND r.campaign = coupon_use.campaign AND r.idx = coupon_use.idx), '');

ALTER TABLE conflict RENAME TO conflict_1;
CREATE TABLE conflict (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('double', 'fork', 'broken_chain')),
    PRIMARY KEY (issuer, campaign, idx, till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;
INSERT INTO conflict SELECT c.issuer, c.campaign, c.idx, c.till, c.lane, c.sequence, r.hash, c.redemption_id,
    c.received_at, 'double' FROM conflict_1 c JOIN record r USING (till, lane, sequence);
DROP TABLE conflict_1;
"""

# A registered key's private half is the issuer's own. An order sent again gives the coupons of its first time.
_0003 = """
ALTER TABLE issuer_key ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE issuer_key ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;
CREATE TABLE coupon_order (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,           -- number of its first coupon, counted from 0
    count INTEGER NOT NULL,
    terms TEXT NOT NULL,              -- JSON
    PRIMARY KEY (issuer, campaign, name)
) STRICT, WITHOUT ROWID;
"""

# Status lists grow by what became known of coupons since, not by looking at every coupon again.
_0004 = """
-- What became known of a campaign's coupons, in that order: `change` counts from 1.
CREATE TABLE mark (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    change INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    status INTEGER NOT NULL CHECK (status IN (1, 2)),
    PRIMARY KEY (issuer, campaign, change)
) STRICT, WITHOUT ROWID;
INSERT INTO mark
    SELECT issuer, campaign, row_number() OVER (PARTITION BY issuer, campaign ORDER BY idx, status), idx, status FROM (
        SELECT issuer, campaign, idx, 1 AS status FROM coupon_use UNION ALL
        SELECT issuer, campaign, idx, 2 AS status FROM coupon WHERE revoked_at IS NOT NULL);

-- A campaign's status list as tills get it: the snapshot at place 0, then the deltas. The contents stand in `part`.
CREATE TABLE status_part (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    place INTEGER NOT NULL,
    change INTEGER NOT NULL,          -- the last mark that the list up to here knows
    sha256 BLOB NOT NULL,
    PRIMARY KEY (issuer, campaign, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_used ON part (used_at); -- in the table it stands behind the content, megabytes to pass by
"""

# A till may have several keys, one after the other. lanes: JSON, lane -> [last known sequence, last sequence before its
# own, hash of that one]. code_key: the key that used the code.
_0005 = """
CREATE TABLE till_key (
    till TEXT NOT NULL REFERENCES till (till),
    generation INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    standing TEXT NOT NULL CHECK (standing IN ('announced', 'current', 'replaced', 'dropped')),
    lanes TEXT NOT NULL,
    PRIMARY KEY (till, generation)
) STRICT, WITHOUT ROWID;
INSERT INTO till_key SELECT till, 1, public_key, 'current',
    json_object('redemption', json_array(0, 0, ''), 'evidence', json_array(0, 0, ''))
    FROM till WHERE public_key IS NOT NULL;
ALTER TABLE till DROP COLUMN public_key;
ALTER TABLE till ADD COLUMN code_key BLOB;
ALTER TABLE till ADD COLUMN revoked_at TEXT;
ALTER TABLE till ADD COLUMN time_statement BLOB;
UPDATE till SET code_key = (SELECT public_key FROM till_key WHERE till_key.till = till.till);
UPDATE till SET revoked_at = enrolled_at WHERE state = 'revoked';
"""

# Opaque codes. A code itself is nowhere: `hash` is keyed with `key`, which tills have too; `seed` makes new codes.
_0006 = """
CREATE TABLE code_secret (
    issuer TEXT PRIMARY KEY,
    key_id BLOB NOT NULL UNIQUE,
    key BLOB NOT NULL,
    seed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE code_table (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    number INTEGER NOT NULL,
    head BLOB NOT NULL,               -- CBOR, its count and buckets left aside
    count INTEGER NOT NULL,
    made INTEGER NOT NULL,            -- of how many codes the part of this hash was made
    sha256 BLOB NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE code (
    issuer TEXT NOT NULL,
    hash BLOB NOT NULL,
    campaign INTEGER NOT NULL,
    number INTEGER NOT NULL,          -- of its table
    idx INTEGER NOT NULL,
    PRIMARY KEY (issuer, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX code_of_table ON code (issuer, campaign, number);

CREATE TABLE scan_rules (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL
) STRICT;

ALTER TABLE coupon_use ADD COLUMN uses INTEGER NOT NULL DEFAULT 1;
"""

# What tills show or recognise beside offers. store: '' for all. document: CBOR, a list; of badge_key the bytes alone.
_0007 = """
CREATE TABLE notice (
    kind TEXT NOT NULL,
    store TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (kind, store)
) STRICT, WITHOUT ROWID;
"""

# What a till's key signed reaches no status list when it comes after its revocation, until a person says so. Promo
# codes have three states now: 0 held ready, 1 handed out (a till, or a coupon that came back, said so), 2 set aside.
_0008 = """
ALTER TABLE till_key ADD COLUMN revoked_at TEXT;
UPDATE till_key SET revoked_at = (SELECT revoked_at FROM till WHERE till.till = till_key.till)
    WHERE till IN (SELECT till FROM till WHERE state = 'revoked');

CREATE TABLE held (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    kid TEXT NOT NULL,                -- of the revoked key that signed it
    code TEXT NOT NULL,               -- 'stored', or that of its refusal
    redemption_id TEXT NOT NULL,
    time TEXT NOT NULL,
    received_at TEXT NOT NULL,
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    discount_minor INTEGER,
    promo TEXT,
    refused_at TEXT,                  -- when a person said that it does not count
    PRIMARY KEY (till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;

ALTER TABLE conflict RENAME TO conflict_7;
CREATE TABLE conflict (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('double', 'fork', 'broken_chain', 'wrong_key')),
    PRIMARY KEY (issuer, campaign, idx, till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;
INSERT INTO conflict SELECT * FROM conflict_7;
DROP TABLE conflict_7;

DROP INDEX promo_coupon;
CREATE INDEX promo_coupon ON promo (issuer, campaign, idx) WHERE out <> 1;
"""

# A copy that was put back is older than what tills have. `restore`: bundles go on behind `sequence`. `restored_at`:
# since when it is not known how many coupons of a campaign were issued; NULL where it is.
_0009 = """
CREATE TABLE restore (
    at TEXT NOT NULL,
    sequence INTEGER NOT NULL
) STRICT;
ALTER TABLE campaign ADD COLUMN restored_at TEXT;
"""

# Redemptions that cannot be right. most_minor: what a coupon may take off at most by any version of its campaign.
_0010 = """
CREATE TABLE implausible (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    reason TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    time TEXT NOT NULL,
    received_at TEXT NOT NULL,
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    discount_minor INTEGER,
    PRIMARY KEY (till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE campaign_value (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    most_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign)
) STRICT, WITHOUT ROWID;
"""

# The pseudonyms behind salted digests in events of `record` and `refusal`: erased here, what was signed stays whole.
# erased: digests of pseudonyms that nobody may know any more, so that a record that comes later discloses none of them.
_0011 = """
CREATE TABLE disclosure (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    digest TEXT NOT NULL,
    salt TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    PRIMARY KEY (till, lane, sequence, hash, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX disclosure_pseudonym ON disclosure (pseudonym);

CREATE TABLE erased (
    digest BLOB PRIMARY KEY,
    erasure INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erasure (
    erasure INTEGER PRIMARY KEY,      -- counted from 1
    at TEXT NOT NULL,
    disclosures INTEGER NOT NULL      -- how many the cloud had
) STRICT;
"""

# Roles have other names. parent: the token that a page's session belongs to. staff_act: noted before it is done.
_0012 = """
ALTER TABLE token ADD COLUMN expires_at TEXT;
ALTER TABLE token ADD COLUMN revoked_at TEXT;
ALTER TABLE token ADD COLUMN used_at TEXT;
ALTER TABLE token ADD COLUMN parent BLOB;
UPDATE token SET role = 'settlement' WHERE role = 'reader';

CREATE TABLE staff_act (
    at TEXT NOT NULL,
    number INTEGER NOT NULL,          -- random: two receivers may note at one moment
    who TEXT NOT NULL,
    token TEXT NOT NULL,
    role TEXT NOT NULL,
    act TEXT NOT NULL,
    detail TEXT NOT NULL,             -- JSON
    status INTEGER,                   -- of the answer, NULL until it is given
    PRIMARY KEY (at, number)
) STRICT, WITHOUT ROWID;
"""

# A return: what came off for goods goes back. `of_till`, `of_sequence`: of the redemption, which may come later. lines,
# parts: JSON, as the till says and as each party gets it. A coupon that comes back has a mark of status 0.
_0013 = """
CREATE TABLE reversal (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    of_till TEXT NOT NULL,
    of_sequence INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    comes_back INTEGER NOT NULL,
    lines TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'applied', 'refused', 'held')),
    reason TEXT NOT NULL,
    kid TEXT NOT NULL,
    parts TEXT,
    time TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, idx, redemption_id, till, sequence, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX reversal_waiting ON reversal (issuer, campaign, idx) WHERE state = 'waiting';
CREATE INDEX reversal_held ON reversal (till) WHERE state = 'held';
CREATE INDEX reversal_received ON reversal (received_at);

ALTER TABLE mark RENAME TO mark_12;
CREATE TABLE mark (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    change INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    status INTEGER NOT NULL CHECK (status IN (0, 1, 2)),
    PRIMARY KEY (issuer, campaign, change)
) STRICT, WITHOUT ROWID;
INSERT INTO mark SELECT * FROM mark_12;
DROP TABLE mark_12;
"""

# When each till was seen, and its newest word on how it is (sync/till_health.py). devices, issues: JSON.
_0014 = """
CREATE TABLE till_seen (
    till TEXT PRIMARY KEY,
    seen_at TEXT NOT NULL,
    said_at TEXT,
    version TEXT,
    epoch INTEGER,
    sequence INTEGER,
    issued TEXT,
    age TEXT,
    doubt TEXT,
    clock_s INTEGER,
    waiting INTEGER,
    oldest TEXT,
    quarantined INTEGER,
    healthy INTEGER,
    devices TEXT,
    issues TEXT
) STRICT, WITHOUT ROWID;
"""

# Sums of what was reported (cloud/tally.py). tally_place: the last record that was counted; tally_late: those that came
# below the end of their lane since. trial: arms of receipts' rules; trial_code: their codes, back: redeemed.
_0015 = """
CREATE TABLE tally_place (
    till TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tally_late (
    till TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (till, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    axis TEXT NOT NULL,
    value TEXT NOT NULL,
    day TEXT NOT NULL,
    redemptions INTEGER NOT NULL,
    discount_minor INTEGER NOT NULL,
    baskets INTEGER NOT NULL,
    basket_minor INTEGER NOT NULL,
    measured INTEGER NOT NULL,
    extra_minor INTEGER NOT NULL,
    returns INTEGER NOT NULL,
    returned_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, axis, value, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX tally_day ON tally (axis, day);

CREATE TABLE settled (
    store TEXT NOT NULL,
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    as_promised INTEGER NOT NULL,
    day TEXT NOT NULL,
    redemptions INTEGER NOT NULL,
    issuer_minor INTEGER NOT NULL,
    merchant_minor INTEGER NOT NULL,
    supplier_minor INTEGER NOT NULL,
    PRIMARY KEY (store, issuer, campaign, as_promised, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX settled_day ON settled (day);

CREATE TABLE trial (
    rule TEXT NOT NULL,
    arm TEXT NOT NULL,
    day TEXT NOT NULL,
    receipts INTEGER NOT NULL,
    baskets INTEGER NOT NULL,
    basket_minor INTEGER NOT NULL,
    codes INTEGER NOT NULL,
    back INTEGER NOT NULL,
    PRIMARY KEY (rule, arm, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE trial_code (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    rule TEXT NOT NULL,
    arm TEXT NOT NULL,
    day TEXT NOT NULL,
    back INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
"""

# What a till is told of coupons that were redeemed twice. number: rises within a till; verdict_head: its last one, and
# when it rose.
_0016 = """
CREATE TABLE verdict_head (
    till TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX verdict_head_at ON verdict_head (at);

CREATE TABLE verdict (
    till TEXT NOT NULL,
    number INTEGER NOT NULL,
    at TEXT NOT NULL,
    document TEXT NOT NULL,           -- JSON
    PRIMARY KEY (till, number)
) STRICT, WITHOUT ROWID;
"""

# What is told to systems outside, in the order of `position` (`sql_feed`). kind: 'records' for those of a lane
# from `first` to `last`; else the type of `event`, a CloudEvent.
_0017 = """
CREATE TABLE feed (
    arrival INTEGER PRIMARY KEY,      -- drawn when it is written; NULL position: not in the order yet
    position INTEGER UNIQUE,
    kind TEXT NOT NULL,
    till TEXT,
    lane TEXT,
    first INTEGER,
    last INTEGER,
    event TEXT
) STRICT;
CREATE INDEX feed_waiting ON feed (arrival) WHERE position IS NULL;
INSERT INTO feed (kind, till, lane, first, last)
    SELECT 'records', till, lane, min(sequence), max(sequence) FROM record WHERE lane = 'redemption'
    GROUP BY till, lane;
"""

# Rises with what tills are woken for: revocations, withdrawn keys, campaigns.
_0018 = """
CREATE TABLE news (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
"""

# Webhooks. types: JSON, empty for all. secret: whoever signs has to know it. position, sequence: behind the last event
# of the feed that was sent or put aside. lease: of the receiver that sends now. delivery: what was not taken.
_0019 = """
CREATE TABLE webhook (
    webhook TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    secret BLOB NOT NULL,
    old_secret BLOB,
    old_until TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    reason TEXT NOT NULL,
    made_at TEXT NOT NULL,
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since TEXT NOT NULL,
    next_at TEXT NOT NULL,
    last TEXT NOT NULL,
    last_at TEXT NOT NULL,
    lease TEXT NOT NULL,
    lease_until TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE delivery (
    webhook TEXT NOT NULL,
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    next_at TEXT NOT NULL,
    dead INTEGER NOT NULL,
    last TEXT NOT NULL,
    PRIMARY KEY (webhook, position, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (webhook, dead, next_at);
"""

# Members by pseudonym: what the loyalty system said last, and what counted records changed since (cloud/members.py).
_0020 = """
CREATE TABLE member (
    pseudonym TEXT PRIMARY KEY,
    store TEXT NOT NULL,              -- '' for all stores
    level INTEGER NOT NULL,
    points INTEGER NOT NULL,          -- below 0: more was spent than there was
    visits INTEGER NOT NULL,
    last_day INTEGER,
    consent INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    last_sale TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX member_store ON member (store, last_day);
CREATE INDEX member_overdrawn ON member (pseudonym) WHERE points < 0;
"""

# A use of a coupon that a till asked about and has not reported yet (cloud/checks.py).
_0021 = """
CREATE TABLE reservation (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    check_id TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, idx, till, check_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_until ON reservation (issuer, campaign, until);
"""

# A till says in a record that it erased all up to erasure `number`. removed: how much it had.
_0022 = """
CREATE TABLE till_erased (
    till TEXT NOT NULL,
    number INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    received_at TEXT NOT NULL,
    removed INTEGER NOT NULL,
    PRIMARY KEY (till, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_erasure ON erased (erasure);
"""

# A conflict that a return has ended, for the list (`sql_conflicts`). won_*: whose redemption had the coupon.
# back: whose goods came back, 'lost' or 'won'. ended_by: that return.
_0023 = """
CREATE TABLE ended_conflict (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    received_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    won_till TEXT NOT NULL,
    won_lane TEXT NOT NULL,
    won_sequence INTEGER NOT NULL,
    won_redemption_id TEXT NOT NULL,
    won_received_at TEXT NOT NULL,
    won_time TEXT NOT NULL,
    won_hash TEXT NOT NULL,
    back TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    ended_by TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, idx, till, lane, sequence, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_conflict_received ON ended_conflict (received_at);
"""

# records_digest: salted, of the records that named the person; the list and the salt went to who asked for it.
_0024 = """
ALTER TABLE erasure ADD COLUMN records_digest BLOB;
"""

# passed_over: of the numbers drawn (`issued`) those whose index was redeemed before anybody got it.
_0025 = """
ALTER TABLE campaign ADD COLUMN passed_over INTEGER NOT NULL DEFAULT 0;
CREATE INDEX held_coupon ON held (issuer, campaign, idx);
"""

# What was to be paid for one point in a store ('' for all) at some time, and what percentage of the usual points a sale
# with a coupon of the campaign earns at most by any version: by them points in records are checked (`sql_points`).
_0026 = """
CREATE TABLE points_rate (
    store TEXT NOT NULL,
    earn_minor INTEGER NOT NULL,
    PRIMARY KEY (store, earn_minor)
) STRICT, WITHOUT ROWID;
ALTER TABLE campaign_value ADD COLUMN points_percent INTEGER;
"""

# token: SHA-256 of the token's text that was issued for a coupon; NULL where none was signed here (it is a code, or a
# till may sign it), empty where there were several or it was not kept yet.
_0027 = """
ALTER TABLE coupon ADD COLUMN token BLOB;
UPDATE coupon SET token = CAST('' AS BLOB) WHERE issued_at IS NOT NULL;
"""

# The end of a lane that a till says it delivered and that is not here: after a restore, until a later record shows it
# as a hole. first: behind all that had come then.
_0028 = """
CREATE TABLE lost_end (
    till TEXT NOT NULL,
    lane TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    noticed_at TEXT NOT NULL,
    PRIMARY KEY (till, lane)
) STRICT, WITHOUT ROWID;
"""

SCRIPTS = (
    _0001,
    _0002,
    _0003,
    _0004,
    _0005,
    _0006,
    _0007,
    _0008,
    _0009,
    _0010,
    _0011,
    _0012,
    _0013,
    _0014,
    _0015,
    _0016,
    _0017,
    _0018,
    _0019,
    _0020,
    _0021,
    _0022,
    _0023,
    _0024,
    _0025,
    _0026,
    _0027,
    _0028,
)
"""One per schema version, never edited after a release: write the next one."""
VERSION = len(SCRIPTS)
