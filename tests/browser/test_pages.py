"""Our own pages in a real browser: signing in, the page of a request, and signing out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.sessions import SESSION_COOKIE
from governance.operations.transitions import withdraw
from storage.postgres_server import PostgresServer
from tests.api.browsing import PASSWORD, person_with_password
from tests.api.served import ServedApi, served
from tests.fixtures.postgres import fresh_database
from tests.fixtures.run_page_story import REASON, waiting_story

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def api(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("pages") / "home") as api,
    ):
        yield api


class Noted:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.said: list[str] = []


@pytest.fixture(params=["light wide", "dark narrow"])
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    scheme, width = request.param.split()
    size = {"wide": (1200, 900), "narrow": (360, 740)}[width]
    opened = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": size[0], "height": size[1]}
    )
    yield opened
    opened.close()


@pytest.fixture
def noted(context: BrowserContext) -> Noted:
    noted = Noted()
    context.on("request", lambda request: noted.asked.append(request.url))
    context.on("console", lambda message: noted.said.append(message.text))
    context.on("weberror", lambda error: noted.said.append(str(error.error)))
    return noted


def test_from_the_link_to_the_story_and_out_again(api: ServedApi, context: BrowserContext, noted: Noted) -> None:
    name = person_with_password(api)
    request = waiting_story(api.registry)
    page = context.new_page()
    page.goto(f"{api.url}/runs/{request.id}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Name")).to_have_value(name)
    refused = noted.said.copy()  # the browser itself remarks on every 401
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{request.id}")
    session = next(cookie for cookie in context.cookies() if cookie["name"] == SESSION_COOKIE)
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Lax")
    assert page.evaluate("document.cookie") == ""

    expect(page.get_by_text(REASON)).to_be_visible()
    expect(page.get_by_role("img", name="margin 2.00")).to_be_visible()
    assert _fits(page), "the page scrolls sideways"
    page.get_by_role("link", name="Your requests").click()
    expect(page.get_by_text("You have not asked for anything")).to_be_visible()
    assert _fits(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto(f"{api.url}/runs/{request.id}")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    assert {urlsplit(url).netloc for url in noted.asked} == {urlsplit(api.url).netloc}
    assert noted.said == refused
    assert all("401" in said for said in refused)


@pytest.mark.parametrize("context", ["light wide"], indirect=True)
def test_the_page_follows_what_happens(api: ServedApi, context: BrowserContext, noted: Noted) -> None:
    r = api.registry
    request = waiting_story(r)
    page = context.new_page()
    _signed_in(api, page)
    page.goto(f"{api.url}/runs/{request.id}")
    expect(page.locator("#state")).to_contain_text("Waiting for people")
    withdraw(r.unit(), r.call(r.dev), request.id, "A mistake.")
    expect(page.locator("#state")).to_contain_text("Withdrawn", timeout=15_000)
    expect(page.get_by_text("A mistake.").first).to_be_visible()
    assert noted.said == []


@pytest.mark.parametrize("context", ["light wide"], indirect=True)
def test_another_site_cannot_act_for_whoever_is_signed_in(api: ServedApi, context: BrowserContext) -> None:
    """A page elsewhere posts a form here: the cookie stays behind, and nothing happens."""
    page = context.new_page()
    _signed_in(api, page)
    elsewhere = api.url.replace("127.0.0.1", "localhost")  # another site to a browser
    context.route(
        f"{elsewhere}/evil",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{api.url}/sign-out"><button>Win</button></form>',
        ),
    )
    page.goto(f"{elsewhere}/evil")
    page.get_by_role("button", name="Win").click()
    page.wait_for_load_state()
    page.goto(f"{api.url}/")
    expect(page.get_by_role("heading", name="Your requests")).to_be_visible()


def _signed_in(api: ServedApi, page: Page) -> None:
    page.goto(f"{api.url}/sign-in")
    page.get_by_label("Name").fill(person_with_password(api))
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{api.url}/")


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
