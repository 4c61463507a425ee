"""The thief at receipts: whatever a POS or a campaign writes, paper and page get text, and nothing opens the drawer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

import config
from agent.domain.campaign import Words, from_wire, to_wire
from agent.domain.fields import FieldError
from agent.domain.receipt_template import PAPERS
from agent.domain.template_reader import TemplateError, read_template
from agent.receipts.book import built_in
from agent.receipts.escpos import render_escpos
from agent.receipts.html import render_html
from agent.receipts.maker import document_of, lay_out
from agent.receipts.profile import PrinterProfile
from agent.receipts.redemption import RedemptionFacts
from drivers.escpos_commands import DRAWER_PULSE, split_commands
from drivers.escpos_reader import PaperCut, read_receipt
from drivers.virtual_printer import VirtualPrinter
from tests.factory import Factory, amount_off
from tests.integration.api_kit import RealTill, real_till
from tests.receipt_samples import PROFILES, ZH

HOSTILE = {
    "a drawer": "¥5\x1bp\x00\x19\xfa",
    "a drawer in real time": "\x10\x14\x01\x00\x05",
    "a status": "\x10\x04\x01 \x1dr\x01",
    "a cut and a receipt": "\x1dVB\x00\x1b@\x1c&满100减100",
    "Chinese mode off": "\x1c.中文",
    "an image": "\x1dv0\x00\x01\x00\x01\x00\xff \x1b*!\x18\x00",
    "a macro": "\x1d:\x1d^\x05\x00\x00",
    "bytes of two": "\u871b\u8b6c\x1b",  # with lead and trail bytes of several sets
    "NUL": "a\x00b",
    "lines": "a\rb\nc\r\nd\x85e\u2028f\x0b\x0cg",
    "C1": "\x9b31m\x90",
    "backwards": "a\u202e00.03\u202c\u2066x\u2069",
    "unseen": "\u200b\ufeff\u00ad\u2060",
    "lone surrogate": "\ud800",
    "private and unassigned": "\ue000\uffff\U000e0041",
    "script": "<script>window.owned=1</script>",
    "markup": "</p></div><img src=x onerror=window.owned=1><svg/onload=window.owned=1>'\"&amp;",
    "a template": "{store} {{ }} {0} %s ${x} {% raw %} columns: a | b",
    "long": "长" * 10_000,
    "long in Latin": "x" * 10_000,
    "marks": "a" + "\u0301" * 300,
    "a copy": "*** 重打 第1次 *** *** COPY 1 ***",
}
WORDS = (
    *("store_name", "till", "printed_at", "redemption_number", "campaign_title", "benefit_text"),
    *("promo_title", "promo_conditions", "promo_short", "join_words", "referral_words", "conflict"),
)
CODES = ("promo_token", "join_link", "referral_link")
OURS = {
    *(b"", b"\n", b"\t", b"\x1b@", b"\x1c&", b"\x1c.", b"\x1cC", b"\x1bt", b"\x1ba", b"\x1bE", b"\x1bd", b"\x1bJ"),
    *(b"\x1d(", b"\x1d!", b"\x1dv", b"\x1dV", b"\x1b*", b"\x1dh", b"\x1dw", b"\x1dH", b"\x1dk"),
}  # fmt: skip
TAGS = {"div", "p", "span", "hr", "br", "svg", "rect", "path", "img"}


def hostile_facts(text: str) -> RedemptionFacts:
    """Every text of a receipt is this one, on every paper."""
    named = dict.fromkeys((*WORDS, *CODES), text)
    return msgspec.structs.replace(ZH, papers=PAPERS, left_minor=5, paid_minor=3, **named)


def document(facts: RedemptionFacts) -> str:
    stored = msgspec.json.encode(facts).decode()
    return lay_out(stored, built_in)


def is_text(text: str) -> bool:
    return all(sign.isprintable() or sign in "\n　" for sign in text)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "lone surrogate"])  # no JSON holds one
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_nothing_but_text_reaches_the_printer(name: str, profile: PrinterProfile) -> None:
    job = render_escpos(document_of(document(hostile_facts(HOSTILE[name])), 0), profile)
    commands, rest = split_commands(job)
    assert rest == b""
    assert {command.name for command in commands} <= OURS
    assert DRAWER_PULSE not in job
    assert job.count(b"\x1b@") == 1
    for real_time in (b"\x10\x04", b"\x10\x05", b"\x10\x14"):
        assert real_time not in job
    charset = {"shift_jis": "cp932", "ksx1001": "euc_kr", "big5": "big5", "gbk": "gbk"}
    paper = read_receipt(
        job, profile.dots, charset.get(profile.encoding, "gb18030"), column_dots=profile.column_dots
    )
    assert paper.problems == ()
    assert is_text(paper.text)
    if profile.cutter:
        assert sum(isinstance(mark, PaperCut) for mark in paper.marks) == len(PAPERS)
    if name != "lone surrogate" and not HOSTILE[name].isascii():
        assert paper.qr_codes == (), "what is no code is printed as none"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "lone surrogate"])
def test_the_preview_shows_text_only(name: str) -> None:
    shown = render_html(document_of(document(hostile_facts(HOSTILE[name])), 1))
    tags = Tags()
    tags.feed(shown)
    assert {tag for tag, _ in tags.found} <= TAGS
    for tag, attributes in tags.found:
        for attribute, value in attributes:
            assert not attribute.startswith("on")
            assert attribute not in ("style", "href", "xlink:href")
            assert attribute != "src" or str(value).startswith("data:image/png;base64,"), tag
    assert is_text("".join(tags.texts))
    assert shown.count('<div class="paper">') == len(PAPERS)


def campaign_wire(**changes: Any) -> dict[str, Any]:
    return to_wire(amount_off()) | changes


@pytest.mark.parametrize("name", HOSTILE)
def test_no_campaign_holds_what_is_no_text(name: str) -> None:
    """Such a bundle's campaign is not read; what is text stays, and stays text."""
    text = HOSTILE[name]
    for field in ("title", "prompt", "conditions"):
        wire = campaign_wire(**{field: {"zh": text, "en": text}})
        if text.isprintable() and len(text) <= 200:
            assert getattr(from_wire(wire), field) == Words(text, text)
        else:
            with pytest.raises(FieldError, match=r"\.zh is not a printable text"):
                from_wire(wire)


# a whole till


@asynccontextmanager
async def counter(
    folder: Path, factory: Factory, **tables: Any
) -> AsyncIterator[tuple[RealTill, VirtualPrinter]]:
    async with VirtualPrinter() as printer:
        network = config.TcpPrinter(name="front", host="127.0.0.1", port=printer.port)
        async with real_till(folder, factory, printer=(network,), **tables) as till:
            yield till, printer


EVIL = HOSTILE["markup"][:60]


def evil_sale(text: str) -> dict[str, Any]:
    line = {
        "sku": text,
        "quantity": 1,
        "unit_price_minor": 20_000,
        "category": text,
        "brand": text,
        "line": text,
    }
    return {
        "total_minor": 20_000,
        "sale_id": text,
        "channel": text,
        "tenders": [text],
        "out_of_stock": [text],
        "assistant": text,
        "lines": [line],
    }


def words_of(job: bytes) -> list[str]:
    """What is on paper, without its time and number."""
    lines = read_receipt(job).text.splitlines()
    return [line for line in lines if "T-0001" not in line and ":" not in line]


async def test_nothing_that_a_pos_says_of_a_sale_is_on_its_receipt_or_opens_the_drawer(
    tmp_path: Path,
) -> None:
    async with counter(tmp_path / "state", Factory()) as (till, printer):
        assert (await till.redeem(till.coupon(), total_minor=20_000)).json["accepted"]
        for name in ("script", "markup", "a template", "a copy"):
            said = await till.redeem(till.coupon(), **evil_sale(HOSTILE[name][:64]))
            assert said.json["accepted"], said.json
        for name in ("a drawer", "a drawer in real time", "NUL", "lines", "backwards", "C1", "long"):
            refused = await till.redeem(till.coupon(), **evil_sale(HOSTILE[name]))
            assert (refused.status, refused.code) in ((400, "bad_body"), (413, "too_large")), name
        for body in (
            {"text": till.coupon(), "member": {"pseudonym": EVIL}},
            {"text": till.coupon(), "supervisor": "x" * 10_000},
        ):
            answer = await till.call("POST", "/v1/redeem", body, Idempotency_Key="m")
            assert (answer.status, answer.code) == (400, "bad_body")
        jobs = await printer.wait_for_jobs(5)
    first, *others = map(words_of, jobs)
    assert len(jobs) == 5
    assert others == [first] * 4, (
        "a receipt says what the offer is, and nothing that the POS sent but the total"
    )
    assert not any(DRAWER_PULSE in job for job in jobs)


async def test_what_a_campaign_says_is_on_paper_and_screen_as_text(tmp_path: Path) -> None:
    factory = Factory()
    factory.campaigns = [
        replace(amount_off(), title=Words(EVIL, EVIL), conditions=Words("<script>", "<script>"))
    ]
    factory.promos = []
    async with counter(tmp_path / "state", factory, receipt=config.Receipt()) as (till, printer):
        said = (await till.redeem(till.coupon(), total_minor=20_000)).json
        (job,) = await printer.wait_for_jobs(1)
        shown = (await till.call("GET", f"/v1/prints/{said['print_job']}")).json
    assert EVIL.replace(" ", "") in read_receipt(job).text.replace("\n", "").replace(" ", "")
    assert "<img" not in shown["html"]
    assert "&lt;img src=x onerror" in shown["html"]


SECRETS = (
    *("text: {key}\n", "text: {till_key}\n", "text: {store.__class__}\n", "text: {0}\n", "text: {}\n"),
    *("text: {store!r}\n", "text: {store:>9999999}\n", "text: {store[0]}\n", "text: {{store}\n", "include: x\n"),
    *("if __import__\ntext: x\nend\n", "if promo_code == x\ntext: x\nend\n", "qr: {store}\n", "qr: {conflict}\n"),
    *("image ../../etc/passwd: x\n", "image /etc/passwd: x\n", "image logo.svg: x\n", "image http://x/a.png: x\n"),
    *("drawer\n", "raw: \\x1bp\n", "text: a\x1bp\n"),
)  # fmt: skip


@pytest.mark.parametrize("body", SECRETS)
def test_a_template_reads_nothing_but_the_facts_of_its_receipt(body: str) -> None:
    with pytest.raises(TemplateError, match="line 3"):
        read_template(f"receipt 1 redemption\ntext: {{number}}\n{body}")
