"""What the API document says that no type and no docstring does: its introduction, its parameters, its examples."""

from __future__ import annotations

import json
from typing import Any

from agent.api.errors import problem_json
from agent.api.scans import KEY_CHARS_MAX
from agent.api.status import RECONNECT_MS
from agent.api.wire import BODY_BYTES_MAX, BODY_WAIT_S, DEPTH_MAX

INFO = {
    "title": "redeemd local API",
    "version": "1",
    "summary": "What a POS and the cashier page ask of the till on their own machine.",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "description": f"""\
The local HTTP API of `redeemd`. docs/api.md is the guide with examples; this document is the shape of every request and
answer, made from the program's own types. Nothing else is promised.

**Stable** are paths, methods, field names and types, the values of `outcome`, `tone`, a problem's `code` and `type`,
`issues[].code`, `state` and every other enumeration. Within version 1 fields and values may be added: ignore fields
you do not know, and take an `outcome` you do not know for a refusal. Sentences (`zh`, `en`, `next_*`, `action_*`,
`detail`, `title`) are for people and may change: show them, never match them.

**Amounts** are integers in minor units of the currency (12800 CNY is ¥128.00), written without fraction or exponent.
**Times** are RFC 3339.

**A verdict is an answer, not an error**: a refused coupon comes with status 200 and `accepted: false`. A status of
400 or above means that the request was not judged at all; its body is a Problem (RFC 9457, `application/problem+json`),
but for /v1/health, which answers 503 with a Health. (Bytes that are not HTTP are answered 400 in plain text.)

**Security.** The API listens on loopback only. On every route: a `Host` header that is not a loopback name or
address is refused (403 `wrong_host`), an `Origin` that is neither the till's own nor in `api.allowed_origins` is
refused, and so is what a browser marks `Sec-Fetch-Site: cross-site` or `same-site` without an Origin (403
`foreign_origin`). POST and PUT need `Content-Type: application/json` and no `Content-Encoding` (415 `json_needed`).
Where `api.token_file` is set, every route needs the token (401 `token_needed`). Origins in `api.allowed_origins`
are answered as CORS asks, preflight included.

**Bounds.** A body has at most {BODY_BYTES_MAX} bytes (413), nests at most {DEPTH_MAX} deep, names no key twice, and
must arrive within {BODY_WAIT_S:.0f} s (408). There are at most 128 connections; an idle one is closed after 30 s, which
is no error. When there are more, one is closed on which nothing is being answered: first those on which nothing ever
was. Unknown codes are bounded (429 `too_many_guesses`): 20 at once, then one more every 3 s; signed coupons are
answered all the same.
""",
}
SERVERS = [
    {"url": "http://127.0.0.1:8321", "description": "api.host and api.port of the till's configuration."}
]
TAGS = [
    {"name": "coupons", "description": "Redeeming, and asking what would be said."},
    {
        "name": "sale",
        "description": "The current sale of a shop without a POS. A POS sends its sale with each redemption instead.",
    },
    {"name": "receipts"},
    {"name": "till", "description": "How the till is, and what happens on it."},
]
SECURITY: dict[str, Any] = {
    "asked": [{}, {"token": []}, {"page": []}],
    "schemes": {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The content of `api.token_file`, without its line end. Asked for where one is configured.",
        },
        "page": {
            "type": "apiKey",
            "in": "cookie",
            "name": "redeemd_token",
            "description": "The cashier page's way. Opening /?token=... once sets it (HttpOnly, SameSite=Strict).",
        },
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Of the caller's making, another one for each request that is to happen once; sent once"
    " (draft-ietf-httpapi-idempotency-key-header). Compared as it is, quotes included.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "pattern": "^[ -~]+$"},
    "example": "0f8c1a52-6a0b-4b1e-9e55-3f1f2f7d9a10",
}


def _in_path(name: str, about: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": about,
        "schema": {"type": "string"},
        "example": example,
    }


PATH_PARAMETERS = {
    "conflict": _in_path("conflict", "The `id` of a conflict.", "1"),
    "hold": _in_path("hold", "The `hold_id` of a hold.", "0f8c1a526a0b4b1e9e553f1f2f7d9a10"),
    "job": _in_path("job", "A verdict's `print_job`.", "T-0001-1"),
    "name": _in_path("name", "As in till.toml.", "front"),
}


def _links(field: str, parameter: str, *operations: str) -> dict[str, Any]:
    value = {parameter: f"$response.body#/{field}"}
    return {name: {"operationId": name, "parameters": value} for name in operations}


_OF_RECEIPT = _links("print_job", "job", "printJob", "reprint", "confirmPrint", "giveUpPrint")
LINKS: dict[str, dict[int, Any]] = {
    "hold": {201: _links("hold_id", "hold", "showHold", "commitHold", "voidHold")},
    "redeem": {200: _OF_RECEIPT},
    "scan": {200: _OF_RECEIPT},
}
"""operationId -> by status, which calls go on from its answer."""

DESCRIPTIONS = {
    "Outcome": """\
Stable. `accepted` alone is a yes. In order of precedence:
not_a_coupon, truncated (only part was read), malformed: the text. member_card, staff_badge, pickup_code,
payment_code, product_barcode, web_address: it is something else, nothing was refused and nothing is recorded.
unsupported_code, unknown_code: a coupon code without a signature that cannot be taken, or is not listed. unknown_key,
bad_signature (forged), beyond_key_limit, key_not_valid: trust. unknown_campaign, never_issued, revoked,
already_redeemed (here: see `first_use`; at another till: `detail` is elsewhere), held (by another sale; see
`works_from`), expired, not_yet_valid (see `works_from`), wrong_store, other_merchant: offer and coupon.
till_stopped, bundle_expired, clock_untrusted, online_only: what this till may do now. wrong_currency,
other_channel, other_day, other_hour, member_needed, other_holder, level_too_low, not_first_visit, not_absent,
limit_reached, other_tender (`detail` says which count), total_needed (it pays a part: send the sale),
item_missing, pieces_missing, sale_too_small, out_of_stock, points_missing, points_limit (the points are there,
and a limit keeps them from being spent here now; `detail` names it), balance_empty, nothing_cheaper: the
offer's rules and the sale. budget_reached, split_sale (a member's other sales), supervisor_needed (send it
again with the text of a badge), online_needed (try again when the line is back): risk. unknown_result: the
disk did not answer, so nobody knows yet; never treat it as not redeemed.""",
    "PrintState": "A receipt's life.",
    "Tone": "How to show a verdict.",
    "DeviceState": "Only ready means that it works now.",
}
"""Of types that are described otherwise for their callers than for their readers in the code."""

_CAMPAIGN = {
    "title_zh": "满百减三十",
    "title_en": "30 off 100",
    "benefit_zh": "满 100 减 30",
    "benefit_en": "30 off from 100",
    "prompt_zh": "",
    "prompt_en": "",
}
_COUPON = {"issuer": "acme", "campaign": 1, "index": 1, "expires": "2026-12-22"}
_ACCEPTED = {
    "scan_id": "d984326831d34d869734a845f51d0f25",
    "at": "2026-11-22T02:43:44.343Z",
    "source": "api",
    "outcome": "accepted",
    "accepted": True,
    "tone": "good",
    "transient": False,
    "zh": "可用：减 30",
    "en": "Accepted: 30 off",
    "next_zh": "",
    "next_en": "",
    "works_from": None,
    "detail": None,
    "coupon": _COUPON,
    "campaign": _CAMPAIGN,
    "discount_minor": 3000,
    "left_minor": None,
    "currency": "CNY",
    "redemption_id": "T-0001-1",
    "print_job": "T-0001-1",
    "offline": True,
    "first_use": None,
    "replayed": False,
    "ms": 2.41,
}
_USED = _ACCEPTED | {
    "scan_id": "5b1d2a0cf7a94cc5ae2f4b5e3f6f7a10",
    "at": "2026-11-22T03:10:02.120Z",
    "outcome": "already_redeemed",
    "accepted": False,
    "tone": "bad",
    "zh": "此券已用过：02:43",
    "en": "Already used: 02:43",
    "next_zh": "请按原价结账",
    "next_en": "Charge the normal price",
    "discount_minor": None,
    "left_minor": None,
    "redemption_id": None,
    "print_job": None,
    "first_use": {"at": "2026-11-22T02:43:44.343Z", "till": "T-0001", "redemption_id": "T-0001-1"},
    "ms": 1.9,
}
_VERDICTS = {"accepted": {"value": _ACCEPTED}, "used": {"value": _USED}}
_TEXT = "RC1QUFBQUFB"
_REDEEM = {
    "total": {
        "summary": "The total of the sale, in the store's currency",
        "value": {"text": _TEXT, "sale": {"total_minor": 12800, "sale_id": "2026-11-22/118"}},
    },
    "lines": {
        "summary": "With lines, as offers on single articles need",
        "value": {
            "text": _TEXT,
            "sale": {
                "total_minor": 3000,
                "currency": "CNY",
                "lines": [{"sku": "6901234567892", "quantity": 2, "unit_price_minor": 1500}],
            },
        },
    },
    "bare": {"summary": "Without a sale, the cashier checks the conditions", "value": {"text": _TEXT}},
}
_SALE = {"sale_id": "2026-11-22/118", "total_minor": 12800, "currency": "CNY"}
_SALES = {
    "one": {
        "value": {
            "sale": _SALE,
            "member": {"level": 2, "points": 1200, "as_of": "2026-11-22T03:00:00.000Z"},
            "checkout": None,
        }
    },
    "none": {"value": {"sale": None, "member": None, "checkout": None}},
}
_WRONG_AMOUNT = problem_json("bad_body", "Expected `int`, got `float` - at `$.sale.total_minor`")
_PRINT = {
    "job": "T-0001-1",
    "redemption_id": "T-0001-1",
    "state": "printed",
    "copies": 0,
    "cause": "",
    "cause_zh": "",
    "cause_en": "",
    "action_zh": "",
    "action_en": "",
    "updated_at": "2026-11-22T02:43:44.912Z",
}
_STREAM = f"retry: {RECONNECT_MS}\nevent: print\ndata: {json.dumps(_PRINT)}\n\n: still here\n\n"

EXAMPLES: dict[str, dict[str | int, Any]] = {
    "redeem": {
        "body": _REDEEM,
        200: _VERDICTS,
        400: {"no_key": {"value": problem_json("key_missing")}, "amount": {"value": _WRONG_AMOUNT}},
        422: {"reused": {"value": problem_json("key_reused")}},
    },
    "verify": {"body": _REDEEM},
    "scan": {"body": {"scan": {"value": {"text": _TEXT}}}, 200: _VERDICTS},
    "quote": {"body": {"one": {"value": {"sale": {"total_minor": 12800}, "coupons": [_TEXT]}}}},
    "hold": {
        "body": {
            "one": {
                "value": {
                    "sale": {"sale_id": "118", "total_minor": 12800},
                    "coupons": [_TEXT],
                    "lasts_s": 900,
                }
            }
        }
    },
    "commitHold": {"body": {"one": {"value": {"total_minor": 12800, "tenders": ["cash"]}}}},
    "reverse": {"body": {"one": {"value": {"sale_id": "118", "lines": [{"line": "1", "quantity": 1}]}}}},
    "setSale": {"body": {"total": {"value": {"total_minor": 12800}}}, 200: _SALES},
    "currentSale": {200: _SALES},
    "printJob": {
        200: {
            "printed": {
                "value": _PRINT
                | {
                    "text": "             人民路店\n",
                    "html": '<div class="paper"><p class="center bold x2">人民路店</p></div>',
                }
            }
        }
    },
    "openDrawer": {200: {"opened": {"value": {"confirmed": True}}}},
    "reprint": {200: {"first": {"value": {"job": "T-0001-1", "copy": 1, "state": "queued"}}}},
    "triggerScanner": {200: {"reads": {"value": {"scanner": "front", "reads_for_s": 5.0}}}},
    "retryOutbox": {
        "body": {"all": {"value": {}}, "one": {"value": {"lane": "redemption", "sequence": 42}}},
        200: {"three": {"value": {"requeued": 3}}},
    },
    "events": {200: {"stream": {"value": _STREAM}}},
}
"""operationId -> the body's and each status's examples. A test holds each against its schema."""
