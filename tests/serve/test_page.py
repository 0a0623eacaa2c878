"""The page in a real browser, by mouse and by keyboard; headless Chromium from Debian.

The service is that of `test_app.py`, started once for both.
"""

import json
import os

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.browser import MISSING, Page, browsing
from tests.support.serving import TOKEN, any_teacher

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"THE PAGE IS NOT TESTED, {MISSING} missing: apt-get install chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory, service):
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield Page(browser, service.http, seconds=180)


def picture(page, name):
    """Leave a screenshot where `SCREENSHOTS` says, if it says anything."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.browser.save_screenshot(f"{folder}/{name}.png")


@pytest.fixture(scope="module")
def searched(page):
    """The page after a search: the token given, the teacher chosen, everything by keyboard."""
    page.open()
    page.until(page["token"].is_displayed)
    page["token"].send_keys(TOKEN, Keys.ENTER)
    page.ready()
    page["go"].send_keys(Keys.ENTER)
    return page.answered()


def test_a_search_ends_with_a_front_of_students(searched):
    assert "candidates" in searched.said()
    assert searched.count("#plot svg")
    assert searched.count("#rows tr") >= 2
    picture(searched, "front")


def test_a_student_is_chosen_by_keyboard_drawn_and_downloaded(searched):
    searched.one("#plot svg [tabindex='0']").send_keys(Keys.ENTER)
    searched.until(searched["student"].is_displayed)
    name = searched["id"].text
    assert searched.count("#blocks svg")
    searched.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    moved = searched.until(lambda: (now := searched["id"].text) != name and now)
    searched["download"].click()
    assert moved in json.dumps(json.loads(searched.file("*.json").read_text()))
    picture(searched, "student")


def test_a_students_id_is_copied_by_keyboard(searched):
    searched["copy"].send_keys(Keys.ENTER)
    said = {"Copied the student's id.", "Selected the id: press Ctrl+C."}
    searched.until(lambda: searched.said() in said)


def test_the_slider_sets_a_budget_that_the_answer_keeps(searched):
    searched["budget"].send_keys(*[Keys.ARROW_LEFT] * 5)
    assert searched["budget-value"].text.startswith("45 %")
    searched.search()


def test_another_teacher_is_chosen_by_keyboard(searched, service):
    service.registry.put_teacher(any_teacher("zebra", seed=9), {"recipe": "own"})
    searched.browser.refresh()
    searched.until(lambda: searched.count("#teacher option[value='zebra']"))
    searched["teacher"].send_keys("zebra")
    assert searched["teacher"].get_attribute("value") == "zebra"
    searched["go"].send_keys(Keys.ENTER)
    searched.answered()
    service.registry.drop_teacher("zebra")


def test_nothing_went_wrong_in_the_console(searched):
    lines = searched.browser.get_log("browser")
    severe = [line for line in lines if line["level"] == "SEVERE"]
    assert not [line for line in severe if "401" not in line["message"]], severe


def test_on_a_narrow_dark_screen_nothing_overflows(searched):
    searched.size(420, 900, dark=True)
    wide = searched.run(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    picture(searched, "narrow")
    assert wide <= 1
