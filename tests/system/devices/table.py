"""A pytest plugin in place of the usual output: a row for each check when it is done, with what it measured."""

from __future__ import annotations

import pytest

_failed: list[pytest.TestReport] = []
_count = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global _count
    if report.when != "call" and report.outcome == "passed":
        return
    name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ").replace("[", " [")
    measured = "; ".join(str(value) for _, value in report.user_properties)
    verdict = {"passed": "ok", "skipped": "skipped", "failed": "FAILED"}[report.outcome]
    print(f"{verdict:<8} {report.duration:5.1f} s  {name}{': ' + measured if measured else ''}", flush=True)
    _count += report.outcome != "skipped"
    if report.outcome == "failed":
        print("         " + report.longreprtext.splitlines()[-1][:200], flush=True)
        _failed.append(report)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    for report in _failed:
        print(f"\n== {report.nodeid}\n{report.longreprtext}")
    print(f"{_count - len(_failed)} ok, {len(_failed)} failed")
