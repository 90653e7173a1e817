"""A page in a browser, and what it did that a test wants to know."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Page

_LOOPBACK = {"127.0.0.1", "localhost"}


class Seen:
    """A page, what left the machine from it, and the errors that it showed."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self._folder = page, folder
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dismissed)

    @property
    def strangers(self) -> list[str]:
        """The requests that went beyond this machine."""
        web = [url for url in self.requests if url.startswith(("http", "ws"))]
        return [url for url in web if urlsplit(url).hostname not in _LOOPBACK]

    def keep(self, name: str) -> None:
        """Keep a picture of the page in the test's folder."""
        self.page.screenshot(path=self._folder / f"{name}.png", full_page=True)

    def leave(self) -> None:
        """Leave a page that is none of ours; what it said until it was gone does not count."""
        self.page.goto("about:blank")
        self.errors.clear()

    def _heard(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def _dismissed(self, dialog: Dialog) -> None:
        self.errors.append("a dialog")
        dialog.dismiss()
