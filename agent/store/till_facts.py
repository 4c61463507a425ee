"""What the till knows of itself beside its bundle: how late it is at least, where its lanes begin, that it is revoked.

Functions on an open transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from agent.domain.record import ChainHead
from agent.domain.time import Anchor, anchor_from_text, timestamp

_PUT = "INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


def setting(connection: sqlite3.Connection, name: str) -> str | None:
    """One of the till's own facts; None if it was never set."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put_setting(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(_PUT, (name, value))


def read_anchor(connection: sqlite3.Connection) -> Anchor | None:
    """The high-water mark with the count of the boot that it was written in."""
    text = setting(connection, "time_anchor")
    return None if text is None else anchor_from_text(text)


def put_anchor(connection: sqlite3.Connection, anchor: Anchor) -> None:
    """Set the high-water mark, up or down."""
    put_setting(connection, "time_mark", timestamp(anchor.at))
    put_setting(connection, "time_anchor", anchor.to_text())


def last_time_statement(connection: sqlite3.Connection) -> int:
    """The number of the last time statement that was applied; 0 before the first."""
    return int(setting(connection, "time_statement") or 0)


def repair_time(connection: sqlite3.Connection, number: int, anchor: Anchor) -> bool:
    """Set the mark as time statement `number` says and remember the number with it; False if it was used before."""
    if number <= last_time_statement(connection):
        return False
    put_setting(connection, "time_statement", str(number))
    put_anchor(connection, anchor)
    return True


def start_of(connection: sqlite3.Connection, lane: str) -> ChainHead:
    """What the first record of a lane goes on from: nothing, or where the cloud said that an earlier disk's end."""
    text = setting(connection, f"start_{lane}")
    if text is None:
        return ChainHead()
    sequence, digest = text.split(" ")
    return ChainHead(int(sequence), digest)


def put_starts(connection: sqlite3.Connection, starts: Mapping[str, ChainHead]) -> None:
    """Keep where the lanes begin, for a ledger that is empty: one with records goes on from its own."""
    for lane, head in starts.items():
        if head.sequence:
            put_setting(connection, f"start_{lane}", f"{head.sequence} {head.hash}")


def revoke(connection: sqlite3.Connection, statement: bytes) -> None:
    """Keep the cloud's statement and wipe what would let this till, or a thief of it, accept or hand out anything.

    Records, uses and print jobs stay: what was done is still to be delivered.
    """
    connection.execute("PRAGMA secure_delete = ON")  # freed pages are overwritten, not left lying
    put_setting(connection, "revocation", statement.hex())
    connection.execute("UPDATE bundle SET manifest = NULL")
    connection.execute("DELETE FROM part")
    connection.execute("DELETE FROM promo WHERE redemption_id IS NULL")


def revocation(connection: sqlite3.Connection) -> bytes | None:
    """The statement that this till was stopped by; None while it is not."""
    text = setting(connection, "revocation")
    return None if text is None else bytes.fromhex(text)


def lift_revocation(connection: sqlite3.Connection) -> None:
    """Forget the statement: its key counts no more. What it wiped comes with the next bundle."""
    connection.execute("DELETE FROM setting WHERE name = 'revocation'")
