"""What each mistake in a configuration file is told: line, key, what is wrong and what is allowed."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

import config
from config.load import MAX_FILE_BYTES, MAX_PROBLEMS

SERIAL = '[[scanner]]\nkind = "serial"\nname = "front"\nport = "/dev/ttyUSB0"\n'
PRINTER = '[[printer]]\nkind = "serial"\nname = "front"\ndevice = "/dev/ttyS0"\n'
WEDGE = '[[scanner]]\nkind = "wedge"\nname = "side"\n'
CAMERA = '[[camera]]\nname = "eye"\nsource = "0"\n'
TCP = '[[printer]]\nkind = "tcp"\nname = "paper"\nhost = "10.0.0.9"\n'


def problems(text: str) -> tuple[config.Problem, ...]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, "till.toml")
    return caught.value.problems


def test_an_empty_file_means_the_defaults() -> None:
    assert config.parse("", "till.toml") == config.Config()


def test_a_full_file_becomes_one_typed_value() -> None:
    value = config.parse(
        '[till]\nlanguage = "en"\n[cloud]\nurl = "https://cloud.example/api"\nconnect_timeout_s = 2\n'
        + SERIAL
        + "baud = 115200\n"
        + WEDGE
        + 'vendor = "05f9"\nproduct = "2216"\n'
        + CAMERA
        + 'decoders = ["zxing", "pyzbar"]\n'
        + TCP,
        "till.toml",
    )
    assert value.till == config.Till(language="en")
    assert value.cloud.url == "https://cloud.example/api"
    assert value.cloud.connect_timeout_s == 2.0
    assert value.scanner == (
        config.SerialScanner(name="front", port="/dev/ttyUSB0", baud=115200),
        config.WedgeScanner(name="side", vendor="05f9", product="2216"),
    )
    assert value.scanner[0].kind == "serial"
    assert value.camera[0].decoders == ("zxing", "pyzbar")
    assert value.printer == (config.TcpPrinter(name="paper", host="10.0.0.9"),)


def test_the_value_cannot_be_changed() -> None:
    value = config.Config()
    with pytest.raises(AttributeError):
        value.till.language = "en"  # type: ignore[misc]  # the point of the test


# text; then line, key, a part of what is wrong, a part of what is allowed
MISTAKES = [
    ("[till]\nlangauge = 'en'\n", 2, "till.langauge", "is no key", 'did you mean "language"?'),
    ("[tlil]\n", 1, "tlil", "is no section", 'did you mean "till"?'),
    ("language = 'en'\n", 1, "language", "outside a section", "it belongs to [till]"),
    ("[till]\nbaud = 9600\n", 2, "till.baud", "is no key", '[[scanner]] of kind "serial"'),
    ("[till]\nzzz = 1\n", 2, "till.zzz", "is no key", "use one of state_dir, language, log_level"),
    ("[till]\nlanguage = 'fr'\n", 2, "till.language", '"fr" is not allowed', 'use one of "zh", "en"'),
    ("[till]\nstate_dir = 'var'\n", 2, "till.state_dir", '"var" is not', "starting with /"),
    ("[till]\nstate_dir = '/a/../b'\n", 2, "till.state_dir", "is not allowed", "without .."),
    ('[till]\nstate_dir = "/a\\u0000"\n', 2, "till.state_dir", '"/a\\u0000" is not', "full path"),
    ("[cloud]\nurl = 'http://cloud.example'\n", 2, "cloud.url", "is not allowed", "https://"),
    ("[cloud]\nurl = 'ftp://cloud.example'\n", 2, "cloud.url", "is not allowed", "https://"),
    ("[cloud]\nconnect_timeout_s = 'x'\n", 2, "cloud.connect_timeout_s", '"x" is text', "from 0.05 to 60"),
    ("[cloud]\nconnect_timeout_s = nan\n", 2, "cloud.connect_timeout_s", "nan is not", "from 0.05 to 60"),
    ("[cloud]\ntotal_timeout_s = 1\n", 2, "cloud.total_timeout_s", "below connect_timeout_s (5)", "at least"),
    ("[api]\nhost = '0.0.0.0'\n", 2, "api.host", '"0.0.0.0" is not', "can redeem coupons"),
    ("[api]\nport = 65536\n", 2, "api.port", "65536 is not", "a whole number from 0 to 65535"),
    ("[api]\nport = true\n", 2, "api.port", "true is a true/false value", "whole number"),
    ("[api]\nport = 80.0\n", 2, "api.port", "80.0 is a number with a decimal point", "whole number"),
    ("[api]\nport = 1979-05-27\n", 2, "api.port", "1979-05-27 is a date", "whole number"),
    ("[api]\nport = [1]\n", 2, "api.port", "is a list", "whole number"),
    ("[api]\nallowed_origins = 'x'\n", 2, "api.allowed_origins", "is text", "a list"),
    ("[api]\nallowed_origins = [\n'*'\n]\n", 3, "api.allowed_origins[0]", '"*" is not', "an origin"),
    ("[scan]\ndebounce_ms = -1\n", 2, "scan.debounce_ms", "-1 is not", "from 0 to 10000"),
    ("[scan]\nqueue_max = 99999999999999999999\n", 2, "scan.queue_max", "is not allowed", "from 1 to 1000"),
    (
        "[scan]\nqueue_max = 0x" + "f" * 90 + "\n",
        2,
        "scan.queue_max",
        "more than 38 digits",
        "from 1 to 1000",
    ),
    ("scan = 5\n", 1, "scan", "is a whole number", "a table headed [scan]"),
    ("[[scan]]\n", 1, "scan", "is written [[scan]]", "a table headed [scan]"),
    ("[scanner]\nkind = 'serial'\n", 1, "scanner", "is written [scanner]", "use [[scanner]], with two"),
    ("scanner = 'x'\n", 1, "scanner", "is text", "use [[scanner]]"),
    ("scanner = ['x']\n", 1, "scanner[0]", "is text", "use [[scanner]]"),
    (
        "[[scanner]]\nname = 'x'\n",
        1,
        "scanner[0].kind",
        "is missing",
        'one of "serial", "tcp", "wedge", "hid"',
    ),
    (
        "[[scanner]]\nkind = 'usb'\n",
        2,
        "scanner[0].kind",
        '"usb" is not',
        'one of "serial", "tcp", "wedge", "hid"',
    ),
    ("[[scanner]]\nkind = 'USB'\n", 2, "scanner[0].kind", '"USB" is not', 'kind "hid" or "wedge"'),
    ("[[printer]]\nkind = 'usb'\n", 2, "printer[0].kind", '"usb" is not', 'write kind = "file" and device'),
    ("[[printer]]\nkind = 'cups'\n", 2, "printer[0].kind", '"cups" is not', 'write kind = "ipp"'),
    (PRINTER + "dsrdtr = true\n", 5, "printer[0].dsrdtr", "is no key", 'write flow = "rtscts"'),
    (PRINTER + "flow = 'dsrdtr'\n", 5, "printer[0].flow", '"dsrdtr" is not', 'write flow = "rtscts"'),
    (
        "[[scanner]]\nkind = 7\n",
        2,
        "scanner[0].kind",
        "7 is a whole number",
        'one of "serial", "tcp", "wedge", "hid"',
    ),
    (SERIAL + "baud = 9601\n", 5, "scanner[0].baud", "9601 is not allowed", "one of 1200, 2400, 4800, 9600"),
    (SERIAL + "stopbits = true\n", 5, "scanner[0].stopbits", "true is a true/false", "one of 1, 2"),
    (SERIAL + "stopbits = 1.0\n", 5, "scanner[0].stopbits", "with a decimal point", "one of 1, 2"),
    (SERIAL + "layout = 'us'\n", 5, "scanner[0].layout", "is no key", 'of kind "wedge"'),
    ("[[scanner]]\nkind = 'serial'\nname = 'x'\n", 1, "scanner[0].port", "is missing", "device path"),
    (SERIAL.replace("front", " "), 3, "scanner[0].name", '" " is not', "1 to 40 letters"),
    (WEDGE, 1, "scanner[0].device_name", "nothing says", "vendor and product, or serial, or device_name"),
    (WEDGE + "vendor = '05f9'\n", 1, "scanner[0].product", "missing while vendor", "both ids"),
    (WEDGE + "product = '05f9'\n", 1, "scanner[0].vendor", "missing while product", "both ids"),
    (WEDGE + "vendor = 0x05f9\n", 4, "scanner[0].vendor", "1529 is a whole number", '"05f9"'),
    (CAMERA + "decoders = []\n", 4, "camera[0].decoders", "has 0 items", "use 1 to 5"),
    (
        CAMERA + "decoders = ['zxing', 'zxing']\n",
        4,
        "camera[0].decoders",
        "stands there twice",
        "at most once",
    ),
    (
        (
            "[[printer]]\nkind = 'tcp'\nname = 'a'\nhost = 'p1'\n"
            "[[printer]]\nkind = 'tcp'\nname = 'b'\nhost = 'P1'\nport = 9100\n"
        ),
        8,
        "printer[1].host",
        '"P1" port 9100 is already printer[0]',
        "name another printer",
    ),
    (CAMERA + "codes = 'first'\n", 4, "camera[0].codes", '"first" is not', '"nearest", "all"'),
    (CAMERA + "region = [0, 0, 100]\n", 4, "camera[0].region", "has 3 items", "4"),
    (CAMERA + "region = [0, 0, 101, 100]\n", 4, "camera[0].region[2]", "101 is", "0 to 100"),
    (CAMERA + "region = [60, 0, 50, 100]\n", 4, "camera[0].region", "reaches out", "in percent"),
    (CAMERA + "decoders = ['zxing',\n'zbar']\n", 5, "camera[0].decoders[1]", '"zbar" is not', '"pyzbar"'),
    (CAMERA.replace('"0"', "0"), 3, "camera[0].source", "0 is a whole number", "text that is not empty"),
    (TCP + "columns = 40\n", 5, "printer[0].columns", "40 is not", "one of 0, 32, 42, 48"),
    (TCP.replace("10.0.0.9", "a..b"), 4, "printer[0].host", "is not", "a host name"),
    (TCP.replace("10.0.0.9", "x" * 64), 4, "printer[0].host", "is not", "a host name"),
    (TCP.replace("10.0.0.9", "10.0.0.9:9100"), 4, "printer[0].host", "is not", "without port"),
    (SERIAL + SERIAL.replace("USB0", "USB1"), 7, "scanner[1].name", "used by scanner[0]", "of its own"),
    (SERIAL + SERIAL.replace("front", "x"), 8, "scanner[1].port", "used by scanner[0]", "only one device"),
    (TCP + CAMERA.replace("eye", "paper"), 3, "printer[0].name", "used by camera[0]", "of its own"),
    ("[sync]\nbackoff_cap_s = 0.5\n", 2, "sync.backoff_cap_s", "below backoff_base_s (1)", "at least"),
    (CAMERA * 5, 1, "camera", "has 5 items", "use 0 to 4"),
    ('[till]\n"a.\\u001b b" = 1\n', 2, 'till."a.\\u001b b"', "is no key", "use one of"),
    ("[till]\nlanguage = zh\n", 2, "", "is no valid TOML", 'text in "quotes"'),
    ("[till]\n\n[till]\n", 3, "", "begins [till] a second time", "first heading"),
    ("[till\n\n\n", 1, "", "is no valid TOML", "name = value"),
    ("[till]\nlanguage = '''a\n\n", 2, "", "at the end of the file", "name = value"),
    ("\n" + "a." * 200 + "b = 1\n", 2, "", "characters without a space", "shorten this line"),
    ("\n" + "a . " * 200 + "b = 1\n", 2, "", "more than 32 dots", "shorten this line"),
    ("\na = " + "[" * 9 + "]" * 9, 2, "", "nested more than 8 deep", "shorten this line"),
]


@pytest.mark.parametrize(
    ("text", "line", "key", "wrong", "allowed"), MISTAKES, ids=[str(m[0])[-30:] for m in MISTAKES]
)
def test_a_mistake_is_named(text: str, line: int, key: str, wrong: str, allowed: str) -> None:
    found = [p for p in problems(text) if p.key == key]
    assert len(found) == 1, problems(text)
    assert found[0].line == line
    assert wrong in found[0].wrong
    assert allowed in found[0].allowed


def test_all_problems_come_at_once_in_the_order_of_their_lines() -> None:
    text = (
        "[till]\nlanguage = 'fr'\nx = 1\n[scan]\nqueue_max = 0\n[cloud]\nurl = 'x'\ntotal_timeout_s = 1\n"
        + WEDGE
    )
    found = [(p.line, p.key) for p in problems(text)]
    assert found == [
        (2, "till.language"),
        (3, "till.x"),
        (5, "scan.queue_max"),
        (7, "cloud.url"),
        (8, "cloud.total_timeout_s"),
        (9, "scanner[0].device_name"),
    ]


def test_a_problem_reads_as_one_sentence_and_as_data() -> None:
    [problem] = problems(SERIAL + "bytesize = 9\n")
    assert str(problem) == "till.toml:5: scanner[0].bytesize: 9 is not allowed; use one of 7, 8"
    assert json.loads(json.dumps(problem.to_json())) == {
        "file": "till.toml",
        "line": 5,
        "key": "scanner[0].bytesize",
        "wrong": "9 is not allowed",
        "allowed": "use one of 7, 8",
    }


def test_the_error_holds_a_line_for_each_problem() -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.parse("[scan]\nqueue_max = 0\ndebounce_ms = -1\n", "till.toml")
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 2


def test_a_password_in_a_url_is_not_repeated() -> None:
    [problem] = problems("[cloud]\nurl = 'https://till:hunter2@cloud.example/'\n")
    assert "hunter2" not in str(problem)
    assert "***@cloud.example" in problem.wrong


def test_a_message_cannot_steer_the_terminal() -> None:
    text = '[till]\nlanguage = "\\u001b[2J\\u202e"\n"\\u001b" = 1\n'
    assert all(str(problem).isprintable() for problem in problems(text))


def test_a_file_full_of_problems_gets_a_bounded_answer() -> None:
    found = problems("[till]\n" + "".join(f"k{i} = 1\n" for i in range(20_000)))
    assert len(found) == MAX_PROBLEMS
    assert found[-1].line == 0
    assert "more than 199 problems" in found[-1].wrong


def test_load_reads_a_file_as_windows_editors_write_it(tmp_path: Path) -> None:
    path = tmp_path / "till.toml"
    path.write_bytes(b"\xef\xbb\xbf[scan]\r\nqueue_max = 7\r\n")
    assert config.load(path).scan.queue_max == 7
    assert config.check(path) == ()
    path.write_bytes(b"\xef\xbb\xbf[scan]\r\n\r\nqueue_max = 0\r\n")
    assert [p.line for p in config.check(path)] == [3]


def test_a_file_that_cannot_be_used_is_a_problem_of_line_0(tmp_path: Path) -> None:
    path = tmp_path / "till.toml"
    [missing] = config.check(path)
    assert (missing.file, missing.line, missing.wrong) == (str(path), 0, "does not exist")
    assert str(missing).startswith(f"{path}: does not exist; ")

    [folder] = config.check(tmp_path)
    assert "cannot be read: Is a directory" in folder.wrong

    [nul] = config.check(Path("till\0.toml"))
    assert "cannot be read" in nul.wrong

    path.write_bytes(b"# " + b"x" * MAX_FILE_BYTES)
    [large] = config.check(path)
    assert large.wrong == "is larger than 256 KiB"

    path.write_bytes(b"#" * MAX_FILE_BYTES)
    assert config.check(path) == ()

    path.write_bytes("[till]\n# 收银".encode("gbk"))
    [encoded] = config.check(path)
    assert (encoded.line, encoded.wrong) == (2, "is not UTF-8 text")


def test_a_fifo_does_not_hang_the_service(tmp_path: Path) -> None:
    path = tmp_path / "till.toml"
    os.mkfifo(path)
    answers: list[tuple[config.Problem, ...]] = []
    thread = threading.Thread(target=lambda: answers.append(config.check(path)), daemon=True)
    thread.start()
    thread.join(10)
    assert [problem.wrong for problem in answers[0]] == ["is not a regular file"]


def test_a_file_that_fails_while_it_is_read_is_named() -> None:
    [problem] = config.check(
        Path("/proc/self/mem")
    )  # opens as a regular file, and its first byte is not mapped
    assert problem.wrong == "cannot be read: Input/output error"
