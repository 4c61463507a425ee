"""What the operator page and reporting services read: how tills are, what is wrong, reports, and exports as CSV."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from aiohttp import web

from agent.domain.time import timestamp
from cloud.api.admission import need
from cloud.api.background import count_all, write_seen
from cloud.api.http import json_answer, read_query
from cloud.errors import Refused, StoreUnavailable
from cloud.export import TABLES, Period
from cloud.export_files import csv_line
from cloud.lists import page_limit
from cloud.reports import BREAKDOWNS, FIRST_DAY, LAST_DAY, REPORTS, Asked, Report, sorted_page, to_csv
from cloud.seen import PROBLEMS, SORTS, TillQuery
from cloud.staff import Permission

log = logging.getLogger("redeemd.cloud")

ROUTES = web.RouteTableDef()
TILLS_SHOWN, TILLS_MAX = 50, 500
ROWS_SHOWN, ROWS_MAX = 1000, 10_000
SEARCH_CHARS_MAX = 64
_SETTLING = ("settlement", "lift", "rfm", "people")
"""Reports that say what somebody is owed, or of customers."""


@ROUTES.get("/v1/admin/overview")
async def overview(request: web.Request) -> web.Response:
    """Numbers for the top of the page."""
    cloud = await need(request, Permission.READ)
    read_query(request)
    await write_seen(cloud)
    now = timestamp(cloud.now())
    tills, wrong = await cloud.store.till_counts(now), await cloud.store.wrong_counts()
    return json_answer(
        {"at": now, "tills": tills, "wrong": wrong, "uncounted": len(await cloud.store.behind(1000))}
    )


@ROUTES.get("/v1/admin/fleet")
async def fleet(request: web.Request) -> web.Response:
    """Tills and how they are: searched, sorted, a page at a time."""
    cloud = await need(request, Permission.READ)
    query = read_query(request, "sort", "order", "search", "problem", "after", "limit")
    sort = _choice(query, "sort", "till", SORTS)
    asked = TillQuery(
        sort=sort,
        descending=_choice(query, "order", "up", ("up", "down")) == "down",
        search=_search(query),
        problem=_choice(query, "problem", "", ("", *PROBLEMS)),
        now=timestamp(cloud.now()),
        after=_till_after(query.get("after"), SORTS[sort][1]),
        limit=page_limit(query.get("limit"), TILLS_MAX, TILLS_SHOWN),
    )
    await write_seen(cloud)
    lines = await cloud.store.till_lines(asked)
    answer = json_answer({"at": asked.now, "tills": [dataclasses.asdict(line) for line in lines]})
    if len(lines) == asked.limit:
        answer.headers["Next-After"] = json.dumps([asked.key_of(lines[-1]), lines[-1].till])
    return answer


@ROUTES.get("/v1/admin/reports/{report}")
async def report(request: web.Request) -> web.Response:
    """{"rows": [...]}, or CSV with `format=csv`."""
    name = request.match_info["report"]
    cloud = await need(request, Permission.SETTLE if name in _SETTLING else Permission.READ)
    if name not in REPORTS:
        raise Refused(
            404, "unknown_report", f"there is no report {name[:32]!r}; there are: {', '.join(REPORTS)}"
        )
    names = ("since", "until", "by", "campaign", "format", "sort", "order", "search", "after", "limit")
    query = read_query(request, *names)
    made = await REPORTS[name][0](cloud.store, _asked(query))
    if _choice(query, "format", "json", ("json", "csv")) == "csv":
        return _download(f"{name}.csv", to_csv(made))
    return _page(made, query)


@ROUTES.get("/v1/admin/exports/{table}")
async def export(request: web.Request) -> web.StreamResponse:
    """A table of `redeemd cloud export` as CSV, page by page; who takes it is noted."""
    cloud = await need(request, Permission.SETTLE, noted=True)
    name = request.match_info["table"].removesuffix(".csv")
    query = read_query(request, "since", "until")
    if name not in TABLES:
        raise Refused(
            404, "unknown_table", f"there is no table {name[:32]!r}; there are: {', '.join(TABLES)}"
        )
    table, period = (
        TABLES[name],
        Period(_moment(query, "since") or "", _moment(query, "until") or timestamp(cloud.now())),
    )
    await count_all(cloud.store)  # what was never issued is listed by then
    response = web.StreamResponse(headers=_as_file(f"{name}.csv"))
    await response.prepare(request)
    try:
        await response.write(csv_line(table.columns))
        async for rows in table.pages(cloud.store, period):
            await response.write(b"".join(csv_line(row) for row in rows))
    except StoreUnavailable as error:
        log.error("an export was cut off: %s", error)
        response.force_close()
        if request.transport is not None:
            request.transport.abort()  # without its end the file is no whole one, and the browser says so
        return response
    await response.write_eof()
    return response


def _page(made: Report, query: Mapping[str, str]) -> web.Response:
    sort = _choice(query, "sort", made.columns[0], made.columns)
    limit, keys = page_limit(query.get("limit"), ROWS_MAX, ROWS_SHOWN), made.columns[:2]
    search = _search(query).casefold()
    rows = [row for row in made.rows if search in " ".join(str(value) for value in row.values()).casefold()]
    descending = _choice(query, "order", "up", ("up", "down")) == "down"
    after = _row_after(query.get("after"), made, (sort, *keys))
    page = sorted_page(rows, sort, descending=descending, keys=keys, after=after, limit=limit)
    answer = json_answer({"rows": page})
    if len(page) == limit:
        answer.headers["Next-After"] = json.dumps([page[-1][name] for name in (sort, *keys)])
    return answer


def _asked(query: Mapping[str, str]) -> Asked:
    campaign = None
    if "campaign" in query:
        issuer, _, number = query["campaign"].rpartition("/")
        if not issuer or not number.isascii() or not number.isdigit() or len(number) > 10:
            raise Refused(422, "bad_field", "campaign is not ISSUER/NUMBER")
        campaign = (issuer, int(number))
    return Asked(
        _date(query, "since", FIRST_DAY),
        _date(query, "until", LAST_DAY),
        _choice(query, "by", "store", BREAKDOWNS),
        campaign,
    )


def _choice(query: Mapping[str, str], name: str, default: str, allowed: Any) -> str:
    found = query.get(name, default)
    if found not in allowed:
        raise Refused(422, "bad_field", f"{name} is none of {', '.join(one for one in allowed if one)}")
    return found


def _search(query: Mapping[str, str]) -> str:
    found = query.get("search", "").strip()
    if len(found) > SEARCH_CHARS_MAX or "\0" in found:
        raise Refused(422, "bad_field", f"search is longer than {SEARCH_CHARS_MAX} characters")
    return found


def _date(query: Mapping[str, str], name: str, default: date) -> date:
    try:
        return date.fromisoformat(query[name]) if name in query else default
    except ValueError:
        raise Refused(422, "bad_field", f"{name} is not a day such as 2026-11-28") from None


def _moment(query: Mapping[str, str], name: str) -> str | None:
    """A day (UTC) or a time with its zone."""
    if name not in query:
        return None
    try:
        if len(query[name]) == 10:
            return date.fromisoformat(query[name]).isoformat()
        found = datetime.fromisoformat(query[name])
        if found.tzinfo is None:
            raise ValueError("no zone")
    except ValueError:
        raise Refused(422, "bad_field", f"{name} is neither a day nor a time with its zone") from None
    return timestamp(found)


def _after(text: str | None, count: int) -> list[Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text[:1000])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) != count:
        raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    return found


def _till_after(text: str | None, default: str | int) -> tuple[str | int, str] | None:
    found = _after(text, 2)
    if found is None:
        return None
    key, till = found
    if type(key) is not type(default) or not isinstance(till, str) or "\0" in f"{key}{till}":
        raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    if isinstance(key, int) and abs(key) > 2**53:
        raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    return key, till


def _row_after(text: str | None, made: Report, names: tuple[str, ...]) -> list[Any] | None:
    found = _after(text, len(names))
    for name, value in zip(names, found or (), strict=False):
        kinds = {type(row[name]) for row in made.rows} | {type(None)}
        numbers = {int, float} if kinds & {int, float} else set()
        if type(value) not in kinds | numbers:
            raise Refused(422, "bad_field", "after is not what the header Next-After gave")
    return found


def _download(name: str, content: bytes) -> web.Response:
    return web.Response(body=content, headers=_as_file(name))


def _as_file(name: str) -> dict[str, str]:
    return {
        "Content-Type": "text/csv; charset=utf-8; header=present",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
