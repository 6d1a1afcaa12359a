"""What an approver sees in the Prefect dashboard: the story of the gates, and a page to decide from."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from governance.requests import TransitionRequest
from tests.browser.conftest import OpenAs
from tests.fixtures.dashboard import GuardedDashboard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shown() -> list[TransitionRequest]:
    return []


@pytest.fixture
def waiting(guarded: GuardedDashboard, shown: list[TransitionRequest]) -> TransitionRequest:
    """A request to approve a production release, suspended and waiting for people; one for all who only look."""
    if not shown:
        shown.append(guarded.waiting())
    return shown[0]


@pytest.fixture
def page(guarded: GuardedDashboard, open_as: OpenAs) -> Page:
    return open_as(guarded.registry.grace)


def test_the_run_page_reads_like_the_story(waiting: TransitionRequest, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/dashboard/runs/flow-run/{waiting.flow_run_id}")
    expect(page.get_by_text("approve production: ").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Suspended").first).to_be_visible()
    page.get_by_text("Task Runs", exact=True).first.click()
    for step in (
        "Gather the evidence",
        "Is the record complete?",
        "Are the artifacts intact?",
        "Can loading the weights run code?",
        "Are the data what is expected of them?",
        "Has it been evaluated, and well enough?",
        "Is it at least as good as what is in production?",
        "Have enough people approved exactly this?",
    ):
        expect(page.get_by_text(step).first).to_be_visible(timeout=15_000)
    outside = [
        url for url in asked if urlsplit(url).scheme.startswith("http") and urlsplit(url).hostname != "127.0.0.1"
    ]
    assert not outside
    assert page.get_by_text("Switch to").count() == 0


def test_the_decision_page_has_what_an_approver_needs(
    guarded: GuardedDashboard, waiting: TransitionRequest, page: Page
) -> None:
    wanted = {"artifacts": {"flow_run_id": {"any_": [waiting.flow_run_id]}, "type": {"any_": ["markdown"]}}}
    with guarded.stage.orchestrator() as prefect:
        found = prefect.post("artifacts/filter", json=wanted).json()
    page.goto(f"/dashboard/artifacts/artifact/{found[0]['id']}")
    expect(page.get_by_role("heading", name="waiting for people").first).to_be_visible(timeout=30_000)
    for heading in ("Gates", "Evaluation", "on the same examples", "Artifacts", "What changes", "How to decide"):
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    assert waiting.evidence_digest is not None
    expect(page.get_by_text(waiting.evidence_digest).first).to_be_visible()
    expect(page.get_by_text("not worse").first).to_be_visible()
