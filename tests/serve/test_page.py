"""The page in a real browser, by mouse and by keyboard; headless Chromium from Debian.

The service is that of `test_app.py`, started once for both.
"""

import json
import os
import shutil
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.serving import TOKEN, any_teacher

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"THE PAGE IS NOT TESTED, {MISSING} missing: apt-get install chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    driver.downloads = downloads
    yield driver
    driver.quit()


def until(browser, condition, seconds=180):
    return WebDriverWait(browser, seconds).until(condition)


def picture(browser, name):
    """Leave a screenshot where `SCREENSHOTS` says, if it says anything."""
    if folder := os.environ.get("SCREENSHOTS"):
        browser.save_screenshot(f"{folder}/{name}.png")


@pytest.fixture(scope="module")
def searched(browser, service):
    """The page after a search: the token given, the teacher chosen, everything by keyboard."""
    browser.get(service.http + "/")
    token = until(browser, lambda b: b.find_element(By.ID, "token"))
    until(browser, lambda b: token.is_displayed())
    token.send_keys(TOKEN, Keys.ENTER)
    until(browser, lambda b: b.find_element(By.ID, "teacher").get_attribute("value"))
    browser.find_element(By.ID, "go").send_keys(Keys.ENTER)
    until(browser, lambda b: "Done" in b.find_element(By.ID, "status").text)
    return browser


def test_a_search_ends_with_a_front_of_students(searched):
    assert "candidates" in searched.find_element(By.ID, "status").text
    assert searched.find_elements(By.CSS_SELECTOR, "#plot svg")
    rows = searched.find_elements(By.CSS_SELECTOR, "#rows tr")
    assert len(rows) >= 2
    picture(searched, "front")


def test_a_student_is_chosen_by_keyboard_drawn_and_downloaded(searched):
    mark = searched.find_element(By.CSS_SELECTOR, "#plot svg [tabindex='0']")
    mark.send_keys(Keys.ENTER)
    until(searched, lambda b: b.find_element(By.ID, "student").is_displayed())
    name = searched.find_element(By.ID, "id").text
    assert searched.find_elements(By.CSS_SELECTOR, "#blocks svg")
    mark = searched.switch_to.active_element
    mark.send_keys(Keys.ARROW_RIGHT)
    moved = until(searched, lambda b: (now := b.find_element(By.ID, "id").text) != name and now)
    searched.find_element(By.ID, "download").click()
    deadline = time.monotonic() + 20
    while not (files := list(searched.downloads.glob("*.json"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    config = json.loads(files[0].read_text())
    assert moved in json.dumps(config)
    picture(searched, "student")


def test_a_students_id_is_copied_by_keyboard(searched):
    searched.find_element(By.ID, "copy").send_keys(Keys.ENTER)
    said = {"Copied the student's id.", "Selected the id: press Ctrl+C."}
    until(searched, lambda b: b.find_element(By.ID, "status").text in said)


def test_the_slider_sets_a_budget_that_the_answer_keeps(searched):
    slider = searched.find_element(By.ID, "budget")
    slider.send_keys(*[Keys.ARROW_LEFT] * 5)
    shown = searched.find_element(By.ID, "budget-value").text
    assert shown.startswith("45 %")
    searched.find_element(By.ID, "go").click()
    until(searched, lambda b: "Done" in b.find_element(By.ID, "status").text)


def test_another_teacher_is_chosen_by_keyboard(searched, service):
    service.registry.put_teacher(any_teacher("zebra", seed=9), {"recipe": "own"})
    searched.refresh()
    until(searched, lambda b: b.find_elements(By.CSS_SELECTOR, "#teacher option[value='zebra']"))
    searched.find_element(By.ID, "teacher").send_keys("zebra")
    assert searched.find_element(By.ID, "teacher").get_attribute("value") == "zebra"
    searched.find_element(By.ID, "go").send_keys(Keys.ENTER)
    until(searched, lambda b: "Done" in b.find_element(By.ID, "status").text)
    service.registry.drop_teacher("zebra")


def test_nothing_went_wrong_in_the_console(searched):
    severe = [line for line in searched.get_log("browser") if line["level"] == "SEVERE"]
    assert not [line for line in severe if "401" not in line["message"]], severe


def test_on_a_narrow_dark_screen_nothing_overflows(searched):
    searched.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    searched.set_window_size(420, 900)
    wide = searched.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    picture(searched, "narrow")
    assert wide <= 1
