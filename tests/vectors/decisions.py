"""Decision vectors: a small bundle, and what becomes of a scan in it. What is expected is written by hand.

Long because every outcome has its cases, one by one.
"""

from __future__ import annotations

from typing import Any

from agent.domain.codes import key_to_wire
from agent.domain.keys import signing_key_from_seed
from agent.domain.token import Claims, sign, to_text
from tests.vectors import codes
from tests.vectors.tokens import KEY, SEED, key_json

SHOP_SEED = bytes([7]) * 32
SHOP = signing_key_from_seed(SHOP_SEED)
STRANGER = signing_key_from_seed(bytes([8]) * 32)
TODAY = 20_784  # 2026-11-27 in Berlin
NOON = "2026-11-27T11:00:00.000Z"

PLACE: dict[str, Any] = {
    "store": "S-0012",
    "number": 12,
    "groups": [1, 3],
    "merchant": "M-1",
    "title": {"zh": "柏林一店", "en": "Berlin 1"},
    "zone": "Europe/Berlin",
    "currency": "EUR",
}
KEYS: list[dict[str, Any]] = [
    {
        "kid": KEY.kid,
        "issuer": "acme",
        "algorithm": -19,
        "public_key": KEY.public_key,
        "campaigns": None,
        "not_before": TODAY - 300,
        "expires": TODAY + 300,
        "value_max_minor": 5_000,
    },
    {
        "kid": SHOP.kid,
        "issuer": "shop",
        "algorithm": -19,
        "public_key": SHOP.public_key,
        "campaigns": [1, 2],
        "not_before": TODAY - 300,
        "expires": TODAY,
        "value_max_minor": 400,
    },
]
_WORDS = {"zh": "活动", "en": "Offer"}


def _campaign(
    issuer: str, number: int, offline_class: str, offer: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "issuer": issuer,
        "number": number,
        "title": _WORDS,
        "offer": offer,
        "currency": "EUR",
        "starts": TODAY - 30,
        "ends": TODAY + 30,
        "size": 1_000,
        "offline_class": offline_class,
    }
    return usual | changes


def _amount(off_minor: int) -> dict[str, Any]:
    return {"benefit": {"kind": "amount_off", "steps": [{"from_minor": 10_000, "off_minor": off_minor}]}}


def _percent(percent: int, cap_minor: int) -> dict[str, Any]:
    return {"benefit": {"kind": "percent_off", "steps": [{"percent": percent}], "cap_minor": cap_minor}}


def _under(conditions: dict[str, Any], offer: dict[str, Any] | None = None) -> dict[str, Any]:
    return (offer or _percent(20, 500)) | {"conditions": conditions}


AMOUNT = _amount(3_000)
FREE = {"kind": "item", "change": {"percent": 100}, "which": "cheapest", "cap_minor": 450}
BUDGET = {"count_day": 8, "value_day_minor": 12_000, "count_offline": 10, "value_offline_minor": 100_000}
CAMPAIGNS: list[dict[str, Any]] = [
    _campaign("acme", 1, "C", AMOUNT, budget=BUDGET, grace_days=2),
    _campaign("acme", 2, "D", _percent(20, 500), stale_percent=0),
    _campaign("acme", 3, "D", {"benefit": FREE, "items": {"skus": ["TEA", "CAKE"]}}),
    _campaign("acme", 4, "A", AMOUNT),
    _campaign("acme", 5, "B", AMOUNT, stores=[12, 13]),
    _campaign("acme", 6, "D", _amount(6_000)),
    _campaign("acme", 7, "D", AMOUNT, starts=TODAY + 2),
    _campaign("shop", 1, "D", _percent(10, 400)),
]
CODE_CAMPAIGNS: list[dict[str, Any]] = [
    _campaign("acme", 8, "D", _percent(10, 300), uses=3),
    _campaign("acme", 9, "C", AMOUNT, budget=BUDGET, size=100),
]
GIFT = {"kind": "gift", "skus": ["MUG"], "value_minor": 400}
RULE_CAMPAIGNS: list[dict[str, Any]] = [
    _campaign("acme", 10, "D", _under({"merchants": ["M-2"]})),
    _campaign("acme", 11, "D", _under({"stores": [13], "groups": [1]})),
    _campaign("acme", 12, "D", _under({"channels": ["web"]})),
    _campaign("acme", 13, "D", _under({"weekdays": [6, 7]})),
    _campaign("acme", 14, "D", _under({"hours": [{"from_minute": 600, "to_minute": 720}]})),
    _campaign("acme", 15, "D", _under({"member_level": 2})),
    _campaign("acme", 16, "D", _under({"holder_only": True})),
    _campaign("acme", 17, "D", _under({"first_visit": True})),
    _campaign("acme", 18, "D", _under({"absent_days": 60})),
    _campaign("acme", 19, "D", _under({"limits": {"coupon": 1}}), uses=5),
    _campaign("acme", 20, "D", _under({"tenders": ["cash"]})),
    _campaign("acme", 21, "D", {"benefit": {"kind": "stored_value", "cap_minor": 3_000}}, uses=5),
    _campaign("acme", 22, "D", _under({"min_pieces": 5})),
    _campaign("acme", 23, "D", {"benefit": GIFT}),
    _campaign(
        "acme",
        24,
        "D",
        {"benefit": {"kind": "points_spend", "points": 100, "worth_minor": 100, "cap_minor": 500}},
    ),
    _campaign(
        "acme", 25, "D", {"benefit": {"kind": "item", "change": {"price_minor": 90_000}, "cap_minor": 500}}
    ),
    _campaign("acme", 26, "D", {"benefit": {"kind": "attribution"}}),
]
SOFT = BUDGET | {"soft_percent": 50}
RISK_CAMPAIGNS: list[dict[str, Any]] = [
    _campaign("acme", 27, "C", AMOUNT, budget=SOFT),
    _campaign("acme", 28, "D", AMOUNT, risk={"split_sales": 2, "split_minutes": 60}),
    _campaign("acme", 29, "D", AMOUNT, risk={"split_sales": 1, "split_minutes": 5, "split_refuses": True}),
    _campaign("acme", 30, "C", AMOUNT, budget=SOFT, risk={"split_sales": 1, "split_minutes": 60}),
]
STATUS = [{"issuer": "acme", "campaign": 1, "count": 500, "used": [10], "revoked": [11]}]
PROMOS: list[dict[str, Any]] = [
    {
        "token": to_text(sign(Claims(2, 900, TODAY, TODAY + 14), KEY)),
        "short": "AB-12",
        "title": _WORDS,
        "conditions": {"zh": "", "en": ""},
    }
]

SALE = {
    "currency": "EUR",
    "total_minor": 12_000,
    "lines": [["TEA", 2, 400], ["CAKE", 1, 380], ["RICE", 1, 10_820]],
}
SMALL = SALE | {"total_minor": 9_999, "lines": []}


def _scan(campaign: int, *, signer: Any = KEY, **changes: Any) -> str:
    usual: dict[str, Any] = {"campaign": campaign, "index": 5, "not_before": TODAY - 5, "expires": TODAY + 5}
    return to_text(sign(Claims(**usual | changes), signer))


def _case(
    name: str, text: str, outcome: str, answer: dict[str, Any] | None = None, **input_: Any
) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "now": NOON,
        "doubt": "",
        "age": "fresh",
        "prior": False,
        "used": [0, 0, 0, 0],
        "sale": SALE,
    }
    nothing = {
        "discount_minor": None,
        "charge_minor": 0,
        "works_from": None,
        "missing_minor": 0,
        "missing_pieces": 0,
        "missing_points": 0,
        "detail": None,
    }
    return {
        "name": name,
        "text": text,
        **usual,
        **input_,
        "expect": {"outcome": outcome, **nothing, **(answer or {})},
    }


MEMBER = {"pseudonym": "a1a2a3a4a5a6a7a8", "level": 1, "visits": 3, "absent_days": 20, "points": 250}


def _off(discount: int | None, charge: int | None = None) -> dict[str, Any]:
    return {"discount_minor": discount, "charge_minor": discount if charge is None else charge}


def _accepted() -> list[dict[str, Any]]:
    yes = "accepted"
    return [
        _case("30 off from 100", _scan(1), yes, _off(3_000)),
        _case("the sale is not known", _scan(1), yes, _off(None, 3_000), sale=None),
        _case("exactly the threshold", _scan(1), yes, _off(3_000), sale=SMALL | {"total_minor": 10_000}),
        _case("a personal value of 5", _scan(1, value_minor=500), yes, _off(500)),
        _case("20 % reach their cap", _scan(2), yes, _off(500)),
        _case("20 % of 0.99, rounded down", _scan(2), yes, _off(19), sale=SMALL | {"total_minor": 99}),
        _case("the cheaper item is free", _scan(3), yes, _off(380)),
        _case("free item, lines not known", _scan(3), yes, _off(None, 450), sale=SMALL),
        _case("bound to this store", _scan(5, store=12), yes, _off(3_000)),
        _case("bound to a group of this store", _scan(2, store_group=3), yes, _off(500)),
        _case("last day of grace", _scan(1, expires=TODAY - 2), yes, _off(3_000)),
        _case("last coupon of the budget", _scan(1), yes, _off(3_000), used=[7, 9_000, 9, 97_000]),
        _case(
            "a quarter of the budget while stale", _scan(1), yes, _off(3_000), age="stale", used=[1, 0, 1, 0]
        ),
        _case("another issuer", _scan(1, signer=SHOP), yes, _off(400)),
        _case(
            "first instant of its day",
            _scan(2, not_before=TODAY),
            yes,
            _off(500),
            now="2026-11-26T23:00:00.000Z",
        ),
    ]


def _of_codes() -> list[dict[str, Any]]:
    yes = "accepted"
    return [
        _case("promo code", "SUMMER26", yes, _off(300)),
        _case("promo code as somebody types it", "summer26\n", yes, _off(300)),
        _case("promo code, third of three uses", "SUMMER26", yes, _off(300), prior=True, uses=2),
        _case("promo code, used up here", "SUMMER26", "already_redeemed", prior=True, uses=3),
        _case("GCN of a Digital Link", f"https://x.example/255/{codes.GCN}0042", yes, _off(3_000)),
        _case("GCN used here", f"]C1255{codes.GCN}0042", "already_redeemed", prior=True),
        _case("offer with a value of its own", f"]C18112{codes.OFFER}", yes, _off(250)),
    ]


def _of_the_scan() -> list[dict[str, Any]]:
    good, kid = _scan(1), {"detail": KEY.kid.hex()}
    forged = good[:-10] + ("A" if good[-10] != "A" else "B") + good[-9:]
    return [
        _case("another code", "who knows", "not_a_coupon", {"detail": "not_a_token"}),
        _case("member card", "8800000000000001", "member_card"),
        _case("staff badge", "EMP-77", "staff_badge"),
        _case("pickup code", "PUab3456", "pickup_code"),
        _case("payment code", "134567890123456789", "payment_code"),
        _case("product", "6901234567892", "product_barcode", {"detail": "ean"}),
        _case("web address", "https://example.org/", "web_address"),
        _case("old coupon", "]e0811010614141654321", "unsupported_code", {"detail": "gs1_8110"}),
        _case("damaged GCN", f"]C1255{codes.GCN[:12]}4", "malformed", {"detail": "gs1_check_digit"}),
        _case("no such promo code", "SUMMER27", "unknown_code", {"detail": "plain"}),
        _case("no such GCN", f"(255){codes.GCN}0043", "unknown_code", {"detail": "gcn"}),
        _case("no such offer", f"]C18112{codes.OFFER[:-1]}7", "unknown_code", {"detail": "offer"}),
        _case("cut", good[:100], "truncated", {"detail": "incomplete"}),
        _case("damaged", good[:100] + "1" + good[101:], "malformed", {"detail": "bad_character"}),
        _case("unknown key", _scan(1, signer=STRANGER), "unknown_key", {"detail": STRANGER.kid.hex()}),
        _case("forged", forged, "bad_signature", kid),
        _case("campaign not of this key", _scan(3, signer=SHOP), "beyond_key_limit", {"detail": "campaign"}),
        _case("value above the key's", _scan(1, value_minor=5_001), "beyond_key_limit", {"detail": "value"}),
    ]


def _refused() -> list[dict[str, Any]]:
    late = "2026-11-27T23:00:00.000Z"
    return [
        _case("campaign above the key's value", _scan(6), "beyond_key_limit", {"detail": "campaign_value"}),
        _case("day after the key's last", _scan(1, signer=SHOP), "key_not_valid", now=late),
        _case("unknown campaign", _scan(99), "unknown_campaign"),
        _case("campaign of this key, not in the bundle", _scan(2, signer=SHOP), "unknown_campaign"),
        _case("beyond the status list", _scan(1, index=500), "never_issued"),
        _case("beyond the campaign", _scan(2, index=1_000), "never_issued"),
        _case("revoked", _scan(1, index=11), "revoked", prior=True),
        _case("used here", _scan(1, index=10), "already_redeemed", prior=True),
        _case("used at another till", _scan(1, index=10), "already_redeemed", {"detail": "elsewhere"}),
        _case("grace is over", _scan(1, expires=TODAY - 3), "expired"),
        _case("last instant was yesterday", _scan(2, expires=TODAY), "expired", now=late),
        _case(
            "tomorrow",
            _scan(2, not_before=TODAY + 1),
            "not_yet_valid",
            {"works_from": late},
        ),
        _case(
            "campaign begins the day after tomorrow",
            _scan(7),
            "not_yet_valid",
            {"works_from": "2026-11-28T23:00:00.000Z"},
        ),
        _case("over before it begins", _scan(7, expires=TODAY + 1), "expired"),
        _case(
            "tomorrow by a clock in doubt",
            _scan(2, not_before=TODAY + 1),
            "clock_untrusted",
            {"detail": "behind"},
            doubt="behind",
        ),
    ]


def _refused_here() -> list[dict[str, Any]]:
    quarter: dict[str, Any] = {"age": "stale", "used": [2, 0, 2, 0]}
    return [
        _case("another store", _scan(1, store=13), "wrong_store"),
        _case("another group", _scan(1, store_group=2), "wrong_store"),
        _case(
            "class B without its store",
            _scan(5),
            "wrong_store",
            {"detail": "a coupon of class B names its store"},
        ),
        _case("no share while stale", _scan(2), "bundle_expired", {"detail": "stale"}, age="stale"),
        _case("no share while expired", _scan(1), "bundle_expired", {"detail": "expired"}, age="expired"),
        _case("class A", _scan(4), "online_only"),
        _case(
            "another currency", _scan(1), "wrong_currency", {"detail": "EUR"}, sale=SALE | {"currency": "CNY"}
        ),
        _case("one cent short", _scan(1), "sale_too_small", {"missing_minor": 1}, sale=SMALL),
        _case(
            "item missing",
            _scan(3),
            "item_missing",
            {"missing_pieces": 1},
            sale=SALE | {"lines": [["RICE", 1, 12_000]]},
        ),
        _case("count of the day reached", _scan(1), "budget_reached", used=[8, 0, 0, 0]),
        _case("value of the day reached", _scan(1), "budget_reached", used=[0, 9_001, 0, 0]),
        _case("count since the last sync reached", _scan(1), "budget_reached", used=[0, 0, 10, 0]),
        _case("value since the last sync reached", _scan(1), "budget_reached", used=[0, 0, 0, 97_001]),
        _case("a quarter while stale is used up", _scan(1), "budget_reached", **quarter),
        _case(
            "a quarter while the clock is in doubt",
            _scan(1),
            "budget_reached",
            doubt="ahead",
            used=[2, 0, 0, 0],
        ),
        _case(
            "class B while the clock is in doubt",
            _scan(5, store=12),
            "clock_untrusted",
            {"detail": "ahead"},
            doubt="ahead",
        ),
    ]


def _by_risk() -> list[dict[str, Any]]:
    """Past the soft part of a budget, and where a member splits a sale; the hard cap moves for nobody."""
    yes, ask, no = "accepted", "supervisor_needed", "budget_reached"
    cap = {"detail": "soft_cap", "asked": "soft_cap"}
    split = {"detail": "split_sale", "asked": "split_sale"}

    def let(asked: str) -> dict[str, Any]:
        return _off(3_000) | {"asked": asked}

    return [
        _case("the last one that is free", _scan(27), yes, _off(3_000), used=[3, 3_000, 0, 0]),
        _case("half of the day's count is free", _scan(27), ask, cap, used=[4, 0, 0, 0]),
        _case("half of the day's value is free", _scan(27), ask, cap, used=[0, 3_001, 0, 0]),
        _case("half of the count since the last sync", _scan(27), ask, cap, used=[0, 0, 5, 0]),
        _case("half of the value since the last sync", _scan(27), ask, cap, used=[0, 0, 0, 47_001]),
        _case("half of a quarter while stale", _scan(27), ask, cap, used=[1, 0, 0, 0], age="stale"),
        _case(
            "a supervisor lets it through",
            _scan(27),
            yes,
            let("soft_cap"),
            used=[4, 0, 0, 0],
            supervised=True,
        ),
        _case("a badge where nobody asks", _scan(27), yes, _off(3_000), supervised=True),
        _case("no badge moves the hard cap", _scan(27), no, used=[8, 0, 0, 0], supervised=True),
        _case(
            "nor a quarter of it while stale", _scan(27), no, used=[2, 0, 0, 0], age="stale", supervised=True
        ),
        _case("a second sale of a member", _scan(28), yes, _off(3_000), sales=1),
        _case("a third within the hour", _scan(28), ask, split, sales=2),
        _case("a third, with a supervisor", _scan(28), yes, let("split_sale"), sales=2, supervised=True),
        _case("a second within five minutes", _scan(29), "split_sale", sales=1),
        _case("nor with a supervisor", _scan(29), "split_sale", sales=1, supervised=True),
        _case("both: the cap is named", _scan(30), ask, cap, used=[4, 0, 0, 0], sales=1),
    ]


def _by_word() -> list[dict[str, Any]]:
    """What the cloud said when it was asked: class A, and another class that was probed."""
    yes, elsewhere = "accepted", {"detail": "elsewhere"}
    until = "2026-11-27T11:10:00.000Z"
    held = {"detail": "elsewhere", "works_from": until}
    return [
        _case("class A, the cloud says yes", _scan(4), yes, _off(3_000), word="yes", until=until),
        _case("class A, no answer", _scan(4), "online_needed", word="silent"),
        _case("class A, not asked", _scan(4), "online_needed", word="unasked"),
        _case(
            "class A, no answer, and too small a sale",
            _scan(4),
            "sale_too_small",
            {"missing_minor": 1},
            word="silent",
            sale=SMALL,
        ),
        _case("class A, used elsewhere", _scan(4), "already_redeemed", elsewhere, word="used"),
        _case(
            "class A, used here, whatever the cloud says",
            _scan(4),
            "already_redeemed",
            word="yes",
            prior=True,
        ),
        _case("class A, reserved for another till", _scan(4), "held", held, word="reserved", until=until),
        _case("class A, withdrawn", _scan(4), "revoked", word="revoked"),
        _case("class A, not known to the cloud", _scan(4), "never_issued", word="unknown"),
        _case(
            "a yes does not renew an old bundle",
            _scan(4),
            "bundle_expired",
            {"detail": "expired"},
            word="yes",
            age="expired",
        ),
        _case(
            "nor a clock in doubt",
            _scan(4),
            "clock_untrusted",
            {"detail": "ahead"},
            word="yes",
            doubt="ahead",
        ),
        _case("a probe, yes", _scan(2), yes, _off(500), word="yes"),
        _case("a probe, no answer", _scan(2), yes, _off(500), word="silent"),
        _case("a probe, used elsewhere", _scan(2), "already_redeemed", elsewhere, word="used"),
        _case("a probe, withdrawn", _scan(2), "revoked", word="revoked"),
    ]


def _by_rules() -> list[dict[str, Any]]:
    """What an offer's own rules say; sale and member as the POS names them."""
    yes, pseudonym = "accepted", bytes.fromhex(str(MEMBER["pseudonym"]))
    known: dict[str, Any] = {"member": MEMBER}
    pair = {"missing_pieces": 1}
    return [
        _case("another merchant's", _scan(10), "other_merchant"),
        _case("not one of its stores", _scan(11), "wrong_store"),
        _case("another channel", _scan(12), "other_channel"),
        _case("its channel", _scan(12), yes, _off(500), sale=SALE | {"channel": "web"}),
        _case("not on a Friday", _scan(13), "other_day"),
        _case("at noon in Berlin, until noon", _scan(14), "other_hour"),
        _case("a minute before", _scan(14), yes, _off(500), now="2026-11-27T10:59:59.000Z"),
        _case("not at this hour, the sale is not known", _scan(14), "other_hour", sale=None),
        _case("no member card", _scan(15), "member_needed"),
        _case("of a lower level", _scan(15), "level_too_low", {"detail": "2"}, **known),
        _case("its holder", _scan(16, holder=pseudonym), yes, _off(500), **known),
        _case("another holder", _scan(16, holder=bytes(8)), "other_holder", **known),
        _case("nobody's", _scan(16), yes, _off(500)),
        _case("the fourth visit", _scan(17), "not_first_visit", **known),
        _case("away for 20 days", _scan(18), "not_absent", {"detail": "60"}, **known),
        _case("used once already", _scan(19), "limit_reached", {"detail": "coupon"}, prior=True),
        _case("by card", _scan(20), "other_tender", {"detail": "cash"}, sale=SALE | {"tenders": ["card"]}),
        _case("how it is paid is not known", _scan(20), yes, _off(500)),
        _case("four pieces of five", _scan(22), "pieces_missing", pair),
        _case("a gift to hand over", _scan(23), yes, _off(0, 400)),
        _case(
            "no gift is left",
            _scan(23),
            "out_of_stock",
            {"detail": "MUG"},
            sale=SALE | {"out_of_stock": ["MUG"]},
        ),
        _case("points pay", _scan(24), yes, _off(200), **known),
        _case(
            "too few points",
            _scan(24),
            "points_missing",
            {"missing_points": 1},
            member=MEMBER | {"points": 99},
        ),
        _case(
            "points that a limit keeps",
            _scan(24),
            "points_limit",
            {"detail": "points_day"},
            member=MEMBER | {"points": 99, "points_kept": 1, "points_limit": "points_day"},
        ),
        _case("cheaper already", _scan(25), "nothing_cheaper"),
        _case("a visit is counted", _scan(26), yes, _off(0)),
        _case("a visit, the sale is not known", _scan(26), yes, _off(None, 0), sale=None),
    ]


def _by_balance() -> list[dict[str, Any]]:
    """Stored value: what it pays, and what is left on it by what this till knows."""
    yes = "accepted"
    tea: dict[str, Any] = {"prior": True, "sale": SMALL | {"total_minor": 900}}
    return [
        _case("stored value without a total", _scan(21), "total_needed", {"left_minor": 3_000}, sale=None),
        _case("stored value pays", _scan(21), yes, _off(3_000) | {"left_minor": 0}),
        _case("what is left of it", _scan(21), yes, _off(1_000) | {"left_minor": 0}, prior=True, spent=2_000),
        _case("it pays a part", _scan(21), yes, _off(900) | {"left_minor": 1_600}, **tea, spent=500),
        _case("its last use", _scan(21), yes, _off(900) | {"left_minor": 0}, **tea, spent=500, uses=4),
        _case("nothing is left of it", _scan(21), "balance_empty", prior=True, spent=3_000),
    ]


def _plain(value: Any) -> Any:
    """Byte strings as hexadecimal, for JSON."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def vectors() -> dict[str, Any]:
    """The content of decisions.json."""
    return {
        "about": "docs/coupon-format.md and docs/bundle-format.md; kid and public_key are hexadecimal here",
        "signing_keys": {"acme": key_json(KEY, SEED), "shop": key_json(SHOP, SHOP_SEED)},
        "place": PLACE,
        "keys": _plain(KEYS),
        "campaigns": [*CAMPAIGNS, *CODE_CAMPAIGNS, *RULE_CAMPAIGNS, *RISK_CAMPAIGNS],
        "status": STATUS,
        "scan_rules": codes.RULES,
        "code_keys": _plain([key_to_wire(codes.KEY)]),
        "codes": _plain(codes.tables_for_decisions()),
        "cases": [
            *(*_accepted(), *_of_codes(), *_of_the_scan(), *_refused(), *_refused_here()),
            *(*_by_rules(), *_by_balance(), *_by_risk(), *_by_word()),
        ],
    }
