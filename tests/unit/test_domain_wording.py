"""Promises that must not be printed are found however they are written; plain offers are left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.commands.campaign_file import read_campaign
from agent.commands.offer_examples import example_campaign
from agent.domain import wording
from agent.domain.campaign import Words, to_wire
from agent.domain.fields import FieldError
from agent.domain.outcome import SAYINGS
from agent.domain.receipt_template import LANGUAGES, PAPERS
from agent.domain.wording import normal, promises
from agent.printing.words import CAUSES
from agent.receipts.book import built_in_text
from cloud.api.forms import offer
from config import ConfigError


def said(text: str) -> list[str]:
    return [promise.found for promise in promises(text)]


VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wording.json").read_text("utf-8"))


@pytest.mark.parametrize("case", VECTORS["forbidden"], ids=lambda case: ascii(case["text"]))
def test_a_forbidden_promise_is_found_however_it_is_written(case):
    found = [{"found": one.found, "neutral": one.neutral} for one in promises(case["text"])]
    assert found == case["promises"]


@pytest.mark.parametrize("text", VECTORS["allowed"])
def test_what_promises_nothing_is_left_alone(text):
    assert said(text) == []


def test_every_row_of_the_list_has_a_vector():
    texts = [normal(case["text"]) for case in VECTORS["forbidden"]]
    missing = [pattern.pattern for pattern, _, _ in wording._PROMISES if not any(map(pattern.search, texts))]
    assert missing == []


SHORT = st.text(max_size=60)
GAPS = st.sampled_from(
    [" ", "\n", "\t", "\r\n", "\u3000", "-", "*", "_", "~", "·", "|", "\u200b", "\u00ad", "\u202e", "\x1b"]
)


@given(SHORT)
def test_the_normal_form_is_its_own(text):
    once = normal(text)
    assert normal(once) == once
    assert "  " not in once
    assert once == once.strip()


@given(
    SHORT,
    st.sampled_from(["返现", "提现", "投资回报", "cash back", "guaranteed"]),
    st.lists(GAPS, min_size=1, max_size=4),
)
def test_whatever_stands_between_its_letters_a_promise_is_found(around, words, gaps):
    letters = words.replace(" ", "")
    spread = "".join(letter + gaps[place % len(gaps)] for place, letter in enumerate(letters))
    text = f"{around}。 {spread}。 {around}"
    assert normal(words).replace(" ", "") in [one.replace(" ", "") for one in said(text)]


@given(SHORT)
def test_width_and_case_change_nothing(text):
    text += " cash back 返现"
    wide = "".join(
        chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" and sign not in ",!?;:" else sign for sign in text
    )
    assert said(wide) == said(text)
    assert said(text.swapcase()) == said(text.swapcase().casefold())


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
