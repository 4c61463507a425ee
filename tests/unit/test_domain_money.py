"""Minor units and what a person reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.domain import money
from agent.domain.sale import LINES_MAX, Line, Sale
from tests.unit.domain_kit import examples


@pytest.mark.parametrize(
    ("amount", "currency", "whole", "short"),
    [
        (0, "CNY", "0.00", "0"),
        (1, "CNY", "0.01", "0.01"),
        (3000, "CNY", "30.00", "30"),
        (1250, "EUR", "12.50", "12.50"),
        (-1250, "EUR", "-12.50", "-12.50"),
        (-5, "EUR", "-0.05", "-0.05"),
        (-3000, "EUR", "-30.00", "-30"),
        (1250, "JPY", "1250", "1250"),
        (-1, "KRW", "-1", "-1"),
        (1250, "KWD", "1.250", "1.250"),
        (10**12, "CNY", "10000000000.00", "10000000000"),
        (7, "VUV", "7", "7"),
    ],
)
def test_amounts_as_text(amount, currency, whole, short):
    assert money.to_text(amount, currency) == whole
    assert money.short(amount, currency) == short


@examples(200)
@given(st.integers(-(10**12), 10**12), st.sampled_from(["CNY", "JPY", "BHD"]))
def test_no_digit_is_lost(amount, currency):
    read = money.to_text(amount, currency)
    assert int(read.replace(".", "")) == amount
    assert read.startswith(money.short(amount, currency))


@pytest.mark.parametrize("amount", [-1, 10**12 + 1])
def test_a_sale_below_nothing_or_beyond_measure_is_no_sale(amount):
    with pytest.raises(ValueError, match="total_minor is not within"):
        Sale("1", "CNY", amount)
    with pytest.raises(ValueError, match="unit_price_minor is not within"):
        Line("A", 1, amount)


def test_a_sale_has_so_many_lines():
    lines = (Line("A", 1, 1),) * LINES_MAX
    assert len(Sale("1", "CNY", 1, lines).lines) == LINES_MAX
    with pytest.raises(ValueError, match="501 lines"):
        Sale("1", "CNY", 1, (*lines, lines[0]))
