"""`cloud.ports.CloudStore` in SQL that both engines read (`sql`): what is one transaction, and what it locks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.domain import campaign as campaigns
from agent.domain.campaign import Campaign, Words
from agent.domain.keys import IssuerKey
from agent.domain.parts import Place, place_to_wire
from agent.domain.statement import KeyChange
from cloud.chain import Entry
from cloud.errors import Refused
from cloud.holds import HeldLine, Released
from cloud.ports import (
    Appended,
    CampaignCheck,
    HeldKey,
    IssuedOrder,
    Judge,
    KeyState,
    Mark,
    MarkCounts,
    Offer,
    PromoFate,
    PromoPlan,
    PromoRow,
    Published,
    StatusPart,
    Terms,
)
from cloud.restore import Closed
from cloud.store import (
    sql_gaps,
    sql_holds,
    sql_issuing,
    sql_news,
    sql_plausible,
    sql_promos,
    sql_records,
    sql_restore,
    sql_status,
    sql_tills,
)
from cloud.store.sql import Db, Row, Threads, campaign_lock, till_lock
from cloud.store.sql_campaigns import campaign_of, read_campaign
from cloud.store.sql_checks import SqlChecks
from cloud.store.sql_codes import SqlCodes
from cloud.store.sql_list_store import SqlListStore
from cloud.store.sql_members import SqlMembers, put_notice
from cloud.store.sql_people import SqlPeople
from cloud.store.sql_seen import SqlSeen
from cloud.store.sql_staff import SqlStaff
from cloud.store.sql_tally import SqlTally
from cloud.store.sql_webhook_store import SqlWebhooks
from cloud.tills import Till

_OFFER = "SELECT document, promo_per_till, promo_valid_days, index_key, issued FROM campaign"


class SqlStore(SqlListStore, SqlWebhooks, SqlStaff, SqlSeen, SqlTally, SqlPeople, SqlMembers, SqlChecks):
    """Over the threads of either engine."""

    def __init__(self, threads: Threads) -> None:
        super().__init__(threads)
        self.codes = SqlCodes(threads)

    async def close(self) -> None:
        await self._threads.close()

    async def ping(self) -> None:
        await self._threads.read(lambda db: db.execute("SELECT 1 FROM till LIMIT 1").fetchone())

    # --- places, issuers, offers ---

    async def put_place(self, place: Place) -> None:
        def work(db: Db) -> None:
            other = db.execute(
                "SELECT store FROM place WHERE number = ? AND store <> ?", (place.number, place.store)
            ).fetchone()
            if other is not None:
                raise Refused(409, "number_taken", f"store {other[0]} has the number {place.number}")
            db.execute(
                "INSERT INTO place VALUES (?, ?, ?) ON CONFLICT (store) DO UPDATE"
                " SET number = excluded.number, document = excluded.document",
                (place.store, place.number, _json(place_to_wire(place))),
            )

        await self._threads.write(work)

    async def place(self, store: str) -> Place | None:
        row = await self._one("SELECT document FROM place WHERE store = ?", (store,))
        return None if row is None else _place(row[0])

    async def places(self) -> list[Place]:
        return [_place(row[0]) for row in await self._all("SELECT document FROM place ORDER BY store")]

    async def store_of_number(self, number: int) -> str | None:
        row = await self._one("SELECT store FROM place WHERE number = ?", (number,))
        return None if row is None else row[0]

    async def add_key(self, key: IssuerKey, *, registered: bool = False) -> None:
        await self._threads.write(lambda db: sql_issuing.add_key(db, key, registered))

    async def issuer_keys(self) -> list[IssuerKey]:
        return [held.key for held in await self.held_keys() if held.state is not KeyState.WITHDRAWN]

    async def held_keys(self) -> list[HeldKey]:
        return await self._threads.read(sql_issuing.held_keys)

    async def change_key(self, kid: bytes, state: KeyState) -> HeldKey:
        return await self._threads.write(lambda db: sql_issuing.change_key(db, kid, state))

    async def put_campaign(
        self, campaign: Campaign, promo: PromoPlan | None, key: bytes, check: CampaignCheck | None = None
    ) -> None:
        plan = promo or PromoPlan(0, 0)
        identity = (campaign.issuer, campaign.number)
        row = (
            campaign.version,
            campaign.size,
            _json(campaigns.to_wire(campaign)),
            plan.per_till,
            plan.valid_days,
        )

        def work(db: Db) -> None:
            if check is not None:
                check([_offer(row).campaign for row in db.execute(_OFFER).fetchall()])
            sql_plausible.raise_most(db, campaign)
            sql_news.tell(db)
            found = campaign_of(db, *identity)
            if found is None:
                db.execute(
                    "INSERT INTO campaign VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, 0)", (*identity, *row, key)
                )
                return
            if campaign.version <= found.version:
                raise Refused(409, "old_version", f"version {found.version} is known; send a higher one")
            if campaign.size != found.size:
                raise Refused(409, "size_fixed", f"the size stays {found.size}: indexes were drawn below it")
            if campaign.uses != found.uses:
                raise Refused(
                    409, "uses_fixed", f"uses stays {found.uses}: some may be used up by it already"
                )
            if campaign.currency != found.currency and sql_issuing.may_be_out(db, *identity):
                sentence = f"the currency stays {found.currency}: tills would refuse the coupons that are out"
                raise Refused(409, "currency_fixed", sentence)
            db.execute(
                "UPDATE campaign SET version = ?, size = ?, document = ?, promo_per_till = ?, promo_valid_days = ?"
                " WHERE issuer = ? AND campaign = ?",
                (*row, *identity),
            )

        await self._threads.write(work)

    async def offers(self) -> list[Offer]:
        return [_offer(row) for row in await self._all(f"{_OFFER} ORDER BY issuer, campaign")]

    async def offer(self, issuer: str, campaign: int) -> Offer | None:
        row = await self._one(f"{_OFFER} WHERE issuer = ? AND campaign = ?", (issuer, campaign))
        return None if row is None else _offer(row)

    # --- coupons ---

    async def orders(self, issuer: str, campaign: int, limit: int) -> list[IssuedOrder]:
        return await self._threads.read(lambda db: sql_issuing.orders(db, issuer, campaign, limit))

    async def allot(
        self, issuer: str, campaign: int, count: int, terms: Terms, at: str, order: str | None = None
    ) -> list[int]:
        return await self._threads.write(
            lambda db: sql_issuing.allot(db, issuer, campaign, count, terms, at, order),
            campaign_lock(issuer, campaign),
        )

    async def note_tokens(self, issuer: str, campaign: int, tokens: Sequence[tuple[int, bytes]]) -> None:
        await self._threads.write(
            lambda db: sql_issuing.note_tokens(db, issuer, campaign, tokens),
            campaign_lock(issuer, campaign),
        )

    async def revoke(self, issuer: str, campaign: int, indexes: Iterable[int], at: str) -> int:
        chosen = list(indexes)
        return await self._threads.write(
            lambda db: sql_issuing.revoke(db, issuer, campaign, chosen, at),
            campaign_lock(issuer, campaign),
        )

    async def mark_counts(self, issuer: str, campaign: int) -> MarkCounts:
        return await self._threads.read(lambda db: sql_status.mark_counts(db, issuer, campaign))

    async def mark_numbers(self) -> dict[tuple[str, int], int]:
        return await self._threads.read(sql_status.mark_numbers)

    async def marks(self, issuer: str, campaign: int, after: int, limit: int) -> list[Mark]:
        return await self._threads.read(lambda db: sql_status.marks(db, issuer, campaign, after, limit))

    async def status_parts(self, issuer: str, campaign: int) -> list[StatusPart]:
        return await self._threads.read(lambda db: sql_status.status_parts(db, issuer, campaign))

    async def put_status_parts(
        self, issuer: str, campaign: int, before: int | None, parts: Sequence[StatusPart], at: str
    ) -> bool:
        return await self._threads.write(
            lambda db: sql_status.put_status_parts(db, issuer, campaign, before, parts, at),
            campaign_lock(issuer, campaign),
        )

    # --- tills ---

    async def add_till(self, till: str, store: str, code_digest: bytes, expires: str) -> None:
        await self._threads.write(lambda db: sql_tills.add(db, till, store, code_digest, expires))

    async def renew_code(self, till: str, code_digest: bytes, expires: str) -> bool:
        return await self._threads.write(lambda db: sql_tills.renew_code(db, till, code_digest, expires))

    async def till(self, till: str) -> Till | None:
        return await self._threads.read(lambda db: sql_tills.find(db, till))

    async def tills(self) -> list[Till]:
        return await self._threads.read(sql_tills.every)

    async def enrol(self, code_digest: bytes, public_key: bytes, at: str) -> Till | None:
        return await self._threads.write(lambda db: sql_tills.enrol(db, code_digest, public_key, at))

    async def revoke_till(self, till: str, at: str, *, keep_promos: bool = False) -> int | None:
        return await self._threads.write(lambda db: sql_tills.revoke(db, till, at, keep_promos))

    async def change_till_key(self, change: KeyChange) -> Till:
        return await self._threads.write(lambda db: sql_tills.change_key(db, change), till_lock(change.till))

    async def confirm_till_key(self, till: str, public_key: bytes) -> None:
        await self._threads.write(lambda db: sql_tills.confirm_key(db, till, public_key), till_lock(till))

    async def put_time_statement(self, till: str, statement: bytes) -> bool:
        return await self._threads.write(lambda db: sql_tills.put_time_statement(db, till, statement))

    async def time_statement(self, till: str) -> bytes | None:
        row = await self._one("SELECT time_statement FROM till WHERE till = ?", (till,))
        return None if row is None else row[0]

    # --- beside offers ---

    async def put_notice(self, kind: str, store: str, document: bytes) -> None:
        await self._threads.write(lambda db: put_notice(db, kind, store, document))

    async def notices(self, kind: str, store: str) -> list[bytes]:
        rows = await self._all(
            "SELECT document FROM notice WHERE kind = ? AND store IN ('', ?) ORDER BY store", (kind, store)
        )
        return [row[0] for row in rows]

    async def badge_key(self, fresh: bytes) -> bytes:
        def work(db: Db) -> bytes:
            db.execute("INSERT INTO notice VALUES ('badge_key', '', ?) ON CONFLICT DO NOTHING", (fresh,))
            found: bytes = db.execute("SELECT document FROM notice WHERE kind = 'badge_key'").fetchone()[0]
            return found

        return await self._threads.write(work)

    async def put_document(self, kind: str, name: str, document: bytes) -> None:
        await self._threads.write(lambda db: sql_promos.put(db, kind, name, document))

    async def documents(self, kind: str) -> list[bytes]:
        return await self._threads.read(lambda db: sql_promos.documents(db, kind))

    async def add_delegation(self, till: str, name: str, document: bytes, rows: Sequence[PromoRow]) -> None:
        await self._threads.write(
            lambda db: sql_promos.add_delegation(db, till, name, document, rows), till_lock(till)
        )

    async def delegated_left(self, till: str) -> set[tuple[str, int, int]]:
        return await self._threads.read(lambda db: sql_promos.left(db, till))

    # --- records ---

    async def append(
        self, till: str, lane: str, entries: Sequence[Entry], judge: Judge, at: str
    ) -> list[Appended]:
        coupons = [entry.coupon for entry in entries if entry.coupon is not None]
        coupons += [entry.reversal.coupon for entry in entries if entry.reversal is not None]
        used = {(coupon.issuer, coupon.campaign) for coupon in coupons}
        return await self._threads.write(
            lambda db: sql_records.append(db, till, lane, entries, judge, at),
            till_lock(till),
            *(campaign_lock(*campaign) for campaign in used),
        )

    async def held(self, till: str | None, limit: int) -> list[HeldLine]:
        return await self._threads.read(lambda db: sql_holds.lines(db, till, limit))

    async def held_counts(self) -> dict[str, int]:
        return await self._threads.read(sql_holds.waiting)

    async def release_held(self, till: str, at: str, kid: str | None = None) -> Released:
        return await self._threads.write(lambda db: sql_holds.release(db, till, kid, at))

    async def refuse_held(self, till: str, at: str, kid: str | None = None) -> int:
        return await self._threads.write(lambda db: sql_holds.refuse(db, till, kid, at))

    # --- after a restore ---

    async def missing(self, till: str, lane: str, limit: int) -> list[tuple[int, int]]:
        return await self._threads.read(lambda db: sql_gaps.missing(db, till, lane, limit))

    async def unheard(self, till: str, delivered: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        return await self._threads.read(lambda db: sql_gaps.unheard(db, till, delivered))

    async def note_unheard(self, till: str, lost: Mapping[str, tuple[int, int]], at: str) -> None:
        await self._threads.write(lambda db: sql_gaps.note_unheard(db, till, lost, at), till_lock(till))

    async def restored(self, now: datetime) -> tuple[int, list[Closed]]:
        return await self._threads.write(lambda db: sql_restore.restored(db, now))

    async def closed(self) -> list[Closed]:
        return await self._threads.read(sql_restore.closed)

    async def open_issuing(self, issuer: str, campaign: int, issued: int) -> None:
        await self._threads.write(lambda db: sql_restore.open_issuing(db, issuer, campaign, issued))

    async def sequence_floor(self) -> int:
        return await self._threads.read(sql_restore.sequence_floor)

    # --- bundles ---

    async def published(self, till: str) -> Published | None:
        row = await self._one(
            "SELECT till, epoch, sequence, issued, parts_key, manifest FROM manifest WHERE till = ?", (till,)
        )
        return None if row is None else Published(*row)

    async def publish(self, new: Published, parts: Mapping[bytes, bytes], at: str) -> bool:
        return await self._threads.write(
            lambda db: sql_status.publish(db, new, parts, at), till_lock(new.till)
        )

    async def part(self, sha256: bytes) -> bytes | None:
        row = await self._one("SELECT content FROM part WHERE sha256 = ?", (sha256,))
        return None if row is None else row[0]

    async def add_promos(self, till: str, rows: Sequence[PromoRow]) -> None:
        await self._threads.write(lambda db: sql_promos.add(db, till, rows), till_lock(till))

    async def promos(self, till: str) -> list[PromoRow]:
        return await self._threads.read(lambda db: sql_promos.free(db, till))

    async def promo_named(self, issuer: str, campaign: int, index: int, short: str) -> PromoFate | None:
        return await self._threads.read(lambda db: sql_promos.named(db, issuer, campaign, index, short))

    async def promos_on_receipts(self, campaign: int, index: int, short: str) -> list[PromoFate]:
        return await self._threads.read(lambda db: sql_promos.on_receipts(db, campaign, index, short))

    # --- plumbing ---

    async def _one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        rows = await self._all(sql, values)
        return rows[0] if rows else None

    async def _all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return await self._threads.read(lambda db: db.execute(sql, values).fetchall())


def _place(document: str) -> Place:
    wire = json.loads(document)
    return Place(**wire | {"groups": frozenset(wire["groups"]), "title": Words(**wire["title"])})


def _offer(row: tuple[Any, ...]) -> Offer:
    document, per_till, valid_days, key, issued = row
    plan = PromoPlan(per_till, valid_days) if per_till else None
    return Offer(read_campaign(document), plan, key, issued)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
