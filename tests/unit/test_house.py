"""The house rules of CONTRIBUTING.md, as tests. They look at what git tracks, so unfinished work is left alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    command = ["git", "-C", str(REPOSITORY), "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return tuple(path for path in listed.split("\0") if path and (REPOSITORY / path).is_file())


@cache
def text(path: str) -> str | None:
    """The file's text, or None when it is a picture or another binary."""
    content = (REPOSITORY / path).read_bytes()
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def code() -> Iterator[tuple[str, str]]:
    for path in tracked("*.py"):
        yield path, text(path) or ""


def lines_matching(pattern: str, files: Iterator[tuple[str, str]]) -> list[str]:
    """`path:line: text` of every line that the pattern finds."""
    search = re.compile(pattern).search
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, content in files
        for number, line in enumerate(content.splitlines(), start=1)
        if search(line)
    ]


@cache
def project() -> dict[str, object]:
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(table, dict)
    return table


def test_every_import_points_down() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_are_short_or_say_why() -> None:
    long = {path: content.count("\n") for path, content in code() if content.count("\n") > MODULE_LINES_MAX}
    unexplained = {
        path: lines
        for path, lines in long.items()
        if not re.search(r"^Long because", ast.get_docstring(ast.parse(text(path) or "")) or "", re.MULTILINE)
    }
    assert not unexplained, unexplained


def long_functions(content: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.name, lines


def test_functions_are_short() -> None:
    found = [
        f"{path}: {name}, {lines} lines"
        for path, content in code()
        for name, lines in long_functions(content)
    ]
    assert not found, found


def test_the_rule_on_functions_counts_whole_functions() -> None:
    body = "    x = 1\n" * FUNCTION_LINES_MAX
    assert list(long_functions(f"def f():\n{body}")) == [("f", FUNCTION_LINES_MAX + 1)]


SILENCED = re.compile(r"#\s*(?:type:\s*ignore|noqa)(?:\[[^\]]*\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?\s*$")


def silenced_without_a_word(content: str) -> list[int]:
    """Line numbers where a check is silenced with no reason behind it and no comment above it."""
    lines = ["", *content.splitlines()]
    return [
        number
        for number, line in enumerate(lines)
        if SILENCED.search(line) and not lines[number - 1].lstrip().startswith("#")
    ]


def test_every_silenced_check_says_why() -> None:
    assert [
        f"{path}:{number}" for path, content in code() for number in silenced_without_a_word(content)
    ] == []


def test_the_rule_on_silenced_checks_sees_them() -> None:
    ignore, noqa = "# type: " + "ignore[arg-type]", "# no" + "qa: A001"
    assert silenced_without_a_word(f"x = 1  {ignore}\ny = 2  {noqa}") == [1, 2]
    assert (
        silenced_without_a_word(f"x = 1  {ignore} # the stub is wrong\n# as the RFC says\ny = 2  {noqa}")
        == []
    )


def test_no_test_passes_by_sleeping() -> None:
    tests = ((path, content) for path, content in code() if path.startswith("tests/"))
    assert lines_matching(r"\btime\.sleep\(|\bfrom time import .*\bsleep\b", tests) == []


def hosts_of_this_machine() -> set[str]:
    """Package mirrors that pip is set up to use here: whatever they are called, they must not be committed."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    return {host for url in re.findall(r"https?://[^\s'\"]+", settings) if (host := urlsplit(url).hostname)}


def test_no_path_of_a_machine_and_no_registry_is_committed() -> None:
    words = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "npm" + "js.org",
        "npm" + "js.com",
        "deb." + "debian.org",
    ]
    words += sorted(hosts_of_this_machine() - {"localhost", "127.0.0.1"})
    words += [f"{folder}/" for folder in {str(REPOSITORY), str(Path.home())} if folder != "/"]
    words += [f"/{folder}/" for folder in ("wor" + "k", "roo" + "t", "far" + "m")]
    pattern = "|".join(rf"(?<![\w.-]){re.escape(word)}" for word in words)
    files = ((path, content) for path in tracked() if (content := text(path)) is not None)
    assert lines_matching(pattern, files) == []


def named_in_pyproject() -> set[str]:
    extras = project()["optional-dependencies"]
    runtime = project()["dependencies"]
    assert isinstance(extras, dict)
    assert isinstance(runtime, list)
    wanted = runtime + [requirement for group in extras.values() for requirement in group]
    return {re.split(r"[\[<>=;~! ]", requirement)[0].lower() for requirement in wanted}


def test_every_dependency_has_its_reason() -> None:
    page = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"package"}
    assert rows == named_in_pyproject()


def test_every_lock_file_pins_what_a_till_needs() -> None:
    runtime = project()["dependencies"]
    assert isinstance(runtime, list)
    names = {re.split(r"[<>=;]", requirement)[0] for requirement in runtime}
    for lock in (
        "requirements.lock",
        "requirements-camera.lock",
        "requirements-issuer.lock",
        "requirements-dev.lock",
    ):
        pinned = set(
            re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / lock).read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert names <= pinned, lock


def test_the_changelog_has_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(str(project()['version']))}\]?\b", changelog, re.MULTILINE)


def test_the_readme_begins_with_the_two_commands() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    first_block = re.search(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert first_block is not None
    assert re.findall(r"^\$? ?(make \w+)", first_block[1], re.MULTILINE)[:2] == ["make demo", "make test"]


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in files] == list(range(len(files)))
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index)) == files


@pytest.mark.parametrize("page", tracked("*.md"))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", text(page) or "")
    assert [target for target in targets if not (REPOSITORY / page).parent.joinpath(target).exists()] == []


def test_pre_commit_downloads_nothing() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for repo in config["repos"] for hook in repo["hooks"]} == {"system"}
