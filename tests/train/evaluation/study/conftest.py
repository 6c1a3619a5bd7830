"""A real browser without a screen, and a participant at its keyboard."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from tests.train.evaluation.study.participant import Participant

# Without a network Chromium's own requests fail by the hundred, and what a page stores or saves may be lost.
QUIET = (
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser writes what happens to it."""
    log = tmp_path_factory.mktemp("browser") / "chromium.log"
    log.touch()
    return log


@pytest.fixture(scope="module")
def driver(browser_log: Path) -> Iterator[webdriver.Chrome]:
    """Start the installed Chromium. Without one the test is skipped, or fails if FADER_REQUIRE_BROWSER=1."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    controller = shutil.which("chromedriver")
    if browser is None or controller is None:
        reason = "no Chromium with chromedriver: apt-get install chromium chromium-driver"
        if os.environ.get("FADER_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason}; FADER_REQUIRE_BROWSER=1 asks for it")
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Incognito keeps what pages store in memory: on a slow disk a reload did not always find it again.
    for argument in (
        "--headless=new",
        "--incognito",
        "--enable-logging",
        f"--log-file={browser_log}",
        *QUIET,
    ):
        options.add_argument(argument)
    options.add_argument("--disable-dev-shm-usage")  # a container's /dev/shm may be 64 MB
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses to run as root
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(controller))
    # How much is kept before a page's own code runs; about:blank may not ask.
    counting = "try { window.keptAtFirst = localStorage.length } catch {}"
    started.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": counting})
    yield started
    started.quit()


@pytest.fixture
def participant(driver: webdriver.Chrome, browser_log: Path, tmp_path: Path) -> Participant:
    """Sit down at an empty desk: no study was answered in this browser, and downloads go to a new folder."""
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    _clear(driver, tmp_path / "desk.html")
    driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
    driver.get("about:blank")
    someone = Participant(driver, downloads, browser_log)
    someone.console()
    someone.look_at(1280, 800)
    return someone


def _clear(driver: webdriver.Chrome, desk: Path) -> None:
    """Empty what pages keep, once the browser keeps anything: one that has just started may lose it."""
    desk.write_text("<!doctype html><title>desk</title>", encoding="utf-8")
    driver.get(desk.as_uri())

    def keeps(_: object) -> bool:
        driver.execute_script("localStorage.clear(); localStorage.setItem('desk', 'kept')")
        driver.refresh()
        return bool(driver.execute_script("return localStorage.getItem('desk') === 'kept'"))

    WebDriverWait(driver, 20, 0.2).until(keeps)
    driver.execute_script("localStorage.clear()")
