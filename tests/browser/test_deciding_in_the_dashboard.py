"""An approver decides on the page of a suspended run, by the form behind its Resume button."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from governance.requests import RequestStatus, TransitionRequest
from tests.browser.conftest import OpenAs
from tests.fixtures.dashboard import GuardedDashboard

pytestmark = pytest.mark.browser


def form(page: Page, request: TransitionRequest) -> Locator:
    """The form of the run's page, opened."""
    page.goto(f"/dashboard/runs/flow-run/{request.flow_run_id}")
    page.get_by_role("button", name="Resume").first.click(timeout=30_000)
    opened = page.locator(".p-modal__card")
    expect(opened.get_by_text("Decision", exact=True)).to_be_visible(timeout=15_000)
    return opened


def fill(opened: Locator, decision: str, comment: str) -> None:
    opened.locator(".p-select-button__icon").click(force=True)  # a click into the field itself opens nothing
    opened.page.locator(".p-select-options").get_by_text(decision, exact=True).click()
    opened.locator("textarea").first.fill(comment)


def submit(opened: Locator) -> None:
    opened.get_by_role("button", name="Submit").click()


def test_an_approver_reads_refuses_to_be_hasty_and_approves(guarded: GuardedDashboard, open_as: OpenAs) -> None:
    request = guarded.waiting()
    page = open_as(guarded.registry.grace)
    asked: list[str] = []
    page.on("request", lambda it: asked.append(it.url))
    sockets: list[str] = []
    page.on("websocket", lambda it: sockets.append(it.url))
    opened = form(page, request)
    digest = request.evidence_digest or "absent"
    expect(opened.get_by_text(digest[:19])).to_be_visible()
    assert opened.locator("textarea").last.input_value() == digest
    link = opened.get_by_role("link", name="Read the whole request")
    assert link.get_attribute("href") == f"{guarded.url}/runs/{request.id}"

    fill(opened, "reject", "")
    submit(opened)
    expect(page.get_by_text("A rejection needs a comment that says why.").first).to_be_visible()
    expect(opened).to_be_visible()  # with what was typed

    fill(opened, "approve", "Read and agreed.")
    submit(opened)
    expect(opened).to_be_hidden(timeout=20_000)
    now = guarded.settled(request.id)
    assert now.status is RequestStatus.APPLIED
    with guarded.registry.unit() as uow:
        (approval,) = uow.approvals.of_request(request.id)
    assert (approval.approver_name, approval.decision, approval.comment) == ("grace", "approve", "Read and agreed.")
    expect(page.get_by_text("Approved").first).to_be_visible(timeout=30_000)  # the page has followed
    outside = {urlsplit(url).hostname for url in asked if urlsplit(url).scheme.startswith("http")} - {"127.0.0.1"}
    assert not outside
    assert not sockets


def test_nobody_approves_their_own_request_and_the_form_stays(guarded: GuardedDashboard, open_as: OpenAs) -> None:
    request = guarded.waiting(by=guarded.registry.admin)
    page = open_as(guarded.registry.admin)
    opened = form(page, request)
    fill(opened, "approve", "I made it, it is good.")
    submit(opened)
    expect(page.get_by_text("Nobody approves their own request.").first).to_be_visible()
    expect(opened).to_be_visible()
    assert opened.locator("textarea").first.input_value() == "I made it, it is good."
    assert guarded.request(request.id).status is RequestStatus.AWAITING_APPROVAL


def test_what_is_not_done_here_says_so(guarded: GuardedDashboard, open_as: OpenAs) -> None:
    request = guarded.waiting()
    page = open_as(guarded.registry.admin)
    page.goto(f"/dashboard/runs/flow-run/{request.flow_run_id}")
    page.get_by_role("button", name="Cancel").first.click(timeout=30_000)
    page.locator(".p-modal__card").get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Nobody sets the state of a run here.").first).to_be_visible()
    assert guarded.run(request.flow_run_id or "")["state_type"] == "PAUSED"


def test_a_session_that_ends_leads_to_the_sign_in_page(guarded: GuardedDashboard, open_as: OpenAs) -> None:
    page = open_as(guarded.registry.alan)
    page.goto("/dashboard/runs")
    flows = page.get_by_role("button", name="Flows", exact=True)
    expect(flows).to_be_visible(timeout=30_000)
    page.context.clear_cookies()
    with suppress(Error):  # whatever the page asks for next takes it away, perhaps before this click
        page.evaluate("document.querySelector('a[href=\"/dashboard/flows\"]')?.click()")
    page.wait_for_url("**/sign-in?next=*", timeout=15_000)
    assert "next=%2Fdashboard%2F" in page.url
