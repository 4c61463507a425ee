"""News in SQL: functions on an open transaction."""

from __future__ import annotations

from cloud.store.sql import Db

_NUMBER = "coalesce((SELECT number FROM news), 0)"


def tell(db: Db) -> None:
    """All tills that wait hear that there is something new, once this transaction is committed."""
    db.execute("INSERT INTO news VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET number = news.number + 1")


def news(db: Db, till: str) -> tuple[int, int]:
    """`NewsStore.news`."""
    row = db.execute(
        f"SELECT {_NUMBER}, coalesce((SELECT number FROM verdict_head WHERE till = ?), 0)", (till,)
    ).fetchone()
    return int(row[0]), int(row[1])


def news_since(db: Db, at: str) -> tuple[int, dict[str, int]]:
    """`NewsStore.news_since`."""
    (number,) = db.execute(f"SELECT {_NUMBER}").fetchone()
    rows = db.execute("SELECT till, number FROM verdict_head WHERE at >= ?", (at,)).fetchall()
    return int(number), dict(rows)
