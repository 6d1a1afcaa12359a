"""What the platform answers, in words."""

from __future__ import annotations

from typing import Any

from api.cli.demo.wording import (
    applied_text,
    blocking,
    difference_rows,
    evaluation_text,
    gates_text,
    progress_text,
    reasons_of,
)
from governance.canonical import difference

OLD, NEW = "a" * 64, "b" * 64


def gate(policy: str, outcome: str, *reasons: str) -> dict[str, Any]:
    return {"policy": policy, "title": f"{policy}?", "outcome": outcome, "reasons": list(reasons)}


def request(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"status": "judging", "gates": [], "approvals": [], "outcome": None}
    return found | changes


def artifact(identity: str, sha256: str, size: int = 10) -> dict[str, Any]:
    return {"id": identity, "type": "weights", "name": "model.onnx", "sha256": sha256, "size": size, "uri": sha256}


def test_a_replaced_artifact_is_one_row_for_each_property_that_differs() -> None:
    """The registry's own difference, which knows the two artifacts by their ids, is what comes in."""
    changes = difference({"artifacts": [artifact("1", OLD)]}, {"artifacts": [artifact("2", NEW)]})
    assert difference_rows(changes) == (
        ("what", "approved", "now"),
        ("weights model.onnx: sha256", "aaaaaaaaaaaa…", "bbbbbbbbbbbb…"),
    )


def test_an_added_artifact_and_a_changed_word_are_shown() -> None:
    before = {"artifacts": [], "version": {"metadata": {"license": "MIT"}}}
    after = {"artifacts": [artifact("1", NEW)], "version": {"metadata": {"license": "GPL-3.0-only"}}}
    assert difference_rows(difference(before, after)) == (
        ("what", "approved", "now"),
        ("weights model.onnx: sha256", "–", "bbbbbbbbbbbb…"),
        ("weights model.onnx: size", "–", "10"),
        ("version.metadata.license", "MIT", "GPL-3.0-only"),
    )


def test_no_difference_is_a_heading_alone() -> None:
    assert difference_rows([]) == (("what", "approved", "now"),)


def test_gates_in_words() -> None:
    assert gates_text(request()) == "no gate has been judged"
    assert gates_text(request(gates=[gate("a", "passed")])) == "1 gate passed"
    mixed = request(gates=[gate("a", "passed"), gate("b", "failed", "x", "y"), gate("c", "unknown", "z")])
    assert gates_text(mixed) == "1 of 3 gates passed"
    assert reasons_of(blocking(mixed)) == ("b? x", "b? y", "c? z")


def test_progress_shows_gates_and_the_approvals_that_count() -> None:
    vote = {"decision": "approve", "counts": True}
    waiting = request(
        status="awaiting_approval",
        gates=[gate("completeness", "passed"), gate("approvals", "unknown")],
        approvals=[vote, vote, vote | {"counts": False}, vote | {"decision": "reject"}],
    )
    assert progress_text(request()) == "judging"
    assert progress_text(waiting) == "awaiting approval, 2 approvals  ✓ completeness  … approvals"


def test_what_moved_along_is_told() -> None:
    outcome = {"to": "production", "alongside": {"version": "1.0.0", "to": "deprecated"}}
    applied = request(gates=[gate("a", "passed"), gate("b", "passed")], outcome=outcome)
    assert applied_text(applied) == "production (2 gates passed); 1.0.0 is deprecated now"


def test_an_evaluation_in_words() -> None:
    results = {
        "taskMetrics": {"roc_auc": 0.99, "accuracy": 0.9649},
        "intervals": {"accuracy": {"low": 0.937, "high": 0.981}},
        "examples": 285,
    }
    good = {"status": "completed", "passed": True, "reason": None, "results": results}
    bad = good | {"passed": False, "reason": "accuracy is 0.5"}
    failed = {"status": "failed", "passed": False, "reason": "no rows", "results": None}
    assert evaluation_text(good) == ("accuracy 0.965 (0.937–0.981), roc_auc 0.990 on 285 examples; thresholds met")
    assert evaluation_text(bad).endswith("; accuracy is 0.5")
    assert evaluation_text(failed) == "evaluation failed: no rows"
