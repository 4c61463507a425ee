"""How long to wait after a failure: exponential, with full jitter, never beyond a cap. Pure.

Full jitter (a uniform draw from zero to the exponential bound) spreads tills that failed together the
widest; see M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. The random source is
an argument, so that a test or a simulation decides it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_MAX_S = 3600.0
"""A server may ask for more, it gets this: a wrong header must not silence a till for a day."""

_DELAY_SECONDS = re.compile(r"[0-9]{1,19}", re.ASCII)
# The three forms of RFC 9110 section 5.6.7; the parser behind it is laxer than that.
_HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [A-Za-z0-9: -]{15,26}")


@dataclass(frozen=True, slots=True)
class Backoff:
    """base_s: bound of the first wait; cap_s: bound of every wait. Both in seconds, 0 < base_s <= cap_s."""

    base_s: float = 1.0
    cap_s: float = 300.0

    def __post_init__(self) -> None:
        assert 0 < self.base_s <= self.cap_s, f"backoff of {self.base_s} s up to {self.cap_s} s"

    def delay_s(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row (at least 1). random: uniform in [0, 1)."""
        assert failures >= 1, "there is nothing to wait for without a failure"
        # 2**32 times any base is beyond any cap, and the exponent stays small after weeks without a line.
        bound = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 32))
        return bound * random()


def retry_after(header: str | None, now: float | None) -> float | None:
    """Seconds a Retry-After field asks for (RFC 9110 section 10.2.3), None if it is unreadable.

    0 to RETRY_AFTER_MAX_S.

    now: the time the date form counts from, in seconds since 1970. Give the answer's own Date
    (`http_date`), because the till's clock may be wrong; with None the date form is unreadable.
    """
    if header is None:
        return None
    text = header.strip(" \t")
    if _DELAY_SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_MAX_S)
    at = http_date(text)
    if at is None or now is None:
        return None
    return min(max(at - now, 0.0), RETRY_AFTER_MAX_S)


def http_date(header: str | None) -> float | None:
    """Seconds since 1970 of an HTTP-date, None if it is not one."""
    if header is None or not _HTTP_DATE.fullmatch(header.strip(" \t")):
        return None
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, IndexError, OverflowError):
        return None
    # The asctime form names no zone and means GMT.
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
