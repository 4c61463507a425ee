"""What is at risk, in money."""

from __future__ import annotations

from aiohttp import web

from agent.api.answers_risk import Risk
from agent.api.errors import ApiError
from agent.api.keys import TILL
from agent.api.operation import Answer, Query, operation
from agent.api.wire import answer
from agent.risk import CAMPAIGN_PATTERN, NoBundle, UnknownCampaign, campaign_name

routes = web.RouteTableDef()


@routes.get("/v1/risk")
@operation(
    "risk",
    "till",
    {200: Answer(Risk, "At this moment.")},
    ledger=True,
    errors=("bad_request", "unknown_campaign", "no_bundle"),
    query=(Query("campaign", "Of this campaign alone.", {"type": "string", "pattern": CAMPAIGN_PATTERN}),),
)
async def risk(request: web.Request) -> web.Response:
    """What is at risk, in money; what `redeemd risk` shows.

    For each campaign what was accepted today, what was accepted and the cloud has not acknowledged yet (`unseen`), what
    is left under its budget now, and what can be lost at most. No verdict waits for this.
    """
    said, only = request.query.get("campaign"), None
    if said is not None and (only := campaign_name(said)) is None:
        raise ApiError("bad_request", "campaign is ISSUER/NUMBER")
    try:
        return answer(await request.app[TILL].risk.report(only))
    except UnknownCampaign:
        raise ApiError("unknown_campaign") from None
    except NoBundle:
        raise ApiError("no_bundle") from None
