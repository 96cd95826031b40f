"""The rule of tests/conftest.py: with CI=true a skip that is not on the list is a failure."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SKIPS = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("value", [1, 2])
def test_skips(value):
    pytest.skip("no chromium here")

@pytest.mark.xfail(reason="known")
def test_expected_failure():
    assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, root: Path) -> pytest.Pytester:
    """A small suite under the repository's own conftest."""
    pytester.makeini("[pytest]")
    pytester.makeconftest((root / "tests/conftest.py").read_text())
    pytester.makepyfile(test_small=SKIPS)
    return pytester


def test_a_skip_fails_in_continuous_integration(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest()
    result.assert_outcomes(passed=1, failed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*test_small.py::test_skips was skipped (*no chromium here*) where CI=true*"])


def test_a_skip_passes_elsewhere(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    suite.runpytest().assert_outcomes(passed=1, skipped=2, xfailed=1)


def test_a_listed_skip_passes(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with (suite.path / "conftest.py").open("a") as conftest:
        conftest.write('\nALLOWED_SKIPS["test_small.py::test_skips"] = "needs a screen"\n')
    suite.runpytest().assert_outcomes(passed=1, skipped=2, xfailed=1)


def test_a_file_that_skips_itself_fails(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(test_whole="import pytest\npytest.importorskip('no_such_module')\n")
    result = suite.runpytest("test_whole.py")
    result.assert_outcomes(errors=1)
