"""With VEDETTE_TEST_COMPLETE=1, as in CI, a test that is skipped has failed.

`tests.left_out` says so for what it knows to be missing; this catches every other skip, in whatever way
it came about. Only tests marked `hardware` or `heavy` may be left out.
"""

import os
from collections.abc import Generator

import pytest

COMPLETE = os.environ.get("VEDETTE_TEST_COMPLETE") == "1"
_MAY_BE_LEFT_OUT = ("hardware", "heavy")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure, but not an expected failure, which pytest also calls skipped."""
    report = yield
    if (
        COMPLETE
        and report.skipped
        and not hasattr(report, "wasxfail")
        and not any(item.get_closest_marker(name) for name in _MAY_BE_LEFT_OUT)
    ):
        report.outcome = "failed"
        report.longrepr = _explained(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure."""
    report = yield
    if COMPLETE and report.skipped:
        report.outcome = "failed"
        report.longrepr = _explained(report.longrepr)
    return report


def _explained(why: object) -> str:
    reason = why[2] if isinstance(why, tuple) else why
    return f"left out although VEDETTE_TEST_COMPLETE=1: {reason}"
