"""Who sees the pages, and what travels between a browser and the Prefect server."""

from __future__ import annotations

import httpx
import pytest

from api.sessions import SESSION_COOKIE
from tests.fixtures.dashboard import GuardedDashboard

BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate"}


def test_without_a_session_a_browser_is_led_to_the_sign_in_page(guarded: GuardedDashboard) -> None:
    client = guarded.client(None, **BROWSER)
    for path, wanted in (
        ("/dashboard/", "/dashboard/"),
        ("/dashboard/runs?tab=Runs&page=2", "/dashboard/runs%3Ftab%3DRuns%26page%3D2"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={wanted}")
    assert client.get("/dashboard").headers["location"] == "/dashboard/"


def test_files_of_the_interface_need_no_session(guarded: GuardedDashboard) -> None:
    page = guarded.client(guarded.registry.grace, **BROWSER).get("/dashboard/runs").text
    script = page.partition('src="/dashboard/assets/')[2].partition('"')[0]
    anybody = guarded.client(None)
    found = anybody.get(f"/dashboard/assets/{script}")
    assert found.status_code == 200
    assert "javascript" in found.headers["content-type"]
    assert anybody.get("/dashboard/session.js").status_code == 200
    assert anybody.get("/dashboard/assets/absent.js").status_code == 404
    assert anybody.get("/dashboard/ui-settings").status_code == 401


def test_developers_are_led_to_our_own_page_of_the_request(guarded: GuardedDashboard) -> None:
    request = guarded.waiting()
    dana = guarded.client(guarded.registry.dev, **BROWSER)
    answer = dana.get(f"/dashboard/runs/flow-run/{request.flow_run_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{request.id}")
    assert dana.get("/dashboard/runs").status_code == 403
    program = guarded.client(guarded.registry.dev)
    assert program.post("/dashboard/api/flow_runs/filter", json={}).status_code == 403


def test_the_interface_is_pinned_and_asks_for_no_password(guarded: GuardedDashboard) -> None:
    grace = guarded.client(guarded.registry.grace)
    settings = grace.get("/dashboard/ui-settings").json()
    assert settings["auth"] is None
    assert settings["api_url"] == "/dashboard/api"
    assert (settings["available_uis"], settings["default_ui"], settings["v2_base_url"]) == (["v1"], "v1", None)
    assert grace.get("/dashboard/v2/runs").headers["location"] == "/dashboard/"
    known = grace.get("/dashboard/api/admin/settings").json()
    assert known == {"server": {"ui": {"show_promotional_content": False}}}


def test_neither_side_learns_the_secrets_of_the_other(guarded: GuardedDashboard) -> None:
    secret = guarded.platform.runtime["prefect_auth"]
    grace = guarded.client(guarded.registry.grace, cookie2="x", authorization="Basic bm9ib2R5Om5vdGhpbmc=")
    answer = grace.post("/dashboard/api/flow_runs/filter", json={"limit": 1})
    assert answer.status_code == 200, "our secret went along, not what the caller sent"
    seen = f"{answer.headers} {answer.text} {grace.get('/dashboard/').text}"
    assert secret not in seen
    assert secret.partition(":")[2] not in seen
    for name in ("set-cookie", "server", "www-authenticate", "access-control-allow-origin"):
        assert name not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_a_large_body_is_not_taken(guarded: GuardedDashboard) -> None:
    grace = guarded.client(guarded.registry.grace)
    assert grace.post("/dashboard/api/flow_runs/filter", content=b"x" * 300_000).status_code == 413


@pytest.mark.parametrize("cookie", ["", "x", "ghs_" + "A" * 43, "x" * 600, "a; b"])
def test_what_is_no_session(guarded: GuardedDashboard, cookie: str) -> None:
    with httpx.Client(base_url=guarded.url, headers={"cookie": f"{SESSION_COOKIE}={cookie}"}) as client:
        assert client.get("/dashboard/api/health").status_code == 401
