"""Jobs on the page: started from a search, told while their list is open, taken away."""

import pytest

from serve.job_store import Jobs, State
from serve.limits import Limits
from tests.serve.test_workbench import axe_source as axe_source
from tests.serve.test_workbench import browser as browser
from tests.support.browser import MISSING, Page, served
from tests.support.serving import prepare

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(bool(MISSING), reason=f"THE PAGE IS NOT TESTED, {MISSING} missing"),
]
FEW = "/?candidates=100"


def test_where_the_service_does_no_jobs_none_is_offered(browser, tmp_path):
    with served(prepare(tmp_path)) as url:
        page = Page(browser, url).size(1200, 1000).open(FEW).ready().search()
        assert not page["train"].is_displayed() and not page["jobs"].is_displayed()


def test_a_search_is_trained_followed_and_its_files_are_saved(browser, tmp_path, axe_source):
    """The runner is the test: what it writes down is what the page tells."""
    registry = prepare(tmp_path)
    jobs = Jobs(registry.store, Limits(), data={"photos": "folder:/srv/private"}, at_once=1)
    for file in browser.downloads.glob("*"):
        file.unlink()
    with served(registry, jobs=jobs) as url:
        page = Page(browser, url).size(1200, 1000).open(FEW).ready()
        page.one("#jobs summary").click()
        page.until(lambda: page["jobs-none"].is_displayed())
        page.search()
        page.until(page["train"].is_displayed)
        page["minutes"].clear()
        page["minutes"].send_keys("7")
        page["train-button"].click()
        page.until(lambda: "waits for its turn" in page["jobs-list"].text)
        (name,) = jobs.names()
        asked, _ = jobs.read(name)
        assert asked.request.search == page.run("return location.hash").removeprefix("#search=")
        wanted = {"kind": "compress", "teacher": "digits", "data": "photos", "minutes": 7.0}
        assert wanted.items() <= asked.request.model_dump().items()
        assert asked.request.max_flops_share == 0.5
        jobs.save(name, State(state="running", lines=["search: 100 students"]))
        page.until(lambda: "under way" in page["jobs-list"].text)
        assert "search: 100 students" in page["jobs-list"].text
        assert "private" not in page.one("body").text
        jobs.put_file(name, "report.html", b"<html>a report</html>")
        jobs.save(name, State(state="done", lines=["report: done"]))
        page.until(lambda: "A trained student of digits on photos: done" in page["jobs-list"].text)
        page.run(axe_source)
        found = page.browser.execute_async_script(
            "axe.run().then((r) => arguments[0](r.violations.map((v) => v.id)))"
        )
        assert found == []
        page.one("#jobs-list button[aria-label^='report.html']").click()
        assert page.file("report.html").read_bytes() == b"<html>a report</html>"
        page.one("#jobs-list button[aria-label^='Remove']").click()
        page.until(lambda: page["jobs-none"].is_displayed())
        assert jobs.names() == []


def test_short_trainings_are_started_and_stopped(browser, tmp_path):
    registry = prepare(tmp_path)
    jobs = Jobs(registry.store, Limits(), data={"photos": "digits"}, at_once=1)
    with served(registry, jobs=jobs) as url:
        page = Page(browser, url).size(1200, 1000).open(FEW).ready().search()
        page.until(page["train"].is_displayed)
        page["alone-verify"].click()
        page["train-button"].click()
        page.until(lambda: "Short trainings of digits on photos" in page["jobs-list"].text)
        (name,) = jobs.names()
        page.one("#jobs-list button").click()
        page.until(lambda: "stopped by you" in page["jobs-list"].text)
        assert jobs.get(name).state == "cancelled"
