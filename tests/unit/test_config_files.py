"""The files beside the schema say what the schema says: defaults.toml, till.example.toml, docs/configuration.md."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

import config
from config import reference
from config.walk import split, structs_in

ROOT = Path(__file__).parents[2]
DEFAULTS = ROOT / "config" / "defaults.toml"
EXAMPLE = ROOT / "config" / "till.example.toml"

# A switched-off setting is `#name` or `#[[table]]`; a comment has a space after its #.
SWITCHED_OFF = re.compile(r"^#(?=[\[a-z])", re.MULTILINE)


def keys_of_schema() -> set[tuple[str, str, str]]:
    """(section, kind or "", key) for every key a file may hold."""
    return {
        (section.encode_name, str(struct.__struct_config__.tag or ""), key)
        for section in msgspec.structs.fields(config.Config)
        for struct in structs_in(split(section.type)[0])
        for key in struct.__struct_encode_fields__
    }


def keys_of_file(text: str) -> set[tuple[str, str, str]]:
    return {
        (section, table.get("kind", ""), key)
        for section, value in tomllib.loads(text).items()
        for table in (value if isinstance(value, list) else [value])
        for key in table
        if key != "kind"
    }


@pytest.mark.parametrize(
    ("path", "written"),
    [("docs/configuration.md", reference.page), ("config/defaults.toml", reference.defaults)],
)
def test_the_generated_files_are_fresh(path: str, written) -> None:
    assert (ROOT / path).read_text("utf-8") == written(), (
        "run `python -m config.reference` as its docstring says"
    )


def test_the_command_prints_the_page() -> None:
    command = [sys.executable, "-m", "config.reference", "page"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode() == reference.page()


def test_the_page_shows_every_key() -> None:
    page = reference.page()
    for section, kind, key in keys_of_schema():
        heading = next(
            h
            for h in re.split(r"^## ", page, flags=re.MULTILINE)
            if f"[{section}]" in h.split("\n")[0] and (not kind or f'kind = "{kind}"' in h.split("\n")[0])
        )
        assert f"\n| `{key}` | " in heading


@pytest.mark.parametrize("path", [DEFAULTS, EXAMPLE])
def test_as_shipped_the_file_states_the_defaults(path: Path) -> None:
    assert config.load(path) == config.Config()
    stated = {(section, key) for section, kind, key in keys_of_file(path.read_text("utf-8"))}
    devices = {"scanner", "camera", "printer"}
    assert stated == {(section, key) for section, _, key in keys_of_schema() if section not in devices}


def test_the_defaults_file_holds_every_key_of_every_device() -> None:
    text = SWITCHED_OFF.sub("", DEFAULTS.read_text("utf-8"))
    assert keys_of_file(text) == keys_of_schema()
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, "defaults.toml")
    [problem] = caught.value.problems  # the one thing that has neither a default nor a fixed required key
    assert problem.key == "scanner[2].device_name"


def test_the_example_is_valid_and_complete_with_every_device_switched_on() -> None:
    text = SWITCHED_OFF.sub("", EXAMPLE.read_text("utf-8"))
    value = config.parse(text, "till.example.toml")
    assert [type(device) for device in (*value.scanner, *value.camera, *value.printer)] == [
        config.SerialScanner,
        config.TcpScanner,
        config.HidScanner,
        config.WedgeScanner,
        config.Camera,
        config.TcpPrinter,
        config.SerialPrinter,
        config.FilePrinter,
        config.IppPrinter,
    ]
    shared = {"profile", "columns", "encoding", "qr", "timeout_s"}  # explained at the network printer
    missing = keys_of_schema() - keys_of_file(text)
    explained = {("printer", kind, key) for kind in ("serial", "file", "ipp") for key in shared}
    assert missing == explained | {("printer", kind, "ask_every_s") for kind in ("serial", "file")}


def test_every_default_obeys_the_schema() -> None:
    assert msgspec.convert(msgspec.to_builtins(config.Config()), config.Config) == config.Config()


def test_the_package_is_light() -> None:
    """What `redeemd run` imports before its first scan: no third-party package but msgspec."""
    code = "import config, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60, text=True
    )
    third_party = set(done.stdout.split()) - sys.stdlib_module_names - set(sys.builtin_module_names)
    assert {name for name in third_party if not name.startswith("_")} <= {
        "config",
        "msgspec",
        "typing_extensions",
        "sitecustomize",
    }
    assert "config.reference" not in done.stdout
