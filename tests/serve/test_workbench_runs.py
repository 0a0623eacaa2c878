"""Builds and tunes on the page: told while the list is open, and asked for only then."""

import time

import pytest

from cluster.fleet.job import Failure
from cluster.progress import Progress
from jobs import status
from tests.serve.test_runs import record
from tests.serve.test_workbench import axe_source as axe_source
from tests.serve.test_workbench import browser as browser
from tests.support.browser import MISSING, Page, served
from tests.support.serving import prepare

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(bool(MISSING), reason=f"THE PAGE IS NOT TESTED, {MISSING} missing"),
]
ASKED = (
    "return performance.getEntriesByType('resource')"
    ".filter((e) => e.name.endsWith('/v1/runs')).length"
)


def test_a_build_is_watched_while_the_list_is_open_and_not_otherwise(
    browser, tmp_path, axe_source
):
    registry = prepare(tmp_path)
    with served(registry) as url:
        page = Page(browser, url).size(1200, 1000).open("/?candidates=100").ready()
        time.sleep(1)
        assert page.run(ASKED) == 0
        page.one("#runs summary").click()
        page.until(lambda: "None has written" in page["runs-list"].text)
        registry.put_record(record(teacher="digits", seed=1, seconds=7200.0))
        failure = Failure(key="k", label="a student", error="ValueError: boom", attempts=2)
        status.put_failures(registry.store, [failure], done=set())
        with status.Snapshot(registry.store, unit="core", share=1.0) as snapshot:
            snapshot(
                Progress(
                    total=4, done=1, failed=1, running=("8_16_32",), fraction=0.5, busy_s=3600.0
                )
            )
            page.until(lambda: "Build: running" in page["runs-list"].text)
            shown = page["runs-list"].text
            assert "1/4 trainings, 1 failed" in shown and "now 8_16_32" in shown
            assert "1.00 core-hours" in shown and str(registry.store.root) not in shown
            bar = page.one("#runs progress")
            assert float(bar.get_attribute("value")) == 0.5
            for name in ("failures", "costs"):
                page.one(f"[data-name={name}] summary").click()
            shown = page["runs-list"].text
            assert "ValueError: boom (2 attempts)" in shown and "digits" in shown
            assert "1 student, 2.0 h" in shown
            page.run(axe_source)
            found = page.browser.execute_async_script(
                "axe.run().then((r) => arguments[0](r.violations.map((v) => v.id)))"
            )
            assert found == []
        page.until(lambda: "Build: ended" in page["runs-list"].text)
        assert "boom" in page["runs-list"].text, "what was opened stays open"
        page.one("#runs summary").click()
        time.sleep(0.5)
        before = page.run(ASKED)
        time.sleep(5)
        assert page.run(ASKED) == before >= 2
