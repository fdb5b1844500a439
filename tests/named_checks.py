"""Holds SECURITY.md to what ran: a run of all tests fails if a check that it names did not run, or was skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

_NAMED = re.compile(r"`(tests/[\w/]+/test_\w+\.py|test_\w+)`")


def named(document: str) -> set[str]:
    """Files and functions of tests that *document* names."""
    return set(_NAMED.findall(document))


def unproven(document: str, passed: Iterable[str], others: Iterable[str]) -> list[str]:
    """What *document* names and of which nothing passed, or something did not: node ids of tests, by how they ended."""
    passed, others = list(passed), list(others)
    return sorted(
        one
        for one in named(document)
        if not any(_is_of(test, one) for test in passed) or any(_is_of(test, one) for test in others)
    )


def _is_of(test: str, one: str) -> bool:
    file, _, function = test.partition("::")
    return one in (file, function.partition("[")[0])


class NamedChecks:
    """A plugin of pytest."""

    def __init__(self, document: Path) -> None:
        self._document = document
        self._passed: set[str] = set()
        self._others: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            (self._passed if report.passed else self._others).add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and self._unproven:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for one in self._unproven:
            terminalreporter.write_line(f"{self._document.name} names {one}, of which a test did not run.", red=True)

    @property
    def _unproven(self) -> list[str]:
        return unproven(self._document.read_text(), self._passed, self._others)


def covers_all(config: pytest.Config) -> bool:
    """Whether this run is of all tests, and this process is the one that hears of each."""
    chosen = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword
    return not (chosen or hasattr(config, "workerinput") or config.option.collectonly)


def files_and_functions(folder: Path) -> Iterator[str]:
    """All that could be named."""
    for one in folder.rglob("test_*.py"):
        yield one.relative_to(folder.parent).as_posix()
        yield from re.findall(r"def (test_\w+)", one.read_text())
