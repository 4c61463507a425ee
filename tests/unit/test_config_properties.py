"""Whatever stands in the file, the answer is a `Config` or a `ConfigError`; and a line number is the right one."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import config
from config import lines, rules
from config.walk import split, structs_in

MARKS = "[]{}=,.#\"'\\0 \t\n\r\0\x7f\ufeff\u2028é"
WORDS = [
    "[[",
    "]]",
    '"""',
    "'''",
    "\r\n",
    "-1",
    "1e999",
    "nan",
    "0x",
    "true",
    "1979-05-27 07:32:00",
    "1979-13-45",
]
KEYS = [
    "till",
    "scanner",
    "kind",
    "[[scanner]]\n",
    "[till]\n",
    'kind = "wedge"\n',
    "name = 'a'\n",
    "language = ",
]
PIECES = st.sampled_from([*MARKS, *WORDS, *KEYS])
TOML_SOUP = st.lists(PIECES, max_size=40).map("".join)


@settings(max_examples=250)
@given(st.one_of(TOML_SOUP, st.text(max_size=200)))
@example("a = " + "9" * 5000)
@example("a = " + "[" * 5000)
@example("a=" + "{b=" * 2000)
@example("a." * 20_000 + "b=1")
@example("[" + "a ." * 20_000 + "b]")
@example('a = """' + "\\")
@example("[[a]]\n[a.b]\n[[a.b.c]]\n")
def test_any_text_gives_a_config_or_a_config_error(text: str) -> None:
    for problem in problems_of(text):
        assert 0 <= problem.line <= text.count("\n") + 1
        assert problem.wrong
        assert problem.allowed
        assert str(problem).isprintable()
        assert len(str(problem)) < 1000
        json.dumps(problem.to_json(), ensure_ascii=False).encode()


def problems_of(text: str) -> tuple[config.Problem, ...]:
    """What `parse` refuses; () when it does not. Any exception but ConfigError fails the test."""
    try:
        config.parse(text, "till.toml")
    except config.ConfigError as error:
        assert error.problems, "an error without a problem"  # noqa: PT017 - nothing is expected to raise here
        return error.problems
    return ()


@settings(max_examples=100)
@given(content=st.one_of(st.binary(max_size=200), TOML_SOUP.map(lambda text: text.encode("utf-16"))))
def test_any_bytes_give_a_config_or_a_config_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "till.toml"
    path.write_bytes(content)
    for problem in config.check(path):
        assert problem.file == str(path)


NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "a-1", "3", "a.b", 'q"', "", "#", "[x]", "= 1", "收银", "a b", "\\", "\n", "'"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=6),
)
PLAIN = ["0", "1_000", "1.5", "true", "inf", "1979-05-27", "1979-05-27 07:32:00", "07:32:00.5", '""', "''"]
QUOTED = [
    "'a # [b] = {'",
    r'"a \" # b"',
    '"""a\n\nb"""',
    r'"""a"" \""" # "b""""',
    r"'\'",
    "'''\n[x]\na = 1\n'''",
    "''''a'''",
]
SCALARS = st.sampled_from([*PLAIN, *QUOTED])


class Draft:
    """A TOML text while it is written, with the line of every path as the writer knows it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[lines.Path, int] = {}

    def mark(self, path: lines.Path) -> None:
        self.lines[path] = self.text.count("\n") + 1

    def name(self, name: str) -> str:
        pad = self.draw(st.sampled_from(["", " "]))
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", name)
        return (
            pad + (name if bare and self.draw(st.booleans()) else json.dumps(name, ensure_ascii=False)) + pad
        )

    def value(self, path: lines.Path, depth: int) -> None:
        form = self.draw(st.sampled_from(["scalar", "scalar", "list", "inline"])) if depth else "scalar"
        if form == "scalar":
            self.text += self.draw(SCALARS)
        elif form == "list":
            self.text += "["
            for number in range(self.draw(st.integers(0, 3))):
                self.text += self.draw(st.sampled_from(["", "\n", "\n# ]\n\n  ", " "]))
                self.mark((*path, number))
                self.value((*path, number), depth - 1)
                self.text += self.draw(st.sampled_from([",", " ,", "\n,", " # x\n,"]))
            self.text += self.draw(st.sampled_from(["]", "\n]", " # ]\n]"]))
        else:
            self.text += "{"
            for number, name in enumerate(self.draw(st.lists(NAMES, max_size=3, unique=True))):
                self.text += ", " if number else " "
                self.pair(path, name, depth - 1)
            self.text += " }"

    def pair(self, path: lines.Path, name: str, depth: int) -> None:
        self.mark((*path, name))
        self.text += f"{self.name(name)}="
        if self.draw(st.booleans()):
            self.text += " "
        self.value((*path, name), depth)

    def body(self, path: lines.Path) -> None:
        for name in self.draw(st.lists(NAMES, max_size=3, unique=True)):
            self.text += self.draw(st.sampled_from(["", "\n", "  ", "# a = 1\n", "\t\n"]))
            self.pair(path, name, depth=2)
            self.text += self.draw(st.sampled_from(["\n", " # x\n", "\n\n"]))

    def header(self, path: lines.Path, marks: str) -> None:
        self.mark(path)
        keys = ".".join(self.name(part) for part in path if isinstance(part, str))
        self.text += marks[: len(marks) // 2] + keys + marks[len(marks) // 2 :] + "\n"
        self.body(path)


@st.composite
def drafts(draw: st.DrawFn) -> tuple[str, dict[lines.Path, int]]:
    """A valid TOML text of tables, table arrays and tables within their elements."""
    draft = Draft(draw)
    top = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    draft.body(()) if draw(st.booleans()) else None
    taken = {path[0] for path in draft.lines}
    for name in top:
        if name in taken:
            continue
        if draw(st.booleans()):
            draft.header((name,), "[]")
            continue
        for number in range(draw(st.integers(1, 3))):
            if number == 0:
                draft.mark((name,))
            draft.header((name, number), "[[]]")
            inner = draw(NAMES)
            if draw(st.booleans()) and (name, number, inner) not in draft.lines:
                draft.header((name, number, inner), "[]")
    return draft.text, draft.lines


@settings(max_examples=120)
@given(drafts())
def test_every_key_of_a_generated_file_is_found_on_its_line(draft: tuple[str, dict[lines.Path, int]]) -> None:
    text, expected = draft
    assert lines.refuse(text) is None
    assert set(paths_of(tomllib.loads(text))) == set(expected), "the writer of this test is wrong"
    assert lines.find_lines(text) == expected


def paths_of(value: Any, path: lines.Path = ()) -> Iterator[lines.Path]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


@settings(max_examples=150)
@given(TOML_SOUP)
@example("[a.b]\n[a]\n")
@example("a.b = 1\na.c = 2\n")
@example('a = [{b = 1}, {b = 2}]\n"x".y = 3')
def test_no_key_of_a_valid_text_is_without_a_line(text: str) -> None:
    if lines.refuse(text) is not None:
        return
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(paths_of(document)) <= set(lines.find_lines(text))


SECTIONS = [
    (section.encode_name, struct, section.encode_name in ("scanner", "camera", "printer"))
    for section in msgspec.structs.fields(config.Config)
    for struct in structs_in(split(section.type)[0])
]
VALUES = st.one_of(
    st.none().map(lambda _: "''"),
    st.integers(-5, 70_000).map(str),
    st.floats(0, 1000).map(repr),
    st.sampled_from(
        [
            "true",
            "false",
            "nan",
            "[]",
            "{}",
            "['zxing']",
            "['zxing', 1]",
            "[['x']]",
            "{ a = 1 }",
            "1979-05-27",
        ]
    ),
    st.sampled_from(
        [
            "9600",
            "8",
            "'N'",
            "'us'",
            "'/dev/ttyS0'",
            "'05f9'",
            "'https://a.example'",
            "'en'",
            "'gbk'",
            "'::1'",
        ]
    ),
)


@st.composite
def near_configs(draw: st.DrawFn) -> str:
    """Files with the right sections and keys, and values that are right, wrong or of a wrong kind."""
    text = ""
    for section, struct, repeated in draw(
        st.lists(st.sampled_from(SECTIONS), max_size=6, unique_by=lambda s: s[1])
    ):
        if repeated:
            text += f"[[{section}]]\n"
        elif f"[{section}]" not in text:
            text += f"[{section}]\n"
        if struct.__struct_config__.tag and draw(st.integers(0, 9)):
            text += f'kind = "{struct.__struct_config__.tag}"\n'
        for key in draw(st.lists(st.sampled_from(struct.__struct_encode_fields__), max_size=6, unique=True)):
            text += f"{key} = {draw(VALUES)}\n"
    return text


@settings(max_examples=150)
@given(near_configs())
def test_a_config_says_what_the_file_says_and_a_problem_quotes_its_line(text: str) -> None:
    """What msgspec refuses, the walk must have refused before: a ValidationError that escapes fails this test."""
    problems = problems_of(text)
    for problem in problems:
        last = re.sub(r"\[\d+\]$", "", problem.key).rpartition(".")[2]
        line = text.splitlines()[problem.line - 1]
        assert line.startswith((f"{last} = ", "[")), problem
    if problems:
        return
    value = config.parse(text, "till.toml")
    said = msgspec.to_builtins(value)
    for section, table in tomllib.loads(text).items():
        pairs = (
            zip(table, said[section], strict=True) if isinstance(table, list) else [(table, said[section])]
        )
        for given_table, read_table in pairs:
            assert (
                read_table.items()
                >= {k: v for k, v in given_table.items() if not isinstance(v, list)}.items()
            )


LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "localhost"]
NOT_LOOPBACK = [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "localhost.example",
    "LOCALHOST ",
    "::1%eth0",
    "127.1",
    "2130706433",
    "a b",
]


def test_loopback_is_exactly_this_machine() -> None:
    assert [host for host in [*LOOPBACK, *NOT_LOOPBACK] if rules.is_loopback(host)] == LOOPBACK


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("", True),
        ("https://cloud.example", True),
        ("https://cloud.example:8443/base/", True),
        ("https://[2001:db8::1]:8443", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://[::1]:9000/", True),
        ("http://cloud.example", False),
        ("http://localhost.example", False),
        ("http://127.0.0.1@cloud.example", False),
        ("http://127.0.0.1\\@cloud.example", False),
        ("https://user:pass@cloud.example", False),
        ("https://cloud.example/?a=1", False),
        ("https://cloud.example/?", False),
        ("https://cloud.example/#a", False),
        ("https://", False),
        ("https:///path", False),
        ("https://cloud.example:", False),
        ("https://cloud.example:99999", False),
        ("https://cloud.example:x", False),
        ("https://[::1", False),
        ("https://cloud example", False),
        (" https://cloud.example", False),
        ("https://收银.example", False),
        ("file:///etc/passwd", False),
        ("cloud.example", False),
    ],
)
def test_a_cloud_url_cannot_send_coupons_in_clear(url: str, good: bool) -> None:
    assert rules.is_cloud_url(url) is good


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("https://pos.example", True),
        ("http://localhost:3000", True),
        ("http://[::1]:3000", True),
        ("https://pos.example/", False),
        ("https://pos.example:443", False),
        ("http://pos.example:80", False),
        ("https://POS.example", False),
        ("https://*.example", False),
        ("null", False),
        ("*", False),
    ],
)
def test_an_origin_is_spelled_as_a_browser_sends_it(origin: str, good: bool) -> None:
    assert rules.is_origin(origin) is good


@settings(max_examples=200)
@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "https://[", "//", "/"]))
def test_the_rules_answer_for_any_text(text: str, start: str) -> None:
    for rule in (
        rules.is_cloud_url,
        rules.is_origin,
        rules.is_loopback,
        rules.is_host,
        rules.is_absolute_path,
        rules.is_path_or_empty,
        rules.is_serial_port,
    ):
        assert rule(start + text) in (True, False)
