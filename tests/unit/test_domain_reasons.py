"""Whatever code is behind it, cashiers read a sentence: the closed lists have one for each, in both languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.api.errors import PROBLEMS, problem_json
from agent.domain import member_card, time
from agent.domain.bundle import Age
from agent.domain.decide import Decision
from agent.domain.outcome import SAYINGS, Outcome
from agent.domain.reasons import CARDS, STOPS, Stop
from agent.domain.time import EffectiveTime
from agent.domain.token import TokenFault
from agent.domain.verdict import make_verdict
from agent.health import _CLOCK_SAID, Facts, issues
from agent.ports import Counts, PrintState
from agent.printing.words import CAUSES
from drivers.ports import DeviceState, PrinterCause

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WEB = Path(__file__).parents[2] / "agent" / "web" / "words.js"
FOR_PROGRAMMERS = {"bad_request", "bad_body"}
"""What a program sent is wrong: the reason is the parser's."""
NEED_A_WORD = {"drawer_shut", "till_stopped", "too_many_returned", "card_refused"}


def is_chinese(text: str) -> bool:
    """A sentence, and no stable code in it."""
    return bool(re.search("[\u4e00-\u9fff]", text)) and not re.search("[a-z]+_[a-z]+|[{}]", text)


def is_english(text: str) -> bool:
    return text.isascii() and " " in text and not re.search("[a-z]+_[a-z]+|[{}]", text)


@pytest.mark.parametrize(
    ("code", "why"), [*STOPS.items(), *CARDS.items()], ids=[*map(str, STOPS), *map(str, CARDS)]
)
def test_each_reason_says_what_is_wrong_and_what_to_do(code, why):
    assert is_chinese(why.zh)
    assert is_chinese(why.next_zh)
    assert "请" in why.next_zh
    assert is_english(why.en)
    assert is_english(why.next_en)
    assert code not in why.zh + why.next_zh


def test_every_code_of_a_card_has_its_sentence():
    source = Path(member_card.__file__).read_text("utf-8")
    assert set(CARDS) == {*map(str, TokenFault), *re.findall(r'CardRefused\("(\w+)"\)', source)}


@pytest.mark.parametrize(
    ("code", "reason"), [("till_stopped", one) for one in STOPS] + [("card_refused", one) for one in CARDS]
)
def test_the_api_says_the_sentence_and_the_code_to_support_alone(code, reason):
    said = problem_json(code, reason)
    assert is_chinese(str(said["zh"]))
    assert str(reason) not in str(said["zh"])
    english = str(said["en"])
    assert english.endswith(f" ({reason})")
    assert is_english(english.removesuffix(f" ({reason})"))


def test_no_other_sentence_of_the_api_takes_a_code():
    with_reason = {code for code, problem in PROBLEMS.items() if "{reason}" in problem.zh + problem.en}
    assert with_reason == FOR_PROGRAMMERS | NEED_A_WORD, "a new one says its reason in Chinese, too"
    for problem in PROBLEMS.values():
        assert ("{reason}" in problem.zh) == ("{reason}" in problem.en)


@pytest.mark.parametrize("stop", Stop)
def test_the_verdict_of_a_stopped_till_says_why(stop):
    said = make_verdict(
        Decision(Outcome.TILL_STOPPED, detail=stop), scan_id="s", at=NOW, source="x", zone=UTC, currency="CNY"
    )
    assert said.zh == f"{SAYINGS[Outcome.TILL_STOPPED].zh}：{STOPS[stop].zh}"
    assert (said.next_zh, said.next_en) == (STOPS[stop].next_zh, STOPS[stop].next_en)
    assert said.to_json()["detail"] == stop.value


@pytest.mark.parametrize(
    "stop", [one for one in Stop if one is not Stop.CODES_UNREADABLE]
)  # of one code, not of the till
def test_a_stopped_till_has_an_issue_of_that_name(stop):
    def facts(enrolled, age):
        clock = EffectiveTime(NOW, NOW)
        return Facts(enrolled, stop, age, clock, Counts({}, 0, 0, None, {}, 0), (), (), 0, 9000)

    found = issues(facts(stop is not Stop.NOT_ENROLLED, None if stop is Stop.NO_BUNDLE else Age.FRESH))
    (issue,) = [one for one in found if one.code == stop]
    assert is_chinese(issue.zh)


def test_every_doubt_of_the_clock_and_cause_of_a_printer_is_said():
    source = Path(time.__file__).read_text("utf-8")
    assert set(_CLOCK_SAID) == set(re.findall(r'"(behind|ahead)"', source))
    assert set(PrinterCause) <= set(CAUSES)
    for cause, said in CAUSES.items():
        assert cause == "" or (is_chinese(said.zh) and is_english(said.en))
        assert (said.do_zh, said.do_en) == ("", "") or (is_chinese(said.do_zh) and is_english(said.do_en))


# the page's own words


def table(name: str) -> str:
    return WEB.read_text("utf-8").split(f"const {name} = {{\n", 1)[1].split("\n};\n", 1)[0]


def texts(language: str) -> dict[str, str]:
    block = table("TEXT").split(f"  {language}: {{\n", 1)[1].split("\n  },", 1)[0]
    return dict(re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', block))


def test_the_page_has_its_sentences_in_both_languages_with_the_same_names():
    zh, en = texts("zh"), texts("en")
    assert len(zh) > 80
    assert {key for key in en if not key.endswith("_one")} == set(zh)
    for key in zh:
        names = [set(re.findall(r"\{(\w+)\}", text)) for text in (zh[key], en[key])]
        assert names[0] == names[1], key


def test_the_page_has_a_word_for_each_code_that_it_may_be_sent():
    big = dict(re.findall(r'  (\w+): \["([^"]+)", "[^"]+"\]', table("BIG")))
    assert set(big) == {*Outcome, "good", "warn", "bad"}
    states = dict(re.findall(r'  (\w+): \["([^"]+)", "[^"]+"\]', table("PRINT_STATES")))
    assert set(states) == set(PrintState)
    zh = texts("zh")
    assert {"lost_device" if state is DeviceState.LOST else state.value for state in DeviceState} <= set(zh)
    assert {f"bundle_{age.value}" for age in Age} <= set(zh)
    assert all(is_chinese(word) for word in (*big.values(), *states.values()))
