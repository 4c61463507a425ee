"""Every road by which a text comes to shoppers asks the one list: what a vector forbids is refused on all of them, with
the same neutral words, and what it allows is let pass."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.commands.campaign_file import read_campaign
from agent.commands.check import check
from agent.commands.offer_examples import example_campaign
from agent.domain import shop
from agent.domain.campaign import Words, to_wire
from agent.receipts.book import Book
from config import ConfigError
from tests.integration.cloud_server_kit import running_cloud
from tests.unit.cloud_kit import campaign

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wording.json").read_text("utf-8"))
HEAD = "receipt 1 redemption en\ntext: {number}\n"


def fits_a_line(text: str) -> bool:
    return text.isprintable() and not any(sign in text for sign in '|{}"\\') and text == text.strip()


FORBIDDEN = [case for case in VECTORS["forbidden"] if fits_a_line(case["text"])]
ALLOWED = [text for text in VECTORS["allowed"] if fits_a_line(text)]
assert len(FORBIDDEN) > 40, "the vectors can be written into files"
assert len(ALLOWED) > 40


def template(text: str) -> str:
    return f"{HEAD}text: {text}\n"


def _campaign_file(folder: Path, text: str) -> str:
    path = folder / "offer.toml"
    written = example_campaign("amount_off", "acme", 1, date(2026, 11, 22), date(2027, 2, 20))
    path.write_text(written.replace("满百立减", text), "utf-8")
    try:
        read_campaign(path)
    except ConfigError as error:
        return str(error)
    return ""


def _check_config(folder: Path, text: str) -> str:
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "mine.receipt").write_text(template(text), "utf-8")
    path = folder / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{folder}/state"\n[receipt]\ntemplates = "{folder}/templates"\n', "utf-8"
    )
    return "\n".join(str(problem) for problem in check(path))


def _till(_folder: Path, text: str) -> str:
    """What a till does with a template of its bundle."""
    book = Book()
    book.take((shop.Template("mine", 1, template(text).encode()),))
    return "\n".join(book.faults)


@pytest.mark.parametrize("road", [_campaign_file, _check_config, _till], ids=lambda road: road.__name__[1:])
def test_what_is_forbidden_is_refused_on_every_road(road: Callable[[Path, str], str], tmp_path: Path) -> None:
    for case in FORBIDDEN:
        refused = road(tmp_path, case["text"])
        first = case["promises"][0]
        assert f"promises {first['found']!r}: say {first['neutral']!r}" in refused
    for text in ALLOWED:
        assert road(tmp_path, text) == "", text


def test_the_commands_for_templates_and_rules_refuse_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.receipt"
    path.write_text(template("反现"), "utf-8")
    assert main(["receipt", "check", str(path)]) == 65
    assert "line 3: promises '反现': say '满减'" in capsys.readouterr().out
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[join]\nurl = "https://m.example/join"\nwords = { zh = "入会", en = "Join: 100% refund" }\n', "utf-8"
    )
    assert main(["receipt", "rules", str(rules), "--check"]) == 65
    assert "join.words.en promises '100 percent refund': say 'money off'" in capsys.readouterr().err
    rules.write_text(
        '[join]\nurl = "https://m.example/join"\nwords = { zh = "入会", en = "Join" }\n', "utf-8"
    )
    assert main(["receipt", "rules", str(rules), "--check"]) == 0


def _bodies(text: str, number: int = 7) -> list[tuple[str, dict[str, Any]]]:
    """(path, body) of all by which head office gives a cloud texts that go into bundles."""
    offer = replace(campaign(number=number), title=Words("满减", text))
    content = base64.b64encode(template(text).encode()).decode()
    words = {"zh": text, "en": "x"}
    return [
        ("campaigns", {"campaign": to_wire(offer), "promo": None}),
        ("messages", {"messages": [{"words": words, "starts": 0, "ends": 60_000}]}),
        ("templates", {"templates": [{"name": "mine", "version": 1, "content": content}]}),
        ("receipt-rules", {"rules": {"join": {"url": "https://m.example/join", "words": words}}}),
    ]


async def test_a_cloud_builds_no_bundle_of_it(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        await cloud.set_up()
        till = await cloud.enrol("T-1")
        before = await till.refresh()
        for case in FORBIDDEN:
            for path, body in _bodies(case["text"]):
                status, said = await cloud.admin("POST", path, body)
                assert status == 422, (path, case["text"], said)
                assert f"say {case['promises'][0]['neutral']!r}" in said["detail"], (path, said)
        after = await till.refresh()
        assert (after.shop, after.receipt_rules) == (before.shop, before.receipt_rules)
        assert after.campaigns == before.campaigns
        for path, body in _bodies("现金支付, refund policy, Guarantee Street 5", number=8):
            status, said = await cloud.admin("POST", path, body)
            assert status == 201, (path, said)


TWO_LINES = {
    "columns": "columns: 返 | 现\n",
    "lines": "text: 满100返\ntext: 现30\n",
    "lines between rules": "text: 返\nrule\ntext: 现\n",
    "a line whose fact is empty": "text: 返\ntext: {promo_title}\ntext: 现\n",
    "styles": "text bold: cash\ntext x2: back\n",
    "letters": "columns: c a s | h  b a c k\n",
    "line and column": "text: 100%\ncolumns: refund | {total}\n",
    "into an if": "text: 返\nif offline\n  text: 现\nend\n",
    "out of an if": "if offline\n  text: 返\nend\ntext: 现\n",
    "past the other branch": "text: 返\nif offline\n  text: 谢谢\nelse\n  text: 现\nend\n",
    "from branch to branch": "if offline\n  text: 返\nend\nif total\n  text: 现\nend\n",
    "behind a branch that denies": "if offline\n  text: 本券不可\nend\ntext: 兑换现金\n",
}


@pytest.mark.parametrize("body", TWO_LINES.values(), ids=TWO_LINES)
def test_a_promise_over_lines_and_columns_of_a_template_is_found(body: str) -> None:
    book = Book()
    book.take((shop.Template("mine", 1, (HEAD + body).encode()),))
    (fault,) = book.faults
    assert "promises" in fault


@pytest.mark.parametrize(
    "body",
    [
        "text: 本券不可转让、\ntext: 兑换现金\n",
        "columns: 现金 | {total}\ntext: Refund policy: see the desk\n",
        "text: We take cash.\ntext: Back soon\n",
        "if offline\n  text: 返\nelse\n  text: 现在\nend\n",
        "text: 积分已返\ncolumns: 现金支付 | {total}\n",
    ],
)
def test_what_lines_say_without_promising_is_left_alone(body: str) -> None:
    book = Book()
    book.take((shop.Template("mine", 1, (HEAD + body).encode()),))
    assert book.faults == ()
