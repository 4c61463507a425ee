"""schemathesis against a running till: what the API document allows, and what it does not, over real HTTP.

It reads the document that the till serves, with real coupons where a coupon's text stands, so that it gets past the
door. Not checked: `positive_data_acceptance`, for rules between fields (the lines' sum, a key used twice) are no
schema's; `unsupported_method`, for a PUT without JSON is refused (415) before it is looked where it goes. The events
have no end.
`make schemathesis` goes on for longer, with another seed each time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

import config
from drivers.virtual_printer import VirtualPrinter
from tests.integration.api_kit import RealTill, real_till

EXAMPLES = int(os.environ.get("REDEEMD_SCHEMATHESIS_EXAMPLES", "4"))
"""Of each operation."""
LONG = "REDEEMD_SCHEMATHESIS_EXAMPLES" in os.environ
COUPONS = 40
SALE = ("hold", "showHold", "commitHold", "voidHold")
SETTINGS = """\
[phases.coverage]
unexpected-methods = []

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429]
"""
"""A wrong body may be too large, too (413), which it does not expect by itself."""
NOT_CHECKED = "positive_data_acceptance,unsupported_method"


async def document(till: RealTill) -> dict[str, Any]:
    """As the till serves it, with good coupons among the texts."""
    served = (await till.call("GET", "/v1/openapi.json")).json
    good = {"enum": [till.coupon() for _ in range(COUPONS)]}
    shapes = served["components"]["schemas"]
    for name in ("ScanBody", "RedeemBody"):
        text = shapes[name]["properties"]["text"]
        shapes[name]["properties"]["text"] = {"anyOf": [good, text]}
    for name in ("QuoteBody", "HoldBody"):
        coupons = shapes[name]["properties"]["coupons"]
        coupons["items"] = {"anyOf": [good, coupons["items"]]}
    assert isinstance(served, dict)
    return served


async def run(till: RealTill, asked: dict[str, Any], folder: Path, *options: str) -> tuple[int, str]:
    """(exit status, what it printed) of one run."""
    page = folder / "openapi.json"
    page.write_text(json.dumps(asked))
    (folder / "schemathesis.toml").write_text(SETTINGS)
    seed = random.SystemRandom().randrange(2**31) if LONG else 1
    command = ["-m", "schemathesis.cli", "run", str(page), "--url", till.url, "--checks", "all", "--no-color"]
    bounds = ["--seed", str(seed), "--max-examples", str(EXAMPLES), "--request-timeout", "20"]
    left_out = ["--exclude-checks", NOT_CHECKED, "--exclude-operation-id", "events"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *bounds,
        *left_out,
        *options,
        cwd=folder,  # it keeps its failures beside itself
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    if LONG:
        print(said.decode())
    brief = "\n".join(line[:300] for line in said.decode().splitlines())  # it prints whole bodies
    return process.returncode, brief


@pytest.mark.timeout(400)  # seconds on a machine of its own; it shares CI's with everything else
async def test_the_till_keeps_to_its_document(tmp_path: Path) -> None:
    """No 5xx; statuses, media types, headers and bodies as documented; wrong bodies refused."""
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        async with real_till(tmp_path / "state", printer=devices) as till:
            asked = await document(till)
            status, said = await run(till, asked, tmp_path, "--phases", "examples,coverage,fuzzing")
            operations = sum(len(item.keys() - {"parameters"}) for item in asked["paths"].values())
            today = (await till.call("GET", "/v1/status")).json["today"]
    assert status == 0, said
    assert f"Tested: {operations - 1}" in said, said
    assert today["accepted"] > 0, "it did not get past the door"


async def test_a_sale_walked_along_its_links_keeps_to_it(tmp_path: Path) -> None:
    """Holds, then what may and may not come after them, in any order."""
    enough = ("--max-examples", str(max(EXAMPLES, 10)))
    chosen = [word for name in SALE for word in ("--include-operation-id", name)]
    async with real_till(tmp_path / "state") as till:
        status, said = await run(
            till, await document(till), tmp_path, "--phases", "stateful", *chosen, *enough
        )
    assert status == 0, said
    assert "API Links:    0 covered" not in said, said


async def test_it_sees_a_field_that_no_type_has(tmp_path: Path) -> None:
    """A test that cannot fail is a defect."""
    async with real_till(tmp_path / "state") as till:
        asked = await document(till)
        asked["components"]["schemas"]["Health"]["required"].append("mood")
        status, said = await run(
            till, asked, tmp_path, "--include-operation-id", "health", "--phases", "examples,coverage,fuzzing"
        )
    assert status == 1, said
    assert "'mood' is a required property" in said or '"mood" is a required property' in said, said
