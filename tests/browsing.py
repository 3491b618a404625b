"""A real Chromium for the tests of the page, where the machine has one; and what it saw that it should not have."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Response
from serving import Serving

__all__ = ["LEFT_OUT", "Visit", "chromium", "launch", "texts_in", "visiting"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LEFT_OUT = (
    "NOT RUN: tests/web/browser, for there is no Chromium here. Install one (Debian: apt install chromium), or name "
    "one in TEST_BROWSER."
)
LOCALES = {"en": "en-GB", "ja": "ja-JP"}
TEXTS = Path(__file__).parents[1] / "worker" / "web" / "page" / "static" / "texts"
PATIENCE_MS = 20_000


def chromium() -> str | None:
    """Return the path of a Chromium: the one that TEST_BROWSER names, else one that is installed, else None."""
    named = os.environ.get("TEST_BROWSER")
    if named is not None:
        assert shutil.which(named), f"TEST_BROWSER is {named}, which cannot be run"
        return named
    return next((path for path in map(shutil.which, NAMES) if path), None)


def launch(playwright: Playwright) -> Browser:
    """Start a headless Chromium; root cannot have its sandbox."""
    return playwright.chromium.launch(executable_path=chromium(), chromium_sandbox=os.geteuid() != 0)


def texts_in(language: str) -> dict[str, Any]:
    """Return the page's texts in a language."""
    texts: dict[str, Any] = json.loads((TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    return texts


class Visit:
    """Somebody at a browser: who they are, which language they read, what went wrong in their page.

    `refused` are statuses that the test brings about: Chromium reports each as an error of the page's.
    """

    def __init__(self, page: Page, server: Serving, language: str) -> None:
        self.page = page
        self.server = server
        self.texts = texts_in(language)
        self.refused: set[int] = set()
        self.offline = False
        self._errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._errors.append(f"script: {error}"))
        page.on("response", self._response)

    def log_in(self, role: str) -> None:
        """Begin a session as somebody with a role, and open the dashboard."""
        token = {"token": self.server.tokens[role]}
        answer = self.page.context.request.post(f"{self.server.url}/api/v1/session", data=token)
        assert answer.ok, answer.text()
        self.open("/")

    def open(self, path: str) -> None:
        """Open a page and wait until all of it is there."""
        self.page.goto(self.server.url + path)
        self.page.wait_for_selector("body:not([aria-busy])")

    def say(self, key: str, **values: Any) -> str:
        """Return a text of the page's, as it is to be read; the form for many, of those that count."""
        text = self.texts[key]
        return (text if isinstance(text, str) else text["other"]).format(**values)

    def act(self, name: str, within: str = "main", *, reason: str = "as agreed", account: int | None = None) -> None:
        """Press an act's button, give a reason, confirm."""
        self.page.locator(f'{within} [data-act="{name}"]').first.click()
        if account is not None:
            self.page.fill("#act-account", str(account))
        self.page.fill("#act-reason", reason)
        if self.page.is_visible("#act-sure"):
            self.page.check("#act-sure")
        self.page.click("#act-confirm")

    def said(self) -> str:
        """Return what the page says after an act, once it does."""
        self.page.wait_for_selector("#said:not([hidden])")
        return self.page.inner_text("#said-text")

    def text(self, selector: str) -> str:
        """Return what stands somewhere."""
        return self.page.inner_text(selector)

    def wait_for(self, selector: str, text: str) -> None:
        """Wait until a part shows a text."""
        self.page.locator(selector).filter(has_text=text).first.wait_for()

    def errors(self) -> list[str]:
        """Return what went wrong: errors of scripts, violations of the content policy, anything from elsewhere."""
        return self._errors

    def _console(self, message: ConsoleMessage) -> None:
        expected = any(f"status of {status}" in message.text for status in self.refused)
        lost = self.offline and "ERR_INTERNET_DISCONNECTED" in message.text
        if message.type in ("error", "warning") and not expected and not lost:
            self._errors.append(f"{message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if not response.url.startswith((self.server.url, "data:")):
            self._errors.append(f"from elsewhere: {response.url}")


@contextmanager
def visiting(browser: Browser, server: Serving, language: str) -> Iterator[Visit]:
    """Open a browser window for somebody; at the end nothing may have gone wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale=LOCALES[language])
    visit = Visit(context.new_page(), server, language)
    try:
        yield visit
        assert visit.errors() == []
    finally:
        context.close()
