"""What somebody typed from the receipt of another till: the cloud is asked, for a moment, while there is a line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from agent.promos.choice import AskTyped, nobody
from agent.state import TillState
from sync.errors import WireError
from sync.ports import Failure, Uplink
from sync.promos import PROMOS_BYTES_MAX, NamedPromo, promo_path, read_promos

log = logging.getLogger(__name__)

ANSWER_S = 1.0
"""How long a cashier waits for it. Who typed a code has taken longer."""


def asks(uplink: Uplink | None, state: TillState) -> AskTyped:
    """What asks the cloud behind `uplink`."""
    if uplink is None:
        return nobody

    async def ask(short: str) -> Sequence[NamedPromo]:
        if not state.online:
            return ()
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await uplink.get(promo_path(state.till, short), max_bytes=PROMOS_BYTES_MAX)
            return () if isinstance(answer, Failure) or answer.status != 200 else read_promos(answer.body)
        except TimeoutError:
            return ()
        except WireError as error:
            log.warning("the cloud's answer on a typed code: %s", error.sentence)
            return ()

    return ask
