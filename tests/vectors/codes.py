"""Vectors of opaque codes and of the router: spellings, hashes, a table, kinds. What is expected is written by hand."""

from __future__ import annotations

from typing import Any

from agent.domain.codes import (
    GS1_FORM,
    CodeKey,
    CodeKind,
    Form,
    TableHead,
    code_hash,
    form_to_wire,
    key_to_wire,
    make_table,
)

KEY = CodeKey(b"codekey1", "acme", bytes(range(32)))
ISSUED = Form(
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ",
    16,
    16,
    "- ",
    ("https://qr.example/c/",),
    any_case=True,
    lookalikes=True,
)
WORDS = Form("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 4, 12, any_case=True)
GCN = "9501101530003"
OFFER = "001234561234560123456"
HEAD = TableHead("acme", 8, CodeKind.PLAIN, KEY.key_id, ISSUED, 1, 0, 20_700, 20_900)

RULES: list[dict[str, Any]] = [
    {"kind": "member_card", "prefix": "88", "least": 16, "most": 16, "alphabet": "digits"},
    {"kind": "staff_badge", "prefix": "EMP-", "least": 6, "most": 12, "alphabet": "upper_digits"},
    {"kind": "pickup_code", "prefix": "PU", "least": 8, "most": 10, "alphabet": "alphanumeric"},
    {"kind": "payment_code", "prefix": "13", "least": 18, "most": 18, "alphabet": "digits"},
]

_SPELLINGS: list[tuple[Form, str, str | None]] = [
    (ISSUED, "01234567890ABCDE", "01234567890ABCDE"),
    (ISSUED, "0123-4567-890a-bcde", "01234567890ABCDE"),
    (ISSUED, "oI23 4567 89Oa bcde", "01234567890ABCDE"),
    (ISSUED, "https://QR.example/c/01234567890ABCDE", "01234567890ABCDE"),
    (ISSUED, "０１２３－４５６７－８９０Ａ－ＢＣＤＥ", "01234567890ABCDE"),
    (ISSUED, "2Z5S8B2Z5S8B2Z5S", "2Z5S8B2Z5S8B2Z5S"),
    (ISSUED, "01234567890ABCDU", None),
    (ISSUED, "01234567890ABCD", None),
    (ISSUED, "01234567890ABCDEF", None),
    (WORDS, "Summer26", "SUMMER26"),
    (WORDS, "SUMM-ER26", None),
    (WORDS, "SUMMER2O", "SUMMER2O"),
]
_KINDS: list[tuple[str, str, str, str]] = [
    (f"]C1255{GCN}", "gcn", GCN, ""),
    (f"]d217261231255{GCN}0042\x1d3940050", "gcn", GCN + "0042", ""),
    (f"\x1d255{GCN}", "gcn", GCN, ""),
    (f"(255){GCN}(3900)100", "gcn", GCN, ""),
    (f"255{GCN}7", "gcn", GCN + "7", ""),
    (f"https://id.gs1.org/255/{GCN}", "gcn", GCN, ""),
    (f"HTTP://SHOP.EXAMPLE/go?255={GCN}", "gcn", GCN, ""),
    (f"]C18112{OFFER}", "offer", OFFER, ""),
    ("]C181128475839285610003748593748596", "unsupported", "", "gs1_8112_bundle"),
    ("]e08110106141416543213500110000310123196000", "unsupported", "", "gs1_8110"),
    ("9812345678902", "unsupported", "", "gs1_coupon_ean"),
    ("https://x.example/JVikJcgbkw", "unsupported", "", "gs1_compressed"),
    (f"]C1255{GCN[:12]}4", "damaged", "", "gs1_check_digit"),
    (f"]C1255{GCN[:11]}", "damaged", "", "gs1_incomplete"),
    ("]C105123", "damaged", "", "gs1_unknown_ai"),
    ("]C110A\x1d10B", "damaged", "", "gs1_contradiction"),
    ("]C110A~B", "damaged", "", "gs1_bad_value"),
    ("8800000000000001", "member_card", "", ""),
    ("EMP-77", "staff_badge", "", ""),
    ("PUab3456", "pickup_code", "", ""),
    ("134567890123456789", "payment_code", "", ""),
    ("6901234567892", "product", "", "ean"),
    ("036000291452", "product", "", "ean"),
    ("96385074", "product", "", "ean"),
    ("https://id.gs1.org/01/09501101530003", "product", "", "gs1_no_coupon"),
    ("https://example.org/menu?table=12", "link", "", ""),
    ("SUMMER26", "other", "", ""),
    ("6901234567893", "other", "", ""),
    ("", "other", "", ""),
]


def table(head: TableHead, codes: dict[str, int]) -> bytes:
    """A table of these folded codes."""
    return make_table(head, [(code_hash(KEY, head.kind, code), index) for code, index in codes.items()])


CODES = {"01234567890ABCDE": 5, "2Z5S8B2Z5S8B2Z5S": 6, "00000000000000ZZ": 4_000_000_000}


def vectors() -> dict[str, Any]:
    """The content of codes.json."""
    hashed = [(kind, code) for kind in CodeKind for code in (*CODES, GCN)]
    return {
        "about": "docs/codes.md; all byte strings are hexadecimal",
        "key": {name: v.hex() if isinstance(v, bytes) else v for name, v in key_to_wire(KEY).items()},
        "spellings": [
            {"form": form_to_wire(form), "text": text, "code": code} for form, text, code in _SPELLINGS
        ],
        "hashes": [
            {"kind": k.value, "code": code, "hash": code_hash(KEY, k, code).hex()} for k, code in hashed
        ],
        "table": {"codes": CODES, "content": table(HEAD, CODES).hex()},
        "scan_rules": RULES,
        "kinds": [
            {"text": text, "kind": kind, "coupon": coupon or None, "detail": detail}
            for text, kind, coupon, detail in _KINDS
        ],
    }


def tables_for_decisions() -> dict[str, bytes]:
    """The tables of decisions.json by name: a promo code of campaign 8, GS1 numbers of campaign 9."""
    always = {"count": 1, "bucket_bits": 0, "not_before": 20_700, "expires": 20_900}
    promo = TableHead("acme", 8, CodeKind.PLAIN, KEY.key_id, WORDS, **always)
    gcn = TableHead("acme", 9, CodeKind.GCN, KEY.key_id, GS1_FORM, **always, store=12)
    offer = TableHead("acme", 9, CodeKind.OFFER, KEY.key_id, GS1_FORM, **always, value_minor=250)
    return {
        "codes/acme/8/0": table(promo, {"SUMMER26": 0}),
        "codes/acme/9/0": table(gcn, {GCN + "0042": 42}),
        "codes/acme/9/1": table(offer, {OFFER: 7}),
    }
