"""Chromium for the tests of this folder, and a page that must stay on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from deployments.docs.camera import QUIET
from tests.support.browsing import Seen


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def seen(browser: Browser, tmp_path: Path) -> Iterator[Seen]:
    """A fresh page; a test that asks for it has asked nobody else for anything."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    found = Seen(context.new_page(), tmp_path)
    yield found
    context.close()
    assert found.requests, "no page was opened"
    assert found.strangers == []
