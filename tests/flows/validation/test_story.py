"""What the dashboard says of runs and nights: text, from what was judged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from flows.validation import story
from governance.validation.nights import Night, NightStatus
from governance.validation.runs import RunStatus, ValidationRun

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAME = "hold|out `x`\n# heading"


def run(**changes: Any) -> ValidationRun:
    suite = {"suite_id": "s", "suite": NAME, "score": 0.9, "results": {"calibration": {"bins": []}},
             "not_compared": None}  # fmt: skip
    judged = {"detected": True, "evidence": "paired", "n": 4_000, "drop": 0.05, "lower": 0.04, "upper": 0.06, "q": 1e-9,
              "severity": "high", "conclusion": "regression", "slices": [{"name": "a=1"}]}  # fmt: skip
    fields: dict[str, Any] = {
        "id": "i", "run_id": "validation_v_1", "model_id": "m", "version_id": "v", "status": RunStatus.FAILED,
        "created_at": NOON, "tests": tuple({"outcome": one} for one in ("passed", "failed", "insufficient_evidence")),
        "measured": {"suites": [suite]}, "judged": {"suites": {"s": judged}},
    }  # fmt: skip
    return ValidationRun(**{**fields, **changes})


def test_the_headline_counts_and_names_what_is_worse() -> None:
    assert story.headline(run(judged=None)) == "1 of 3 tests passed, 1 failed, 1 undecided"
    assert story.headline(run()).endswith(f"worse than the baseline on {NAME}")


def test_a_page_has_its_numbers_and_the_pictures_that_there_are() -> None:
    page = story.run_page(run(), "https://gatehouse")
    row = next(line for line in page.splitlines() if "hold" in line and line.startswith("| `"))
    assert row == (
        "| `hold/out 'x' # heading` | paired | 4000 | +0.0500 | +0.0400 to +0.0600 | 1e-09 | high | regression |"
    )
    for chart in ("series", "slices", "reliability"):
        assert f"(https://gatehouse/api/models/enterprise/validation/runs/validation_v_1/charts/{chart}.png)" in page
    plain = story.run_page(run(measured={"suites": []}, judged=None), "https://gatehouse")
    assert "charts" not in plain


def test_what_was_not_compared_is_told() -> None:
    suite = {"suite_id": "s", "suite": "holdout", "score": None, "results": None, "not_compared": "Nobody knows."}
    page = story.run_page(run(measured={"suites": [suite]}, judged={"suites": {}}), "https://gatehouse")
    assert "`holdout` was not compared: Nobody knows." in page


def test_the_page_of_a_night() -> None:
    summary = {"models_processed": 7, "passed": 4, "failed": 1, "errors": 1, "insufficient_evidence": 1,
               "regressions_detected": 1, "not_reached": 2}  # fmt: skip
    night = Night("n", date(2026, 3, 2), "schedule", NightStatus.PARTIAL, 9, 1, NOON, NOON, summary=summary)
    page = story.night_page(night, "https://gatehouse")
    assert page.startswith("# Night of 2026-03-02: partial")
    for line in ("| Validated | 7 |", "| Regressions | 1 |", "| Not reached | 2 |"):
        assert line in page
    assert "nights/2026-03-02/charts/overview.png" in page
