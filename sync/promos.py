"""How a till asks for the coupon behind a name that somebody typed from the receipt of another till. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sync import strict_json
from sync.errors import WireError
from sync.paths import till_path

PROMOS_TYPE = "application/vnd.redeemd.promos.v1+json"
PROMOS_BYTES_MAX = 64 * 1024
_PROMOS_MAX = 20
_TOKEN_CHARS_MAX = 300


class PromoState(StrEnum):
    """What the cloud knows of it."""

    GOOD = "good"
    USED = "used"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class NamedPromo:
    """A coupon that may have that name: its token says whether it has."""

    token: str
    state: PromoState


def promo_path(till_id: str, short: str) -> str:
    """short: letters, digits and hyphens alone, as `agent.domain.promo.Typed` has it."""
    return f"{till_path(till_id)}/promos/{short}"


def read_promos(body: bytes) -> tuple[NamedPromo, ...]:
    """Raises WireError."""
    document = strict_json.loads(body, max_bytes=PROMOS_BYTES_MAX, max_depth=4)
    items = document.get("promos") if isinstance(document, dict) else None
    if not isinstance(items, list) or len(items) > _PROMOS_MAX:
        raise WireError("bad_promos", f"promos is not a list of at most {_PROMOS_MAX}")
    return tuple(map(_read_one, items))


def _read_one(item: object) -> NamedPromo:
    token, state = (item.get("token"), item.get("state")) if isinstance(item, dict) else (None, None)
    if not isinstance(token, str) or len(token) > _TOKEN_CHARS_MAX or state not in set(PromoState):
        raise WireError("bad_promos", "one of promos has no token or no state that is known")
    return NamedPromo(token, PromoState(state))
