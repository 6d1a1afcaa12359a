"""A suite with only some of its cases and thresholds, so that these can be run alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from governance.evaluations import Suite
from governance.suites.catalogue import TaskType


def selected(suite: Suite, ids: Collection[str]) -> Suite | None:
    """The suite with the tests of these ids (see `Suite.test_ids`) and no more than they need; None without any.

    Metrics of a text model are measured on its prompts, so it keeps all of them for a threshold. Cases that are asked
    for decide.
    """
    wanted = set(ids).intersection(suite.test_ids)
    if not wanted:
        return None
    cases = [case for case in suite.definition.get("cases", ()) if case["id"] in wanted]
    thresholds = {name: limits for name, limits in suite.thresholds.items() if f"{suite.name}.{name}" in wanted}
    sliced = {
        metric: chosen
        for metric, by_slice in suite.definition.get("sliceThresholds", {}).items()
        if (chosen := {name: limit for name, limit in by_slice.items() if f"{suite.name}.{metric}[{name}]" in wanted})
    }
    needed = {name.partition(".")[0] for name in thresholds} | set(sliced)
    asked = bool(cases)
    if suite.task_type is TaskType.TEXT and needed:
        cases = list(suite.definition["cases"])
    return replace(
        suite,
        metrics=tuple(name for name in suite.metrics if name in needed),
        thresholds=thresholds,
        definition=_needed(suite.definition, cases, sliced, needed, asked=asked),
    )


def _needed(
    definition: Mapping[str, Any],
    cases: list[Mapping[str, Any]],
    sliced: Mapping[str, Any],
    needed: Collection[str],
    *,
    asked: bool,
) -> dict[str, Any]:
    found = {name: part for name, part in definition.items() if name not in _CHOSEN}
    if cases:
        found["cases"] = cases
        found["casesDecide"] = asked
    if sliced:
        found["sliceThresholds"] = sliced
    for part in ("bias", "safety"):
        if kept := [name for name in definition.get(part, ()) if name in needed]:
            found[part] = kept
    if "selection_rate" in needed:
        found["bias"] = definition["bias"]
    for part in ("robustness", "performance"):
        if kept := [name for name in definition.get(part, {}).get("metrics", ()) if name in needed]:
            found[part] = {**definition[part], "metrics": kept}
    return found


_CHOSEN = frozenset({"cases", "casesDecide", "sliceThresholds", "bias", "safety", "robustness", "performance"})
