"""What every `CloudStore` knows of how its tills are, and how they are listed: sorted, searched, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.domain.time import timestamp
from cloud.access import digest
from cloud.ports import CloudStore
from cloud.seen import BACKLOG, CLOCK_S, PROBLEMS, SORTS, Gathered, Seen, TillLine, TillQuery, Word
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import AT, LATER, STORE, enrolled, sealing_till
from tests.unit.test_sync_till_health import WELL

NOW = timestamp(datetime.fromisoformat(LATER) + timedelta(seconds=60))
EVERY = TillQuery("till", False, "", "", NOW, None, 100)


def word(at: str = LATER, clock_s: int = 0, **changes: object) -> Word:
    return Word(replace(WELL, **changes), at, clock_s)  # type: ignore[arg-type]  # of the test's choice


async def fleet(store: CloudStore) -> None:
    """T-1 well, T-2 with everything wrong, T-3 silent since AT and without a word, T-4 revoked, T-5 waiting."""
    await enrolled(store, *(sealing_till(f"T-{number}", number) for number in (1, 2, 3, 4)))
    await store.add_till("T-5", STORE.store, digest("T-5"), LATER)
    await store.revoke_till("T-4", LATER)
    bad = word(
        clock_s=-CLOCK_S - 1, waiting=BACKLOG + 1, quarantined=2, age="stale", doubt="behind", healthy=False
    )
    seen = [Seen("T-1", LATER, word()), Seen("T-2", LATER, bad), Seen("T-3", AT, None)]
    await store.put_seen(seen)


async def names(store: CloudStore, *, search: str = "", problem: str = "") -> list[str]:
    query = EVERY._replace(search=search, problem=problem)
    return [line.till for line in await store.till_lines(query)]


async def test_a_line_says_what_the_till_said(store: CloudStore) -> None:
    await fleet(store)
    one, _, three, four, five = await store.till_lines(EVERY)
    assert one == TillLine(
        "T-1",
        STORE.store,
        STORE.merchant,
        "enrolled",
        one.enrolled_at,
        None,
        LATER,
        LATER,
        *(WELL.version, WELL.epoch, WELL.sequence, WELL.issued, WELL.age, WELL.doubt, 0),
        *(WELL.waiting, WELL.oldest, WELL.quarantined, True, WELL.devices, WELL.issues),
    )
    assert (three.seen_at, three.said_at, three.healthy, three.devices) == (AT, None, None, ())
    assert (four.state, four.revoked_at, five.state, five.seen_at) == ("revoked", LATER, "waiting", None)


async def test_the_newest_word_stands(store: CloudStore) -> None:
    await fleet(store)
    await store.put_seen([Seen("T-1", AT, word(AT, waiting=99))])
    await store.put_seen([Seen("T-1", NOW, None)])
    (one,) = await store.till_lines(EVERY._replace(limit=1))
    assert (one.seen_at, one.said_at, one.waiting) == (NOW, LATER, WELL.waiting)
    await store.put_seen([Seen("T-1", NOW, word(NOW, waiting=7))])
    assert (await store.till_lines(EVERY._replace(limit=1)))[0].waiting == 7


async def test_tills_are_found_by_what_is_wrong_with_them(store: CloudStore) -> None:
    await fleet(store)
    expected = {
        "any": ["T-2", "T-3"],
        "silent": ["T-3"],
        "clock": ["T-2"],
        "bundle": ["T-2"],
        "backlog": ["T-2"],
        "quarantine": ["T-2"],
        "revoked": ["T-4"],
        "waiting": ["T-5"],
    }
    assert set(expected) == set(PROBLEMS)
    for problem, tills in expected.items():
        assert await names(store, problem=problem) == tills, problem
    counts = await store.till_counts(NOW)
    assert counts == {name: len(tills) for name, tills in expected.items()} | {"all": 5}


async def test_search_is_plain_text(store: CloudStore) -> None:
    await fleet(store)
    assert await names(store, search="t-3") == ["T-3"]
    assert len(await names(store, search=STORE.store.lower())) == 5
    for nothing in ("%", "_", "!", "'; DROP TABLE till", "\\"):
        assert await names(store, search=nothing) == []


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_are_one_list(store: CloudStore, sort: str, descending: bool) -> None:
    await fleet(store)
    query = EVERY._replace(sort=sort, descending=descending, limit=2)
    whole = await store.till_lines(query._replace(limit=100))
    assert len(whole) == 5
    paged: list[TillLine] = []
    while page := await store.till_lines(query):
        paged += page
        query = query._replace(after=(query.key_of(page[-1]), page[-1].till))
    assert paged == whole


def test_what_is_gathered_is_the_newest_and_is_not_lost() -> None:
    gathered = Gathered()
    gathered.note("T-2", AT, word(AT))
    gathered.note("T-1", AT)
    gathered.note("T-2", LATER)
    taken = gathered.take()
    assert taken == [Seen("T-1", AT, None), Seen("T-2", LATER, word(AT))]
    assert gathered.take() == []
    gathered.note("T-2", NOW)
    gathered.put_back(taken)
    assert gathered.take() == [Seen("T-1", AT, None), Seen("T-2", NOW, word(AT))]
