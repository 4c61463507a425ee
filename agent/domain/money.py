"""Amounts are integers in minor units; here is the one place that knows how many of them make a whole (ISO 4217)."""

from __future__ import annotations

AMOUNT_MAX_MINOR = 10**12
_EXPONENTS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Column "minor unit" of ISO 4217, where it is not 2."""
_LIST_ONE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS
INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP
MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VES VND
VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_LIST_ONE.split())
"""What a shop can be paid in: ISO 4217 list one of 2025, without funds, metals and the codes for tests."""


def exponent(currency: str) -> int:
    """Decimal digits of the currency's minor unit."""
    return _EXPONENTS.get(currency, 2)


def to_text(amount_minor: int, currency: str) -> str:
    """`amount_minor` as a plain number, such as 12.50 for 1250 CNY; no sign of the currency, no grouping."""
    digits = exponent(currency)
    sign, amount_minor = ("-" if amount_minor < 0 else ""), abs(amount_minor)
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{sign}{whole}.{rest:0{digits}d}" if digits else f"{sign}{whole}"


def short(amount_minor: int, currency: str) -> str:
    """As `to_text` without an empty fraction: 30 for 3000 CNY, 12.50 for 1250."""
    whole, rest = divmod(amount_minor, 10 ** exponent(currency))
    return to_text(amount_minor, currency) if rest else str(whole)
