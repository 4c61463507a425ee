"""Promises that must not be printed are found however they are written; plain offers are left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.campaign_file import read_campaign
from agent.commands.offer_examples import example_campaign
from agent.domain.campaign import Words, to_wire
from agent.domain.fields import FieldError
from agent.domain.outcome import SAYINGS
from agent.domain.receipt_template import LANGUAGES, PAPERS
from agent.domain.wording import promises
from agent.printing.words import CAUSES
from agent.receipts.book import built_in_text
from cloud.api.forms import offer
from config import ConfigError


def said(text: str) -> list[str]:
    return [promise.found for promise in promises(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("满100返现30", ["返现"]),
        ("返 现", ["返 现"]),
        ("返-现", ["返-现"]),
        ("返\u200b现30元", ["返现"]),
        ("现金返还，可提现", ["现金返还", "提现"]),
        ("全网最低价", ["最低价"]),
        ("10% Cash back!", ["cash back"]),
        ("CASHBACK", ["cashback"]),
        ("ｃａｓｈ－ｂａｃｋ", ["cash-back"]),
        ("c a s h b a c k", ["c a s h b a c k"]),
        ("get your money-back", ["money-back"]),
        ("a rebate of 5", ["rebate"]),
        ("risk-free", ["risk-free"]),
        ("今日返現，可提現", ["返现", "提现"]),
        ("返您现金", ["返您现金"]),
        ("满100返30元", ["返30元"]),
        ("恭喜中獎", ["中奖"]),
        ("C\u0430sh back", ["cash back"]),  # a Cyrillic a
    ],
)
def test_a_forbidden_promise_is_found_however_it_is_written(text, found):
    assert said(text) == found
    assert all(promise.neutral for promise in promises(text))


@pytest.mark.parametrize(
    "text",
    [
        "满100减30",
        "满100返30元券",
        "最便宜的一件半价",
        "往返现场班车",
        "回到现场",
        "a cash backpack",
        "30 off 100",
        "免费兑换一件",
        "refunds at the desk",
    ],
)
def test_a_plain_offer_is_left_alone(text):
    assert said(text) == []


@given(st.text())
def test_any_text_is_judged_and_what_is_offered_instead_is_allowed(text):
    for promise in promises(text + "返现 cash back"):
        assert said(promise.neutral) == []


def test_what_this_program_says_itself_is_allowed():
    ours = [built_in_text(paper, language) for paper in PAPERS for language in LANGUAGES]
    ours += [text for pair in CAUSES.values() for text in pair]
    ours.append(repr(SAYINGS))
    assert [said(text) for text in ours if said(text)] == []


def test_a_campaign_file_and_the_cloud_refuse_such_a_campaign(tmp_path):
    text = example_campaign("amount_off", "acme", 1, date(2026, 11, 22), date(2027, 2, 20))
    path = tmp_path / "offer.toml"
    path.write_text(text, "utf-8")
    good = read_campaign(path).campaign
    assert offer({"campaign": to_wire(good)})[0] == good

    path.write_text(text.replace("满百立减", "满百返现"), "utf-8")
    with pytest.raises(ConfigError, match=r"返现.*满减"):
        read_campaign(path)
    with pytest.raises(FieldError, match=r"conditions\.en promises 'cash back': say 'money off'"):
        offer({"campaign": to_wire(replace(good, conditions=Words("", "Cash back!")))})
