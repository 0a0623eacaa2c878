"""What a bare `pytest` leaves out, and what it never does."""

from types import SimpleNamespace

import pytest

from tests.conftest import DEFAULT, LONG, pytest_ignore_collect
from tests.support import long


def left_out(file, *, every=False, marked=DEFAULT):
    config = SimpleNamespace(option=SimpleNamespace(all=every, markexpr=marked))
    return pytest_ignore_collect(file, config)


def test_the_list_names_files_of_tests_that_are_there():
    assert LONG and all(file.is_file() and file.name.startswith("test_") for file in LONG)


def test_files_that_take_long_are_left_out_of_a_bare_run_alone():
    short, (first, *_) = long.ROOT / "tests" / "test_suite.py", LONG
    assert left_out(first) and not left_out(short)
    assert not left_out(first, every=True) and not left_out(first, marked="ray")


def test_the_list_is_of_whole_files_by_their_seconds(tmp_path):
    report = tmp_path / "run.xml"
    cases = (
        ("tests.test_suite", "a", 3.0),
        ("tests.test_suite", "b", 2.5),
        ("tests.serve.test_app.TestHttp", "c", 1.0),
    )
    rows = "".join(f'<testcase classname="{c}" name="{n}" time="{t}"/>' for c, n, t in cases)
    report.write_text(f"<testsuites><testsuite>{rows}</testsuite></testsuites>")
    found = long.seconds_of(report)
    assert found == {"tests/test_suite.py": pytest.approx(5.5), "tests/serve/test_app.py": 1.0}
