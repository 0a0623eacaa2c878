"""Take the pictures of the page that the documents show, from a service that runs.

dass quickstart fashion
python -m serve.app --store runs/quickstart --insecure
python -m tests.support.pictures http://127.0.0.1:8000 --teacher fashion --into docs/pictures
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.support.browser import Page, browsing

SIZES = {"page": (1200, 1000, 1.0), "page-phone": (390, 844, 2.0)}
"""Width and height in pixels of style sheets, and real pixels to each."""
COLOURS = 256
"""In a picture: all that the page has but for some shades at the edges of letters."""


def take(page, *, teacher, size):
    """Search, choose the best student, and return a picture: all of it, of a phone its screen."""
    width, height, scale = size
    page.size(width, height, scale=scale).open(keep=True)
    page.until(lambda: page.count(f"#teacher option[value='{teacher}']"))
    Select(page["teacher"]).select_by_value(teacher)
    page.search()
    page.one("#plot svg [tabindex='0']").send_keys(Keys.ENTER)
    page.until(page["student"].is_displayed)
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    tall = page.run("return document.documentElement.scrollHeight")
    page.size(width, tall if width >= 600 else height, scale=scale)
    return page.browser.get_screenshot_as_png()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--into", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder)) as browser:
        page = Page(browser, arguments.url, seconds=120)
        for name, size in SIZES.items():
            png = take(page, teacher=arguments.teacher, size=size)
            with Image.open(io.BytesIO(png)) as picture:
                few = picture.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
            few.save(arguments.into / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
