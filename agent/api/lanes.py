"""The lanes to the cloud, and the till's metrics."""

from __future__ import annotations

from aiohttp import web

from agent import metrics
from agent.api.answers_lanes import Lanes
from agent.api.keys import TILL
from agent.api.operation import Answer, operation
from agent.api.wire import answer
from agent.ports import CommitUnknown, LedgerUnavailable

routes = web.RouteTableDef()


@routes.get("/v1/lanes")
@operation("lanes", "till", {200: Answer(Lanes, "At this moment.")}, ledger=True)
async def lanes(request: web.Request) -> web.Response:
    """How each lane to the cloud is: its circuit, its failures by cause, what waits in it.

    `redeemd status --json` has it as `lanes`.
    """
    return answer(await request.app[TILL].lanes.report())


@routes.get("/metrics")
@operation("metrics", "till", {200: Answer(str, "Exposition format 0.0.4.", metrics.CONTENT_TYPE)})
async def measured(request: web.Request) -> web.Response:
    """What the till measures of itself, as text that Prometheus reads.

    docs/operations.md says what to alert on. Without the lanes while the ledger cannot be read.
    """
    till = request.app[TILL]
    try:
        report = await till.lanes.report()
    except (LedgerUnavailable, CommitUnknown):
        report = None
    said = metrics.text(await till.status(), report, till.receipts.told)
    kind = f"{metrics.CONTENT_TYPE}; version={metrics.VERSION}; charset=utf-8"
    return web.Response(body=said.encode(), headers={"Content-Type": kind})
