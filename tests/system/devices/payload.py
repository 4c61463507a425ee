"""The disk that the guest sees as /opt/redeemd: redeemd as the installer lays it out, of what .venv has.

Nothing is downloaded: packages are linked from .venv, so the guest's Python must be of its minor version.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.system.devices.pictures import picture

REPOSITORY = Path(__file__).resolve().parents[3]
OURS = ("agent", "cloud", "config", "drivers", "sync")
EXTRA = "camera"
LABEL = "redeemd"
PICTURES = 4
"""So many frames lie in pictures/, named by their number; the code of number 2 says "PICTURE 2"."""

_HEADROOM_MB = 100


def needed(name: str, extras: frozenset[str], seen: dict[str, Distribution]) -> dict[str, Distribution]:
    """Everything that a package needs to run with these extras, by name; what the marks leave out is left out."""
    found = seen.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution(name))
    for line in found.requires or ():
        wanted = Requirement(line)
        marks = [{"extra": extra} for extra in ("", *extras)]
        if wanted.marker is None or any(wanted.marker.evaluate(mark) for mark in marks):
            key = re.sub(r"[-_.]+", "-", wanted.name).lower()
            if key not in seen or wanted.extras:
                needed(wanted.name, frozenset(wanted.extras), seen)
    return seen


def _files() -> Iterator[tuple[Path, Path]]:
    """(source, place under /opt/redeemd)."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = Path("venv/lib") / minor / "site-packages"
    packages = needed("redeemd", frozenset({EXTRA}), {})
    for name, one in packages.items():
        for file in one.files or ():
            if name == "redeemd" and not file.parts[0].endswith(".dist-info"):
                continue  # from the checkout, below
            source = Path(str(one.locate_file(file))).resolve()
            if ".." not in file.parts and source.is_file():
                yield source, site / file
    for folder in OURS:
        for source in sorted((REPOSITORY / folder).rglob("*")):
            if source.is_file():
                yield source, site / source.relative_to(REPOSITORY)
    for source in (REPOSITORY / "systemd").iterdir():
        yield source, Path("systemd") / source.name
    for source in Path(__file__).parent.glob("*.py"):
        yield source, Path("checks") / source.name


def make_payload(folder: Path) -> Path:
    """Write payload.img into `folder`, which is on the file system of .venv or not; return its path."""
    tree, image = folder / "payload", folder / "payload.img"
    shutil.rmtree(tree, ignore_errors=True)
    size = 0
    for source, place in _files():
        target = tree / place
        target.parent.mkdir(parents=True, exist_ok=True)
        size += source.stat().st_size
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy2(source, target)
    (tree / "pictures").mkdir()
    for number in range(PICTURES):
        (tree / "pictures" / str(number)).write_bytes(picture(f"PICTURE {number}"))
    program = tree / "venv" / "bin"
    program.mkdir()
    (program / "python").symlink_to("/usr/bin/python3")
    (tree / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    command = program / "redeemd"
    command.write_text(
        "#!/opt/redeemd/venv/bin/python\nfrom agent.cli import main\nraise SystemExit(main())\n"
    )
    command.chmod(0o755)
    # The guest cannot write its own, and would take half a minute for each start of Python.
    compiled = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(tree / "venv" / "lib"))
    subprocess.run(
        [sys.executable, *compiled], stdout=subprocess.DEVNULL, timeout=300
    )  # numpy has a file of Python 4
    image.unlink(missing_ok=True)
    blocks = f"{size // 1_000_000 * 5 // 4 + _HEADROOM_MB}M"
    subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext4", "-L", LABEL, "-d", str(tree), str(image), blocks],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    shutil.rmtree(tree)
    return image
