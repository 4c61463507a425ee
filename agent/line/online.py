"""The online check at the till: whom to ask about, what was heard, and when not to ask at all.

Never within the ledger's transaction: what was heard goes into it as a fact. Every wait is bounded, silence is an
answer, and after silence nothing is asked for a while, so that a dead line costs the next customers nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from agent.domain import time
from agent.domain.campaign import Campaign, OfflineClass
from agent.domain.fields import FieldError, Fields
from agent.domain.online import CHECK_ID_BYTES, CLOUDS_WORDS, SILENCE, Checked, Word, is_probed
from agent.domain.token import UINT32_MAX, Coupon
from agent.ports import Clock
from agent.secret import derived
from agent.state import TillState
from sync import strict_json
from sync.errors import WireError
from sync.ports import Answer, Asker
from sync.wire import checks_path

log = logging.getLogger(__name__)

REST_S = 30.0
"""How long no probe is made after silence."""
RETRY_S = 5.0
"""How soon class A may be asked about again after silence, where the lanes say that the line is down."""
ANSWER_BYTES_MAX = 64 * 1024

Identity = tuple[str, int, int]


class Checks:
    """One till's questions. asker: the line to the cloud. wait_s: how long an answer is waited for."""

    def __init__(self, state: TillState, clock: Clock, secret: bytes, asker: Asker, wait_s: float) -> None:
        self._state = state
        self._clock = clock
        self._asker = asker
        self._wait_s = wait_s
        self._secret = derived(secret, "probe")
        self._silent_at: float | None = None

    def wants(self, campaign: Campaign | None, identity: Identity) -> bool:
        """Whether this coupon is to be asked about before it is accepted."""
        if campaign is None:
            return False
        if campaign.offline_class is OfflineClass.ONLINE:
            return True
        if not campaign.risk.probe_percent or not self._state.online or self._silent_for() < REST_S:
            return False
        state = self._state
        day = time.day_number(state.now(self._clock).now, state.zone())
        return is_probed(campaign, identity, day, self._secret)

    async def ask(
        self, coupons: Sequence[tuple[Coupon, Campaign]], name: str, lasts_s: int = 0, *, reserve: bool = True
    ) -> Mapping[Identity, Checked]:
        """What the cloud says of each; SILENCE where it says nothing in time. name: the same for the same request.

        reserve: class A is reserved for this till, for `lasts_s` seconds beside what the cloud adds.
        """
        if not coupons:
            return {}
        silence = {coupon.identity: SILENCE for coupon, _ in coupons}
        if not self._state.online and self._silent_for() < RETRY_S:
            return silence
        asked = [
            {
                "issuer": coupon.issuer,
                "campaign": campaign.number,
                "index": coupon.claims.index,
                "reserve": reserve and campaign.offline_class is OfflineClass.ONLINE,
            }
            for coupon, campaign in coupons
        ]
        check = hashlib.blake2b(name.encode(), key=self._secret, digest_size=CHECK_ID_BYTES).hexdigest()
        body = json.dumps({"check": check, "lasts_s": lasts_s, "coupons": asked}).encode()
        answer = await self._asker.ask(checks_path(self._state.till), body, wait_s=self._wait_s)
        found: Mapping[Identity, Checked] = {}
        fault = "" if isinstance(answer, Answer) else answer.kind.value
        if isinstance(answer, Answer):
            try:
                found = read_words(answer)
            except (FieldError, WireError, ValueError) as error:
                fault = str(error)[:200]
        if fault:
            self._silent_at = self._clock.monotonic()
            log.warning("online check: no answer: %s", fault)
            return silence
        self._silent_at = None
        return silence | {identity: said for identity, said in found.items() if identity in silence}

    def _silent_for(self) -> float:
        """Seconds since the cloud was silent last; endless where it was not."""
        return float("inf") if self._silent_at is None else self._clock.monotonic() - self._silent_at


def read_words(answer: Answer) -> dict[Identity, Checked]:
    """What an answer says. WireError, FieldError or ValueError where it is none."""
    if answer.status != 200:
        raise WireError("not_asked", f"HTTP {answer.status}")
    fields = Fields(strict_json.loads(answer.body, max_bytes=ANSWER_BYTES_MAX, max_depth=4), "checked")
    found: dict[Identity, Checked] = {}
    for item in fields.items("coupons", 100):
        one = Fields(item, "coupons")
        identity = (
            one.text("issuer", 32, least=1),
            one.integer("campaign", 0, UINT32_MAX),
            one.integer("index", 0, UINT32_MAX),
        )
        word = Word(one.choice("word", {word.value: word.value for word in CLOUDS_WORDS}))
        until: Any = one.anything("until")
        moment = time.from_timestamp(until) if isinstance(until, str) else None
        if word is Word.RESERVED and moment is None:
            raise one.error("until", "is missing")
        found[identity] = Checked(word, moment)
    return found
