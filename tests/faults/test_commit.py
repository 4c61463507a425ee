"""The ambiguous commit and the killed process, for real: EIO and ENOSPC from the kernel, a file that may not grow,
kill -9. Whatever happens, an acknowledged redemption is there, none is there twice, and "not redeemed" is only said
of what is not there.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.core_kit import check_chain, core, install, rows
from tests.factory import Factory, amount_off

KILLS = int(os.environ.get("REDEEMD_KILLS", "30"))
COUPONS = 12 * (KILLS + 1)
TIMEOUT_S = 60
ACCEPTED, NO, UNKNOWN = "accepted", "till_stopped", "unknown_result"


@pytest.fixture(scope="module")
def factory() -> Factory:
    return Factory(campaigns=[amount_off(size=COUPONS)])


@pytest.fixture(scope="module")
def coupons(factory: Factory) -> list[str]:
    return [factory.coupon(index) for index in range(COUPONS)]


def order(path: Path, coupons: list[str], indexes: range) -> Path:
    path.write_text("".join(f"{index} {coupons[index]}\n" for index in indexes), "ascii")
    return path


def command(folder: Path, wanted: Path) -> list[str]:
    return [sys.executable, "-m", "tests.faults.redeeming", str(folder), str(wanted)]


def answers(output: str) -> dict[int, tuple[str, str]]:
    """index -> (outcome, redemption id) of every whole line."""
    found = {}
    for line in output.split("\n")[:-1]:
        index, _, rest = line.partition(" ")
        if index.isdigit():
            outcome, number = rest.split()
            found[int(index)] = outcome, number
    return found


def ledger(folder: Path) -> dict[int, str]:
    return dict(rows(folder / "till.db", "SELECT idx, redemption_id FROM coupon_use"))


def judge(folder: Path, factory: Factory, said: dict[int, tuple[str, str]]) -> None:
    """What was said against what is on disk, as a restarted till finds it."""
    with core(folder / "till.db", factory):
        used = ledger(folder)
        heads = check_chain(folder / "till.db", factory)
    for index, (outcome, number) in said.items():
        if outcome == ACCEPTED:
            assert used.get(index) == number, f"an acknowledged redemption of coupon {index} is lost"
        if outcome == NO:
            assert index not in used, f"coupon {index} was called not redeemed and is"
    redeemed = heads["redemption"].sequence if "redemption" in heads else 0
    assert len(used) == redeemed, "one use for each redemption record"
    jobs = rows(folder / "till.db", "SELECT redemption_id FROM print_job ORDER BY redemption_id")
    assert sorted(used.values()) == [job for (job,) in jobs], "one print job for each"
    events = rows(
        folder / "till.db",
        "SELECT json_extract(event, '$.subject') FROM record WHERE lane = 'redemption'",
    )
    assert len(set(events)) == len(events), "no coupon twice"


# the kernel says no


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    probe = subprocess.run([found, "-qq", "true"], capture_output=True, timeout=TIMEOUT_S, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not trace here: {probe.stderr.decode()[:200]}")
    return found


INJECTIONS = {
    "one sync fails": ("fdatasync", "error=EIO:when=6"),
    "every sync fails from the sixth on": ("fdatasync", "error=EIO:when=6+"),
    "some syncs fail": ("fdatasync", "error=EIO:when=6+3"),
    "many writes meet a full disk": ("pwrite64", "error=ENOSPC:when=40..48"),  # counted for each thread
    "one write meets a bad disk": ("pwrite64", "error=EIO:when=41"),
}


@pytest.mark.parametrize("what", INJECTIONS)
def test_a_commit_that_fails(
    what: str, strace: str, tmp_path: Path, factory: Factory, coupons: list[str]
) -> None:
    call, fault = INJECTIONS[what]
    folder = tmp_path / "till"
    install(folder, factory)
    wanted = order(tmp_path / "coupons", coupons, range(30))
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:{fault}"]
    done = subprocess.run(
        [
            strace,
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-o",
            str(tmp_path / "trace"),
            *inject,
            *command(folder, wanted),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert "INJECTED" in (tmp_path / "trace").read_text(), "the fault was put in"
    said = answers(done.stdout)
    assert len(said) == 30, f"it answers every scan and goes on\n{done.stderr}"
    assert {outcome for outcome, _ in said.values()} <= {ACCEPTED, NO, UNKNOWN}
    judge(folder, factory, said)
    if "+" not in fault:
        assert said[29][0] == ACCEPTED, "the till works again when the disk does"
    else:
        assert {NO, UNKNOWN} & {outcome for outcome, _ in said.values()}, "the fault was felt"


def test_a_file_that_may_not_grow(tmp_path: Path, factory: Factory, coupons: list[str]) -> None:
    """EFBIG from the kernel, as for a quota; then the limit is lifted and the same process goes on."""
    folder = tmp_path / "till"
    path = install(folder, factory)
    wanted = order(tmp_path / "coupons", coupons, range(30))
    lines = wanted.read_text("ascii").splitlines()
    limit = path.stat().st_size + 4096
    lines[10:10] = [f"limit {limit}"]
    lines[21:21] = ["limit 0"]
    wanted.write_text("\n".join(lines), "ascii")
    done = subprocess.run(
        command(folder, wanted), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    said = answers(done.stdout)
    assert len(said) == 30, done.stderr
    outcomes = [said[index][0] for index in range(30)]
    assert outcomes[:10] == [ACCEPTED] * 10
    assert set(outcomes[10:20]) & {NO, UNKNOWN}, "the limit was felt"
    assert outcomes[20:] == [ACCEPTED] * 10
    judge(folder, factory, said)


@contextmanager
def small_disk(folder: Path, size_kb: int) -> Iterator[Path]:
    """A file system of its own that can really be full; skips where we may not mount."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=TIMEOUT_S)


async def test_a_disk_that_is_full_and_is_cleared(
    tmp_path: Path, factory: Factory, coupons: list[str]
) -> None:
    with small_disk(tmp_path / "disk", 4_000) as disk:
        folder = disk / "till"
        path = install(folder, factory)
        with core(path, factory) as till:
            assert (await till.redeem(coupons[0])).outcome == ACCEPTED
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(b"x" * 8_000_000)
            said = [(await till.redeem(text)).outcome.value for text in coupons[1:40]]
            assert NO in said
            filler.unlink()
            later = [(await till.redeem(text)).outcome.value for text in coupons[1:40]]
            again = {ACCEPTED: "already_redeemed", NO: ACCEPTED}
            assert later == [again[outcome] for outcome in said], "no answer was wrong"
        judge(folder, factory, {})


# kill -9


def test_killed_at_any_moment(tmp_path: Path, factory: Factory, coupons: list[str]) -> None:
    """One till lives through all the kills; each life goes on where the one before was cut off."""
    folder = tmp_path / "till"
    install(folder, factory)
    chance = random.Random(2)
    said: dict[int, tuple[str, str]] = {}
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.redeeming"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    try:
        for kill in range(KILLS):
            used = ledger(folder)
            first = max(used, default=-1)  # once more the last one, whether its answer came out or not
            wanted = order(tmp_path / "coupons", coupons, range(max(first, 0), first + 12))
            nursery.stdin.write(f"{folder} {wanted}\n")
            nursery.stdin.flush()
            answered = _one_life(nursery.stdout, chance)
            for index, (outcome, number) in answered.items():
                if index in used:
                    assert outcome == "already_redeemed", f"coupon {index} was taken twice"
                else:
                    assert outcome == ACCEPTED
                    said[index] = outcome, number
            used = ledger(folder)
            lost = [index for index, (_, number) in said.items() if used.get(index) != number]
            assert not lost, f"kill {kill} lost {lost}"
    finally:
        nursery.stdin.close()
        nursery.wait(TIMEOUT_S)
        nursery.stdout.close()
    assert len(said) > KILLS
    judge(folder, factory, said)


def _one_life(output: IO[str], chance: random.Random) -> dict[int, tuple[str, str]]:
    """Read from birth to death, and kill somewhere between."""
    born, number = output.readline().split()
    assert born == "born"
    got = ""
    for _ in range(chance.randrange(1, 10)):
        got += output.readline()
    for _ in range(chance.randrange(20_000)):  # a moment that no clock and no line decides
        pass
    os.kill(int(number), signal.SIGKILL)
    while (line := output.readline()) != "dead\n":
        got += line
    return answers(got)
