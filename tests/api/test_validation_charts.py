"""Pictures of validation over HTTP: the right bytes, for those who may see the model, kept as long as they hold."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from governance.access.rules import AccessRule
from storage.composition import new_id
from tests.api.served import ServedApi, refusal
from tests.fixtures import validation
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import model_with_version, query

ROOT = "/api/models/enterprise/validation"
PNG = b"\x89PNG\r\n\x1a\n"
CHARTS = ("series", "slices", "reliability")


@pytest.fixture(scope="module")
def run(api: ServedApi) -> str:
    """The last of three settled runs of a version, in which a regression was found."""
    r, suite = api.registry, new_id()
    model = model_with_version(r)
    version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
    for number in range(3):
        last = validation.queued(r, version, created_at=r.at - timedelta(days=3 - number))
        severity = "high" if number == 2 else "none"
        validation.settle(r, last, severity=severity, suite_id=suite, drop=0.03 * number)
    return last


@pytest.mark.parametrize("chart", CHARTS)
def test_a_picture_of_a_run_is_svg_or_png(api: ServedApi, run: str, chart: str) -> None:
    svg = api.dev.get(f"{ROOT}/runs/{run}/charts/{chart}.svg")
    assert (svg.status_code, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert ElementTree.fromstring(svg.content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  (our own)
    png = api.dev.get(f"{ROOT}/runs/{run}/charts/{chart}.png")
    assert (png.status_code, png.headers["content-type"]) == (200, "image/png")
    assert png.content.startswith(PNG)


def test_a_picture_that_is_opened_by_itself_can_neither_load_nor_run_anything(api: ServedApi, run: str) -> None:
    answer = api.dev.get(f"{ROOT}/runs/{run}/charts/series.svg")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"<script" not in answer.content


def test_a_settled_picture_is_kept_and_never_drawn_again_for_who_has_it(
    api: ServedApi, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{ROOT}/runs/{run}/charts/slices.png"
    first = api.dev.get(path)
    assert "immutable" in first.headers["cache-control"]
    assert "private" in first.headers["cache-control"]
    monkeypatch.setattr("api.routes.validation_charts.draw", None)
    again = api.dev.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_pictures_differ_by_what_they_show(api: ServedApi, run: str) -> None:
    tags = {
        api.dev.get(f"{ROOT}/runs/{run}/charts/{chart}.{form}").headers["etag"]
        for chart in CHARTS
        for form in ("svg", "png")
    }
    assert len(tags) == 6


@pytest.mark.parametrize(
    "chart", ["series", "series.gif", "series.svg.png", ".svg", "overview.svg", "Series.svg", "series.SVG"]
)
def test_there_is_no_other_picture(api: ServedApi, run: str, chart: str) -> None:
    refusal(api.dev.get(f"{ROOT}/runs/{run}/charts/{chart}"), 404, "CHART_NOT_FOUND")


def test_a_run_without_anything_to_draw_has_no_picture(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
    waiting = validation.queued(r, version)
    for chart in CHARTS:
        refusal(api.dev.get(f"{ROOT}/runs/{waiting}/charts/{chart}.svg"), 404, "CHART_NOT_FOUND")
    refusal(api.dev.get(f"{ROOT}/runs/{new_id()}/charts/series.svg"), 404, "VALIDATION_RUN_NOT_FOUND")


def test_another_suite_can_be_asked_for(api: ServedApi, run: str) -> None:
    path = f"{ROOT}/runs/{run}/charts/series.svg"
    refusal(api.dev.get(path, params={"suite": new_id()}), 404, "CHART_NOT_FOUND")
    statement = "select measured -> 'suites' -> 0 ->> 'suite_id' from validation_runs where id = %s"
    suite = query(api.registry, statement, run)
    assert api.dev.get(path, params={"suite": suite[0][0]}).headers["etag"] == api.dev.get(path).headers["etag"]
    refusal(api.dev.get(path, params={"suite": "x" * 101}), 400, "INVALID_INPUT")


def test_the_overview_is_of_what_one_may_see_and_kept_by_those_who_see_all(api: ServedApi) -> None:
    r = api.registry
    night = validation.night(r, date(2025, 12, 24))
    model = model_with_version(r)
    version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
    validation.settle(r, validation.queued(r, version, night_id=night), "failed", severity="high")
    with r.unit() as uow:
        uow.access.set_of_model(model, AccessRule(("lab",), restricted=("aside",)), r.at)
        uow.commit()
    path = f"{ROOT}/nights/2025-12-24/charts/overview.svg"
    whole = api.admin.get(path)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/svg+xml")
    assert "immutable" in whole.headers["cache-control"]
    narrow = {"X-Group-Context": "elsewhere"}
    outsider = api.sign_in(r.person(f"out-{new_id()}", DEVELOPER, "elsewhere", "aside"))
    part = outsider.get(path, headers=narrow)
    assert part.status_code == 200
    assert part.headers["etag"] != whole.headers["etag"], "nothing failed among what they may see"
    assert part.headers["cache-control"] == "private, no-cache", "what they may see may change"
    refusal(api.admin.get(f"{ROOT}/nights/2025-12-24/charts/series.svg"), 404, "CHART_NOT_FOUND")
