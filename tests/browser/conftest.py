"""A real browser. CI installs it; on a user's machine without one these tests skip and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from api.sessions import SESSION_COOKIE
from governance.access.principal import Principal
from tests.fixtures.dashboard import GuardedDashboard

# No page may look anything up outside, and the browser itself should not try either.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to install Chromium")
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield launched
        launched.close()


OpenAs = Callable[[Principal], Page]


@pytest.fixture
def open_as(browser: Browser, guarded: GuardedDashboard) -> Iterator[OpenAs]:
    """A page of the dashboard's origin, in a browser in which this person is signed in."""
    opened: list[BrowserContext] = []

    def open_page(person: Principal) -> Page:
        context = browser.new_context(base_url=guarded.url, viewport={"width": 1400, "height": 1200})
        opened.append(context)
        context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": guarded.session(person),
                    "url": guarded.url.replace("http://", "https://"),  # only there may a cookie be called __Host-
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        return context.new_page()

    yield open_page
    for context in opened:
        context.close()
