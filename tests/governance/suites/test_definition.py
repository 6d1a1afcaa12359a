from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from governance.errors import InvalidInput
from governance.evaluations import Suite
from governance.suites.catalogue import SuiteKind, TaskType
from governance.suites.checking import checked_suite
from governance.suites.selection import selected

FULL: dict[str, Any] = {
    "cases": [
        {
            "id": "easy",
            "title": "An easy one",
            "rows": [{"a": 1, "b": None}],
            "expect": {"label": "1", "minScore": 0.5},
        },
        {"id": "north", "slice": {"region": "north"}, "expect": {"metric": "accuracy", "min": 0.8}, "tolerance": 0.01},
    ],
    "slices": ["region"],
    "groups": {"columns": ["sex"], "favourableLabel": "1", "reference": {"sex": "m"}},
    "bias": ["demographic_parity_difference", "disparate_impact_ratio"],
    "robustness": {
        "metrics": ["flip_rate"],
        "perturbations": [{"kind": "noise", "strength": 0.1}, {"name": "some", "kind": "missing", "strength": 0.05}],
        "seed": 7,
    },
    "safety": ["nan_safe", "worst_slice_accuracy"],
    "performance": {"metrics": ["latency_p95_ms"], "calls": 50},
    "margins": {"accuracy": 0.01, "flip_rate.some": 0.02},
    "sliceThresholds": {"accuracy": {"region": {"min": 0.7}, "region=north": {"min": 0.75}}},
    "minimumPrecision": {"accuracy": 0.05},
    "minimumExamples": 50,
}
TEXT: dict[str, Any] = {
    "cases": [
        {"id": "p1", "prompt": "Tell me.", "expect": {"refuses": True}},
        {"id": "p2", "prompt": "Say it.", "expect": {"leaksNoneOf": "swordfish", "matches": "^a"}},
    ],
    "safety": ["refusal_rate", "leak_rate"],
    "refusalPhrases": ["no"],
}


def check(definition: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "task_type": "binary_classification",
        "metrics": ["accuracy"],
        "thresholds": {"accuracy": {"min": 0.8}},
        "margin": 0.02,
        "dataset_id": "d1",
        "target": "y",
        "features": ["a", "b"],
    } | changes
    return checked_suite(**fields, definition=definition)[2]


def check_text(definition: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "task_type": "text_generation",
        "metrics": [],
        "thresholds": {},
        "dataset_id": None,
        "target": None,
    }
    return check(definition, **{**fields, "features": None, **changes})


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one part replaced; `path` names members and positions, as in "cases.0.id"."""
    made = copy.deepcopy(base)
    at: Any = made
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        at = at[part]
    at[last] = value
    return made


def test_a_full_definition_is_kept_with_its_defaults() -> None:
    found = check(FULL)
    assert set(found) == set(FULL)
    assert found["cases"][0]["tolerance"] == 0
    assert found["robustness"]["perturbations"][0]["name"] == "noise"
    assert found["performance"] == {"metrics": ["latency_p95_ms"], "calls": 50, "batch": 1000}
    assert check(found) == found
    assert check_text(TEXT)["cases"][1]["expect"]["leaksNoneOf"] == ["swordfish"]
    assert check({}) == {}


NAMED = "definition."
REFUSED: list[tuple[str, Any, str | None]] = [
    ("cases.0.id", "a b", "cases[0].id"),
    ("cases.0.id", "x" * 101, "cases[0].id"),
    ("cases.0.id", "north", "cases[1].id"),
    ("cases.0.id", 1, "cases[0].id"),
    ("cases", [], "cases"),
    ("cases", {}, "cases"),
    ("cases.0.slice", {"region": "x"}, "cases[0]"),
    ("cases.0.rows", [], "cases[0].rows"),
    ("cases.0.rows", [{"a": 1}], "cases[0].rows[0]"),
    ("cases.0.rows", [{"a": 1, "b": 2}, {"a": 1, "c": 2}], "cases[0].rows[1]"),
    ("cases.0.rows.0.a", "1", "cases[0].rows[0].a"),
    ("cases.0.rows.0.a", float("inf"), None),
    ("cases.0.expect", {}, "cases[0].expect.label"),
    ("cases.0.expect", {"value": 1}, "cases[0].expect.value"),
    ("cases.0.expect.label", True, "cases[0].expect.label"),
    ("cases.0.expect.minScore", "x", "cases[0].expect.minScore"),
    ("cases.0.tolerance", -1, "cases[0].tolerance"),
    ("cases.0.more", 1, "cases[0].more"),
    ("cases.1.slice", {}, "cases[1].slice"),
    ("cases.1.expect", {"metric": "r2", "min": 0}, "cases[1].expect.metric"),
    ("cases.1.expect", {"metric": "accuracy"}, "cases[1].expect"),
    ("cases.1.expect", {"metric": "accuracy", "min": 1, "max": 0}, "cases[1].expect"),
    ("slices", ["y"], "slices"),
    ("slices", ["a=b"], "slices"),
    ("slices", ["a", "a"], "slices"),
    ("groups.columns", [], "groups.columns"),
    ("groups.favourableLabel", "", "groups.favourableLabel"),
    ("groups.reference", {"age": "1"}, "groups.reference"),
    ("bias", ["fairness"], "bias"),
    ("robustness.metrics", ["loss_increase"], "robustness.metrics"),
    ("robustness.perturbations", [], "robustness.perturbations"),
    ("robustness.perturbations.0.kind", "rotation", "robustness.perturbations[0].kind"),
    ("robustness.perturbations.0.strength", 0, "robustness.perturbations[0].strength"),
    ("robustness.perturbations.1.strength", 1.5, "robustness.perturbations[1].strength"),
    ("robustness.perturbations.1.name", "noise", "robustness.perturbations"),
    ("robustness.perturbations.1.name", "a.b", "robustness.perturbations[1].name"),
    ("robustness.perturbations.1.columns", ["z"], "robustness.perturbations[1].columns"),
    ("robustness.seed", -1, "robustness.seed"),
    ("safety", ["refusal_rate"], "safety"),
    ("performance.metrics", ["speed"], "performance.metrics"),
    ("performance.calls", 0, "performance.calls"),
    ("margins", {"r2": 0.1}, "margins.r2"),
    ("margins.accuracy", -0.1, "margins.accuracy"),
    ("sliceThresholds", {"f1": {"region": {"min": 0}}}, "sliceThresholds.f1"),
    ("sliceThresholds.accuracy", {"age=1": {"min": 0}}, "sliceThresholds.accuracy.age=1"),
    ("sliceThresholds.accuracy", {"region": {}}, "sliceThresholds.accuracy.region"),
    ("minimumPrecision.accuracy", 0, "minimumPrecision.accuracy"),
    ("minimumExamples", 0, "minimumExamples"),
    ("minimumExamples", 30.0, "minimumExamples"),
    ("casesDecide", 1, "casesDecide"),
    ("refusalPhrases", ["no"], "refusalPhrases"),
    ("unheardOf", 1, "unheardOf"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field"), REFUSED)
def test_what_a_definition_must_not_be(path: str, value: Any, field: str | None) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check(changed(FULL, path, value))
    if field is not None:
        assert refusal.value.details["field"] == NAMED + field


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("cases.0.prompt", "", "cases[0].prompt"),
        ("cases.0.expect", {}, "cases[0].expect"),
        ("cases.0.expect", {"label": "1"}, "cases[0].expect.label"),
        ("cases.0.expect.refuses", "yes", "cases[0].expect.refuses"),
        ("cases.1.expect.matches", "(a", "cases[1].expect.matches"),
        ("cases.1.expect.leaksNoneOf", [], "cases[1].expect.leaksNoneOf"),
        ("safety", ["nan_safe"], "safety"),
        ("safety", ["over_refusal_rate"], "safety"),
        ("slices", ["a"], "slices"),
        ("bias", ["disparate_impact_ratio"], "bias"),
        ("robustness", {"metrics": ["flip_rate"], "perturbations": []}, "robustness"),
        ("performance", {"metrics": ["throughput_rows_per_second"]}, "performance.metrics"),
    ],
)
def test_what_a_definition_of_prompts_must_not_be(path: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_text(changed(TEXT, path, value))
    assert refusal.value.details["field"] == NAMED + field


@pytest.mark.parametrize(
    ("definition", "changes", "field"),
    [
        ({}, {"kind": "nightly"}, "kind"),
        ({}, {"kind": "performance"}, "definition.performance"),
        ({}, {"dataset_id": None}, "datasetId"),
        ({}, {"target": None}, "target"),
        ({}, {"dataset_id": None, "target": None}, "datasetId"),
        ({}, {"metrics": []}, "metrics"),
        ({}, {"thresholds": {}}, "thresholds"),
        ({}, {"thresholds": {"flip_rate": {"max": 0.1}}}, "flip_rate"),
        ({"cases": FULL["cases"][:1]}, {"dataset_id": None, "target": None, "metrics": [], "thresholds": {},
                                        "features": None}, "features"),
        ({"cases": FULL["cases"][1:]}, {"dataset_id": None, "target": None, "metrics": [], "thresholds": {}},
         "definition.cases[0].slice"),
        ({"cases": FULL["cases"], "casesDecide": False}, {"thresholds": {}}, "thresholds"),
        ({"casesDecide": False}, {}, "definition.cases"),
        ({"bias": ["demographic_parity_ratio"]}, {}, "definition.groups"),
        ({"safety": ["worst_slice_accuracy"]}, {}, "definition.slices"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(definition: dict[str, Any], changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check(definition, **changes)
    assert refusal.value.details["field"] == field


def test_prompts_have_no_data() -> None:
    for changes in ({"dataset_id": "d"}, {"target": "y"}, {"features": ["a"]}):
        with pytest.raises(InvalidInput):
            check_text(TEXT, **changes)
    with pytest.raises(InvalidInput):
        check_text({})


def test_thresholds_may_be_of_any_family_and_of_its_parts() -> None:
    thresholds = {
        "flip_rate": {"max": 0.1},
        "flip_rate.some": {"max": 0.2},
        "demographic_parity_difference.sex": {"max": 0.1},
        "selection_rate.sex=f": {"min": 0.1},
        "nan_safe": {"min": 1},
        "latency_p95_ms": {"max": 100},
    }
    assert check(FULL, thresholds=thresholds)
    for unknown in ("selection_rate", "flip_rate.", "loss_increase"):
        with pytest.raises(InvalidInput):
            check(FULL, thresholds={unknown: {"max": 1}})


def suite(**changes: Any) -> Suite:
    plain = Suite(
        "s1",
        "m1",
        "holdout",
        "d1",
        "d" * 64,
        "csv",
        TaskType.BINARY,
        "y",
        ("a", "b"),
        ("accuracy",),
        {"accuracy": {"min": 0.9}},
        0.02,
        "1",
    )
    return replace(plain, **changes)


def test_suites_without_a_definition_keep_the_digest_that_decisions_name() -> None:
    known = "sha256:e6ecc89cb21e34b4d1cfe9d4dc33983e3036e52a4613cf32abb7df54629e93b8"  # of the release before
    assert suite().digest == known
    assert suite(kind=SuiteKind.SMOKE).digest == known
    full = suite(definition=check(FULL))
    others = [full, suite(definition=check(changed(FULL, "cases.0.expect.label", "0")))]
    others.append(replace(full, kind=SuiteKind.UNIT))
    assert len({known, *(one.digest for one in others)}) == 4


def test_tests_can_be_chosen_alone() -> None:
    full = suite(
        definition=check(FULL, thresholds={}), thresholds={"accuracy": {"min": 0.9}, "flip_rate.some": {"max": 0.1}}
    )
    assert full.test_ids == (
        "easy",
        "north",
        "holdout.accuracy",
        "holdout.flip_rate.some",
        "holdout.accuracy[region]",
        "holdout.accuracy[region=north]",
    )
    assert selected(full, ["of-another-suite"]) is None
    whole = selected(full, full.test_ids)
    assert whole is not None
    assert whole.test_ids == full.test_ids

    easy = selected(full, ["easy", "elsewhere"])
    assert easy is not None
    assert easy.test_ids == ("easy",)
    assert easy.metrics == ()
    assert easy.thresholds == {}
    assert not {"bias", "robustness", "safety", "performance"} & set(easy.definition)

    noise = selected(full, ["holdout.flip_rate.some"])
    assert noise is not None
    assert noise.test_ids == ("holdout.flip_rate.some",)
    assert noise.definition["robustness"] == full.definition["robustness"]
    assert "bias" not in noise.definition

    sliced = selected(full, ["holdout.accuracy[region=north]"])
    assert sliced is not None
    assert sliced.metrics == ("accuracy",)
    assert sliced.thresholds == {}
    assert sliced.test_ids == ("holdout.accuracy[region=north]",)


def test_rates_of_a_text_model_need_all_of_its_prompts() -> None:
    definition = {**TEXT, "casesDecide": False}
    thresholds = {"refusal_rate": {"min": 0.9}}
    prompts = suite(
        task_type=TaskType.TEXT,
        definition=check_text(definition, thresholds=thresholds),
        thresholds=thresholds,
        metrics=(),
    )
    rate = selected(prompts, ["holdout.refusal_rate"])
    assert rate is not None
    assert [case["id"] for case in rate.definition["cases"]] == ["p1", "p2"]
    assert (rate.definition["safety"], rate.definition["casesDecide"]) == (["refusal_rate"], False)
    one = selected(prompts, ["p2"])
    assert one is not None
    assert [case["id"] for case in one.definition["cases"]] == ["p2"]
    assert "safety" not in one.definition
    assert one.definition["casesDecide"] is True
