"""Waiting: bounded, spread, and never taken from an unreadable wish."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.backoff import RETRY_AFTER_MAX_S, Backoff, http_date, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_between_zero_and_its_bound(failures: int, draw: float) -> None:
    backoff = Backoff(base_s=2.0, cap_s=100.0)
    assert 0 <= backoff.delay_s(failures, lambda: draw) <= min(100.0, 2.0 * 2 ** min(failures - 1, 20))


def test_the_bound_doubles_up_to_the_cap() -> None:
    bounds = [Backoff(base_s=1.0, cap_s=10.0).delay_s(n, lambda: 1.0) for n in range(1, 7)]
    assert bounds == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("3600", 3600.0),
        ("86400", RETRY_AFTER_MAX_S),
        ("9" * 19, RETRY_AFTER_MAX_S),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sunday, 01-Mar-26 12:01:30 GMT", 90.0),
        ("Sun Mar  1 12:01:30 2026", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_S),
        (None, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("１２", None),
        ("9" * 5000, None),
        ("2026-03-01T12:01:30Z", None),
        ("Sun, 99 Mar 2026 12:01:30 GMT", None),
        ("Sun, 01 Mar 2026", None),
    ],
)
def test_retry_after_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_the_date_form_needs_the_servers_own_time() -> None:
    assert retry_after("Sun, 01 Mar 2026 12:01:30 GMT", None) is None
    assert retry_after("5", None) == 5.0


@given(st.text(max_size=60))
def test_any_text_is_a_bounded_wish_or_none(text: str) -> None:
    wish = retry_after(text, NOW)
    assert wish is None or 0 <= wish <= RETRY_AFTER_MAX_S


@given(st.integers(0, 253_402_300_799))
def test_every_http_date_is_read(seconds: int) -> None:
    """Seconds from 1970 to the end of the year 9999."""
    assert http_date(format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)) == seconds
