"""Take the pictures of the page that the documents show, from a service that runs.

dass quickstart fashion
python -m serve.app --store runs/quickstart --insecure
python -m tests.support.pictures http://127.0.0.1:8000 --teacher fashion --into docs/pictures
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

SIZES = {"page": (1200, 1000, 1.0), "page-phone": (390, 844, 2.0)}
"""Width and height in pixels of style sheets, and real pixels to each."""
COLOURS = 256
"""In a picture: all that the page has but for some shades at the edges of letters."""


def opened():
    """Return a headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )


def take(browser, url, *, teacher, size):
    """Search, choose the best student, and return a picture: all of it, of a phone its screen."""
    width, height, scale = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600},
    )
    browser.get(url)
    wait = WebDriverWait(browser, 120)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, f"#teacher option[value='{teacher}']"))
    Select(browser.find_element(By.ID, "teacher")).select_by_value(teacher)
    browser.find_element(By.ID, "go").click()
    wait.until(lambda b: "Done" in b.find_element(By.ID, "status").text)
    over = "return document.getElementById('students').ariaBusy === 'false'"
    wait.until(lambda b: b.execute_script(over))
    browser.find_element(By.CSS_SELECTOR, "#plot svg [tabindex='0']").send_keys(Keys.ENTER)
    wait.until(lambda b: b.find_element(By.ID, "student").is_displayed())
    browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    tall = browser.execute_script("return document.documentElement.scrollHeight")
    tall = tall if width >= 600 else height
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": tall, "deviceScaleFactor": scale, "mobile": width < 600},
    )
    return browser.get_screenshot_as_png()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--into", type=Path, required=True)
    arguments = parser.parse_args()
    browser = opened()
    try:
        for name, size in SIZES.items():
            png = take(browser, arguments.url, teacher=arguments.teacher, size=size)
            with Image.open(io.BytesIO(png)) as picture:
                few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
            few.save(arguments.into / f"{name}.png", optimize=True)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
