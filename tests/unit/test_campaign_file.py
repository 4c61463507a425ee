"""A campaign file: the example is good, every fault is named with its line and key, and what is said of a good one."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.commands.campaign_file import read_campaign
from agent.commands.offer_examples import EXAMPLES, MORE, example_campaign
from agent.commands.wording import campaign_lines, doubt_lines, loss_lines
from agent.domain import campaign as campaigns
from agent.domain.benefit_wire import KIND_OF
from agent.domain.campaign import OfflineClass
from config import ConfigError, Problem
from tests.offers import amount_off

GOOD = example_campaign("amount_off", "acme", 1001, date(2026, 11, 22), date(2027, 2, 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "autumn.toml"


def problems(path: Path, text: str) -> list[Problem]:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        read_campaign(path)
    return list(raised.value.problems)


def changed(pattern: str, replacement: str) -> str:
    text, count = re.subn(pattern, replacement, GOOD, flags=re.MULTILINE)
    assert count == 1, pattern
    return text


def line_of(text: str, piece: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if piece in line)


def test_the_example_is_a_good_campaign(path: Path) -> None:
    path.write_text(GOOD, "utf-8")
    found = read_campaign(path)
    assert (found.campaign.issuer, found.campaign.number, found.campaign.version) == ("acme", 1001, 1)
    assert found.campaign.offer == amount_off(10_000, 3_000)
    assert (found.campaign.starts, found.promo) == (20_779, None)
    assert campaigns.from_wire(campaigns.to_wire(found.campaign)) == found.campaign


def test_what_stands_in_comments_of_the_example_is_good_too(path: Path) -> None:
    text = GOOD.replace("# [promo]", "[promo]").replace("# per_till", "per_till").replace("# valid", "valid")
    path.write_text(text.replace("# stores", "stores").replace("# uses", "uses"), "utf-8")
    found = read_campaign(path)
    assert found.promo == {"per_till": 60, "valid_days": 30}
    assert (found.campaign.stores, found.campaign.uses) == (frozenset({1, 7}), 100)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_a_shopper_reads_fits_what_the_example_gives(path: Path, kind: str) -> None:
    path.write_text(example_campaign(kind, "acme", 1001, date(2026, 11, 22), date(2027, 2, 20)), "utf-8")
    found = read_campaign(path).campaign
    assert KIND_OF[type(found.offer.benefit)] == kind
    assert (found.title.en == "30 off 100") == (kind == "amount_off")


def test_every_benefit_has_an_example() -> None:
    assert list(EXAMPLES) == list(KIND_OF.values())


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_example_of_a_benefit_is_a_good_campaign(path: Path, kind: str) -> None:
    """With what stands in its comments, and without."""
    bare = EXAMPLES[kind] + MORE
    whole = re.sub(r"^# (\[|\w+ = )", r"\1", bare, flags=re.MULTILINE)
    for offer in (bare, whole) if kind not in ("amount_off", "item") else (bare,):
        path.write_text(GOOD.replace(EXAMPLES["amount_off"] + MORE, offer), "utf-8")
        found = read_campaign(path).campaign
        assert KIND_OF[type(found.offer.benefit)] == kind
        assert campaigns.from_wire(campaigns.to_wire(found)) == found
        assert "offer" in "\n".join(campaign_lines(found, None))


@pytest.mark.parametrize(
    ("pattern", "replacement", "key", "wrong"),
    [
        (r"^issuer = .*", 'issuer = "=cmd()"', "issuer", "is not a name"),
        (r"^currency = .*", 'currency = "cny"', "currency", "ISO 4217"),
        (r"^starts = .*", 'starts = "2026-11-22"', "starts", "is not a date"),
        (r"^ends = .*", "ends = 2019-01-01", "ends", "is before starts"),
        (r"^ends = .*", "ends = 2500-01-01", "ends", "is not a date from 1970-01-01"),
        (r"^size = .*", "size = 0", "size", "from 1 to"),
        (r"^size = .*\n", "", "size", "is missing"),
        (r"^offline_class = .*", 'offline_class = "E"', "offline_class", "not one of A, B, C, D"),
        (r"^grace_days", "grace_dayz", "grace_dayz", "not known"),
        (
            r"^steps = .*",
            "steps = [{ off_minor = 30.0 }]",
            "offer.benefit.steps[0].off_minor",
            "not an integer",
        ),
        (r"^kind = .*", 'kind = "lottery"', "offer.benefit.kind", "not one of"),
        (r"^steps = .*", "steps = [1]", "offer.benefit.steps[0]", "is not a map"),
        (r"^count_day = .*", "count_day = -1", "budget.count_day", "not an integer"),
        (r"^count_day = .*", "count_day = 0", "budget.count_day", "no coupon would be taken"),
        (r"^value_day_minor = .*", "value_day_minor = 2999", "budget.value_day_minor", "below what one"),
        (r'^zh = "满百立减"', 'zh = ""', "title.zh", "is empty"),
        (r"^issuer = ", "version = 3\nissuer = ", "version", "not yours"),
    ],
)
def test_a_fault_is_named_with_line_and_key(
    path: Path, pattern: str, replacement: str, key: str, wrong: str
) -> None:
    text = changed(pattern, replacement)
    (problem,) = problems(path, text)
    assert problem.key == key
    assert wrong in problem.wrong
    assert problem.allowed
    if replacement:
        assert problem.line == line_of(text, replacement.splitlines()[0])


def test_all_faults_are_named_at_once(path: Path) -> None:
    text = changed(r"^number = .*", "number = -1")
    for old, new in (
        ("off_minor = 3000 }]\n#", "off_minor = 0 }]\n#"),
        ("count_day = 200 ", "count_dya = 200 "),
        ('en = "30 off 100"', "en = 30"),
    ):
        assert old in text
        text = text.replace(old, new)
    found = problems(path, text + "\n[extra]\n")
    assert [problem.key for problem in found] == [
        "number",
        "title.en",
        "offer.benefit.steps[0].off_minor",
        "budget.count_day",
        "budget.count_dya",
        "extra",
    ]
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"issuer = acme", "no valid TOML"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x = " + b"[" * 100, "nested"),
        (b"#" * 70_000, "larger than 64 KiB"),
    ],
)
def test_what_is_no_campaign_file(path: Path, content: bytes, wrong: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=wrong):
        read_campaign(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name, wrong in (("none.toml", "does not exist"), (".", "not a regular file")):
        with pytest.raises(ConfigError, match=wrong):
            read_campaign(tmp_path / name)


VALUES = st.sampled_from(
    ["0", "-1", "true", "1.5", "[]", "[1]", "{}", '""', '"x"', "2026-01-01", "99999999999999"]
)
KEYS = st.sampled_from(re.findall(r"^(\w+) = ", GOOD, re.MULTILINE))


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=6), st.text("ab \"'.[]=\n\x1b\u202e", max_size=12))
def test_any_change_gives_a_campaign_or_problems(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str], more: str
) -> None:
    text = GOOD
    for key, value in values.items():
        text = re.sub(rf"^{key} = .*", f"{key} = {value}", text, flags=re.MULTILINE)
    path = tmp_path_factory.mktemp("any") / "c.toml"
    path.write_text(f"{text}\n{more}", "utf-8")
    faults: tuple[Problem, ...] = ()
    try:
        found = read_campaign(path)
    except ConfigError as error:
        faults = error.problems
    else:
        assert campaigns.from_wire(campaigns.to_wire(found.campaign)) == found.campaign
    assert all(problem.wrong and problem.allowed and str(problem).isprintable() for problem in faults)


def test_a_campaign_in_words(path: Path) -> None:
    path.write_text(GOOD, "utf-8")
    campaign = read_campaign(path).campaign
    said = "\n".join(campaign_lines(campaign, {"per_till": 60, "valid_days": 30}))
    for piece in ("满百立减 / 30 off 100", "满 100 减 30", "2026-11-22 to 2027-02-20", "class C", "60 ready"):
        assert piece in said
    loss = "\n".join(loss_lines(campaign, 40, 1000))
    assert "1000 coupons of at most 30.00 CNY, 30000.00 CNY" in loss
    assert "240000.00 CNY a day, and 120000.00 CNY while no till reaches the cloud (40 tills)" in loss


def test_what_is_hardly_meant_is_said(path: Path) -> None:
    path.write_text(GOOD, "utf-8")
    campaign = read_campaign(path).campaign
    assert list(doubt_lines(campaign, campaign.ends + campaign.grace_days)) == []
    (over,) = doubt_lines(campaign, campaign.ends + campaign.grace_days + 1)
    assert "2027-02-20, is over" in over
    path.write_text(GOOD.replace("off_minor = 3000", "off_minor = 30000"), "utf-8")
    (amount,) = doubt_lines(read_campaign(path).campaign, campaign.ends)
    assert "300.00 CNY off from 100.00 CNY" in amount


def test_a_stored_value_that_is_spent_once_is_doubted_and_the_example_is_not(path: Path) -> None:
    text = example_campaign("stored_value", "acme", 7, date(2026, 11, 22), date(2027, 2, 20))
    path.write_text(text, "utf-8")
    campaign = read_campaign(path).campaign
    assert campaign.uses == 100
    assert list(doubt_lines(campaign, campaign.ends)) == []
    (promise, *_) = loss_lines(campaign, 3, 10)
    assert "1000.00 CNY if every one is used up, in at most 100 parts" in promise, (
        "one balance, not a hundred"
    )
    path.write_text(text.replace("uses = 100 ", "uses = 1 "), "utf-8")
    (lost,) = doubt_lines(read_campaign(path).campaign, campaign.ends)
    assert "what the first sale leaves on a coupon is lost" in lost
    path.write_text(text.replace('# returns = "coupon"', 'returns = "coupon"'), "utf-8")
    assert read_campaign(path).campaign.returns.value == "coupon"


@pytest.mark.parametrize("code", ["RMB", "YEN", "cny", "XXX"])
def test_a_currency_that_is_none_is_refused(path: Path, code: str) -> None:
    path.write_text(GOOD.replace('"CNY"', f'"{code}"'), "utf-8")
    with pytest.raises(ConfigError, match="no currency of ISO 4217"):
        read_campaign(path)


def test_an_unbounded_loss_is_said_loudly(path: Path) -> None:
    start, end = GOOD.index("[budget]"), GOOD.index("[prompt]")
    path.write_text(
        (GOOD[:start] + GOOD[end:]).replace('offline_class = "C"', 'offline_class = "D"'), "utf-8"
    )
    campaign = read_campaign(path).campaign
    assert campaign.offline_class is OfflineClass.OPEN
    assert "NOT BOUNDED" in "\n".join(loss_lines(campaign, 3))
