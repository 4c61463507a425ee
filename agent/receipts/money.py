"""Amounts as a receipt shows them. Integers only: an amount is never a float on its way to paper."""

from __future__ import annotations

from agent.domain import money
from agent.receipts.model import ReceiptError

# Only where the sign cannot be mistaken; every other currency is shown by its code.
_SIGNS = {"CNY": "￥", "JPY": "￥", "EUR": "€", "GBP": "£", "USD": "$", "HKD": "HK$"}


def exponent(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency. Raises ReceiptError for what cannot be a code."""
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise ReceiptError(f"currency is {currency!r}; it must be an ISO 4217 code such as CNY")
    return money.exponent(currency)


def format_money(amount_minor: int, currency: str) -> str:
    """12345 CNY -> ￥123.45; 1234567 JPY -> ￥1,234,567; -5 USD -> -$0.05; 1500 KWD -> KWD 1.500."""
    digits = exponent(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    number = f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    sign = _SIGNS.get(currency, f"{currency} ")
    return ("-" if amount_minor < 0 else "") + sign + number
