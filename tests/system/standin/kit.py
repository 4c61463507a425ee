"""Makes an installation kit around the stand-in: the same shape as `scripts/kit` makes, in milliseconds, offline.

Also a command, for `scripts/test-boot --stand-in`: ``python -m tests.system.standin.kit DIRECTORY``.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SYSTEM_FILES = (
    "install",
    "redeemd.service",
    "redeemd-sysusers.conf",
    "redeemd-tmpfiles.conf",
    "70-redeemd.rules",
)
EXAMPLE = 'till = "stand-in"\n'


def write_wheel(directory: Path, name: str, version: str, files: dict[str, str], scripts: str = "") -> Path:
    """Write a pure wheel (binary distribution format 1.0) with the given text files; returns its path."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    members = dict(files)
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    members[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if scripts:
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n"
    record = "".join(f"{path},{_record_hash(text)},{len(text.encode())}\n" for path, text in members.items())
    members[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = directory / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in members.items():
            wheel.writestr(
                zipfile.ZipInfo(member), text
            )  # ZipInfo: a fixed date, so equal input gives equal bytes
    return path


def _record_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_kit(directory: Path, version: str = "0.0.1") -> Path:
    """Fill directory with installer, unit files, stand-in wheel, lock file and a wheelhouse of one dependency."""
    wheelhouse = directory / "wheelhouse"
    wheelhouse.mkdir(parents=True)
    for file in SYSTEM_FILES:
        shutil.copy2(REPOSITORY / "systemd" / file, directory / file)
    (directory / "operations.md").write_text("# Operations of the stand-in\n", encoding="utf-8")
    dependency = write_wheel(wheelhouse, "standin-dependency", "1.0", {"standin_dependency.py": ""})
    digest = hashlib.sha256(dependency.read_bytes()).hexdigest()
    (directory / "requirements.lock").write_text(
        f"standin-dependency==1.0 --hash=sha256:{digest}\n", encoding="utf-8"
    )
    daemon = (Path(__file__).parent / "daemon.py").read_text(encoding="utf-8")
    files = {"agent/__init__.py": "", "agent/cli.py": daemon, "config/till.example.toml": EXAMPLE}
    write_wheel(directory, "redeemd", version, files, scripts="redeemd = agent.cli:main")
    return directory


if __name__ == "__main__":
    print(make_kit(Path(sys.argv[1])))
