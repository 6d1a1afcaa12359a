"""What an approver sees in the Prefect dashboard: the story of the gates, and a page to decide from."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from governance.requests import RequestStatus, TransitionRequest
from tests.faults.candidates import candidate
from tests.faults.stage import Stage, eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def waiting(stage: Stage) -> TransitionRequest:
    """A request to approve a production release, suspended and waiting for people."""
    it = candidate(stage, "approve_production")
    stage.registry.at = stage.platform.system_call().at
    request = stage.registry.open(it.model_id, it.version, "approve_production")
    stage.launch(request)

    def parked() -> TransitionRequest | None:
        with stage.platform.new_unit() as uow:
            now = uow.requests.get(request.id)
        if now.status is not RequestStatus.AWAITING_APPROVAL or now.flow_run_id is None:
            return None
        return now if stage.platform.launcher.state(now.flow_run_id) == "PAUSED" else None

    return eventually("parking", parked)  # type: ignore[no-any-return]


def test_the_run_page_reads_like_the_story(stage: Stage, waiting: TransitionRequest, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{stage.prefect_port}/runs/flow-run/{waiting.flow_run_id}")
    expect(page.get_by_text("approve production: ").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Suspended").first).to_be_visible()
    page.get_by_text("Task Runs", exact=True).first.click()
    for step in (
        "Gather the evidence",
        "Is the record complete?",
        "Are the artifacts intact?",
        "Can loading the weights run code?",
        "Has it been evaluated, and well enough?",
        "Is it at least as good as what is in production?",
        "Have enough people approved exactly this?",
    ):
        expect(page.get_by_text(step).first).to_be_visible(timeout=15_000)
    outside = [
        url for url in asked if urlsplit(url).scheme.startswith("http") and urlsplit(url).hostname != "127.0.0.1"
    ]
    assert not outside


def test_the_decision_page_has_what_an_approver_needs(stage: Stage, waiting: TransitionRequest, page: Page) -> None:
    found = httpx.post(
        f"{stage.prefect}/artifacts/filter",
        json={"artifacts": {"flow_run_id": {"any_": [waiting.flow_run_id]}, "type": {"any_": ["markdown"]}}},
    ).json()
    page.goto(f"http://127.0.0.1:{stage.prefect_port}/artifacts/artifact/{found[0]['id']}")
    expect(page.get_by_role("heading", name="waiting for people").first).to_be_visible(timeout=30_000)
    for heading in ("Gates", "Evaluation", "on the same examples", "Artifacts", "What changes", "How to decide"):
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    assert waiting.evidence_digest is not None
    expect(page.get_by_text(waiting.evidence_digest).first).to_be_visible()
    expect(page.get_by_text("not worse").first).to_be_visible()
