"""A headless browser on the page, a service in this process without Ray, and axe-core by npm."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import uvicorn
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from serve import web
from serve.admission import Admission
from serve.limits import Limits
from serve.ranker import Ranker
from serve.settings import digest
from tests.support.serving import LIMITS

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
AXE = "axe-core@4.10.3"
CACHE = Path.home() / ".cache" / "dass-tests"


@contextlib.contextmanager
def served(registry, *, token=None, reading=None, port=0, limits=None, jobs=None):
    """Serve a registry on loopback; gives the address of the page."""
    ranker = Ranker.open(registry, limits=Limits(**LIMITS | (limits or {})))
    digests = {
        "token_digest": token and digest(token),
        "reading_digest": reading and digest(reading),
    }
    found = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        lambda: web.application(Admission(ranker, jobs=jobs, **digests)),
        factory=True,
        log_level="critical",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[found]),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
        found.close()


@contextlib.contextmanager
def browsing(folder):
    """Open a browser whose profile and downloads are in a folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    downloads = folder / "downloads"
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    driver.downloads = downloads
    try:
        yield driver
    finally:
        driver.quit()


def axe():
    """Return the source of axe-core, fetched once by npm into a cache; `None` where it cannot."""
    archive = CACHE / "axe-core-4.10.3.tgz"
    if not archive.exists():
        if shutil.which("npm") is None:
            return None
        CACHE.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["npm", "pack", AXE, "--silent", "--pack-destination", str(CACHE)],
            capture_output=True,
            timeout=120,
        )
        if fetched.returncode or not archive.exists():
            return None
    with tarfile.open(archive) as files:
        return files.extractfile("package/axe.min.js").read().decode()


def downloaded(browser, pattern):
    """Return where a download is, once it is whole: its name is there before, on an empty file."""
    if any(browser.downloads.glob("*.crdownload")):
        return None
    found = (file for file in browser.downloads.glob(pattern) if file.stat().st_size)
    return next(found, None)


class Found:
    """An element by its selector, looked for at every use: the page may have written it anew."""

    def __init__(self, page, selector):
        self.page, self.selector = page, selector

    def __getattr__(self, name):
        if callable(getattr(WebElement, name)):
            return lambda *given: self._again(lambda it: getattr(it, name)(*given))
        return self._again(lambda it: getattr(it, name))

    def _again(self, act, tries=20):
        for left in reversed(range(tries)):
            try:
                return act(self.page.browser.find_element(By.CSS_SELECTOR, self.selector))
            except StaleElementReferenceException:
                if not left:
                    raise


class Page:
    """What a test does on the page; of several elements it reads all at one moment."""

    def __init__(self, browser, url, *, seconds=60):
        self.browser, self.url, self.seconds = browser, url, seconds

    def __getitem__(self, name):
        return self.one(f"[id='{name}']")

    def one(self, selector):
        return Found(self, selector)

    def count(self, selector):
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def texts(self, selector):
        return self._each(r"it.innerText.replace(/[ \t]+/g, ' ')", selector)

    def attributes(self, selector, name):
        return self._each("it.getAttribute(arguments[1])", selector, name)

    def _each(self, expression, *arguments):
        found = "[...document.querySelectorAll(arguments[0])]"
        return self.run(f"return {found}.map((it) => {expression})", *arguments)

    def until(self, condition):
        """Wait for a condition; an element that the page replaces meanwhile is asked for again."""
        wait = WebDriverWait(
            self.browser,
            self.seconds,
            poll_frequency=0.1,
            ignored_exceptions=(NoSuchElementException, StaleElementReferenceException),
        )
        return wait.until(lambda _: condition())

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def module(self, body, *arguments):
        """Run a body with the page's modules at hand as `words`, `support` and so on."""
        names = ("words", "support", "draw", "files", "link", "history", "results", "service")
        imports = ",".join(f"import('/page/{name}.js')" for name in names)
        script = (
            f"const done = arguments[arguments.length - 1]; Promise.all([{imports}])"
            f".then(([{', '.join(names)}]) => {{ {body} }})"
            ".then(done, (error) => done({failed: String(error)}))"
        )
        return self.browser.execute_async_script(script, *arguments)

    def open(self, address="/", *, keep=False):
        """Open the page as a newcomer sees it, or with what this browser kept."""
        if address.startswith("/"):
            address = self.url + address
        if not keep:
            self.browser.get(self.url + "/health")
            self.run("localStorage.clear(); sessionStorage.clear()")
        self.browser.get("about:blank")
        self.browser.get(address)
        return self

    def ready(self):
        self.until(lambda: self["teacher"].get_attribute("value"))
        return self

    def pick(self, teacher):
        self.run(
            "const t = document.getElementById('teacher'); t.value = arguments[0];"
            "t.dispatchEvent(new Event('input'))",
            teacher,
        )
        return self

    def search(self):
        """Search, and wait for the answer and what it is compared with."""
        self["go"].click()
        return self.answered()

    def answered(self):
        over = 'return document.getElementById("students").ariaBusy === "false"'
        self.until(lambda: "Done" in self.said() and self.run(over))
        return self

    def said(self):
        return self["status"].text

    def file(self, pattern):
        """Wait for a download; return where it is."""
        return self.until(lambda: downloaded(self.browser, pattern))

    def size(self, width, height, *, scale=1, dark=False):
        """Pretend to be a screen of that size; a narrow one is a phone's."""
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": scale,
                "mobile": width < 600,
            },
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        return self
