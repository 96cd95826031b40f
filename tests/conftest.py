"""What holds for every test: the repository's root, and continuous integration skips nothing unsaid."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # as where runs are trained: sums of several threads need not repeat

WITHOUT_BFLOAT16 = "natively it needs a processor with bfloat16, which some servers lack"
ALLOWED_SKIPS: dict[str, str] = {
    "tests/test_rendering.py::test_mujoco_is_filmed": "it needs EGL or OSMesa, which few servers have",
    "tests/test_native.py::test_in_bfloat16_it_is_nearly": WITHOUT_BFLOAT16,
    "tests/test_native.py::test_imitation_in_bfloat16_is_nearly": WITHOUT_BFLOAT16,
    "tests/test_native.py::test_values_in_bfloat16_are_nearly": WITHOUT_BFLOAT16,
    "tests/test_native.py::test_inputs_are_not_rounded": WITHOUT_BFLOAT16,
    "tests/test_native.py::test_bytes_repeat": WITHOUT_BFLOAT16,
    "tests/test_sac_equality.py::test_every_layer_changes_as_in_the_plain_form": WITHOUT_BFLOAT16,
}
"""Tests that continuous integration may skip: `tests/test_x.py::test_y` without parameters -> the reason."""


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return Path(__file__).resolve().parents[1]


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI=true, turn a skip into a failure unless its test is in ALLOWED_SKIPS."""
    expected_failure = hasattr(report, "wasxfail")
    if os.environ.get("CI") != "true" or report.outcome != "skipped" or expected_failure:
        return
    test = report.nodeid.split("[")[0]
    if test not in ALLOWED_SKIPS:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{test} was skipped ({reason}) where CI=true. "
            "Install what it needs, or name it in ALLOWED_SKIPS of tests/conftest.py with the reason."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each test's report."""
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at each file's report: a file may skip itself as a whole."""
    report = yield
    _forbid_skip(report)
    return report
