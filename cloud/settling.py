"""Settlement of a period of days from what was summed up, not from every record: the same rows as the export's.

What was reported is in the tally; what is in question (in conflict, held, implausible) and what went back are lists
that are short beside it, and are read as they stand now.
"""

from __future__ import annotations

from datetime import date, timedelta

from cloud.export import Period, Row, StoreSums, line_parts, parties_of, party_rows, returns_in
from cloud.places import Places
from cloud.ports import CloudStore


def period_of(since: date, until: date) -> Period:
    """From the first moment (UTC) of `since` to the last of `until`."""
    return Period(since.isoformat(), (until + timedelta(days=1)).isoformat())


async def settlement(store: CloudStore, period: Period) -> list[Row]:
    """Rows as the export's table `settlement` has them. period: of whole days."""
    places = Places(store)
    await places.load()
    sums = StoreSums(places, await store.offers())
    reported, questioned = await store.settled(period.since, period.until)
    for line in reported:
        campaign = sums.campaign(line.issuer, line.campaign)
        sums.at(await places.at(line.store), campaign).add(
            line.as_promised, line.parts_minor, line.redemptions
        )
    for one in questioned:
        summed, campaign = await sums.of(one)
        if campaign is not None and one.currency in (None, campaign.currency):
            parts = parties_of(line_parts(one, campaign))
            summed.add(True, [-part for part in parts], -1)
            summed.add(False, parts)
    async for returned in returns_in(store, period):
        for back in returned:
            await sums.give_back(back)
    return [row for key, summed in sums.rows() for row in party_rows(key, summed)]
