"""A browser that takes pictures small enough for a repository."""

from __future__ import annotations

import io
import shutil
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Self

from infra.errors import BackendError, ConfigError
from infra.settings import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

IMAGES: Final = PROJECT / "docs" / "images"
_LARGEST_BYTES: Final = 250_000
_WIDTH, _HEIGHT = 1200, 900
_COLOURS: Final = (256, 128, 64, 32)
QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What keeps Chromium from calling anybody but the page that it is shown."""


def chromium_path() -> str:
    """Where Chromium is.

    Raises:
        ConfigError: it is not installed.
    """
    found = shutil.which("chromium")
    if found is None:
        raise ConfigError(
            "There is no chromium on the path.", hint="Install it: `apt-get install chromium`."
        )
    return found


class Camera(AbstractContextManager["Camera"]):
    """Chromium without a window, and one page in it."""

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=chromium_path(), args=list(QUIET)
        )
        self.page: Page = self._browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        return self

    def __exit__(self, *exception: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def open(self, address: str, shows: str, *, width: int = _WIDTH, height: int = _HEIGHT) -> Page:
        """A page once it shows a text that it has when it is complete.

        Raises:
            BackendError: it does not show it in time.
        """
        from playwright.sync_api import Error

        self.page.set_viewport_size({"width": width, "height": height})
        try:
            self.page.goto(address)
            self.page.get_by_text(shows).first.wait_for()
        except Error as error:
            raise BackendError(f"{address} does not show {shows!r}.") from error
        return self.page

    def take(self, name: str) -> Path:
        """The page as it stands, as a PNG under ``docs/images``.

        Raises:
            BackendError: it is too large with 32 colours even.
        """
        self.page.wait_for_timeout(1000)  # what slides and fades has come to rest
        path = IMAGES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_small(self.page.screenshot()))
        return path


def _small(picture: bytes) -> bytes:
    """A PNG with as many colours as fit into its size."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in _COLOURS:
        sink = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(sink, "PNG", optimize=True)
        if sink.tell() <= _LARGEST_BYTES:
            return sink.getvalue()
    raise BackendError(f"A picture takes more than {_LARGEST_BYTES:,} bytes.")
