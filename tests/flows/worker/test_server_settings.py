"""The Prefect server really has the settings that storage.prefect_server gives it."""

from __future__ import annotations

import httpx

from tests.fixtures.prefect_server import PrefectServer
from tests.flows.worker.orchestrator import Orchestrator


def test_the_server_has_our_settings(prefect_server: PrefectServer, orchestrator: Orchestrator) -> None:
    settings = orchestrator.get("/admin/settings")
    server = settings["server"]
    assert server["analytics_enabled"] is False
    assert server["logging_level"] == "WARNING"
    assert server["ui"]["v2_enabled"] is False
    assert server["ui"]["show_promotional_content"] is False
    assert server["ui"]["api_url"] == "/dashboard/api"
    assert server["ui"]["serve_base"] == "/dashboard"
    assert settings["results"]["persist_by_default"] is False
    assert settings["client"]["csrf_support_enabled"] is False
    assert settings["client"]["server_version_check_enabled"] is False
    assert server["ephemeral"]["enabled"] is False
    assert settings["api"]["url"] == prefect_server.api_url


def test_the_server_keeps_its_data_in_postgresql(orchestrator: Orchestrator) -> None:
    url = orchestrator.get("/admin/settings")["server"]["database"]
    assert url["connection_url"] is not None
    assert url["driver"] in (None, "postgresql+asyncpg")


def test_the_pages_live_where_our_api_serves_them(prefect_server: PrefectServer) -> None:
    page = httpx.get(f"{prefect_server.ui_url}/dashboard/", follow_redirects=True)
    assert page.is_success
    assert "text/html" in page.headers["content-type"]
    ui = httpx.get(f"{prefect_server.ui_url}/dashboard/ui-settings").json()
    assert (ui["api_url"], ui["default_ui"]) == ("/dashboard/api", "v1")


def test_nobody_without_the_secret_is_answered(prefect_server: PrefectServer) -> None:
    for auth in (None, ("tests", "wrong"), ("", "")):
        assert httpx.get(f"{prefect_server.api_url}/admin/settings", auth=auth).status_code == 401
        assert httpx.post(f"{prefect_server.api_url}/flow_runs/filter", json={}, auth=auth).status_code == 401
