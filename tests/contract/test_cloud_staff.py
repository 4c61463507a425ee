"""What every `CloudStore` knows of staff: tokens, sessions, and the note of each act."""

from __future__ import annotations

import pytest

from cloud.access import digest
from cloud.errors import Refused
from cloud.ports import CloudStore
from cloud.staff import NEWEST_ACT, PERMISSIONS, Act, Permission, Role, Staff
from tests.cloud_stores import store as store  # the fixture, for every store
from tests.unit.cloud_kit import AT, LATER

LAST = "2026-09-01T00:00:00.000Z"


async def whose(store: CloudStore, secret: str, at: str = LATER) -> Staff | None:
    return await store.staff(digest(secret), at)


def test_the_table_of_roles() -> None:
    read = {Permission.READ}
    assert {
        Role.VIEWER: read,
        Role.OPERATOR: read | {Permission.TILLS},
        Role.ISSUER: read | {Permission.ISSUE},
        Role.SETTLEMENT: read | {Permission.SETTLE},
        Role.ADMIN: set(Permission),
    } == PERMISSIONS


async def test_a_token_counts_until_it_expires_or_is_revoked(store: CloudStore) -> None:
    await store.add_token(digest("t"), Role.ISSUER, "billing", AT, LATER)
    await store.add_token(digest("u"), Role.VIEWER, "wall", AT)
    found = await whose(store, "t", AT)
    assert found is not None
    assert (found.name, found.role, found.session, found.used_at) == ("billing", Role.ISSUER, False, None)
    assert found.may(Permission.ISSUE)
    assert not found.may(Permission.SETTLE)
    assert await whose(store, "T", AT) is None
    assert await whose(store, "t") is None, "it expires at that moment"
    assert await whose(store, "u", LAST) is not None
    await store.note_use(digest("u"), LATER)
    await store.revoke_token("wall", LATER)
    assert await whose(store, "u") is None
    lines = {line.name: line for line in await store.tokens()}
    assert (lines["wall"].revoked_at, lines["wall"].used_at) == (LATER, LATER)
    assert (lines["billing"].expires_at, lines["billing"].revoked_at) == (LATER, None)
    assert all(line.id == digest(name).hex()[:12] for line, name in ((lines["wall"], "u"),))


async def test_a_token_is_revoked_by_its_id_or_by_a_name_that_says_which(store: CloudStore) -> None:
    for secret in ("a", "b"):
        await store.add_token(digest(secret), Role.VIEWER, "wall", AT)
    with pytest.raises(Refused, match="several") as refused:
        await store.revoke_token("wall", LATER)
    assert refused.value.status == 409
    line = await store.revoke_token(digest("a").hex()[:12], AT)
    assert await store.revoke_token(line.id, LATER) == line, "again changes nothing"
    assert (await store.revoke_token("wall", LATER)).id == digest("b").hex()[:12]
    for wrong in ("wall", "none"):
        with pytest.raises(Refused) as refused:
            await store.revoke_token(wrong, LATER)
        assert refused.value.status == 404


async def test_a_session_ends_with_its_time_its_token_and_by_itself(store: CloudStore) -> None:
    await store.add_token(digest("t"), Role.ADMIN, "ann", AT)
    for secret in ("s1", "s2"):
        await store.add_session(digest("t"), digest(secret), AT, LAST)
    found = await whose(store, "s1")
    assert found is not None
    assert (found.name, found.session) == ("ann", True)
    assert found.id == digest("t").hex()[:12], "what it reads is read by that token"
    await store.note_use(digest("s1"), LATER)
    assert [line.used_at for line in await store.tokens() if line.name == "ann"] == [LATER]
    assert len([line for line in await store.tokens() if line.name == "ann"]) == 1
    assert await whose(store, "s1", LAST) is None
    await store.end_session(digest("s1"))
    await store.end_session(digest("t"))
    assert await whose(store, "s1") is None
    assert await whose(store, "t") is not None, "a token is no session"
    await store.revoke_token("ann", LATER)
    assert await whose(store, "s2") is None
    await store.add_session(digest("nobody"), digest("s3"), AT, LAST)
    assert await whose(store, "s3") is None


async def test_acts_are_listed_page_by_page(store: CloudStore) -> None:
    acts = [
        Act(at, number, "ann", "id", "admin", "POST /x", "{}", None)
        for at in (AT, LATER)
        for number in (1, 2)
    ]
    for act in acts:
        await store.begin_act(act)
    await store.end_act(acts[0].cursor(), 201)
    found = await store.acts(3)
    assert found == [acts[3], acts[2], acts[1]]
    (last,) = await store.acts(3, found[-1].cursor())
    assert (last.number, last.status) == (1, 201)
    assert len(await store.acts(9, NEWEST_ACT)) == 4
