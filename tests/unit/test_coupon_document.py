"""docs/coupon-format.md, "Checking with keys alone": the file it shows is one that `redeemd verify --keys` takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.commands.errors import CommandError
from agent.commands.verify import explain, from_keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coupon-format.md").read_text(encoding="utf-8")
TOKENS = json.loads((ROOT / "tests" / "vectors" / "tokens.json").read_text(encoding="utf-8"))


def shown() -> list[dict[str, Any]]:
    found = re.search(r"^```json keys\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, "the page shows a keys file"
    keys: list[dict[str, Any]] = json.loads(found[1])
    return keys


def written(path: Path, keys: Any) -> Path:
    path.write_text(json.dumps(keys), encoding="utf-8")
    return path


def test_the_file_that_the_page_shows_verifies_coupons(tmp_path: Path) -> None:
    keys = shown()
    known = from_keys(written(tmp_path / "keys.json", keys))
    outcomes = set()
    for case in TOKENS["valid"]:
        if case["kid"] != keys[0]["kid"]:
            assert explain(case["text"], known)["outcome"] == "unknown_key"
            continue
        claims = case["claims"]
        good = claims["campaign"] in keys[0]["campaigns"]
        good = good and claims.get("value_minor", 0) <= keys[0]["value_max_minor"]
        outcome = explain(case["text"], known)["outcome"]
        assert outcome == ("verified" if good else "beyond_key_limit"), case["name"]
        outcomes.add(outcome)
    assert outcomes == {"verified", "beyond_key_limit"}


def test_the_keys_of_the_vectors_are_such_a_file(tmp_path: Path) -> None:
    known = from_keys(written(tmp_path / "keys.json", TOKENS["keys"]))
    for case in TOKENS["valid"]:
        assert explain(case["text"], known)["outcome"] == "verified", case["name"]
    for case in (case for case in [*TOKENS["invalid"], *TOKENS["untrusted"]] if "outcome" in case):
        answer = explain(case["text"], known)
        assert (answer["outcome"], answer["detail"]) == (case["outcome"], case["fault"]), case["name"]
    for refused in TOKENS["refused_keys"]:
        wrong = {name: refused[name] for name in ("algorithm", "public_key")}
        with pytest.raises(CommandError, match=r"public key|compressed point"):
            from_keys(written(tmp_path / "refused.json", [TOKENS["keys"][0] | wrong]))


def test_the_pages_table_names_every_field_and_which_must_be_there(tmp_path: Path) -> None:
    section = PAGE.split("```json keys")[1].split("```")[1]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    needed = {name for row in rows if "must be there" in row[2] for name in re.findall(r"`(\w+)`", row[0])}
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    least = {name: value for name, value in shown()[0].items() if name in needed}
    usual = {
        "algorithm": -19,
        "campaigns": None,
        "value_max_minor": 10**12,
        "not_before": 0,
        "expires": 65535,
    }
    known = [from_keys(written(tmp_path / "a", [least | more])).contents.keys for more in ({}, usual)]
    assert known[0] == known[1], "what is left out is what the table says"
    assert named == needed | usual.keys()
    for name in needed:
        with pytest.raises(CommandError, match=f"key.{name} is missing"):
            from_keys(written(tmp_path / "b", [{key: least[key] for key in least if key != name}]))
    with pytest.raises(CommandError, match="is not known here"):
        from_keys(written(tmp_path / "c", [least | {"note": "x"}]))
