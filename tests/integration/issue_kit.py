"""What the tests of issuing share: a folder with a campaign file, and the command line in it."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from agent import cli

PASSPHRASE = "correct horse battery"
TODAY = date.today()  # noqa: DTZ011  the example campaign begins on the day of its writing
KEY = (
    "--issuer",
    "acme",
    "--from",
    f"{TODAY}",
    "--to",
    f"{TODAY + timedelta(days=400)}",
    "--value-max-minor",
    "5000",
)


class Shell:
    """A folder with a campaign file, and the command line in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.campaign = folder / "autumn.toml"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")

    def __call__(self, *arguments: str | Path | int, code: int = 0) -> str:
        """Standard output; standard error where the command fails."""
        self._capsys.readouterr()
        try:
            found = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            found = int(stop.code or 0)
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.err if code else said.out

    def own_key(self, *more: str) -> Path:
        key = self.folder / "acme.pem"
        self("keys", "new", *KEY, "--out", key, "--passphrase-file", self.passphrase, *more)
        return key

    def issue(self, *arguments: str | Path, code: int = 0) -> str:
        """With the key of `own_key`."""
        signer = ("--key", self.folder / "acme.pem", "--passphrase-file", self.passphrase)
        return self("issue", "--campaign", self.campaign, *signer, *arguments, code=code)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
