"""Milliseconds on the page: a budget, the chart over them, what is taken away."""

import csv
import io
import json

import httpx
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.serve.test_workbench import axe_source as axe_source
from tests.serve.test_workbench import browser as browser
from tests.support.browser import MISSING, Page, served
from tests.support.device import file_of, table_of
from tests.support.serving import prepare

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(bool(MISSING), reason=f"THE PAGE IS NOT TESTED, {MISSING} missing"),
]
FEW = "/?candidates=100"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with served(prepare(tmp_path_factory.mktemp("prepared"))) as address:
        yield address


@pytest.fixture
def page(browser, url):
    browser.get_log("browser")
    for file in browser.downloads.glob("*"):
        file.unlink()
    httpx.delete(f"{url}/v1/latency-tables/phone")
    return Page(browser, url).size(1200, 1000)


@pytest.fixture
def timed(page, url):
    assert httpx.put(f"{url}/v1/latency-tables/phone", content=file_of()).status_code == 201
    return page


def asked(page):
    return page.run("return JSON.parse(localStorage.getItem('dass.searches'))[0].request")


def test_without_a_table_no_time_is_offered(page):
    page.open(FEW).ready().search()
    assert not page["time"].is_displayed() and not page["axis"].is_displayed()
    assert "latency_table" not in asked(page) and not page["ms-column"].is_displayed()


def test_a_budget_of_milliseconds_is_kept_and_told_of_every_student(timed):
    page = timed.open(f"{FEW}&flops=100").ready()
    assert [option.text for option in Select(page["device"]).options][1:] == [
        *("phone, float32", "phone, float32, batches of 8", "phone, int8"),
    ]
    assert not page["ms"].is_enabled()
    Select(page["device"]).select_by_visible_text("phone, int8")
    fastest, slowest = (float(page["ms-hint"].text.split()[i]) for i in (0, 3))
    most = round((fastest + slowest) / 2, 3)
    page["ms"].send_keys(str(most))
    page.search()
    wanted = {"max_latency_ms": most, "latency_table": "phone", "precision": "int8"}
    assert wanted.items() <= asked(page).items()
    page.run("document.getElementById('table').open = true")
    cells = [row.split()[-2:] for row in page.texts("#rows tr")]
    *times, teachers = [float(number) for number, unit in cells if unit == "ms"]
    assert len(cells) == len(times) + 1 and max(times) <= most < teachers
    assert "Time on phone, int8" in page["facts"].text
    assert f"--max-latency-ms {most} --latency TABLE.json" in page["next"].text
    page["csv"].click()
    rows = list(csv.DictReader(io.StringIO(page.file("*.csv").read_text())))
    assert max(float(row["milliseconds"]) for row in rows if row["what"] == "student") <= most


def test_the_chart_is_over_milliseconds_and_over_flops_on_demand(timed):
    page = timed.open(f"{FEW}&device=phone/float32/1").ready().search()
    places = "return [...document.querySelectorAll('.point .dot')].map((d) => d.outerHTML)"
    assert "Milliseconds" in page["plot"].text and "FLOPs" not in page["plot"].text
    model = table_of().at(batch=1)
    assert model.device in page["facts"].text
    before = page.run(places)
    page.one("#plot [tabindex='0']").send_keys(Keys.HOME)
    chosen = page["id"].text
    page.one("[name=axis][value=flops]").click()
    assert "FLOPs (multiply-adds)" in page["plot"].text and page["id"].text == chosen
    assert page.run(places) != before
    order = page.one("#plot .front").get_attribute("points").split()
    assert order == sorted(order, key=lambda point: float(point.split(",")[0])), "no zigzag"


def test_an_impossible_limit_tells_what_the_fastest_takes(timed):
    page = timed.open(f"{FEW}&device=phone/float32/1&ms=0.0001").ready()
    fastest = page["ms-hint"].text.split()[0]
    page["go"].click()
    page.until(lambda: f"The fastest takes {fastest} ms on phone" in page.said())
    page["ms"].clear()
    page["ms"].send_keys("soon")
    page["go"].click()
    page.until(lambda: "must be a number above 0" in page.said())


def test_a_link_opens_the_same_device_and_limit(timed):
    page = timed.open(FEW).ready()
    Select(page["device"]).select_by_visible_text("phone, float32, batches of 8")
    page["ms"].send_keys("40")
    page.search()["link"].click()
    request = asked(page)
    address = page["address"].text
    bare = address.partition("#")[0]
    assert "device=phone%2Ffloat32%2F8" in bare and "ms=40" in bare
    for one in (address, bare):
        page.open(one)
        page.ready()
        if one == bare:
            page.search()
        page.answered()
        assert asked(page) == request
        assert page["ms"].get_attribute("value") == "40"
    line = next(line for line in page.texts("#next code") if "curl" in line)
    assert json.loads(line.partition("-d '")[2][:-1]) == request


def test_axe_finds_nothing_where_time_is_offered(timed, axe_source):
    page = timed.open(f"{FEW}&device=phone/int8/1").ready().search()
    page.run(axe_source)
    found = page.browser.execute_async_script(
        "axe.run().then((r) => arguments[0](r.violations.map((v) => v.id + v.nodes[0].html)))"
    )
    assert found == []
