"""Somebody who answers a study in a browser, by looking at the pixels and pressing keys."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from fader.image import decode_rgb

__all__ = ["Participant"]

LOG_LINES = 60
"""Of what the browser wrote, shown where a wait is in vain."""


class Participant:
    """Uses the page as people do; `driver` is for what people do not do."""

    def __init__(self, driver: Chrome, downloads: Path, log: Path) -> None:
        self.driver, self.downloads, self.log = driver, downloads, log

    def look_at(self, width: int, height: int, *, phone: bool = False, scheme: str = "light") -> None:
        """Take another screen: CSS pixels, a finger instead of a mouse, light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def reload(self) -> None:
        """Load the page again, and wait until it is where it was."""
        self.refresh()
        self._wait(lambda: self.question, "a question after the reload")

    def refresh(self) -> None:
        """Load the page again.

        Chromium's store at times starts anew, and nothing is left of what the page kept before the page's own
        code runs. That is not what is tested: it is given back, and the page is loaded once more.
        """
        kept = self.script("return {...localStorage}")

        def again() -> bool:
            self.script("Object.assign(localStorage, arguments[0])", kept)
            self.driver.refresh()
            return not kept or bool(self.script("return window.keptAtFirst"))

        self._wait(again, "what the page had kept, after the reload")

    def open(self, page: Path) -> None:
        self.driver.get(page.as_uri())

    def start(self, name: str | None = None) -> None:
        """Agree and begin, by the keyboard: under a name, or under the one that the page drew."""
        self.element("#participant").click()
        if name is not None:
            self.element("#participant").send_keys(Keys.CONTROL + "a", Keys.NULL, name)
        self.press(Keys.TAB, Keys.SPACE, Keys.TAB, Keys.ENTER)

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def element(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def elements(self, selector: str) -> list[WebElement]:
        return [e for e in self.driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()]

    def script(self, code: str, *arguments: object) -> Any:
        return self.driver.execute_script(code, *arguments)

    def console(self) -> list[Any]:
        """Return what the browser complained about since the last call."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    @property
    def screen(self) -> str:
        """Which of the page's sections is shown."""
        (shown,) = self.elements("main > section")
        return str(shown.get_attribute("id"))

    @property
    def question(self) -> str:
        return self.element("#question").text

    @property
    def count(self) -> str:
        return self.element("#count").text

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Return what is shown, left to right."""
        sources = [str(image.get_attribute("src")) for image in self.elements("#task img")]
        return [decode_rgb(base64.b64decode(source.split(",")[1]), name="a picture") for source in sources]

    def saved(self) -> Path:
        """Wait for the newest file, whole."""
        self._wait(lambda: self._files() and not self._partial(), "a saved file")
        return max(self._files(), key=lambda path: path.stat().st_mtime_ns)

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        try:
            WebDriverWait(self.driver, 20, 0.05).until(lambda _: bool(condition()))
        except TimeoutException:
            said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            page = self.script("return [location.href, document.readyState, {...localStorage}]")
            lines = [f"waited for {what} in vain", str(page), *map(str, self.console()), *said]
            pytest.fail("\n".join(lines))

    def _files(self) -> Sequence[Path]:
        return list(self.downloads.glob("*.csv"))

    def _partial(self) -> Sequence[Path]:
        return list(self.downloads.glob("*.crdownload"))
