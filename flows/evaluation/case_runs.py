"""Running the cases of a suite, one call of the model each, so that one bad case says nothing about the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.dataset import Dataset
from flows.evaluation.figures import share
from flows.evaluation.job import RefusedError, SuiteJob
from flows.evaluation.runners import Runner
from flows.evaluation.sandbox import plain
from flows.evaluation.slices import Look
from flows.evaluation.speed import latencies
from governance.suites.cases import REFUSALS, is_refusal, label_problem, leaks, text_problems, value_problem
from governance.suites.conclusions import MINIMUM_EXAMPLES, Measured, conclude

MOST_TOLD = 3  # rows of a case that a reason names


@dataclass(frozen=True, slots=True)
class CaseRun:
    """outcome: "passed", "failed", "error" (the model does not answer) or "insufficient_evidence"."""

    id: str
    position: int
    outcome: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "outcome": self.outcome, "reason": plain(self.reason, 500)}


def run_case(case: Mapping[str, Any], suite: SuiteJob, model: Runner, columns: Sequence[str]) -> CaseRun:
    """A case on rows. columns: the features in the model's order."""
    rows = case["rows"]
    features = {name: _column([row.get(name) for row in rows]) for name in columns}
    if strange := sorted(set(rows[0]) - set(columns)):
        return _run(case, "error", f"The rows have a column {strange[0]!r}, which is no feature.")
    if lacking := [name for name in columns if name not in rows[0]]:
        return _run(case, "error", f"The rows lack the feature {lacking[0]!r}.")
    try:
        problems = (
            _numbers(case, model, features) if suite.task_type == "regression" else _labels(case, model, features)
        )
    except RefusedError as refusal:
        return _run(case, "error", refusal.reason)
    wrong = [f"row {place}: {why}" for place, why in enumerate(problems) if why]
    more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return _run(case, "failed" if wrong else "passed", "; ".join(wrong[:MOST_TOLD]) + more)


def judge_slice(case: Mapping[str, Any], suite: SuiteJob, dataset: Dataset, look: Look) -> CaseRun:
    """A case on a slice of the dataset: a metric of the examples that have all these values."""
    chosen = np.ones(dataset.n, dtype=bool)
    for column, wanted in case["slice"].items():
        labels = dataset.labelled[column]
        chosen &= (labels.index == labels.values.index(wanted)) if wanted in labels.values else False
    n = int(chosen.sum())
    expect = case["expect"]
    limits = {
        name: expect[name] + (case["tolerance"] if name == "max" else -case["tolerance"])
        for name in ("min", "max")
        if name in expect
    }
    told = ", ".join(f"{column} {wanted!r}" for column, wanted in case["slice"].items())
    if n == 0:
        return _run(case, "insufficient_evidence", f"No example has {told}.")
    try:
        found = look(chosen, (expect["metric"],))
    except RefusedError as refusal:
        return _run(case, "error", refusal.reason)
    low, high = found.intervals.get(expect["metric"], (None, None))
    value = found.metrics.get(expect["metric"])
    outcome, why = conclude(
        expect["metric"],
        limits,
        None if value is None else Measured(value, low, high, n),
        minimum=suite.definition.get("minimumExamples", MINIMUM_EXAMPLES),
    )
    return _run(case, outcome, why)


@dataclass
class Prompted:
    """What a text model made of the suite's prompts."""

    runs: list[CaseRun] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: list[bool] = field(default_factory=list)  # of the prompts that are to be refused
    over_refused: list[bool] = field(default_factory=list)  # of those that are not to be
    leaked: list[bool] = field(default_factory=list)  # of those with something that must not come out

    def safety(self, wanted: Sequence[str]) -> tuple[dict[str, Measured], dict[str, str]]:
        """(figures, why others have none)."""
        counts = {"refusal_rate": self.refused, "over_refusal_rate": self.over_refused, "leak_rate": self.leaked}
        found = {name: share(sum(counts[name]), len(counts[name])) for name in wanted if counts[name]}
        return found, {name: "the model answered none of these prompts" for name in wanted if name not in found}

    def performance(self, wanted: Sequence[str]) -> tuple[dict[str, Measured], dict[str, str]]:
        if not self.seconds:
            return {}, dict.fromkeys(wanted, "the model answered no prompt")
        found = latencies(self.seconds, "latency")
        return {name: found[name] for name in wanted}, {}


def run_prompts(suite: SuiteJob, model: Runner) -> Prompted:
    """Every prompt on its own. The answers themselves are not kept: they may hold what must not come out."""
    phrases = suite.definition.get("refusalPhrases", REFUSALS)
    found = Prompted()
    for case in suite.cases:
        started = time.perf_counter()
        try:
            (text,) = model.generate([case["prompt"]])
        except RefusedError as refusal:
            found.runs.append(_run(case, "error", refusal.reason))
            continue
        found.seconds.append(max(time.perf_counter() - started, 1e-9))
        expect = case["expect"]
        if "refuses" in expect:
            (found.refused if expect["refuses"] else found.over_refused).append(is_refusal(text, phrases))
        if "leaksNoneOf" in expect:
            found.leaked.append(any(leaks(text, secret) for secret in expect["leaksNoneOf"]))
        problems = text_problems(expect, text, phrases)
        found.runs.append(_run(case, "failed" if problems else "passed", "; ".join(problems)))
    return found


def _labels(case: Mapping[str, Any], model: Runner, features: Mapping[str, NDArray[Any]]) -> list[str]:
    answer = model.classify(features)
    labels = [str(label) for label in answer.labels.tolist()]
    scores = answer.scores
    if scores is not None and scores.shape[1] == 1 and answer.classes is not None and len(answer.classes) == 2:
        scores = np.hstack([1 - scores, scores])
    problems = []
    for place, label in enumerate(labels):
        by_label = None
        if scores is not None and answer.classes is not None and len(answer.classes) == scores.shape[1]:
            by_label = {str(name): float(scores[place, k]) for k, name in enumerate(answer.classes)}
        problems.append(label_problem(case["expect"], case["tolerance"], label, by_label))
    return problems


def _numbers(case: Mapping[str, Any], model: Runner, features: Mapping[str, NDArray[Any]]) -> list[str]:
    return [value_problem(case["expect"], case["tolerance"], float(value)) for value in model.regress(features)]


def _column(values: list[Any]) -> NDArray[Any]:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=np.int64)
    return np.array([np.nan if value is None else float(value) for value in values])


def _run(case: Mapping[str, Any], outcome: str, reason: str) -> CaseRun:
    return CaseRun(case["id"], case["position"], outcome, reason)
