"""Opaque codes: folding, keyed hashes, tables."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.domain import cbor
from agent.domain.bundle import BundleError
from agent.domain.codes import (
    GS1_FORM,
    LOOKALIKES,
    CodeKey,
    CodeKind,
    Codes,
    Form,
    MemoryTable,
    TableHead,
    code_hash,
    find_record,
    form_to_wire,
    key_to_wire,
    make_table,
    read_form,
    read_keys,
)
from agent.domain.decide import Refusal, verify_scan
from agent.domain.fields import FieldError
from agent.domain.outcome import SAYINGS
from agent.domain.scan import Kind, Rule
from tests.unit.domain_kit import campaign, contents, examples

KEY = CodeKey(b"key-0001", "acme", bytes(range(32)))
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FORM = Form(CROCKFORD, 16, 16, "- ", ("https://qr.example/c/",), any_case=True, lookalikes=True)
HEAD = TableHead("acme", 7, CodeKind.PLAIN, KEY.key_id, FORM, 1, 0, 0, 65535)
CODE = "01234567890ABCDE"


def table(codes, **changes):
    head = replace(HEAD, **changes)
    return make_table(head, [(code_hash(KEY, head.kind, code), index) for code, index in codes.items()])


def book(*tables):
    return Codes({KEY.key_id: KEY}, [MemoryTable(content) for content in tables])


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        "0123-4567-890A-BCDE",
        " 0123 4567 890a bcde ",
        "O1234567890abcde",
        "oI234567890abcde",
        "ol234567890abcde",
        "https://qr.example/c/01234567890ABCDE",
        "HTTPS://QR.EXAMPLE/C/0123-4567-890A-BCDE",
        "０１２３－４５６７－８９０Ａ－ｂｃｄｅ",  # a Chinese keyboard's full width
    ],
)
def test_all_spellings_of_one_code_are_one(typed):
    assert FORM.fold(typed) == CODE


@pytest.mark.parametrize(
    "typed",
    [
        "",
        CODE[:-1],
        CODE + "A",
        CODE.replace("A", "U"),
        CODE.replace("A", "Ä"),
        "x" * 1000,
        "-" * 16,
        CODE + "\0",
    ],
)
def test_other_texts_are_no_code(typed):
    assert FORM.fold(typed) is None


def test_nothing_is_folded_that_is_not_declared():
    strict = Form(CROCKFORD + "O", 4, 4)
    assert strict.fold("0O1A") == "0O1A"
    assert strict.fold("0o1a") is None
    assert strict.fold("0-O1A") is None
    assert strict.fold("https://qr.example/c/0O1A") is None
    assert Form("abcDEF", 3, 3).fold("aBc") is None


def test_a_lookalike_that_is_in_the_alphabet_is_itself():
    # Crockford's has 2 and Z, 5 and S, 8 and B: those stay apart, while O and I are in no code.
    assert FORM.fold("2Z5S8B2Z5S8B2Z5S") == "2Z5S8B2Z5S8B2Z5S"
    assert Form("0123456789", 5, 5, lookalikes=True).fold("OIZSB") == "01258"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alphabet": "AA"}, "alphabet"),
        ({"alphabet": "A B"}, "alphabet"),
        ({"alphabet": "ÄB"}, "alphabet"),
        ({"alphabet": "A"}, "alphabet"),
        ({"least": 17}, "most"),
        ({"most": 65}, "most"),
        ({"separators": "-0"}, "separators"),
        ({"separators": "–"}, "separators"),
        ({"alphabet": "Aa0"}, "any_case"),
        ({"alphabet": "0O", "any_case": False}, "lookalikes"),
        ({"alphabet": "1IL", "any_case": False}, "lookalikes"),
        ({"any_case": 1}, "any_case"),
        ({"prefixes": ["x"] * 9}, "prefixes"),
        ({"pattern": ".*"}, "pattern"),
    ],
)
def test_a_form_that_would_mix_codes_up_is_refused(changes, named):
    with pytest.raises(FieldError, match=named):
        read_form(form_to_wire(FORM) | changes)


def test_a_form_comes_back_from_the_wire():
    assert read_form(form_to_wire(FORM)) == FORM
    assert read_form({"alphabet": "0123456789", "least": 4, "most": 8}) == Form("0123456789", 4, 8)


forms = st.builds(
    Form,
    st.lists(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=2, unique=True).map("".join),
    st.just(1),
    st.integers(1, 20),
    st.sampled_from(["", "-", "- "]),
    st.just(()),
    st.booleans(),
    st.booleans(),
)


def acceptable(form):
    try:
        read_form(form_to_wire(form))
    except FieldError:
        return False
    return True


@given(forms, st.data())
@examples(300)
def test_folding_never_makes_one_code_of_two(form, data):
    """Every code of the alphabet is its own spelling, so no two codes share one."""
    assume(acceptable(form))
    code = data.draw(st.text(form.alphabet, min_size=1, max_size=form.most))
    assert form.fold(code) == code
    folded = form.fold(data.draw(st.text(max_size=30) | st.text("0OoIlL1- ABCabc", max_size=30)))
    assert folded is None or form.fold(folded) == folded, "folding twice is folding once"
    if form.any_case:
        assert form.fold(code.lower()) == code or set(code.lower()) & set("".join(LOOKALIKES)), code


def test_the_hash_is_what_the_document_says():
    message = b"redeemd/code/1\0plain\0" + CODE.encode()
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in KEY.secret.ljust(64, b"\0")) + message).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in KEY.secret.ljust(64, b"\0")) + inner).digest()
    assert code_hash(KEY, CodeKind.PLAIN, CODE) == outer[:12]
    assert code_hash(KEY, CodeKind.GCN, CODE) != outer[:12], "a number typed by hand is no GCN"
    assert "000102" not in repr(KEY)


def test_codes_are_found_and_others_are_not():
    codes = book(table({CODE: 5, "ABCDEFGHJKMNPQRS": 4_000_000_000}))
    found = codes.find(CodeKind.PLAIN, "https://qr.example/c/0123-4567-890a-bcde")
    assert found is not None
    assert (found.head.campaign, found.index) == (7, 5)
    assert found.digest == code_hash(KEY, CodeKind.PLAIN, CODE)
    second = codes.find(CodeKind.PLAIN, "abcdefghjkmnpqrs")
    assert second is not None
    assert second.index == 4_000_000_000
    assert codes.find(CodeKind.PLAIN, "ABCDEFGHJKMNPQRT") is None
    assert codes.find(CodeKind.GCN, CODE) is None
    assert codes.fits("abcdefghjkmnpqrt")
    assert not codes.fits("hello")
    assert Codes().find(CodeKind.PLAIN, CODE) is None


def test_gs1_numbers_have_their_own_tables():
    codes = book(table({"950110153000342": 1}, kind=CodeKind.GCN, form=GS1_FORM))
    assert codes.find(CodeKind.GCN, "950110153000342") is not None
    assert codes.find(CodeKind.PLAIN, "950110153000342") is None
    assert not codes.fits("950110153000342"), "nobody types a GCN as a promo code"


def test_of_two_campaigns_with_one_code_the_lower_number_counts():
    codes = book(table({CODE: 1}, campaign=9), table({CODE: 2}, campaign=8))
    found = codes.find(CodeKind.PLAIN, CODE)
    assert found is not None
    assert found.head.campaign == 8


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 5000])
def test_tables_of_all_sizes_hold_each_of_their_codes(count):
    digests = {hashlib.sha256(str(number).encode()).digest()[:12]: number for number in range(count)}
    made = MemoryTable(make_table(HEAD, digests.items()))
    assert made.head.count == count
    assert all(made.find(digest) == number for digest, number in digests.items())
    assert all(made.find(hashlib.sha256(f"x{n}".encode()).digest()[:12]) is None for n in range(100))


def test_a_hash_across_two_records_is_not_one():
    records = b"\1" * 12 + b"\0\0\0\1" + b"\1" * 8 + b"\2" * 4 + b"\0\0\0\2"
    assert find_record(records, b"\1" * 8 + b"\2" * 4) == 2
    assert find_record(records, b"\1" * 8 + b"\0\0\0\1") is None
    assert find_record(b"", b"\1" * 12) is None


def mangled(content):
    head_bytes = int.from_bytes(content[8:12], "big")
    head = cbor.decode(content[12 : 12 + head_bytes])
    rest = content[12 + head_bytes :]

    def with_head(**changes):
        wire = cbor.encode({name: value for name, value in (head | changes).items() if value is not None})
        return content[:8] + len(wire).to_bytes(4, "big") + wire + rest

    yield "short", content[:-1]
    yield "long", content + b"\0"
    yield "empty", b""
    yield "magic", b"X" + content[1:]
    yield "head length", content[:8] + b"\xff\xff\xff\xff" + content[12:]
    yield "more codes", with_head(count=3)
    yield "no codes", with_head(count=0)
    yield "other buckets", with_head(bucket_bits=1)
    yield "too many buckets", with_head(bucket_bits=17)
    yield "kind", with_head(kind="token")
    yield "form", with_head(form={"alphabet": "0O", "least": 1, "most": 2, "lookalikes": True})
    yield "unknown field", with_head(salt=1)
    yield "issuer", with_head(issuer=None)
    yield "starts", content[: 12 + head_bytes] + b"\0\0\0\1" + rest[4:]
    yield "falling starts", content[: 12 + head_bytes] + rest[:4] + b"\0\0\0\1" + rest[8:]


@pytest.mark.parametrize(("what", "content"), list(mangled(table({CODE: 5, CODE[::-1]: 6}))))
def test_what_is_no_table_is_refused(what, content):
    with pytest.raises(BundleError, match="malformed"):
        MemoryTable(content)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
@examples(300)
def test_a_damaged_table_finds_something_wrong_or_nothing_and_never_breaks(at, junk):
    content = table({f"{number:016}": number for number in range(300)})
    at %= len(content)
    damaged = content[:at] + junk + content[at + len(junk) :]
    try:
        made = MemoryTable(damaged)
    except BundleError:
        return
    for number in range(0, 300, 7):
        found = made.find(code_hash(KEY, CodeKind.PLAIN, f"{number:016}"))
        assert found is None or 0 <= found < 2**32


def test_a_table_needs_a_key_of_its_own_issuer():
    content = MemoryTable(table({CODE: 5}))
    for keys in ({}, {KEY.key_id: replace(KEY, issuer="other")}):
        with pytest.raises(BundleError, match="bad_key"):
            Codes(keys, [content])


def test_keys_come_back_from_the_wire():
    assert read_keys([key_to_wire(KEY)]) == {KEY.key_id: KEY}
    with pytest.raises(FieldError, match="twice"):
        read_keys([key_to_wire(KEY)] * 2)
    with pytest.raises(FieldError, match="secret"):
        read_keys([key_to_wire(KEY) | {"secret": b"short"}])


# any text at all

WORLD = replace(
    contents(offers=(campaign(), campaign(number=8, uses=3))),
    scan_rules=(Rule(Kind.MEMBER_CARD, "88", 16, 16, "digits"),),
    code_keys={KEY.key_id: KEY},
    codes=book(
        table({CODE: 5}, campaign=7),
        table({"SUMMER26": 0}, campaign=8, form=Form(CROCKFORD + "U", 4, 12, any_case=True)),
        table({"950110153000342": 1}, kind=CodeKind.GCN, form=GS1_FORM),
    ),
)
PIECES = st.sampled_from(
    [
        CODE,
        "summer26",
        "RC1",
        "]C1",
        "255",
        "9501101530003",
        "42",
        "\x1d",
        "(255)",
        "https://x.example/255/",
        "-",
        "88",
    ]
)


@given(st.text(max_size=60) | st.lists(PIECES | st.text(max_size=3), max_size=6).map("".join))
@examples(1500)
def test_any_scan_is_a_coupon_or_a_refusal_with_its_sentence(scanned):
    found = verify_scan(scanned, WORLD)
    if isinstance(found, Refusal):
        assert found.outcome in SAYINGS
        assert len(scanned) < 8 or scanned not in found.detail, "no detail repeats the text"
    else:
        assert found.code_hash, "nobody signed here"
        assert found.identity in {("acme", 7, 5), ("acme", 8, 0), ("acme", 7, 1)}


@given(st.sampled_from([CODE, "01234567890abcde"]), st.data())
@examples(200)
def test_all_spellings_give_one_identity(code, data):
    for at in sorted(data.draw(st.lists(st.integers(0, len(code)), max_size=4)), reverse=True):
        code = code[:at] + data.draw(st.sampled_from("- ")) + code[at:]
    prefix = data.draw(st.sampled_from(["", "]C0", "]Q1", "  ", "https://QR.example/c/"]))
    found = verify_scan(prefix + code + data.draw(st.sampled_from(["", "\r", "\n", "\t"])), WORLD)
    assert not isinstance(found, Refusal)
    assert found.identity == ("acme", 7, 5)
