"""Webhooks in SQL: functions on an open transaction."""

from __future__ import annotations

import json
from typing import Any

from cloud.errors import Refused
from cloud.feed import FeedCursor
from cloud.store.sql import Db
from cloud.webhooks import WEBHOOKS_MAX, Aside, Counts, Webhook

_COLUMNS = (
    "webhook, url, types, secret, old_secret, old_until, disabled, reason, made_at, position, sequence, pending,"
    " failures, failing_since, next_at, last, last_at"
)
_ASIDE = "position, sequence, event_id, type, attempts, first_at, next_at, dead, last"
_HELD = "EXISTS (SELECT 1 FROM webhook WHERE webhook = ? AND lease = ?)"


def _hook(row: tuple[Any, ...]) -> Webhook:
    name, url, types, secret, old, until, disabled, reason, made_at, position, sequence, pending, *rest = row
    cursor = FeedCursor(position, sequence)
    known = frozenset(json.loads(types))
    return Webhook(
        name, url, known, secret, old, until, bool(disabled), reason, made_at, cursor, bool(pending), *rest
    )


def _aside(row: tuple[Any, ...]) -> Aside:
    position, sequence, event_id, kind, attempts, first_at, next_at, dead, last = row
    return Aside(
        FeedCursor(position, sequence), event_id, kind, attempts, first_at, next_at, bool(dead), last
    )


def add(db: Db, new: Webhook) -> None:
    """`WebhookStore.add_webhook`."""
    if db.execute("SELECT count(*) FROM webhook").fetchone()[0] >= WEBHOOKS_MAX:
        raise Refused(409, "too_many_webhooks", f"there are {WEBHOOKS_MAX} webhooks: remove one first")
    told = (new.webhook, new.url, json.dumps(sorted(new.types)), new.secret, new.old_secret, new.old_until)
    stands = (int(new.disabled), new.reason, new.made_at, *new.cursor, int(new.pending), new.failures)
    values = (*told, *stands, new.failing_since, new.next_at, new.last, new.last_at, "", "")
    db.execute(f"INSERT INTO webhook VALUES ({', '.join('?' * len(values))})", values)


def every(db: Db) -> list[Webhook]:
    return [_hook(row) for row in db.execute(f"SELECT {_COLUMNS} FROM webhook ORDER BY made_at, webhook")]


def one(db: Db, name: str) -> Webhook | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM webhook WHERE webhook = ?", (name,)).fetchone()
    return None if row is None else _hook(row)


def put(db: Db, changed: Webhook) -> bool:
    """`WebhookStore.put_webhook`."""
    done = db.execute(
        "UPDATE webhook SET secret = ?, old_secret = ?, old_until = ?, disabled = ?, reason = ?, failures = ?,"
        " failing_since = ?, next_at = ?, lease = CASE WHEN ? = 1 THEN '' ELSE lease END WHERE webhook = ?",
        (
            changed.secret,
            changed.old_secret,
            changed.old_until,
            int(changed.disabled),
            changed.reason,
            changed.failures,
            changed.failing_since,
            changed.next_at,
            int(changed.disabled),
            changed.webhook,
        ),
    )
    return done.rowcount == 1


def note_attempt(db: Db, name: str, said: str, at: str) -> None:
    """`WebhookStore.note_attempt`. What a turn has found meanwhile stands."""
    db.execute("UPDATE webhook SET last = ?, last_at = ? WHERE webhook = ? AND last = ''", (said, at, name))


def remove(db: Db, name: str) -> bool:
    db.execute("DELETE FROM delivery WHERE webhook = ?", (name,))
    return db.execute("DELETE FROM webhook WHERE webhook = ?", (name,)).rowcount == 1


def counts(db: Db, name: str) -> Counts:
    found = dict(
        db.execute("SELECT dead, count(*) FROM delivery WHERE webhook = ? GROUP BY dead", (name,)).fetchall()
    )
    return Counts(found.get(0, 0), found.get(1, 0))


def asides(db: Db, name: str, dead: bool, due: str | None, limit: int) -> list[Aside]:
    """`WebhookStore.asides`."""
    rows = db.execute(
        f"SELECT {_ASIDE} FROM delivery WHERE webhook = ? AND dead = ? AND next_at <= ?"
        " ORDER BY next_at, position, sequence LIMIT ?",
        (name, int(dead), "~" if due is None else due, limit),
    )
    return [_aside(row) for row in rows]


def replay(db: Db, name: str, at: str) -> int:
    """`WebhookStore.replay`."""
    return db.execute(
        "UPDATE delivery SET dead = 0, attempts = 0, first_at = ?, next_at = ? WHERE webhook = ? AND dead = 1",
        (at, at, name),
    ).rowcount


def due(db: Db, at: str, newest: int) -> list[str]:
    """`WebhookStore.due_webhooks`. newest: the feed's last position."""
    rows = db.execute(
        "SELECT webhook FROM webhook w WHERE disabled = 0 AND next_at <= ?1 AND lease_until <= ?1"
        " AND (pending = 1 OR position < ?2 OR EXISTS (SELECT 1 FROM delivery d"
        " WHERE d.webhook = w.webhook AND d.dead = 0 AND d.next_at <= ?1)) ORDER BY next_at",
        (at, newest),
    )
    return [name for (name,) in rows]


def lease(db: Db, name: str, own: str, at: str, until: str) -> Webhook | None:
    """`WebhookStore.lease_webhook`."""
    row = db.execute(
        "UPDATE webhook SET lease = ?, lease_until = ? WHERE webhook = ? AND disabled = 0 AND lease_until <= ?"
        f" RETURNING {_COLUMNS}",
        (own, until, name, at),
    ).fetchone()
    return None if row is None else _hook(row)


def save(db: Db, after: Webhook, own: str, until: str) -> bool:
    """`WebhookStore.save_turn`. What staff decided meanwhile stands: only the turn itself disables."""
    done = db.execute(
        "UPDATE webhook SET position = ?, sequence = ?, pending = ?, failures = ?, failing_since = ?, next_at = ?,"
        " last = ?, last_at = ?, lease_until = ?, disabled = CASE WHEN ? = 1 THEN 1 ELSE disabled END,"
        " reason = CASE WHEN ? = 1 THEN ? ELSE reason END WHERE webhook = ? AND lease = ?",
        (
            *after.cursor,
            int(after.pending),
            after.failures,
            after.failing_since,
            after.next_at,
            after.last,
            after.last_at,
            until,
            int(after.disabled),
            int(after.disabled),
            after.reason,
            after.webhook,
            own,
        ),
    )
    return done.rowcount == 1


def put_aside(db: Db, name: str, own: str, aside: Aside) -> bool:
    """`WebhookStore.put_aside`."""
    held = db.execute("SELECT 1 FROM webhook WHERE webhook = ? AND lease = ?", (name, own)).fetchone()
    if held is None:
        return False
    said = (
        aside.event_id,
        aside.type,
        aside.attempts,
        aside.first_at,
        aside.next_at,
        int(aside.dead),
        aside.last,
    )
    db.execute(
        "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (webhook, position, sequence)"
        " DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at, dead = excluded.dead,"
        " last = excluded.last",
        (name, *aside.cursor, *said),
    )
    return True


def taken(db: Db, name: str, own: str, cursor: FeedCursor) -> bool:
    """`WebhookStore.taken`."""
    done = db.execute(
        f"DELETE FROM delivery WHERE webhook = ? AND position = ? AND sequence = ? AND {_HELD}",
        (name, *cursor, name, own),
    )
    return done.rowcount == 1
