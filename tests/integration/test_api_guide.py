"""The examples of docs/api.md run against a real till: as they stand, and with good coupons in place of `RC1...`.

Only the till's address is another one.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

import config
from drivers.virtual_printer import VirtualPrinter
from tests.integration.api_kit import WAIT_S, RealTill, real_till

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
TILL = "http://127.0.0.1:8321"
COUPON = "RC1..."
# Says the status of each call beside what the example prints.
CURL = "curl() { command curl -w '%{stderr}%{http_code} %{method} %{url}\\n' \"$@\"; }\n"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing (apt-get install curl)")


def blocks(language: str) -> list[str]:
    page = GUIDE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


async def run(till: RealTill, *command: str, script: str) -> tuple[str, str]:
    """(what it printed, what it printed as errors); it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(4 * WAIT_S):
        out, err = await process.communicate(script.replace(TILL, till.url).encode())
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


def statuses(err: str) -> list[tuple[int, str, str]]:
    """(status, method, path) of each call, in order."""
    found = re.findall(r"^(\d{3}) (\w+) http://[^/]+(/\S+)$", err, re.MULTILINE)
    return [(int(status), method, path.partition("?")[0]) for status, method, path in found]


def with_coupons(till: RealTill, script: str) -> str:
    return re.sub(re.escape(f'"{COUPON}"'), lambda _: f'"{till.coupon()}"', script)


@pytest.fixture(params=["as it stands", "with good coupons"])
def good(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "with good coupons")


@needs_curl
async def test_the_examples_in_curl_run(tmp_path: Path, good: bool) -> None:
    script = CURL + "\n".join(blocks("sh")) + "\ntrue\n"
    async with VirtualPrinter() as printer:
        devices = (config.TcpPrinter(name="receipts", host="127.0.0.1", port=printer.port),)
        async with real_till(tmp_path / "state", printer=devices) as till:
            out, err = await run(till, "bash", script=with_coupons(till, script) if good else script)
            today = (await till.call("GET", "/v1/status")).json["today"]
    called = statuses(err)
    assert len(called) >= 18, err
    wrong = [one for one in called if one[0] >= 400]
    expected = [(409, "POST", "/v1/prints/T-0001-1/confirm")]  # it is printed, not unconfirmed
    if not good:
        expected = [(404, "POST", "/v1/reversals")]  # nothing was redeemed for the sale
        wrong = [one for one in wrong if not one[2].startswith("/v1/prints/")]
    assert wrong == expected
    assert "yes {" in out, "the lost answer was asked for until it was final"
    assert "event: status" in out
    assert (today["accepted"] >= 4) is good
    paths = {(method, re.sub(r"/holds/[0-9a-f]{32}", "/holds/{hold}", path)) for _, method, path in called}
    life = {"/v1/quotes", "/v1/holds", "/v1/holds/{hold}/commit", "/v1/holds/{hold}/void", "/v1/reversals"}
    assert {("POST", path) for path in (*life, "/v1/redeem", "/v1/verify")} <= paths
    assert ("GET", "/v1/holds/{hold}") in paths


async def test_the_example_in_python_runs(tmp_path: Path, good: bool) -> None:
    (script,) = blocks("python")
    async with real_till(tmp_path / "state") as till:
        out, _ = await run(
            till, sys.executable, "-I", "-", script=with_coupons(till, script) if good else script
        )
    assert "the hold is committed\n" in out
    assert ("gone back" in out) is good
    assert ("take off 3000" in out) is good
